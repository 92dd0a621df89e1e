//! The laws under the native engine, on single decisions and on a service that ECS plays.

mod back;
mod follow;
mod foreign;
mod gates;
mod limits;
mod served;
mod start;

use serde_json::json;

use crate::config::{ServiceConfig, parse};
use crate::decide::fixture::{NATIVE, alarm, image, revision, tg};
use crate::decide::{Input, ask, decide};
use crate::decision::{Action, Decision, Waiting};
use crate::ids::{Colour, IntentId, RolloutId};
use crate::notice::Milestone;
use crate::observation::{
    AlarmState, DeploymentStatus, EffectFailure, GroupTraffic, Hook, NativeReading, Observation, Reading,
    ServiceDeployment, Traffic,
};
use crate::rollout::{Cause, Intent, IntentKind, Margins, Outcome, Status, Target};
use crate::strategy::Share;
use crate::time::{Span, Time};

#[derive(Clone)]
struct Scene {
    config: ServiceConfig,
    status: Status,
    seen: Observation,
    now: Time,
    last: Option<Decision>,
    told: Vec<Milestone>,
    done: Vec<Action>,
}

fn deployment(number: u32, created: Time, status: DeploymentStatus) -> ServiceDeployment {
    ServiceDeployment {
        arn: format!("arn:aws:ecs:us-east-1:123456789012:service-deployment/production/shop-api/d{number}"),
        revision: revision(number),
        created,
        status,
        reason: String::new(),
        stage: None,
        weight: Share::default(),
        running: 0,
        groups: Vec::new(),
        has_source: true,
        hooks: Vec::new(),
        triggered: Vec::new(),
        broken: false,
        back_since: None,
        strategy: None,
    }
}

