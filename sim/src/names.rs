//! The names under which things are counted. Each list is made with the match that names its enum: a variant without a
//! name does not compile, and one that is named and never reached fails a long run. What is named behind the `;` belongs to
//! the other engine, which is simulated by itself.

use shared::notice::Milestone;
use shared::rollout::{Cause, IntentKind, Outcome, Phase};

use crate::faults::{Kind, Part};
use crate::plots::{Hand, Plot};

macro_rules! names {
    ($(#[$doc:meta])* $list:ident, $name:ident($of:ty): $($pattern:pat => $text:literal,)*
     $(; $($other:pat => $word:literal,)*)?) => {
        $(#[$doc])*
        pub const $list: &[&str] = &[$($text,)*];

        $(#[$doc])*
        #[must_use]
        pub fn $name(value: &$of) -> &'static str {
            match value {
                $($pattern => $text,)*
                $($($other => $word,)*)?
            }
        }
    };
}

names! {
    /// Phases of a rollout.
    PHASES, phase(Phase):
    Phase::Holding => "holding",
    Phase::Registering { .. } => "registering",
    Phase::Starting => "starting",
    Phase::Shifting { .. } => "shifting",
    Phase::Baking { .. } => "baking",
    Phase::Standby { .. } => "standby",
    Phase::Retiring => "retiring",
    Phase::Resting => "resting",
    Phase::Returning { .. } => "returning",
    Phase::Clearing { .. } => "clearing",
    ;
    Phase::Deploying => "deploying",
    Phase::Stopping { .. } => "stopping",
}

names! {
    /// Why a rollout goes back.
    CAUSES, cause(Cause):
    Cause::Alarm { .. } => "alarm",
    Cause::Unhealthy(_) => "unhealthy",
    Cause::NotHealthyInTime(_) => "not healthy in time",
    Cause::Deadline(_) => "deadline",
    Cause::Person(_) => "person",
    Cause::Superseded => "superseded",
    Cause::Failed(_) => "failed",
}

names! {
    /// How a rollout ends.
    OUTCOMES, outcome(Outcome):
    Outcome::Completed => "completed",
    Outcome::RolledBack(_) => "rolled back",
    Outcome::Cancelled(_) => "cancelled",
    Outcome::Refused(_) => "refused",
    Outcome::GivenUp(_) => "given up",
    Outcome::Observed => "observed",
    ;
    Outcome::Superseded(_) => "superseded",
}

names! {
    /// What is in an inbox.
    INTENTS, intent(IntentKind):
    IntentKind::Push { .. } => "push",
    IntentKind::Deploy { .. } => "deploy",
    IntentKind::Redeploy => "redeploy",
    IntentKind::Rollback { .. } => "rollback",
    IntentKind::Promote { .. } => "promote",
    IntentKind::Pause { .. } => "pause",
    IntentKind::Resume { .. } => "resume",
    IntentKind::Abort { .. } => "abort",
    IntentKind::GiveUp { .. } => "give up",
    IntentKind::Release { .. } => "release",
    IntentKind::AlarmFired { .. } => "alarm fired",
    IntentKind::Repair { .. } => "repair",
}

/// The one intent that is no wish.
pub(crate) const ALARM_FIRED: &str = "alarm fired";

names! {
    /// What is told.
    MILESTONES, milestone(Milestone):
    Milestone::Started { .. } => "started",
    Milestone::Step { .. } => "step",
    Milestone::Completed { .. } => "completed",
    Milestone::GoingBack { .. } => "going back",
    Milestone::Cancelled { .. } => "cancelled",
    Milestone::RolledBack { .. } => "rolled back",
    Milestone::Refused { .. } => "refused",
    Milestone::Held { .. } => "held",
    Milestone::Observed { .. } => "observed",
    Milestone::Call { .. } => "call",
    Milestone::Corrected { .. } => "corrected",
    Milestone::Changed { .. } => "changed",
    Milestone::Declined { .. } => "declined",
    Milestone::Scaling { .. } => "scaling",
    Milestone::ScalingDigest { .. } => "scaling digest",
    Milestone::Repaired { .. } => "repaired",
    ;
    Milestone::Deploying { .. } => "deploying",
    Milestone::Gate { .. } => "gate",
    Milestone::Foreign { .. } => "foreign",
    Milestone::Superseded { .. } => "superseded",
}

names! {
    /// What goes wrong.
    FAULTS, fault(Kind):
    Kind::Error => "error before the call",
    Kind::Throttle => "throttled before the call",
    Kind::Unread(Part::Routes) => "routes unreadable",
    Kind::Unread(Part::Services) => "services unreadable",
    Kind::Unread(Part::Targets) => "targets unreadable",
    Kind::Unread(Part::Alarms) => "alarms unreadable",
    Kind::Unread(Part::Scaling) => "scaling unreadable",
    Kind::Unread(Part::Definitions) => "definitions unreadable",
    Kind::Unread(Part::Metrics) => "metrics unreadable",
    Kind::LostAnswer => "answer lost after the effect",
    Kind::Late => "landed late",
    Kind::RouteFails(_) => "one of the routes unwritable",
    Kind::Stale(Part::Routes) => "routes read stale",
    Kind::Stale(Part::Services) => "services read stale",
    Kind::Stale(Part::Targets) => "targets read stale",
    Kind::Stale(Part::Alarms) => "alarms read stale",
    Kind::Stale(Part::Scaling) => "scaling read stale",
    Kind::Stale(Part::Definitions) => "definitions read stale",
    Kind::Stale(Part::Metrics) => "metrics read stale",
    Kind::Crash => "process crashed",
    Kind::Pause => "process paused",
    Kind::StoreDown => "store unavailable",
    Kind::SaveFails => "store does not save",
    Kind::EventLost => "event lost",
    Kind::EventDoubled => "event doubled",
    Kind::EventDelayed => "event delayed",
    Kind::WakeLost => "wake lost",
    Kind::WakeDoubled => "wake doubled",
    Kind::Rival => "two advances at once",
}

names! {
    /// What happens.
    PLOTS, plot(Plot):
    Plot::Push(_) => "push",
    Plot::PushSidecar(_) => "push of the second image",
    Plot::PushNextDoor(_) => "push to the service next door",
    Plot::OldPush => "old push",
    Plot::SamePush => "same push",
    Plot::Promote => "promote",
    Plot::Pause => "pause",
    Plot::Resume => "resume",
    Plot::Abort => "abort",
    Plot::GiveUp => "give up",
    Plot::Rollback => "rollback",
    Plot::Redeploy => "redeploy",
    Plot::Release => "release",
    Plot::Deploy => "deploy",
    Plot::Force => "force",
    Plot::Weights(_) => "weights moved",
    Plot::WeightsTo(_) => "weights to the idle side",
    Plot::Update(_) => "colour updated",
    Plot::Breaker(_) => "circuit breaker switched on",
    Plot::Count(..) => "count changed",
    Plot::Kill(_) => "tasks killed",
    Plot::KillOne(_) => "one task killed",
    Plot::Sicken(_) => "one task sick",
    Plot::Room(false) => "no capacity",
    Plot::Room(true) => "capacity again",
    Plot::Alarm(_, true) => "alarm set",
    Plot::Alarm(_, false) => "alarm quiet",
    Plot::Blind(_) => "alarm without data",
    Plot::Flap(_) => "alarm flaps",
    Plot::Traffic(false) => "traffic stopped",
    Plot::Traffic(true) => "traffic again",
    Plot::Autoscale(..) => "autoscaled",
    Plot::Repair(_) => "scaling to be put right",
    Plot::Takeover => "another release takes over",
    ;
    Plot::Hand(Hand::Stop) => "stopped by hand",
    Plot::Hand(Hand::GoOn) => "pause continued by hand",
    Plot::Hand(Hand::GoBack) => "pause rolled back by hand",
    Plot::Hand(Hand::RuleGone) => "rule without the second group",
}

#[cfg(test)]
mod tests {
    use super::{PHASES, phase};
    use shared::rollout::Phase;

    #[test]
    fn the_phases_have_the_products_own_names() {
        for known in [Phase::Holding, Phase::Retiring, Phase::Shifting { step: 0 }] {
            assert_eq!(phase(&known), known.name());
            assert!(PHASES.contains(&known.name()));
        }
    }
}
