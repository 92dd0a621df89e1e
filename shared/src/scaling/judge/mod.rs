//! What is wrong with what was read.

mod load;
mod policies;
mod room;

use std::collections::BTreeSet;

use load::OF_LOAD;
use policies::OF_POLICIES;
use room::OF_ROOM;
pub use room::wants_size;

use super::scheduled::Schedule;
use super::{
    Activity, Counts, Finding, FindingKind, Memory, Moves, Open, Past, Role, Sight, Step, Stop, Subject, What,
};
use crate::config::ServiceConfig;
use crate::observation::{AlarmState, Reading, ScalingReading, Suspended};
use crate::rollout::{Phase, Status};
use crate::time::{Span, Time};

/// An event of ECS's that is older says nothing of now.
const RECENT: Span = Span::mins(30);

/// What a rule says.
enum Answer {
    Found(What),
    Fine,
    Unknown,
}

/// What a look found, and what it could not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What is wrong, but for the kinds that the configuration ignores.
    pub found: Vec<Finding>,
    /// What nothing is known of in this look: it stays as it was.
    pub unknown: BTreeSet<(FindingKind, Role)>,
    /// What there was no occasion for: it opens nothing, and closes nothing.
    pub untried: BTreeSet<(FindingKind, Role)>,
    /// The live count, where it is known.
    pub live: Option<Step>,
}

impl Judged {
    /// Nothing is known of a kind in this look, or there was no occasion for it.
    #[must_use]
    pub fn silent(&self, key: (FindingKind, Role)) -> bool {
        self.unknown.contains(&key) || self.untried.contains(&key)
    }
}

/// Judges each service that was to be looked at, with how its live count went. A rollout of ours suspends scale-in, brings a side
/// up and takes another down: meanwhile these say nothing.
#[must_use]
pub fn judge(config: &ServiceConfig, status: &Status, subjects: &[Subject], sight: &Sight, past: &Past) -> Judged {
    let rolling = status.rollout.as_ref().is_some_and(|rollout| rollout.phase != Phase::Holding);
    let mut judged = Judged::default();
    if let Some(what) = other_region(config, sight.region.as_deref()) {
        let service = config.engine.services().first().copied().unwrap_or_default().to_owned();
        judged.found.push(Finding { role: Role::Live, service, what });
        // What was read here is of others by the same names.
        let others = FindingKind::ALL.iter().filter(|kind| **kind != FindingKind::OtherRegion);
        let both = |kind: &FindingKind| [(*kind, Role::Live), (*kind, Role::Idle), (*kind, Role::Candidate)];
        judged.unknown.extend(others.flat_map(both));
        ignore(config, &mut judged);
        return judged;
    }
    if subjects.is_empty() {
        // Which side is live is not known: nothing is.
        let all = |role: Role| FindingKind::ALL.iter().map(move |kind| (*kind, role));
        judged.unknown.extend(all(Role::Live).chain(all(Role::Idle)));
    }
    for subject in subjects {
        match subject.role {
            Role::Live => live(config, rolling, subject, sight, past, &mut judged),
            Role::Idle => idle(subject, sight, &mut judged),
            Role::Candidate => {
                judged.unknown.extend([(FindingKind::IdleNotAtRest, Role::Idle)]);
                candidate(status, subject, subjects, sight, &mut judged);
            }
        }
    }
    ignore(config, &mut judged);
    judged
}

fn ignore(config: &ServiceConfig, judged: &mut Judged) {
    judged.found.retain(|finding| !config.scaling.ignore.contains(&finding.kind()));
}

/// Whether what Application Auto Scaling did lately says more of what was found, or whether what it could not do is over: one call for
/// each such service.
#[must_use]
pub fn wants_activities(judged: &Judged, memory: &Memory) -> bool {
    let fails = |open: &Open| open.finding.kind() == FindingKind::ScalingFails;
    wants_more(judged) || memory.open.iter().any(fails)
}

fn wants_more(judged: &Judged) -> bool {
    judged.found.iter().any(|finding| WANT_ACTIVITIES.contains(&finding.kind()))
}

/// Whether why tasks ended says more of what was found: two calls for each such service.
#[must_use]
pub fn wants_stops(judged: &Judged) -> bool {
    judged.found.iter().any(|finding| WANT_STOPS.contains(&finding.kind()))
}

const WANT_STOPS: [FindingKind; 3] =
    [FindingKind::RunningBelowDesired, FindingKind::TasksReplaced, FindingKind::MemoryNearLimit];

