//! Amazon CloudWatch: metrics, and alarms that are evaluated as CloudWatch does.

mod alarms;
mod composite;
mod evaluate;
mod events;
mod math;
mod metrics;
mod query;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub(crate) use metrics::Sample;

use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Millis, World};

#[derive(Debug, Clone, Default)]
pub(crate) struct CloudWatch {
    metrics: BTreeMap<MetricKey, usize>,
    series: Vec<metrics::Series>,
    /// Places of load-balancer metrics by a text that is cheap to make: they are written once per request.
    alb: BTreeMap<String, usize>,
    alarms: BTreeMap<String, Alarm>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct MetricKey {
    namespace: String,
    name: String,
    dimensions: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    Alarm,
    InsufficientData,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Alarm => "ALARM",
            State::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    fn read(text: &str) -> Option<State> {
        [State::Ok, State::Alarm, State::InsufficientData].into_iter().find(|state| state.name() == text)
    }
}

/// A state with its reason, as events show it.
#[derive(Debug, Clone)]
struct Judgement {
    state: State,
    reason: String,
    /// A JSON text.
    data: Option<String>,
    at: Millis,
}

#[derive(Debug, Clone)]
struct Alarm {
    arn: String,
    region: String,
    /// As it was put.
    doc: Map<String, Value>,
    configured: Millis,
    enabled: bool,
    now: Judgement,
    transitioned: Millis,
    kind: Kind,
    /// When it is evaluated next; composite alarms follow their children.
    next: Option<Millis>,
}

#[derive(Debug, Clone)]
enum Kind {
    Metric(evaluate::Watch),
    Composite(composite::Rule),
}

impl World {
    pub(crate) fn cloudwatch(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "PutMetricAlarm" => self.put_metric_alarm(call, input),
            "PutCompositeAlarm" => self.put_composite_alarm(call, input),
            "DescribeAlarms" => self.describe_alarms(input),
            "DescribeAlarmsForMetric" => self.describe_alarms_for_metric(input),
            "DeleteAlarms" => self.delete_alarms(input),
            "SetAlarmState" => self.set_alarm_state(call, input),
            "EnableAlarmActions" => self.alarm_actions(input, true),
            "DisableAlarmActions" => self.alarm_actions(input, false),
            "PutMetricData" => self.put_metric_data(call, input),
            "GetMetricData" => self.get_metric_data(call, input),
            "GetMetricStatistics" => self.get_metric_statistics(call, input),
            "ListMetrics" => self.list_metrics(input),
            "TagResource" | "UntagResource" | "ListTagsForResource" => self.alarm_tags(call.operation, input),
            other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
        }
    }
}

impl CloudWatch {
    pub(crate) fn is_in_alarm(&self, name: &str) -> bool {
        self.alarms.get(name).is_some_and(|alarm| alarm.now.state == State::Alarm)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(alarm) = self.alarms.remove(name) {
            self.tags.remove(&alarm.arn);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.alarms.values().filter_map(|alarm| alarm.next).min()
    }
}
