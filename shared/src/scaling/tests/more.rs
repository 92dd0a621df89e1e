//! Tasks that are replaced, cooldowns, what Application Auto Scaling did, both sides of a rollout, and other regions.

use super::policies::{cpu, with};
use super::*;
use crate::config::Engine;

fn looked(sight: &Sight, past: &Past) -> Judged {
    let (config, status) = (native("{}"), Status::default());
    let both = subjects(&config, &status, None).expect("one");
    judge(&config, &status, &both, sight, past)
}

fn found(judged: &Judged) -> Vec<FindingKind> {
    judged.found.iter().map(Finding::kind).collect()
}

/// So many minutes ago a count was wanted.
fn went(steps: &[(u64, u32)]) -> Past {
    let mut past = Past::default();
    for (ago, desired) in steps {
        past.note(Step { at: NOW.minus(Span::mins(*ago)), desired: *desired, running: *desired, max: Some(10) });
    }
    past
}

#[test]
fn tasks_are_replaced_again_and_again_from_four_times_an_hour_on() {
    use FindingKind::TasksReplaced as Replaced;
    let seen = |started: &[(u64, u32)], past: &Past| {
        let started = started.iter().map(|(ago, many)| (NOW.minus(Span::mins(*ago)), *many)).collect();
        let judged = looked(&sight(Counts { started, ..counts(4, 4) }, Some(target(2, 10))), past);
        (found(&judged), judged.unknown.contains(&(Replaced, Role::Live)))
    };
    let steady = went(&[(90, 4)]);
    let each = |agos: &[u64]| agos.iter().map(|ago| (*ago, 1)).collect::<Vec<_>>();
    assert_eq!(seen(&each(&[2, 14, 26, 38]), &steady), (vec![Replaced], false));
    assert_eq!(seen(&each(&[2, 14, 26]), &steady), (vec![], true), "neither");
    assert_eq!(seen(&each(&[2, 14]), &steady), (vec![], false));
    assert_eq!(seen(&each(&[2, 14, 26, 61]), &steady), (vec![], true), "of the last hour");
    assert_eq!(seen(&[(11, 4), (13, 4)], &steady), (vec![], true), "a maintenance replaces all of them at once");
    assert_eq!(seen(&each(&[2, 14, 26, 38]), &went(&[(90, 1), (30, 2), (10, 3)])), (vec![], false), "it grew");
    assert_eq!(seen(&each(&[2, 14, 26, 38]), &went(&[(20, 4)])), (vec![], false), "how it went before is not known");
    let grown = went(&[(180, 1), (61, 4)]);
    assert_eq!(seen(&each(&[36, 42, 48, 54]), &grown), (vec![], false), "wanted an hour ago, and placed since");
    let many = |desired: u32, each: u32| {
        let started = [2, 14, 26, 38].map(|ago| (NOW.minus(Span::mins(ago)), each)).to_vec();
        let past = went(&[(180, desired)]);
        found(&looked(&sight(Counts { started, ..counts(desired, desired) }, Some(target(2, 300))), &past))
    };
    assert_eq!((many(200, 1), many(200, 5)), (vec![], vec![Replaced]), "a few of many come and go");
    assert_eq!(seen(&each(&[2, 14, 26, 38]), &Past::default()), (vec![], false));
    let why = |ago: u64| {
        let started = [2, 14, 26, 38].map(|ago| (NOW.minus(Span::mins(ago)), 1)).to_vec();
        let trouble = Some((NOW.minus(Span::mins(ago)), "failed container health checks.".to_owned()));
        let judged = looked(&sight(Counts { started, trouble, ..counts(4, 4) }, Some(target(2, 10))), &steady);
        judged.found[0].to_string().contains("ECS says: failed container health checks.")
    };
    assert!(why(60) && !why(61));
    let deploying = Counts { deploying: true, ..counts(4, 4) };
    assert!(looked(&sight(deploying, None), &steady).unknown.contains(&(Replaced, Role::Live)));
}

