//! What is believed about AWS without proof: one list, from which the switches, their names and their numbers come. The
//! numbers are those of docs/assumptions.md.

use crate::Millis;

/// A belief's number, name and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belief {
    /// Its number in docs/assumptions.md.
    pub number: u32,
    /// Its name, as the field of [`Beliefs`].
    pub name: &'static str,
    /// What is believed.
    pub what: &'static str,
}

macro_rules! beliefs {
    ($($number:literal $name:ident: $what:literal,)*) => {
        /// Unproven beliefs about AWS: `true` is what this project believes, `false` the other way, so that both can be
        /// simulated.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Beliefs {
            $(#[doc = $what] pub $name: bool,)*
        }

        impl Default for Beliefs {
            fn default() -> Beliefs {
                Beliefs { $($name: true,)* }
            }
        }

        impl Beliefs {
            /// Every belief, by its number.
            pub const ALL: &'static [Belief] = &[$(Belief { number: $number, name: stringify!($name), what: $what },)*];

            /// Turns a belief over, or back; false: there is none of this name.
            pub fn turn_over(&mut self, name: &str) -> bool {
                let belief = match name {
                    $(stringify!($name) => &mut self.$name,)*
                    _ => return false,
                };
                *belief = !*belief;
                true
            }
        }
    };
}

beliefs! {
    1 nodes_follow_in_time: "The load balancer's nodes route by a written rule within the effect lifetime.",
    2 single_target_group_is_echoed: "A forward to one target group is described with `TargetGroupArn` beside `ForwardConfig`.",
    3 modify_rule_keeps_conditions: "ModifyRule with only `Actions` leaves the conditions as they are.",
    4 existing_client_secret_is_kept: "`UseExistingClientSecret` keeps an OIDC action's secret on ModifyRule.",
    5 default_rule_refuses_modify: "ModifyRule on a default rule is refused with OperationNotPermitted.",
    6 empty_group_answers_503: "A target group with weight and no registered target answers 503; no other group takes its share.",
    7 missing_service_is_a_failure: "A service that does not exist is a `failures[]` entry with reason MISSING.",
    8 repeated_update_starts_nothing: "UpdateService with the revision and count that are there starts no deployment.",
    9 definitions_are_listed_in_time: "ListTaskDefinitions shows a revision within forward and effect lifetime.",
    10 tags_come_with_the_revision: "DescribeTaskDefinition shows a new revision's tags at once.",
    11 absent_datapoints_are_final: "An ALB datapoint that is absent two minutes after its period stays absent.",
    12 suspension_keeps_bounds: "RegisterScalableTarget with only `SuspendedState` keeps the bounds.",
    13 scalable_target_moves_desired: "RegisterScalableTarget moves a desired count outside its range into it.",
    15 completion_means_in_service: "A deployment is COMPLETED only when its tasks are in service.",
    16 alarm_event_has_transition_time: "An alarm's event carries the time of the transition in its detail.",
    17 events_come_within_seconds: "EventBridge delivers within seconds.",
    18 fifo_gives_one_at_a_time: "A FIFO queue gives one message of a group at a time.",
    19 delays_are_exact: "A message's delay is exact to a second or so.",
    21 digest_references_are_accepted: "`repository@digest` is accepted as a container's image.",
    22 suspension_holds: "A suspended scalable target scales nothing.",
    23 push_event_has_push_time: "ECR's event for a push carries the time of the push.",
    24 newest_definitions_come_first: "ListTaskDefinitions sorted DESC lists the newest revision first.",
    25 missing_weight_means_one: "A target group without `Weight` in a forward action has weight 1.",
    26 failed_tasks_end_at_completion: "`failedTasks` does not grow once a deployment is COMPLETED.",
    27 forward_config_alone_is_accepted: "A forward to one group is accepted as `ForwardConfig` without `TargetGroupArn`.",
    31 deployment_configuration_merges: "UpdateService keeps the members of `deploymentConfiguration` that were not sent.",
    32 unhealthy_group_fails_open: "A target group with registered but no healthy targets routes to all of them.",
    33 weight_zero_is_health_checked: "A target of a group that a rule names with weight 0 is health-checked.",
    34 one_check_makes_healthy: "One passed check makes a newly registered target healthy.",
    35 completion_waits_for_draining: "A rolling deployment completes only when the old tasks are stopped, draining included.",
    36 scale_in_waits_for_deployment: "The autoscaler does not scale in while a rolling deployment runs.",
    37 unhealthy_tasks_are_replaced: "ECS replaces a task whose target turns unhealthy.",
    38 alarms_prefer_real_datapoints: "An alarm that sees enough real datapoints in its longer range ignores the missing ones.",
    39 rules_read_back_at_once: "DescribeRules and DescribeListeners show a write as soon as it was answered.",
    40 services_read_back_at_once: "DescribeServices shows an UpdateService as soon as it was answered.",
    41 a_push_is_one_event: "A push of one tag is one event.",
    51 deployments_are_listed_in_time: "A new service deployment is listed, or named as the current one, within forward and effect lifetime.",
    52 rolling_stop_needs_no_rollback: "StopServiceDeployment takes back a ROLLING deployment whose service configures no rollback.",
    53 stop_works_at_every_stage: "StopServiceDeployment is accepted at every stage, while a pause waits too; once it is over it is a conflict.",
    54 another_revision_deploys: "UpdateService with another revision starts a deployment without `forceNewDeployment`.",
    55 repeated_native_update_starts_nothing: "A repeated UpdateService starts nothing where ECS's own strategy moves traffic.",
    56 configuration_is_taken_as_shown: "UpdateService takes the deployment configuration that DescribeServices shows.",
    57 deployment_times_are_ours: "`createdAt` of a service deployment is within two minutes of our clock.",
    58 hook_details_come_back: "`hookDetails` of an IN_PROGRESS answer are sent at the next call of the hook.",
    60 pauses_wait_a_day_and_go_back: "A PAUSE hook without a timeout is taken; it waits 24 hours, and goes back then.",
    61 traffic_weight_is_shown_at_once: "`requestedProductionTrafficWeight` is the new revision's share as soon as it is moved.",
    62 rolling_shows_no_stage: "A ROLLING deployment shows no `lifecycleStage`.",
    63 firing_alarm_blinds_a_deployment: "ECS ignores every alarm of a deployment that starts while one of them fires.",
    64 stop_is_seen_as_the_way_back: "A deployment that is stopped is shown on its way back at once, never as STOP_REQUESTED.",
    65 rollback_successful_means_back: "ROLLBACK_SUCCESSFUL is shown only when everything is back.",
    66 who_went_back_is_told: "A rollback's reason, its alarms or its circuit breaker tell whether ECS itself went back.",
    67 rolling_stays_in_its_group: "A ROLLING deployment, and its way back, stay in the target groups that have the traffic.",
    74 unhealthy_wait_for_healthy_ones: "ECS stops an unhealthy task when its replacement is healthy, not as soon as it runs.",
}

