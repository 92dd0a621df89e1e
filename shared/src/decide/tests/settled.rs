//! No rollout runs: the watch over settled routes (law 8), and what begins the next rollout.

use super::{MS, confirmed, look_at, push, silent, throttled, told, written};
use crate::decide::fixture::{RULE, Scene, tg, weights};
use crate::decision::Waiting;
use crate::ids::{Colour, TargetGroupArn};
use crate::notice::Milestone;
use crate::observation::{Reading, RouteReading, TargetCounts};
use crate::time::Span;

/// Green is live, blue rests without tasks.
fn settled() -> Scene {
    let mut scene = Scene::pushed_until("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    scene.pass(Span::mins(1));
    scene
}

#[test]
fn law_8_settled_weights_are_put_right_after_exactly_the_confirmation() {
    let mut scene = settled();
    scene.look(&[]);
    scene.weigh(100, 0);
    let seen = scene.now;
    scene.look(&[]);
    let Waiting::ForeignWeights(what) = scene.last.clone().unwrap().waiting else { panic!("{:?}", scene.last) };
    assert_eq!(what, "3: shop-blue=100 shop-green=0");
    look_at(&mut scene, seen.plus(Span::secs(10)).minus(MS));
    assert_eq!(written(&scene), None);
    look_at(&mut scene, seen.plus(Span::secs(10)));
    assert_eq!(written(&scene), Some(weights(0, 100)));
}

#[test]
fn law_8_a_look_that_could_not_read_neither_ends_nor_forgets_what_it_saw() {
    let mut scene = settled();
    scene.weigh(100, 0);
    scene.look(&[]);
    let read = scene.seen.routes.insert(RULE.into(), throttled()).unwrap();
    scene.pass(Span::secs(15));
    scene.look(&[]);
    assert!(told(&scene).is_empty());
    scene.seen.routes.insert(RULE.into(), read);
    scene.pass(Span::secs(15));
    scene.look(&[]);
    assert_eq!(written(&scene), Some(weights(0, 100)), "seen twice, with a look between that saw nothing");
    scene.seen.routes.insert(RULE.into(), throttled());
    scene.look(&[]);
    assert!(told(&scene).is_empty(), "not told as put right before it is read so");
}

#[test]
fn law_8_what_was_put_right_is_put_right_again_only_after_an_hour() {
    let mut scene = settled();
    scene.weigh(100, 0);
    confirmed(&mut scene);
    scene.obey();
    scene.look(&[]);
    assert!(matches!(told(&scene)[..], [Milestone::Corrected { to: Colour::Green, .. }]));
    let right = scene.now;
    look_at(&mut scene, right.plus(Span::mins(60)).minus(MS));
    scene.weigh(100, 0);
    confirmed(&mut scene);
    assert_eq!(written(&scene), None, "a tool that sets them again is not fought");
    scene.weigh(0, 100);
    look_at(&mut scene, right.plus(Span::mins(60)));
    scene.weigh(100, 0);
    confirmed(&mut scene);
    assert_eq!(written(&scene), Some(weights(0, 100)));
}

#[test]
fn law_8_settled_weights_that_somebody_moved_to_a_healthy_side_are_the_new_rest() {
    let mut scene = settled();
    (scene.service(Colour::Blue).desired, scene.targets(Colour::Blue).healthy) = (2, 2);
    *scene.targets(Colour::Green) = TargetCounts::default();
    scene.weigh(100, 0);
    confirmed(&mut scene);
    assert_eq!(written(&scene), None);
    assert!(matches!(&told(&scene)[..], [Milestone::Changed { found }] if found.contains("shop-blue=100")));
    let now = scene.status.settled.clone().unwrap();
    assert_eq!((now.live, now.differs_since), (Colour::Blue, None));
    assert_eq!(now.weights[&RULE.into()], weights(100, 0));
}

#[test]
fn law_8_weights_split_by_somebody_over_two_healthy_sides_leave_the_live_one_as_it_was() {
    let mut scene = settled();
    (scene.service(Colour::Blue).desired, scene.targets(Colour::Blue).healthy) = (2, 2);
    scene.weigh(50, 50);
    confirmed(&mut scene);
    assert!(matches!(told(&scene)[..], [Milestone::Changed { .. }]));
    assert_eq!(scene.status.settled.unwrap().live, Colour::Green);
}

#[test]
fn law_8_another_target_groups_share_is_nobodys_outage() {
    let mut scene = settled();
    let legacy: TargetGroupArn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/legacy/9".into();
    let shares = [(tg(Colour::Blue), 0), (tg(Colour::Green), 90), (legacy, 10)].into_iter().collect();
    let reading = RouteReading { weights: shares, stickiness: None, unwritable: None };
    scene.seen.routes.insert(RULE.into(), Reading::Known(reading));
    confirmed(&mut scene);
    assert_eq!(written(&scene), None);
    assert!(matches!(told(&scene)[..], [Milestone::Changed { .. }]));
}

#[test]
fn law_8_settled_weights_are_left_where_no_side_is_known_to_live() {
    for (blue, green) in [
        (TargetCounts::default(), TargetCounts::default()),
        (TargetCounts { other: 2, ..Default::default() }, TargetCounts { healthy: 2, ..Default::default() }),
    ] {
        let mut scene = settled();
        (*scene.targets(Colour::Blue), *scene.targets(Colour::Green)) = (blue, green);
        scene.weigh(100, 0);
        confirmed(&mut scene);
        assert_eq!((written(&scene), told(&scene)), (None, vec![]));
        assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::ForeignWeights(_)));
        assert_eq!(scene.status.settled.unwrap().live, Colour::Green);
    }
}

