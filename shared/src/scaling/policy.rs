//! Scaling policies, and the alarms that set them off.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observation::AlarmState;
use crate::time::Time;

/// A value of a metric, kept in thousandths and written as a number: percent of CPU or memory, requests per target and minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Level(u64);

impl TryFrom<f64> for Level {
    type Error = String;

    fn try_from(value: f64) -> Result<Level, String> {
        let thousandths = (value * 1000.0).round();
        if value <= 1e12 && thousandths >= 1.0 {
            Ok(Level(thousandths as u64))
        } else {
            Err(format!("{value} is not a target: it must be more than 0, in thousandths"))
        }
    }
}

impl From<Level> for f64 {
    fn from(level: Level) -> f64 {
        level.0 as f64 / 1000.0
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

/// What a target tracking policy keeps at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// The service's average CPU, in percent.
    Cpu,
    /// The service's average memory, in percent.
    Memory,
    /// Requests per target and minute of one target group.
    Requests,
    /// A metric of the team's own.
    Other,
}

impl Metric {
    /// A value of it, for people.
    #[must_use]
    pub fn at(self, level: Level) -> String {
        match self {
            Metric::Cpu => format!("{level} % CPU"),
            Metric::Memory => format!("{level} % memory"),
            Metric::Requests => format!("{level} requests per target"),
            Metric::Other => format!("{level} of its own metric"),
        }
    }
}

/// What a policy does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Moves {
    /// Keeps a metric at a target.
    Tracking {
        /// The metric.
        metric: Metric,
        /// The value it is kept at.
        target: Level,
        /// The target group whose requests it counts, as an ARN's suffix (`targetgroup/NAME/ID`).
        group: Option<String>,
        /// It never scales in.
        only_out: bool,
        /// Its ScaleOutCooldown in seconds; none: AWS's own.
        #[serde(default)]
        cooldown: Option<u32>,
    },
    /// Adds and removes by the steps of an alarm.
    Steps,
    /// Another kind, by AWS's name: predictive, or newer than this release.
    Other(String),
}

/// A scaling policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What it does.
    pub moves: Moves,
    /// The alarms that set it off, by name.
    pub alarms: Vec<String>,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.moves {
            Moves::Tracking { metric, target, .. } => write!(f, "{} ({})", self.name, metric.at(*target)),
            Moves::Steps => write!(f, "{} (steps)", self.name),
            Moves::Other(kind) => write!(f, "{} ({kind})", self.name),
        }
    }
}

/// An alarm of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAlarm {
    /// Its actions are carried out.
    pub enabled: bool,
    /// It fires above its threshold: it scales out.
    pub above: bool,
    /// Its state.
    pub state: AlarmState,
    /// Since when.
    pub since: Option<Time>,
    /// The ECS services it watches, as `CLUSTER/SERVICE`.
    pub services: BTreeSet<String>,
}
