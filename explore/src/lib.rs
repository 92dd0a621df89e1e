//! The core over a small world, explored exhaustively: every order in which things can happen, within bounds.
//!
//! The world is a route, two colours, an alarm, somebody else who moves weights, a person, an autoscaler, and processes
//! that stop or stand still between any two calls. What decides in it is the product's own loop
//! ([`shared::reconcile`]), asked call by call: a process is what it was answered so far ([`process`]), and to go on it is
//! played again from its beginning up to the first call that has no answer yet. So a process can be copied, compared and
//! left alone in the middle of anything.
//!
//! Time stands still and everything else grows older ([`age`]): states that differ only by when they happen are one
//! state. Every length of time is a whole number of ticks ([`place::TICK`]).

pub mod age;
pub mod bounds;
pub mod bugs;
pub mod check;
pub mod laws;
pub mod memo;
pub mod moves;
pub mod place;
pub mod process;
pub mod state;
pub mod step;
pub mod world;
