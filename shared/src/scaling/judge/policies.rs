//! Whether something moves the count, by what the team asked for, and whether it can.

use super::super::scheduled::Schedule;
use super::super::{AlarmTrouble, Counts, Differs, FindingKind, Metric, Moves, Policy, Sight, Subject, Trouble, What};
use crate::config::ServiceConfig;
use crate::observation::{AlarmState, Reading, ScalingReading};
use crate::time::Span;

/// What only the policies tell.
pub(super) const OF_POLICIES: [FindingKind; 5] = [
    FindingKind::NoPolicy,
    FindingKind::OtherTarget,
    FindingKind::PolicyAlarms,
    FindingKind::DrainedGroup,
    FindingKind::MixedPolicies,
];

/// An alarm that has been without data for less than this may be new, or have been changed.
const NO_DATA: Span = Span::mins(15);

/// Judges the policies of a service that has a scalable target.
pub(super) fn judge(
    config: &ServiceConfig,
    subject: &Subject,
    target: &ScalingReading,
    schedule: Option<Schedule<'_>>,
    counts: Option<&Counts>,
    policies: &[Policy],
    sight: &Sight,
) -> (Vec<What>, Vec<FindingKind>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    let differs = differs(config, policies);
    // Steps without an alarm are never taken.
    let idle = |policy: &Policy| policy.moves == Moves::Steps && policy.alarms.is_empty();
    // A schedule that moves the bounds moves the count.
    let scheduled = schedule.is_none_or(|schedule| schedule.moves());
    if policies.iter().all(idle) && differs.is_empty() && target.min < target.max && !scheduled {
        found.push(What::NoPolicy);
    }
    if !differs.is_empty() {
        found.push(What::OtherTarget { differs });
    }
    let own = format!("{}/{}", last(&config.cluster), last(&subject.service));
    let troubles: Vec<_> = policies.iter().filter_map(|policy| trouble(policy, &own, counts, sight)).collect();
    if troubles.iter().any(Result::is_err) {
        unknown.push(FindingKind::PolicyAlarms);
    }
    let troubles: Vec<Trouble> = troubles.into_iter().flatten().collect();
    if !troubles.is_empty() {
        found.push(What::PolicyAlarms { troubles });
    }
    match counts {
        Some(counts) => found.extend(policies.iter().find_map(|policy| drained(policy, counts))),
        None => unknown.push(FindingKind::DrainedGroup),
    }
    let steps = policies.iter().find(|policy| policy.moves == Moves::Steps);
    let tracking = policies.iter().find(|policy| matches!(policy.moves, Moves::Tracking { .. }));
    if let (Some(steps), Some(tracking)) = (steps, tracking) {
        found.push(What::MixedPolicies { steps: steps.name.clone(), tracking: tracking.name.clone() });
    }
    (found, unknown)
}

/// Why an alarm of the tracking policies is not known.
pub(super) fn unread<'a>(policies: &[Policy], sight: &'a Sight) -> Option<&'a String> {
    let tracking = policies.iter().filter(|policy| matches!(policy.moves, Moves::Tracking { .. }));
    tracking.flat_map(|policy| &policy.alarms).find_map(|name| match sight.alarms.get(name) {
        Some(Reading::Unknown(why)) => Some(why),
        Some(Reading::Known(_)) | None => None,
    })
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn differs(config: &ServiceConfig, policies: &[Policy]) -> Vec<Differs> {
    let wanted = [
        (Metric::Cpu, config.scaling.cpu_target),
        (Metric::Memory, config.scaling.memory_target),
        (Metric::Requests, config.scaling.requests_per_target),
    ];
    let each = wanted.into_iter().filter_map(|(metric, wanted)| {
        let wanted = wanted?;
        let of = |policy: &Policy| match policy.moves {
            Moves::Tracking { metric: tracked, target, .. } if tracked == metric => Some(target),
            Moves::Tracking { .. } | Moves::Steps | Moves::Other(_) => None,
        };
        let tracked: Vec<_> = policies.iter().filter_map(|policy| Some((&policy.name, of(policy)?))).collect();
        let as_wanted = tracked.iter().any(|(_, target)| *target == wanted);
        let (policy, found) = tracked.first().map(|(name, target)| ((*name).clone(), *target)).unzip();
        (!as_wanted).then_some(Differs { metric, wanted, found, policy })
    });
    each.collect()
}

/// What keeps a tracking policy from being set off; an error where that is not known.
fn trouble(policy: &Policy, own: &str, counts: Option<&Counts>, sight: &Sight) -> Option<Result<Trouble, ()>> {
    let (metric, only_out) = match policy.moves {
        Moves::Tracking { metric, only_out, .. } => (metric, only_out),
        Moves::Steps | Moves::Other(_) => return None,
    };
    let told = |what: AlarmTrouble| Some(Ok(Trouble { policy: policy.name.clone(), what }));
    // One to scale out, one to scale in.
    if policy.alarms.len() < if only_out { 1 } else { 2 } {
        return told(AlarmTrouble::None);
    }
    // Without requests there is no metric of them, and without tasks none of theirs.
    let always = matches!(metric, Metric::Cpu | Metric::Memory);
    let runs = counts.is_some_and(|counts| counts.running > 0 && !counts.deploying);
    let mut unread = false;
    for name in &policy.alarms {
        let alarm = match sight.alarms.get(name) {
            Some(Reading::Known(Some(alarm))) => alarm,
            Some(Reading::Known(None)) => return told(AlarmTrouble::Missing(name.clone())),
            Some(Reading::Unknown(_)) | None => {
                unread = true;
                continue;
            }
        };
        if !alarm.enabled {
            return told(AlarmTrouble::Disabled(name.clone()));
        }
        // A team's own metric may be anybody's.
        let elsewhere = alarm.services.first().filter(|_| always && !alarm.services.contains(own));
        if let Some(watches) = elsewhere {
            return told(AlarmTrouble::Elsewhere { alarm: name.clone(), watches: watches.clone() });
        }
        let lasts = alarm.since.is_some_and(|since| sight.at.since(since) >= NO_DATA);
        if always && runs && lasts && alarm.state == AlarmState::InsufficientData {
            return told(AlarmTrouble::NoData(name.clone()));
        }
    }
    unread.then_some(Err(()))
}

/// A policy that counts the requests of a group that does not have the service's traffic, or only every other time.
fn drained(policy: &Policy, counts: &Counts) -> Option<What> {
    let Moves::Tracking { metric: Metric::Requests, group: Some(group), .. } = &policy.moves else { return None };
    let attached = counts.groups.iter().any(|arn| arn.0.ends_with(group.as_str()));
    if attached && !counts.turns {
        return None;
    }
    Some(What::DrainedGroup { policy: policy.name.clone(), group: group.clone(), turns: attached })
}
