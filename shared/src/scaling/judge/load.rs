//! Whether what a service uses is what it can take. A value between the two limits of a finding changes nothing: neither opens nor
//! closes it.

use super::super::{Counts, FindingKind, Load, Metric, Moves, Point, Policy, What, load::PERIODS};
use crate::observation::{Reading, ScalingReading};

/// What only the load tells.
pub(super) const OF_LOAD: [FindingKind; 3] =
    [FindingKind::SlowScaleOut, FindingKind::MemoryNearLimit, FindingKind::UnhealthyTargets];

/// A metric counts as above its target from so much of it on: target tracking itself hovers about the target.
const ABOVE: f64 = 1.1;
/// So many of the window's periods must have a value: with fewer nothing lasted as long as it is said to.
const ENOUGH: u64 = PERIODS - 3;
/// Percent of a task's memory: a task that reaches 100 is killed. It must have been that high in [`CHECKED`] periods: what starts may
/// be so for a moment.
const MEMORY: (u32, u32) = (85, 90);
/// In so many periods, the newest, a target must have been unhealthy: one that starts is so for some of them.
const CHECKED: usize = 5;

/// Judges a service's load.
pub(super) fn judge(
    load: &Load,
    counts: &Counts,
    target: Option<&Option<ScalingReading>>,
    policies: Option<&[Policy]>,
) -> (Vec<What>, Vec<FindingKind>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    if counts.desired == 0 && counts.running == 0 {
        // Nothing uses anything.
        return (found, unknown);
    }
    let mut take = |kind: FindingKind, judged: Judged| match judged {
        Judged::Found(what) => found.push(what),
        Judged::Fine => {}
        Judged::Unknown => unknown.push(kind),
    };
    let slow = match (target, policies) {
        // Nothing scales it, and that is told.
        (Some(None), _) => Judged::Fine,
        (Some(Some(target)), Some(policies)) => slow(load, counts, target, policies),
        (Some(Some(_)), None) | (None, _) => Judged::Unknown,
    };
    take(FindingKind::SlowScaleOut, slow);
    take(FindingKind::MemoryNearLimit, memory(&load.memory_high));
    take(FindingKind::UnhealthyTargets, unhealthy(load, counts));
    (found, unknown)
}

enum Judged {
    Found(What),
    Fine,
    Unknown,
}

/// A metric is above its target all the time, though there is room to grow: scaling out does not keep up.
fn slow(load: &Load, counts: &Counts, target: &ScalingReading, policies: &[Policy]) -> Judged {
    // A full or suspended service is told as that.
    if counts.desired >= target.max || target.suspended.scale_out {
        return Judged::Fine;
    }
    let mut worst = Judged::Fine;
    for policy in policies {
        let Moves::Tracking { metric, target: wanted, .. } = policy.moves else { continue };
        let series = match metric {
            Metric::Cpu => &load.cpu,
            Metric::Memory => &load.memory,
            Metric::Requests | Metric::Other => continue,
        };
        let Reading::Known(points) = series else {
            worst = Judged::Unknown;
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
                return Judged::Found(What::SlowScaleOut { policy, metric, wanted, low, desired, max });
            }
            Some(_) | None => worst = Judged::Unknown,
        }
    }
    worst
}

fn memory(series: &Reading<Vec<Point>>) -> Judged {
    let Reading::Known(points) = series else { return Judged::Unknown };
    let Some(percent) = points.iter().map(|point| point.value).max() else { return Judged::Unknown };
    let high = points.iter().filter(|point| point.value >= MEMORY.1).count();
    let newest = points.get(points.len().saturating_sub(CHECKED)..).unwrap_or_default();
    // More than all of it is a reservation that tasks may exceed, and no limit.
    if percent > 100 || newest.len() >= CHECKED && newest.iter().all(|point| point.value < MEMORY.0) {
        Judged::Fine
    } else if high >= CHECKED {
        Judged::Found(What::MemoryNearLimit { percent })
    } else {
        Judged::Unknown
    }
}

fn unhealthy(load: &Load, counts: &Counts) -> Judged {
    let Some(series) = &load.unhealthy else { return Judged::Fine };
    let Reading::Known(points) = series else { return Judged::Unknown };
    let newest = points.get(points.len().saturating_sub(CHECKED)..).unwrap_or_default();
    if newest.len() < CHECKED {
        return Judged::Unknown;
    }
    match (newest.iter().map(|point| point.value).min(), newest.last()) {
        (Some(least), Some(last)) if least > 0 => {
            Judged::Found(What::UnhealthyTargets { unhealthy: last.value, running: counts.running })
        }
        // One that comes and goes is neither.
        _ if newest.iter().any(|point| point.value > 0) => Judged::Unknown,
        _ => Judged::Fine,
    }
}
