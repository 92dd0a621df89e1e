//! The core of Flipback over the model of AWS, in virtual time, with faults and invariants.
//!
//! A [`Schedule`](schedule::Schedule) is drawn from a seed: a service, what happens to it, and what goes wrong.
//! [`run`](run::run) plays it: the product's own loop in several processes that interleave at every call, over one
//! [`model::World`]. [`laws`] watches every step; [`bugs`] are planted to see that it does.

pub mod beliefs;
pub mod bugs;
mod cloud;
pub mod counts;
pub mod faults;
mod functions;
pub mod laws;
mod looks;
pub mod many;
pub mod names;
pub mod native;
mod next_door;
pub mod plots;
mod ports;
pub mod rng;
pub mod run;
pub mod schedule;
mod setup;
pub mod shrink;
mod stage;
mod takeover;
mod view;