#[test]
fn a_cooldown_is_long_where_the_load_rises_meanwhile() {
    use FindingKind::{LongCooldown as Long, SlowScaleOut as Slow};
    let look = |seconds: Option<u32>, level: &[u32], past: &Past, desired: u32| {
        let mut policy = cpu();
        if let Moves::Tracking { cooldown, .. } = &mut policy.moves {
            *cooldown = seconds;
        }
        let mut seen = with(vec![policy]);
        seen.services.insert("shop-api".to_owned(), Reading::Known(Some(counts(desired, desired))));
        seen.loads.insert("shop-api".to_owned(), load::load(level, &[30; 15], &[0; 15]));
        let judged = looked(&seen, past);
        let unknown = |kind| judged.unknown.contains(&(kind, Role::Live));
        (found(&judged), [Long, Slow].into_iter().filter(|kind| unknown(*kind)).collect::<Vec<_>>())
    };
    let grew = went(&[(90, 3), (8, 4)]);
    let just = went(&[(90, 3), (4, 4)]);
    let (risen, busy) = ([40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 78, 80, 85, 90, 95], [90; 15]);
    assert_eq!(look(Some(600), &risen, &grew, 4), (vec![Long], vec![]));
    assert_eq!(look(Some(600), &busy, &grew, 4), (vec![Long], vec![Slow]), "told once");
    assert_eq!(look(Some(300), &risen, &grew, 4), (vec![], vec![]), "AWS's own");
    assert_eq!(look(None, &risen, &grew, 4), (vec![], vec![]));
    assert_eq!(look(Some(600), &risen, &went(&[(90, 4)]), 4), (vec![], vec![]), "it waits for nothing");
    assert_eq!(look(Some(420), &risen, &grew, 4), (vec![], vec![]), "it has waited");
    assert_eq!(look(Some(600), &risen, &just, 4), (vec![], vec![]), "it has just added some for this");
    assert_eq!(look(Some(600), &[90; 4], &grew, 4), (vec![], vec![Long, Slow]), "four minutes");
    assert_eq!(look(Some(600), &[77; 15], &grew, 4).1, [Long, Slow], "a tenth above its target at most");
    assert_eq!(look(Some(600), &[70; 15], &grew, 4), (vec![], vec![]));
    assert_eq!(look(Some(600), &risen, &went(&[(90, 3), (8, 10)]), 10).0, [FindingKind::AtMax], "no room");
}

#[test]
fn what_application_auto_scaling_did_is_asked_only_where_it_matters() {
    use FindingKind::{AtMax, ScalingFails as Fails};
    let full = |activities: Option<Reading<Vec<Activity>>>| {
        let mut seen = sight(counts(10, 10), Some(target(2, 10)));
        seen.activities = activities.map(|all| ("shop-api".to_owned(), all)).into_iter().collect();
        looked(&seen, &Past::default())
    };
    let activity = |ago: u64, failed: Option<&str>, full: bool| Activity {
        at: NOW.minus(Span::mins(ago)),
        failed: failed.map(str::to_owned),
        refused: full,
        full,
    };
    let unread = full(None);
    assert!(wants_activities(&unread, &Memory::default()) && unread.unknown.contains(&(Fails, Role::Live)));
    let fine = looked(&sight(counts(4, 4), Some(target(2, 10))), &Past::default());
    let key = (Fails, Role::Live);
    assert!(!wants_activities(&fine, &Memory::default()) && !fine.unknown.contains(&key), "nothing is missing");
    assert!(fine.untried.contains(&key), "and it is not over: nothing was tried");
    let (finding, since) = (
        Finding { role: Role::Live, service: "shop-api".to_owned(), what: What::ScalingFails { why: String::new() } },
        NOW,
    );
    let open = Open { finding, since, seen: 2, missed: 0, counted: NOW, told: Some(Severity::Critical) };
    assert!(wants_activities(&fine, &Memory { open: vec![open], past: Past::default() }), "until it is seen to work");
    let of = |all: Vec<Activity>| full(Some(Reading::Known(all)));
    let refused = |judged: &Judged| match judged.found[0].what {
        What::AtMax { refused, .. } => refused.map(|at| NOW.since(at)),
        _ => None,
    };
    let wanted = of(vec![activity(3, None, false), activity(15, None, true)]);
    assert_eq!((refused(&wanted), wanted.found[0].severity()), (Some(Span::mins(15)), Severity::Critical));
    assert_eq!(refused(&of(vec![activity(16, None, true)])), None, "long ago");
    let failed = of(vec![activity(30, Some("no permission"), false)]);
    assert_eq!(found(&failed), [AtMax, Fails]);
    assert!(failed.found[1].to_string().ends_with("shop-api set: no permission"));
    assert_eq!(found(&of(vec![activity(31, Some("no permission"), false)])), [AtMax]);
    assert_eq!(
        found(&of(vec![activity(1, None, false), activity(2, Some("no permission"), false)])),
        [AtMax],
        "it went on"
    );
    let after = of(vec![activity(1, None, true), activity(2, Some("no permission"), false)]);
    assert_eq!(found(&after), [AtMax, Fails], "what was refused on purpose was no success");
    assert!(of(vec![activity(1, None, true)]).untried.contains(&key));
    let works = of(vec![activity(1, None, false)]);
    assert!(!works.silent(key), "it was seen to work");
    opens_and_ends(Fails, &failed, &works);
    assert!(full(Some(Reading::Unknown("throttled".to_owned()))).unknown.contains(&(Fails, Role::Live)));
}

