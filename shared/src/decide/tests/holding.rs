//! What holds or refuses a push before anything is touched.

use super::{MS, confirmed, forced, look_at, push, throttled, told};
use crate::config::Mode;
use crate::decide::fixture::{RULE, Scene, alarm, image, revision, tg, weights};
use crate::decision::Waiting;
use crate::ids::{Colour, RouteArn};
use crate::notice::Milestone;
use crate::observation::{AlarmState, Reading, RouteReading};
use crate::rollout::{ImageRef, IntentKind, Outcome, Target, Wish};
use crate::time::{Span, Time};

#[test]
fn an_alarm_that_fires_already_holds_a_push_and_a_forced_deploy_goes() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.look(&[]);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::AlarmsFiring(_)));
    assert_eq!(scene.phase(), "holding");
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    assert_eq!(scene.phase(), "registering");

    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: true }]);
    scene.until("standby");
}

#[test]
fn a_push_held_past_its_deadline_is_given_up_with_a_notice() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.look(&[]);
    scene.pass(Span::mins(61));
    let decision = scene.look(&[]);
    assert!(matches!(&decision.notices[0].milestone, Milestone::Refused { reason, .. } if reason.contains("lb-5xx")));
    assert_eq!(scene.phase(), "idle");
}

#[test]
fn an_alarm_that_does_not_exist_refuses_by_name() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), Reading::Known(None));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(why) if why.contains("lb-5xx")));
}

#[test]
fn weights_on_both_colours_are_refused_with_the_command_that_repairs_them() {
    let mut scene = Scene::new();
    scene.weigh(50, 50);
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    let mut advice = String::new();
    for _ in 0..4 {
        for notice in scene.look(&[]).notices {
            if let Milestone::Refused { advice: text, .. } = notice.milestone {
                advice = text;
            }
        }
        scene.pass(Span::secs(10));
    }
    assert!(advice.contains("aws elbv2 modify-rule") && advice.contains(tg(Colour::Blue).as_str()), "{advice}");
}

#[test]
fn mode_observe_decides_tells_and_changes_nothing() {
    let mut scene = Scene::new();
    scene.config.mode = crate::config::Mode::Observe;
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    let decision = scene.look(&[]);
    assert!(decision.effects.is_empty());
    assert!(matches!(decision.notices[0].milestone, Milestone::Observed { .. }));
    assert_eq!(scene.status.last.unwrap().outcome, Outcome::Observed);
}

#[test]
fn an_alarm_without_data_holds_the_push_before_anything_runs() {
    let mut scene = Scene::new();
    let Reading::Known(Some(mut reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
    reading.missing_is_quiet = false;
    scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(reading)));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.look(&[]);
    assert!(matches!(&scene.last.as_ref().unwrap().waiting, Waiting::Unknown(why) if why.contains("notBreaching")));
    scene.look(&[IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: true }]);
    scene.until("standby");
}

#[test]
fn an_image_refused_for_what_was_wrong_around_it_can_be_pushed_again() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), Reading::Known(None));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    assert_eq!(scene.phase(), "idle", "the same event again is nothing new");
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(3)) }]);
    assert_eq!(scene.phase(), "holding");
}

