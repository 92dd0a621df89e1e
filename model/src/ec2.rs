//! Amazon EC2, as far as tasks need it: subnets and their addresses. A subnet that a service or a load balancer names comes to be with
//! that, in the next zone, as large as those of a default VPC.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World};

/// The addresses of a default VPC's subnet (/20), without the five that AWS keeps of each (VPC user guide, subnet sizing).
const ADDRESSES: u32 = (1 << 12) - KEPT;
const KEPT: u32 = 5;

#[derive(Debug, Clone, Default)]
pub(crate) struct Ec2 {
    subnets: BTreeMap<String, Subnet>,
}

#[derive(Debug, Clone)]
struct Subnet {
    /// Its zone's place in the region.
    zone: usize,
    /// Addresses that it has in all.
    addresses: u32,
    /// Addresses that others have.
    taken: u32,
    /// Addresses that tasks have.
    tasks: u32,
    vpc: String,
    block: String,
    region: String,
}

impl Subnet {
    fn free(&self) -> u32 {
        self.addresses.saturating_sub(self.taken + self.tasks)
    }
}

/// A zone's name by its place in the region.
pub(crate) fn zone_name(region: &str, zone: usize) -> String {
    format!("{region}{}", ["a", "b", "c"][zone % 3])
}

impl Ec2 {
    /// A service or a load balancer names this subnet; the place of its zone.
    pub(crate) fn name(&mut self, id: &str, region: &str) -> usize {
        let place = self.subnets.len();
        let named = || Subnet {
            zone: place % 3,
            addresses: ADDRESSES,
            taken: 0,
            tasks: 0,
            vpc: "vpc-0f1b0000".to_owned(),
            block: format!("172.{}.{}.0/20", 16 + place / 16 % 16, place % 16 * 16),
            region: region.to_owned(),
        };
        self.subnets.entry(id.to_owned()).or_insert_with(named).zone
    }

    /// The zone and the free addresses of a subnet that there is.
    pub(crate) fn room(&self, id: &str) -> Option<(usize, u32)> {
        self.subnets.get(id).map(|subnet| (subnet.zone, subnet.free()))
    }

    /// A task takes an address, or gives it back.
    pub(crate) fn hold(&mut self, id: &str, takes: bool) {
        let Some(subnet) = self.subnets.get_mut(id) else { return };
        subnet.tasks = if takes { subnet.tasks + 1 } else { subnet.tasks.saturating_sub(1) };
    }
}

fn not_found(id: &str) -> AwsError {
    AwsError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"))
}

impl World {
    pub(crate) fn ec2(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateSubnet" => self.create_subnet(call, input),
            "DeleteSubnet" => {
                let id = input.str("SubnetId")?;
                let subnet = self.ec2.subnets.get(id).ok_or_else(|| not_found(id))?;
                if subnet.tasks + subnet.taken > 0 {
                    let text = format!("The subnet '{id}' has dependencies and cannot be deleted.");
                    return Err(AwsError::new("DependencyViolation", text));
                }
                self.ec2.subnets.remove(id);
                Ok(json!({ "Return": true }))
            }
            "DescribeSubnets" => self.describe_subnets(input),
            other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
        }
    }

    /// Others take so many addresses of a subnet from now on.
    pub fn take_addresses(&mut self, subnet: &str, taken: u32) {
        let region = self.core.settings.region.clone();
        self.ec2.name(subnet, &region);
        if let Some(subnet) = self.ec2.subnets.get_mut(subnet) {
            subnet.taken = taken;
        }
        self.changed();
    }

    fn create_subnet(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let (vpc, block) = (input.str("VpcId")?, input.str("CidrBlock")?);
        let bits = block.split_once('/').and_then(|(_, bits)| bits.parse::<u32>().ok());
        let Some(bits) = bits.filter(|bits| (16..=28).contains(bits)) else {
            return Err(AwsError::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid.")));
        };
        let named = input.opt_str("AvailabilityZone");
        let zone = (0..3).find(|zone| named.is_none_or(|named| named == zone_name(call.region, *zone)));
        let Some(zone) = zone else {
            let text = format!("Value ({}) for parameter availabilityZone is invalid.", named.unwrap_or_default());
            return Err(AwsError::new("InvalidParameterValue", text));
        };
        let id = format!("subnet-{}", &self.core.ids.hex32()[..17]);
        let (vpc, block, region) = (vpc.to_owned(), block.to_owned(), call.region.to_owned());
        let subnet = Subnet { zone, addresses: (1 << (32 - bits)) - KEPT, taken: 0, tasks: 0, vpc, block, region };
        let shown = self.subnet_doc(&id, &subnet);
        self.ec2.subnets.insert(id, subnet);
        Ok(json!({ "Subnet": shown }))
    }

    fn subnet_doc(&self, id: &str, subnet: &Subnet) -> Value {
        let account = &self.core.settings.account;
        json!({
            "AvailabilityZone": zone_name(&subnet.region, subnet.zone), "AvailableIpAddressCount": subnet.free(),
            "CidrBlock": subnet.block, "DefaultForAz": false, "MapPublicIpOnLaunch": false, "OwnerId": account, "State": "available",
            "SubnetArn": format!("arn:aws:ec2:{}:{account}:subnet/{id}", subnet.region), "SubnetId": id, "VpcId": subnet.vpc,
        })
    }

    fn describe_subnets(&self, input: In<'_>) -> Answer {
        let ids = input.strs("SubnetIds");
        if let Some(missing) = ids.iter().find(|id| !self.ec2.subnets.contains_key(**id)) {
            return Err(not_found(missing));
        }
        let mut wanted: Vec<(&str, Vec<&str>)> = Vec::new();
        for filter in input.list("Filters") {
            let values: Vec<&str> =
                filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            match filter["Name"].as_str() {
                Some(name @ ("subnet-id" | "vpc-id" | "availability-zone")) if values.len() <= 200 => {
                    wanted.push((name, values));
                }
                Some("subnet-id" | "vpc-id" | "availability-zone") => {
                    let text = "The maximum number of filter values specified on a single call is 200";
                    return Err(AwsError::new("FilterLimitExceeded", text));
                }
                name => {
                    let text = format!("The filter '{}' is invalid", name.unwrap_or_default());
                    return Err(AwsError::new("InvalidParameterValue", text));
                }
            }
        }
        let passes = |id: &str, subnet: &Subnet| {
            wanted.iter().all(|(name, values)| match *name {
                "subnet-id" => values.contains(&id),
                "vpc-id" => values.contains(&subnet.vpc.as_str()),
                _ => values.contains(&zone_name(&subnet.region, subnet.zone).as_str()),
            })
        };
        let of = |(id, subnet): (&String, &Subnet)| {
            ((ids.is_empty() || ids.contains(&id.as_str())) && passes(id, subnet)).then(|| self.subnet_doc(id, subnet))
        };
        let found: Vec<Value> = self.ec2.subnets.iter().filter_map(of).collect();
        let size = input.opt_u64("MaxResults")?.unwrap_or(1_000) as usize;
        let (found, next) = page(&found, input.opt_str("NextToken"), size).ok_or_else(|| input.invalid("NextToken"))?;
        let mut answer = json!({ "Subnets": found });
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        Ok(answer)
    }
}