#[test]
fn pushes_are_collected_until_exactly_the_quiet_times_end() {
    let mut scene = Scene::new();
    scene.config.quiet = Span::secs(30);
    let until = scene.now.plus(Span::secs(30));
    let decision = scene.look(&[push(2)]);
    assert_eq!((decision.waiting, decision.look), (Waiting::Quiet(until), Some(Span::secs(15))));
    look_at(&mut scene, until.minus(MS));
    assert_eq!((scene.phase(), scene.last.as_ref().unwrap().look), ("idle", Some(MS)));
    look_at(&mut scene, until);
    assert_eq!(scene.phase(), "holding");
}

#[test]
fn law_13_another_phase_is_looked_at_at_once_and_nothing_is_waited_for_in_silence() {
    let mut scene = Scene::new();
    scene.look(&[push(2)]);
    let mut phases = vec![];
    while scene.phase() != "idle" {
        let before = scene.phase();
        silent(&mut scene, Colour::Blue);
        let decision = scene.look(&[]);
        if scene.phase() == before {
            assert!(decision.look.is_some_and(|look| look > Span(0)), "{before}: {:?}", decision.look);
            assert!(!matches!(decision.waiting, Waiting::Idle | Waiting::NextLook), "{before}");
        } else {
            assert_eq!(decision.look, Some(Span(0)), "{before}");
            phases.push(before);
        }
        scene.obey();
        scene.pass(Span::secs(10));
    }
    phases.dedup();
    assert_eq!(phases[..3], ["holding", "registering", "starting"]);
    assert_eq!(phases[phases.len() - 3..], ["standby", "retiring", "resting"]);
    assert_eq!(scene.look(&[]).look, None, "at rest the sweep is enough");
}

#[test]
fn what_comes_next_is_said_when_a_rollout_ends_or_goes_on_without_a_word() {
    let mut scene = Scene::new();
    assert_eq!(scene.look(&[push(2)]).waiting, Waiting::NextLook);
    let mut scene = Scene::pushed_until("registering");
    scene.seen.registered = throttled();
    scene.pass(Span::mins(16));
    let decision = scene.look(&[]);
    assert_eq!((decision.waiting, decision.look, decision.ended), (Waiting::Idle, Some(Span(0)), true));
    let mut scene = Scene::pushed_until("registering");
    let decision = scene.look(&[push(3)]);
    assert_eq!((scene.phase(), decision.waiting), ("idle", Waiting::NextLook));
}
