//! The laws of docs/design.md as invariants: checked when a write is sent, when it lands, when a status is saved, and
//! every second of the world. They judge by the world itself and by what the process was truly answered, never by what
//! the product believes.
//!
//! Of law 11 (one owner per thing) this sees what is written; the claims are a transaction of the store, and `aws`'s tests
//! hold them (`aws/tests/claims.rs`).

mod owner;
mod saved;
mod sent;
mod sick;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::Millis;
use serde_json::Value;
use shared::ids::{AlarmName, Colour, RolloutId, RouteArn, TargetGroupArn};
use shared::observation::{Observation, Reading, TargetCounts};
use shared::rollout::AlarmSide;
use shared::time::Time;
use shared::weights::Weights;

use crate::bugs::Memory;
use crate::cloud::Cloud;

pub(crate) use saved::{entered, fresh, not_saved, saved};
pub(crate) use sent::{forward, landed, sent};
pub(crate) use sick::looked;
pub(crate) use world::{autoscaled, begin, end, second};

/// A law by its number, in words.
#[must_use]
pub fn words(law: u8) -> &'static str {
    match law {
        1 => "forward has one writer and a deadline",
        2 => "back is always allowed, until the door",
        3 => "absolute, then verified, then settled",
        4 => "one destructive effect per decision, after its precondition was seen",
        5 => "healthy is exact",
        6 => "missing is not healthy",
        7 => "a rule keeps everything but its weights",
        8 => "expected weights: foreign ones are not fought",
        9 => "capacity never shrinks under a rollout",
        10 => "alarms belong to a side",
        11 => "one owner per thing",
        12 => "a revision is the live one's JSON with the images changed, and there is one",
        13 => "nothing waits silently",
        14 => "never backwards by accident",
        15 => "say the truth",
        _ => "no such law",
    }
}

/// A law that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: u8,
    /// When, since the beginning of the schedule.
    pub at: Millis,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {} ({}) at {} s: {}", self.law, words(self.law), self.at / 1_000, self.what)
    }
}

/// What the laws remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laws {
    /// When each colour last had weight.
    pub(crate) weighted: BTreeMap<Colour, Millis>,
    /// When somebody else last changed weights, revisions or counts.
    pub(crate) meddled: Millis,
    /// Somebody else moved weights at some time.
    pub(crate) foreign: bool,
    /// Every route without its weights.
    skeletons: BTreeMap<RouteArn, Value>,
    /// Rollouts that ended.
    pub(crate) ended: BTreeSet<RolloutId>,
    /// Revisions registered per rollout.
    pub(crate) registered: BTreeMap<RolloutId, u32>,
    /// Images that started, by digest: their repository, and when they were pushed.
    pub(crate) started: BTreeMap<String, (String, Time)>,
    /// Rollouts that were saved as shifting.
    shifted: BTreeSet<RolloutId>,
    /// The step in which the candidate is seen with unhealthy targets, and since when.
    sick: Option<(RolloutId, String, Millis)>,
    /// Since when the candidate is harmed, and how.
    harm: Option<(Millis, String)>,
    /// The weights when the last rollout ended.
    rest: BTreeMap<RouteArn, Weights>,
    /// Since when traffic goes to a dead side of a settled service.
    pub(crate) outage: Option<Millis>,
    /// Since when one side is smaller than the other although it may get all traffic.
    smaller: Option<Millis>,
    /// Somebody changed the bounds of a scalable target.
    pub(crate) rebound: bool,
    /// What a planted bug remembers.
    pub(crate) memory: Memory,
}

/// The counts of every target group of a colour, where all were read.
fn targets(seen: &Observation, colour: Colour) -> Option<Vec<(&TargetGroupArn, TargetCounts)>> {
    let reading = seen.colours.get(&colour)?;
    let service = reading.service.known()?.as_ref()?;
    service.target_groups.iter().map(|group| Some((group, *reading.targets.get(group)?.known()?))).collect()
}

/// The counts of those target groups of a colour that were read.
fn read_targets(seen: &Observation, colour: Colour) -> Vec<TargetCounts> {
    let counts = seen.colours.get(&colour).into_iter().flat_map(|reading| reading.targets.values());
    counts.filter_map(|counts| counts.known().copied()).collect()
}

/// A group that was read has no healthy target; one that was not says nothing.
fn dead(seen: &Observation, colour: Colour) -> bool {
    read_targets(seen, colour).iter().any(|counts| counts.healthy == 0)
}

fn alive(seen: &Observation, colour: Colour) -> bool {
    let read = read_targets(seen, colour);
    !read.is_empty() && read.iter().all(|counts| counts.healthy > 0)
}

/// Whether a colour had a healthy target in each of its groups on a route; `None` where one was not read.
fn healthy_on(seen: &Observation, colour: Colour, weights: &Weights) -> Option<bool> {
    let reading = seen.colours.get(&colour)?;
    let service = reading.service.known()?.as_ref()?;
    let mut groups = service.target_groups.iter().filter(|group| weights.contains_key(*group));
    groups.try_fold(true, |healthy, group| Some(healthy && reading.targets.get(group)?.known()?.healthy > 0))
}

/// Which side an alarm truly watches.
fn side(cloud: &Cloud, alarm: &str) -> Option<AlarmSide> {
    let configured = |name: &AlarmName| cloud.place.config.alarms.all().contains(name);
    cloud.place.alarms.iter().find(|(name, _)| name.as_str() == alarm && configured(name)).map(|(_, side)| *side)
}

/// The candidate's share of a route as it was truly answered.
fn read_share(cloud: &Cloud, seen: &Observation, route: &RouteArn, colour: Colour) -> Option<f64> {
    match seen.routes.get(route)? {
        Reading::Known(reading) => Some(cloud.share(&reading.weights, colour)),
        Reading::Unknown(_) => None,
    }
}

/// Whether somebody else changed something so recently that a process may not know.
fn meddled_lately(cloud: &Cloud) -> bool {
    cloud.laws.meddled > 0 && cloud.now - cloud.laws.meddled <= cloud.schedule.pace.timeout + cloud.schedule.pace.stale
}
