//! The laws under the native engine, on single decisions and on a service that ECS plays.

use serde_json::json;

use crate::config::{ServiceConfig, parse};
use crate::decide::fixture::{alarm, image, revision, tg};
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

const FILE: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    image: { repository: shop-api, tags: { semver: ">=1.0.0" } }
    engine: { native: { service: shop-api } }
    strategy: asDeclared
    alarms: [ shop-5xx ]
"#;

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
        let text = FILE.replace("asDeclared", strategy);
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
        if !wants.alarms {
            seen.alarms.values_mut().for_each(|reading| *reading = Reading::not_asked());
        }
        let (config, now) = (&self.config, self.now);
        let input = Input { config, status: &self.status, inbox: &intents, seen: &seen, margins: &margins, now };
        let decision = decide(&input);
        self.done.extend(decision.effects.iter().map(|effect| effect.action.clone()));
        self.told.extend(decision.notices.iter().map(|notice| notice.milestone.clone()));
        self.status = decision.status.clone();
        self.last = Some(decision);
        self.now = self.now.plus(Span::secs(15));
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
        let mut scene = Scene::new(strategy);
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

    fn outcome(&self) -> &Outcome {
        &self.status.last.as_ref().expect("an end").outcome
    }
}

#[test]
fn a_good_push_is_registered_deployed_followed_and_completed_without_a_weight_written() {
    let mut scene = Scene::at("SCALE_UP", 0);
    assert!(matches!(scene.waits(), Waiting::Stage { stage, .. } if stage == "SCALE_UP"));
    scene.stage("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.outcome()), ("idle", &Outcome::Completed));
    assert!(matches!(scene.told.first(), Some(Milestone::Deploying { .. })));
    assert!(matches!(scene.told.last(), Some(Milestone::Completed { .. })));
    assert_eq!((scene.deploys(), scene.stops()), (1, 0));
    let ours = |action: &Action| match action {
        Action::Register { .. } | Action::Deploy { .. } | Action::Tidy { .. } => true,
        Action::Start { .. }
        | Action::Scale { .. }
        | Action::Weights { .. }
        | Action::Scaling { .. }
        | Action::Stop { .. }
        | Action::Continue { .. } => false,
    };
    assert!(scene.done.iter().all(ours), "{:?}", scene.done);
}

#[test]
fn only_a_strategy_of_ours_sends_a_configuration_and_then_the_whole_one() {
    let sent = |scene: &Scene| {
        let find = |action: &Action| match action {
            Action::Deploy { configuration, .. } => Some(configuration.clone()),
            _ => None,
        };
        scene.done.iter().find_map(find).expect("a deployment")
    };
    assert_eq!(sent(&Scene::pushed("asDeclared")), None);
    let configuration = sent(&Scene::pushed("{ blueGreen: { bake: 5m } }")).expect("a configuration");
    assert_eq!(configuration, json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5 }));
}

#[test]
fn law_3_a_start_whose_answer_was_lost_is_found_and_not_repeated() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[]);
    assert_eq!(scene.deploys(), 1, "it may still land");
    let created = scene.now.minus(Span::secs(40));
    scene.service().deployments.insert(0, deployment(2, created, DeploymentStatus::InProgress));
    for _ in 0..8 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 1);
}

#[test]
fn law_3_a_start_that_never_landed_is_sent_again_once_it_no_longer_can() {
    let mut scene = Scene::pushed("asDeclared");
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 2);
}

#[test]
fn law_3_a_redeploy_is_not_taken_for_the_deployment_of_the_same_revision_just_before_it() {
    let mut scene = Scene::new("asDeclared");
    let lately = scene.now.minus(Span::secs(30));
    scene.newest().created = lately;
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1), "{:?}", scene.waits());
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::Successful));
    scene.newest().arn.push_str("-again");
    scene.look(&[]);
    assert_eq!(scene.outcome(), &Outcome::Completed);
}

