//! What people ask for.

use super::{confirmed, declined, fired, raises, started, written};
use crate::decide::fixture::{RULE, Scene, alarm, image, revision, weights};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::observation::{AlarmState, Reading, RequestCount};
use crate::rollout::{ImageRef, IntentKind, Outcome, Phase, Quarantined, Target, Wish};
use crate::time::{Span, Time};

#[test]
fn a_rollback_in_standby_flips_and_after_the_end_redeploys() {
    let mut scene = Scene::pushed_until("standby");
    let decision = scene.look(&[IntentKind::Rollback { rollout: Some(scene.id()), to: None }]);
    assert_eq!(decision.effects[0].action, Action::Weights { route: RULE.into(), weights: weights(100, 0) });

    let mut scene = Scene::pushed_until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    let rollout = scene.status.rollout.clone().unwrap();
    assert_eq!(
        (rollout.candidate.wish, rollout.candidate.target),
        (Wish::RollbackTo, crate::rollout::Target::Revision(revision(1)))
    );
}

#[test]
fn a_wish_for_a_rollout_that_ended_is_declined_in_words() {
    let mut scene = Scene::pushed_until("baking");
    let abort = IntentKind::Abort { rollout: "shop-api-0".into() };
    let decision = scene.look(&[abort, IntentKind::Promote { rollout: scene.id(), step: 2 }]);
    assert_eq!(decision.notices.len(), 2);
    assert_eq!(scene.phase(), "baking");
}

#[test]
fn a_paused_rollout_stands_still_until_it_is_resumed() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    scene.pass(Span::mins(10));
    assert_eq!(scene.look(&[]).waiting, Waiting::Paused);
    scene.look(&[IntentKind::Resume { rollout: scene.id() }]);
    assert!(raises(&scene));
}

#[test]
fn a_pause_holds_a_rollout_that_has_not_begun() {
    let mut scene = Scene::pushed_until("holding");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    for _ in 0..5 {
        assert!(scene.look(&[]).effects.is_empty());
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.phase(), "holding");
}

#[test]
fn a_rollout_that_waits_for_a_person_can_be_given_up_and_no_other() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::GiveUp { rollout: scene.id() }]);
    assert_eq!(scene.phase(), "baking");
    scene.weigh(70, 30);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    scene.look(&[]);
    let decision = scene.look(&[IntentKind::GiveUp { rollout: scene.id() }]);
    assert!(decision.effects.is_empty());
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::GivenUp(_)));
}

#[test]
fn a_promote_ends_the_step_it_is_meant_for_and_no_other() {
    let mut scene = Scene::pushed_until("baking");
    let promote = |scene: &Scene, step| IntentKind::Promote { rollout: scene.id(), step };
    scene.look(&[promote(&scene, 1)]);
    assert!(declined(&scene).is_some() && !raises(&scene));
    scene.look(&[IntentKind::Promote { rollout: "another".into(), step: 0 }]);
    assert!(declined(&scene).is_some() && !raises(&scene));
    scene.look(&[promote(&scene, 0)]);
    assert!(declined(&scene).is_none() && raises(&scene));

    let mut scene = Scene::pushed_until("standby");
    scene.look(&[promote(&scene, 1)]);
    assert_eq!((declined(&scene).is_some(), scene.phase()), (true, "standby"));
    scene.look(&[promote(&scene, 2)]);
    assert_eq!((declined(&scene), scene.phase()), (None, "retiring"));
}

#[test]
fn a_promote_of_a_paused_rollout_is_declined_until_it_is_resumed() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    scene.look(&[IntentKind::Promote { rollout: scene.id(), step: 0 }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("flipback resume")));
    scene.look(&[IntentKind::Promote { rollout: "another".into(), step: 0 }]);
    assert!(declined(&scene).is_some_and(|why| !why.contains("flipback resume")));
    scene.look(&[IntentKind::Resume { rollout: scene.id() }]);
    assert!(!raises(&scene), "the promote of before is not remembered");
}