#[test]
fn a_push_that_can_never_start_is_refused_on_the_second_look_with_what_to_do() {
    type Spoil = fn(&mut Scene);
    let spoils: [(Spoil, &str, &str); 7] = [
        (|s| s.service(Colour::Green).undrivable = Some("it is a daemon".to_owned()), "daemon", "plain rolling"),
        (|s| s.service(Colour::Blue).target_groups.clear(), "has no target group", "attach one"),
        (
            |s| s.seen.colours.get_mut(&Colour::Green).unwrap().service = Reading::Known(None),
            "no active ECS service shop-api-green in cluster production",
            "create it",
        ),
        (|s| s.service(Colour::Blue).desired = 0, "the live side (blue) wants 0 tasks", "give it tasks"),
        (
            |s| {
                let only_blue = [(tg(Colour::Blue), 100)].into_iter().collect();
                let reading = RouteReading { weights: only_blue, stickiness: None, unwritable: None };
                s.seen.routes.insert(RULE.into(), Reading::Known(reading));
            },
            "route 3: the route does not forward to a target group of each colour",
            "mend the rule",
        ),
        (|s| s.seen.alarms.extend([("lb-5xx".into(), Reading::Known(None))]), "no alarm named lb-5xx", "create it"),
        (|s| s.weigh(0, 0), "no colour holds all weight (3: shop-blue=0 shop-green=0)", "put all weight on"),
    ];
    for (spoil, reason, advice) in spoils {
        let mut scene = Scene::new();
        scene.look(&[push(2)]);
        spoil(&mut scene);
        scene.look(&[]);
        let seen = scene.now;
        look_at(&mut scene, seen.plus(Span::secs(10)).minus(MS));
        assert_eq!((scene.phase(), told(&scene)), ("holding", vec![]), "{reason}: it may be a stale read");
        look_at(&mut scene, seen.plus(Span::secs(10)));
        let [Milestone::Refused { what, reason: why, advice: help }] = &told(&scene)[..] else { panic!("{reason}") };
        assert!(what == "shop-api:v2.0.0" && why.contains(reason) && help.contains(advice), "{why} / {help}");
        assert_eq!(scene.phase(), "idle");
    }
}

#[test]
fn a_push_waits_for_what_may_still_come() {
    type Spoil = fn(&mut Scene);
    let spoils: [(&str, Spoil); 4] = [
        ("blue: throttled", |s| s.seen.colours.get_mut(&Colour::Blue).unwrap().service = throttled()),
        ("route 3: throttled", |s| drop(s.seen.routes.insert(RULE.into(), throttled()))),
        ("green's scalable target: throttled", |s| {
            s.seen.colours.get_mut(&Colour::Green).unwrap().scaling = throttled();
        }),
        ("somebody is deploying to the live side (blue)", |s| {
            let old = s.service(Colour::Blue).deployments[0].clone();
            s.service(Colour::Blue).deployments.push(old);
        }),
    ];
    for (words, spoil) in spoils {
        let mut scene = Scene::new();
        let well = (scene.seen.colours.clone(), scene.seen.routes.clone());
        scene.look(&[push(2)]);
        spoil(&mut scene);
        scene.looks(5);
        let waiting = scene.last.clone().unwrap().waiting.to_string();
        assert!(scene.phase() == "holding" && waiting.contains(words), "{waiting}");
        (scene.seen.colours, scene.seen.routes) = well;
        scene.look(&[]);
        assert_eq!(scene.phase(), "registering");
    }
}

#[test]
fn a_held_push_is_told_once_with_what_it_waits_for() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[push(2)]);
    scene.look(&[]);
    assert!(matches!(&told(&scene)[..], [Milestone::Held { waits_for, .. }] if waits_for.contains("lb-5xx")));
    scene.look(&[]);
    assert!(told(&scene).is_empty());
    // Only what the alarms say is told; a reading that fails now and then is not.
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), throttled());
    scene.look(&[push(2)]);
    scene.look(&[]);
    assert!(told(&scene).is_empty());
}

#[test]
fn the_repair_gives_all_weight_to_the_side_that_lives_on_the_first_route_that_needs_it() {
    let group = |colour, weight| format!("{{TargetGroupArn={},Weight={weight}}}", tg(colour));
    for (blue, green, live) in [(2, 2, Colour::Blue), (0, 2, Colour::Green), (0, 0, Colour::Blue)] {
        let mut scene = Scene::new();
        let second = RouteArn(RULE.replace("listener-rule", "listener"));
        if let crate::config::Engine::Managed(managed) = &mut scene.config.engine {
            managed.routes.push(second.clone());
        }
        scene.weigh(u32::from(live == Colour::Blue), u32::from(live == Colour::Green));
        let mixed = RouteReading { weights: weights(50, 50), stickiness: None, unwritable: None };
        scene.seen.routes.insert(second.clone(), Reading::Known(mixed));
        scene.targets(Colour::Blue).healthy = blue;
        scene.targets(Colour::Green).healthy = green;
        scene.look(&[push(2)]);
        confirmed(&mut scene);
        let [Milestone::Refused { advice, .. }] = &told(&scene)[..] else { panic!("{:?}", told(&scene)) };
        assert!(advice.contains(&format!("modify-listener --listener-arn {second} --default-actions")), "{advice}");
        assert!(advice.contains(&group(live, 100)) && advice.contains(&group(live.other(), 0)), "{advice}");
    }
}