#[test]
fn law_15_a_person_takes_back_what_has_traffic_although_no_look_has_seen_it_yet() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().stage = Some("BAKE_TIME".to_owned());
    scene.newest().weight = Share::from(100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(matches!(scene.told.last(), Some(Milestone::GoingBack { weight: 100, .. })), "{:?}", scene.told.last());
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert!(matches!(scene.outcome(), Outcome::RolledBack(Cause::Person(_))));
    assert!(matches!(scene.told.last(), Some(Milestone::RolledBack { .. })));
}

#[test]
fn law_14_a_start_that_ecs_has_taken_back_already_is_not_made_again() {
    let mut scene = Scene::pushed("asDeclared");
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::RollbackSuccessful));
    scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys(), scene.stops()), ("idle", 1, 0));
    assert!(matches!(scene.outcome(), Outcome::Cancelled(Cause::Unhealthy(_))), "{:?}", scene.outcome());
    assert_eq!(scene.status.quarantine.len(), 1);
}

#[test]
fn law_2_an_alarm_in_the_bake_stops_the_deployment_and_it_is_followed_until_ecs_is_back() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    assert!(scene.last.as_ref().is_some_and(|decision| decision.effects[0].is_back()));
    scene.newest().status = DeploymentStatus::RollbackInProgress;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    assert!(!scene.told.iter().any(|told| matches!(told, Milestone::RolledBack { .. })), "not before it was read");
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert!(matches!(scene.outcome(), Outcome::RolledBack(Cause::Alarm { .. })));
    assert!(matches!(scene.told.last(), Some(Milestone::RolledBack { .. })));
    assert_eq!(scene.status.quarantine.len(), 1);
}

#[test]
fn law_2_a_told_alarm_stops_it_although_nothing_can_be_read() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.seen.native = Reading::Unknown("throttled".to_owned());
    let fired = IntentKind::AlarmFired { alarm: "shop-5xx".to_owned(), at: scene.now, reason: "31 > 5".to_owned() };
    scene.look(&[fired]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    scene.look(&[]);
    assert_eq!(scene.stops(), 2, "asked again: nobody knows whether it took");
}

#[test]
fn law_6_an_alarm_that_fires_holds_the_push_because_ecs_would_ignore_it() {
    let mut scene = Scene::new("asDeclared");
    scene.alarm(AlarmState::Alarm);
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..5 {
        scene.look(&[]);
    }
    assert_eq!(scene.phase(), "holding");
    assert!(matches!(scene.waits(), Waiting::AlarmsFiring(names) if names == &["shop-5xx"]));
    scene.alarm(AlarmState::Ok);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn law_8_the_live_revision_that_somebody_deploys_again_is_not_stopped_after_a_redeploy_was_taken_back() {
    let mut scene = Scene::new("asDeclared");
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert!(matches!(scene.outcome(), Outcome::Cancelled(Cause::Person(_))), "{:?}", scene.outcome());
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::InProgress));
    scene.newest().arn.push_str("-theirs");
    scene.look(&[]);
    assert_eq!(scene.stops(), 0);
}

/// A push that was taken back by a person before it was seen; it has ended.
fn taken_back() -> Scene {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.status.quarantine.len()), ("idle", 1));
    scene
}

#[test]
fn law_14_a_late_deployment_of_what_was_taken_back_is_stopped_while_the_next_push_waits_for_it() {
    let mut scene = taken_back();
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[IntentKind::Push { image: image("1.2.0", 3, now) }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "holding");
    assert!(scene.stops() > 0, "{:?}", scene.waits());
}

#[test]
fn law_15_what_began_and_ended_between_two_looks_is_told() {
    let mut scene = taken_back();
    let now = scene.now;
    let told = scene.told.len();
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::Successful));
    scene.look(&[]);
    assert!(matches!(scene.told.last(), Some(Milestone::Foreign { ended: Some(_), good: true, .. })));
    scene.service().deployments.insert(0, deployment(2, now.plus(Span::secs(20)), DeploymentStatus::Successful));
    scene.look(&[]);
    scene.look(&[]);
    assert!(matches!(scene.told.last(), Some(Milestone::Call { why, .. }) if why.contains("taken back")));
    assert_eq!(scene.told.len(), told + 2, "each once");
}

