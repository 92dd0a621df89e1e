//! Bugs planted in the native engine: each an alternative port or record that breaks one law. Those of the loop itself are
//! the managed simulation's, carried over.

use shared::observation::{AlarmState, DeploymentStatus, Observation, Reading, ServiceDeployment, Traffic};
use shared::ports::Record;
use shared::rollout::Phase;

use super::State;
use crate::bugs as managed;

macro_rules! bugs {
    ($($bug:ident, $name:literal, $law:literal, $carried:expr, $what:literal;)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $bug,)*
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Bug::$bug => $name,)*
                }
            }

            /// The law it breaks.
            #[must_use]
            pub fn law(self) -> u8 {
                match self {
                    $(Bug::$bug => $law,)*
                }
            }

            /// What it does.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Bug::$bug => $what,)*
                }
            }

            /// The bug of the shared loop and ports that it is, where it is one.
            #[must_use]
            pub fn carried(self) -> Option<managed::Bug> {
                match self {
                    $(Bug::$bug => $carried,)*
                }
            }
        }
    };
}

bugs! {
    ForgetsDeadline, "forgets-deadline", 1, Some(managed::Bug::ForgetsDeadline),
        "a write is sent although its deadline passed while the process stood still";
    AlarmGoesForward, "alarm-goes-forward", 1, Some(managed::Bug::AlarmGoesForward),
        "on-alarm runs the loop as advance does";
    DeafToAlarms, "deaf-to-alarms", 2, Some(managed::Bug::DeafToAlarms),
        "a firing alarm is read as OK, and its event is dropped";
    NeverStops, "never-stops", 2, None, "a stop is reported done and never sent";
    GivesUpUnsaved, "gives-up-unsaved", 2, None, "a save that failed ends the run before the stop is sent";
    SendsAgain, "sends-again", 3, None, "when the UpdateService was sent is forgotten";
    EndsEarly, "ends-early", 3, None, "an own deployment in its bake is read as SUCCESSFUL";
    DeploysAnew, "deploys-anew", 3, None, "every UpdateService forces a new deployment, and a found one is not seen";
    OverlooksOthers, "overlooks-others", 4, None, "deployments of others are not read";
    OverlooksTheDead, "overlooks-the-dead", 4, None, "every target group is read as alive";
    AnswersByItself, "answers-by-itself", 4, None, "a pause that waits is taken for promoted";
    QuietByDefault, "quiet-by-default", 6, Some(managed::Bug::QuietByDefault),
        "an alarm that could not be read counts as OK";
    DeafToEcs, "deaf-to-ecs", 6, None, "an alarm that only the service declares is read as OK";
    WritesTheRule, "writes-the-rule", 7, None, "with the stop the weights are put back by hand";
    StopsOthers, "stops-others", 8, None, "whatever deployment is the newest is taken for the own one";
    BlamesTooEarly, "blames-too-early", 10, None, "a rollout is loaded as one that had traffic from its start";
    RegistersTwice, "registers-twice", 12, Some(managed::Bug::RegistersTwice), "the registration is sent twice";
    LosesMembers, "loses-members", 12, Some(managed::Bug::LosesMembers),
        "a member that no SDK knows is dropped from the definition";
    NeverWakes, "never-wakes", 13, Some(managed::Bug::NeverWakes), "timers and the sweep do nothing";
    WaitsForEver, "waits-for-ever", 13, None, "a rollout's phase is loaded as having begun just now";
    Amnesia, "amnesia", 14, Some(managed::Bug::Amnesia), "what was taken and what is in quarantine is forgotten";
    LeavesTheLate, "leaves-the-late", 14, None, "how the last rollout ended is forgotten";
    BelievesTheEnd, "believes-the-end", 15, None,
        "once ECS says that a deployment is over, the production rule is not looked at";
    BelievesItsStop, "believes-its-stop", 15, None, "a deployment whose stop was sent is read as back";
}

