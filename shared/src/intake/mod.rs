//! From an event to what it says. An event is read by its source and detail-type, never by trying types; what is not
//! ours is ignored with the reason, what is malformed is an error that says where.
//!
//! A new trigger is one file here and one line in `REGISTRY`.

mod alarm;
mod ecr;
mod ecs;
mod message;

use serde_json::Value;

use crate::time::Time;

pub use alarm::AlarmChange;
pub use ecr::{ImagePush, intent as push_intent};
pub use ecs::EcsHint;
pub use message::{Message, MessageKind};

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An image is in a repository with a tag.
    Push(ImagePush),
    /// An alarm changed its state.
    Alarm(AlarmChange),
    /// Something happened to an ECS service: worth a look.
    Ecs(EcsHint),
    /// The schedule ticked.
    Tick,
    /// Nothing for Flipback: why.
    Ignored(String),
}

/// Why an event could not be read. Delivering it again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed event{}: {what}", .id.as_ref().map(|id| format!(" {id}")).unwrap_or_default())]
pub struct Malformed {
    /// The event's id, if it has one.
    pub id: Option<String>,
    /// What is wrong and where.
    pub what: String,
}

/// The envelope of EventBridge.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The event's id; the same event delivered twice has the same.
    pub id: &'a str,
    /// When it happened.
    pub time: Time,
    /// The account it is from.
    pub account: &'a str,
    /// The region it is from.
    pub region: &'a str,
    /// The ARNs it is about.
    pub resources: &'a [Value],
    /// What it says.
    pub detail: &'a Value,
}

impl<'a> Envelope<'a> {
    /// A text member of the detail.
    ///
    /// # Errors
    /// The member's name.
    pub(crate) fn text(&self, member: &str) -> Result<&'a str, String> {
        self.detail.get(member).and_then(Value::as_str).ok_or_else(|| format!("detail.{member} is missing or no text"))
    }
}

type Read = fn(&Envelope<'_>) -> Result<Event, String>;

/// Every trigger: source, detail-type, reader.
const REGISTRY: [(&str, &str, Read); 7] = [
    ("aws.ecr", "ECR Image Action", ecr::push),
    ("aws.ecr", "ECR Replication Action", ecr::replication),
    ("aws.cloudwatch", "CloudWatch Alarm State Change", alarm::change),
    ("aws.ecs", "ECS Deployment State Change", ecs::deployment),
    ("aws.ecs", "ECS Task State Change", ecs::task),
    ("aws.ecs", "ECS Hook State Change", ecs::hook),
    ("aws.events", "Scheduled Event", tick),
];

fn tick(_: &Envelope<'_>) -> Result<Event, String> {
    Ok(Event::Tick)
}

/// Reads an event.
///
/// # Errors
/// What is wrong with it, and where.
pub fn read(event: &Value) -> Result<Event, Malformed> {
    let id = event.get("id").and_then(Value::as_str);
    let wrong = |what: String| Malformed { id: id.map(str::to_owned), what };
    let text = |member: &str| {
        event.get(member).and_then(Value::as_str).ok_or_else(|| wrong(format!("{member} is missing or no text")))
    };
    if !event.is_object() {
        return Err(wrong("not a JSON object".to_owned()));
    }
    let (source, detail_type) = (text("source")?, text("detail-type")?);
    // EventBridge Scheduler sends its own envelope, whose detail is the text "{}".
    if source == "aws.scheduler" {
        return Ok(Event::Tick);
    }
    let Some((_, _, read)) = REGISTRY.iter().find(|(s, d, _)| *s == source && *d == detail_type) else {
        return Ok(Event::Ignored(format!("no trigger for source {source}, detail-type {detail_type}")));
    };
    let time = text("time")?;
    let time = Time::parse(time).ok_or_else(|| wrong(format!("time {time:?} is not a time")))?;
    let nothing = Vec::new();
    let envelope = Envelope {
        id: text("id")?,
        time,
        account: text("account")?,
        region: text("region")?,
        resources: event.get("resources").and_then(Value::as_array).unwrap_or(&nothing),
        detail: event.get("detail").filter(|d| d.is_object()).ok_or_else(|| wrong("detail is no object".to_owned()))?,
    };
    read(&envelope).map_err(wrong)
}

/// The id of an event, for the logs.
#[must_use]
pub fn id(event: &Value) -> &str {
    event.get("id").and_then(Value::as_str).unwrap_or("none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn envelope(source: &str, detail_type: &str, detail: Value) -> Value {
        json!({ "id": "e1", "source": source, "detail-type": detail_type, "time": "2026-11-20T09:15:42Z",
            "account": "123456789012", "region": "eu-west-1", "resources": [], "detail": detail })
    }

    #[test]
    fn an_event_of_somebody_else_is_ignored_by_name() {
        let event = envelope("aws.s3", "Object Created", json!({}));
        assert_eq!(
            read(&event),
            Ok(Event::Ignored("no trigger for source aws.s3, detail-type Object Created".to_owned()))
        );
    }

    #[test]
    fn a_malformed_event_says_which_member_is_wrong() {
        let event = envelope("aws.ecr", "ECR Image Action", json!({ "action-type": "PUSH", "result": "SUCCESS" }));
        assert_eq!(
            read(&event).unwrap_err().to_string(),
            "malformed event e1: detail.repository-name is missing or no text"
        );
        assert!(read(&json!([])).unwrap_err().what.contains("not a JSON object"));
        assert!(read(&json!({ "source": "aws.ecr" })).unwrap_err().what.contains("detail-type"));
    }

    #[test]
    fn the_schedulers_text_detail_is_a_tick() {
        let event = json!({ "source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": "{}" });
        assert_eq!(read(&event), Ok(Event::Tick));
    }

    proptest! {
        #[test]
        fn no_detail_makes_a_reader_panic(key in "[a-zA-Z-]{0,20}", value in ".{0,50}", number in any::<i64>()) {
            for (source, detail_type, _) in REGISTRY {
                for detail in [json!({ key.clone(): value.clone() }), json!({ key.clone(): number }), json!(null)] {
                    let _ = read(&envelope(source, detail_type, detail));
                }
            }
        }
    }
}
