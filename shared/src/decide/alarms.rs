//! Alarms belong to a side (law 10), and a missing reading is not a quiet alarm (law 6).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::ids::{AlarmName, Colour};
use crate::observation::{AlarmReading, AlarmState, Reading};
use crate::rollout::{AlarmSide, Cause, Rollout};
use crate::time::Time;

use super::draft::Draft;

/// Which side each configured alarm watches; the ones resolved by dimension need their reading.
pub(super) fn sides(draft: &Draft<'_>) -> BTreeMap<AlarmName, AlarmSide> {
    let alarms = &draft.config.alarms;
    let mut sides = BTreeMap::new();
    for name in &alarms.by_dimension {
        if let Some(reading) = reading(draft, name) {
            sides.insert(name.clone(), by_dimension(draft, reading));
        }
    }
    let fixed = [
        (&alarms.blue, AlarmSide::Only(Colour::Blue)),
        (&alarms.green, AlarmSide::Only(Colour::Green)),
        (&alarms.both, AlarmSide::Both),
    ];
    for (names, side) in fixed {
        sides.extend(names.iter().map(|name| (name.clone(), side)));
    }
    sides
}

/// Blue's target group or service: blue. Both, or neither (the load balancer): both.
fn by_dimension(draft: &Draft<'_>, alarm: &AlarmReading) -> AlarmSide {
    // One service whose two target groups take turns: whatever carries traffic.
    if draft.config.engine.native().is_some() {
        return AlarmSide::Both;
    }
    let watches = |colour: Colour| {
        let by_service = alarm.services.contains(draft.config.engine.service(colour));
        let by_group = draft.service(colour).is_some_and(|service| {
            service
                .target_groups
                .iter()
                .any(|tg| alarm.target_groups.iter().any(|suffix| tg.0.ends_with(suffix.as_str())))
        });
        by_service || by_group
    };
    match (watches(Colour::Blue), watches(Colour::Green)) {
        (true, false) => AlarmSide::Only(Colour::Blue),
        (false, true) => AlarmSide::Only(Colour::Green),
        (true, true) | (false, false) => AlarmSide::Both,
    }
}

fn reading<'a>(draft: &Draft<'a>, name: &AlarmName) -> Option<&'a AlarmReading> {
    draft.seen.alarms.get(name)?.known()?.as_ref()
}

/// The configured alarms that could not be read: name and reason.
pub(super) fn unknown(draft: &Draft<'_>) -> Option<String> {
    draft.config.alarms.all().iter().find_map(|name| match draft.seen.alarms.get(name) {
        Some(Reading::Known(_)) => None,
        Some(Reading::Unknown(why)) => Some(format!("alarm {name}: {why}")),
        None => Some(format!("alarm {name} was not read")),
    })
}

/// The configured alarms that do not exist.
pub(super) fn missing(draft: &Draft<'_>) -> Vec<String> {
    let gone = |name: &AlarmName| matches!(draft.seen.alarms.get(name), Some(Reading::Known(None)));
    draft.config.alarms.all().iter().filter(|name| gone(name)).map(|name| name.0.clone()).collect()
}

/// The configured alarms that fire, for a colour, without those forgiven at the start.
pub(super) fn firing(draft: &Draft<'_>, rollout: &Rollout, colour: Colour) -> Vec<String> {
    let fires = |name: &AlarmName| reading(draft, name).is_some_and(|alarm| alarm.state == AlarmState::Alarm);
    rollout
        .sides
        .iter()
        .filter(|(name, side)| side.covers(colour) && fires(name) && !rollout.forgiven.contains(&name.0))
        .map(|(name, _)| name.0.clone())
        .collect()
}

/// Alarms that fire on the stable side only: no reason to move traffic there.
pub(super) fn stable_firing(draft: &Draft<'_>, rollout: &Rollout, stable: Colour) -> Vec<String> {
    firing(draft, rollout, stable)
        .into_iter()
        .filter(|name| rollout.sides.get(&AlarmName(name.clone())).is_some_and(|side| !side.covers(stable.other())))
        .collect()
}

/// Every configured alarm that fires now.
pub(super) fn all_firing(draft: &Draft<'_>) -> Vec<String> {
    let fires = |name: &AlarmName| reading(draft, name).is_some_and(|alarm| alarm.state == AlarmState::Alarm);
    draft.config.alarms.all().iter().filter(|name| fires(name)).map(|name| name.0.clone()).collect()
}

