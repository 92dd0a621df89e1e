//! Another release of Flipback takes over in the middle of things: the saved status as it would find it, and its margins.

use std::rc::Rc;

use serde_json::{Value, json};
use shared::rollout::{Margins, Status};
use shared::time::Span;

use crate::cloud::Cloud;

/// What has members of its own, and not the names of things.
const STRUCTS: [&str; 14] = [
    "",
    "/wake",
    "/last",
    "/next",
    "/settled",
    "/settled/rested",
    "/repairing",
    "/rollout",
    "/rollout/phase",
    "/rollout/ailing",
    "/rollout/candidate",
    "/rollout/config",
    "/rollout/config/engine",
    "/rollout/correcting",
];

/// Members that every release must be able to do without: an older one did not write them.
const OPTIONAL: [&str; 37] = [
    "/rollouts",
    "/notices",
    "/rollout",
    "/next",
    "/taken",
    "/good",
    "/seen",
    "/quarantine",
    "/settled",
    "/last",
    "/waiting",
    "/settled/differsSince",
    "/settled/corrected",
    "/settled/correcting",
    "/settled/rested",
    "/repairing",
    "/repaired",
    "/repairing/writes",
    "/repairing/over",
    "/rollout/routes",
    "/rollout/firstShift",
    "/rollout/forwardUntil",
    "/rollout/weightsUntil",
    "/rollout/scaling",
    "/rollout/paused",
    "/rollout/forgiven",
    "/rollout/blind",
    "/rollout/ran",
    "/rollout/sides",
    "/rollout/arrived",
    "/rollout/ailing",
    "/rollout/relapses",
    "/rollout/stableDead",
    "/rollout/emptied",
    "/rollout/called",
    "/rollout/correcting",
    "/rollout/toldBack",
];

/// Nothing is lost by leaving it out.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// The status as the next release reads it: written by a newer one, whose members it does not know, or by an older one,
/// which did not write every member.
fn read_again(status: &Status) -> Result<Status, String> {
    let mut saved = serde_json::to_value(status).map_err(|error| error.to_string())?;
    for path in OPTIONAL {
        let (place, member) = path.rsplit_once('/').unwrap_or_default();
        if let Some(members) = saved.pointer_mut(place).and_then(Value::as_object_mut)
            && members.get(member).is_some_and(says_nothing)
        {
            members.remove(member);
        }
    }
    for path in STRUCTS {
        if let Some(members) = saved.pointer_mut(path).and_then(Value::as_object_mut) {
            members.insert("aMemberOfTomorrow".to_owned(), json!({ "set": [1, { "more": null }] }));
        }
    }
    serde_json::from_value(saved).map_err(|error| error.to_string())
}

/// Margins of another release: as safe, and not the same.
pub(crate) fn margins(base: Margins) -> Margins {
    let longer = |span: Span| Span(span.0 * 3 / 2);
    Margins {
        forward: Span(base.forward.0 * 4 / 5),
        effect_lifetime: longer(base.effect_lifetime),
        drain: longer(base.drain),
        look: longer(base.look),
        confirm: longer(base.confirm),
        replace: longer(base.replace),
        ..base
    }
}

pub(crate) fn play(cloud: &mut Cloud) -> bool {
    let base = cloud.schedule.pace.margins;
    cloud.margins = if cloud.margins == base { margins(base) } else { base };
    match read_again(&cloud.record.status) {
        Ok(status) if status == cloud.record.status => Rc::make_mut(&mut cloud.record).status = status,
        Ok(_) => cloud.violate(13, "another release reads another status than was saved".to_owned()),
        Err(why) => cloud.violate(13, format!("another release cannot read the saved status: {why}")),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{OPTIONAL, STRUCTS, read_again};
    use shared::rollout::Status;

    #[test]
    fn a_status_with_strange_members_and_without_the_empty_ones_is_the_same() {
        let status = Status { rollouts: 3, waiting: "nothing".to_owned(), ..Status::default() };
        assert_eq!(read_again(&status).unwrap(), status);
        assert!(OPTIONAL.iter().chain(&STRUCTS).all(|path| path.is_empty() || path.starts_with('/')));
    }
}
