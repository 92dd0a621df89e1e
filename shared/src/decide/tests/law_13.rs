//! Nothing waits silently, or for ever (law 13).

use super::{MS, called, cause, failed, fired, look_at, silent, since, started, throttled};
use crate::decide::fixture::{RULE, Scene, image, tg};
use crate::decision::Waiting;
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{Reading, RouteReading};
use crate::rollout::{Cause, IntentKind, Outcome, Wish};
use crate::time::{Span, Time};

#[test]
fn law_13_a_candidate_that_never_gets_healthy_rolls_back_at_its_deadline() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.targets(Colour::Green).healthy = 0;
    scene.pass(Span::mins(16));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::NotHealthyInTime(what)) if what.contains("0 of 2 targets")));
}

#[test]
fn law_13_a_side_that_cannot_follow_in_size_ends_at_the_deadline() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..100 {
        scene.service(Colour::Blue).desired = 9;
        scene.look(&[]);
        scene.pass(Span::mins(1));
    }
    assert!(matches!(cause(&scene), Some(Cause::Deadline(_))), "{}", scene.phase());
}

#[test]
fn law_13_a_route_from_which_somebody_took_the_candidate_is_back_as_it_stands() {
    let mut scene = Scene::pushed_until("baking");
    let only_blue = [(tg(Colour::Blue), 100)].into_iter().collect();
    let reading = RouteReading { weights: only_blue, stickiness: None, unwritable: None };
    scene.seen.routes.insert(RULE.into(), Reading::Known(reading));
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "clearing");
    silent(&mut scene, Colour::Green);
    for _ in 0..40 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(10));
    }
    assert_eq!(scene.phase(), "idle");
}

#[test]
fn law_13_a_push_that_comes_behind_a_persons_wish_waits_in_the_inbox() {
    let mut scene = Scene::pushed_until("baking");
    scene.config.on_new_push = crate::config::OnNewPush::Queue;
    scene.look(&[IntentKind::Redeploy]);
    let mut inbox = vec![IntentKind::Push { image: image("v4.0.0", 4, Time(9)) }];
    scene.status.next = scene.status.next.clone().or(Some(crate::rollout::Candidate {
        target: crate::rollout::Target::Live,
        wish: Wish::Redeploy,
        at: scene.now,
        quiet_until: scene.now,
        force: false,
        named: Default::default(),
        forced: Default::default(),
    }));
    let decision = scene.look(&inbox);
    assert!(decision.consumed.is_empty());
    scene.status.next = None;
    let decision = scene.look(&inbox);
    assert_eq!((decision.consumed.len(), scene.status.next.is_some()), (1, true));
    // A wish that takes a waiting push's place says so.
    inbox = vec![IntentKind::Redeploy];
    assert!(matches!(scene.look(&inbox).notices[0].milestone, Milestone::Refused { .. }));
}

#[test]
fn law_13_a_revision_that_cannot_be_registered_is_given_up_at_the_deadline() {
    for (reading, words) in [(throttled(), "in time: throttled"), (Reading::Known(None), "in time")] {
        let mut scene = Scene::pushed_until("registering");
        scene.seen.registered = reading;
        let ends = since(&scene).plus(Span::mins(15));
        look_at(&mut scene, ends.minus(MS));
        assert_eq!(scene.phase(), "registering");
        assert_eq!(scene.last.as_ref().unwrap().waiting, Waiting::Registration);
        look_at(&mut scene, ends);
        assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(why) if why.ends_with(words)));
    }
}

#[test]
fn law_13_a_pause_puts_the_starts_deadline_off_and_blames_nobody() {
    let mut scene = started();
    let begun = since(&scene);
    scene.targets(Colour::Green).healthy = 1;
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    let ends = scene.now.plus(Span::mins(60));
    assert!(ends > begun.plus(Span::mins(15)));
    look_at(&mut scene, ends.minus(MS));
    assert_eq!(scene.phase(), "starting");
    look_at(&mut scene, ends);
    assert!(matches!(cause(&scene), Some(Cause::Deadline(_))));
    assert!(scene.status.quarantine.is_empty());
}

#[test]
fn law_13_a_step_that_is_not_read_back_goes_back_at_its_deadline_with_awss_words() {
    let mut scene = Scene::pushed_until("shifting");
    scene.seen.routes.insert(RULE.into(), throttled());
    let ends = since(&scene).plus(Span::mins(60));
    look_at(&mut scene, ends.minus(MS));
    assert_eq!(scene.phase(), "shifting");
    scene.seen.failures = vec![failed(false)];
    look_at(&mut scene, ends);
    let why = "10 % was not read back from every route in time: service unavailable".to_owned();
    assert_eq!(cause(&scene), Some(Cause::Deadline(why)));
}

#[test]
fn law_13_a_pause_in_standby_keeps_the_old_side_warm_but_not_for_ever() {
    let mut scene = Scene::pushed_until("standby");
    let planned = since(&scene).plus(Span::mins(10));
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    let ends = planned.plus(Span::mins(60));
    look_at(&mut scene, ends.minus(MS));
    assert_eq!((scene.phase(), scene.last.as_ref().unwrap().waiting.clone()), ("standby", Waiting::Paused));
    look_at(&mut scene, ends);
    assert_eq!(scene.phase(), "retiring");
}

#[test]
fn law_13_the_last_way_back_does_not_close_unseen_nor_stay_open_for_ever() {
    let mut scene = Scene::pushed_until("standby");
    let planned = since(&scene).plus(Span::mins(10));
    scene.seen.alarms.insert("green-5xx".into(), throttled());
    let ends = planned.plus(Span::mins(60));
    for at in [planned, ends.minus(MS)] {
        look_at(&mut scene, at);
        assert_eq!(scene.phase(), "standby");
        assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::Unknown(_)));
    }
    look_at(&mut scene, ends);
    assert_eq!(scene.phase(), "retiring");
}

#[test]
fn law_13_behind_the_door_an_unreadable_route_is_waited_for_and_a_person_called_in_time() {
    let mut scene = Scene::pushed_until("retiring");
    let ends = since(&scene).plus(Span::mins(60));
    let read = scene.seen.routes.insert(RULE.into(), throttled()).unwrap();
    look_at(&mut scene, ends.minus(MS));
    assert_eq!((scene.phase(), called(&scene)), ("retiring", None));
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::Unknown(_)));
    look_at(&mut scene, ends);
    assert!(called(&scene).is_some_and(|why| why.contains("cannot be read")));
    scene.seen.routes.insert(RULE.into(), read);
    scene.look(&[]);
    assert_eq!(scene.phase(), "resting");
}

#[test]
fn law_13_a_side_that_does_not_come_to_rest_calls_a_person_once_in_time() {
    let mut cleared = Scene::pushed_until("baking");
    cleared.look(&[fired("green-5xx", cleared.now)]);
    cleared.obey();
    cleared.until("clearing");
    for mut scene in [Scene::pushed_until("resting"), cleared] {
        let (phase, ends) = (scene.phase(), since(&scene).plus(Span::mins(60)));
        look_at(&mut scene, ends.minus(MS));
        assert_eq!((scene.phase(), called(&scene)), (phase, None));
        look_at(&mut scene, ends);
        assert!(called(&scene).is_some_and(|why| why.contains("does not come to rest")), "{phase}");
        scene.look(&[]);
        assert_eq!(called(&scene), None, "once");
    }
}
