//! Task definitions: every member that was registered is kept, those unknown to any SDK too.

use serde_json::{Map, Value, json};

use super::{TaskDefinition, client, invalid, short};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, Millis, World, time};

/// What AWS fills into a container definition.
fn complete(container: &mut Map<String, Value>) {
    for (member, default) in [
        ("cpu", json!(0)),
        ("portMappings", json!([])),
        ("essential", json!(true)),
        ("environment", json!([])),
        ("mountPoints", json!([])),
        ("volumesFrom", json!([])),
        ("systemControls", json!([])),
    ] {
        container.entry(member).or_insert(default);
    }
    for mapping in container["portMappings"].as_array_mut().into_iter().flatten() {
        let port = mapping.get("containerPort").cloned();
        if let Some(mapping) = mapping.as_object_mut() {
            // A range of ports has no such member.
            if let Some(port) = port {
                mapping.entry("hostPort").or_insert(port);
            }
            mapping.entry("protocol").or_insert(json!("tcp"));
        }
    }
}

/// Whether a definition can run on Fargate; refused where it asks for that and cannot.
fn check_sizes(input: In<'_>) -> Result<bool, AwsError> {
    let sized = input.get("cpu").is_some() && input.get("memory").is_some();
    if input.strs("requiresCompatibilities").contains(&"FARGATE") {
        for member in ["cpu", "memory"] {
            if input.get(member).is_none() {
                return Err(client(format!("Fargate requires that '{member}' be defined at the task level.")));
            }
        }
        if input.opt_str("networkMode") != Some("awsvpc") {
            return Err(client("Fargate only supports network mode 'awsvpc'."));
        }
    }
    Ok(sized && input.opt_str("networkMode") == Some("awsvpc"))
}

