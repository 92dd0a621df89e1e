//! Subnets: their zones, and the addresses that they have left.

use std::collections::{BTreeMap, BTreeSet};

use shared::observation::Reading;
use shared::scaling::Subnet;

use crate::ec2::Described;
use crate::pace::Bucket;
use crate::world::World;

/// A filter takes two hundred values (EC2 API reference); with fewer an answer with many tags is read whole.
const SUBNETS: usize = 100;

/// Reads these, and counts the calls.
pub(super) async fn read(
    world: &World,
    ids: &BTreeSet<&String>,
    calls: &mut usize,
) -> BTreeMap<String, Reading<Option<Subnet>>> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    let mut found = BTreeMap::new();
    for ids in ids.chunks(SUBNETS) {
        let ask = async || world.clients.ec2.subnets(ids).await;
        match world.pace.call(Bucket::Others, calls, ask).await {
            Ok(described) => {
                let of = |id: &String| {
                    let one = described.iter().find(|one: &&Described| one.id == *id);
                    one.map(|one| Subnet { zone: one.zone.clone(), free: one.free })
                };
                found.extend(ids.iter().map(|id| (id.clone(), Reading::Known(of(id)))));
            }
            Err(failure) => found.extend(ids.iter().map(|id| (id.clone(), Reading::Unknown(failure.to_string())))),
        }
    }
    found
}
