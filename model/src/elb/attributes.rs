//! The attributes of application load balancers and their target groups, with what each is until somebody changes it (the API
//! reference of `LoadBalancerAttribute` and `TargetGroupAttribute`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::AwsError;

type Table = &'static [(&'static str, &'static str)];

/// Of an application load balancer.
pub(super) const OF_LOAD_BALANCERS: Table = &[
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.prefix", ""),
    ("client_keep_alive.seconds", "3600"),
    ("connection_logs.s3.bucket", ""),
    ("connection_logs.s3.enabled", "false"),
    ("connection_logs.s3.prefix", ""),
    ("deletion_protection.enabled", "false"),
    ("health_check_logs.s3.bucket", ""),
    ("health_check_logs.s3.enabled", "false"),
    ("health_check_logs.s3.prefix", ""),
    ("idle_timeout.timeout_seconds", "60"),
    ("load_balancing.cross_zone.enabled", "true"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http2.enabled", "true"),
    ("waf.fail_open.enabled", "false"),
    ("zonal_shift.config.enabled", "false"),
];

/// Of a target group of instances or addresses behind one.
pub(super) const OF_TARGET_GROUPS: Table = &[
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.algorithm.anomaly_mitigation", "off"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.app_cookie.cookie_name", ""),
    ("stickiness.app_cookie.duration_seconds", "86400"),
    ("stickiness.enabled", "false"),
    ("stickiness.lb_cookie.duration_seconds", "86400"),
    ("stickiness.type", "lb_cookie"),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
];

/// Known to the API, without a value until somebody gives one.
const WITHOUT_DEFAULT: &[&str] = &["ipv6.deny_all_igw_traffic"];

pub(super) fn defaults(table: Table) -> BTreeMap<String, String> {
    table.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Refuses an attribute list that names one that there is not.
pub(super) fn check(table: Table, list: &[Value]) -> Result<(), AwsError> {
    let known = |key: &str| table.iter().any(|(known, _)| *known == key) || WITHOUT_DEFAULT.contains(&key);
    match list.iter().filter_map(|attribute| attribute["Key"].as_str()).find(|key| !known(key)) {
        Some(key) => {
            let message = format!("Attribute key '{key}' is not recognized");
            Err(AwsError::new("InvalidConfigurationRequest", message))
        }
        None => Ok(()),
    }
}
