//! What may be put right by itself, where the configuration says `enforce: true`: only what is safe and can be taken back.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Differs, Finding, Judged, Level, Memory, Metric, Moves, Policy, Role, Sight, Subject, What};
use crate::config::{Mode, ServiceConfig};
use crate::ids::Colour;
use crate::observation::{Reading, ScalingReading, Suspended};
use crate::rollout::{Rested, Settled, Status};
use crate::time::{Span, Time};

/// How the live side's scaling shall be. The check records it; the loop, which alone changes anything, carries it out where nothing is
/// being deployed, and tells it once it was read so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// The colour that was live when it was looked at; a native service has one only.
    pub colour: Colour,
    /// The minimum at least; none leaves it.
    #[serde(default)]
    pub min: Option<u32>,
    /// The maximum at least; none leaves it.
    #[serde(default)]
    pub max: Option<u32>,
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

/// One write of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mend {
    /// The scalable target: what is none stays as it is.
    Target {
        /// The minimum.
        min: Option<u32>,
        /// The maximum.
        max: Option<u32>,
        /// The suspensions.
        suspended: Option<Suspended>,
    },
    /// A target tracking policy of ours ([`Repair::policy`]).
    Policy {
        /// The metric.
        metric: Metric,
        /// The target.
        target: Level,
    },
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mend::Policy { metric, target } => write!(f, "a policy for {}", metric.at(*target)),
            Mend::Target { min, max, suspended } => {
                let min = min.map(|min| format!("min {min}"));
                let max = max.map(|max| format!("max {max}"));
                let suspended = suspended.map(|flags| format!("suspended {flags}"));
                let all: Vec<String> = [min, max, suspended].into_iter().flatten().collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repair { min, max, suspended, .. } = *self;
        let target =
            (min.is_some() || max.is_some() || suspended.is_some()).then_some(Mend::Target { min, max, suspended });
        let policies = self.tracking.iter().map(|(&metric, &target)| Mend::Policy { metric, target });
        let all: Vec<String> = target.into_iter().chain(policies).map(|what| what.to_string()).collect();
        f.write_str(&all.join(", "))
    }
}

/// What of the findings may be put right; none: nothing, or not now. Bounds are only raised: what is lowered may take away what runs, or
/// what somebody raised for a busy day. A finding is told before it is mended (`memory` is what was saved by the looks before), and
/// what somebody sets again is not fought: see [`Status::may_repair`].
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
    if !at_rest || !Repair::wanted(config) || !status.may_repair(sight.at) {
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
    // As it is now: what changed since it was told is told anew first.
    let told = |finding: &&Finding| memory.open.iter().any(|open| open.told.is_some() && open.finding == **finding);
    let mut repair = Repair { colour, min: None, max: None, suspended: None, tracking: BTreeMap::new() };
    let left = settled.and_then(|settled| settled.left(colour, sight.at));
    for finding in judged.found.iter().filter(|finding| finding.role == Role::Live).filter(told) {
        match &finding.what {
            What::OtherBounds { .. } => (repair.min, repair.max) = (config.scaling.min, config.scaling.max),
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
            | What::LateHealthy { .. }
            | What::FewAddresses { .. }
            | What::OneZone { .. }
            | What::VcpuQuota { .. }
            | What::OtherRegion { .. } => {}
        }
    }
    if let (Some(_), Some(left)) = (repair.suspended, left) {
        // Its minimum was set to 0 with the suspensions: they go together.
        repair.min = Some(config.scaling.min.unwrap_or(left.min));
        repair.max = Some(config.scaling.max.unwrap_or(left.max));
    }
    // What a scheduled action sets is left to it.
    let scheduled = sight.scheduled.get(&live.service)?.known()?;
    repair.min = repair.min.filter(|min| *min > target.min && scheduled.iter().all(|action| action.min.is_none()));
    repair.max = repair.max.filter(|max| *max > target.max && scheduled.iter().all(|action| action.max.is_none()));
    if !repair.frees(counts.desired, target) {
        repair.suspended = None;
    }
    if repair.suspended.is_none() {
        // Without the suspensions only what is declared is asked for.
        repair.min = repair.min.filter(|_| config.scaling.min.is_some());
        repair.max = repair.max.filter(|_| config.scaling.max.is_some());
    }
    let something = repair.min.is_some() || repair.max.is_some() || repair.suspended.is_some();
    (something || !repair.tracking.is_empty()).then_some(repair)
}

impl Repair {
    /// Its team lets things be put right.
    #[must_use]
    pub fn wanted(config: &ServiceConfig) -> bool {
        config.scaling.enforce && config.mode == Mode::Act
    }

    /// The configuration still asks for this.
    #[must_use]
    pub fn still_wanted(&self, config: &ServiceConfig) -> bool {
        let scaling = &config.scaling;
        let same =
            |ours: Option<u32>, theirs: Option<u32>| ours.is_none_or(|ours| theirs.is_none_or(|own| own == ours));
        let target = |metric: Metric| match metric {
            Metric::Cpu => scaling.cpu_target,
            Metric::Memory => scaling.memory_target,
            Metric::Requests | Metric::Other => None,
        };
        // A bound that is not declared goes only with suspensions.
        let declared = self.suspended.is_some()
            || self.min.is_none_or(|_| scaling.min.is_some()) && self.max.is_none_or(|_| scaling.max.is_some());
        Repair::wanted(config)
            && declared
            && same(self.min, scaling.min)
            && same(self.max, scaling.max)
            && self.tracking.iter().all(|(metric, level)| target(*metric) == Some(*level))
    }

    /// Whether scaling in may be let loose: with a floor under it, and nothing above the ceiling that it would take at once.
    #[must_use]
    pub fn frees(&self, desired: u32, now: &ScalingReading) -> bool {
        now.min.max(self.min.unwrap_or(0)) > 0 && desired <= now.max.max(self.max.unwrap_or(0))
    }

    /// What of the scalable target is to be written, as it reads now; none: it is right.
    #[must_use]
    pub fn target(&self, now: &ScalingReading) -> Option<Mend> {
        let min = self.min.filter(|min| *min > now.min);
        let max = self.max.filter(|max| *max > now.max);
        let suspended = self.suspended.filter(|flags| *flags != now.suspended);
        (min.is_some() || max.is_some() || suspended.is_some()).then_some(Mend::Target { min, max, suspended })
    }
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
    /// So long after the traffic came to a side that Flipback had put to rest its suspensions count as left by that: later a person may
    /// have lifted them, and have set others.
    const LEFT: Span = Span::mins(24 * 60);

    /// What the scalable target of a side had that Flipback has put to rest itself, if that is the one that is live now: then somebody
    /// moved the traffic there, and the suspensions are ours.
    #[must_use]
    pub fn left(&self, colour: Colour, now: Time) -> Option<ScalingReading> {
        let ours = |rested: &Rested| rested.colour == colour && self.live == colour && now.since(self.at) <= Self::LEFT;
        self.rested.filter(ours).map(|rested| rested.had)
    }
}
