//! Amazon ECS: clusters, task definitions, services and their deployments, tasks.

mod clusters;
mod describe;
mod lifecycle;
mod native;
mod places;
mod rollout;
mod scheduler;
mod services;
mod tags;
mod task_definitions;
mod tasks;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::error::Answer;
use crate::input::In;
use crate::{AwsError, Call, Manners, Millis, World};

/// Cluster name and service name.
pub(crate) type ServiceKey = (String, String);

#[derive(Debug, Clone)]
pub(crate) struct Ecs {
    clusters: BTreeMap<String, Cluster>,
    pub(crate) services: BTreeMap<ServiceKey, Svc>,
    families: BTreeMap<String, Vec<TaskDefinition>>,
    pub(crate) tasks: BTreeMap<String, Task>,
    /// Tasks that a target may mean, by address.
    pub(crate) by_ip: BTreeMap<String, String>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
    tasks_made: u32,
    /// The most tasks that a cluster has room for, where there is a shortage.
    room: BTreeMap<String, usize>,
    /// The account's quota of Fargate vCPUs, on demand.
    pub(crate) vcpus: u32,
    /// CPU units of all tasks that are not STOPPED.
    pub(crate) units: u64,
}

/// More than the tests need, and less than an account with much to do has.
const VCPUS: u32 = 20_000;

impl Default for Ecs {
    fn default() -> Ecs {
        Ecs {
            clusters: BTreeMap::new(),
            services: BTreeMap::new(),
            families: BTreeMap::new(),
            tasks: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            tags: BTreeMap::new(),
            tasks_made: 0,
            room: BTreeMap::new(),
            vcpus: VCPUS,
            units: 0,
        }
    }
}

#[derive(Debug, Clone)]
struct Cluster {
    arn: String,
    active: bool,
    doc: Map<String, Value>,
}

#[derive(Debug, Clone)]
struct TaskDefinition {
    arn: String,
    active: bool,
    /// As DescribeTaskDefinition shows it, every member that was given included.
    doc: Map<String, Value>,
    registered: Millis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceStatus {
    Active,
    Draining,
    Inactive,
}

#[derive(Debug, Clone)]
pub(crate) struct Svc {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) arn: String,
    pub(crate) region: String,
    pub(crate) status: ServiceStatus,
    pub(crate) desired: u32,
    task_definition: String,
    /// PRIMARY first.
    pub(crate) deployments: Vec<Deployment>,
    events: VecDeque<Value>,
    /// The members that are shown as they were given.
    doc: Map<String, Value>,
    created: Millis,
    created_by: String,
    /// When the scheduler looks at it next.
    pub(crate) next_pass: Option<Millis>,
    /// No task is started before this.
    not_before: Millis,
    /// The last message of the events says that a steady state was reached.
    steady: bool,
    /// Id and task definition of the last deployment that completed.
    last_completed: Option<(String, String)>,
    pub(crate) native: native::Native,
    /// What reads still show, and until when.
    shown: Option<(Millis, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    InProgress,
    Completed,
    Failed,
}

#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) task_definition: String,
    created: Millis,
    updated: Millis,
    pub(crate) rollout: Rollout,
    reason: String,
    failed_tasks: u32,
    /// Deployment alarms that were already in ALARM when it started: not listened to.
    alarms_blind: bool,
    /// Its tasks are in the alternate target groups.
    alternate: bool,
    /// Since when a rolling one with a bake time has been in place alone.
    bakes_since: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskStatus {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Stopped,
}

impl TaskStatus {
    fn name(self) -> &'static str {
        match self {
            TaskStatus::Provisioning => "PROVISIONING",
            TaskStatus::Pending => "PENDING",
            TaskStatus::Running => "RUNNING",
            TaskStatus::Deactivating => "DEACTIVATING",
            TaskStatus::Stopping => "STOPPING",
            TaskStatus::Stopped => "STOPPED",
        }
    }
}

/// One entry of a service's `loadBalancers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) target_group: String,
    pub(crate) container: String,
    pub(crate) port: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) service: ServiceKey,
    pub(crate) region: String,
    deployment: String,
    task_definition: String,
    pub(crate) status: TaskStatus,
    /// desiredStatus is RUNNING.
    pub(crate) wanted: bool,
    zone: usize,
    /// Where its address is, if its service says so.
    subnet: Option<String>,
    units: u64,
    pub(crate) ip: String,
    pub(crate) attachments: Vec<Attachment>,
    ports: Vec<u16>,
    containers: Vec<Container>,
    pub(crate) manners: Manners,
    created: Millis,
    pub(crate) started: Option<Millis>,
    stopping: Option<Millis>,
    stopped: Option<Millis>,
    stop_code: Option<&'static str>,
    stopped_reason: String,
    exit_code: Option<i64>,
    version: u64,
    /// It was healthy once: its end is no failed start.
    was_healthy: bool,
    /// When its status changes by itself.
    pub(crate) next: Option<Millis>,
    /// Requests answered from its manners, for the simulation.
    pub(crate) answered: u64,
}

#[derive(Debug, Clone)]
struct Container {
    name: String,
    image: String,
    tag: String,
    digest: String,
    runtime: String,
}

fn client(message: impl Into<String>) -> AwsError {
    AwsError::new("ClientException", message)
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

/// The last part of an ARN or a plain name.
fn short(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

impl World {
    pub(crate) fn ecs(&mut self, call: &Call<'_>) -> Answer {
        let input = In::new(call.service, call.input);
        match call.operation {
            "CreateCluster" => self.create_cluster(call, input),
            "DescribeClusters" => self.describe_clusters(input),
            "ListClusters" => self.list_clusters(input),
            "DeleteCluster" => self.delete_cluster(input),
            "CreateService" => self.create_service(call, input),
            "UpdateService" => self.update_service(call, input),
            "DescribeServices" => self.describe_services(call, input),
            "ListServices" => self.list_services(input),
            "DeleteService" => self.delete_service(call, input),
            "ListServiceDeployments" => self.list_service_deployments(input),
            "DescribeServiceDeployments" => self.describe_service_deployments(input),
            "DescribeServiceRevisions" => self.describe_service_revisions(input),
            "StopServiceDeployment" => self.stop_service_deployment(call, input),
            "ContinueServiceDeployment" => self.continue_service_deployment(call, input),
            "RegisterTaskDefinition" => self.register_task_definition(call, input),
            "DescribeTaskDefinition" => self.describe_task_definition(input),
            "DeleteTaskDefinitions" => self.delete_task_definitions(call, input),
            "DeregisterTaskDefinition" => self.deregister_task_definition(call, input),
            "ListTaskDefinitions" => self.list_task_definitions(input),
            "ListTaskDefinitionFamilies" => self.list_task_definition_families(input),
            "ListTasks" => self.list_tasks(input),
            "DescribeTasks" => self.describe_tasks(input),
            "StopTask" => self.stop_task_call(call, input),
            "TagResource" => self.ecs_tag(input),
            "UntagResource" => self.ecs_untag(input),
            "ListTagsForResource" => self.ecs_tags(input),
            other => Err(AwsError::new("UnknownOperationException", format!("{other} is not in this local cloud"))),
        }
    }
}
