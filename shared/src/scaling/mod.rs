//! The scheduled check: can a service still scale, is it scaling, and is it scaled as its team meant?
//!
//! Pure, like `decide`: [`subjects`] says what to read, [`judge`] what is wrong with what was read, [`Memory`] what of it is
//! news, and [`repair`] what of it may be put right. What could not be read changes nothing: it is neither fine nor a fault.

mod activity;
mod digest;
mod finding;
mod judge;
mod load;
mod memory;
mod past;
mod policy;
mod repair;
mod room;
mod scheduled;
mod sight;
mod stop;
mod trouble;
mod what;
mod words;

pub use activity::Activity;
pub use digest::{DIGEST, digest};
pub use finding::{Finding, FindingKind, Role, Severity};
pub use judge::{Judged, judge, wants_activities, wants_size, wants_stops};
pub use load::{Load, PERIODS, Point, Series, window};
pub use memory::{Memory, News, Open};
pub use past::{Past, Step};
pub use policy::{Level, Metric, Moves, Policy, PolicyAlarm};
pub use repair::{Mend, Repair, repair};
pub use room::{HealthCheck, Quota, Subnet, VCPU};
pub use scheduled::Scheduled;
pub use sight::{Counts, Sight, Subject, live, subjects};
pub use stop::Stop;
pub use trouble::{AlarmTrouble, Differs, Trouble};
pub use what::What;

#[cfg(test)]
mod tests;
