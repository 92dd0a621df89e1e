//! Metrics: kept in buckets of their resolution, read by period and statistic.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CloudWatch, MetricKey};
use crate::error::Answer;
use crate::input::{In, as_f64, page, refuse};
use crate::{AwsError, Call, Millis, Service, World, time};

/// What one observation adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    sum: f64,
    count: f64,
    min: f64,
    max: f64,
}

impl Sample {
    /// One occurrence.
    pub(crate) fn one() -> Sample {
        Sample::of(1.0)
    }

    /// One value.
    pub(crate) fn of(value: f64) -> Sample {
        Sample { sum: value, count: 1.0, min: value, max: value }
    }

    /// The same value several times.
    pub(crate) fn times(self, times: u32) -> Sample {
        Sample { sum: self.sum * f64::from(times), count: self.count * f64::from(times), ..self }
    }
}

#[derive(Debug, Clone)]
struct Bucket {
    total: Sample,
    /// How often each value was seen, in thousandths and to two digits, for percentiles.
    values: BTreeMap<u64, f64>,
}

/// The values of one metric.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// The length of a bucket.
    resolution: Millis,
    /// Written by AWS itself: seen by readers only after the publish delay.
    delayed: bool,
    buckets: BTreeMap<Millis, Bucket>,
}

/// Data below a minute is kept for three hours (reference); this world keeps everything that long and no longer.
const KEPT: Millis = 3 * 3_600_000;

/// To two significant digits, so that few different values remain.
fn rounded(value: f64) -> u64 {
    let thousandths = (value * 1_000.0).max(0.0).round() as u64;
    let mut unit = 1;
    while thousandths / unit >= 100 {
        unit *= 10;
    }
    thousandths / unit * unit
}

impl Series {
    fn add(&mut self, at: Millis, sample: Sample) {
        let start = at / self.resolution * self.resolution;
        match self.buckets.get_mut(&start) {
            Some(bucket) => {
                let total = &mut bucket.total;
                total.sum += sample.sum;
                total.count += sample.count;
                total.min = total.min.min(sample.min);
                total.max = total.max.max(sample.max);
                *bucket.values.entry(rounded(sample.max)).or_default() += sample.count;
            }
            None => {
                let values = [(rounded(sample.max), sample.count)].into();
                self.buckets.insert(start, Bucket { total: sample, values });
                while let Some((first, _)) = self.buckets.first_key_value().filter(|(first, _)| **first + KEPT < at) {
                    let first = *first;
                    self.buckets.remove(&first);
                }
            }
        }
    }

    /// The statistic over `[start, start + period)`, of what a reader at `now` can see, and the sample count.
    pub(super) fn read(
        &self,
        start: Millis,
        period: Millis,
        statistic: &str,
        now: Millis,
        delay: Millis,
    ) -> Option<(f64, f64)> {
        let hidden = if self.delayed { self.resolution + delay } else { 0 };
        let seen = self.buckets.range(start..start + period).filter(|(at, _)| **at + hidden <= now);
        let mut total: Option<Sample> = None;
        let mut values: BTreeMap<u64, f64> = BTreeMap::new();
        let percentile = statistic.strip_prefix('p').and_then(|text| text.parse::<f64>().ok());
        for (_, bucket) in seen {
            let add = bucket.total;
            total = Some(match total {
                None => add,
                Some(total) => Sample {
                    sum: total.sum + add.sum,
                    count: total.count + add.count,
                    min: total.min.min(add.min),
                    max: total.max.max(add.max),
                },
            });
            if percentile.is_some() {
                for (value, count) in &bucket.values {
                    *values.entry(*value).or_default() += count;
                }
            }
        }
        let total = total?;
        let value = match (statistic, percentile) {
            ("Sum", _) => total.sum,
            ("Average", _) => total.sum / total.count,
            ("Minimum", _) => total.min,
            ("Maximum", _) => total.max,
            ("SampleCount", _) => total.count,
            (_, Some(percentile)) => {
                let mut left = total.count * percentile / 100.0;
                let at = values.iter().find(|(_, count)| {
                    left -= **count;
                    left <= 0.0
                });
                at.map_or(total.max, |(value, _)| *value as f64 / 1_000.0)
            }
            (_, None) => return None,
        };
        Some((value, total.count))
    }
}

