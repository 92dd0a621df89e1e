//! The few facts about member names that the untyped wire forms need. Taken from botocore's models of exactly the operations
//! served here; names that mean different things in different places are told apart by the member around them.

use serde_json::{Number, Value};

/// Query input: these are numbers.
const INTEGERS: &[&str] = &[
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "DatapointsToAlarm",
    "DurationSeconds",
    "EvaluationPeriods",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "MaxDatapoints",
    "MaxRecords",
    "Order",
    "PageSize",
    "Period",
    "Port",
    "Priority",
    "SessionTimeout",
    "StorageResolution",
    "TargetControlPort",
    "UnhealthyThresholdCount",
    "Weight",
];

/// Query input: these are booleans.
const BOOLEANS: &[&str] = &[
    "ActionsEnabled",
    "Enabled",
    "HealthCheckEnabled",
    "IgnoreClientCertificateExpiry",
    "ResetTransforms",
    "ReturnData",
    "ReturnSubscriptionArn",
    "StrictEntityValidation",
    "UseExistingClientSecret",
];

/// CloudWatch members that are doubles, in input and output alike. In CBOR a double must be a float, whole or not.
const DOUBLES: &[&str] = &["Average", "Maximum", "Minimum", "SampleCount", "Sum", "Threshold"];

/// Query input: an explicitly empty list arrives as `Name=`.
const LISTS: &[&str] = &[
    "Actions",
    "AlarmActions",
    "AlarmNames",
    "Certificates",
    "Conditions",
    "DefaultActions",
    "Dimensions",
    "InsufficientDataActions",
    "ListenerArns",
    "LoadBalancerArns",
    "Names",
    "OKActions",
    "ResourceArns",
    "RuleArns",
    "SecurityGroups",
    "Subnets",
    "TagKeys",
    "Tags",
    "TargetGroupArns",
    "TargetGroups",
    "Targets",
    "Transforms",
    "Values",
];

/// Output members that are times: epoch seconds in the model, another form on some wires.
const TIMES: &[&str] = &[
    "AlarmConfigurationUpdatedTimestamp",
    "CreatedTime",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "Timestamp",
    "Timestamps",
];

/// Input members that are times: ISO 8601 in Query.
const INPUT_TIMES: &[&str] = &["EndDate", "EndTime", "StartDate", "StartTime", "Timestamp"];

/// Output members that are maps and so are written as `<entry>` in XML.
const MAPS: &[&str] = &["Attributes", "AuthenticationRequestExtraParams", "ExtendedStatistics"];

/// CloudWatch operations without output.
const WITHOUT_OUTPUT: &[&str] = &[
    "DeleteAlarms",
    "DisableAlarmActions",
    "EnableAlarmActions",
    "PutCompositeAlarm",
    "PutMetricAlarm",
    "PutMetricData",
    "SetAlarmState",
];

pub(super) fn has_output(operation: &str) -> bool {
    !WITHOUT_OUTPUT.contains(&operation)
}

pub(super) fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

pub(super) fn is_time(name: &str) -> bool {
    TIMES.contains(&name)
}

/// Output doubles: the names above, and the lists and maps of doubles.
pub(super) fn is_double(name: &str) -> bool {
    DOUBLES.contains(&name) || name == "Values" || name == "ExtendedStatistics"
}

pub(super) fn is_map(name: &str) -> bool {
    MAPS.contains(&name)
}

/// A Query text as the JSON its member wants. `around` is the list or structure the member is in.
pub(super) fn typed(around: &str, name: &str, text: &str) -> Value {
    let number = |number: Option<Number>| number.map_or_else(|| Value::from(text), Value::Number);
    // RedirectConfig has a textual Port beside the numeric one of targets and listeners.
    if INTEGERS.contains(&name) && around != "RedirectConfig" {
        return number(text.parse::<i64>().ok().map(Number::from));
    }
    let datum = around == "MetricData" && matches!(name, "Value" | "Values" | "Counts");
    if datum || DOUBLES.contains(&name) {
        return number(text.parse::<f64>().ok().and_then(Number::from_f64));
    }
    if BOOLEANS.contains(&name) && matches!(text, "true" | "false") {
        return Value::Bool(text == "true");
    }
    if INPUT_TIMES.contains(&name)
        && let Some(seconds) = crate::clock::epoch_from_iso(text)
    {
        return Value::from(seconds);
    }
    Value::from(text)
}