#[test]
fn both_sides_of_a_rollout_are_kept_in_step() {
    let rests = Suspended { scale_in: true, ..Suspended::default() };
    let seen = |live: u32, new: u32, flags: (Suspended, Suspended)| {
        let mut seen = sight(counts(live, live), None);
        for (name, desired, suspended) in [("blue", live, flags.0), ("green", new, flags.1)] {
            let name = format!("shop-api-{name}");
            seen.services.insert(name.clone(), Reading::Known(Some(counts(desired, desired))));
            seen.targets.insert(name, Reading::Known(Some(ScalingReading { suspended, ..target(2, 10) })));
        }
        seen
    };
    let judged = |phase: &str, seen: &Sight| {
        let scene = Scene::pushed_until(phase);
        let both = subjects(&scene.config, &scene.status, None).expect("a rollout runs");
        judge(&scene.config, &scene.status, &both, seen, &Past::default())
    };
    let told = |phase: &str, seen: &Sight| {
        let found = judged(phase, seen).found.into_iter().filter(|finding| finding.role == Role::Candidate);
        found.map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told("baking", &seen(4, 4, (rests, rests))), [""; 0]);
    assert_eq!(told("baking", &seen(4, 5, (rests, rests))), [""; 0]);
    let small = "shop-api-green may get traffic with 3 tasks wanted; the other side wants 4";
    assert_eq!(told("baking", &seen(4, 3, (rests, rests))), [small]);
    let shrinks = "shop-api-green may get traffic with 4 tasks wanted; the other side wants 4; scale-in is not suspended on shop-api-blue";
    assert_eq!(told("baking", &seen(4, 4, (Suspended::default(), rests))), [shrinks]);
    assert_eq!(told("starting", &seen(4, 0, (rests, Suspended::default()))), [""; 0], "it has no traffic yet");
    let mut unread = seen(4, 3, (rests, rests));
    unread.targets.insert("shop-api-blue".to_owned(), Reading::Unknown("throttled".to_owned()));
    assert!(judged("baking", &unread).unknown.contains(&(FindingKind::OutOfStep, Role::Candidate)));
    let mut none = seen(4, 4, (rests, rests));
    none.targets.values_mut().for_each(|target| *target = Reading::Known(None));
    assert_eq!(told("baking", &none), [""; 0], "nothing scales them");
    let (apart, together) =
        (judged("baking", &seen(4, 3, (rests, rests))), judged("baking", &seen(4, 4, (rests, rests))));
    opens_and_ends(FindingKind::OutOfStep, &apart, &together);
}

