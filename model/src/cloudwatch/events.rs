//! State changes of alarms, and the events that tell of them.

use serde_json::{Map, Value, json};

use super::evaluate::{Source, Watch};
use super::{Alarm, Judgement, Kind};
use crate::world::Area;
use crate::{Millis, World, hash, time};

fn state(judgement: &Judgement, timed: bool) -> Value {
    let mut doc = json!({ "reason": judgement.reason, "value": judgement.state.name() });
    if timed {
        doc["timestamp"] = json!(time::cloudwatch(judgement.at));
    }
    if let Some(data) = &judgement.data {
        doc["reasonData"] = json!(data);
    }
    doc
}

fn metric(namespace: &Value, name: &Value, dimensions: &Value) -> Value {
    let pairs = dimensions.as_array().into_iter().flatten();
    let dimensions: Map<String, Value> =
        pairs.filter_map(|pair| Some((pair["Name"].as_str()?.to_owned(), pair["Value"].clone()))).collect();
    json!({ "dimensions": dimensions, "name": name, "namespace": namespace })
}

/// The `configuration` of an event: members in lower camel case, dimensions as a map.
fn configuration(name: &str, alarm: &Alarm) -> Value {
    let doc = &alarm.doc;
    let member = |name: &str| doc.get(name).cloned().unwrap_or_default();
    let mut configuration = Map::new();
    if let Some(description) = doc.get("AlarmDescription") {
        configuration.insert("description".into(), description.clone());
    }
    match &alarm.kind {
        Kind::Composite(_) => {
            configuration.insert("alarmRule".into(), member("AlarmRule"));
        }
        Kind::Metric(Watch { source: Source::Stat { statistic, .. }, period, .. }) => {
            // The id means nothing; it is made of the name so that it stays the same.
            let id = hash::md5(name.as_bytes());
            let id = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
            let metric = metric(&member("Namespace"), &member("MetricName"), &member("Dimensions"));
            let stat = json!({ "metric": metric, "period": period / 1_000, "stat": statistic });
            let metrics = json!([{ "id": id, "metricStat": stat, "returnData": true }]);
            configuration.insert("metrics".into(), metrics);
        }
        Kind::Metric(Watch { source: Source::Math { .. }, .. }) => {
            let queries = member("Metrics");
            let queries = queries.as_array().into_iter().flatten().map(|query| {
                let mut entry = json!({
                    "id": query["Id"], "returnData": crate::input::as_bool(&query["ReturnData"]).unwrap_or(true),
                });
                for (from, to) in [("Label", "label"), ("Expression", "expression")] {
                    if !query[from].is_null() {
                        entry[to] = query[from].clone();
                    }
                }
                let stat = &query["MetricStat"];
                if !stat.is_null() {
                    let of = &stat["Metric"];
                    entry["metricStat"] = json!({
                        "metric": metric(&of["Namespace"], &of["MetricName"], &of["Dimensions"]),
                        "period": stat["Period"], "stat": stat["Stat"],
                    });
                }
                entry
            });
            let queries: Vec<Value> = queries.collect();
            configuration.insert("metrics".into(), json!(queries));
        }
    }
    Value::Object(configuration)
}

impl World {
    /// Puts an alarm into another state, tells of it, and lets composite alarms and services follow.
    pub(super) fn change_state(&mut self, name: &str, judgement: Judgement, now: Millis) {
        self.set_state(name, judgement, now);
        self.wake_deploying(now);
    }

    /// The same, where many change at once and services are woken after the last of them.
    pub(super) fn set_state(&mut self, name: &str, judgement: Judgement, now: Millis) {
        let Some(alarm) = self.cloudwatch.alarms.get_mut(name) else { return };
        self.core.touch(Area::Alarms);
        let before = std::mem::replace(&mut alarm.now, judgement);
        alarm.transitioned = now;
        let timed = self.core.settings.beliefs.alarm_event_has_transition_time;
        let detail = json!({
            "alarmName": name, "state": state(&alarm.now, timed), "previousState": state(&before, timed),
            "configuration": configuration(name, alarm),
        });
        let (arn, region) = (alarm.arn.clone(), alarm.region.clone());
        self.core.event(now, &region, "aws.cloudwatch", "CloudWatch Alarm State Change", vec![arn], detail);
        for parent in self.parents(name) {
            self.follow(&parent, Some(name), now);
        }
    }
}
