//! The adapters of Flipback: the only crate that names the AWS SDK. It acts and never decides.
//!
//! [`World`] reads and changes AWS, [`Table`] keeps the records, [`Queues`] wake the loop, [`Teller`] tells people; each
//! implements a port of `shared`. [`lambda`] is what every function's main needs.

mod activities;
mod actuator;
mod alarms;
pub mod check;
mod clients;
mod clock;
mod count;
pub mod deliver;
mod deployments;
mod ec2;
mod errors;
pub mod images;
pub mod lambda;
pub mod load;
pub mod lookup;
mod metrics;
mod native;
mod observer;
mod pace;
pub mod part;
mod policies;
mod raw;
mod requests;
mod revisions;
mod room;
pub mod round;
mod routes;
mod scaling;
mod schedules;
mod services;
mod sizes;
mod stopped;
pub mod store;
mod targets;
mod tell;
mod wakes;
mod web;
mod world;

pub use clients::Clients;
pub use clock::SystemClock;
pub use errors::{During, Failure, Kind};
pub use store::Table;
pub use tell::{TellError, Teller};
pub use wakes::Queues;
pub use web::{Web, WebAnswer};
pub use world::World;

/// The SDK's own types, for `flipback check-account`: the one command that makes and removes resources.
pub mod sdk {
    pub use aws_sdk_applicationautoscaling as scaling;
    pub use aws_sdk_ecs as ecs;
    pub use aws_sdk_elasticloadbalancingv2 as elb;
    pub use aws_sdk_sqs as sqs;
}
