//! Production weights that are not what ECS says: they are compared while a pause holds a stage, since ECS moves them then
//! no further.

use std::collections::BTreeSet;

use crate::ids::TargetGroupArn;
use crate::observation::{NativeReading, ServiceDeployment, Traffic};
use crate::rollout::{Cause, Rollout};

use super::super::draft::Draft;
use super::served::SPACED;

/// Compares the rules with what ECS says. A difference is told; with traffic on a group that cannot answer it goes back,
/// where going back helps. The cause, if it does.
pub(super) fn check(
    draft: &mut Draft<'_>,
    rollout: &mut Rollout,
    service: &NativeReading,
    own: &ServiceDeployment,
) -> Option<Cause> {
    // Not read: neither right nor wrong.
    let traffic = service.traffic.known()?;
    let candidate: BTreeSet<&TargetGroupArn> = own.groups.iter().collect();
    let dead = traffic.dead().cloned();
    let share: u32 = shares(traffic, &candidate);
    // The weights of a rule are whole numbers; a tenth of a percent may be rounded.
    let differs = candidate.iter().any(|group| traffic.groups.contains_key(*group))
        && share.abs_diff(u32::from(own.weight.tenths())) > 10;
    if !differs && dead.is_none() {
        rollout.native.astray = None;
        return None;
    }
    let since = *rollout.native.astray.get_or_insert(draft.seen.at);
    if draft.seen.at.since(since) < SPACED {
        return None;
    }
    if let Some(dead) = dead {
        let why = format!("production traffic goes to {}, which has no healthy target", dead.short());
        if candidate.contains(&dead) {
            return Some(Cause::Unhealthy(why));
        }
        // Somebody gave weight to a group that is neither side, or the old side died. ECS would write the old side's
        // weight back, which helps only while that side lives.
        let old_lives = traffic.groups.iter().any(|(group, now)| !candidate.contains(group) && now.healthy > 0);
        if old_lives {
            return Some(Cause::Failed(why));
        }
        draft.call(rollout, why, "bring healthy tasks up on it; flipback promote moves on to the new revision");
        return None;
    }
    let found: Vec<String> =
        traffic.groups.iter().map(|(group, now)| format!("{}={} %", group.short(), now.share)).collect();
    let why = format!(
        "the production rule is not as ECS says: {} where ECS has {} % on the new revision",
        found.join(", "),
        own.weight
    );
    draft.call(rollout, why, "somebody else writes that rule; ECS sets it again at its next step");
    None
}

/// What the one of these groups gets that gets most, in tenths of a percent: several load balancers have a group each.
fn shares(traffic: &Traffic, groups: &BTreeSet<&TargetGroupArn>) -> u32 {
    let own = traffic.groups.iter().filter(|(group, _)| groups.contains(group));
    own.map(|(_, now)| u32::from(now.share.tenths())).max().unwrap_or(0)
}
