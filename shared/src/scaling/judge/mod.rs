//! What is wrong with what was read.

mod load;
mod policies;

use std::collections::BTreeSet;

use load::OF_LOAD;
use policies::OF_POLICIES;

use super::scheduled::Schedule;
use super::{Counts, Finding, FindingKind, Moves, Past, Role, Sight, Step, Subject, What};
use crate::config::ServiceConfig;
use crate::observation::{AlarmState, Reading, ScalingReading, Suspended};
use crate::rollout::{Phase, Status};
use crate::time::{Span, Time};

/// An event of ECS's that is older says nothing of now.
const RECENT: Span = Span::mins(30);

/// What a look found, and what it could not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What is wrong, but for the kinds that the configuration ignores.
    pub found: Vec<Finding>,
    /// What nothing is known of in this look: it stays as it was.
    pub unknown: BTreeSet<(FindingKind, Role)>,
    /// The live count, where it is known.
    pub live: Option<Step>,
}

/// Judges each service that was to be looked at, with how its live count went. A rollout of ours suspends scale-in, brings a side
/// up and takes another down: meanwhile these say nothing.
#[must_use]
pub fn judge(config: &ServiceConfig, status: &Status, subjects: &[Subject], sight: &Sight, past: &Past) -> Judged {
    let rolling = status.rollout.as_ref().is_some_and(|rollout| rollout.phase != Phase::Holding);
    let mut judged = Judged::default();
    if subjects.is_empty() {
        // Which side is live is not known: nothing is.
        let all = |role: Role| FindingKind::ALL.iter().map(move |kind| (*kind, role));
        judged.unknown.extend(all(Role::Live).chain(all(Role::Idle)));
    }
    for subject in subjects {
        match subject.role {
            Role::Live => live(config, rolling, subject, sight, past, &mut judged),
            Role::Idle => idle(subject, sight, &mut judged),
            Role::Candidate => judged.unknown.extend([(FindingKind::IdleNotAtRest, Role::Idle)]),
        }
    }
    let ignored = |kind: FindingKind| config.scaling.ignore.contains(&kind);
    judged.found.retain(|finding| !ignored(finding.kind()));
    judged
}

fn live(config: &ServiceConfig, rolling: bool, subject: &Subject, sight: &Sight, past: &Past, judged: &mut Judged) {
    let native = config.engine.native().is_some();
    let mut find = |what: What| {
        judged.found.push(Finding { role: subject.role, service: subject.service.clone(), what });
    };
    let mut unknown: Vec<FindingKind> = Vec::new();
    // Told once, however much of it cannot be read.
    let mut unread: Option<&String> = None;
    let counts = match sight.services.get(&subject.service) {
        Some(Reading::Known(Some(counts))) => Some(counts),
        Some(Reading::Known(None)) => {
            find(What::Gone);
            // What was wrong with it is not mended by that.
            let others = FindingKind::ALL.iter().filter(|kind| **kind != FindingKind::Gone);
            judged.unknown.extend(others.map(|kind| (*kind, subject.role)));
            return;
        }
        Some(Reading::Unknown(why)) => {
            unread = Some(why);
            None
        }
        None => None,
    };
    if counts.is_none() {
        unknown.extend([FindingKind::Gone, FindingKind::RunningBelowDesired, FindingKind::Flapping]);
    }
    match sight.targets.get(&subject.service) {
        Some(Reading::Known(Some(target))) => {
            let scheduled = sight.scheduled.get(&subject.service);
            let schedule = scheduled.and_then(Reading::known).map(|actions| Schedule(actions));
            bounds(config, target, schedule, &mut find);
            count(target, counts, above(subject, sight), &mut find);
            if schedule.is_none() {
                unknown.extend(OF_SCHEDULES);
            }
            if let Some(Reading::Unknown(why)) = scheduled {
                unread = unread.or(Some(why));
            }
            if counts.is_none() {
                unknown.extend(OF_BOTH);
            }
            if rolling && !native {
                unknown.push(FindingKind::Suspended);
            } else if target.suspended != Suspended::default() {
                find(What::Suspended { flags: target.suspended });
            }
            match sight.policies.get(&subject.service) {
                Some(Reading::Known(all)) => {
                    let (found, not_known) = policies::judge(config, subject, target, schedule, counts, all, sight);
                    found.into_iter().for_each(&mut find);
                    unknown.extend(not_known);
                    unread = unread.or(policies::unread(all, sight));
                }
                Some(Reading::Unknown(why)) => {
                    unread = unread.or(Some(why));
                    unknown.extend(OF_POLICIES);
                }
                None => unknown.extend(OF_POLICIES),
            }
        }
        Some(Reading::Known(None)) => {
            find(What::NoScalableTarget);
            // What was wrong with the one that is gone is not mended by that.
            let others = OF_TARGETS.iter().filter(|kind| **kind != FindingKind::NoScalableTarget);
            unknown.extend(others);
            unknown.extend(OF_POLICIES);
        }
        Some(Reading::Unknown(why)) => {
            unread = unread.or(Some(why));
            unknown.extend(OF_TARGETS);
            unknown.extend(OF_POLICIES);
        }
        None => {
            unknown.extend(OF_TARGETS);
            unknown.extend(OF_POLICIES);
        }
    }
    let busy = rolling || counts.is_some_and(|counts| counts.deploying);
    match (sight.loads.get(&subject.service), counts) {
        // Two revisions share the averages, and tasks that start are not healthy yet.
        (Some(load), Some(counts)) if !busy => {
            let target = sight.targets.get(&subject.service).and_then(Reading::known);
            let policies = sight.policies.get(&subject.service).and_then(Reading::known);
            let (found, not_known) = load::judge(load, counts, target, policies.map(Vec::as_slice));
            found.into_iter().for_each(&mut find);
            unknown.extend(not_known);
            unread = unread.or(load.unread());
        }
        (Some(_) | None, _) => unknown.extend(OF_LOAD),
    }
    if let Some(why) = unread {
        find(What::Unreadable { why: why.clone() });
    }
    if let Some(counts) = counts {
        let (turns, low, high) = past.turns(sight.at, counts.desired);
        if turns >= FLAPS {
            find(What::Flapping { turns, low, high });
        }
    }
    match counts {
        // While one deploys tasks come and go; but not all of them for long, unless it is ours, which has deadlines.
        Some(counts) if rolling || counts.deploying && counts.running > 0 => {
            unknown.push(FindingKind::RunningBelowDesired);
        }
        Some(counts) if counts.running < counts.desired => {
            let recent = |(at, _): &&(Time, String)| sight.at.since(*at) <= RECENT;
            find(What::RunningBelowDesired {
                running: counts.running,
                pending: counts.pending,
                desired: counts.desired,
                why: counts.trouble.as_ref().filter(recent).map(|(_, why)| why.clone()),
            });
        }
        Some(_) | None => {}
    }
    judged.unknown.extend(unknown.into_iter().map(|kind| (kind, subject.role)));
    let target = sight.targets.get(&subject.service);
    judged.live = counts.zip(target.and_then(Reading::known)).map(|(counts, target)| Step {
        at: sight.at,
        desired: counts.desired,
        running: counts.running,
        max: target.map(|target| target.max),
    });
}

