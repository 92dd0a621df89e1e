//! What pushes do to one another and to what runs.

use super::{MS, cause, declined, fired, look_at, push, silent, told};
use crate::config::OnNewPush;
use crate::decide::fixture::{Scene, alarm, image};
use crate::decision::Waiting;
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::AlarmState;
use crate::rollout::{Cause, ImageRef, IntentKind, Outcome, Wish};
use crate::time::{Span, Time};

#[test]
fn a_newer_push_takes_the_place_of_a_running_rollout_and_keeps_its_other_image() {
    let mut scene = Scene::pushed_until("baking");
    let mut other = image("v7.0.0", 7, Time(9));
    other.repository = "shop-proxy".to_owned();
    scene.look(&[IntentKind::Push { image: other }]);
    scene.look(&[]);
    assert_eq!(cause(&scene), Some(Cause::Superseded));
    scene.obey();
    for _ in 0..40 {
        if scene.status.rollouts == 2 {
            break;
        }
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(10));
    }
    let second = scene.status.rollout.clone().unwrap();
    assert_eq!(second.candidate.target.digests().len(), 2);
    assert!(scene.status.quarantine.is_empty(), "superseded is no harm");
}

#[test]
fn with_queue_a_push_waits_for_the_running_rollout() {
    let mut scene = Scene::new();
    scene.config.on_new_push = crate::config::OnNewPush::Queue;
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until("baking");
    scene.look(&[IntentKind::Push { image: image("v3.0.0", 3, Time(3)) }]);
    scene.until("standby");
    assert!(scene.id().as_str().starts_with("shop-api-1-"));
    assert!(scene.status.next.is_some());
}

#[test]
fn a_push_in_standby_ends_the_standby() {
    let mut scene = Scene::pushed_until("standby");
    scene.look(&[IntentKind::Push { image: image("v3.0.0", 3, Time(3)) }]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "retiring");
}

#[test]
fn a_storm_of_pushes_is_taken_in_parts_and_alarms_go_first() {
    let mut scene = Scene::pushed_until("baking");
    let mut inbox: Vec<IntentKind> =
        (0..200).map(|n| IntentKind::Push { image: image(&format!("v3.0.{n}"), 9, Time(100 + n)) }).collect();
    inbox.push(fired("green-5xx", scene.now));
    let decision = scene.look(&inbox);
    assert!(decision.consumed.len() <= 50 && decision.consumed.contains(&"i200".into()));
    assert_eq!(scene.phase(), "returning");
}

#[test]
fn a_newer_push_waits_its_quiet_time_before_it_takes_a_place() {
    for (mode, phase) in [(OnNewPush::Supersede, "baking"), (OnNewPush::Queue, "standby")] {
        let mut scene = Scene::new();
        scene.config.on_new_push = mode;
        scene.config.quiet = Span::secs(30);
        scene.look(&[push(2)]);
        scene.until(phase);
        scene.look(&[push(3)]);
        let until = scene.now.plus(Span::secs(30));
        look_at(&mut scene, until.minus(MS));
        assert_eq!(scene.phase(), phase);
        look_at(&mut scene, until);
        assert_ne!(scene.phase(), phase);
    }
}

#[test]
fn a_push_that_comes_while_the_old_side_goes_to_rest_does_not_wait_for_that() {
    let mut scene = Scene::pushed_until("resting");
    scene.look(&[push(3)]);
    scene.pass(Span::mins(1));
    scene.look(&[]);
    assert_eq!(scene.status.last.as_ref().unwrap().outcome, Outcome::Completed);
    assert_eq!(scene.service(Colour::Blue).desired, 2);
    scene.looks(3);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::IdleColourBusy(_)), "it drains first");
}

#[test]
fn a_storm_of_pushes_is_gone_through_at_once_and_what_must_wait_is_not_asked_again_and_again() {
    let mut scene = Scene::pushed_until("baking");
    let storm = |first: u64| -> Vec<IntentKind> {
        (0..51).map(|n| IntentKind::Push { image: image("v1.0.0", 1, Time(first + n)) }).collect()
    };
    assert_eq!(scene.look(&storm(100)).look, Some(Span(0)));
    assert_eq!(scene.look(&storm(100)[..50]).look, Some(Span::secs(15)));
    // A person's wish stands before them: they stay in the inbox.
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("clearing");
    scene.look(&[IntentKind::Redeploy]);
    let decision = scene.look(&storm(100));
    assert!(decision.consumed.is_empty());
    assert_ne!(decision.look, Some(Span(0)));
}