#[test]
fn what_is_in_another_region_is_told_and_nothing_else_is() {
    let scene = Scene::new();
    let at = |region: Option<&str>, config: &ServiceConfig| {
        let mut seen = sight(counts(10, 10), Some(target(2, 10)));
        seen.region = region.map(str::to_owned);
        let status = Status::default();
        judge(config, &status, &subjects(config, &status, Some(Colour::Blue)).unwrap(), &seen, &Past::default())
    };
    let elsewhere = at(Some("eu-west-1"), &scene.config);
    assert_eq!(found(&elsewhere), [FindingKind::OtherRegion]);
    assert!(elsewhere.found[0].to_string().contains("listener-rule/app/shop/1/2/3, and Flipback runs in eu-west-1"));
    assert!(elsewhere.unknown.contains(&(FindingKind::AtMax, Role::Live)));
    assert!(!found(&at(Some("us-east-1"), &scene.config)).contains(&FindingKind::OtherRegion));
    assert!(!found(&at(None, &scene.config)).contains(&FindingKind::OtherRegion));
    opens_and_ends(FindingKind::OtherRegion, &elsewhere, &at(Some("us-east-1"), &scene.config));
    let mut plain = native("{}");
    assert_eq!(found(&at(Some("eu-west-1"), &plain)), [FindingKind::AtMax], "names are of this region");
    plain.cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/production".to_owned();
    assert_eq!(found(&at(Some("eu-west-1"), &plain)), [FindingKind::OtherRegion]);
    assert!(matches!(plain.engine, Engine::Native(_)));
    plain.scaling.ignore.insert(FindingKind::OtherRegion);
    assert_eq!(found(&at(Some("eu-west-1"), &plain)), []);
}

