//! Revisions, never backwards, and the truth (laws 12, 14 and 15).

use super::{MS, all_at_once, called, cause, declined, failed, fired, forced, look_at, push, silent, told, written};
use crate::config::ImageRule;
use crate::decide::fixture::{RULE, Scene, image, revision, weights};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::Reading;
use crate::rollout::{Cause, ImageRef, IntentKind};
use crate::time::{Span, Time};

#[test]
fn law_12_a_registration_whose_answer_was_lost_is_not_sent_again_while_it_may_land() {
    let mut scene = Scene::pushed_until("registering");
    scene.seen.registered = Reading::Known(None);
    assert_eq!(scene.look(&[]).effects.len(), 1);
    scene.pass(Span::secs(20));
    assert!(scene.look(&[]).effects.is_empty());
    scene.pass(Span::secs(21));
    assert_eq!(scene.look(&[]).effects.len(), 1);
}

#[test]
fn law_14_a_duplicate_an_older_and_a_quarantined_push_start_nothing() {
    let mut scene = Scene::pushed_until("baking");
    let push = |tag: &str, digest, at| IntentKind::Push { image: image(tag, digest, Time(at)) };
    scene.look(&[push("v2.0.0", 2, 3), push("v1.9.0", 1, 1)]);
    assert_eq!(scene.status.next, None);
    scene.look(&[fired("green-5xx", scene.now)]);
    assert_eq!(scene.status.quarantine.len(), 1);
    scene.look(&[push("v3.0.0", 3, 4)]);
    scene.look(&[push("v2.0.0-again", 2, 5)]);
    let next = scene.status.next.clone().unwrap();
    assert_eq!(next.target.digests().len(), 1);
    assert!(next.target.digests().contains(&image("v3.0.0", 3, Time(4)).digest));
}

#[test]
fn law_15_completed_is_told_only_after_100_percent_was_read_and_baked() {
    let mut scene = Scene::pushed_until("baking");
    while scene.phase() != "standby" {
        let told = scene.last.as_ref().is_some_and(|decision| {
            decision.notices.iter().any(|notice| matches!(notice.milestone, Milestone::Completed { .. }))
        });
        assert!(!told);
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(10));
    }
    assert!(matches!(scene.last.unwrap().notices[0].milestone, Milestone::Completed { .. }));
}

#[test]
fn a_write_that_is_not_permitted_turns_back_at_once_instead_of_waiting_for_a_deadline() {
    let mut scene = Scene::pushed_until("shifting");
    scene.weigh(100, 0);
    scene.seen.failures = vec![crate::observation::EffectFailure {
        effect: "set weights".to_owned(),
        reason: "not authorized to perform: elasticloadbalancing:ModifyRule".to_owned(),
        permanent: true,
    }];
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Failed(why)) if why.contains("ModifyRule")));
}

#[test]
fn a_deadline_that_passed_for_want_of_answers_does_not_put_the_image_in_quarantine() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    for colour in scene.seen.colours.values_mut() {
        colour.targets.clear();
    }
    scene.pass(Span::mins(16));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Deadline(_))));
    assert!(scene.status.quarantine.is_empty());
}

#[test]
fn law_15_nothing_is_completed_while_a_route_cannot_be_read() {
    let mut scene = all_at_once("baking");
    scene.seen.routes.insert(RULE.into(), Reading::Unknown("RuleNotFound".to_owned()));
    for _ in 0..20 {
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.phase(), "baking");
    scene.pass(Span::mins(61));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Deadline(_))), "nor does it wait for ever");
}

#[test]
fn law_14_of_two_pushes_of_one_second_the_older_version_gives_way_whatever_their_order() {
    for order in [["v2.0.0", "v3.0.0"], ["v3.0.0", "v2.0.0"]] {
        let mut scene = Scene::new();
        let push = |tag: &str| IntentKind::Push { image: image(tag, tag.as_bytes()[1], Time(7)) };
        scene.look(&[push(order[0]), push(order[1])]);
        let rollout = scene.status.rollout.clone().unwrap();
        assert_eq!(crate::decide::draft::what(&rollout.candidate), "shop-api:v3.0.0", "{order:?}");
    }
}

#[test]
fn law_15_a_rollback_that_did_not_take_is_told_as_that_after_two_minutes() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    let turned = scene.now;
    look_at(&mut scene, turned.plus(Span::mins(2)).minus(MS));
    assert_eq!((called(&scene), written(&scene)), (None, Some(weights(100, 0))));
    scene.seen.failures = vec![failed(false)];
    look_at(&mut scene, turned.plus(Span::mins(2)));
    assert!(called(&scene).is_some_and(|why| why.contains("has not taken") && why.ends_with(": service unavailable")));
    assert_eq!(scene.phase(), "returning");
}