/// Tasks of the revision in force that ended lately, the newest first, where that was read.
fn stops<'a>(subject: &Subject, counts: &'a Counts, sight: &'a Sight, within: Span) -> impl Iterator<Item = &'a Stop> {
    let all = sight.stops.get(&subject.service).and_then(Reading::known).into_iter().flatten();
    all.filter(move |stop| stop.definition == counts.definition && sight.at.since(stop.at) <= within)
}

/// ECS's latest words of the service, and of a task that ended, the newest first.
fn word(subject: &Subject, counts: &Counts, sight: &Sight, within: Span) -> Option<String> {
    let event = counts.trouble.clone().filter(|(at, _)| sight.at.since(*at) <= within);
    let ended = stops(subject, counts, sight, within).next();
    let ended = ended.map(|stop| (stop.at, format!("a task ended: {}", stop.why)));
    let mut both: Vec<(Time, String)> = event.into_iter().chain(ended).collect();
    both.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let words: Vec<String> = both.into_iter().map(|(_, words)| words).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

const WANT_ACTIVITIES: [FindingKind; 3] = [FindingKind::AtMax, FindingKind::SlowScaleOut, FindingKind::LongCooldown];

/// An ARN of the configuration that is of another region than this one.
fn other_region(config: &ServiceConfig, here: Option<&str>) -> Option<What> {
    let here = here?;
    let routes = config.engine.routes().iter().map(|route| route.0.as_str());
    // arn:PARTITION:SERVICE:REGION:...
    let elsewhere = |arn: &&str| arn.starts_with("arn:") && arn.split(':').nth(3).is_some_and(|named| named != here);
    let named = std::iter::once(config.cluster.as_str()).chain(routes).find(elsewhere)?;
    Some(What::OtherRegion { named: named.to_owned(), here: here.to_owned() })
}

/// While traffic moves, both sides are kept in step by the engine (law 9): that it does so is verified here.
fn candidate(status: &Status, subject: &Subject, subjects: &[Subject], sight: &Sight, judged: &mut Judged) {
    let key = (FindingKind::OutOfStep, Role::Candidate);
    if !status.rollout.as_ref().is_some_and(|rollout| rollout.phase.flippable()) {
        return;
    }
    let live = subjects.iter().find(|subject| subject.role == Role::Live);
    let counts = |subject: &Subject| sight.services.get(&subject.service)?.known()?.as_ref();
    let target = |subject: &Subject| sight.targets.get(&subject.service)?.known();
    let (Some(live), Some(own)) = (live, counts(subject)) else {
        judged.unknown.insert(key);
        return;
    };
    let (Some(lives), Some(targets)) = (counts(live), target(live).zip(target(subject))) else {
        judged.unknown.insert(key);
        return;
    };
    let both = [(live, targets.0), (subject, targets.1)];
    let shrinks = both.iter().filter(|(_, target)| target.is_some_and(|target| !target.suspended.scale_in));
    let shrinks: Vec<String> = shrinks.map(|(subject, _)| subject.service.clone()).collect();
    if own.desired < lives.desired || !shrinks.is_empty() {
        let what = What::OutOfStep { desired: own.desired, live: lives.desired, shrinks };
        judged.found.push(Finding { role: Role::Candidate, service: subject.service.clone(), what });
    }
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
        unknown.extend(OF_COUNTS);
    }
    match sight.targets.get(&subject.service) {
        Some(Reading::Known(Some(target))) => {
            let scheduled = sight.scheduled.get(&subject.service);
            let schedule = scheduled.and_then(Reading::known).map(|actions| Schedule(actions));
            bounds(config, target, schedule, &mut find);
            count(target, counts, above(subject, sight), refused(subject, sight), &mut find);
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
            let killed = stops(subject, counts, sight, Span::mins(60)).filter(|stop| stop.memory).count();
            let killed = u32::try_from(killed).unwrap_or(u32::MAX);
            let (found, not_known) =
                load::judge(load, killed, (counts, past, sight.at), target, policies.map(Vec::as_slice));
            found.into_iter().for_each(&mut find);
            unknown.extend(not_known);
            unread = unread.or(load.unread());
        }
        (Some(_) | None, _) => unknown.extend(OF_LOAD),
    }
    match counts {
        Some(counts) => {
            let target = sight.targets.get(&subject.service).and_then(Reading::known);
            let room = room::judge(counts, target, busy, sight);
            room.found.into_iter().for_each(&mut find);
            unknown.extend(room.unknown);
            unread = unread.or(room.unread);
        }
        None => unknown.extend(OF_ROOM),
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
        Some(counts) if !busy => match restarts(subject, counts, past, sight) {
            Restarts::Many(what) => find(what),
            Restarts::Some => unknown.push(FindingKind::TasksReplaced),
            Restarts::Few => {}
        },
        Some(_) | None => unknown.push(FindingKind::TasksReplaced),
    }
    match counts {
        // While one deploys tasks come and go; but not all of them for long, unless it is ours, which has deadlines.
        Some(counts) if rolling || counts.deploying && counts.running > 0 => {
            unknown.push(FindingKind::RunningBelowDesired);
        }
        Some(counts) if counts.running < counts.desired => {
            find(What::RunningBelowDesired {
                running: counts.running,
                pending: counts.pending,
                desired: counts.desired,
                why: word(subject, counts, sight, RECENT),
            });
        }
        Some(_) | None => {}
    }
    let key = (FindingKind::ScalingFails, subject.role);
    match sight.activities.get(&subject.service) {
        Some(Reading::Known(all)) => {
            let recent = all.iter().take_while(|one| sight.at.since(one.at) <= RECENT);
            match recent.into_iter().find(|one| !one.refused) {
                Some(Activity { failed: Some(why), .. }) => {
                    let (role, service) = (subject.role, subject.service.clone());
                    judged.found.push(Finding { role, service, what: What::ScalingFails { why: why.clone() } });
                }
                Some(Activity { failed: None, .. }) => {}
                // Nothing was tried.
                None => drop(judged.untried.insert(key)),
            }
        }
        Some(Reading::Unknown(_)) => unknown.push(FindingKind::ScalingFails),
        None if wants_more(judged) => unknown.push(FindingKind::ScalingFails),
        // Nothing wants more tasks now: what could not be set before was not seen to be set since.
        None => drop(judged.untried.insert(key)),
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

/// What only the service tells.
const OF_COUNTS: [FindingKind; 4] =
    [FindingKind::Gone, FindingKind::RunningBelowDesired, FindingKind::Flapping, FindingKind::TasksReplaced];

/// Tasks are replaced again and again from so many on within an hour (and a tenth of all), in as many of its five minutes: those of a
/// maintenance, or of a zone that is left, go at once. Over at the other.
const REPLACED: (u32, u32) = (2, 4);

enum Restarts {
    Many(What),
    /// Too many for it to be over.
    Some,
    Few,
}

/// Tasks that were started within the last hour beyond those by which the count grew.
fn restarts(subject: &Subject, counts: &Counts, past: &Past, sight: &Sight) -> Restarts {
    // Before the first look nobody knows how the count went.
    let Some(first) = past.steps().first() else { return Restarts::Few };
    let (at, hour) = (sight.at, Span::mins(60));
    let since = at.minus(hour).max(first.at);
    let started = || counts.started.iter().filter(|(when, _)| *when >= since);
    let slots: BTreeSet<Time> = started().map(|(when, _)| when.floor(Span::mins(5))).collect();
    let all: u32 = started().map(|(_, many)| *many).sum();
    // What was wanted an hour before may be placed only now.
    let replaced = all.saturating_sub(past.grew(since.minus(hour), counts.desired));
    if replaced >= REPLACED.1.max(counts.desired / 10) && slots.len() >= REPLACED.1 as usize {
        let why = word(subject, counts, sight, hour);
        Restarts::Many(What::TasksReplaced { replaced, desired: counts.desired, why })
    } else if replaced > REPLACED.0 {
        Restarts::Some
    } else {
        Restarts::Few
    }
}

/// When Application Auto Scaling would have added tasks last, if that was lately.
fn refused(subject: &Subject, sight: &Sight) -> Option<Time> {
    let all = sight.activities.get(&subject.service)?.known()?;
    all.iter().find(|one| one.full && sight.at.since(one.at) <= Span::mins(15)).map(|one| one.at)
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

fn count(
    target: &ScalingReading,
    counts: Option<&Counts>,
    above: Option<&str>,
    refused: Option<Time>,
    find: &mut impl FnMut(What),
) {
    let ScalingReading { min, max, .. } = *target;
    let Some(counts) = counts else { return };
    if counts.desired > max {
        find(What::MaxBelowDesired { desired: counts.desired, max });
    } else if counts.desired < min {
        find(What::BelowMin { desired: counts.desired, min });
    } else if counts.desired == max && min < max {
        find(What::AtMax { max, above: above.map(str::to_owned), refused });
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