#[test]
fn a_digest_tells_what_is_open_the_worst_first() {
    let memory = |kinds: &[(FindingKind, u64, bool)]| {
        let open = kinds.iter().map(|(kind, minutes, told)| {
            let what = match kind {
                FindingKind::AtMax => What::AtMax { max: 8, above: None, refused: None },
                _ => What::Gone,
            };
            let finding = Finding { role: Role::Live, service: "shop".to_owned(), what };
            let (severity, since) = (finding.severity(), NOW.minus(Span::mins(*minutes)));
            Open { finding, since, seen: 2, missed: 0, counted: NOW, told: told.then_some(severity) }
        });
        Memory { open: open.collect(), past: Past::default() }
    };
    let of = |all: &[(&str, Memory)]| {
        let all: Vec<_> = all.iter().map(|(name, memory)| ((*name).into(), memory.clone())).collect();
        match digest(&all, NOW).milestone {
            crate::notice::Milestone::ScalingDigest { services, unseen, affected, critical, findings, more } => {
                ((services, unseen), affected, critical, findings, more)
            }
            other => panic!("{other:?}"),
        }
    };
    let busy = memory(&[(FindingKind::AtMax, 20, true), (FindingKind::AtMax, 10, true), (FindingKind::Gone, 5, true)]);
    let untold = memory(&[(FindingKind::Gone, 5, false)]);
    let (services, affected, critical, findings, more) = of(&[("a", busy), ("b", untold), ("c", Memory::default())]);
    assert_eq!((services, affected, critical, more), ((3, 1), 1, 1, 0));
    let full = "warning: shop is at its maximum of 8 tasks: it cannot grow any more";
    assert_eq!(findings, ["critical: there is no active ECS service shop", full, full]);
    let names: Vec<String> = (0..31).map(|n| format!("s{n:02}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), memory(&[(FindingKind::AtMax, 20, true)]))).collect();
    let (_, affected, _, findings, more) = of(&many);
    assert_eq!((affected, findings.len(), more), (31, 12, 19));
}

#[test]
fn what_lasts_gets_worse_after_an_hour_or_a_day() {
    use FindingKind as Kind;
    let after = |kind: Kind| kind.worsens().map(|span| span.0 / 60_000);
    assert_eq!([Kind::AtMax, Kind::LongCooldown, Kind::OutOfStep].map(after), [Some(60); 3]);
    assert_eq!([Kind::Suspended, Kind::Unreadable, Kind::TasksReplaced].map(after), [Some(1440); 3]);
    assert_eq!([Kind::ScalingFails, Kind::OtherRegion].map(after), [None; 2]);
}

#[test]
fn why_tasks_ended_is_asked_where_that_says_more_and_told() {
    let of = |definition: &str, ago: u64, why: &str, memory: bool| Stop {
        at: NOW.minus(Span::mins(ago)),
        definition: definition.to_owned(),
        why: why.to_owned(),
        memory,
    };
    let stop = |ago: u64, why: &str, memory: bool| of("", ago, why, memory);
    let with =
        |stops: Reading<Vec<Stop>>, seen: Sight| Sight { stops: [("shop-api".to_owned(), stops)].into(), ..seen };
    let words = |sight: &Sight, past: &Past| {
        looked(sight, past).found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let trouble = Some((NOW.minus(Span::mins(2)), "unable to place a task".to_owned()));
    let missing = sight(Counts { trouble, ..counts(4, 3) }, Some(target(2, 10)));
    let fine = sight(counts(4, 4), Some(target(2, 10)));
    let none = Past::default();
    assert!(wants_stops(&looked(&missing, &none)) && !wants_stops(&looked(&fine, &none)));
    assert!(words(&missing, &none).ends_with("ECS says: unable to place a task"));
    let died = with(Reading::Known(vec![stop(30, "it crashed", false), stop(50, "before", false)]), missing.clone());
    let both = "ECS says: unable to place a task; a task ended: it crashed";
    assert!(words(&died, &none).ends_with(both), "{}", words(&died, &none));
    let just = with(Reading::Known(vec![stop(1, "it crashed", false)]), missing.clone());
    assert!(
        words(&just, &none).ends_with("ECS says: a task ended: it crashed; unable to place a task"),
        "the newest first"
    );
    let before = with(Reading::Known(vec![of("shop:6", 1, "it crashed", false)]), missing.clone());
    assert!(words(&before, &none).ends_with("ECS says: unable to place a task"), "another revision's");
    for stops in [Reading::Known(vec![stop(31, "long ago", false)]), Reading::Unknown("denied".to_owned())] {
        assert!(words(&with(stops, missing.clone()), &none).ends_with("ECS says: unable to place a task"));
    }
    let started = [2, 14, 26, 38].map(|ago| (NOW.minus(Span::mins(ago)), 1)).to_vec();
    let replaced = sight(Counts { started, ..counts(4, 4) }, Some(target(2, 10)));
    let steady = went(&[(90, 4)]);
    assert!(wants_stops(&looked(&replaced, &steady)));
    let why = |ago: u64| words(&with(Reading::Known(vec![stop(ago, "exit code 1", false)]), replaced.clone()), &steady);
    assert!(why(60).ends_with("ECS says: a task ended: exit code 1") && !why(61).contains("ECS says"), "{}", why(60));
    let mut near = sight(counts(4, 4), Some(target(2, 10)));
    near.loads.insert("shop-api".to_owned(), super::load::load(&[40; 15], &[95; 15], &[0; 15]));
    assert!(wants_stops(&looked(&near, &none)));
    let killed = |stops: Vec<Stop>| {
        let judged = looked(&with(Reading::Known(stops), near.clone()), &none);
        let near = judged.found.iter().find(|one| one.kind() == FindingKind::MemoryNearLimit).expect("it is near");
        (near.severity(), near.to_string())
    };
    let other = of("shop:6", 5, "killed", true);
    assert_eq!(killed(vec![stop(5, "crash", false), stop(61, "killed", true), other]).0, Severity::Warning);
    let (severity, sentence) = killed(vec![stop(5, "killed", true), stop(60, "killed", true)]);
    assert_eq!(severity, Severity::Critical);
    assert!(sentence.ends_with("95 % of its memory, and 2 were killed for it within the hour"), "{sentence}");
}
