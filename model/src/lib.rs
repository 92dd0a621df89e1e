//! The part of AWS that Flipback touches, as a model in given time.
//!
//! [`World`] is pure: no clock, no sockets, no randomness. Time is passed in; the same calls at the same times give the same
//! world. It is served over AWS's wire protocols by the local cloud and driven in virtual time by the simulation.
//! Names live in one space whatever the caller's region; ARNs carry the region of the call that made the resource.

mod api;
mod autoscaling;
mod beliefs;
mod cloudwatch;
mod ec2;
mod ecr;
mod ecs;
mod elb;
mod error;
mod hash;
mod ids;
mod input;
mod manners;
mod secrets;
mod settings;
mod sns;
mod sqs;
#[cfg(test)]
mod tests;
mod time;
mod world;

pub use api::{
    Answered, Call, Happening, JournalEntry, Probe, ProbeResult, RequestHead, Route, Service, StickyCookie, TaskPlan,
};
pub use beliefs::{Belief, Beliefs, Beyond};
pub use error::AwsError;
pub use manners::{Answer, Manners};
pub use settings::{CloudWatchTimes, EcsTimes, ElbTimes, Settings};
pub use world::World;

/// Milliseconds since the Unix epoch, or a length of time in milliseconds.
pub type Millis = u64;
