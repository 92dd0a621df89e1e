//! Law 11: one owner per thing. What lands on a thing was sent for the service that owns it.

use serde_json::Value;
use shared::config::ServiceConfig;
use shared::ids::Colour;

use crate::cloud::{Cloud, Landing};
use crate::next_door::Who;

/// What a write goes to.
fn thing(input: &Value) -> Option<&str> {
    let members = ["RuleArn", "ListenerArn", "service", "ResourceId", "family", "taskDefinition"];
    let named = members.iter().find_map(|member| input[*member].as_str())?;
    // A definition by its family, a scalable target by its service.
    let name = match input["ResourceId"].is_string() || input["taskDefinition"].is_string() {
        true => named.rsplit('/').next().unwrap_or(named),
        false => named,
    };
    Some(if input["service"].is_string() { input["service"].as_str()? } else { name })
}

fn owns(config: &ServiceConfig, thing: &str) -> bool {
    let family = thing.split(':').next() == Some(config.name.as_str());
    let colour = Colour::BOTH.into_iter().any(|colour| config.engine.service(colour) == thing);
    let route = config.engine.routes().iter().any(|route| route.as_str() == thing);
    colour || route || (family && !thing.starts_with("arn:"))
}

/// A write took effect.
pub(super) fn landed(cloud: &mut Cloud, landing: &Landing) {
    let Some(thing) = thing(&landing.input).map(str::to_owned) else { return };
    let mine = match landing.who {
        Who::Shop => Some(cloud.place.config.clone()),
        Who::NextDoor => cloud.place.next_door.clone(),
    };
    if !mine.is_some_and(|config| owns(&config, &thing)) {
        let name = landing.who.name();
        cloud.violate(11, format!("{} of {name} writes {thing}, which is not its own", landing.operation));
    }
}

#[cfg(test)]
mod tests {
    use super::thing;
    use serde_json::json;

    #[test]
    fn what_a_write_goes_to_is_told_from_its_input() {
        let update =
            json!({ "cluster": "c", "service": "shop-api-blue", "taskDefinition": "arn:x:task-definition/a:2" });
        assert_eq!(thing(&update), Some("shop-api-blue"));
        assert_eq!(thing(&json!({ "taskDefinition": "arn:x:task-definition/shop-api:2" })), Some("shop-api:2"));
        assert_eq!(thing(&json!({ "ResourceId": "service/production/shop-api-green" })), Some("shop-api-green"));
        assert_eq!(thing(&json!({ "family": "shop-api" })), Some("shop-api"));
        assert_eq!(thing(&json!({ "RuleArn": "arn:r", "Actions": [] })), Some("arn:r"));
    }
}
