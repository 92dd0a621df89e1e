//! Scaling policies: put with their alarms, and carried out when those fire.

use serde_json::{Value, json};

use super::{absent, check_namespace, paged, service_key, validation};
use crate::error::Answer;
use crate::input::{In, as_f64};
use crate::{AwsError, Call, Millis, World, time};

/// What a target tracking policy waits after it moved the count, where it says nothing else (Application Auto Scaling user
/// guide: 300 s for ECS, out and in).
const COOLDOWN: f64 = 300.0;

/// The alarm's side: its name, its periods, what it compares, and its threshold's share of the target. High fires after three
/// minutes, low after fifteen at nine tenths of the target (as such alarms were seen to be made; not documented).
const SIDES: [(&str, u32, &str, f64); 2] =
    [("High", 3, "GreaterThanThreshold", 1.0), ("Low", 15, "LessThanThreshold", 0.9)];

impl World {
    pub(super) fn put_scaling_policy(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let (name, resource) = (input.str("PolicyName")?.to_owned(), input.str("ResourceId")?.to_owned());
        if !self.autoscaling.targets.contains_key(&resource) {
            return Err(absent(&resource));
        }
        let key = (resource.clone(), name.clone());
        let known = self.autoscaling.policies.get(&key).cloned();
        let kind = input.opt_str("PolicyType").map(str::to_owned);
        let kind = kind.or_else(|| known.as_ref()?["PolicyType"].as_str().map(str::to_owned));
        let kind = kind.unwrap_or_else(|| "StepScaling".to_owned());
        let mut policy = call.input.clone();
        policy["PolicyType"] = json!(kind);
        let account = &self.core.settings.account;
        let arn = match &known {
            Some(known) => known["PolicyARN"].clone(),
            None => json!(format!(
                "arn:aws:autoscaling:{}:{account}:scalingPolicy:{}:resource/ecs/{resource}:policyName/{name}",
                call.region,
                self.core.ids.uuid()
            )),
        };
        policy["PolicyARN"] = arn.clone();
        policy["CreationTime"] = known.as_ref().map_or(time::stamp(call.now), |known| known["CreationTime"].clone());
        let alarms = match kind.as_str() {
            "TargetTrackingScaling" => self.track(call, &resource, &policy, known.as_ref())?,
            "StepScaling" => Vec::new(),
            other => return Err(validation(format!("{other} policies are not in this local cloud yet"))),
        };
        policy["Alarms"] = json!(alarms);
        self.autoscaling.policies.insert(key, policy);
        Ok(json!({ "PolicyARN": arn, "Alarms": alarms }))
    }

    /// Makes the two alarms of a target tracking policy, or makes them anew by the names they have.
    fn track(
        &mut self,
        call: &Call<'_>,
        resource: &str,
        policy: &Value,
        known: Option<&Value>,
    ) -> Result<Vec<Value>, AwsError> {
        let tracking = &policy["TargetTrackingScalingPolicyConfiguration"];
        let target = as_f64(&tracking["TargetValue"]).ok_or_else(|| validation("TargetValue is required"))?;
        let watched = watched(resource, tracking);
        let mut alarms = Vec::new();
        for (place, (side, periods, comparison, share)) in SIDES.into_iter().enumerate() {
            let before = known.and_then(|known| known["Alarms"][place]["AlarmName"].as_str());
            let name = match before {
                Some(name) => name.to_owned(),
                None => format!("TargetTracking-{resource}-Alarm{side}-{}", self.core.ids.uuid()),
            };
            let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", call.region, self.core.settings.account);
            alarms.push(json!({ "AlarmName": name, "AlarmARN": arn }));
            let Some(watched) = &watched else { continue };
            let mut alarm = json!({
                "AlarmName": name, "AlarmActions": [policy["PolicyARN"]], "EvaluationPeriods": periods,
                "ComparisonOperator": comparison, "Threshold": target * share,
                "AlarmDescription": format!("DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {}.", policy["PolicyARN"]),
            });
            if let (Some(alarm), Value::Object(watched)) = (alarm.as_object_mut(), watched.clone()) {
                alarm.extend(watched);
            }
            self.put_own_alarm(call, &alarm)?;
        }
        Ok(alarms)
    }

    pub(super) fn delete_scaling_policy(&mut self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let key = (input.str("ResourceId")?.to_owned(), input.str("PolicyName")?.to_owned());
        let gone = self.autoscaling.policies.remove(&key);
        let gone = gone
            .ok_or_else(|| AwsError::new("ObjectNotFoundException", format!("No scaling policy found: {}", key.1)))?;
        self.remove_alarms_of(&gone);
        Ok(json!({}))
    }

    /// A scalable target takes its policies along, and they their alarms.
    pub(super) fn remove_policies_of(&mut self, resource: &str) {
        let (gone, kept) =
            std::mem::take(&mut self.autoscaling.policies).into_iter().partition(|((of, _), _)| of == resource);
        self.autoscaling.policies = kept;
        let gone: std::collections::BTreeMap<(String, String), Value> = gone;
        gone.values().for_each(|policy| self.remove_alarms_of(policy));
    }