/// Whether a statistic is one that can be read.
pub(super) fn known_statistic(statistic: &str) -> bool {
    matches!(statistic, "Sum" | "Average" | "Minimum" | "Maximum" | "SampleCount")
        || statistic
            .strip_prefix('p')
            .and_then(|text| text.parse::<f64>().ok())
            .is_some_and(|p| (0.0..=100.0).contains(&p))
}

/// A metric as `Namespace`, `MetricName` and `Dimensions` name it.
pub(super) fn metric_key(value: &Value) -> Option<MetricKey> {
    let dimensions = value["Dimensions"].as_array().into_iter().flatten();
    let mut dimensions: Vec<(String, String)> = dimensions
        .filter_map(|dimension| Some((dimension["Name"].as_str()?.to_owned(), dimension["Value"].as_str()?.to_owned())))
        .collect();
    dimensions.sort();
    Some(MetricKey {
        namespace: value["Namespace"].as_str()?.to_owned(),
        name: value["MetricName"].as_str()?.to_owned(),
        dimensions,
    })
}

impl CloudWatch {
    fn place(&mut self, key: MetricKey, resolution: Millis, delayed: bool) -> usize {
        let next = self.series.len();
        let place = *self.metrics.entry(key).or_insert(next);
        if place == next {
            self.series.push(Series { resolution, delayed, buckets: BTreeMap::new() });
        }
        place
    }

    /// Writes a load balancer's metric, in buckets of ten seconds.
    pub(crate) fn alb(&mut self, balancer: &str, group: Option<&str>, name: &str, now: Millis, sample: Sample) {
        let mut short = String::with_capacity(96);
        for part in [name, "|", balancer, "|", group.unwrap_or_default()] {
            short.push_str(part);
        }
        let place = match self.alb.get(&short) {
            Some(place) => *place,
            None => {
                let mut dimensions = vec![("LoadBalancer".to_owned(), balancer.to_owned())];
                dimensions.extend(group.map(|group| ("TargetGroup".to_owned(), group.to_owned())));
                let namespace = "AWS/ApplicationELB".to_owned();
                let place = self.place(MetricKey { namespace, name: name.to_owned(), dimensions }, 10_000, true);
                self.alb.insert(short, place);
                place
            }
        };
        self.series[place].add(now, sample);
    }

    /// Writes a metric of AWS's own, seen by readers after the publish delay.
    pub(crate) fn publish(&mut self, metric: &Value, resolution: Millis, at: Millis, sample: Sample) {
        if let Some(key) = metric_key(metric) {
            let place = self.place(key, resolution, true);
            self.series[place].add(at, sample);
        }
    }

    /// The series of a metric.
    pub(super) fn series(&self, key: &MetricKey) -> Option<&Series> {
        Some(&self.series[*self.metrics.get(key)?])
    }

    /// A metric's statistic over one period, and how many samples it rests on.
    pub(super) fn read(
        &self,
        key: &MetricKey,
        start: Millis,
        period: Millis,
        statistic: &str,
        now: Millis,
        delay: Millis,
    ) -> Option<(f64, f64)> {
        self.series(key)?.read(start, period, statistic, now, delay)
    }
}