#[test]
fn a_wish_for_another_rollout_changes_nothing_and_is_declined() {
    let another = || crate::ids::RolloutId::from("another");
    for intent in [
        IntentKind::Pause { rollout: another() },
        IntentKind::Abort { rollout: another() },
        IntentKind::Rollback { rollout: Some(another()), to: Some(revision(1)) },
        IntentKind::GiveUp { rollout: another() },
    ] {
        let mut scene = Scene::pushed_until("baking");
        scene.status.rollout.as_mut().unwrap().called = true;
        let before = scene.status.rollout.clone();
        scene.look(std::slice::from_ref(&intent));
        assert!(declined(&scene).is_some(), "{intent:?}");
        assert_eq!((scene.status.rollout.clone(), &scene.status.next), (before, &None), "{intent:?}");
    }
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    scene.look(&[IntentKind::Resume { rollout: another() }]);
    assert!(declined(&scene).is_some());
    assert_eq!(scene.last.unwrap().waiting, Waiting::Paused);
}

#[test]
fn a_resume_takes_the_weights_found_for_its_own_and_goes_on_from_there() {
    for (phase, step) in [("baking", 0), ("standby", 2)] {
        let mut scene = Scene::pushed_until(phase);
        scene.weigh(70, 30);
        confirmed(&mut scene);
        scene.look(&[IntentKind::Resume { rollout: scene.id() }]);
        assert_eq!(scene.status.rollout.as_ref().unwrap().phase, Phase::Shifting { step });
        assert_eq!(scene.status.rollout.as_ref().unwrap().routes[&RULE.into()].previous, weights(70, 30));
        assert!(raises(&scene));
        scene.look(&[]);
        assert_eq!(scene.last.as_ref().unwrap().waiting, Waiting::WeightsTo([10, 50, 100][step]));
    }
}

#[test]
fn a_pause_before_the_start_starts_nothing_and_one_after_it_raises_nothing() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    assert_eq!((scene.last.as_ref().unwrap().effects.len(), scene.phase()), (0, "starting"));
    let mut scene = started();
    scene.service(Colour::Green).running = 1;
    scene.look(&[]);
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::Healthy(_)), "its tasks come up meanwhile");
    scene.service(Colour::Green).running = 2;
    scene.look(&[]);
    assert_eq!((raises(&scene), scene.last.as_ref().unwrap().waiting.clone()), (false, Waiting::Paused));
}

#[test]
fn an_abort_ends_what_has_begun_and_what_has_not() {
    let mut scene = Scene::pushed_until("holding");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(why) if why == "ada ended it"));

    let mut scene = Scene::pushed_until("baking");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert_eq!(written(&scene), Some(weights(100, 0)));
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("going back already")));

    let mut scene = Scene::pushed_until("resting");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("flipback rollback")));
    assert_eq!(scene.phase(), "resting");
}

#[test]
fn a_rollback_during_a_rollback_is_declined_unless_it_names_a_revision() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("going back already")));
    assert_eq!(scene.status.next, None);
    scene.look(&[IntentKind::Rollback { rollout: Some(scene.id()), to: Some(revision(7)) }]);
    assert_eq!(declined(&scene), None);
    assert_eq!(scene.status.next.unwrap().target, Target::Revision(revision(7)));
}

#[test]
fn a_rollback_without_anything_before_is_declined() {
    let mut scene = Scene::new();
    scene.look(&[IntentKind::Rollback { rollout: None, to: None }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("--to FAMILY:REVISION")));
}

#[test]
fn a_rollback_goes_although_alarms_fire_and_a_redeploy_does_not() {
    for (intent, goes) in
        [(IntentKind::Rollback { rollout: None, to: Some(revision(1)) }, true), (IntentKind::Redeploy, false)]
    {
        let mut scene = Scene::new();
        scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
        scene.look(&[intent]);
        scene.look(&[]);
        assert_eq!(scene.phase(), if goes { "starting" } else { "holding" });
    }
}

