//! Services: created, updated, listed, deleted.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::native::check_strategy;
use super::{Attachment, ServiceKey, ServiceStatus, Svc, invalid, short};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World};

/// Members of a service that start a deployment when they change (reference: UpdateService, controller ECS).
const DEPLOYING: [&str; 7] = [
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

/// A member as it is kept: what AWS fills into a network configuration is in it (CreateService examples).
fn shown(member: &str, value: &Value) -> Value {
    let mut value = value.clone();
    if member == "networkConfiguration"
        && let Some(vpc) = value.get_mut("awsvpcConfiguration").and_then(Value::as_object_mut)
    {
        vpc.entry("securityGroups").or_insert(json!([]));
        vpc.entry("assignPublicIp").or_insert(json!("DISABLED"));
    }
    value
}

/// What only a ROLLING deployment has, and every service shows.
const BREAKER: &str = "deploymentCircuitBreaker";

/// Members that are kept and shown, and start none.
const KEPT: [&str; 14] = [
    "launchType",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "schedulingStrategy",
    "healthCheckGracePeriodSeconds",
    "propagateTags",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "placementConstraints",
    "placementStrategy",
    "availabilityZoneRebalancing",
    "deploymentController",
    "gatewayConnectors",
    "monitoring",
];

fn not_found() -> AwsError {
    AwsError::new("ServiceNotFoundException", "Service not found.")
}

/// The load balancers of a service document.
pub(super) fn attachments(doc: &Map<String, Value>) -> Vec<Attachment> {
    let entries = doc.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    entries
        .map(|entry| Attachment {
            target_group: entry["targetGroupArn"].as_str().unwrap_or_default().to_owned(),
            container: entry["containerName"].as_str().unwrap_or_default().to_owned(),
            port: entry["containerPort"].as_u64().unwrap_or(80) as u16,
        })
        .collect()
}

/// The strategy of a deployment configuration; ROLLING without one.
pub(super) fn strategy(configuration: &Value) -> &str {
    configuration["strategy"].as_str().unwrap_or("ROLLING")
}

/// Refuses what AWS refuses.
fn check_configuration(configuration: Option<&Value>, balancers: Option<&Value>) -> Result<(), AwsError> {
    let Some(configuration) = configuration else { return Ok(()) };
    check_strategy(configuration, balancers)?;
    let percent = |name: &str| configuration[name].as_u64();
    if let (Some(min), Some(max)) = (percent("minimumHealthyPercent"), percent("maximumPercent"))
        && min >= 100
        && max <= 100
    {
        return Err(invalid("The maximumPercent must be greater than 100 when minimumHealthyPercent is 100."));
    }
    Ok(())
}

impl World {
    /// A service that is not gone.
    pub(super) fn service_key(&self, cluster: Option<&str>, service: &str) -> Result<ServiceKey, AwsError> {
        // A service ARN in the new form names its cluster.
        let mut parts = service.split(":service/").nth(1).unwrap_or_default().split('/');
        let cluster = match (cluster, parts.next(), parts.next()) {
            (Some(cluster), _, _) => Some(cluster),
            (None, Some(cluster), Some(_)) => Some(cluster),
            (None, _, _) => None,
        };
        let key = (self.cluster_name(cluster)?, short(service).to_owned());
        if self.ecs.services.contains_key(&key) { Ok(key) } else { Err(not_found()) }
    }

    /// The attachments must fit the task definition, and each group a load balancer.
    fn check_attachments(&self, attachments: &[Attachment], task_definition: &str) -> Result<(), AwsError> {
        let containers =
            self.definition(task_definition).map(|doc| doc["containerDefinitions"].clone()).unwrap_or_default();
        for Attachment { target_group, container, port } in attachments {
            let found = containers.as_array().into_iter().flatten().find(|c| c["name"] == container.as_str());
            let found = found
                .ok_or_else(|| invalid(format!("The container {container} does not exist in the task definition.")))?;
            let mut mappings = found["portMappings"].as_array().into_iter().flatten();
            if !mappings.any(|mapping| mapping["containerPort"] == *port) {
                return Err(invalid(format!(
                    "The container {container} did not have a container port {port} defined."
                )));
            }
            let Some(group) = self.elb.target_groups.get(target_group) else {
                return Err(invalid(format!(
                    "Unable to assume role or the target group {target_group} does not exist."
                )));
            };
            if self.elb.load_balancers_of(&group.arn).is_empty() {
                return Err(invalid(format!(
                    "The target group with targetGroupArn {target_group} does not have an associated load balancer."
                )));
            }
        }
        Ok(())
    }

    /// The subnets of a service's document are there from now on.
    fn name_subnets(&mut self, doc: &Map<String, Value>, region: &str) {
        let named = doc.get("networkConfiguration").map(|network| &network["awsvpcConfiguration"]["subnets"]);
        for id in named.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            self.ec2.name(id, region);
        }
    }

    pub(super) fn create_service(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let cluster = self.cluster_name(input.opt_str("cluster"))?;
        let name = input.str("serviceName")?.to_owned();
        let key = (cluster.clone(), name.clone());
        let controller = input.get("deploymentController").and_then(|c| c["type"].as_str()).unwrap_or("ECS");
        if controller != "ECS" {
            return Err(AwsError::new(
                "UnsupportedFeatureException",
                format!("The deployment controller {controller} is not in this local cloud yet."),
            ));
        }
        if input.opt_str("schedulingStrategy") == Some("DAEMON") {
            return Err(AwsError::new(
                "UnsupportedFeatureException",
                "DAEMON services are not in this local cloud yet.",
            ));
        }
        check_configuration(input.get("deploymentConfiguration"), input.get("loadBalancers"))?;
        match self.ecs.services.get(&key).map(|service| service.status) {
            Some(ServiceStatus::Active) => return Err(invalid("Creation of service was not idempotent.")),
            Some(ServiceStatus::Draining) => {
                return Err(invalid("Unable to Start a service that is still Draining."));
            }
            Some(ServiceStatus::Inactive) | None => {}
        }
        let task_definition = self.deployable(input.str("taskDefinition")?)?;
        let desired = input.opt_u64("desiredCount")?.unwrap_or(0);
        if desired > 5_000 {
            return Err(invalid("desiredCount is above the limit of 5000 tasks per service."));
        }
        let mut doc = Map::new();
        for member in DEPLOYING.iter().chain(&KEPT) {
            if let Some(value) = input.get(member) {
                doc.insert((*member).to_owned(), shown(member, value));
            }
        }
        let attached = attachments(&doc);
        if attached.len() > 5 {
            return Err(invalid("A service can have at most 5 target groups."));
        }
        self.check_attachments(&attached, &task_definition)?;
        self.name_subnets(&doc, call.region);
        for (member, default) in [
            ("loadBalancers", json!([])),
            ("serviceRegistries", json!([])),
            ("launchType", json!("FARGATE")),
            ("platformVersion", json!("LATEST")),
            ("platformFamily", json!("Linux")),
            ("schedulingStrategy", json!("REPLICA")),
            ("deploymentController", json!({ "type": "ECS" })),
            ("placementConstraints", json!([])),
            ("placementStrategy", json!([])),
            ("enableECSManagedTags", json!(false)),
            ("enableExecuteCommand", json!(false)),
            ("propagateTags", json!("NONE")),
            ("availabilityZoneRebalancing", json!("ENABLED")),
            ("healthCheckGracePeriodSeconds", json!(0)),
        ] {
            doc.entry(member).or_insert(default);
        }
        let mut configuration = json!({
            "strategy": "ROLLING", "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": { "enable": false, "rollback": false }, "bakeTimeInMinutes": 0,
        });
        merge(&mut configuration, doc.get("deploymentConfiguration"));
        doc.insert("deploymentConfiguration".into(), configuration);
        let arn = format!("arn:aws:ecs:{}:{}:service/{cluster}/{name}", call.region, self.core.settings.account);
        self.ecs_set_tags(&arn, input.list("tags"))?;
        let service = Svc {
            name,
            cluster,
            arn,
            region: call.region.to_owned(),
            status: ServiceStatus::Active,
            desired: desired as u32,
            task_definition: task_definition.clone(),
            deployments: Vec::new(),
            events: VecDeque::new(),
            doc,
            created: call.now,
            created_by: call.caller.to_owned(),
            next_pass: None,
            not_before: 0,
            steady: false,
            last_completed: None,
            native: Default::default(),
            shown: None,
        };
        self.ecs.services.insert(key.clone(), service);
        self.start_deployment(&key, &task_definition, None, call.now);
        Ok(json!({ "service": self.service_doc(&key, !input.list("tags").is_empty()) }))
    }

    pub(super) fn update_service(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let key = self.service_key(input.opt_str("cluster"), input.str("service")?)?;
        if self.ecs.services[&key].status != ServiceStatus::Active {
            return Err(AwsError::new("ServiceNotActiveException", "Service was not ACTIVE."));
        }
        let current = &self.ecs.services[&key];
        let task_definition = match input.opt_str("taskDefinition") {
            Some(reference) if short(reference) == short(&current.task_definition) => current.task_definition.clone(),
            Some(reference) => self.deployable(reference)?,
            None => current.task_definition.clone(),
        };
        let desired = match input.opt_u64("desiredCount")? {
            Some(desired) if desired > 5_000 => return Err(invalid("desiredCount is above the limit of 5000.")),
            Some(desired) => desired as u32,
            None => current.desired,
        };
        let mut doc = current.doc.clone();
        let beliefs = self.core.settings.beliefs.clone();
        let another = task_definition != current.task_definition;
        let mut deploys = input.bool("forceNewDeployment") || another && beliefs.another_revision_deploys;
        for member in DEPLOYING {
            if let Some(value) = input.get(member) {
                let value = shown(member, value);
                deploys |= doc.get(member) != Some(&value);
                doc.insert(member.to_owned(), value);
            }
        }
        for member in KEPT {
            let Some(value) = input.get(member) else { continue };
            let merged = if member == "deploymentConfiguration" && beliefs.deployment_configuration_merges {
                let mut merged = doc.get(member).cloned().unwrap_or_else(|| json!({}));
                merge(&mut merged, Some(value));
                merged
            } else {
                value.clone()
            };
            doc.insert(member.to_owned(), merged);
        }
        check_configuration(doc.get("deploymentConfiguration"), doc.get("loadBalancers"))?;
        let moves_traffic = doc.get("deploymentConfiguration").is_some_and(|all| strategy(all) != "ROLLING");
        let sends_breaker = input.get("deploymentConfiguration").is_some_and(|all| all.get(BREAKER).is_some());
        if moves_traffic && sends_breaker && !beliefs.configuration_is_taken_as_shown {
            return Err(invalid(format!("{BREAKER} is only supported with the deployment strategy ROLLING.")));
        }
        if input.opt_str("taskDefinition").is_some() && !another {
            deploys |= !match moves_traffic {
                true => beliefs.repeated_native_update_starts_nothing,
                false => beliefs.repeated_update_starts_nothing,
            };
        }
        self.check_attachments(&attachments(&doc), &task_definition)?;
        self.name_subnets(&doc, call.region);
        let due = call.now + self.core.settings.ecs.scheduler_delay;
        // Two quick writes: the reads are as far behind as after one.
        let shown = (!self.core.settings.beliefs.services_read_back_at_once).then(|| {
            let before = self.core.lagging(&self.ecs.services[&key].shown).cloned();
            (call.now + self.core.settings.beyond.reads, before.unwrap_or_else(|| self.service_doc(&key, false)))
        });
        if let Some(service) = self.ecs.services.get_mut(&key) {
            service.shown = shown;
            service.doc = doc;
            service.task_definition.clone_from(&task_definition);
            service.wake(due);
            if service.desired != desired {
                service.desired = desired;
                service.steady = false;
            }
        }
        if deploys {
            self.start_deployment(&key, &task_definition, None, call.now);
        }
        Ok(json!({ "service": self.service_doc(&key, false) }))
    }

    pub(super) fn list_services(&self, input: In<'_>) -> Answer {
        let cluster = self.cluster_name(input.opt_str("cluster"))?;
        let listed = |s: &&Svc| s.cluster == cluster && s.status != ServiceStatus::Inactive;
        let arns: Vec<&str> = self.ecs.services.values().filter(listed).map(|service| service.arn.as_str()).collect();
        let size = input.opt_u64("maxResults")?.unwrap_or(10).clamp(1, 100) as usize;
        let (arns, next) = page(&arns, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "serviceArns": arns });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn delete_service(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let key = self.service_key(input.opt_str("cluster"), input.str("service")?)?;
        let due = call.now + self.core.settings.ecs.scheduler_delay;
        let service = self.ecs.services.get_mut(&key).ok_or_else(not_found)?;
        if service.status == ServiceStatus::Inactive {
            return Err(not_found());
        }
        if service.desired > 0 && !input.bool("force") {
            return Err(invalid("The service cannot be stopped while it is scaled above 0."));
        }
        service.status = ServiceStatus::Draining;
        service.desired = 0;
        service.wake(due);
        Ok(json!({ "service": self.service_doc(&key, false) }))
    }
}

/// Members of `with` replace those of `into`.
fn merge(into: &mut Value, with: Option<&Value>) {
    if let (Some(into), Some(with)) = (into.as_object_mut(), with.and_then(Value::as_object)) {
        into.extend(with.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

impl Svc {
    /// The scheduler looks at it then, or earlier if it was going to.
    pub(crate) fn wake(&mut self, at: u64) {
        self.next_pass = Some(self.next_pass.map_or(at, |next| next.min(at)));
    }

    pub(super) fn configuration(&self) -> &Value {
        &self.doc["deploymentConfiguration"]
    }

    pub(super) fn attachments(&self) -> Vec<Attachment> {
        attachments(&self.doc)
    }

    pub(super) fn grace(&self) -> u64 {
        self.doc.get("healthCheckGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(0) * 1_000
    }

    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        self.doc.get(name)
    }

    pub(super) fn members(&self) -> &Map<String, Value> {
        &self.doc
    }
}
