//! What waits, in the queue and in the hold, and what comes to it.

use super::pushes::{held, refused};
use super::{declined, fired, push, silent, told};
use crate::config::OnNewPush;
use crate::decide::fixture::{Scene, image, revision};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::rollout::{ImageRef, IntentKind, Quarantined, Rollout, Wish};
use crate::time::{Span, Time};

/// A rollout goes back, and a deploy forced out of quarantine waits behind it.
fn forced_in_the_queue() -> Scene {
    let mut scene = Scene::pushed_until("baking");
    scene.status.quarantine.push(Quarantined {
        digests: [image("v3.0.0", 3, Time(3)).digest].into(),
        rollout: "shop-api-0".into(),
        reason: "an alarm".to_owned(),
        at: Time(3),
    });
    scene.look(&[IntentKind::Deploy { images: vec![image("v3.0.0", 3, Time(3))], force: true }]);
    scene
}

fn queued(scene: &Scene) -> (bool, Wish, usize) {
    let next = scene.status.next.as_ref().expect("it waits");
    (next.force, next.wish, next.target.digests().len())
}

fn of_proxy(version: u8) -> ImageRef {
    let image = image(&format!("v{version}.0.0"), 0xa0 + version, Time(u64::from(version)));
    ImageRef { repository: "shop-proxy".to_owned(), ..image }
}

#[test]
fn another_image_joins_a_forced_deploy_that_waits_and_is_not_refused_for_its_quarantine() {
    let mut scene = forced_in_the_queue();
    assert_eq!(queued(&scene), (true, Wish::Deploy, 1));
    scene.look(&[IntentKind::Push { image: of_proxy(7) }]);
    assert_eq!((queued(&scene), refused(&scene)), ((true, Wish::Deploy, 2), 0));
    // A person's other image joins it the same way.
    let mut scene = forced_in_the_queue();
    scene.look(&[IntentKind::Deploy { images: vec![of_proxy(7)], force: false }]);
    assert_eq!(queued(&scene), (true, Wish::Deploy, 2));
    scene.look(&[IntentKind::Deploy { images: vec![image("v4.0.0", 4, Time(4))], force: false }]);
    assert_eq!(queued(&scene), (false, Wish::Deploy, 2));
}

#[test]
fn law_6_a_push_that_takes_the_place_of_a_forced_deploy_in_the_queue_is_not_forced() {
    let mut scene = forced_in_the_queue();
    scene.look(&[push(4)]);
    assert_eq!(queued(&scene), (false, Wish::Push, 1));
    assert!(declined(&scene).is_some_and(|why| why.contains("takes its place")), "{:?}", told(&scene));
}

#[test]
fn law_14_what_was_forced_out_of_quarantine_in_the_queue_does_not_go_along_with_what_takes_its_place() {
    let one_of_two = |newer: IntentKind| {
        let mut scene = forced_in_the_queue();
        scene.look(&[IntentKind::Deploy { images: vec![of_proxy(7)], force: false }]);
        scene.look(&[newer]);
        assert_eq!((queued(&scene).0, queued(&scene).2), (false, 1), "{:?}", told(&scene));
        let said = |milestone: &&Milestone| matches!(milestone, Milestone::Declined { reason, .. } if reason.contains("does not go along"));
        assert_eq!(told(&scene).iter().filter(said).count(), 1, "{:?}", told(&scene));
    };
    one_of_two(IntentKind::Push { image: of_proxy(8) });
    one_of_two(IntentKind::Deploy { images: vec![of_proxy(8)], force: false });
}

#[test]
fn law_14_a_persons_deploy_stands_on_what_they_named_and_not_on_what_was_pushed_beside_it() {
    let wish = |version| IntentKind::Deploy { images: vec![image("v1.1.0", version, Time(1))], force: false };
    // In the queue: only the pushed image is replaced, of which no person needs to hear.
    let mut scene = Scene::pushed_until("baking");
    let pushes = [7, 8].map(|version| IntentKind::Push { image: of_proxy(version) });
    scene.look(&[pushes[0].clone()]);
    scene.look(&[wish(1)]);
    scene.look(&[pushes[1].clone()]);
    assert_eq!((queued(&scene), declined(&scene)), ((false, Wish::Deploy, 2), None));
    // What replaces the named one leaves a push.
    scene.look(&[push(4)]);
    assert_eq!(queued(&scene), (false, Wish::Push, 2));
    assert!(declined(&scene).is_some_and(|why| why.contains("shop-api:v4.0.0 came before")), "{:?}", told(&scene));
    // Held: what people know of is gone, so it is a rollout of its own; the deploy is still theirs.
    let mut scene = draining(wish(2));
    scene.look(&[pushes[0].clone()]);
    let id = scene.id();
    scene.look(&[pushes[1].clone()]);
    let held = holds(&scene);
    assert_eq!((held.candidate.wish, held.candidate.named.len(), refused(&scene)), (Wish::Deploy, 1, 1));
    assert_ne!(held.id, id);
}

