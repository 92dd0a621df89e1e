//! How long things take in this world, and what it believes about AWS.

use crate::Millis;
use crate::beliefs::{Beliefs, Beyond};

/// Everything that can be turned; `Default` is AWS-like, [`Settings::quick`] is for stories told in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The account every resource belongs to.
    pub account: String,
    /// The region of calls that name none, and of events without a resource.
    pub region: String,
    /// Start of every queue URL; `http://queue.local` unless the host sets its own before the first queue.
    pub endpoint: String,
    /// Times of ECS.
    pub ecs: EcsTimes,
    /// Times of Elastic Load Balancing.
    pub elb: ElbTimes,
    /// Times of CloudWatch.
    pub cloudwatch: CloudWatchTimes,
    /// What is believed about AWS without proof, each with a switch.
    pub beliefs: Beliefs,
    /// How far the other way goes.
    pub beyond: Beyond,
}

/// Times of ECS, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct EcsTimes {
    /// From the start of a task until it is PENDING.
    pub provisioning: Millis,
    /// From the start of a task until it is RUNNING (the manner `start=` comes on top).
    pub task_start: Millis,
    /// From the start of a task until a missing image ends it.
    pub pull_failure: Millis,
    /// From SIGTERM until the task is STOPPED.
    pub stop_grace: Millis,
    /// At most this long a task drains, whatever its target group says.
    pub deregistration_cap: Millis,
    /// Between a task's death and its replacement.
    pub replace_delay: Millis,
    /// How long the scheduler takes to see a change.
    pub scheduler_delay: Millis,
    /// Without a load balancer a task counts as healthy this long after RUNNING.
    pub settle: Millis,
    /// A task whose manners say `crash` exits this long after RUNNING: shorter than the way to its first health check, so
    /// that it never counts as healthy.
    pub crash_after: Millis,
    /// What AWS counts in whole minutes: bakes, steps, timeouts of hooks.
    pub minute: Millis,
}

/// Times of Elastic Load Balancing, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ElbTimes {
    /// Health-check seconds are divided by this (1 = as AWS; the smallest interval there is 5 s).
    pub health_check_divisor: u64,
    /// From registration to the first health check.
    pub registration: Millis,
    /// From a written rule until the nodes route by it.
    pub propagation: Millis,
}

/// Times of CloudWatch, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudWatchTimes {
    /// From the end of a period until an alarm or a reader sees its datapoint.
    pub publish_delay: Millis,
    /// Between two evaluations of an alarm with a period below 60 s.
    pub fast_evaluation: Millis,
    /// Between two evaluations of every other alarm.
    pub evaluation: Millis,
    /// How many periods beyond its evaluation periods an alarm looks back for real datapoints.
    pub extra_range: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: "http://queue.local".to_owned(),
            ecs: EcsTimes {
                provisioning: 5_000,
                task_start: 30_000,
                pull_failure: 20_000,
                stop_grace: 5_000,
                deregistration_cap: 3_600_000,
                replace_delay: 5_000,
                scheduler_delay: 1_000,
                settle: 40_000,
                crash_after: 1_000,
                minute: 60_000,
            },
            elb: ElbTimes { health_check_divisor: 1, registration: 2_000, propagation: 2_000 },
            cloudwatch: CloudWatchTimes {
                publish_delay: 60_000,
                fast_evaluation: 1_000,
                evaluation: 10_000,
                extra_range: 2,
            },
            beliefs: Beliefs::default(),
            beyond: Beyond::AWS,
        }
    }
}

impl Settings {
    /// From the end of a period until its datapoint is there.
    pub(crate) fn datapoint_delay(&self) -> Millis {
        let late = if self.beliefs.absent_datapoints_are_final { 0 } else { self.beyond.datapoints };
        self.cloudwatch.publish_delay + late
    }

    /// Times for stories that take seconds: tasks run after 1.5 s, health-check seconds are divided by five, alarms see a
    /// datapoint one second after its period ended. The beliefs are the same.
    pub fn quick() -> Settings {
        Settings {
            ecs: EcsTimes {
                provisioning: 300,
                task_start: 1_500,
                pull_failure: 1_000,
                stop_grace: 300,
                deregistration_cap: 5_000,
                replace_delay: 500,
                scheduler_delay: 100,
                settle: 1_000,
                crash_after: 100,
                minute: 2_000,
            },
            elb: ElbTimes { health_check_divisor: 5, registration: 200, propagation: 0 },
            cloudwatch: CloudWatchTimes {
                publish_delay: 1_000,
                fast_evaluation: 1_000,
                evaluation: 5_000,
                extra_range: 2,
            },
            beyond: Beyond::QUICK,
            ..Settings::default()
        }
    }
}