#[test]
fn a_release_lifts_what_holds_the_digest_and_lets_it_be_pushed_again() {
    let mut scene = Scene::pushed_until("baking");
    let (bad, other) = (image("v2.0.0", 2, Time(2)), image("v1.0.0", 1, Time(1)));
    scene.status.take(&ImageRef { repository: "shop-proxy".to_owned(), ..other.clone() });
    scene.look(&[fired("green-5xx", scene.now)]);
    let held = scene.status.quarantine[0].clone();
    scene.status.quarantine.push(Quarantined { digests: [other.digest.clone()].into(), ..held });
    scene.look(&[IntentKind::Release { digest: bad.digest.clone() }]);
    assert_eq!(declined(&scene), None);
    assert_eq!(
        scene.status.quarantine.iter().map(|held| held.digests.clone()).collect::<Vec<_>>(),
        [[other.digest.clone()].into()]
    );
    assert_eq!(scene.status.taken.keys().collect::<Vec<_>>(), ["shop-proxy"]);
    assert_eq!(scene.status.seen["shop-api"].digests, []);
    assert_eq!(scene.status.seen["shop-proxy"].digests, [other.digest]);
    scene.look(&[IntentKind::Push { image: bad.clone() }]);
    assert!(scene.status.next.is_some());
    let taken = scene.status.taken.clone();
    scene.look(&[IntentKind::Release { digest: bad.digest }]);
    assert!(declined(&scene).is_some_and(|why| why.contains("no image with this digest")));
    assert_eq!(scene.status.taken, taken, "what was taken stays taken");
    // Declined, it changes nothing: a push that arrives twice would start again.
    assert!(scene.status.taken.contains_key("shop-api") && scene.status.seen["shop-api"].digests.len() == 1);
}

#[test]
fn a_wish_that_takes_the_place_of_another_that_waits_says_so() {
    let to = |number| IntentKind::Rollback { rollout: None, to: Some(revision(number)) };
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.look(&[to(7)]);
    scene.look(&[to(7)]);
    assert_eq!(declined(&scene), None, "the same again replaces nothing");
    scene.look(&[to(6)]);
    assert!(declined(&scene).is_some_and(|why| why.contains("takes its place")));
    assert_eq!(scene.status.next.unwrap().target, Target::Revision(revision(6)));
}

#[test]
fn a_rollback_to_a_named_revision_is_taken_although_a_held_push_took_the_place_of_its_rollout() {
    let rollback = |to| IntentKind::Rollback { rollout: Some("shop-api-0-1".into()), to };
    let mut scene = Scene::pushed_until("holding");
    scene.look(&[rollback(None)]);
    assert!(declined(&scene).is_some() && scene.status.next.is_none(), "without a name it is for that one only");
    let mut scene = Scene::pushed_until("holding");
    scene.look(&[rollback(Some(revision(7)))]);
    assert_eq!(declined(&scene), None);
    scene.look(&[]);
    let rollout = scene.status.rollout.as_ref().unwrap();
    assert_eq!((rollout.candidate.wish, &rollout.candidate.target), (Wish::RollbackTo, &Target::Revision(revision(7))));
}

#[test]
fn a_rollback_of_a_rollout_that_has_ended_is_declined_unless_it_completed() {
    let asks = |outcome: Outcome| {
        let mut scene = Scene::pushed_until("resting");
        let ended = scene.id();
        scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests =
            Reading::Known(RequestCount { count: 0, complete_until: Time(u64::MAX) });
        scene.until("idle");
        scene.status.last.as_mut().unwrap().outcome = outcome;
        scene.look(&[IntentKind::Rollback { rollout: Some(ended), to: None }]);
        declined(&scene).is_some_and(|why| why.contains("its revision is not live"))
    };
    assert!(!asks(Outcome::Completed));
    assert!(asks(Outcome::Refused("an alarm".to_owned())));
}