/// A count that turns so often within an hour flaps: out and in again, twice.
const FLAPS: u32 = 4;

/// The policy whose metric is above its target now, by its alarm.
fn above<'a>(subject: &Subject, sight: &'a Sight) -> Option<&'a str> {
    let policies = sight.policies.get(&subject.service)?.known()?;
    let fires = |name: &String| {
        let alarm = sight.alarms.get(name).and_then(Reading::known).and_then(Option::as_ref);
        alarm.is_some_and(|alarm| alarm.above && alarm.state == AlarmState::Alarm)
    };
    let tracks = policies.iter().filter(|policy| matches!(policy.moves, Moves::Tracking { .. }));
    tracks.into_iter().find(|policy| policy.alarms.iter().any(fires)).map(|policy| policy.name.as_str())
}

/// What only a scalable target tells.
const OF_TARGETS: [FindingKind; 8] = [
    FindingKind::NoScalableTarget,
    FindingKind::OtherBounds,
    FindingKind::MinIsMax,
    FindingKind::MinZero,
    FindingKind::MaxBelowDesired,
    FindingKind::BelowMin,
    FindingKind::AtMax,
    FindingKind::Suspended,
];

/// What a scalable target and the count tell together.
const OF_BOTH: [FindingKind; 3] = [FindingKind::MaxBelowDesired, FindingKind::BelowMin, FindingKind::AtMax];

/// What a scheduled action may be the reason for.
const OF_SCHEDULES: [FindingKind; 4] =
    [FindingKind::OtherBounds, FindingKind::MinIsMax, FindingKind::MinZero, FindingKind::NoPolicy];

/// Without the schedule nothing is said of the bounds.
fn bounds(
    config: &ServiceConfig,
    target: &ScalingReading,
    schedule: Option<Schedule<'_>>,
    find: &mut impl FnMut(What),
) {
    let Some(schedule) = schedule else { return };
    let ScalingReading { min, max, .. } = *target;
    let (wanted_min, wanted_max) = (config.scaling.min.unwrap_or(min), config.scaling.max.unwrap_or(max));
    let other = !schedule.explains((min, max), (wanted_min, wanted_max));
    if other {
        find(What::OtherBounds { min, max, wanted_min, wanted_max });
    }
    // What its team wrote, or schedules, is meant.
    if min == max && !(config.scaling.min == config.scaling.max && config.scaling.min.is_some()) && !schedule.moves() {
        find(What::MinIsMax { bound: max });
    } else if min == 0 && config.scaling.min != Some(0) && !other && !schedule.moves_min() {
        find(What::MinZero { max });
    }
}

fn count(target: &ScalingReading, counts: Option<&Counts>, above: Option<&str>, find: &mut impl FnMut(What)) {
    let ScalingReading { min, max, .. } = *target;
    let Some(counts) = counts else { return };
    if counts.desired > max {
        find(What::MaxBelowDesired { desired: counts.desired, max });
    } else if counts.desired < min {
        find(What::BelowMin { desired: counts.desired, min });
    } else if counts.desired == max && min < max {
        find(What::AtMax { max, above: above.map(str::to_owned) });
    }
}

fn idle(subject: &Subject, sight: &Sight, judged: &mut Judged) {
    let kind = (FindingKind::IdleNotAtRest, Role::Idle);
    let desired = match sight.services.get(&subject.service) {
        Some(Reading::Known(Some(counts))) => counts.desired,
        Some(Reading::Known(None)) => {
            judged.found.push(Finding { role: Role::Idle, service: subject.service.clone(), what: What::Gone });
            return;
        }
        Some(Reading::Unknown(_)) | None => {
            judged.unknown.extend([kind, (FindingKind::Gone, Role::Idle)]);
            return;
        }
    };
    match sight.targets.get(&subject.service) {
        Some(Reading::Known(Some(target))) => {
            let starts = target.min > desired || !target.suspended.scale_out || !target.suspended.scheduled;
            if starts {
                let what = What::IdleNotAtRest { min: target.min, flags: target.suspended };
                judged.found.push(Finding { role: Role::Idle, service: subject.service.clone(), what });
            }
        }
        Some(Reading::Known(None)) => {}
        Some(Reading::Unknown(_)) | None => judged.unknown.extend([kind]),
    }
}
