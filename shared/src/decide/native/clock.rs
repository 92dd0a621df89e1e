//! Law 13 under the native engine: how long a stage may stand still. A person's pause is no standing still, nor is what could
//! not be read, and every step of ECS's begins anew.

use crate::observation::{NativeReading, ServiceDeployment};
use crate::rollout::{Cause, Rollout, Wish};
use crate::time::{Span, Time};

use super::super::draft::Draft;
use super::back::turn;
use super::follow::{ROLLING, stage_of};

/// Stages in which the new tasks are brought up; the start deadline counts for them together.
const BEFORE_TRAFFIC: [&str; 5] = ["PENDING", "RECONCILE_SERVICE", "PRE_SCALE_UP", SCALE_UP, "POST_SCALE_UP"];

/// The stage in which tasks start.
const SCALE_UP: &str = "SCALE_UP";

/// What stood still begins anew.
pub(super) fn restart(draft: &Draft<'_>, rollout: &mut Rollout) {
    if let Some((_, since)) = &mut rollout.native.stage {
        *since = draft.now;
    }
    rollout.native.up_since = Some(draft.now);
}

/// Takes note of how far ECS is; whatever moved begins anew.
pub(super) fn note(draft: &Draft<'_>, rollout: &mut Rollout, service: &NativeReading, own: &ServiceDeployment) {
    let stage = stage_of(own);
    let native = &mut rollout.native;
    native.unread = None;
    native.bake = bake(service);
    native.up_since.get_or_insert(draft.now);
    // A rolling deployment shows no stages; its tasks are what moves. The most counts: one that comes and goes does not.
    let more = stage == ROLLING && own.running > native.most;
    native.most = native.most.max(own.running);
    // All of them run and the old ones are gone, which ECS ends only for healthy ones. That the new ones run says nothing: they
    // may never be healthy. The service and its deployment are read one after the other, so it counts once it lasts: between
    // the two reads new tasks come up. More that are wanted later change nothing about it.
    let all = stage == ROLLING && native.most >= service.desired && service.running <= native.most && own.running > 0;
    native.all_since = all.then(|| native.all_since.unwrap_or(draft.now));
    native.up |= native.all_since.is_some_and(|since| draft.now.since(since) >= draft.margins.confirm);
    // A hook takes its own time, which is none of the tasks'.
    let hooked = own.hooks.iter().any(|hook| hook.running.is_some());
    if native.hooked && !hooked {
        native.up_since = Some(draft.now);
    }
    native.hooked = hooked;
    if more {
        native.up_since = Some(draft.now);
    }
    let moved = native.weight != own.weight;
    if moved || more || native.stage.as_ref().is_none_or(|(seen, _)| *seen != stage) {
        if native.stage.as_ref().is_some_and(|(seen, _)| *seen != stage) {
            rollout.called = false;
        }
        rollout.native.stage = Some((stage, draft.now));
    }
}

/// Past its deadline a stage that has not brought traffic yet is stopped, and so is one that stands still. True: it was.
pub(super) fn overdue(draft: &mut Draft<'_>, rollout: &mut Rollout) -> bool {
    let config = &rollout.config;
    let Some((stage, since)) = rollout.native.stage.clone() else { return unseen(draft, rollout) };
    let native = &rollout.native;
    let down = stage == ROLLING && !native.up && native.all_since.is_none();
    let coming_up = (BEFORE_TRAFFIC.contains(&stage.as_str()) || down) && !native.hooked;
    let until = if coming_up {
        rollout.native.up_since.unwrap_or(rollout.since).plus(config.start_deadline)
    } else {
        since.plus(rollout.native.bake).plus(config.stall_deadline)
    };
    if draft.now < until {
        return false;
    }
    let why = format!("ECS is still at {stage}");
    if rollout.candidate.wish == Wish::RollbackTo {
        // It is the cure: taking it back would bring what hurts.
        draft.call(rollout, why, "it goes on; flipback abort takes it back");
        return false;
    }
    // Only tasks that were seen not to come up are to blame.
    let blame = coming_up && [SCALE_UP, ROLLING].contains(&stage.as_str());
    let cause = if blame { Cause::NotHealthyInTime(why) } else { Cause::Deadline(why) };
    turn(draft, rollout, cause);
    true
}

/// No deployment was seen yet: nobody is to blame.
pub(super) fn unseen(draft: &mut Draft<'_>, rollout: &mut Rollout) -> bool {
    if draft.now < rollout.since.plus(rollout.config.start_deadline) {
        return false;
    }
    let why = format!("no service deployment of the new revision was seen: it waited for {}", draft.status.waiting);
    turn(draft, rollout, Cause::Deadline(why));
    true
}

/// It cannot be read. That stops nothing (law 6), but a person is told when it lasts.
pub(super) fn unread(draft: &mut Draft<'_>, rollout: &mut Rollout, why: &str) {
    let since: Time = *rollout.native.unread.get_or_insert(draft.now);
    if draft.now >= since.plus(rollout.config.stall_deadline) {
        let why = format!("the deployment could not be followed since {since}: {why}");
        draft.call(rollout, why, "ECS goes on by itself; flipback abort takes it back");
    }
}

/// What the service's configuration bakes at one stage at most.
fn bake(service: &NativeReading) -> Span {
    let declared = &service.configuration;
    let minutes = [
        &declared["bakeTimeInMinutes"],
        &declared["canaryConfiguration"]["canaryBakeTimeInMinutes"],
        &declared["linearConfiguration"]["stepBakeTimeInMinutes"],
    ];
    // ECS bakes 15 minutes where nothing is declared.
    Span::mins(minutes.into_iter().filter_map(serde_json::Value::as_u64).max().unwrap_or(15).max(15))
}