#[test]
fn a_push_that_was_only_observed_is_a_candidate_once_it_may_act() {
    let mut scene = Scene::new();
    scene.config.mode = Mode::Observe;
    let proxy = ImageRef { repository: "shop-proxy".to_owned(), ..image("v7.0.0", 7, Time(2)) };
    scene.status.take(&proxy);
    scene.look(&[push(2)]);
    scene.look(&[]);
    assert_eq!(scene.status.taken.keys().collect::<Vec<_>>(), ["shop-proxy"]);
}

#[test]
fn law_14_what_takes_the_place_of_a_held_push_is_told_and_is_a_rollout_of_its_own() {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[push(2)]);
    scene.look(&[]);
    let first = scene.status.rollout.clone().unwrap();
    assert!(first.called, "people know that it is held");
    scene.look(&[push(3)]);
    let mut all = told(&scene);
    scene.look(&[]);
    all.extend(told(&scene));
    let second = scene.status.rollout.clone().unwrap();
    assert_ne!(first.id, second.id);
    let (old, new) = (super::super::draft::what(&first.candidate), super::super::draft::what(&second.candidate));
    let replaced = |told: &Milestone| matches!(told, Milestone::Refused { what, reason, .. } if *what == old && reason.contains(&new));
    let held = |told: &Milestone| matches!(told, Milestone::Held { what, .. } if *what == new);
    assert!(all.iter().any(replaced) && all.iter().any(held), "{all:?}");
    // What was meant for the first one does not strike the second.
    scene.look(&[IntentKind::Abort { rollout: first.id }]);
    assert_eq!(scene.status.rollout.as_ref().map(|rollout| &rollout.id), Some(&second.id));
    assert!(told(&scene).iter().any(|told| matches!(told, Milestone::Declined { .. })));
    assert!(scene.status.quarantine.is_empty());
}

#[test]
fn a_wish_that_comes_while_a_push_is_held_takes_its_place_or_joins_it_in_the_same_rollout() {
    let held = || {
        let mut scene = Scene::new();
        scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
        scene.look(&[push(2)]);
        scene.look(&[]);
        scene
    };
    let proxy = ImageRef { repository: "shop-proxy".to_owned(), ..image("v7.0.0", 7, Time(7)) };
    let mut scene = held();
    scene.look(&[IntentKind::Deploy { images: vec![proxy], force: true }]);
    let rollout = scene.status.rollout.clone().unwrap();
    assert_eq!((rollout.phase.name(), scene.status.rollouts, &scene.status.next), ("registering", 1, &None));
    assert_eq!((rollout.candidate.target.digests().len(), rollout.candidate.wish), (2, Wish::Deploy));

    let mut scene = held();
    scene.look(&[IntentKind::Rollback { rollout: None, to: Some(revision(1)) }]);
    let rollout = scene.status.rollout.clone().unwrap();
    assert_eq!((rollout.phase.name(), scene.status.rollouts, &scene.status.next), ("starting", 2, &None));
    assert_eq!(rollout.candidate.target, Target::Revision(revision(1)));

    // What was forced stays so when more images join it; another image in its place was not forced.
    for (joins, joined) in [(true, ImageRef { repository: "shop-proxy".to_owned(), ..image("v7.0.0", 7, Time(7)) })]
        .into_iter()
        .chain([(false, image("v3.0.0", 3, Time(3)))])
    {
        let mut scene = Scene::new();
        scene.service(Colour::Green).running = 1;
        scene.look(&[forced(2)]);
        scene.look(&[]);
        scene.look(&[IntentKind::Deploy { images: vec![joined], force: false }]);
        assert_eq!((scene.phase(), scene.status.rollout.unwrap().candidate.force), ("holding", joins));
    }
}