#[test]
fn law_6_an_alarm_that_begins_to_fire_after_the_hold_keeps_the_deployment_from_being_sent() {
    for loud in [alarm(AlarmState::Alarm), Reading::Unknown("throttled".to_owned())] {
        let mut scene = Scene::new("asDeclared");
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!(scene.phase(), "registering", "{:?}", scene.waits());
        scene.seen.registered = Reading::Known(Some(revision(2)));
        scene.seen.alarms.insert("shop-5xx".into(), loud);
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!((scene.phase(), scene.deploys()), ("deploying", 0), "{:?}", scene.waits());
        scene.alarm(AlarmState::Ok);
        scene.look(&[]);
        assert_eq!(scene.deploys(), 1);
    }
}

#[test]
fn law_10_an_alarm_before_there_is_traffic_does_not_blame_the_new_revision() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 10);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_13_a_deployment_that_does_not_come_up_is_stopped_at_its_deadline() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.now = scene.now.plus(Span::mins(14));
    scene.look(&[]);
    assert_eq!(scene.phase(), "deploying");
    scene.now = scene.now.plus(Span::mins(2));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    let cause = scene.told.iter().find_map(|told| match told {
        Milestone::Cancelled { cause, .. } => Some(cause.clone()),
        _ => None,
    });
    assert!(matches!(cause, Some(Cause::NotHealthyInTime(_))), "{cause:?}");
}

#[test]
fn law_13_a_stop_that_does_not_take_calls_a_person_and_so_does_a_rollback_that_failed() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.now = scene.now.plus(Span::mins(11));
    scene.look(&[]);
    let calls = |scene: &Scene| scene.told.iter().filter(|told| matches!(told, Milestone::Call { .. })).count();
    assert_eq!((scene.phase(), calls(&scene)), ("stopping", 1));
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.newest().status = DeploymentStatus::RollbackFailed;
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((scene.phase(), calls(&scene)), ("stopping", 1));
    scene.look(&[IntentKind::GiveUp { rollout: scene.id() }]);
    assert!(matches!(scene.outcome(), Outcome::GivenUp(_)));
}

#[test]
fn law_15_a_stop_that_came_after_the_end_is_told_and_the_previous_revision_redeployed() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    assert!(
        scene.told.iter().any(|told| matches!(told, Milestone::Call { why, .. } if why.contains("before it could")))
    );
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!(scene.deploys(), 2);
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: again, .. }) if *again == revision(1)));
}

#[test]
fn a_pause_is_told_once_promoted_once_and_a_promote_elsewhere_is_declined() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(matches!(scene.told.last(), Some(Milestone::Declined { reason, .. }) if reason.contains("SCALE_UP")));
    let hook = Hook { id: "ecs-pause-1".to_owned(), waits: true, running: None, expires: None, times_out_back: true };
    scene.newest().hooks = vec![hook];
    scene.stage("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    scene.look(&[]);
    let gates = scene.told.iter().filter(|told| matches!(told, Milestone::Gate { .. })).count();
    assert_eq!(gates, 1);
    assert!(matches!(scene.waits(), Waiting::Gate { .. }));
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(matches!(scene.done.last(), Some(Action::Continue { hook, .. }) if hook == "ecs-pause-1"));
    scene.newest().hooks.clear();
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 100);
    let hook = Hook { id: "ecs-pause-2".to_owned(), waits: true, running: None, expires: None, times_out_back: true };
    scene.newest().hooks = vec![hook];
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(matches!(scene.waits(), Waiting::Gate { .. }), "a promote for the pause before");
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 1 }]);
    assert!(matches!(scene.done.last(), Some(Action::Continue { hook, .. }) if hook == "ecs-pause-2"));
}

/// The function's hook, called and not decided.
fn called(id: &str) -> Hook {
    let running = Some("hook-function".to_owned());
    Hook { id: id.to_owned(), waits: false, running, expires: None, times_out_back: true }
}

