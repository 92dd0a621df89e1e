//! What may be put right by itself, where the configuration says `enforce: true`: only what is safe and can be taken back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Differs, Finding, Judged, Level, Memory, Metric, Moves, Policy, Role, Sight, Subject, What};
use crate::config::{Mode, ServiceConfig};
use crate::ids::Colour;
use crate::observation::{Reading, ScalingReading, Suspended};
use crate::rollout::{Settled, Status};

/// How the live side's scaling shall be. The check records it; the loop, which alone changes anything, carries it out where nothing is
/// being deployed, and tells it once it was read so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The colour that was live when it was looked at; a native service has one only.
    pub colour: Colour,
    /// The bounds; none leaves them.
    #[serde(default)]
    pub bounds: Option<(u32, u32)>,
    /// The suspensions; none leaves them.
    #[serde(default)]
    pub suspended: Option<Suspended>,
    /// Targets that a target tracking policy of ours shall keep.
    #[serde(default)]
    pub tracking: BTreeMap<Metric, Level>,
}

impl Repair {
    /// The name of our policy for a metric.
    #[must_use]
    pub fn policy(metric: Metric) -> Option<&'static str> {
        match metric {
            Metric::Cpu => Some("flipback-cpu"),
            Metric::Memory => Some("flipback-memory"),
            // Which target group is counted is the team's choice, and two may take turns.
            Metric::Requests | Metric::Other => None,
        }
    }

    /// What of the targets no policy keeps.
    pub fn untracked<'a>(&'a self, policies: &'a [Policy]) -> impl Iterator<Item = (Metric, Level)> + 'a {
        let kept = |metric: Metric, level: Level| {
            policies.iter().any(|policy| match policy.moves {
                Moves::Tracking { metric: tracked, target, .. } => tracked == metric && target == level,
                Moves::Steps | Moves::Other(_) => false,
            })
        };
        let all = self.tracking.iter().map(|(metric, level)| (*metric, *level));
        all.filter(move |(metric, level)| !kept(*metric, *level))
    }
}

/// What of the findings may be put right; none: nothing, or not now. A finding is told before it is mended, and what somebody sets again is
/// not fought: see [`Status::may_repair`].
#[must_use]
pub fn repair(
    config: &ServiceConfig,
    status: &Status,
    subjects: &[Subject],
    sight: &Sight,
    judged: &Judged,
    memory: &Memory,
) -> Option<Repair> {
    let at_rest = status.rollout.is_none() && status.next.is_none();
    if !config.scaling.enforce || config.mode != Mode::Act || !at_rest || !status.may_repair(sight.at) {
        return None;
    }
    let live = subjects.iter().find(|subject| subject.role == Role::Live)?;
    let settled = status.settled.as_ref();
    let colour = match config.engine.native() {
        Some(_) => Colour::Blue,
        // What somebody moves just now is that person's.
        None if settled.is_some_and(|settled| settled.differs_since.is_some()) => return None,
        None => Colour::BOTH.into_iter().find(|colour| config.engine.service(*colour) == live.service)?,
    };
    let counts = sight.services.get(&live.service)?.known()?.as_ref()?;
    let target = sight.targets.get(&live.service)?.known()?.as_ref()?;
    if counts.deploying {
        return None;
    }
    let told = |finding: &&Finding| {
        memory.open.iter().any(|open| {
            open.told.is_some() && (open.finding.kind(), open.finding.role) == (finding.kind(), finding.role)
        })
    };
    let mut repair = Repair { colour, bounds: None, suspended: None, tracking: BTreeMap::new() };
    let left = settled.and_then(|settled| settled.left(colour));
    for finding in judged.found.iter().filter(|finding| finding.role == Role::Live).filter(told) {
        match &finding.what {
            What::OtherBounds { wanted_min, wanted_max, .. } => repair.bounds = Some((*wanted_min, *wanted_max)),
            What::Suspended { flags } if *flags == Suspended::ALL => {
                repair.suspended = left.map(|left| left.suspended);
            }
            What::OtherTarget { differs } => repair.tracking = tracking(differs, sight, &live.service),
            What::Suspended { .. }
            | What::Unreadable { .. }
            | What::Gone
            | What::NoScalableTarget
            | What::MinIsMax { .. }
            | What::MinZero { .. }
            | What::MaxBelowDesired { .. }
            | What::BelowMin { .. }
            | What::AtMax { .. }
            | What::RunningBelowDesired { .. }
            | What::IdleNotAtRest { .. }
            | What::NoPolicy
            | What::PolicyAlarms { .. }
            | What::DrainedGroup { .. }
            | What::Flapping { .. }
            | What::MixedPolicies { .. }
            | What::SlowScaleOut { .. }
            | What::MemoryNearLimit { .. }
            | What::UnhealthyTargets { .. }
            | What::TasksReplaced { .. }
            | What::LongCooldown { .. }
            | What::ScalingFails { .. }
            | What::OutOfStep { .. }
            | What::OtherRegion { .. } => {}
        }
    }
    // At rest its minimum was set to 0 with the suspensions: they go together.
    if let (Some(_), None, Some(left)) = (repair.suspended, repair.bounds, left)
        && target.min == 0
    {
        repair.bounds = Some((config.scaling.min.unwrap_or(left.min), config.scaling.max.unwrap_or(left.max)));
    }
    repair.bounds = repair.bounds.filter(|(_, max)| counts.desired <= *max);
    let something = repair.bounds.is_some() || repair.suspended.is_some() || !repair.tracking.is_empty();
    something.then_some(repair)
}

/// Targets of which there is no policy, or one of ours. Beside policies of another kind none is made: they would fight.
fn tracking(differs: &[Differs], sight: &Sight, service: &str) -> BTreeMap<Metric, Level> {
    let policies = sight.policies.get(service).and_then(Reading::known);
    let alone = policies.is_some_and(|all| all.iter().all(|one| matches!(one.moves, Moves::Tracking { .. })));
    let may = |differs: &&Differs| {
        let ours = Repair::policy(differs.metric);
        alone && ours.is_some() && (differs.policy.is_none() || differs.policy.as_deref() == ours)
    };
    differs.iter().filter(may).map(|differs| (differs.metric, differs.wanted)).collect()
}

impl Settled {
    /// What the scalable target of a side had that Flipback has put to rest itself, if that is the one that is live now: then somebody
    /// moved the traffic there, and the suspensions are ours.
    #[must_use]
    pub fn left(&self, colour: Colour) -> Option<ScalingReading> {
        self.rested.filter(|rested| rested.colour == colour && self.live == colour).map(|rested| rested.had)
    }
}