/// What this wish makes is held: the other side still drains.
fn draining(first: IntentKind) -> Scene {
    let mut scene = Scene::new();
    scene.service(Colour::Green).desired = 1;
    scene.look(&[first]);
    scene.look(&[]);
    assert_eq!(scene.phase(), "holding");
    scene
}

fn holds(scene: &Scene) -> Rollout {
    scene.status.rollout.clone().expect("something is held")
}

fn deploy(images: &[ImageRef], force: bool) -> IntentKind {
    IntentKind::Deploy { images: images.to_vec(), force }
}

fn api(version: u8) -> ImageRef {
    image(&format!("v{version}.0.0"), version, Time(u64::from(version)))
}

fn quarantine(scene: &mut Scene, sets: &[&[ImageRef]]) {
    scene.status.quarantine.extend(sets.iter().map(|set| Quarantined {
        digests: set.iter().map(|image| image.digest.clone()).collect(),
        rollout: "shop-api-0".into(),
        reason: "an alarm".to_owned(),
        at: Time(3),
    }));
}

/// A rollout of v2.0.0 bakes, and what is wished waits for its end.
fn queueing() -> Scene {
    let mut scene = Scene::pushed_until("baking");
    scene.config.on_new_push = OnNewPush::Queue;
    scene.status.rollout.as_mut().expect("it bakes").config.on_new_push = OnNewPush::Queue;
    scene
}

#[test]
fn law_14_what_is_put_into_quarantine_while_it_waits_starts_by_force_only() {
    let ends = |force: bool| {
        let mut scene = queueing();
        scene.look(&[deploy(&[api(2)], force)]);
        scene.look(&[fired("green-5xx", scene.now)]);
        scene.obey();
        silent(&mut scene, Colour::Green);
        let mut refusals = Vec::new();
        for _ in 0..60 {
            scene.look(&[]);
            refusals.extend(told(&scene).into_iter().filter_map(|told| match told {
                Milestone::Refused { reason, .. } => Some(reason),
                _ => None,
            }));
            scene.obey();
            if matches!(scene.phase(), "starting" | "shifting") || scene.phase() == "idle" && !refusals.is_empty() {
                break;
            }
            scene.pass(Span::secs(30));
        }
        (scene.phase(), refusals)
    };
    let (phase, refusals) = ends(false);
    assert_eq!((phase, refusals.len()), ("idle", 1), "{refusals:?}");
    assert!(refusals[0].starts_with("it is in quarantine"), "{refusals:?}");
    assert_ne!(ends(true).0, "idle", "a person forces it");
}

#[test]
fn law_14_what_makes_a_quarantined_set_whole_is_refused_whatever_waits_and_however() {
    let pair = [api(2), of_proxy(8)];
    // With a held push, by a push and by a deploy.
    let mut scene = draining(push(2));
    quarantine(&mut scene, &[&pair]);
    scene.look(&[IntentKind::Push { image: of_proxy(8) }]);
    assert_eq!((refused(&scene), holds(&scene).candidate.target.digests().len()), (1, 1));
    scene.look(&[deploy(&[of_proxy(8)], false)]);
    assert!(declined(&scene).is_some_and(|why| why.contains("in quarantine")), "{:?}", told(&scene));
    assert_eq!(holds(&scene).candidate.target.digests().len(), 1);
    // With what was forced alone: that was not forced together with this.
    let mut scene = queueing();
    quarantine(&mut scene, &[&[api(3), of_proxy(8)]]);
    scene.look(&[deploy(&[api(3)], true)]);
    scene.look(&[deploy(&[of_proxy(8)], false)]);
    assert_eq!((queued(&scene), declined(&scene).is_some()), ((true, Wish::Deploy, 1), true));
    scene.look(&[deploy(&[of_proxy(8)], true)]);
    assert_eq!(queued(&scene), (true, Wish::Deploy, 2));
}