#[test]
fn a_gate_of_the_hook_function_is_told_once_and_opened_for_its_stage_by_a_promote() {
    let mut scene = Scene::at("SCALE_UP", 0);
    let stage = "PRE_PRODUCTION_TRAFFIC_SHIFT";
    let hook = json!({ "targetType": "AWS_LAMBDA", "hookTargetArn": "hook-function", "lifecycleStages": [stage] });
    scene.service().configuration["lifecycleHooks"] = json!([hook]);
    scene.newest().hooks = vec![called("1")];
    scene.stage(stage, 0);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    let native = |scene: &Scene| scene.status.rollout.as_ref().expect("a rollout").native.clone();
    assert!(native(&scene).opened.is_none(), "a function that is no gate");
    assert!(matches!(scene.told.last(), Some(Milestone::Declined { .. })));
    scene.service().configuration["lifecycleHooks"][0]["hookDetails"] = json!({ "flipback": { "gate": "promote" } });
    scene.look(&[]);
    scene.look(&[]);
    let gates = scene.told.iter().filter(|told| matches!(told, Milestone::Gate { .. })).count();
    assert_eq!((gates, native(&scene).gated), (1, true));
    assert!(matches!(scene.waits(), Waiting::Gate { .. }));
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    let opened = native(&scene).opened.expect("an open gate");
    assert_eq!((opened.stage.as_str(), opened.hook.as_str(), native(&scene).gated), (stage, "1", false));
    assert!(matches!(scene.waits(), Waiting::Stage { .. }));
    assert!(!scene.done.iter().any(|action| matches!(action, Action::Continue { .. })), "ECS asks the function");
    // The canary's next step comes to the same stage, between two looks.
    scene.newest().hooks = vec![called("2")];
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    scene.look(&[]);
    assert_eq!((native(&scene).opened, native(&scene).gates), (None, 1));
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 1 }]);
    assert!(native(&scene).opened.is_some());
    scene.newest().hooks.clear();
    scene.stage("PRODUCTION_TRAFFIC_SHIFT", 100);
    assert_eq!((native(&scene).opened, native(&scene).gates), (None, 2));
}

#[test]
fn a_pause_that_follows_another_at_once_is_promoted_by_itself() {
    let mut scene = Scene::at("SCALE_UP", 0);
    for (n, stage) in [(1, "POST_SCALE_UP"), (2, "PRE_PRODUCTION_TRAFFIC_SHIFT")] {
        let id = format!("ecs-pause-{n}");
        scene.newest().hooks =
            vec![Hook { id: id.clone(), waits: true, running: None, expires: None, times_out_back: true }];
        scene.stage(stage, 0);
        // A person sees the saved status and means the pause that waits.
        let step = scene.status.rollout.as_ref().map_or(9, |rollout| rollout.native.gates);
        scene.look(&[IntentKind::Promote { rollout: scene.id(), step }]);
        assert!(matches!(scene.done.last(), Some(Action::Continue { hook, .. }) if *hook == id), "{:?}", scene.told);
    }
}

#[test]
fn a_pause_is_not_continued_while_an_alarm_is_not_known_to_be_quiet() {
    let mut scene = Scene::at("SCALE_UP", 0);
    let hook = Hook { id: "ecs-pause-1".to_owned(), waits: true, running: None, expires: None, times_out_back: true };
    scene.newest().hooks = vec![hook];
    scene.seen.alarms.insert("shop-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(!scene.done.iter().any(|action| matches!(action, Action::Continue { .. })));
    assert!(matches!(scene.waits(), Waiting::Unknown(_)));
}

#[test]
fn a_foreign_deployment_during_ours_ends_ours_as_superseded_and_is_told_to_its_end() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    let now = scene.now;
    scene.newest().status = DeploymentStatus::Stopped;
    scene.service().deployments.insert(0, deployment(3, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert_eq!(scene.outcome(), &Outcome::Superseded("shop-api:3".to_owned()));
    assert_eq!(scene.stops(), 0);
    scene.look(&[]);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.look(&[]);
    scene.look(&[]);
    let foreign: Vec<bool> = scene
        .told
        .iter()
        .filter_map(|told| match told {
            Milestone::Foreign { ended, .. } => Some(ended.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(foreign, [false, true]);
}

#[test]
fn law_14_a_late_deployment_of_what_was_taken_back_is_stopped() {
    let mut scene = Scene::pushed("asDeclared");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert_eq!(scene.phase(), "stopping");
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.stops()), ("idle", 0));
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert_eq!(scene.stops(), 1);
}

#[test]
fn a_push_waits_while_somebody_else_deploys_or_ecs_goes_back() {
    let mut scene = Scene::new("asDeclared");
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::RollbackInProgress));
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.waits(), Waiting::OtherDeployment(_)));
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
}