impl Bug {
    /// The bug of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        Bug::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

/// What is loaded instead of the record.
pub(crate) fn loaded(bug: Bug, record: &mut Record) {
    if bug == Bug::LeavesTheLate && record.status.rollout.is_none() {
        record.status.last = None;
    }
    let Some(rollout) = &mut record.status.rollout else { return };
    match bug {
        Bug::SendsAgain => rollout.native.resent = None,
        // The newest that was told waits, mostly.
        Bug::AnswersByItself => rollout.native.promoted = rollout.native.told.last().cloned(),
        Bug::BlamesTooEarly if rollout.phase == Phase::Deploying => rollout.first_shift = Some(rollout.started_at),
        Bug::WaitsForEver => {
            let now = record.status.wake.due;
            rollout.since = rollout.since.max(now);
            if let Some((_, since)) = &mut rollout.native.stage {
                *since = (*since).max(now);
            }
        }
        Bug::ForgetsDeadline
        | Bug::AlarmGoesForward
        | Bug::DeafToAlarms
        | Bug::NeverStops
        | Bug::GivesUpUnsaved
        | Bug::EndsEarly
        | Bug::DeploysAnew
        | Bug::OverlooksOthers
        | Bug::OverlooksTheDead
        | Bug::QuietByDefault
        | Bug::DeafToEcs
        | Bug::WritesTheRule
        | Bug::StopsOthers
        | Bug::BlamesTooEarly
        | Bug::RegistersTwice
        | Bug::LosesMembers
        | Bug::NeverWakes
        | Bug::Amnesia
        | Bug::LeavesTheLate
        | Bug::BelievesTheEnd
        | Bug::BelievesItsStop => {}
    }
}

/// What the observer says instead of what it saw.
pub(crate) fn seen(bug: Bug, state: &State, record: &Record, seen: &mut Observation) {
    let Reading::Known(Some(service)) = &mut seen.native else { return };
    let rollout = record.status.rollout.as_ref();
    let own = rollout.and_then(|rollout| rollout.native.deployment.clone());
    match bug {
        Bug::EndsEarly => {
            for one in service.deployments.iter_mut().filter(|one| Some(&one.arn) == own.as_ref()) {
                if one.stage.as_deref() == Some("BAKE_TIME") {
                    one.status = DeploymentStatus::Successful;
                }
            }
        }
        Bug::DeploysAnew if own.is_none() => {
            let revision = rollout.and_then(|rollout| rollout.revision.clone());
            service.deployments.retain(|one| Some(&one.revision) != revision.as_ref());
        }
        Bug::OverlooksOthers => service.deployments.retain(|one| state.made.contains_key(&one.arn)),
        Bug::OverlooksTheDead => {
            if let Reading::Known(traffic) = &mut service.traffic {
                traffic.groups.values_mut().for_each(|group| group.healthy = group.healthy.max(1));
            }
        }
        Bug::BelievesTheEnd => {
            let over = |one: &ServiceDeployment| Some(&one.arn) == own.as_ref() && !one.status.running();
            let over = service.deployments.iter().any(over);
            if let (true, Reading::Known(traffic)) = (over, &mut service.traffic) {
                *traffic = Traffic::default();
            }
        }
        Bug::DeafToEcs => {
            let listed = record.config.alarms.all();
            for (_, reading) in seen.alarms.iter_mut().filter(|(name, _)| !listed.contains(*name)) {
                if let Reading::Known(Some(alarm)) = reading {
                    alarm.state = AlarmState::Ok;
                }
            }
        }
        Bug::StopsOthers => {
            if let Some(revision) = rollout.and_then(|rollout| rollout.revision.clone()) {
                service.deployments.iter_mut().take(1).for_each(|newest| newest.revision = revision.clone());
            }
        }
        Bug::BelievesItsStop => {
            for one in service.deployments.iter_mut().filter(|one| state.stops.contains(&one.arn)) {
                one.status = DeploymentStatus::RollbackSuccessful;
            }
        }
        Bug::ForgetsDeadline
        | Bug::AlarmGoesForward
        | Bug::DeafToAlarms
        | Bug::NeverStops
        | Bug::GivesUpUnsaved
        | Bug::SendsAgain
        | Bug::DeploysAnew
        | Bug::AnswersByItself
        | Bug::QuietByDefault
        | Bug::WritesTheRule
        | Bug::BlamesTooEarly
        | Bug::RegistersTwice
        | Bug::LosesMembers
        | Bug::NeverWakes
        | Bug::WaitsForEver
        | Bug::Amnesia
        | Bug::LeavesTheLate => {}
    }
}
