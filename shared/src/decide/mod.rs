//! The decision: from the saved status, the inbox and one look at the world to the next status and its effects.
//!
//! [`decide`] is pure, total and synchronous. It is called again and again; each call sees the world as it is and says
//! how it shall be, so a lost, repeated or late call changes nothing but the time it takes. [`ask`] says what the next
//! look must read.
//!
//! The phases of a rollout, each in the file that decides it: `hold` (before anything is touched), `forward`
//! (registering, starting, shifting, baking), `after` (standby, the door, rest) and `back`.

mod after;
mod alarms;
mod back;
mod draft;
mod forward;
mod health;
mod hold;
mod idle;
mod inbox;
mod native;
mod repair;
mod watch;

use std::collections::BTreeSet;

use crate::config::{NoTraffic, ServiceConfig};
use crate::decision::Decision;
use crate::observation::{Ask, Observation};
use crate::rollout::{Intent, Margins, Phase, Rollout, Status};
use crate::time::Time;

use draft::Draft;

pub(crate) use alarms::{Heard, listen};

/// Everything a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The service's configuration of today; a running rollout goes by the one it pinned.
    pub config: &'a ServiceConfig,
    /// The saved status.
    pub status: &'a Status,
    /// What was recorded since, in the order of time.
    pub inbox: &'a [Intent],
    /// The look.
    pub seen: &'a Observation,
    /// The installation's margins.
    pub margins: &'a Margins,
    /// Now; not before the look began.
    pub now: Time,
}

/// Decides.
#[must_use]
pub fn decide(input: &Input<'_>) -> Decision {
    let mut draft = Draft::new(input);
    let more = inbox::take(&mut draft, input.inbox);
    match draft.status.rollout.take() {
        None => idle::decide(&mut draft),
        Some(rollout) => {
            let before = std::mem::discriminant(&rollout.phase);
            draft.status.rollout = phase(&mut draft, rollout);
            let after = draft.status.rollout.as_ref().map(|next| std::mem::discriminant(&next.phase));
            // Another phase, or the end: something else must be read.
            if after != Some(before) {
                draft.again();
            }
        }
    }
    if more {
        draft.again();
    }
    draft.finish()
}

/// One phase; none: the rollout has ended.
fn phase(draft: &mut Draft<'_>, rollout: Rollout) -> Option<Rollout> {
    match rollout.phase.clone() {
        Phase::Holding => hold::decide(draft, rollout),
        Phase::Deploying => native::deploying(draft, rollout),
        Phase::Stopping { cause } => native::stopping(draft, rollout, cause),
        Phase::Registering { sent } => forward::registering(draft, rollout, sent),
        Phase::Starting => Some(forward::starting(draft, rollout)),
        Phase::Shifting { step } => Some(forward::shifting(draft, rollout, step)),
        Phase::Baking { step, promoted } => Some(forward::baking(draft, rollout, step, promoted)),
        Phase::Standby { until } => Some(after::standby(draft, rollout, until)),
        Phase::Retiring => Some(after::retiring(draft, rollout)),
        Phase::Resting => after::resting(draft, rollout),
        Phase::Returning { cause } => Some(back::returning(draft, rollout, cause)),
        Phase::Clearing { cause } => back::clearing(draft, rollout, cause),
    }
}

/// What the look at this time must read.
#[must_use]
pub fn ask(config: &ServiceConfig, status: &Status, margins: &Margins, at: Time) -> Ask {
    if config.engine.native().is_some() {
        return repair::asks(status, native::ask(status, at));
    }
    let Some(rollout) = &status.rollout else {
        // At rest the weights alone are looked at; whether what they point at lives, only when they differ.
        let differs = status.settled.as_ref().is_some_and(|settled| settled.differs_since.is_some());
        let base = Ask { routes: status.settled.is_some(), targets: differs, ..Ask::default() };
        return repair::asks(status, base);
    };
    let base = Ask { routes: true, targets: true, ..Ask::default() };
    let drained =
        |colour| rollout.emptied.map(|emptied| (BTreeSet::from([colour]), watch::drain_window(emptied, at, margins)));
    match &rollout.phase {
        Phase::Holding => Ask {
            alarms: true,
            scaling: true,
            requests: rollout.stable.and_then(|stable| drained(stable.other())),
            ..base
        },
        Phase::Registering { .. } => Ask {
            registered: rollout.stable_revision.clone().map(|base| (base, rollout.id.0.clone())),
            ..Ask::default()
        },
        // Phases of the native engine, which asks for itself.
        Phase::Deploying | Phase::Stopping { .. } => Ask::default(),
        Phase::Starting | Phase::Shifting { .. } => Ask { alarms: true, scaling: true, ..base },
        Phase::Baking { .. } => {
            let wants = match config.no_traffic {
                NoTraffic::Hold => rollout
                    .stable
                    .map(|stable| (BTreeSet::from([stable.other()]), rollout.since.floor(margins.metric_period))),
                NoTraffic::Proceed => None,
            };
            Ask { alarms: true, requests: wants, ..base }
        }
        Phase::Standby { .. } | Phase::Retiring => Ask { alarms: true, ..base },
        Phase::Resting => Ask { scaling: true, requests: rollout.stable.and_then(drained), ..base },
        Phase::Returning { .. } => base,
        Phase::Clearing { .. } => {
            Ask { scaling: true, requests: rollout.stable.and_then(|stable| drained(stable.other())), ..base }
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