#[test]
fn law_6_force_ends_where_an_image_is_replaced_that_nobody_forced() {
    let mut scene = queueing();
    scene.look(&[push(3)]);
    scene.look(&[deploy(&[of_proxy(8)], true)]);
    scene.look(&[push(4)]);
    assert_eq!(queued(&scene), (false, Wish::Deploy, 2));
    let mut scene = held(push(2));
    let id = scene.id();
    scene.look(&[IntentKind::Pause { rollout: id.clone() }]);
    scene.look(&[deploy(&[of_proxy(8)], true)]);
    scene.look(&[push(3)]);
    let next = holds(&scene);
    assert_eq!((next.candidate.force, refused(&scene)), (false, 1));
    assert_ne!(next.id, id);
    assert!(next.paused.is_some(), "the proxy that was stopped does not start by a push beside it");
}

#[test]
fn people_hear_of_each_image_of_theirs_that_gives_way() {
    let mut scene = queueing();
    scene.look(&[deploy(&[api(3)], false)]);
    scene.look(&[deploy(&[of_proxy(7)], false)]);
    scene.look(&[deploy(&[api(4), of_proxy(8)], false)]);
    let declined = |told: &&Milestone| matches!(told, Milestone::Declined { .. });
    assert_eq!(told(&scene).iter().filter(declined).count(), 2, "{:?}", told(&scene));
    // A held push gives way to a person's redeploy.
    let mut scene = draining(push(2));
    scene.look(&[IntentKind::Redeploy]);
    assert_eq!(refused(&scene), 1, "{:?}", told(&scene));
}

#[test]
fn law_13_what_waits_for_a_revision_gives_way_to_a_persons_images_in_words_and_not_to_a_push() {
    let waiting = || {
        let mut scene = Scene::pushed_until("baking");
        scene.look(&[IntentKind::Rollback { rollout: Some(scene.id()), to: Some(revision(5)) }]);
        scene.obey();
        scene
    };
    let mut scene = waiting();
    assert!(scene.look(&[IntentKind::Push { image: of_proxy(8) }]).consumed.is_empty());
    assert_eq!(scene.status.next.as_ref().map(|next| next.wish), Some(Wish::RollbackTo));
    scene.look(&[deploy(&[of_proxy(8)], false)]);
    assert_eq!(queued(&scene), (false, Wish::Deploy, 1));
    assert!(declined(&scene).is_some_and(|why| why.contains("another wish")), "{:?}", told(&scene));
    // Held, a push waits until it has started.
    let mut scene = draining(IntentKind::Rollback { rollout: None, to: Some(revision(5)) });
    scene.look(&[push(3)]);
    scene.look(&[]);
    assert_eq!((holds(&scene).candidate.wish, queued(&scene)), (Wish::RollbackTo, (false, Wish::Push, 1)));
}

#[test]
fn law_14_force_covers_what_was_forced_and_not_what_goes_along() {
    // v2.0.0 waits unforced, another image beside it is forced, and then v2.0.0 is put into quarantine.
    for order in [[0, 1], [1, 0]] {
        let mut scene = queueing();
        let wishes = [deploy(&[api(2)], false), deploy(&[of_proxy(8)], true)];
        order.into_iter().for_each(|n: usize| drop(scene.look(&[wishes[n].clone()])));
        assert_eq!(queued(&scene), (true, Wish::Deploy, 2));
        scene.look(&[fired("green-5xx", scene.now)]);
        scene.obey();
        silent(&mut scene, Colour::Green);
        let mut left = false;
        for _ in 0..60 {
            scene.look(&[]);
            left |= declined(&scene).is_some_and(|why| why.contains("before this could start"));
            scene.obey();
            if matches!(scene.phase(), "starting" | "shifting") {
                break;
            }
            scene.pass(Span::secs(30));
        }
        assert_eq!((left, holds(&scene).candidate.target.digests()), (true, [of_proxy(8).digest].into()), "{order:?}");
    }
}

