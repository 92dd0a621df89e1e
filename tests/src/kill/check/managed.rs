//! Two colours: what the world must be like in the end, and who may change it.

use super::{End, Wrong, described, rules, scaling, services, tasks, weight};
use model::JournalEntry;

/// Blue and green.
pub(super) const SERVICES: &[&str] = &["shop-blue", "shop-green"];

/// Rules, services and scalable targets are what they were but for what a rollout is for; the weights are all on one side.
pub(super) fn world(end: &End<'_>, completed: bool, wrong: &mut Wrong) -> anyhow::Result<()> {
    let (live, rests) = if completed { (1, 0) } else { (0, 1) };
    let weights = end.scene.weights();
    let expected = if completed { (0, 100) } else { (100, 0) };
    wrong.unless(weights == expected, || format!("the weights are {weights:?}"));
    wrong.same("the rules", &end.before.rules, &rules(end.scene)?);
    wrong.same("the services", &end.before.services, &services(end.scene, SERVICES)?);
    let mut scaling_before = end.before.scaling.clone();
    if completed {
        // The roles have changed places.
        if let Some(targets) = scaling_before.as_array_mut() {
            targets.reverse();
        }
    }
    wrong.same("the scalable targets", &scaling_before, &scaling(end.scene, SERVICES)?);
    let read = described(end.scene, SERVICES)?;
    tasks(&read[live], 2, wrong);
    tasks(&read[rests], 0, wrong);
    Ok(())
}

/// Advance changes the world; on-alarm writes weights back, and nothing else.
pub(super) fn may(end: &End<'_>, entry: &JournalEntry) -> bool {
    match entry.caller.as_str() {
        "function:advance" => true,
        "function:on-alarm" => {
            entry.operation == "ModifyRule" && weight(&entry.input["Actions"], &end.scene.colours.green) == Some(0)
        }
        _ => false,
    }
}