#[test]
fn what_can_never_start_is_refused_with_what_to_change() {
    let refused = |change: &dyn Fn(&mut NativeReading)| {
        let mut scene = Scene::new("asDeclared");
        change(scene.service());
        scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
        for _ in 0..4 {
            scene.look(&[]);
        }
        match scene.outcome() {
            Outcome::Refused(why) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    let why = refused(&|service| {
        service.undrivable = Some(("its controller is CODE_DEPLOY".to_owned(), "make it ECS".to_owned()));
    });
    assert!(why.contains("CODE_DEPLOY"));
    let why = refused(&|service| service.traffic = dead_green());
    assert!(why.contains("shop-green"), "{why}");
}

/// Production traffic as the rules have it: each group's share in percent and its healthy targets.
fn traffic(blue: (u8, u32), green: (u8, u32)) -> Reading<Traffic> {
    let of = |(share, healthy): (u8, u32)| GroupTraffic { share: share.into(), healthy };
    Reading::Known(Traffic { groups: [(tg(Colour::Blue), of(blue)), (tg(Colour::Green), of(green))].into() })
}

fn dead_green() -> Reading<Traffic> {
    traffic((0, 2), (100, 0))
}

#[test]
fn a_person_may_deploy_the_cure_to_a_service_that_is_dead() {
    let mut scene = Scene::new("asDeclared");
    scene.service().traffic = dead_green();
    let image = image("1.1.0", 2, scene.now);
    scene.look(&[IntentKind::Deploy { images: vec![image], force: true }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering", "{:?}", scene.waits());
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

#[test]
fn law_8_weights_that_ecs_did_not_set_are_told_on_the_second_look_and_left_alone() {
    let mut scene = paused();
    scene.service().traffic = traffic((40, 2), (60, 2));
    scene.look(&[]);
    assert_eq!(calls(&scene), 0, "one read may be stale");
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!((calls(&scene), scene.phase(), scene.stops()), (1, "deploying", 0));
}

#[test]
fn law_8_traffic_that_nobody_answers_goes_back_where_back_is_alive() {
    for (dead, phase, quarantined) in [
        // On the new revision's group, which has no healthy task: it is to blame.
        (traffic((0, 2), (100, 0)), "stopping", 1),
        // The old side died: going back would not help.
        (traffic((100, 0), (0, 2)), "deploying", 0),
    ] {
        let mut scene = paused();
        scene.service().traffic = dead;
        scene.look(&[]);
        assert_eq!(scene.phase(), "deploying", "one read may be stale");
        scene.look(&[]);
        assert_eq!((scene.phase(), scene.status.quarantine.len()), (phase, quarantined));
        assert_eq!(calls(&scene), usize::from(phase == "deploying"));
    }
}

#[test]
fn law_6_weights_that_cannot_be_read_hold_a_start_and_stop_nothing_that_runs() {
    let mut scene = paused();
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), calls(&scene), scene.stops()), ("deploying", 0, 0));
    let mut scene = Scene::new("asDeclared");
    scene.service().traffic = Reading::Unknown("throttled".to_owned());
    scene.look(&[IntentKind::Push { image: image("1.1.0", 2, scene.now) }]);
    scene.look(&[]);
    assert!(matches!(scene.waits(), Waiting::Unknown(_)), "{:?}", scene.waits());
}

#[test]
fn a_rolling_deployment_has_no_stage_and_is_followed_all_the_same() {
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({});
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.look(&[]);
    assert!(matches!(scene.waits(), Waiting::Stage { stage, .. } if stage == "ROLLING"));
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_13_a_stop_that_is_not_allowed_calls_a_person_at_once() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    let (effect, reason) = ("stop deployment d2".to_owned(), "AccessDenied: StopServiceDeployment".to_owned());
    scene.seen.failures = vec![EffectFailure { effect, reason, permanent: true }];
    scene.look(&[]);
    let told = |told: &&Milestone| matches!(told, Milestone::Call { why, .. } if why.contains("AccessDenied"));
    assert_eq!((scene.phase(), scene.told.iter().filter(told).count()), ("stopping", 1));
    assert_eq!(scene.stops(), 2, "and it is asked again");
}

#[test]
fn a_redeploy_of_what_is_live_is_forced_and_another_revision_never_is() {
    let forced = |scene: &Scene| {
        let find = |action: &Action| match action {
            Action::Deploy { force, .. } => Some(*force),
            _ => None,
        };
        scene.done.iter().filter_map(find).collect::<Vec<bool>>()
    };
    let mut scene = Scene::new("asDeclared");
    scene.look(&[IntentKind::Redeploy]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert_eq!(forced(&scene), [true], "{:?}", scene.waits());
    let mut scene = Scene::pushed("asDeclared");
    // It landed, and the list lags: sent again it must not become a second deployment.
    scene.service().task_definition = revision(2);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!(forced(&scene), [false, false]);
}

fn pause(id: &str) -> Hook {
    Hook { id: id.to_owned(), waits: true, running: None, expires: None, times_out_back: true }
}

#[test]
fn law_13_a_person_who_takes_two_hours_at_a_pause_does_not_cost_the_deployment() {
    for stage in ["PRE_SCALE_UP", "PRE_PRODUCTION_TRAFFIC_SHIFT"] {
        let mut scene = Scene::at("RECONCILE_SERVICE", 0);
        scene.newest().hooks = vec![pause("p1")];
        scene.stage(stage, 0);
        scene.now = scene.now.plus(Span::mins(120));
        scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
        assert!(matches!(scene.done.last(), Some(Action::Continue { .. })), "{stage}: {:?}", scene.waits());
        // ECS has taken the answer, and is still at the stage.
        scene.newest().hooks.clear();
        scene.look(&[]);
        scene.stage("SCALE_UP", 0);
        assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "{stage}");
    }
}

#[test]
fn law_6_a_long_bake_that_cannot_be_read_is_not_stopped_and_a_person_is_told_when_that_lasts() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.service().configuration["bakeTimeInMinutes"] = json!(300);
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(90));
    let well = scene.seen.native.clone();
    scene.seen.native = Reading::Unknown("throttled".to_owned());
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), calls(&scene)), ("deploying", 0, 0), "one failed read says nothing");
    scene.now = scene.now.plus(Span::mins(61));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), calls(&scene)), ("deploying", 0, 1));
    scene.seen.native = well;
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
}

