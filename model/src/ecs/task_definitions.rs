//! Task definitions: every member that was registered is kept, those unknown to any SDK too.

use serde_json::{Map, Value, json};

use super::{TaskDefinition, client, invalid, short};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World, time};

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
        let port = mapping["containerPort"].clone();
        if let Some(mapping) = mapping.as_object_mut() {
            mapping.entry("hostPort").or_insert(port);
            mapping.entry("protocol").or_insert(json!("tcp"));
        }
    }
}

impl World {
    pub(super) fn register_task_definition(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let family = input.str("family")?.to_owned();
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
            if container["image"].as_str().unwrap_or_default().is_empty() {
                return Err(client("Container.image should not be null or empty."));
            }
            if containers[..index].iter().any(|earlier| earlier["name"] == name) {
                return Err(client(format!("Container names must be unique: {name}")));
            }
        }
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
        doc.insert("compatibilities".into(), json!(["EC2", "FARGATE"]));
        doc.insert("registeredAt".into(), time::stamp(call.now));
        doc.insert("registeredBy".into(), json!(format!("arn:aws:iam::{account}:user/{}", call.caller)));
        self.ecs_set_tags(&arn, input.list("tags"))?;
        let mut answer = json!({ "taskDefinition": doc });
        if !input.list("tags").is_empty() {
            answer["tags"] = self.ecs_tag_list(&arn);
        }
        self.ecs.families.entry(family).or_default().push(TaskDefinition { arn, active: true, doc });
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
        if input.strs("include").contains(&"TAGS") {
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

    pub(super) fn list_task_definitions(&self, input: In<'_>) -> Answer {
        let wanted = input.opt_str("status").unwrap_or("ACTIVE");
        let families: Vec<&Vec<TaskDefinition>> = match input.opt_str("familyPrefix") {
            Some(family) => self.ecs.families.get(family).into_iter().collect(),
            None => self.ecs.families.values().collect(),
        };
        let of_status = |definition: &&TaskDefinition| definition.doc["status"] == wanted;
        let mut arns: Vec<&str> =
            families.into_iter().flatten().filter(of_status).map(|definition| definition.arn.as_str()).collect();
        if input.opt_str("sort") == Some("DESC") {
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
