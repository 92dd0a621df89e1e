//! Pauses, gates, and who answers them.

use super::*;

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
fn a_pause_that_was_answered_is_not_answered_again_while_looks_are_stale() {
    let mut scene = paused();
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    scene.now = scene.now.minus(Span::secs(13));
    for _ in 0..2 {
        scene.look(&[]);
        scene.now = scene.now.minus(Span::secs(13));
    }
    let continues =
        |scene: &Scene| scene.done.iter().filter(|action| matches!(action, Action::Continue { .. })).count();
    assert_eq!(continues(&scene), 1);
    scene.now = scene.now.plus(Span::mins(2));
    scene.look(&[]);
    assert_eq!(continues(&scene), 2, "it was lost");
}

#[test]
fn a_promote_that_comes_with_a_look_that_reads_nothing_is_kept_for_the_pause_it_was_meant_for() {
    let continues = |scene: &Scene| {
        let answers = scene.done.iter().filter(|action| matches!(action, Action::Continue { .. }));
        (answers.count(), scene.told.iter().filter(|told| matches!(told, Milestone::Declined { .. })).count())
    };
    for passed in [false, true] {
        let mut scene = Scene::at("SCALE_UP", 0);
        scene.newest().hooks = vec![pause("a")];
        scene.stage("POST_TEST_TRAFFIC_SHIFT", 0);
        let read = scene.seen.native.clone();
        scene.seen.native = Reading::Unknown("throttled".to_owned());
        scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
        scene.look(&[]);
        assert_eq!(continues(&scene), (0, 0));
        scene.seen.native = read;
        if passed {
            scene.newest().hooks = vec![pause("b")];
        }
        scene.look(&[]);
        assert_eq!(continues(&scene), if passed { (0, 1) } else { (1, 0) }, "{:?}", scene.told);
        scene.look(&[]);
        assert_eq!(continues(&scene).1, usize::from(passed), "once");
    }
}

#[test]
fn a_promote_is_kept_although_the_answer_lacks_the_deployment_and_declined_in_words_when_that_ends_first() {
    let declined = |scene: &Scene| {
        let promotes =
            scene.told.iter().filter(|told| matches!(told, Milestone::Declined { wish, .. } if wish == "promote"));
        promotes.count()
    };
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().hooks = vec![pause("a")];
    scene.stage("POST_TEST_TRAFFIC_SHIFT", 0);
    let read = scene.seen.native.clone();
    scene.service().deployments.remove(0);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert_eq!(declined(&scene), 0, "{:?}", scene.told);
    scene.seen.native = read;
    let mut ended = scene.clone();
    scene.look(&[]);
    assert!(matches!(scene.done.last(), Some(Action::Continue { .. })), "{:?}", scene.done);
    // The other way: the pause's time was up, and ECS went back, before anything could be read.
    ended.newest().status = DeploymentStatus::RollbackSuccessful;
    ended.newest().hooks.clear();
    ended.look(&[]);
    ended.look(&[]);
    assert_eq!((ended.phase(), declined(&ended)), ("idle", 1), "{:?}", ended.told);
}

#[test]
fn of_two_pauses_the_one_that_was_told_is_answered() {
    let mut scene = Scene::at("SCALE_UP", 0);
    scene.newest().hooks = vec![pause("a")];
    scene.stage("POST_TEST_TRAFFIC_SHIFT", 0);
    scene.newest().hooks = vec![pause("b"), pause("a")];
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    let answered = scene.done.iter().find_map(|action| match action {
        Action::Continue { hook, .. } => Some(hook.clone()),
        _ => None,
    });
    assert_eq!(answered.as_deref(), Some("a"), "{:?}", scene.told);
}

#[test]
fn law_15_only_an_answer_that_is_refused_for_good_calls_a_person_and_counts_as_another_gate() {
    let refused = |effect: &str, permanent: bool| {
        let mut scene = Scene::at("SCALE_UP", 0);
        scene.newest().hooks = vec![pause("p-1")];
        scene.stage("POST_TEST_TRAFFIC_SHIFT", 0);
        scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
        let (effect, reason) = (effect.to_owned(), "refused".to_owned());
        scene.seen.failures = vec![EffectFailure { effect, reason, permanent }];
        scene.look(&[]);
        (calls(&scene), scene.status.rollout.as_ref().expect("a rollout").native.gates)
    };
    assert_eq!(refused("continue from the pause p-1", true), (1, 1));
    assert_eq!((refused("continue from the pause p-1", false), refused("tidy the family", true)), ((0, 0), (0, 0)));
}
