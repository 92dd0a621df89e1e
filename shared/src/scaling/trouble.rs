//! What is wrong with a service's policies, in parts: a finding carries several.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Level, Metric};

/// A target that is not what flipback.yaml wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Differs {
    /// The metric.
    pub metric: Metric,
    /// As flipback.yaml wants it.
    pub wanted: Level,
    /// As the policy has it; none: no policy tracks the metric.
    pub found: Option<Level>,
    /// That policy's name.
    #[serde(default)]
    pub policy: Option<String>,
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.metric.at(self.wanted);
        match self.found {
            Some(found) => write!(f, "{wanted}, and its policy has {found}"),
            None => write!(f, "{wanted}, and no policy tracks that"),
        }
    }
}

/// What keeps an alarm from setting off its policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AlarmTrouble {
    /// The policy names fewer alarms than it needs.
    None,
    /// There is no alarm of this name.
    Missing(String),
    /// Its actions are disabled.
    Disabled(String),
    /// It has had no data for a while.
    NoData(String),
    /// It watches another service.
    Elsewhere {
        /// The alarm.
        alarm: String,
        /// What it watches, as `CLUSTER/SERVICE`.
        watches: String,
    },
}

/// A policy that its alarms do not set off.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The policy's name.
    pub policy: String,
    /// What is wrong with its alarms.
    pub what: AlarmTrouble,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = &self.policy;
        match &self.what {
            AlarmTrouble::None => write!(f, "policy {policy} lacks an alarm to set it off"),
            AlarmTrouble::Missing(alarm) => write!(f, "policy {policy}: its alarm {alarm} does not exist any more"),
            AlarmTrouble::Disabled(alarm) => write!(f, "policy {policy}: the actions of {alarm} are disabled"),
            AlarmTrouble::NoData(alarm) => write!(f, "policy {policy}: {alarm} has no data"),
            AlarmTrouble::Elsewhere { alarm, watches } => write!(f, "policy {policy}: {alarm} watches {watches}"),
        }
    }
}
