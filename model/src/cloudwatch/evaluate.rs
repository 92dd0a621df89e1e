//! The evaluation of metric alarms.

use serde_json::{Value, json};

use super::query::{Query, Span};
use super::{Judgement, Kind, MetricKey, State};
use crate::{Millis, World, time};

/// What a metric alarm watches, and by what rule.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) source: Source,
    pub(super) period: Millis,
    pub(super) periods: usize,
    pub(super) to_alarm: usize,
    pub(super) threshold: f64,
    pub(super) comparison: Comparison,
    pub(super) missing: TreatMissing,
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Stat { key: MetricKey, statistic: String },
    Math { queries: Vec<Query>, returned: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TreatMissing {
    Missing,
    Breaching,
    NotBreaching,
    Ignore,
}

impl Comparison {
    pub(super) fn read(text: &str) -> Option<Comparison> {
        match text {
            "GreaterThanThreshold" => Some(Comparison::Greater),
            "GreaterThanOrEqualToThreshold" => Some(Comparison::GreaterOrEqual),
            "LessThanThreshold" => Some(Comparison::Less),
            "LessThanOrEqualToThreshold" => Some(Comparison::LessOrEqual),
            _ => None,
        }
    }

    fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Greater => value > threshold,
            Comparison::GreaterOrEqual => value >= threshold,
            Comparison::Less => value < threshold,
            Comparison::LessOrEqual => value <= threshold,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Comparison::Greater => "greater than",
            Comparison::GreaterOrEqual => "greater than or equal to",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "less than or equal to",
        }
    }
}

impl TreatMissing {
    pub(super) fn read(text: &str) -> Option<TreatMissing> {
        match text {
            "missing" => Some(TreatMissing::Missing),
            "breaching" => Some(TreatMissing::Breaching),
            "notBreaching" => Some(TreatMissing::NotBreaching),
            "ignore" => Some(TreatMissing::Ignore),
            _ => None,
        }
    }
}

/// One slot of the evaluation range.
#[derive(Debug, Clone, Copy)]
struct Slot {
    at: Millis,
    value: Option<f64>,
    samples: f64,
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

impl Watch {
    /// The new state by the range, newest slot first; `None` keeps the present one. It follows what the CloudWatch user
    /// guide says of missing data as its author remembered it: the rules were not checked against the guide or on AWS.
    fn state(&self, slots: &[Slot], prefer_real: bool) -> Option<State> {
        let range = if prefer_real { slots } else { &slots[..self.periods.min(slots.len())] };
        let real: Vec<f64> = range.iter().filter_map(|slot| slot.value).take(self.periods).collect();
        let breaching = real.iter().filter(|value| self.comparison.breaches(**value, self.threshold)).count();
        let calm = real.len() - breaching;
        let filled = self.periods - real.len();
        if breaching >= self.to_alarm {
            return Some(State::Alarm);
        }
        match self.missing {
            TreatMissing::Breaching if breaching + filled >= self.to_alarm => return Some(State::Alarm),
            TreatMissing::Breaching | TreatMissing::NotBreaching => return Some(State::Ok),
            TreatMissing::Missing if real.is_empty() => return Some(State::InsufficientData),
            TreatMissing::Missing | TreatMissing::Ignore => {}
        }
        if self.periods - calm < self.to_alarm {
            return Some(State::Ok);
        }
        // The oldest datapoint breaches, is old enough, and nothing calm came after it.
        let oldest = range.iter().rposition(|slot| slot.value.is_some());
        let early = calm == 0 && oldest.is_some_and(|place| place + 1 >= self.to_alarm);
        (self.missing == TreatMissing::Missing && early).then_some(State::Alarm)
    }