#[test]
fn law_13_linear_steps_and_rolling_tasks_that_move_are_not_standing_still() {
    let mut scene = Scene::at("PRODUCTION_TRAFFIC_SHIFT", 5);
    for weight in 6..26 {
        scene.now = scene.now.plus(Span::mins(10));
        scene.stage("PRODUCTION_TRAFFIC_SHIFT", weight);
    }
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
    scene.now = scene.now.plus(Span::mins(76));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({ "bakeTimeInMinutes": 30 });
    scene.service().desired = 4;
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    for running in 1..=4 {
        scene.now = scene.now.plus(Span::mins(10));
        scene.newest().running = running;
        scene.look(&[]);
    }
    scene.service().running = 4;
    scene.now = scene.now.plus(Span::mins(60));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0), "all tasks run; it bakes");
    scene.now = scene.now.plus(Span::mins(60));
    scene.look(&[]);
    assert!(scene.status.quarantine.is_empty(), "tasks that came up are not to blame");
    assert_eq!((scene.phase(), scene.stops()), ("stopping", 1));
}

#[test]
fn law_15_a_stop_that_came_too_late_brings_the_previous_revision_back_before_what_waits() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    let rollout = scene.status.rollout.as_mut().expect("a rollout");
    rollout.config.on_new_push = crate::config::OnNewPush::Queue;
    let newer = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: newer }]);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    scene.look(&[]);
    let brought = scene.status.rollout.as_ref().map(|rollout| rollout.candidate.target.clone());
    assert_eq!(brought, Some(Target::Revision(revision(1))));
    assert!(scene.told.iter().any(|told| matches!(told, Milestone::Refused { what, .. } if what.contains("1.2.0"))));
}

