//! The model's unproven beliefs about AWS by name, so that a whole run can be made with one of them turned over.

use model::Beliefs;

/// Every belief's name.
pub const ALL: [&str; 13] = [
    "default_rule_refuses_modify",
    "single_target_group_is_echoed",
    "missing_service_is_a_failure",
    "deployment_configuration_merges",
    "empty_group_answers_503",
    "unhealthy_group_fails_open",
    "weight_zero_is_health_checked",
    "one_check_makes_healthy",
    "scalable_target_moves_desired",
    "completion_waits_for_draining",
    "scale_in_waits_for_deployment",
    "unhealthy_tasks_are_replaced",
    "alarms_prefer_real_datapoints",
];

/// Turns a belief over; false: there is none of this name.
pub fn turn_over(beliefs: &mut Beliefs, name: &str) -> bool {
    let belief = match name {
        "default_rule_refuses_modify" => &mut beliefs.default_rule_refuses_modify,
        "single_target_group_is_echoed" => &mut beliefs.single_target_group_is_echoed,
        "missing_service_is_a_failure" => &mut beliefs.missing_service_is_a_failure,
        "deployment_configuration_merges" => &mut beliefs.deployment_configuration_merges,
        "empty_group_answers_503" => &mut beliefs.empty_group_answers_503,
        "unhealthy_group_fails_open" => &mut beliefs.unhealthy_group_fails_open,
        "weight_zero_is_health_checked" => &mut beliefs.weight_zero_is_health_checked,
        "one_check_makes_healthy" => &mut beliefs.one_check_makes_healthy,
        "scalable_target_moves_desired" => &mut beliefs.scalable_target_moves_desired,
        "completion_waits_for_draining" => &mut beliefs.completion_waits_for_draining,
        "scale_in_waits_for_deployment" => &mut beliefs.scale_in_waits_for_deployment,
        "unhealthy_tasks_are_replaced" => &mut beliefs.unhealthy_tasks_are_replaced,
        "alarms_prefer_real_datapoints" => &mut beliefs.alarms_prefer_real_datapoints,
        _ => return false,
    };
    *belief = !*belief;
    true
}

#[cfg(test)]
mod tests {
    use super::{ALL, turn_over};
    use model::Beliefs;

    #[test]
    fn every_belief_can_be_turned_over_and_back() {
        for name in ALL {
            let mut beliefs = Beliefs::default();
            assert!(turn_over(&mut beliefs, name));
            assert_ne!(beliefs, Beliefs::default(), "{name}");
            assert!(turn_over(&mut beliefs, name));
            assert_eq!(beliefs, Beliefs::default(), "{name}");
        }
        assert!(!turn_over(&mut Beliefs::default(), "no such belief"));
    }
}
