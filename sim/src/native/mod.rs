//! The native engine in the same simulation: one ECS service whose own strategy moves the traffic. Time, queues, store,
//! faults and the loop are those of the managed simulation; what the service is, what may happen to it, and what the laws
//! mean there is here.

mod acts;
pub mod bugs;
pub mod counts;
mod draw;
pub(crate) mod laws;
mod reading;
pub(crate) mod setup;
mod shape;
pub(crate) mod stage;
mod truth;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use model::Millis;
use shared::ids::RolloutId;

pub use bugs::Bug;
pub use draw::draw;
pub use shape::{Hook, Pause, Shape, Strategy};

/// What is remembered of a native service while a schedule runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Service deployments that Flipback made, with their rollout, and when.
    pub(crate) made: BTreeMap<String, (RolloutId, Millis)>,
    /// When each deployment was first seen with production traffic.
    pub(crate) traffic: BTreeMap<String, Millis>,
    /// When an UpdateService of a rollout was last sent, and until when it may land.
    pub(crate) deploys: BTreeMap<RolloutId, Millis>,
    /// How often people promoted a rollout.
    pub(crate) promoted: BTreeMap<RolloutId, usize>,
    /// The pauses that were answered for a rollout.
    pub(crate) continued: BTreeMap<RolloutId, BTreeSet<String>>,
    /// Revisions of rollouts that were taken back, with what hurt.
    pub(crate) taken_back: BTreeSet<String>,
    /// Since when an own deployment goes on although it hurts, and how.
    pub(crate) harm: Option<(Millis, String)>,
    /// Since when a deployment of what was taken back goes on.
    pub(crate) late: Option<Millis>,
    /// Somebody else wrote the production rule.
    pub(crate) written: Option<Millis>,
    /// Somebody else deployed, stopped or answered.
    pub(crate) meddled: Option<Millis>,
    /// Stops that were sent, as a planted bug remembers them.
    pub(crate) stops: BTreeSet<String>,
}
