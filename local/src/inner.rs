//! What every part of the cloud shares: the world, and the way in and out of it.

use crate::clock::Clock;
use crate::database::Database;
use crate::events::Bus;
use crate::faults::{Fault, FaultCount, FaultRefused, Faults};
use crate::functions::{Function, FunctionLog};
use crate::http::HttpClient;
use crate::limits::Limits;
use crate::lock;
use crate::record::Recorder;
use crate::slack::Slack;
use crate::tasks::Tasks;
use crate::traffic::{Balancers, Servers};
use hyper::http::uri::Authority;
use model::{AwsError, Call, Happening, Service, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Events and published messages are kept for looking at; older ones go.
const KEPT: usize = 10_000;

/// Which side of a call a hook sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call has not been made yet.
    Before,
    /// The call took effect, its answer has not been sent yet.
    After,
}

/// One API call of one caller, as a hook sees it.
#[derive(Debug, Clone, Copy)]
pub struct CallSeen<'a> {
    /// `function:NAME`, `user:KEY`, or `webhook` for a post to Slack.
    pub caller: &'a str,
    /// The service in lower case: `ecs`, `elb`, `cloudwatch`, `autoscaling`, `ecr`, `sqs`, `sns`, `secretsmanager`, `sts`, `dynamodb`, `slack`.
    pub service: &'a str,
    /// The operation, such as `ModifyRule`.
    pub operation: &'a str,
    /// Before or after the effect.
    pub moment: Moment,
    /// How many calls this caller has made, this one included.
    pub nth: u64,
}

