//! What goes into the world and what comes out of it.

use serde_json::Value;

use crate::{Manners, Millis};

/// The services this world knows. `Sts` has GetCallerIdentity only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Amazon EC2: its subnets.
    Ec2,
    /// Amazon Elastic Container Service.
    Ecs,
    /// Elastic Load Balancing v2.
    Elb,
    /// Amazon CloudWatch.
    CloudWatch,
    /// Application Auto Scaling.
    AutoScaling,
    /// Amazon Elastic Container Registry.
    Ecr,
    /// Amazon Simple Queue Service.
    Sqs,
    /// Amazon Simple Notification Service.
    Sns,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Security Token Service.
    Sts,
}

/// One API call: input members are spelled as in the service's own API model.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The service called.
    pub service: Service,
    /// The operation, such as `UpdateService`.
    pub operation: &'a str,
    /// Its input document.
    pub input: &'a Value,
    /// Who calls: kept in the journal.
    pub caller: &'a str,
    /// The region of the caller; new resources are named in it.
    pub region: &'a str,
    /// The time of the call.
    pub now: Millis,
}

/// One mutating call, as it was made; failed ones too.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// When.
    pub at: Millis,
    /// By whom.
    pub caller: String,
    /// On which service.
    pub service: Service,
    /// Which operation.
    pub operation: String,
    /// With what input.
    pub input: Value,
    /// The code it was refused with, if it was.
    pub error: Option<String>,
}

/// Something that happened by itself or as a consequence of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A complete EventBridge envelope.
    Event(Value),
    /// Somebody must serve this task from now on (the simulation need not).
    StartTask(TaskPlan),
    /// The task's server must end now.
    StopTask {
        /// The id in its [`TaskPlan`].
        task_id: String,
    },
    /// A listener was created, or its port changed (then a `ListenerDown` came first).
    ListenerUp {
        /// Its ARN.
        listener_arn: String,
        /// The load balancer it belongs to.
        load_balancer_arn: String,
        /// The port asked for.
        port: u16,
    },
    /// A listener is gone.
    ListenerDown {
        /// Its ARN.
        listener_arn: String,
    },
    /// ECS calls a lifecycle hook; the answer goes into [`World::hook_answered`](crate::World::hook_answered).
    CallHook {
        /// The service deployment.
        service_deployment_arn: String,
        /// The hook's id in it.
        hook_id: String,
        /// The function to call.
        function_arn: String,
        /// What it is called with.
        payload: Value,
    },
    /// A message was published to a topic; SQS subscriptions are already served.
    SnsPublished {
        /// The topic.
        topic_arn: String,
        /// The message's id.
        message_id: String,
        /// Its subject, if any.
        subject: Option<String>,
        /// Its text, as published.
        message: String,
        /// `MessageAttributes` as published; an empty object without any.
        attributes: Value,
        /// When.
        at: Millis,
    },
}

/// A task that is to be served.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// The task's id, the last part of its ARN.
    pub task_id: String,
    /// Its ARN.
    pub task_arn: String,
    /// The name of the service it belongs to.
    pub service: String,
    /// Its loopback address, unique per task (127.1.x.y upward).
    pub ip: String,
    /// The container port that its first load balancer names, else the first mapped port, else 80.
    pub port: u16,
    /// Every container port of the task, `port` included.
    pub ports: Vec<u16>,
    /// The image reference of the container behind `port`.
    pub image: String,
    /// The tag of that image: as referenced, or the newest tag of the digest; empty without any.
    pub image_tag: String,
    /// The digest of that image; empty for images outside ECR.
    pub digest: String,
    /// How it behaves: the manners of all its images joined.
    pub manners: Manners,
    /// When it became RUNNING.
    pub started_at: Millis,
}

/// One health check that is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// The group that asks.
    pub target_group_arn: String,
    /// The target asked, an IP address.
    pub target_id: String,
    /// The port to ask on.
    pub port: u16,
    /// The path to ask for.
    pub path: String,
    /// No answer within this many milliseconds is a timeout.
    pub timeout: Millis,
    /// The matcher, such as `200` or `200-299,301`.
    pub expect: String,
}

/// What a health check met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// An HTTP answer with this status.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// No connection.
    Refused,
}

/// What the load balancer sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// The query without the question mark.
    pub query: &'a str,
    /// The Host header.
    pub host: &'a str,
    /// All headers.
    pub headers: &'a [(String, String)],
    /// The client's address.
    pub source_ip: &'a str,
    /// The target group that a stickiness cookie of this rule names.
    pub sticky: Option<&'a str>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To this target.
    Forward {
        /// The load balancer.
        load_balancer_arn: String,
        /// The target group drawn.
        target_group_arn: String,
        /// The target drawn in it, an IP address.
        target_id: String,
        /// Its port.
        port: u16,
        /// A cookie to set, where target-group stickiness is on.
        sticky_cookie: Option<StickyCookie>,
    },
    /// The load balancer answers itself: the group drawn has no target.
    NoTarget {
        /// 503.
        status: u16,
        /// The load balancer.
        load_balancer_arn: String,
        /// The target group drawn.
        target_group_arn: String,
    },
    /// The load balancer answers itself: a fixed response, or a refusal of an authentication action.
    Fixed {
        /// The load balancer.
        load_balancer_arn: String,
        /// The status code.
        status: u16,
        /// The content type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// The load balancer answers itself with a redirect.
    Redirect {
        /// The load balancer.
        load_balancer_arn: String,
        /// The complete location.
        location: String,
        /// 301 or 302.
        status: u16,
    },
    /// There is no such listener.
    NoListener,
}

/// A target-group stickiness cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickyCookie {
    /// The target group the client shall come back to.
    pub target_group_arn: String,
    /// How long, in seconds.
    pub duration_seconds: u64,
}

/// How a request ended, as the load balancer counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The load balancer.
    pub load_balancer_arn: String,
    /// The target group that was drawn, if one was.
    pub target_group_arn: Option<String>,
    /// The target that was drawn, if one was.
    pub target_id: Option<String>,
    /// The status the client got.
    pub status: u16,
    /// From sending to the target until its answer, in milliseconds.
    pub latency_ms: u64,
    /// The load balancer made the answer itself.
    pub elb_generated: bool,
    /// No connection to the target came about.
    pub connection_error: bool,
}