#[test]
fn law_14_a_stop_that_came_too_late_does_not_overwrite_what_somebody_deployed_since() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::Successful;
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("idle", 1));
    assert!(matches!(scene.outcome(), Outcome::Superseded(_)));
}

#[test]
fn law_15_how_ours_ended_is_told_although_another_deployment_came_after_it() {
    for (status, quarantined) in [(DeploymentStatus::RollbackSuccessful, 1), (DeploymentStatus::Successful, 0)] {
        let mut scene = Scene::at("BAKE_TIME", 100);
        let now = scene.now;
        scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        scene.newest().status = status.clone();
        scene.service().deployments.insert(0, deployment(9, now, DeploymentStatus::InProgress));
        for _ in 0..3 {
            scene.look(&[]);
        }
        assert_eq!(scene.status.quarantine.len(), quarantined, "{status:?}");
        assert!(!matches!(scene.outcome(), Outcome::Superseded(_)), "{status:?}: {:?}", scene.outcome());
    }
}

#[test]
fn law_14_a_deployment_missing_from_an_answer_is_not_started_again_and_is_stopped_by_its_name() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.service().deployments.remove(0);
    for _ in 0..6 {
        scene.look(&[]);
    }
    assert_eq!((scene.phase(), scene.deploys()), ("deploying", 1));
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops() > 0, scene.deploys()), ("stopping", true, 1));
}

#[test]
fn law_13_what_ecs_ended_without_going_back_gives_way_to_a_rollback_or_a_push() {
    let stuck = || {
        let mut scene = Scene::at("BAKE_TIME", 100);
        scene.newest().status = DeploymentStatus::Stopped;
        scene.newest().reason = "ECS deployment circuit breaker: tasks failed to start.".to_owned();
        scene.service().task_definition = revision(2);
        scene.look(&[]);
        scene.look(&[]);
        assert_eq!((scene.phase(), calls(&scene), scene.status.quarantine.len()), ("deploying", 1, 1));
        scene
    };
    let mut scene = stuck();
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    for _ in 0..4 {
        scene.look(&[]);
    }
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(1)));
    assert!(
        !scene.told.iter().any(|told| matches!(told, Milestone::GoingBack { .. })),
        "there is nothing to take back"
    );
    let mut scene = stuck();
    let fix = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: fix }]);
    scene.look(&[]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");
    let base = scene.status.rollout.as_ref().and_then(|rollout| rollout.stable_revision.clone());
    assert_eq!(base, Some(revision(1)), "not the failed one");
}

#[test]
fn a_promote_for_a_pause_that_somebody_answered_elsewhere_is_not_for_the_next_one() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().hooks = vec![pause("a")];
    scene.stage("POST_TEST_TRAFFIC_SHIFT", 0);
    let step = scene.status.rollout.as_ref().map_or(9, |rollout| rollout.native.gates);
    scene.newest().hooks = vec![pause("b")];
    scene.newest().stage = Some("PRE_PRODUCTION_TRAFFIC_SHIFT".to_owned());
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step }]);
    assert!(!scene.done.iter().any(|action| matches!(action, Action::Continue { .. })));
    assert!(scene.told.iter().any(|told| matches!(told, Milestone::Declined { .. })));
}