impl World {
    pub(super) fn register_task_definition(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let family = input.opt_str("family").unwrap_or_default().to_owned();
        if family.is_empty() {
            return Err(client("Family should not be null or empty."));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if family.len() > 255 || !family.chars().all(valid) {
            return Err(client("Family contains invalid characters."));
        }
        let containers = input.list("containerDefinitions");
        if containers.is_empty() {
            return Err(client("Container list cannot be empty."));
        }
        if containers.len() > 10 {
            return Err(client("Too many containers: at most 10 are allowed."));
        }
        for (index, container) in containers.iter().enumerate() {
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                return Err(client("Container.name should not be null or empty."));
            }
            let image = container["image"].as_str().unwrap_or_default();
            if image.is_empty() {
                return Err(client("Container.image should not be null or empty."));
            }
            if image.contains('@') && !self.core.settings.beliefs.digest_references_are_accepted {
                return Err(client("Container.image contains invalid characters."));
            }
            if containers[..index].iter().any(|earlier| earlier["name"] == name) {
                return Err(client(format!("Container names must be unique: {name}")));
            }
        }
        let serverless = check_sizes(input)?;
        let mut doc = call.input.as_object().cloned().unwrap_or_default();
        doc.remove("tags");
        for output_only in ["taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities"] {
            doc.remove(output_only);
        }
        for member in ["volumes", "placementConstraints"] {
            doc.entry(member).or_insert(json!([]));
        }
        for container in doc["containerDefinitions"].as_array_mut().into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                complete(container);
            }
        }
        let revision = self.ecs.families.get(&family).map_or(0, Vec::len) + 1;
        let account = &self.core.settings.account;
        let arn = format!("arn:aws:ecs:{}:{account}:task-definition/{family}:{revision}", call.region);
        doc.insert("taskDefinitionArn".into(), json!(arn));
        doc.insert("revision".into(), json!(revision));
        doc.insert("status".into(), json!("ACTIVE"));
        doc.insert("requiresAttributes".into(), json!([]));
        doc.insert("compatibilities".into(), if serverless { json!(["EC2", "FARGATE"]) } else { json!(["EC2"]) });
        doc.insert("registeredAt".into(), time::stamp(call.now));
        doc.insert("registeredBy".into(), json!(self.core.principal(call.caller)));
        self.ecs_set_tags(&arn, input.list("tags"))?;
        let mut answer = json!({ "taskDefinition": doc });
        if !input.list("tags").is_empty() {
            answer["tags"] = self.ecs_tag_list(&arn);
        }
        self.ecs.families.entry(family).or_default().push(TaskDefinition {
            arn,
            active: true,
            doc,
            registered: call.now,
        });
        Ok(answer)
    }

    /// `family`, `family:revision`, or an ARN with or without a revision; a family means its newest active revision.
    pub(super) fn definition_place(&self, reference: &str) -> Option<(String, usize)> {
        let name = short(reference);
        match name.split_once(':') {
            Some((family, revision)) => {
                let index = revision.parse::<usize>().ok()?.checked_sub(1)?;
                self.ecs.families.get(family)?.get(index)?;
                Some((family.to_owned(), index))
            }
            None => {
                let index = self.ecs.families.get(name)?.iter().rposition(|definition| definition.active)?;
                Some((name.to_owned(), index))
            }
        }
    }

    /// The document of a task definition, by ARN.
    pub(super) fn definition(&self, arn: &str) -> Option<&Map<String, Value>> {
        let (family, index) = self.definition_place(arn)?;
        Some(&self.ecs.families[&family][index].doc)
    }

    /// The ARN of an active revision, for a deployment.
    pub(super) fn deployable(&self, reference: &str) -> Result<String, AwsError> {
        let (family, index) = self.definition_place(reference).ok_or_else(|| client("TaskDefinition not found."))?;
        let definition = &self.ecs.families[&family][index];
        if definition.active { Ok(definition.arn.clone()) } else { Err(client("TaskDefinition is inactive")) }
    }

    pub(super) fn describe_task_definition(&self, input: In<'_>) -> Answer {
        let place = self.definition_place(input.str("taskDefinition")?);
        let (family, index) = place.ok_or_else(|| client("Unable to describe task definition."))?;
        let definition = &self.ecs.families[&family][index];
        let mut answer = json!({ "taskDefinition": definition.doc });
        let beliefs = &self.core.settings.beliefs;
        let tagged = self.shown_since(definition, beliefs.tags_come_with_the_revision, self.core.settings.beyond.tags);
        if input.strs("include").contains(&"TAGS") && tagged {
            answer["tags"] = self.ecs_tag_list(&definition.arn);
        }
        Ok(answer)
    }

    pub(super) fn deregister_task_definition(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let reference = input.str("taskDefinition")?;
        if !short(reference).contains(':') {
            return Err(client("A revision is required."));
        }
        let place = self.definition_place(reference);
        let (family, index) = place.ok_or_else(|| client("The specified task definition does not exist."))?;
        let definition = self.ecs.families.get_mut(&family).and_then(|all| all.get_mut(index));
        let definition = definition.ok_or_else(|| invalid("The specified task definition does not exist."))?;
        if definition.active {
            definition.active = false;
            definition.doc.insert("status".into(), json!("INACTIVE"));
            definition.doc.insert("deregisteredAt".into(), time::stamp(call.now));
        }
        Ok(json!({ "taskDefinition": definition.doc }))
    }

    /// Revisions that were deregistered go for good once nothing uses them; their numbers are not given again.
    pub(super) fn delete_task_definitions(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for reference in input.strs("taskDefinitions") {
            let Some((family, index)) = self.definition_place(reference) else {
                failures.push(json!({ "arn": reference, "reason": "MISSING" }));
                continue;
            };
            let definition = self.ecs.families.get_mut(&family).and_then(|all| all.get_mut(index));
            let Some(definition) = definition else { continue };
            if definition.active {
                failures
                    .push(json!({ "arn": definition.arn, "reason": "The specified task definition is still ACTIVE." }));
                continue;
            }
            definition.doc.insert("status".into(), json!("DELETE_IN_PROGRESS"));
            definition.doc.insert("deleteRequestedAt".into(), time::stamp(call.now));
            deleted.push(Value::Object(definition.doc.clone()));
        }
        Ok(json!({ "taskDefinitions": deleted, "failures": failures }))
    }

    /// Whether reads show what a revision was registered with: at once, or after a while.
    fn shown_since(&self, definition: &TaskDefinition, at_once: bool, after: Millis) -> bool {
        at_once || self.core.as_is || definition.registered + after <= self.core.now
    }

    pub(super) fn list_task_definitions(&self, input: In<'_>) -> Answer {
        let wanted = input.opt_str("status").unwrap_or("ACTIVE");
        let families: Vec<&Vec<TaskDefinition>> = match input.opt_str("familyPrefix") {
            Some(family) => self.ecs.families.get(family).into_iter().collect(),
            None => self.ecs.families.values().collect(),
        };
        let settings = &self.core.settings;
        let of_status = |definition: &&TaskDefinition| {
            definition.doc["status"] == wanted
                && self.shown_since(definition, settings.beliefs.definitions_are_listed_in_time, settings.beyond.lists)
        };
        let mut arns: Vec<&str> =
            families.into_iter().flatten().filter(of_status).map(|definition| definition.arn.as_str()).collect();
        if input.opt_str("sort") == Some("DESC") && settings.beliefs.newest_definitions_come_first {
            arns.reverse();
        }
        let size = input.opt_u64("maxResults")?.unwrap_or(100).clamp(1, 100) as usize;
        let (arns, next) = page(&arns, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "taskDefinitionArns": arns });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn list_task_definition_families(&self, input: In<'_>) -> Answer {
        let prefix = input.opt_str("familyPrefix").unwrap_or_default();
        let status = input.opt_str("status").unwrap_or("ALL");
        let wanted = |definitions: &Vec<TaskDefinition>| match status {
            "ACTIVE" => definitions.iter().any(|definition| definition.active),
            "INACTIVE" => !definitions.iter().any(|definition| definition.active),
            _ => true,
        };
        let families = self.ecs.families.iter().filter(|(name, all)| name.starts_with(prefix) && wanted(all));
        let names: Vec<&str> = families.map(|(name, _)| name.as_str()).collect();
        let size = input.opt_u64("maxResults")?.unwrap_or(100).clamp(1, 100) as usize;
        let (names, next) = page(&names, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "families": names });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }
}
