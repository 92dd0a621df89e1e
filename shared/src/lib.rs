//! The core of Flipback: what to do with one Amazon ECS service, decided from what is seen.
//!
//! Nothing here touches the outside. Time is passed in, readings arrive as values, effects leave as values; the crate
//! names no AWS SDK, reads no clock, no environment and no random source. [`decide`](decide::decide) is the heart;
//! [`reconcile`](reconcile::reconcile) is the loop round it, written over the small traits of [`ports`].

pub mod config;
pub mod decide;
pub mod decision;
pub mod hook;
pub mod ids;
pub mod image;
pub mod intake;
pub mod notice;
pub mod observation;
pub mod ports;
pub mod reconcile;
pub mod revision;
pub mod rollout;
pub mod scaling;
pub mod strategy;
pub mod time;
pub mod weights;