/// Every configured alarm that has no data and does not take that for quiet.
pub(super) fn blind(draft: &Draft<'_>) -> Vec<String> {
    let blind = |name: &AlarmName| {
        reading(draft, name).is_some_and(|a| a.state == AlarmState::InsufficientData && !a.missing_is_quiet)
    };
    draft.config.alarms.all().iter().filter(|name| blind(name)).map(|name| name.0.clone()).collect()
}

/// Forgiveness ends when an alarm was seen OK.
pub(super) fn end_forgiveness(draft: &Draft<'_>, rollout: &mut Rollout) {
    rollout
        .forgiven
        .retain(|name| reading(draft, &AlarmName(name.clone())).is_none_or(|alarm| alarm.state != AlarmState::Ok));
}

/// The alarm that says the candidate hurts: told by an event since the first shift, or read.
pub(super) fn harm(draft: &Draft<'_>, rollout: &Rollout, candidate: Colour) -> Option<Cause> {
    let covers = |name: &str| {
        rollout.sides.get(&AlarmName(name.to_owned())).is_some_and(|side| side.covers(candidate))
            && !rollout.forgiven.contains(name)
    };
    let told = draft
        .fired
        .iter()
        .find(|fired| covers(&fired.alarm) && rollout.first_shift.is_some_and(|first| fired.at >= first));
    if let Some(fired) = told {
        return Some(Cause::Alarm { alarm: fired.alarm.clone(), reason: fired.reason.clone() });
    }
    let name = firing(draft, rollout, candidate).into_iter().next()?;
    let reason = reading(draft, &AlarmName(name.clone())).map_or_else(String::new, |alarm| alarm.reason.clone());
    Some(Cause::Alarm { alarm: name, reason })
}

/// The alarm that is known to have begun to fire within a time, told by an event or read.
pub(super) fn began(
    draft: &Draft<'_>,
    rollout: &Rollout,
    candidate: Colour,
    within: &RangeInclusive<Time>,
) -> Option<Cause> {
    let name = |name: &str| rollout.sides.get(&AlarmName(name.to_owned())).is_some_and(|side| side.covers(candidate));
    if let Some(fired) = draft.fired.iter().find(|fired| name(&fired.alarm) && within.contains(&fired.at)) {
        return Some(Cause::Alarm { alarm: fired.alarm.clone(), reason: fired.reason.clone() });
    }
    let loud = firing(draft, rollout, candidate);
    let alarms = loud.into_iter().filter_map(|name| Some((reading(draft, &AlarmName(name.clone()))?, name)));
    let mut began = alarms.filter(|(alarm, _)| alarm.since.is_some_and(|at| within.contains(&at)));
    began.next().map(|(alarm, name)| Cause::Alarm { alarm: name, reason: alarm.reason.clone() })
}

/// Whether every alarm that covers the candidate is known to be quiet.
///
/// # Errors
/// The first that is not, for people.
pub(super) fn quiet(draft: &Draft<'_>, rollout: &Rollout, candidate: Colour) -> Result<(), String> {
    for (name, side) in &rollout.sides {
        if !side.covers(candidate) || rollout.forgiven.contains(&name.0) {
            continue;
        }
        match listen(name, draft.seen.alarms.get(name), rollout.blind.contains(&name.0)) {
            Heard::Quiet => {}
            Heard::Firing(_) => return Err(format!("alarm {name} fires")),
            Heard::NoData(why) | Heard::Unread(why) => return Err(why),
        }
    }
    Ok(())
}

/// What one alarm says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing is wrong.
    Quiet,
    /// It fires: CloudWatch's reason.
    Firing(String),
    /// It was read and tells nothing, which is not quiet: why.
    NoData(String),
    /// It was not read: why.
    Unread(String),
}

/// Listens to one alarm. `blind`: having no data is accepted.
pub(crate) fn listen(name: &AlarmName, reading: Option<&Reading<Option<AlarmReading>>>, blind: bool) -> Heard {
    match reading {
        Some(Reading::Known(Some(alarm))) => match alarm.state {
            AlarmState::Ok => Heard::Quiet,
            AlarmState::InsufficientData if alarm.missing_is_quiet || blind => Heard::Quiet,
            AlarmState::InsufficientData => Heard::NoData(format!(
                "alarm {name} has no data; set its TreatMissingData to notBreaching if that means quiet"
            )),
            AlarmState::Alarm => Heard::Firing(alarm.reason.clone()),
        },
        Some(Reading::Known(None)) => Heard::NoData(format!("alarm {name} does not exist any more")),
        Some(Reading::Unknown(why)) => Heard::Unread(format!("alarm {name}: {why}")),
        None => Heard::Unread(format!("alarm {name} was not read")),
    }
}
