//! Alarms as they are put, described, set and deleted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::evaluate::{Comparison, Source, TreatMissing, Watch};
use super::metrics::{known_statistic, metric_key};
use super::{Alarm, Judgement, Kind, State, composite, query};
use crate::error::Answer;
use crate::input::{In, page, refuse};
use crate::{AwsError, Call, Service, World, time};

fn invalid(message: impl Into<String>) -> AwsError {
    refuse(Service::CloudWatch, message)
}

/// A value that the API's own model does not allow.
fn constraint(input: In<'_>, name: &str) -> AwsError {
    AwsError::new("ValidationError", input.invalid(name).message)
}

fn no_such(message: impl Into<String>) -> AwsError {
    AwsError { status: 404, ..AwsError::new("ResourceNotFound", message) }
}

fn watch(call: &Call<'_>, input: In<'_>) -> Result<Watch, AwsError> {
    if input.get("ThresholdMetricId").is_some() || input.get("EvaluationCriteria").is_some() {
        return Err(invalid("Anomaly and PromQL alarms are not in this local cloud yet."));
    }
    let periods =
        input.opt_u64("EvaluationPeriods")?.filter(|n| *n > 0).ok_or_else(|| constraint(input, "EvaluationPeriods"))?;
    let to_alarm = input.opt_u64("DatapointsToAlarm")?.unwrap_or(periods);
    if to_alarm == 0 || to_alarm > periods {
        return Err(invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods."));
    }
    let comparison = input.str("ComparisonOperator")?;
    let comparison = Comparison::read(comparison).ok_or_else(|| constraint(input, "ComparisonOperator"))?;
    let missing = input.opt_str("TreatMissingData").unwrap_or("missing");
    let missing = TreatMissing::read(missing).ok_or_else(|| input.invalid("TreatMissingData"))?;
    let threshold = input.opt_f64("Threshold")?;
    let threshold =
        threshold.ok_or_else(|| AwsError::new("MissingParameter", "The parameter Threshold is required."))?;
    let (source, period) = if input.list("Metrics").is_empty() {
        let key = metric_key(call.input);
        let key = key.ok_or_else(|| AwsError::new("MissingParameter", "The parameter MetricName is required."))?;
        let statistic = input.opt_str("Statistic").or_else(|| input.opt_str("ExtendedStatistic")).unwrap_or_default();
        if !known_statistic(statistic) {
            return Err(invalid("One of Statistic and ExtendedStatistic must be given, with a known value."));
        }
        let period = input
            .opt_u64("Period")?
            .ok_or_else(|| AwsError::new("MissingParameter", "The parameter Period is required."))?;
        (Source::Stat { key, statistic: statistic.to_owned() }, period)
    } else {
        let queries = query::parse(input.list("Metrics"))?;
        let mut returned = queries.iter().filter(|query| query.returned).map(|query| query.id.clone());
        let (Some(first), None) = (returned.next(), returned.next()) else {
            return Err(invalid("Exactly one element of the metrics list should return data."));
        };
        let period = query::grid(&queries) / 1_000;
        (Source::Math { queries, returned: first }, period)
    };
    if !(matches!(period, 10 | 20 | 30) || (period > 0 && period % 60 == 0)) {
        return Err(invalid("Period must be 10, 20, 30 or a multiple of 60."));
    }
    Ok(Watch {
        source,
        period: period * 1_000,
        periods: periods as usize,
        to_alarm: to_alarm as usize,
        threshold,
        comparison,
        missing,
    })
}

/// The kept members, in the form that Describe shows.
fn kept(call: &Call<'_>, input: In<'_>, kind: &Kind) -> Map<String, Value> {
    let mut doc = call.input.as_object().cloned().unwrap_or_default();
    for removed in ["Tags", "ActionsEnabled"] {
        doc.remove(removed);
    }
    doc.retain(|_, value| !value.is_null());
    for member in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        doc.entry(member).or_insert(json!([]));
    }
    if let Kind::Metric(watch) = kind {
        doc.insert("Threshold".into(), json!(watch.threshold));
        doc.insert("EvaluationPeriods".into(), json!(watch.periods));
        if let Source::Stat { .. } = watch.source {
            doc.insert("Period".into(), json!(watch.period / 1_000));
            doc.entry("Dimensions").or_insert(json!([]));
            doc.remove("Metrics");
        }
        if let Ok(Some(datapoints)) = input.opt_u64("DatapointsToAlarm") {
            doc.insert("DatapointsToAlarm".into(), json!(datapoints));
        }
    }
    doc
}

