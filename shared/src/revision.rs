//! The next revision of a task definition: the live one's JSON with the images changed and nothing lost (law 12).

use serde_json::{Map, Value, json};

use crate::ids::RolloutId;
use crate::rollout::ImageRef;

/// The tag that names the rollout a revision was registered for.
pub const ROLLOUT_TAG: &str = "flipback:rollout";

/// What DescribeTaskDefinition adds to what was registered; everything else is carried, members no SDK knows included.
const OUTPUT_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// ECS takes this many tags per resource.
const MAX_TAGS: usize = 50;

/// The RegisterTaskDefinition request for a whole DescribeTaskDefinition answer (with tags) and new images.
///
/// # Errors
/// A sentence: no container takes an image, or the answer is not a task definition.
pub fn next(document: Value, images: &[(ImageRef, Option<String>)], rollout: &RolloutId) -> Result<Value, String> {
    let Value::Object(mut answer) = document else { return Err("the answer is not a JSON object".to_owned()) };
    let tags = answer.remove("tags");
    let Some(Value::Object(mut definition)) = answer.remove("taskDefinition") else {
        return Err("the answer has no taskDefinition".to_owned());
    };
    for member in OUTPUT_ONLY {
        definition.remove(member);
    }
    let family = definition.get("family").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(Value::Array(containers)) = definition.get_mut("containerDefinitions") else {
        return Err(format!("task definition {family} has no containers"));
    };
    for (image, container) in images {
        replace(containers, image, container.as_deref(), &family)?;
    }
    definition.insert("tags".to_owned(), carry(tags, rollout));
    Ok(Value::Object(definition))
}

fn replace(containers: &mut [Value], image: &ImageRef, named: Option<&str>, family: &str) -> Result<(), String> {
    let names: Vec<String> = containers.iter().filter_map(|c| Some(c.get("name")?.as_str()?.to_owned())).collect();
    let mut replaced = 0;
    for container in containers.iter_mut().filter_map(Value::as_object_mut) {
        let takes = match named {
            Some(name) => text(container, "name") == name,
            None => repository(&text(container, "image")) == image.repository,
        };
        if takes {
            container.insert("image".to_owned(), Value::String(image.pinned()));
            replaced += 1;
        }
    }
    if replaced > 0 {
        return Ok(());
    }
    let has = names.join(", ");
    Err(match named {
        Some(name) => format!("task definition {family} has no container named {name}; it has {has}"),
        None => format!(
            "no container of task definition {family} ({has}) has an image from repository {}; name one with \
             `container:` in flipback.yaml",
            image.repository
        ),
    })
}

fn text(container: &Map<String, Value>, member: &str) -> String {
    container.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The repository of an image reference: without registry host, tag and digest.
#[must_use]
pub fn repository(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or(image);
    let path = match without_digest.split_once('/') {
        Some((host, rest)) if host.contains('.') || host.contains(':') || host == "localhost" => rest,
        Some(_) | None => without_digest,
    };
    match path.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => path,
    }
}

/// The live revision's tags without AWS's own, and the one that names the rollout.
fn carry(tags: Option<Value>, rollout: &RolloutId) -> Value {
    let mut kept: Vec<Value> = match tags {
        Some(Value::Array(tags)) => tags,
        Some(_) | None => Vec::new(),
    };
    kept.retain(|tag| {
        let key = tag.get("key").and_then(Value::as_str).unwrap_or_default();
        !key.to_ascii_lowercase().starts_with("aws:") && key != ROLLOUT_TAG
    });
    kept.truncate(MAX_TAGS - 1);
    kept.push(json!({ "key": ROLLOUT_TAG, "value": rollout.as_str() }));
    Value::Array(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn image(repository: &str) -> ImageRef {
        ImageRef {
            registry: "123456789012.dkr.ecr.eu-west-1.amazonaws.com".to_owned(),
            repository: repository.to_owned(),
            tag: "v2".to_owned(),
            digest: "sha256:aa".into(),
            pushed_at: Time(0),
        }
    }

    fn described() -> Value {
        json!({
            "taskDefinition": {
                "family": "shop", "revision": 7, "status": "ACTIVE", "taskDefinitionArn": "arn", "registeredBy": "me",
                "aMemberOfTomorrow": { "deep": [1, 2] }, "cpu": "256",
                "containerDefinitions": [
                    { "name": "api", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api:v1", "newMember": 12345678901234567890_u64 },
                    { "name": "proxy", "image": "public.ecr.aws/envoy:1" },
                ],
            },
            "tags": [
                { "key": "team", "value": "shop" }, { "key": "aws:cloudformation:stack-name", "value": "x" },
                { "key": ROLLOUT_TAG, "value": "shop-1" },
            ],
        })
    }

    #[test]
    fn only_the_container_of_the_repository_is_changed_and_nothing_is_lost() {
        let next = next(described(), &[(image("team/api"), None)], &"shop-2".into()).unwrap();
        let expected = json!({
            "family": "shop", "cpu": "256", "aMemberOfTomorrow": { "deep": [1, 2] },
            "containerDefinitions": [
                { "name": "api", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api@sha256:aa", "newMember": 12345678901234567890_u64 },
                { "name": "proxy", "image": "public.ecr.aws/envoy:1" },
            ],
            "tags": [{ "key": "team", "value": "shop" }, { "key": ROLLOUT_TAG, "value": "shop-2" }],
        });
        assert_eq!(next, expected);
    }

    #[test]
    fn a_missing_container_is_an_error_that_names_those_there_are() {
        let named = next(described(), &[(image("team/api"), Some("web".to_owned()))], &"shop-2".into()).unwrap_err();
        assert_eq!(named, "task definition shop has no container named web; it has api, proxy");
        assert!(next(described(), &[(image("other"), None)], &"shop-2".into()).unwrap_err().contains("container:"));
    }

    #[test]
    fn an_image_reference_is_reduced_to_its_repository() {
        for (reference, expected) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api:v1", "team/api"),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/api@sha256:ab", "team/api"),
            ("localhost:5000/api:v1@sha256:ab", "api"),
            ("team/api", "team/api"),
            ("nginx:1.27", "nginx"),
        ] {
            assert_eq!(repository(reference), expected);
        }
    }
}