#[test]
fn a_pause_that_stays_is_told_and_ends_when_it_would_have() {
    let mut scene = draining(push(2));
    scene.look(&[IntentKind::Push { image: of_proxy(7) }]);
    scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
    let since = holds(&scene).since;
    scene.pass(Span::mins(50));
    scene.look(&[push(3)]);
    let told_of =
        |scene: &Scene| told(scene).iter().any(|told| format!("{told:?}").contains("flipback resume shop-api"));
    assert!(told_of(&scene), "{:?}", told(&scene));
    assert_eq!((holds(&scene).paused.is_some(), holds(&scene).since), (true, since));
    // A person's own deploy is no push beside it.
    scene.look(&[deploy(&[api(10)], true)]);
    scene.look(&[]);
    assert_eq!(holds(&scene).paused, None);
}

#[test]
fn wishes_of_one_look_count_in_the_order_they_came() {
    let mut scene = queueing();
    scene.look(&[push(4), deploy(&[api(3)], false)]);
    assert_eq!((queued(&scene), declined(&scene)), ((false, Wish::Deploy, 1), None), "the person spoke last");
    // Held: the push that came after the deploy takes its place, and that is told as it was.
    let mut scene = draining(deploy(&[api(2)], false));
    scene.look(&[deploy(&[api(5)], false), push(6)]);
    assert_eq!(holds(&scene).candidate.target.digests(), [api(6).digest].into());
    assert!(declined(&scene).is_some_and(|why| why.contains("v6.0.0 came before")), "{:?}", told(&scene));
}

#[test]
fn what_a_person_named_stays_theirs_where_a_push_beside_it_supersedes_the_rollout() {
    let mut scene = Scene::new();
    scene.look(&[deploy(&[api(3)], false)]);
    scene.until("baking");
    let first = scene.id();
    scene.look(&[IntentKind::Push { image: of_proxy(8) }]);
    while scene.status.next.is_some() || scene.id() == first {
        scene.obey();
        silent(&mut scene, Colour::Green);
        scene.pass(Span::secs(30));
        scene.look(&[]);
    }
    let next = holds(&scene).candidate;
    assert_eq!(next.target.digests().len(), 2);
    assert_eq!((next.wish, &next.named), (Wish::Deploy, &["shop-api".to_owned()].into()));
    // What it inherits is taken: an older version pushed later does not take its place.
    let mut scene = Scene::pushed_until("registering");
    scene.look(&[IntentKind::Push { image: of_proxy(8) }]);
    scene.look(&[IntentKind::Push { image: image("v1.5.0", 9, Time(900)) }]);
    let next = scene.status.next.clone().or(scene.status.rollout.map(|rollout| rollout.candidate)).expect("it waits");
    assert!(next.target.digests().contains(&api(2).digest), "{next:?}");
}

#[test]
fn every_quarantined_set_is_cut_whichever_is_older() {
    let sets = [vec![api(4)], vec![of_proxy(7)]];
    for order in [[0, 1], [1, 0]] {
        let mut scene = queueing();
        quarantine(&mut scene, &order.map(|n: usize| &sets[n][..]));
        scene.look(&[deploy(&[api(3), of_proxy(7)], true)]);
        scene.look(&[deploy(&[api(4)], true)]);
        assert_eq!(queued(&scene), (true, Wish::Deploy, 1), "{order:?}");
    }
}

#[test]
fn a_push_that_replaces_a_waiting_deploy_waits_its_quiet_time() {
    let mut scene = queueing();
    scene.config.quiet = Span::secs(60);
    scene.look(&[deploy(&[api(3)], false)]);
    assert_eq!(scene.status.next.as_ref().map(|next| next.quiet_until), Some(scene.now));
    scene.look(&[push(4)]);
    let next = scene.status.next.as_ref().expect("it waits");
    assert!(next.quiet_until > scene.now, "{next:?}");
}

#[test]
fn a_push_that_joins_a_push_waits_no_longer_than_that() {
    let mut scene = queueing();
    scene.look(&[push(3)]);
    let until = scene.status.next.as_ref().expect("it waits").quiet_until;
    scene.pass(Span::secs(5));
    scene.look(&[IntentKind::Push { image: of_proxy(7) }]);
    let next = scene.status.next.as_ref().expect("both wait");
    assert_eq!((next.target.digests().len(), next.quiet_until), (2, until));
}

#[test]
fn what_is_held_too_long_says_how_to_go_on() {
    let advice = |paused: bool| {
        let mut scene = if paused { Scene::pushed_until("holding") } else { draining(push(2)) };
        if paused {
            scene.look(&[IntentKind::Pause { rollout: scene.id() }]);
        }
        for _ in 0..100 {
            scene.pass(Span::mins(10));
            scene.look(&[]);
            for told in told(&scene) {
                if let Milestone::Refused { advice, .. } = told {
                    return advice;
                }
            }
        }
        panic!("it is held for ever")
    };
    assert!(advice(true).contains("flipback resume"), "{}", advice(true));
    assert!(!advice(false).contains("flipback resume"), "{}", advice(false));
}