impl World {
    fn put_alarm(&mut self, call: &Call<'_>, input: In<'_>, kind: Kind) -> Answer {
        let name = input.str("AlarmName")?.to_owned();
        if name.len() > 255 {
            return Err(input.invalid("AlarmName"));
        }
        let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", call.region, self.core.settings.account);
        let next = match &kind {
            Kind::Metric(watch) => Some(self.next_evaluation(watch.period, call.now)),
            Kind::Composite(_) => None,
        };
        let known = self.cloudwatch.alarms.get(&name);
        // Put on an existing alarm leaves its state as it was.
        let (now, transitioned) = match known {
            Some(known) => (known.now.clone(), known.transitioned),
            None => {
                let reason = "Unchecked: Initial alarm creation".to_owned();
                (Judgement { state: State::InsufficientData, reason, data: None, at: call.now }, call.now)
            }
        };
        let tags = input.list("Tags").iter().filter_map(|tag| {
            Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()))
        });
        if known.is_none() {
            let tags: BTreeMap<String, String> = tags.collect();
            self.cloudwatch.tags.insert(arn.clone(), tags);
        }
        let alarm = Alarm {
            arn,
            region: call.region.to_owned(),
            doc: kept(call, input, &kind),
            configured: call.now,
            enabled: input.opt_bool("ActionsEnabled").unwrap_or(true),
            now,
            transitioned,
            kind,
            next,
        };
        self.cloudwatch.alarms.insert(name, alarm);
        Ok(json!({}))
    }

    /// An alarm that another service of AWS makes for itself.
    pub(crate) fn put_own_alarm(&mut self, call: &Call<'_>, alarm: &Value) -> Answer {
        let call = Call { service: Service::CloudWatch, operation: "PutMetricAlarm", input: alarm, ..*call };
        self.put_metric_alarm(&call, In::new(Service::CloudWatch, alarm))
    }

    pub(super) fn put_metric_alarm(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let watch = watch(call, input)?;
        self.put_alarm(call, input, Kind::Metric(watch))
    }

    pub(super) fn put_composite_alarm(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let rule = composite::Rule::parse(input.str("AlarmRule")?)
            .map_err(|error| AwsError::new("ValidationError", format!("AlarmRule: {error}")))?;
        for child in rule.children() {
            if !self.cloudwatch.alarms.contains_key(child) {
                let message =
                    format!("Could not save the composite alarm as alarm {child} in the alarm rule does not exist");
                return Err(AwsError::new("ValidationError", message));
            }
        }
        self.put_alarm(call, input, Kind::Composite(rule))?;
        self.follow(input.str("AlarmName")?, None, call.now);
        Ok(json!({}))
    }

    fn alarm_doc(&self, name: &str, alarm: &Alarm) -> Value {
        let mut doc = alarm.doc.clone();
        let own = json!({
            "AlarmName": name,
            "AlarmArn": alarm.arn,
            "ActionsEnabled": alarm.enabled,
            "AlarmConfigurationUpdatedTimestamp": time::stamp(alarm.configured),
            "StateValue": alarm.now.state.name(),
            "StateReason": alarm.now.reason,
            "StateUpdatedTimestamp": time::stamp(alarm.now.at),
            "StateTransitionedTimestamp": time::stamp(alarm.transitioned),
        });
        if let Value::Object(own) = own {
            doc.extend(own);
        }
        if let Some(data) = &alarm.now.data {
            doc.insert("StateReasonData".into(), json!(data));
        }
        Value::Object(doc)
    }

    pub(super) fn describe_alarms(&self, input: In<'_>) -> Answer {
        let names = input.strs("AlarmNames");
        if names.len() > 100 {
            return Err(invalid("AlarmNames can have at most 100 elements."));
        }
        let prefix = input.opt_str("AlarmNamePrefix").unwrap_or_default();
        if !names.is_empty() && !prefix.is_empty() {
            return Err(AwsError::new(
                "InvalidParameterCombination",
                "AlarmNames and AlarmNamePrefix exclude each other.",
            ));
        }
        let mut types = input.strs("AlarmTypes");
        if types.is_empty() {
            types.push("MetricAlarm");
        }
        let kind = |alarm: &Alarm| match alarm.kind {
            Kind::Metric(_) => "MetricAlarm",
            Kind::Composite(_) => "CompositeAlarm",
        };
        let acts = |alarm: &Alarm, prefix: &str| {
            let lists = ["AlarmActions", "OKActions", "InsufficientDataActions"].map(|name| alarm.doc.get(name));
            let actions = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
            actions.filter_map(Value::as_str).any(|action| action.starts_with(prefix))
        };
        let found: Vec<(&String, &Alarm)> = self
            .cloudwatch
            .alarms
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()))
            .filter(|(name, alarm)| name.starts_with(prefix) && types.contains(&kind(alarm)))
            .filter(|(_, alarm)| input.opt_str("StateValue").is_none_or(|state| alarm.now.state.name() == state))
            .filter(|(_, alarm)| input.opt_str("ActionPrefix").is_none_or(|prefix| acts(alarm, prefix)))
            .collect();
        let size =
            input.opt_u64("MaxRecords")?.unwrap_or(if names.is_empty() { 50 } else { 100 }).clamp(1, 100) as usize;
        let paged = page(&found, input.opt_str("NextToken"), size);
        let (found, next) = paged.ok_or_else(|| AwsError::new("InvalidNextToken", "The next token is not valid"))?;
        let of = |wanted: &str| -> Vec<Value> {
            let alarms = found.iter().filter(|(_, alarm)| kind(alarm) == wanted);
            alarms.map(|(name, alarm)| self.alarm_doc(name, alarm)).collect()
        };
        let mut answer = json!({});
        for (member, kind) in [("MetricAlarms", "MetricAlarm"), ("CompositeAlarms", "CompositeAlarm")] {
            answer[member] = Value::Array(of(kind));
        }
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn describe_alarms_for_metric(&self, input: In<'_>) -> Answer {
        let wanted = json!({
            "Namespace": input.str("Namespace")?, "MetricName": input.str("MetricName")?,
            "Dimensions": input.list("Dimensions"),
        });
        let wanted = metric_key(&wanted);
        let watches = |alarm: &Alarm| match &alarm.kind {
            Kind::Metric(Watch { source: Source::Stat { key, .. }, .. }) => Some(key) == wanted.as_ref(),
            Kind::Metric(_) | Kind::Composite(_) => false,
        };
        let found = self.cloudwatch.alarms.iter().filter(|(_, alarm)| watches(alarm));
        Ok(json!({ "MetricAlarms": found.map(|(name, alarm)| self.alarm_doc(name, alarm)).collect::<Vec<_>>() }))
    }

    pub(super) fn delete_alarms(&mut self, input: In<'_>) -> Answer {
        input.full_list("AlarmNames")?;
        let names = input.strs("AlarmNames");
        let mut missing = false;
        if names.iter().any(|name| !self.cloudwatch.alarms.contains_key(*name)) {
            missing = true;
        }
        // The others go all the same.
        for name in names {
            self.cloudwatch.alarms.remove(name);
        }
        if missing { Err(no_such("One or more alarms were not found")) } else { Ok(json!({})) }
    }

    pub(super) fn set_alarm_state(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.str("AlarmName")?;
        let state = State::read(input.str("StateValue")?).ok_or_else(|| constraint(input, "StateValue"))?;
        let reason = input.str("StateReason")?.to_owned();
        let data = input.opt_str("StateReasonData").map(str::to_owned);
        let Some(alarm) = self.cloudwatch.alarms.get_mut(name) else {
            return Err(no_such(format!("Alarm {name} was not found")));
        };
        let judgement = Judgement { state, reason, data, at: call.now };
        if alarm.now.state == state {
            alarm.now = judgement;
        } else {
            self.change_state(name, judgement, call.now);
        }
        Ok(json!({}))
    }

    pub(super) fn alarm_actions(&mut self, input: In<'_>, enabled: bool) -> Answer {
        input.full_list("AlarmNames")?;
        for name in input.strs("AlarmNames") {
            if let Some(alarm) = self.cloudwatch.alarms.get_mut(name) {
                alarm.enabled = enabled;
            }
        }
        Ok(json!({}))
    }

    pub(super) fn alarm_tags(&mut self, operation: &str, input: In<'_>) -> Answer {
        let arn = input.str("ResourceARN")?;
        if !self.cloudwatch.alarms.values().any(|alarm| alarm.arn == arn) {
            return Err(AwsError {
                status: 404,
                ..AwsError::new("ResourceNotFoundException", format!("{arn} was not found"))
            });
        }
        let tags = self.cloudwatch.tags.entry(arn.to_owned()).or_default();
        match operation {
            "TagResource" => tags.extend(input.list("Tags").iter().filter_map(|tag| {
                Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()))
            })),
            "UntagResource" => input.strs("TagKeys").iter().for_each(|key| {
                tags.remove(*key);
            }),
            _ => {
                let list: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
                return Ok(json!({ "Tags": list }));
            }
        }
        Ok(json!({}))
    }
}
