//! ECS's word that a deployment is over is no proof that users are served: the production rule may point elsewhere. Where the
//! traffic goes is read before an end is told (law 15), and a person is called where nobody can answer it.

use crate::decision::Waiting;
use crate::observation::{DeploymentStatus, NativeReading, Reading, ServiceDeployment, Traffic};
use crate::rollout::Rollout;
use crate::time::Span;

use super::super::draft::Draft;
use super::follow::ROLLING;
use super::newer;

/// Between the two reads that agree on it: a read may be stale for some seconds.
pub(super) const SPACED: Span = Span::secs(10);

/// Who answers users once ECS says that it is over.
pub(super) enum Served {
    /// Healthy targets, or nothing is known to be wanted of it any more.
    Yes,
    /// Not known yet; what is waited for was said.
    Unknown,
    /// Nobody: why, and what to do.
    Nobody(String, &'static str),
}

/// Asks where the production traffic goes, now that ECS says that the deployment is over.
pub(super) fn served(
    draft: &mut Draft<'_>,
    rollout: &mut Rollout,
    service: &NativeReading,
    own: &ServiceDeployment,
) -> Served {
    // Somebody else's deployment moves the traffic by now, or nobody is meant to be served.
    if newer(own, service).is_some() || service.desired == 0 {
        return Served::Yes;
    }
    let asked = rollout.native.ended;
    let since = asked.unwrap_or(draft.now);
    rollout.native.ended = Some(since);
    if asked.is_none() {
        // What a pause remembers of the rules is no part of this.
        rollout.native.astray = None;
    }
    let traffic = match &service.traffic {
        Reading::Known(traffic) => traffic,
        Reading::Unknown(_) if asked.is_none() => {
            draft.wait(Waiting::NextLook);
            draft.again();
            return Served::Unknown;
        }
        Reading::Unknown(why) => {
            if draft.now >= since.plus(rollout.config.stall_deadline) {
                let why =
                    format!("ECS says that it is over, but where the production traffic goes is not known: {why}");
                draft.call(
                    rollout,
                    why,
                    "give the role what it lacks; flipback abort --give-up ends the rollout as it is",
                );
            }
            draft.wait(Waiting::Unknown(format!("where the production traffic goes: {why}")));
            return Served::Unknown;
        }
    };
    let Some(why) = amiss(traffic, service, own) else {
        rollout.native.astray = None;
        return Served::Yes;
    };
    let since = *rollout.native.astray.get_or_insert(draft.seen.at);
    if draft.seen.at.since(since) < SPACED {
        draft.wait(Waiting::Unknown(format!("{why} (to be seen again)")));
        return Served::Unknown;
    }
    let advice = "point the production rule at the target group that the service's tasks are in, or bring healthy tasks up; the \
                  rollout ends when users are served; flipback abort --give-up ends it as it is";
    Served::Nobody(why, advice)
}

/// What is wrong with where the traffic goes, if anything is.
fn amiss(traffic: &Traffic, service: &NativeReading, own: &ServiceDeployment) -> Option<String> {
    if let Some(dead) = traffic.dead() {
        return Some(format!("production traffic goes to {}, which has no healthy target", dead.short()));
    }
    // Rolling tasks stay in the group of those before.
    let back = own.status == DeploymentStatus::RollbackSuccessful && service.strategy_of(own) != ROLLING;
    let new = traffic.groups.iter().find(|(group, now)| own.groups.contains(group) && now.share.tenths() > 0);
    let (group, now) = new.filter(|_| back)?;
    Some(format!("{} % of the production traffic still goes to {}, the new revision's", now.share, group.short()))
}