#[test]
fn who_named_an_image_is_told_by_the_wish() {
    let mut scene = queueing();
    scene.look(&[deploy(&[api(3), of_proxy(7)], false)]);
    let whole = scene.status.next.clone().expect("it waits");
    assert!(whole.names("shop-api") && whole.names("shop-proxy") && !whole.names("shop"));
    scene.look(&[IntentKind::Push { image: of_proxy(8) }]);
    let part = scene.status.next.clone().expect("it waits");
    assert!(part.names("shop-api") && !part.names("shop-proxy"));
    let mut scene = queueing();
    scene.look(&[push(3)]);
    assert!(!scene.status.next.expect("it waits").names("shop-api"), "nobody did");
}

/// Of which of these images it is said that it is left behind, where the first two are in quarantine together.
fn left(images: &[ImageRef], new: &[ImageRef], forced: &[&str]) -> Option<String> {
    use crate::rollout::{Candidate, Images, Target};
    let map = |images: &[ImageRef]| -> Images {
        images.iter().map(|image| (image.repository.clone(), image.clone())).collect()
    };
    let held = Quarantined {
        digests: [of_proxy(1).digest, api(1).digest].into(),
        rollout: "shop-api-0".into(),
        reason: "an alarm".to_owned(),
        at: Time(3),
    };
    let candidate = Candidate {
        target: Target::Images(map(images)),
        wish: Wish::Deploy,
        at: Time(4),
        quiet_until: Time(4),
        force: !forced.is_empty(),
        named: Default::default(),
        forced: forced.iter().map(|name| (*name).to_owned()).collect(),
    };
    crate::decide::back::left_behind(&[held], &candidate, &map(new)).map(|image| image.repository)
}

#[test]
fn law_14_of_a_quarantined_set_that_lies_whole_what_is_not_new_is_left_behind() {
    let first = |image: ImageRef| ImageRef { repository: "a-first".to_owned(), ..image };
    let (api, proxy, other) = (api(1), of_proxy(1), first(of_proxy(9)));
    let all = [api.clone(), proxy.clone(), other.clone()];
    assert_eq!(left(&all, &[], &[]).as_deref(), Some("shop-api"), "of the set, not what goes beside it");
    assert_eq!(left(&all, std::slice::from_ref(&api), &[]).as_deref(), Some("shop-proxy"), "what is new stays");
    assert_eq!(left(&all, &[], &["shop-api"]).as_deref(), Some("shop-proxy"), "and what was forced");
    assert_eq!(left(&all, &[], &["shop-api", "shop-proxy"]), None, "all of it was");
    assert_eq!(left(&[api, other], &[], &[]), None, "only a part of it");
}

#[test]
fn what_is_forced_stays_so_until_nothing_of_it_is_left() {
    use crate::rollout::{Candidate, Target};
    let candidate = |named: &[&str], forced: &[&str]| Candidate {
        target: Target::Images([api(3), of_proxy(7)].map(|image| (image.repository.clone(), image)).into()),
        wish: Wish::Deploy,
        at: Time(4),
        quiet_until: Time(4),
        force: true,
        named: named.iter().map(|name| (*name).to_owned()).collect(),
        forced: forced.iter().map(|name| (*name).to_owned()).collect(),
    };
    let all = candidate(&[], &[]);
    assert!(all.names("shop-api") && all.names("shop-proxy"), "a deploy that names none of its images names all");
    let left = |forced: &[&str], leaves: &[&str]| {
        let mut candidate = candidate(&[], forced);
        leaves.iter().for_each(|name| candidate.leave(name));
        candidate.force
    };
    assert!(left(&["shop-api", "shop-proxy"], &["shop-api"]), "another one is left");
    assert!(!left(&["shop-api", "shop-proxy"], &["shop-api", "shop-proxy"]));
    assert!(!left(&["shop-api"], &["shop-api"]));
    assert!(left(&["shop-api"], &["shop-proxy"]), "that one was not forced");
    assert!(left(&[], &["shop-api"]), "all of them were, and one is left");
}