    fn remove_alarms_of(&mut self, policy: &Value) {
        for alarm in policy["Alarms"].as_array().into_iter().flatten() {
            self.cloudwatch.remove(alarm["AlarmName"].as_str().unwrap_or_default());
        }
    }

    pub(super) fn describe_scaling_policies(&self, input: In<'_>) -> Answer {
        check_namespace(input)?;
        let names = input.strs("PolicyNames");
        let policies = self.autoscaling.policies.iter();
        let found: Vec<&Value> = policies
            .filter(|((resource, name), _)| {
                input.opt_str("ResourceId").is_none_or(|wanted| wanted == resource)
                    && (names.is_empty() || names.contains(&name.as_str()))
            })
            .map(|(_, policy)| policy)
            .collect();
        paged("ScalingPolicies", &found, Value::clone, 10, input)
    }

    /// Carries out the policy whose alarm is in ALARM, once for each cooldown: the count follows the metric's value.
    pub(crate) fn policy_acts(&mut self, policy_arn: &str, alarm: &str, value: f64, now: Millis) {
        let found = self.autoscaling.policies.iter().find(|(_, policy)| policy["PolicyARN"] == policy_arn);
        let Some(((resource, name), policy)) = found else { return };
        let (resource, name) = (resource.clone(), name.clone());
        let tracking = &policy["TargetTrackingScalingPolicyConfiguration"];
        let Some(target) = as_f64(&tracking["TargetValue"]).filter(|target| *target > 0.0) else { return };
        let Some(service) = service_key(&resource).and_then(|key| self.ecs.services.get(&key)) else { return };
        let desired = service.desired;
        // The count at which the metric would be at its target.
        let fits = (f64::from(desired) * value / target).ceil().clamp(0.0, 10_000.0) as u32;
        let out = value > target;
        let cooldown = if out { "ScaleOutCooldown" } else { "ScaleInCooldown" };
        // It scales in only to where the metric stays below its target.
        if !out && (tracking["DisableScaleIn"] == true || fits >= desired) {
            return;
        }
        let cooldown = (as_f64(&tracking[cooldown]).unwrap_or(COOLDOWN) * 1_000.0) as Millis;
        if self.autoscaling.acted.get(&resource).is_some_and(|at| now < at + cooldown) {
            return;
        }
        let cause = format!("monitor alarm {alarm} in state ALARM triggered policy {name}");
        if self.scale_by(&resource, fits, &cause, now).is_some() {
            self.autoscaling.acted.insert(resource, now);
            return;
        }
        let bounds = self.autoscaling.targets.get(&resource).map(|target| (target.min, target.max));
        let Some((code, limit, at)) = bounds.and_then(|(min, max)| match out {
            true if desired >= max => Some(("AlreadyAtMaxCapacity", "MaxCapacity", max)),
            false if desired <= min => Some(("AlreadyAtMinCapacity", "MinCapacity", min)),
            true | false => None,
        }) else {
            return;
        };
        self.autoscaling.acted.insert(resource.clone(), now);
        self.note_activity(
            &resource,
            now,
            json!({
                "Description": "Attempting to scale due to alarm triggered", "Cause": cause, "StatusCode": "Failed",
                "NotScaledReasons": [{ "Code": code, limit: at, "CurrentCapacity": desired }],
            }),
        );
    }
}

/// What the alarms of a tracking policy watch; none where this world has no such metric.
fn watched(resource: &str, tracking: &Value) -> Option<Value> {
    let (cluster, service) = service_key(resource)?;
    let of_service = |name: &str| {
        json!({
            "Namespace": "AWS/ECS", "MetricName": name, "Statistic": "Average", "Period": 60,
            "Dimensions": [{ "Name": "ClusterName", "Value": cluster }, { "Name": "ServiceName", "Value": service }],
        })
    };
    let predefined = &tracking["PredefinedMetricSpecification"];
    let custom = &tracking["CustomizedMetricSpecification"];
    match predefined["PredefinedMetricType"].as_str() {
        Some("ECSServiceAverageCPUUtilization") => Some(of_service("CPUUtilization")),
        Some("ECSServiceAverageMemoryUtilization") => Some(of_service("MemoryUtilization")),
        Some("ALBRequestCountPerTarget") => {
            let label = predefined["ResourceLabel"].as_str()?;
            let group = &label[label.find("targetgroup/")?..];
            Some(json!({
                "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget", "Statistic": "Sum",
                "Period": 60, "Dimensions": [{ "Name": "TargetGroup", "Value": group }],
            }))
        }
        Some(_) => None,
        None if custom["MetricName"].is_string() => Some(json!({
            "Namespace": custom["Namespace"], "MetricName": custom["MetricName"], "Period": 60,
            "Statistic": custom["Statistic"], "Dimensions": custom["Dimensions"],
        })),
        None => {
            let mut queries = custom["Metrics"].as_array()?.clone();
            // A minute is what the metrics of a policy have where they name no period.
            for stat in queries.iter_mut().filter_map(|query| query.get_mut("MetricStat")) {
                if stat["Period"].is_null() {
                    stat["Period"] = json!(60);
                }
            }
            Some(json!({ "Metrics": queries }))
        }
    }
}