    fn explain(&self, state: State, slots: &[Slot], before: State, now: Millis) -> (String, String) {
        let real: Vec<&Slot> = slots.iter().filter(|slot| slot.value.is_some()).take(self.periods).collect();
        let breaches = |slot: &&&Slot| slot.value.is_some_and(|v| self.comparison.breaches(v, self.threshold));
        let told: Vec<&Slot> = match state {
            State::Alarm => real.iter().filter(breaches).copied().collect(),
            State::Ok | State::InsufficientData => real.iter().filter(|slot| !breaches(slot)).copied().collect(),
        };
        let reason = if state == State::InsufficientData {
            let were = if self.periods == 1 { "was" } else { "were" };
            format!("Insufficient Data: {} {were} unknown.", plural(self.periods, "datapoint"))
        } else if told.is_empty() {
            let treated = if state == State::Alarm { "Breaching" } else { "NonBreaching" };
            let were = if self.periods == 1 { "was" } else { "were" };
            format!(
                "Threshold Crossed: no datapoints were received for {} and {} {were} treated as [{treated}].",
                plural(self.periods, "period"),
                plural(self.periods, "missing datapoint")
            )
        } else {
            let list: Vec<String> = told
                .iter()
                .map(|slot| format!("{:?} ({})", slot.value.unwrap_or_default(), time::reason(slot.at)))
                .collect();
            let were = if told.len() == 1 { "was" } else { "were" };
            let not = if state == State::Alarm { "" } else { "not " };
            let least = match state {
                State::Alarm => self.to_alarm,
                State::Ok | State::InsufficientData => self.periods + 1 - self.to_alarm,
            };
            format!(
                "Threshold Crossed: {} out of the last {} datapoints [{}] {were} {not}{} the threshold ({:?}) (minimum {} \
                 for {} -> {} transition).",
                told.len(),
                self.periods,
                list.join(", "),
                self.comparison.words(),
                self.threshold,
                plural(least, "datapoint"),
                if before == State::InsufficientData && state == State::Ok { "ALARM" } else { before.name() },
                state.name()
            )
        };
        let recent: Vec<f64> = real.iter().rev().filter_map(|slot| slot.value).collect();
        let mut data = json!({
            "version": "1.0", "queryDate": time::cloudwatch(now), "period": self.period / 1_000,
            "recentDatapoints": recent, "threshold": self.threshold,
        });
        if let Some(first) = real.last() {
            data["startDate"] = json!(time::cloudwatch(first.at));
        }
        if let Source::Stat { statistic, .. } = &self.source {
            data["statistic"] = json!(statistic);
            let evaluated: Vec<Value> = if real.is_empty() {
                slots.iter().take(self.periods).map(|slot| json!({ "timestamp": time::cloudwatch(slot.at) })).collect()
            } else {
                let told = real.iter().map(|slot| {
                    json!({ "timestamp": time::cloudwatch(slot.at), "sampleCount": slot.samples, "value": slot.value })
                });
                told.collect()
            };
            data["evaluatedDatapoints"] = json!(evaluated);
        }
        (reason, data.to_string())
    }
}

impl World {
    fn slots(&self, watch: &Watch, now: Millis) -> Vec<Slot> {
        let times = &self.core.settings.cloudwatch;
        let delay = self.core.settings.datapoint_delay();
        let seen = now.saturating_sub(delay);
        let end = seen / watch.period * watch.period;
        let count = watch.periods + times.extra_range as usize;
        let start = end.saturating_sub(watch.period * count as Millis);
        let places = (0..count as Millis).rev().map(|n| start + n * watch.period);
        match &watch.source {
            Source::Stat { key, statistic } => {
                let series = self.cloudwatch.series(key);
                let slot = |at| {
                    let read = series.and_then(|series| series.read(at, watch.period, statistic, now, delay));
                    Slot { at, value: read.map(|(value, _)| value), samples: read.map_or(0.0, |(_, samples)| samples) }
                };
                places.map(slot).collect()
            }
            Source::Math { queries, returned } => {
                let span = Span { start, end, now, delay, quota: self.ecs.vcpus.into() };
                let points = self.cloudwatch.run(queries, span).ok().and_then(|mut all| all.remove(returned));
                let points = points.unwrap_or_default();
                places.map(|at| Slot { at, value: points.get(&at).copied(), samples: 0.0 }).collect()
            }
        }
    }