impl World {
    pub(super) fn put_metric_data(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let namespace = input.str("Namespace")?;
        if namespace.starts_with("AWS/") {
            return Err(refuse(Service::CloudWatch, "The value AWS/ for parameter Namespace is invalid."));
        }
        for datum in input.full_list("MetricData")? {
            let mut named = datum.clone();
            named["Namespace"] = json!(namespace);
            let key = metric_key(&named).ok_or_else(|| refuse(Service::CloudWatch, "A datum needs a MetricName."))?;
            let at = time::read(&datum["Timestamp"]).unwrap_or(call.now);
            let resolution = if as_f64(&datum["StorageResolution"]) == Some(1.0) { 1_000 } else { 60_000 };
            let values = datum["Values"].as_array().map_or(0, Vec::len);
            if !datum["Value"].is_null() && values > 0 {
                let text = "The parameters Value and Values are mutually exclusive and you have specified both.";
                return Err(AwsError::new("InvalidParameterCombination", text));
            }
            if datum["Counts"].as_array().is_some_and(|counts| counts.len() != values) {
                return Err(refuse(Service::CloudWatch, "Values and Counts must be of the same size."));
            }
            let mut samples = Vec::new();
            if let Some(value) = as_f64(&datum["Value"]) {
                samples.push(Sample::of(value));
            }
            let set = &datum["StatisticValues"];
            if let (Some(sum), Some(count)) = (as_f64(&set["Sum"]), as_f64(&set["SampleCount"])) {
                let (min, max) = (as_f64(&set["Minimum"]), as_f64(&set["Maximum"]));
                samples.push(Sample { sum, count, min: min.unwrap_or(0.0), max: max.unwrap_or(sum) });
            }
            for (place, value) in datum["Values"].as_array().into_iter().flatten().filter_map(as_f64).enumerate() {
                let count = as_f64(&datum["Counts"][place]).unwrap_or(1.0);
                samples.push(Sample { sum: value * count, count, min: value, max: value });
            }
            if samples.is_empty() {
                return Err(AwsError::new("MissingParameter", "The parameter MetricData.member.1.Value is required."));
            }
            let place = self.cloudwatch.place(key, resolution, false);
            for sample in samples {
                self.cloudwatch.series[place].add(at, sample);
            }
        }
        Ok(json!({}))
    }

    pub(super) fn get_metric_statistics(&self, call: &Call<'_>, input: In<'_>) -> Answer {
        let key = metric_key(call.input)
            .ok_or_else(|| refuse(Service::CloudWatch, "Namespace and MetricName are required."))?;
        let period =
            input.opt_u64("Period")?.filter(|period| *period > 0).ok_or_else(|| input.invalid("Period"))? * 1_000;
        let start = time::read(input.need("StartTime")?).ok_or_else(|| input.invalid("StartTime"))?;
        let end = time::read(input.need("EndTime")?).ok_or_else(|| input.invalid("EndTime"))?;
        let delay = self.core.settings.datapoint_delay();
        let mut points = Vec::new();
        let mut at = start / period * period;
        while at < end && points.len() < 1_440 {
            let mut point = json!({ "Timestamp": time::stamp(at), "Unit": "None" });
            let mut found = false;
            for statistic in input.strs("Statistics") {
                if let Some((value, _)) = self.cloudwatch.read(&key, at, period, statistic, call.now, delay) {
                    point[statistic] = json!(value);
                    found = true;
                }
            }
            for statistic in input.strs("ExtendedStatistics") {
                if let Some((value, _)) = self.cloudwatch.read(&key, at, period, statistic, call.now, delay) {
                    point["ExtendedStatistics"][statistic] = json!(value);
                    found = true;
                }
            }
            if found {
                points.push(point);
            }
            at += period;
        }
        Ok(json!({ "Label": key.name, "Datapoints": points }))
    }

    pub(super) fn list_metrics(&self, input: In<'_>) -> Answer {
        let wanted = input.list("Dimensions");
        let fits = |key: &&MetricKey| {
            input.opt_str("Namespace").is_none_or(|namespace| key.namespace == namespace)
                && input.opt_str("MetricName").is_none_or(|name| key.name == name)
                && wanted.iter().all(|filter| {
                    key.dimensions.iter().any(|(name, value)| {
                        filter["Name"] == name.as_str()
                            && (filter["Value"].is_null() || filter["Value"] == value.as_str())
                    })
                })
        };
        let metrics: Vec<Value> = self
            .cloudwatch
            .metrics
            .keys()
            .filter(fits)
            .map(|key| {
                let dimensions: Vec<Value> =
                    key.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
                json!({ "Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions })
            })
            .collect();
        let (metrics, next) = page(&metrics, input.opt_str("NextToken"), 500)
            .ok_or_else(|| AwsError::new("InvalidNextToken", "Bad token"))?;
        let mut answer = json!({ "Metrics": metrics });
        if let Some(next) = next {
            answer["NextToken"] = json!(next);
        }
        Ok(answer)
    }
}
