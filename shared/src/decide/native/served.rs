//! ECS's word that a deployment is over is no proof that users are served: the production rule may point elsewhere. Where the
//! traffic goes is read before an end is told (law 15), and a person is called where nobody can answer it.

use crate::decision::Waiting;
use crate::observation::{DeploymentStatus, NativeReading, Reading, ServiceDeployment, Traffic};
use crate::rollout::{Candidate, Outcome, Rollout, Wish};
use crate::time::Span;

use super::super::draft::{Draft, what};
use super::follow::{ROLLING, harm, stuck, superseded};
use super::newer;

/// Between the two reads that agree on it: a read may be stale for some seconds.
pub(super) const SPACED: Span = Span::secs(10);

/// So long an end waits for the traffic to be read until a person is told.
const PATIENCE: Span = Span::mins(10);

/// Ends a rollout whose deployment is over as ECS says, once users are known to be served; until then it stays.
pub(super) fn once_served(
    draft: &mut Draft<'_>,
    mut rollout: Rollout,
    service: &NativeReading,
    own: &ServiceDeployment,
    end: impl FnOnce(&mut Draft<'_>, Rollout) -> Option<Rollout>,
) -> Option<Rollout> {
    if let Some(other) = newer(own, service) {
        // Theirs moves the traffic by now; what was seen to serve nobody is no end of ours.
        let amiss = rollout.native.stuck || rollout.native.ended.is_some() && rollout.native.astray.is_some();
        return if amiss { superseded(draft, rollout, other) } else { end(draft, rollout) };
    }
    if service.desired == 0 {
        return end(draft, rollout);
    }
    let asked = rollout.native.ended;
    rollout.native.ended = Some(asked.unwrap_or(draft.now));
    if asked.is_none() {
        // What a pause remembers of the rules is no part of this.
        rollout.native.astray = None;
    }
    match &service.traffic {
        Reading::Unknown(_) if asked.is_none() => {
            draft.wait(Waiting::NextLook);
            draft.again();
            Some(rollout)
        }
        Reading::Unknown(why) => unknown(draft, rollout, why),
        Reading::Known(traffic) => {
            let Some(why) = amiss(traffic, service, own) else { return end(draft, rollout) };
            let since = *rollout.native.astray.get_or_insert(draft.seen.at);
            if draft.seen.at.since(since) < SPACED {
                draft.wait(Waiting::Unknown(format!("{why} (to be seen again)")));
                return Some(rollout);
            }
            let says =
                if own.status == DeploymentStatus::Successful { "the deployment succeeded" } else { "it went back" };
            let advice = "point the production rule at the target group that the service's tasks are in, or bring healthy tasks \
                          up; where a strategy that moves traffic is applied, flipback deploy --image REF --force moves it \
                          along; the rollout ends when users are served";
            stuck(draft, rollout, &format!("ECS says that {says}, but {why}"), advice)
        }
    }
}

/// Where the traffic goes cannot be read. A person's wish does not wait for that.
fn unknown(draft: &mut Draft<'_>, mut rollout: Rollout, why: &str) -> Option<Rollout> {
    let overdue = rollout.native.ended.is_some_and(|since| draft.now >= since.plus(PATIENCE));
    if let Some(cause) = harm(draft, &rollout) {
        let why = format!("{} while ECS says that it is over", crate::notice::cause(&cause));
        draft.call(&mut rollout, why, "flipback rollback --to FAMILY:REVISION deploys another revision");
    } else if overdue {
        let why = format!("ECS says that it is over, but where the production traffic goes is not known: {why}");
        draft.call(
            &mut rollout,
            why,
            "give the role what it lacks; flipback abort --give-up ends the rollout as it is",
        );
    }
    let goes_first = |next: &&Candidate| next.wish == Wish::RollbackTo || next.force;
    if let Some(next) = draft.status.next.as_ref().filter(goes_first) {
        let by = what(next);
        draft.end(&rollout, Outcome::Superseded(by));
        return None;
    }
    draft.wait(Waiting::Unknown(format!("where the production traffic goes: {why}")));
    Some(rollout)
}

/// What is wrong with where the traffic goes, if anything is.
fn amiss(traffic: &Traffic, service: &NativeReading, own: &ServiceDeployment) -> Option<String> {
    let unserved = traffic.unserved();
    // Rolling tasks stay in the group of those before.
    if unserved.is_some() || service.strategy_of(own) == ROLLING {
        return unserved;
    }
    let of_new = |group: &&crate::ids::TargetGroupArn| own.groups.contains(*group);
    let mut shares = traffic.groups.keys().filter(of_new).map(|group| (group, traffic.groups[group].share));
    if own.status == DeploymentStatus::RollbackSuccessful {
        let (group, share) = shares.find(|(_, share)| share.tenths() > 0)?;
        return Some(format!(
            "{share} % of the production traffic still goes to {}, the new revision's",
            group.short()
        ));
    }
    let (group, _) = shares.clone().next()?;
    let none = shares.all(|(_, share)| share.tenths() == 0);
    none.then(|| format!("none of the production traffic goes to {}, where the new revision is", group.short()))
}