#[test]
fn a_persons_deploy_that_waits_and_is_replaced_is_declined_in_words() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.look(&[IntentKind::Deploy { images: vec![image("v3.0.0", 3, Time(3))], force: false }]);
    scene.look(&[IntentKind::Deploy { images: vec![image("v3.0.0", 3, Time(3))], force: false }]);
    assert_eq!(declined(&scene), None, "the same again replaces nothing");
    scene.look(&[push(4)]);
    assert_eq!(
        declined(&scene).unwrap(),
        "shop-api:v4.0.0 came before it could start and takes its place",
        "{:?}",
        told(&scene)
    );
}

#[test]
fn what_is_in_quarantine_is_deployed_by_force_only() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    let deploy = |force| IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force };
    scene.look(&[deploy(false)]);
    assert!(declined(&scene).is_some_and(|why| why.contains("quarantine") && why.contains("--force")));
    assert_eq!(scene.status.next, None);
    scene.look(&[deploy(true)]);
    assert_eq!(declined(&scene), None);
    assert!(scene.status.next.is_some_and(|next| next.force));
}

/// A push, or a person's deploy, held by an alarm that fires.
pub(super) fn held(first: IntentKind) -> Scene {
    let mut scene = Scene::new();
    scene.seen.alarms.insert("lb-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[first]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "holding");
    scene
}

pub(super) fn refused(scene: &Scene) -> usize {
    told(scene).iter().filter(|told| matches!(told, Milestone::Refused { .. })).count()
}

#[test]
fn what_takes_the_place_of_a_held_push_is_a_rollout_of_its_own() {
    let mut scene = held(push(2));
    let first = scene.id();
    scene.look(&[IntentKind::Pause { rollout: first.clone() }]);
    scene.look(&[push(3)]);
    assert_ne!(scene.id(), first);
    assert_eq!(refused(&scene), 1, "people were told that it is held");
    assert_eq!(scene.status.rollout.as_ref().unwrap().paused, None, "the pause was for the one before");
    scene.look(&[IntentKind::Abort { rollout: first }]);
    assert_eq!((scene.phase(), declined(&scene).is_some()), ("holding", true));
}

#[test]
fn a_persons_held_deploy_is_not_replaced_without_a_word_and_what_replaced_it_is_a_push() {
    let deploy = || IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: false };
    let replaced = |quiet: bool| {
        let mut scene = held(deploy());
        // Told or not that it is held.
        scene.status.rollout.as_mut().unwrap().called = !quiet;
        scene.look(&[push(3)]);
        assert_eq!((refused(&scene), scene.status.rollout.as_ref().unwrap().candidate.wish), (1, Wish::Push));
        scene
    };
    replaced(false);
    let mut scene = replaced(true);
    // A push that nobody knows of yet goes quietly.
    scene.status.rollout.as_mut().unwrap().called = false;
    scene.look(&[push(4)]);
    assert_eq!(refused(&scene), 0);
    // What joins it leaves it a person's.
    let mut scene = held(deploy());
    let other = ImageRef { repository: "shop-proxy".to_owned(), ..image("v7.0.0", 7, Time(9)) };
    let id = scene.id();
    scene.look(&[IntentKind::Push { image: other }]);
    let rollout = scene.status.rollout.as_ref().unwrap();
    assert_eq!((refused(&scene), &rollout.id, rollout.candidate.wish), (0, &id, Wish::Deploy));
    assert_eq!(rollout.candidate.target.digests().len(), 2);
}

#[test]
fn law_14_what_was_forced_out_of_quarantine_does_not_go_along_with_the_push_that_takes_its_place() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    silent(&mut scene, Colour::Green);
    scene.until("idle");
    let proxy = |version: u8| ImageRef {
        repository: "shop-proxy".to_owned(),
        ..image(&format!("v{version}.0.0"), version, Time(u64::from(version)))
    };
    scene.service(Colour::Green).desired = 1;
    scene.look(&[IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2)), proxy(7)], force: true }]);
    let held = |scene: &Scene| scene.status.rollout.as_ref().unwrap().candidate.clone();
    assert_eq!((scene.phase(), held(&scene).force, held(&scene).target.digests().len()), ("holding", true, 2));
    scene.look(&[IntentKind::Push { image: proxy(8) }]);
    assert_eq!((held(&scene).force, held(&scene).target.digests()), (false, [proxy(8).digest].into()));
    assert!(declined(&scene).is_some_and(|why| why.contains("does not go along")), "{:?}", told(&scene));
}