#[test]
fn law_15_each_step_and_the_way_back_are_told_with_their_numbers() {
    let mut scene = Scene::pushed_until("shifting");
    let mut steps = vec![];
    while scene.phase() != "standby" {
        scene.look(&[]);
        steps.extend(told(&scene).into_iter().filter_map(|milestone| match milestone {
            Milestone::Step { what, weight, number, of, .. } => Some((what, weight, number, of)),
            _ => None,
        }));
        scene.obey();
        scene.pass(Span::secs(10));
    }
    let step = |weight, number| ("shop-api:v2.0.0".to_owned(), weight, number, 3);
    assert_eq!(steps, [step(10, 1), step(50, 2), step(100, 3)]);

    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    let digest = image("v2.0.0", 2, Time(2)).digest;
    assert!(matches!(&told(&scene)[..], [Milestone::GoingBack { weight: 10, .. }]));
    let turned = scene.now;
    scene.obey();
    scene.look(&[]);
    assert_eq!((scene.phase(), told(&scene)), ("clearing", vec![]), "what is read may be from before the last write");
    while told(&scene).is_empty() {
        scene.pass(Span::secs(10));
        scene.look(&[]);
    }
    let [Milestone::RolledBack { quarantined, took, .. }] = &told(&scene)[..] else { panic!("{:?}", told(&scene)) };
    assert_eq!((&quarantined[..], *took), (&[digest][..], scene.now.since(turned)));
    scene.looks(5);
    assert_eq!(told(&scene), [], "once");
}

#[test]
fn law_15_a_revision_is_told_by_its_name_and_as_a_rollback_where_it_is_one() {
    for (intent, name) in [
        (IntentKind::Rollback { rollout: None, to: Some(revision(1)) }, "shop-api:1 (rollback by redeploy)"),
        (IntentKind::Redeploy, "the live revision again"),
    ] {
        let mut scene = Scene::new();
        scene.look(&[intent]);
        scene.look(&[]);
        assert!(matches!(&told(&scene)[..], [Milestone::Started { what, .. }] if what == name), "{:?}", told(&scene));
    }
}

#[test]
fn law_14_the_same_images_are_in_quarantine_once_and_others_stay_there() {
    let mut scene = Scene::new();
    for (n, again) in [2, 3, 2].into_iter().enumerate() {
        scene.look(&[forced(again)]);
        scene.until("baking");
        silent(&mut scene, Colour::Green);
        scene.look(&[fired("green-5xx", scene.now)]);
        scene.obey();
        let held: Vec<_> = scene.status.quarantine.iter().flat_map(|held| held.digests.clone()).collect();
        let expected = [&[2][..], &[2, 3], &[3, 2]][n];
        assert_eq!(held, expected.iter().map(|&n| image("", n, Time(0)).digest).collect::<Vec<_>>());
        scene.until("idle");
        scene.seen.registered = Reading::Known(None);
        scene.pass(Span::mins(1));
    }
}

#[test]
fn law_14_two_images_that_hurt_together_are_quarantined_together() {
    let mut scene = Scene::new();
    let proxy = ImageRef { repository: "shop-proxy".to_owned(), ..image("v7.0.0", 7, Time(2)) };
    scene.config.images.push(ImageRule { repository: "shop-proxy".to_owned(), ..scene.config.images[0].clone() });
    scene.look(&[push(2), IntentKind::Push { image: proxy }]);
    scene.until("baking");
    silent(&mut scene, Colour::Green);
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("idle");
    let one = IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: false };
    scene.look(&[one]);
    assert_eq!(declined(&scene), None, "one of them alone is not what hurt");
}

#[test]
fn law_14_what_was_forced_out_of_quarantine_does_not_go_along_with_the_next_push() {
    let mut scene = Scene::new();
    let sidecar = |version: u8| ImageRef {
        repository: "shop-proxy".to_owned(),
        ..image(&format!("v{version}.0.0"), version + 100, Time(u64::from(version) + 100))
    };
    let rule = ImageRule { repository: "shop-proxy".to_owned(), ..scene.config.images[0].clone() };
    scene.config.images.push(rule);
    scene.look(&[push(2)]);
    scene.until("starting");
    scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    scene.until("idle");
    assert_eq!(scene.status.quarantine.len(), 1);
    scene.look(&[forced(2)]);
    scene.until("starting");
    scene.look(&[IntentKind::Push { image: sidecar(3) }]);
    let mut declined_deploy = false;
    for _ in 0..200 {
        scene.look(&[]);
        declined_deploy |= declined(&scene).is_some_and(|reason| reason.contains("quarantine"));
        if scene.status.rollouts == 3 {
            break;
        }
        scene.obey();
        scene.pass(Span::secs(10));
    }
    let rollout = scene.status.rollout.clone().expect("the sidecar's rollout");
    assert_eq!(crate::decide::draft::what(&rollout.candidate), "shop-proxy:v3.0.0");
    assert!(declined_deploy, "and that is told");
}

#[test]
fn law_15_weights_on_the_stable_side_are_not_laid_to_somebody_else_for_sure() {
    let mut scene = Scene::pushed_until("baking");
    // A flip back was written, the store did not take the status, and ECS has replaced the tasks that ailed.
    scene.weigh(100, 0);
    let mut all = Vec::new();
    for _ in 0..4 {
        scene.look(&[]);
        all.extend(told(&scene));
        scene.pass(Span::secs(10));
    }
    let [Milestone::Call { why, .. }] = &all[..] else { panic!("{all:?}") };
    assert!(why.contains("could not be saved"), "{why}");
}