/// How far things go beyond what is believed where a belief is turned over, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Beyond {
    /// A node routes by a written rule after this: longer than the effect lifetime.
    pub nodes: Millis,
    /// A read shows what was before a write for this long: shorter than the effect lifetime.
    pub reads: Millis,
    /// A revision or a service deployment is listed after this: longer than forward and effect lifetime together.
    pub lists: Millis,
    /// A new revision's tags are shown after this.
    pub tags: Millis,
    /// A datapoint comes this much later.
    pub datapoints: Millis,
    /// An event comes at most this much later, and so in any order.
    pub events: Millis,
    /// A delayed message comes at most this much later.
    pub delays: Millis,
    /// ECR's event says a time this much after the push.
    pub pushes: Millis,
    /// ECS's clock is behind by this: more than the two minutes that are allowed for.
    pub clock: Millis,
    /// A stop is shown as STOP_REQUESTED for this long.
    pub stops: Millis,
}

impl Beyond {
    /// Against the margins on AWS.
    pub(crate) const AWS: Beyond = Beyond {
        nodes: 45_000,
        reads: 8_000,
        lists: 60_000,
        tags: 8_000,
        datapoints: 150_000,
        events: 90_000,
        delays: 30_000,
        pushes: 5_000,
        clock: 180_000,
        stops: 30_000,
    };

    /// Against the margins of the local cloud.
    pub(crate) const QUICK: Beyond = Beyond {
        nodes: 3_000,
        reads: 600,
        lists: 10_000,
        tags: 600,
        datapoints: 8_000,
        events: 15_000,
        delays: 3_000,
        pushes: 1_000,
        clock: 180_000,
        stops: 3_000,
    };
}
