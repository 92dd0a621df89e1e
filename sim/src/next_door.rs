//! The service next door: a second one of the same installation in the same cluster, behind the same listener, with an
//! alarm in common. The same functions deploy it, with the same faults; law 11 watches that neither touches the other's
//! things.

use std::rc::Rc;

use model::{Millis, RequestHead, Service, World};
use serde_json::json;
use shared::config::{Alarms, Engine, ImageRule, Managed, Mode, NoTraffic, OnNewPush, ServiceConfig, TagRule};
use shared::ids::{AlarmName, Colour, RouteArn, ServiceName};
use shared::ports::Record;
use shared::rollout::Status;
use shared::strategy::Step;
use shared::time::Span;

use crate::cloud::Cloud;
use crate::schedule::Schedule;
use crate::setup::{self, CLUSTER, REGION, must, text};

pub(crate) const REPOSITORY: &str = "shop-web";
const NAME: &str = "shop-web";

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// The one whose laws are watched.
    Shop,
    /// The one next door.
    NextDoor,
}

impl Who {
    pub(crate) const BOTH: [Who; 2] = [Who::Shop, Who::NextDoor];

    pub(crate) fn name(self) -> ServiceName {
        ServiceName::from(match self {
            Who::Shop => setup::NAME,
            Who::NextDoor => NAME,
        })
    }
}

/// What is stored of it.
#[derive(Clone, Debug)]
pub(crate) struct NextDoor {
    pub(crate) record: Rc<Record>,
}

impl NextDoor {
    pub(crate) fn new(config: ServiceConfig) -> NextDoor {
        let record = Record { config, status: Status::default(), inbox: Vec::new(), version: 0 };
        NextDoor { record: Rc::new(record) }
    }
}

/// Builds it into the world: one task, no autoscaling, the load balancer's alarm.
pub(crate) fn build(world: &mut World, schedule: &Schedule, listener: &str, alarm: AlarmName) -> ServiceConfig {
    must(world, Service::Ecr, "CreateRepository", &json!({ "repositoryName": REPOSITORY }));
    let manifest = setup::manifest(0, "");
    let image = json!({ "repositoryName": REPOSITORY, "imageManifest": manifest, "imageTag": "v1.0.0" });
    must(world, Service::Ecr, "PutImage", &image);
    let groups = Colour::BOTH.map(|colour| setup::group(world, setup::START, &format!("web-{colour}")));
    let tuple = |at: usize, weight: u32| json!({ "TargetGroupArn": groups[at], "Weight": weight });
    let rule = json!({
        "ListenerArn": listener, "Priority": 5,
        "Actions": [{ "Type": "forward", "ForwardConfig": { "TargetGroups": [tuple(0, 100), tuple(1, 0)] } }],
        "Conditions": [{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/web/*"] } }],
    });
    let rule = text(&must(world, Service::Elb, "CreateRule", &rule)["Rules"][0]["RuleArn"]);
    let definition = json!({
        "family": NAME, "networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": [{
            "name": "web", "image": format!("123456789012.dkr.ecr.{REGION}.amazonaws.com/{REPOSITORY}:v1.0.0"),
            "portMappings": [{ "containerPort": 8080 }] }],
    });
    let revision = must(world, Service::Ecs, "RegisterTaskDefinition", &definition);
    let revision = text(&revision["taskDefinition"]["taskDefinitionArn"]);
    for (colour, group) in Colour::BOTH.into_iter().zip(&groups) {
        let service = json!({
            "cluster": CLUSTER, "serviceName": format!("{NAME}-{colour}"), "taskDefinition": revision,
            "desiredCount": u32::from(colour == Colour::Blue), "launchType": "FARGATE",
            "loadBalancers": [{ "targetGroupArn": group, "containerName": "web", "containerPort": 8080 }],
        });
        must(world, Service::Ecs, "CreateService", &service);
    }
    let bake = schedule.pace.bake;
    ServiceConfig {
        name: Who::NextDoor.name(),
        cluster: CLUSTER.to_owned(),
        images: vec![ImageRule {
            repository: REPOSITORY.to_owned(),
            container: None,
            tags: TagRule::Semver(">=1.0.0".to_owned()),
        }],
        engine: Engine::Managed(Managed {
            blue: format!("{NAME}-blue"),
            green: format!("{NAME}-green"),
            routes: vec![RouteArn(rule)],
        }),
        steps: [50, 100].map(|weight| Step { weight, bake: Span(bake) }).to_vec(),
        scaling: Default::default(),
        alarms: Alarms { both: vec![alarm], ..Alarms::default() },
        accept_no_alarms: false,
        accept_stickiness: false,
        no_traffic: NoTraffic::Proceed,
        standby: Span(bake),
        on_new_push: OnNewPush::Supersede,
        mode: Mode::Act,
        quiet: Span(0),
        keep_revisions: 3,
        start_deadline: Span(bake * 6),
        hold_deadline: Span(bake * 8),
        stall_deadline: Span(bake * 8),
    }
}

/// Its traffic: a request a second.
pub(crate) fn traffic(world: &mut World, listener: &str, now: Millis) {
    let head = RequestHead {
        method: "GET",
        path: "/web/basket",
        query: "",
        host: "localhost",
        headers: &[],
        source_ip: "127.0.0.1",
        sticky: None,
    };
    world.send(listener, &head, now);
}

impl Cloud {
    /// A service's record; the one next door may not be there.
    pub(crate) fn record_of(&self, who: Who) -> Option<&Rc<Record>> {
        match who {
            Who::Shop => Some(&self.record),
            Who::NextDoor => self.next_door.as_ref().map(|next| &next.record),
        }
    }

    /// See [`record_of`](Self::record_of).
    pub(crate) fn record_mut(&mut self, who: Who) -> Option<&mut Rc<Record>> {
        match who {
            Who::Shop => Some(&mut self.record),
            Who::NextDoor => self.next_door.as_mut().map(|next| &mut next.record),
        }
    }

    /// The services that an event is about: by a repository, or by an alarm.
    pub(crate) fn meant(&self, knows: impl Fn(&ServiceConfig) -> bool) -> Vec<Who> {
        let there = |who: &Who| self.record_of(*who).is_some_and(|record| knows(&record.config));
        Who::BOTH.into_iter().filter(there).collect()
    }
}
