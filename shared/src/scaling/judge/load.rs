//! Whether what a service uses is what it can take. A value between the two limits of a finding changes nothing: neither opens nor
//! closes it.

use super::super::room::COOLDOWN;
use super::super::{Counts, FindingKind, Load, Metric, Moves, Past, Point, Policy, Series, What, load::PERIODS};
use super::Answer;
use crate::observation::{Reading, ScalingReading};
use crate::time::{Span, Time};

/// What only the load tells.
pub(super) const OF_LOAD: [FindingKind; 4] =
    [FindingKind::SlowScaleOut, FindingKind::LongCooldown, FindingKind::MemoryNearLimit, FindingKind::UnhealthyTargets];

/// A metric counts as above its target from so much of it on: target tracking itself hovers about the target.
const ABOVE: f64 = 1.1;
/// So many of the window's periods must have a value: with fewer nothing lasted as long as it is said to.
const ENOUGH: u64 = PERIODS - 3;
/// Percent of a task's memory: a task that reaches 100 is killed. It must have been that high in [`CHECKED`] periods: what starts may
/// be so for a moment.
const MEMORY: (u32, u32) = (85, 90);
/// In so many periods, the newest, a target must have been unhealthy: one that starts is so for some of them.
const CHECKED: usize = 5;

/// Judges a service's load; so many of its tasks were killed for their memory within the last hour, as far as that was read.
pub(super) fn judge(
    load: &Load,
    killed: u32,
    (counts, past, at): (&Counts, &Past, Time),
    target: Option<&Option<ScalingReading>>,
    policies: Option<&[Policy]>,
) -> (Vec<What>, Vec<FindingKind>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    if counts.desired == 0 && counts.running == 0 {
        // Nothing uses anything.
        return (found, unknown);
    }
    let mut take = |kind: FindingKind, judged: Answer| match judged {
        Answer::Found(what) => found.push(what),
        Answer::Fine => {}
        Answer::Unknown => unknown.push(kind),
    };
    let slow = match (target, policies) {
        // Nothing scales it, and that is told.
        (Some(None), _) => Answer::Fine,
        (Some(Some(target)), Some(policies)) => slow(load, counts, target, policies),
        (Some(Some(_)), None) | (None, _) => Answer::Unknown,
    };
    let cooldown = match (target, policies) {
        (Some(None), _) => Answer::Fine,
        (Some(Some(target)), Some(policies)) => cooldown(load, (counts, past, at), target, policies),
        (Some(Some(_)), None) | (None, _) => Answer::Unknown,
    };
    // That it does not keep up is told once.
    let slow = if let (Answer::Found(_), Answer::Found(_)) = (&cooldown, &slow) { Answer::Unknown } else { slow };
    take(FindingKind::SlowScaleOut, slow);
    take(FindingKind::LongCooldown, cooldown);
    take(FindingKind::MemoryNearLimit, memory(&load.memory_high, killed));
    take(FindingKind::UnhealthyTargets, unhealthy(load, counts));
    (found, unknown)
}

/// A metric is above its target all the time, though there is room to grow: scaling out does not keep up.
fn slow(load: &Load, counts: &Counts, target: &ScalingReading, policies: &[Policy]) -> Answer {
    // A full or suspended service is told as that.
    if counts.desired >= target.max || target.suspended.scale_out {
        return Answer::Fine;
    }
    let mut worst = Answer::Fine;
    for policy in policies {
        let Moves::Tracking { metric, target: wanted, .. } = policy.moves else { continue };
        let Some(series) = series(load, metric) else { continue };
        let Reading::Known(points) = series else {
            worst = Answer::Unknown;
            continue;
        };
        let low = points.iter().map(|point| point.value).min();
        let enough = points.len() as u64 >= ENOUGH;
        let wanted_now = f64::from(wanted);
        match low {
            Some(low) if f64::from(low) <= wanted_now => {}
            Some(low) if enough && f64::from(low) > wanted_now * ABOVE => {
                let policy = policy.name.clone();
                let (desired, max) = (counts.desired, target.max);
                return Answer::Found(What::SlowScaleOut { policy, metric, wanted, low, desired, max });
            }
            Some(_) | None => worst = Answer::Unknown,
        }
    }
    worst
}

/// The load rises while a policy waits: its metric has been above its target for five minutes, after it added tasks, and it still waits.
fn cooldown(
    load: &Load,
    (counts, past, at): (&Counts, &Past, Time),
    target: &ScalingReading,
    policies: &[Policy],
) -> Answer {
    if counts.desired >= target.max || target.suspended.scale_out {
        return Answer::Fine;
    }
    let mut worst = Answer::Fine;
    for policy in policies {
        let Moves::Tracking { metric, target: wanted, cooldown: Some(cooldown), .. } = policy.moves else { continue };
        let Some(series) = series(load, metric).filter(|_| cooldown > COOLDOWN) else { continue };
        let newest =
            series.known().map(|points| points.get(points.len().saturating_sub(CHECKED)..).unwrap_or_default());
        let low = newest.filter(|newest| newest.len() >= CHECKED).and_then(|all| all.iter().map(|one| one.value).min());
        // It added tasks, and not just now: what it waits for has come by then.
        let since = |span: Span| past.grew(at.minus(span), counts.desired) > 0;
        let waits = since(Span::secs(cooldown.into())) && !since(Span::mins(5));
        match low.map(|low| (low, f64::from(low))) {
            Some((_, level)) if level <= f64::from(wanted) => {}
            Some((low, level)) if waits && level > f64::from(wanted) * ABOVE => {
                return Answer::Found(What::LongCooldown {
                    policy: policy.name.clone(),
                    metric,
                    wanted,
                    low,
                    cooldown,
                });
            }
            Some(_) if !waits => {}
            Some(_) | None => worst = Answer::Unknown,
        }
    }
    worst
}

/// The values of a metric that the load has.
fn series(load: &Load, metric: Metric) -> Option<&Series> {
    match metric {
        Metric::Cpu => Some(&load.cpu),
        Metric::Memory => Some(&load.memory),
        Metric::Requests | Metric::Other => None,
    }
}

fn memory(series: &Reading<Vec<Point>>, killed: u32) -> Answer {
    let Reading::Known(points) = series else { return Answer::Unknown };
    let Some(percent) = points.iter().map(|point| point.value).max() else { return Answer::Unknown };
    let high = points.iter().filter(|point| point.value >= MEMORY.1).count();
    let newest = points.get(points.len().saturating_sub(CHECKED)..).unwrap_or_default();
    // More than all of it is a reservation that tasks may exceed, and no limit.
    if percent > 100 || newest.len() >= CHECKED && newest.iter().all(|point| point.value < MEMORY.0) {
        Answer::Fine
    } else if high >= CHECKED {
        Answer::Found(What::MemoryNearLimit { percent, killed })
    } else {
        Answer::Unknown
    }
}

fn unhealthy(load: &Load, counts: &Counts) -> Answer {
    let Some(series) = &load.unhealthy else { return Answer::Fine };
    let Reading::Known(points) = series else { return Answer::Unknown };
    let newest = points.get(points.len().saturating_sub(CHECKED)..).unwrap_or_default();
    if newest.len() < CHECKED {
        return Answer::Unknown;
    }
    match (newest.iter().map(|point| point.value).min(), newest.last()) {
        (Some(least), Some(last)) if least > 0 => {
            Answer::Found(What::UnhealthyTargets { unhealthy: last.value, running: counts.running })
        }
        // One that comes and goes is neither.
        _ if newest.iter().any(|point| point.value > 0) => Answer::Unknown,
        _ => Answer::Fine,
    }
}