    /// Evaluates the metric alarms that are due.
    pub(crate) fn evaluate_alarms(&mut self, now: Millis) {
        let due = |(_, alarm): &(&String, &super::Alarm)| alarm.next.is_some_and(|at| at <= now);
        let names: Vec<String> = self.cloudwatch.alarms.iter().filter(due).map(|(name, _)| name.clone()).collect();
        let mut changed = false;
        for name in names {
            let Some(alarm) = self.cloudwatch.alarms.get(&name) else { continue };
            let Kind::Metric(watch) = &alarm.kind else { continue };
            let slots = self.slots(watch, now);
            let before = alarm.now.state;
            let state = watch.state(&slots, self.core.settings.beliefs.alarms_prefer_real_datapoints).unwrap_or(before);
            let next = self.next_evaluation(watch.period, now);
            let judgement = (state != before).then(|| {
                let (reason, data) = watch.explain(state, &slots, before, now);
                Judgement { state, reason, data: Some(data), at: now }
            });
            if let Some(alarm) = self.cloudwatch.alarms.get_mut(&name) {
                alarm.next = Some(next);
            }
            let latest = slots.iter().find_map(|slot| slot.value);
            if let Some(judgement) = judgement {
                changed = true;
                self.set_state(&name, judgement, now);
            }
            if let (State::Alarm, Some(value)) = (state, latest) {
                self.carry_out(&name, value, now);
            }
        }
        if changed {
            self.wake_deploying(now);
        }
    }

    /// The scaling policies among the actions of an alarm that fires.
    fn carry_out(&mut self, name: &str, value: f64, now: Millis) {
        let Some(alarm) = self.cloudwatch.alarms.get(name).filter(|alarm| alarm.enabled) else { return };
        let actions = alarm.doc.get("AlarmActions").and_then(Value::as_array).into_iter().flatten();
        let policies: Vec<String> = actions
            .filter_map(Value::as_str)
            .filter(|action| action.contains(":scalingPolicy:"))
            .map(str::to_owned)
            .collect();
        for policy in policies {
            self.policy_acts(&policy, name, value, now);
        }
    }

    /// Evaluations stand on a common grid, so that they fall due together.
    pub(super) fn next_evaluation(&self, period: Millis, now: Millis) -> Millis {
        let times = &self.core.settings.cloudwatch;
        let every = if period < 60_000 { times.fast_evaluation } else { times.evaluation }.max(1);
        (now / every + 1) * every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `X` breaches, `0` does not, `-` is missing; written oldest first.
    fn state(text: &str, periods: usize, to_alarm: usize, missing: TreatMissing) -> Option<State> {
        let watch = Watch {
            source: Source::Math { queries: Vec::new(), returned: String::new() },
            period: 60_000,
            periods,
            to_alarm,
            threshold: 0.5,
            comparison: Comparison::Greater,
            missing,
        };
        let value = |c: char| match c {
            'X' => Some(1.0),
            '0' => Some(0.0),
            _ => None,
        };
        let slots: Vec<Slot> = text.chars().rev().map(|c| Slot { at: 0, value: value(c), samples: 1.0 }).collect();
        watch.state(&slots, true)
    }

    #[test]
    fn missing_data_is_judged_by_its_treatment() {
        use TreatMissing::{Breaching, Ignore, Missing as Plain, NotBreaching};
        let (ok, alarm, insufficient) = (Some(State::Ok), Some(State::Alarm), Some(State::InsufficientData));
        for (text, plain, ignore, breaching, not_breaching) in [
            ("0-X-X", ok, ok, ok, ok),
            ("----0", ok, ok, ok, ok),
            ("-----", insufficient, None, alarm, ok),
            ("0XX-X", alarm, alarm, alarm, alarm),
            ("--X--", alarm, None, alarm, ok),
        ] {
            assert_eq!(state(text, 3, 3, Plain), plain, "{text} missing");
            assert_eq!(state(text, 3, 3, Ignore), ignore, "{text} ignore");
            assert_eq!(state(text, 3, 3, Breaching), breaching, "{text} breaching");
            assert_eq!(state(text, 3, 3, NotBreaching), not_breaching, "{text} notBreaching");
        }
    }

    #[test]
    fn two_of_three_is_enough_where_two_are_asked() {
        assert_eq!(state("0000XX0", 3, 2, TreatMissing::Missing), Some(State::Alarm));
        assert_eq!(state("0000X00", 3, 2, TreatMissing::Missing), Some(State::Ok));
    }
}
