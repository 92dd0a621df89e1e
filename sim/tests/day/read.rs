//! From AWS's answers to what the check reads, as the real adapter does it.

use serde_json::{Value, json};
use shared::ids::TargetGroupArn;
use shared::observation::{AlarmState, Reading, ScalingReading, Suspended};
use shared::scaling::{
    Activity, Counts, HealthCheck, Level, Load, Metric, Moves, Point, Policy, PolicyAlarm, Quota, Subnet, VCPU,
};
use shared::time::Time;

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn last(value: &Value) -> String {
    text(value).rsplit('/').next().unwrap_or_default().to_owned()
}

pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

pub(crate) fn counts(service: &Value) -> Counts {
    let deployments = service["deployments"].as_array().map_or(0, Vec::len);
    Counts {
        desired: number(&service["desiredCount"]),
        running: number(&service["runningCount"]),
        pending: number(&service["pendingCount"]),
        deploying: deployments > 1 || service["deployments"][0]["rolloutState"] == "IN_PROGRESS",
        started: started(service),
        groups: texts(&service["loadBalancers"], |one| text(&one["targetGroupArn"]))
            .map(|arn| arn.as_str().into())
            .collect(),
        subnets: texts(&service["networkConfiguration"]["awsvpcConfiguration"]["subnets"], text).collect(),
        definition: text(&service["taskDefinition"]),
        fargate: service["launchType"] == "FARGATE",
        ..Counts::default()
    }
}

fn texts<'a>(list: &'a Value, of: impl Fn(&Value) -> String + 'a) -> impl Iterator<Item = String> + 'a {
    list.as_array().into_iter().flatten().map(of)
}

pub(crate) fn late(group: &Value) -> Option<(TargetGroupArn, HealthCheck)> {
    let check = HealthCheck {
        interval: number(&group["HealthCheckIntervalSeconds"]),
        threshold: number(&group["HealthyThresholdCount"]),
    };
    check.late().then(|| (text(&group["TargetGroupArn"]).as_str().into(), check))
}

pub(crate) fn subnet(doc: &Value) -> (String, Reading<Option<Subnet>>) {
    let subnet = Subnet { zone: text(&doc["AvailabilityZone"]), free: Some(number(&doc["AvailableIpAddressCount"])) };
    (text(&doc["SubnetId"]), Reading::Known(Some(subnet)))
}

/// The account's use of Fargate, and its quota.
pub(crate) fn quota_queries() -> Value {
    let all = [("Class", "Standard/OnDemand"), ("Resource", "vCPU"), ("Service", "Fargate"), ("Type", "Resource")];
    let dimensions = all.map(|(name, value)| json!({ "Name": name, "Value": value }));
    let metric = json!({ "Namespace": "AWS/Usage", "MetricName": "ResourceCount", "Dimensions": dimensions });
    json!([{ "Id": "usage", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Maximum" } },
        { "Id": "quota", "Expression": "SERVICE_QUOTA(usage)" }])
}

pub(crate) fn quota(answer: &Value) -> Reading<Option<Quota>> {
    let newest =
        |place: usize| answer["MetricDataResults"][place]["Values"][0].as_f64().map(|n| (n * VCPU as f64) as u64);
    match (newest(0), newest(1)) {
        (Some(used), Some(limit)) => Reading::Known(Some(Quota { limit, used })),
        (_, _) => Reading::Known(None),
    }
}

fn time(value: &Value) -> Time {
    Time((value.as_f64().unwrap_or_default() * 1000.0) as u64)
}

fn started(service: &Value) -> Vec<(Time, u32)> {
    let since = time(&service["deployments"][0]["updatedAt"]);
    let events = service["events"].as_array().into_iter().flatten();
    let of = |event: &Value| {
        let (_, rest) = event["message"].as_str()?.split_once("has started ")?;
        Some((time(&event["createdAt"]), rest.split_once(" tasks")?.0.parse().ok()?))
    };
    events.filter_map(of).filter(|(at, _)| *at > since).collect()
}

pub(crate) fn activity(doc: &Value) -> Activity {
    let reasons = || doc["NotScaledReasons"].as_array().into_iter().flatten();
    let refused = reasons().count() > 0;
    let failed = !refused && (doc["StatusCode"] == "Failed" || doc["StatusCode"] == "Unfulfilled");
    Activity {
        at: time(&doc["StartTime"]),
        failed: failed.then(|| text(&doc["StatusMessage"])),
        refused,
        full: reasons().any(|reason| reason["Code"] == "AlreadyAtMaxCapacity"),
    }
}

pub(crate) fn bounds(target: &Value) -> ScalingReading {
    let flag = |name: &str| target["SuspendedState"][name] == true;
    ScalingReading {
        min: number(&target["MinCapacity"]),
        max: number(&target["MaxCapacity"]),
        suspended: Suspended {
            scale_in: flag("DynamicScalingInSuspended"),
            scale_out: flag("DynamicScalingOutSuspended"),
            scheduled: flag("ScheduledScalingSuspended"),
        },
    }
}

pub(crate) fn policy(doc: &Value) -> Policy {
    let tracking = &doc["TargetTrackingScalingPolicyConfiguration"];
    let predefined = &tracking["PredefinedMetricSpecification"];
    let moves = if tracking.is_null() {
        Moves::Steps
    } else {
        let label = text(&predefined["ResourceLabel"]);
        Moves::Tracking {
            metric: if label.is_empty() { Metric::Cpu } else { Metric::Requests },
            target: Level::try_from(tracking["TargetValue"].as_f64().unwrap_or_default()).expect("a target"),
            group: label.find("targetgroup/").map(|at| label[at..].to_owned()),
            only_out: false,
            cooldown: tracking["ScaleOutCooldown"].as_u64().and_then(|seconds| u32::try_from(seconds).ok()),
        }
    };
    let alarms = doc["Alarms"].as_array().into_iter().flatten();
    Policy { name: text(&doc["PolicyName"]), moves, alarms: alarms.map(|alarm| text(&alarm["AlarmName"])).collect() }
}

pub(crate) fn policy_alarm(doc: &Value) -> PolicyAlarm {
    let dimension = |name: &str| {
        let all = doc["Dimensions"].as_array().into_iter().flatten();
        all.filter(|one| one["Name"] == name).map(|one| text(&one["Value"])).next()
    };
    let service = dimension("ClusterName").zip(dimension("ServiceName"));
    PolicyAlarm {
        enabled: doc["ActionsEnabled"] != false,
        above: text(&doc["ComparisonOperator"]).starts_with("GreaterThan"),
        state: match doc["StateValue"].as_str() {
            Some("OK") => AlarmState::Ok,
            Some("ALARM") => AlarmState::Alarm,
            _ => AlarmState::InsufficientData,
        },
        since: doc["StateTransitionedTimestamp"].as_f64().map(|seconds| Time((seconds * 1000.0) as u64)),
        services: service.into_iter().map(|(cluster, service)| format!("{cluster}/{service}")).collect(),
    }
}

pub(crate) fn load(cpu: &Value, memory: &Value, memory_high: &Value) -> Load {
    let series = |result: &Value| {
        let values = result["Values"].as_array().into_iter().flatten().filter_map(Value::as_f64);
        // When does not matter to what is judged.
        Reading::Known(values.map(|value| Point { at: Time(0), value: value.round() as u32 }).collect())
    };
    Load { cpu: series(cpu), memory: series(memory), memory_high: series(memory_high), unhealthy: None }
}