/// Looks at every API call that comes over the wire, before and after its effect. Called on the cloud's own threads: it
/// must be quick.
pub type CallHook = Arc<dyn Fn(&CallSeen<'_>) + Send + Sync>;

/// A message published to a topic.
#[derive(Debug, Clone)]
pub struct SnsMessage {
    /// When, in milliseconds since the epoch.
    pub at: model::Millis,
    /// The topic's ARN.
    pub topic_arn: String,
    /// The message's id.
    pub message_id: String,
    /// Its subject, if any.
    pub subject: Option<String>,
    /// Its text as published.
    pub message: String,
}

/// The shared state.
pub(crate) struct Inner {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) endpoint: String,
    pub(crate) clock: Clock,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) world: Mutex<World>,
    pub(crate) client: HttpClient,
    pub(crate) database: Database,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) balancers: Balancers,
    pub(crate) servers: Servers,
    pub(crate) slack: Slack,
    pub(crate) log: FunctionLog,
    /// Set once, when the template has been applied.
    pub(crate) bus: OnceLock<Bus>,
    /// By short name, such as `on-alarm`.
    pub(crate) functions: OnceLock<BTreeMap<String, Arc<Function>>>,
    pub(crate) events: Mutex<VecDeque<Value>>,
    pub(crate) sns: Mutex<VecDeque<SnsMessage>>,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) hook: Mutex<Option<CallHook>>,
    pub(crate) calls: Mutex<BTreeMap<String, u64>>,
    /// Held while what happened is acted on, so that it is acted on in order.
    pub(crate) order: Mutex<()>,
    pub(crate) requests: AtomicU64,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Inner {
    /// One API call: the model, then whatever follows from it.
    pub(crate) fn call(
        self: &Arc<Self>,
        service: Service,
        operation: &str,
        input: &Value,
        caller: &str,
        region: &str,
    ) -> Result<Value, AwsError> {
        let now = self.clock.now();
        let result = lock(&self.world).call(Call { service, operation, input, caller, region, now });
        if !is_read(operation) {
            self.pump();
        }
        result
    }

    /// The listener that a load balancer's name and a port lead to, and that port: for requests that come as to a proxy.
    pub(crate) fn listener_named(self: &Arc<Self>, to: &Authority) -> Option<(Arc<str>, u16)> {
        let all = self.call(Service::Elb, "DescribeLoadBalancers", &json!({}), "local", &self.region).ok()?;
        let named = |one: &&Value| one["DNSName"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(to.host()));
        let balancer = all["LoadBalancers"].as_array()?.iter().find(named)?["LoadBalancerArn"].clone();
        let port = to.port_u16().unwrap_or(80);
        let of_it = |one: &crate::Port| balancer == one.load_balancer_arn.as_str() && one.asked == port;
        let found = self.balancers.ports().into_iter().find(of_it)?;
        Some((found.listener_arn.into(), port))
    }

    /// Puts a fault in force.
    pub(crate) fn add_fault(&self, fault: Fault) -> Result<FaultCount, FaultRefused> {
        let functions: Vec<&str> =
            self.functions.get().into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
        self.faults.add(fault, &functions)
    }

    /// Counts a call and shows it to the hook.
    pub(crate) fn seen_call(&self, caller: &str, service: &str, operation: &str, moment: Moment) {
        let Some(hook) = lock(&self.hook).clone() else { return };
        let nth = {
            let mut calls = lock(&self.calls);
            let count = calls.entry(caller.to_owned()).or_default();
            if moment == Moment::Before {
                *count += 1;
            }
            *count
        };
        hook(&CallSeen { caller, service, operation, moment, nth });
    }

    /// SIGKILL to every process of a function; `false` when there is no such function.
    pub(crate) fn kill_function(&self, name: &str) -> bool {
        match self.functions.get().and_then(|functions| functions.get(name)) {
            Some(function) => {
                function.kill();
                true
            }
            None => false,
        }
    }

    /// SIGKILL to one process of a function, or, where it is not known which, to all.
    pub(crate) fn kill_process(&self, function: &str, process: Option<u64>) {
        match (self.functions.get().and_then(|functions| functions.get(function)), process) {
            (Some(function), Some(process)) => function.kill_one(process),
            (Some(function), None) => function.kill(),
            (None, _) => {}
        }
    }

    /// Moves the world to now and acts on what happened.
    pub(crate) fn pump(self: &Arc<Self>) {
        let _order = lock(&self.order);
        let happened = lock(&self.world).tick(self.clock.now());
        for happening in happened {
            self.act(happening);
        }
    }

    fn act(self: &Arc<Self>, happening: Happening) {
        match happening {
            Happening::Event(envelope) => self.event(envelope),
            Happening::StartTask(plan) => self.servers.start(self, plan),
            Happening::StopTask { task_id } => self.servers.stop(&task_id),
            Happening::ListenerUp { listener_arn, load_balancer_arn, port } => {
                self.balancers.up(self, listener_arn, load_balancer_arn, port);
            }
            Happening::ListenerDown { listener_arn } => self.balancers.down(&listener_arn),
            Happening::CallHook { service_deployment_arn, hook_id, function_arn, payload } => {
                self.call_hook(service_deployment_arn, hook_id, &function_arn, &payload);
            }
            Happening::SnsPublished { topic_arn, message_id, subject, message, at, .. } => {
                keep(&self.sns, SnsMessage { at, topic_arn, message_id, subject, message });
            }
        }
    }

    /// An EventBridge event: kept, and given to the rules it matches.
    pub(crate) fn event(self: &Arc<Self>, envelope: Value) {
        if let Some(bus) = self.bus.get() {
            bus.deliver(self, &envelope);
        }
        keep(&self.events, envelope);
    }

    /// Ids in the form AWS uses, counted instead of random.
    pub(crate) fn request_id(&self) -> String {
        let n = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{:08x}-0000-4000-8000-{:012x}", self.clock.now() / 1000 % 0xffff_ffff, n)
    }

    /// A line for whoever watches the functions; the cloud's own remarks carry the name `local`.
    pub(crate) fn remark(&self, text: impl Into<String>) {
        self.log.push(self.clock.now(), "local", text.into());
    }
}

/// Adds to a bounded list.
fn keep<T>(list: &Mutex<VecDeque<T>>, item: T) {
    let mut list = lock(list);
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

fn is_read(operation: &str) -> bool {
    ["Describe", "List", "Get", "Batch", "Receive"].iter().any(|prefix| operation.starts_with(prefix))
        && operation != "BatchDeleteImage"
}

/// The name hooks and pages know a service by.
pub(crate) fn service_name(service: Service) -> &'static str {
    match service {
        Service::Ec2 => "ec2",
        Service::Ecs => "ecs",
        Service::Elb => "elb",
        Service::CloudWatch => "cloudwatch",
        Service::AutoScaling => "autoscaling",
        Service::Ecr => "ecr",
        Service::Sqs => "sqs",
        Service::Sns => "sns",
        Service::SecretsManager => "secretsmanager",
        Service::Sts => "sts",
    }
}