#[test]
fn law_15_a_continue_that_is_refused_for_good_is_told_and_can_be_promoted_again() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().hooks = vec![pause("p1")];
    scene.stage("PRE_PRODUCTION_TRAFFIC_SHIFT", 0);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    let (effect, reason) = ("continue from the pause p1".to_owned(), "AccessDenied".to_owned());
    scene.seen.failures = vec![EffectFailure { effect, reason, permanent: true }];
    scene.look(&[]);
    assert_eq!((calls(&scene), scene.phase()), (1, "deploying"));
    assert!(matches!(scene.waits(), Waiting::Gate { .. }));
    scene.seen.failures.clear();
    let sent = |scene: &Scene| scene.done.iter().filter(|action| matches!(action, Action::Continue { .. })).count();
    let before = sent(&scene);
    let step = scene.status.rollout.as_ref().map_or(9, |rollout| rollout.native.gates);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step }]);
    assert_eq!(sent(&scene), before + 1);
}

#[test]
fn a_rollback_is_not_taken_back_by_the_alarm_of_what_it_cures_nor_replaced_by_a_push() {
    let mut scene = Scene::new("asDeclared");
    let to = Some(revision(1));
    scene.service().task_definition = revision(2);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[IntentKind::Rollback { rollout: None, to }]);
    let newer = image("1.2.0", 3, scene.now);
    scene.look(&[IntentKind::Push { image: newer }]);
    scene.look(&[]);
    assert!(
        matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(1)),
        "{:?} {:?} {:?}",
        scene.phase(),
        scene.waits(),
        scene.told
    );
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(1, now, DeploymentStatus::InProgress));
    scene.alarm(AlarmState::Ok);
    scene.stage("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops()), ("deploying", 0));
}

#[test]
fn law_8_what_was_taken_back_and_is_deployed_by_a_person_days_later_is_theirs() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.alarm(AlarmState::Alarm);
    scene.look(&[]);
    scene.newest().status = DeploymentStatus::RollbackSuccessful;
    scene.look(&[]);
    let (stops, told) = (scene.stops(), scene.told.len());
    scene.now = scene.now.plus(Span::mins(3 * 1_440));
    let now = scene.now;
    let mut theirs = deployment(2, now, DeploymentStatus::InProgress);
    theirs.arn.push_str("-again");
    scene.service().deployments.insert(0, theirs);
    scene.look(&[]);
    assert_eq!(scene.stops(), stops);
    assert!(matches!(&scene.told[told..], [Milestone::Foreign { .. }]), "{:?}", &scene.told[told..]);
}

#[test]
fn a_rollback_after_somebody_elses_deployment_goes_to_what_was_live_before_that() {
    let mut scene = Scene::at("BAKE_TIME", 100);
    scene.newest().status = DeploymentStatus::Successful;
    scene.service().task_definition = revision(2);
    scene.look(&[]);
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(5, now, DeploymentStatus::Successful));
    scene.service().task_definition = revision(5);
    scene.look(&[]);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    for _ in 0..3 {
        scene.look(&[]);
    }
    assert!(matches!(scene.done.last(), Some(Action::Deploy { revision: back, .. }) if *back == revision(2)));
}

#[test]
fn law_5_rolling_tasks_that_run_beside_the_old_ones_are_not_yet_healthy() {
    let mut scene = Scene::pushed("asDeclared");
    scene.service().configuration = json!({});
    let now = scene.now;
    scene.service().deployments.insert(0, deployment(2, now, DeploymentStatus::InProgress));
    scene.newest().running = 2;
    scene.service().running = 4;
    scene.look(&[]);
    scene.now = scene.now.plus(Span::mins(16));
    scene.look(&[]);
    assert_eq!((scene.phase(), scene.stops(), scene.status.quarantine.len()), ("stopping", 1, 1));
}