impl Scene {
    fn new(strategy: &str) -> Scene {
        let now = Time(1_800_000_000_000);
        let mut seen = Observation::nothing(now);
        seen.alarms.insert("shop-5xx".into(), alarm(AlarmState::Ok));
        seen.registered = Reading::Known(None);
        seen.native = Reading::Known(Some(NativeReading {
            arn: "arn:aws:ecs:us-east-1:123456789012:service/production/shop-api".to_owned(),
            desired: 2,
            running: 2,
            task_definition: revision(1),
            configuration: json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3 }),
            undrivable: None,
            traffic: Reading::Known(Traffic::default()),
            deployments: vec![deployment(1, now.minus(Span::mins(600)), DeploymentStatus::Successful)],
        }));
        let text = NATIVE.replace("asDeclared", strategy);
        let config = parse(&text).expect("the fixture parses").remove(0);
        Scene { config, status: Status::default(), seen, now, last: None, told: Vec::new(), done: Vec::new() }
    }

    fn service(&mut self) -> &mut NativeReading {
        match &mut self.seen.native {
            Reading::Known(Some(service)) => service,
            other => panic!("{other:?}"),
        }
    }

    fn newest(&mut self) -> &mut ServiceDeployment {
        &mut self.service().deployments[0]
    }

    fn alarm(&mut self, state: AlarmState) {
        self.seen.alarms.insert("shop-5xx".into(), alarm(state));
    }

    /// One look; the actuator only remembers.
    fn look(&mut self, inbox: &[IntentKind]) {
        let intents: Vec<Intent> = inbox
            .iter()
            .enumerate()
            .map(|(n, what)| Intent {
                id: IntentId(format!("{}-{n}", self.now.0)),
                at: self.now,
                by: "ada".to_owned(),
                what: what.clone(),
            })
            .collect();
        let margins = Margins::default();
        let wants = ask(&self.config, &self.status, &margins, self.now);
        let mut seen = self.seen.clone();
        seen.at = self.now;
        if wants.native.is_none() {
            seen.native = Reading::not_asked();
        }
        if let (false, Reading::Known(Some(service))) = (wants.targets, &mut seen.native) {
            service.traffic = Reading::not_asked();
        }
        if wants.registered.is_none() {
            seen.registered = Reading::not_asked();
        }
        if !wants.targets {
            // What only ECS listens to is read with the targets.
            let listed = self.config.alarms.all();
            seen.alarms.retain(|name, _| listed.contains(name));
        }
        if !wants.alarms {
            seen.alarms.values_mut().for_each(|reading| *reading = Reading::not_asked());
        }
        let (config, now) = (&self.config, self.now);
        let input = Input { config, status: &self.status, inbox: &intents, seen: &seen, margins: &margins, now };
        let decision = decide(&input);
        self.done.extend(decision.effects.iter().map(|effect| effect.action.clone()));
        self.told.extend(decision.notices.iter().map(|notice| notice.milestone.clone()));
        self.status = decision.status.clone();
        // The look at once, where ECS said that it is over.
        let ended = self.status.rollout.as_ref().is_some_and(|rollout| rollout.native.ended.is_some());
        let at_once = ended && !wants.targets && decision.waiting == Waiting::NextLook;
        self.last = Some(decision);
        if at_once {
            self.look(&[]);
        } else {
            self.now = self.now.plus(Span::secs(15));
        }
    }

    fn phase(&self) -> &'static str {
        self.status.rollout.as_ref().map_or("idle", |rollout| rollout.phase.name())
    }

    fn id(&self) -> RolloutId {
        self.status.rollout.as_ref().expect("a rollout").id.clone()
    }

    fn waits(&self) -> &Waiting {
        &self.last.as_ref().expect("a look").waiting
    }

    fn deploys(&self) -> usize {
        self.done.iter().filter(|action| matches!(action, Action::Deploy { .. })).count()
    }

    fn stops(&self) -> usize {
        self.done.iter().filter(|action| matches!(action, Action::Stop { .. })).count()
    }

    /// A push, up to the UpdateService; ECS has not shown a deployment yet.
    fn pushed(strategy: &str) -> Scene {
        Scene::new(strategy).push()
    }

    fn push(self) -> Scene {
        let mut scene = self;
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        scene.seen.registered = Reading::Known(Some(revision(2)));
        for _ in 0..2 {
            scene.look(&[]);
        }
        assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1), "{:?}", scene.waits());
        scene
    }

    /// And ECS shows it at a stage.
    fn at(stage: &str, weight: u8) -> Scene {
        let mut scene = Scene::pushed("asDeclared");
        let now = scene.now;
        scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
        scene.stage(stage, weight);
        scene
    }

    fn stage(&mut self, stage: &str, weight: u8) {
        self.newest().stage = Some(stage.to_owned());
        self.newest().weight = Share::from(weight);
        self.look(&[]);
    }

    fn outcome_if_any(&self) -> Option<&Outcome> {
        self.status.last.as_ref().map(|last| &last.outcome)
    }

    fn outcome(&self) -> &Outcome {
        &self.status.last.as_ref().expect("an end").outcome
    }
}

/// Production traffic as the rules have it: each group's share in percent and its healthy targets.
fn traffic(blue: (u8, u32), green: (u8, u32)) -> Reading<Traffic> {
    let of = |(share, healthy): (u8, u32)| GroupTraffic { share: share.into(), healthy, other: 0 };
    let groups = [(tg(Colour::Blue), of(blue)), (tg(Colour::Green), of(green))].into();
    Reading::Known(Traffic { groups, ..Traffic::default() })
}

fn dead_green() -> Reading<Traffic> {
    traffic((0, 2), (100, 0))
}

/// A pause before the shift; green is the new revision's group.
fn paused() -> Scene {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().groups = vec![tg(Colour::Green)];
    scene.newest().hooks =
        vec![Hook { id: "ecs-pause-1".to_owned(), waits: true, running: None, expires: None, times_out_back: true }];
    scene.service().traffic = traffic((100, 2), (0, 2));
    scene.stage("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    scene.look(&[]);
    scene
}

fn calls(scene: &Scene) -> usize {
    scene.told.iter().filter(|told| matches!(told, Milestone::Call { .. })).count()
}

/// A rolling deployment of ours is seen, with so many new tasks and so many in all.
fn rolling(new: u32, all: u32) -> Scene {
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({});
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.newest().running = new;
    scene.service().running = all;
    scene.look(&[]);
    scene
}
