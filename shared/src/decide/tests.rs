//! The laws, by name, on single decisions. The simulation holds them over whole schedules.

use super::fixture::{RULE, Scene, alarm, image, revision, tg, weights};
use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{AlarmState, Reading, RequestCount, RolloutState, RouteReading, ScalingReading, Suspended};
use crate::rollout::{Cause, IntentKind, Outcome, Phase, Wish};
use crate::time::{Span, Time};

fn raises(scene: &Scene) -> bool {
    scene.last.as_ref().is_some_and(|decision| {
        decision.effects.iter().any(|e| matches!(e.action, Action::Weights { .. }) && !e.is_back())
    })
}

fn cause(scene: &Scene) -> Option<Cause> {
    match scene.status.rollout.as_ref().map(|rollout| &rollout.phase) {
        Some(Phase::Returning { cause } | Phase::Clearing { cause }) => Some(cause.clone()),
        _ => None,
    }
}

fn fired(name: &str, at: Time) -> IntentKind {
    IntentKind::AlarmFired { alarm: name.to_owned(), at, reason: "31 > 5".to_owned() }
}

#[test]
fn a_good_push_goes_through_every_phase_and_ends_completed() {
    let mut scene = Scene::pushed_until("baking");
    scene.until("standby");
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
    scene.until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    let last = scene.status.last.clone().unwrap();
    assert_eq!((last.outcome, last.revision), (Outcome::Completed, Some(revision(2))));
    assert_eq!(scene.service(Colour::Blue).desired, 0);
    assert_eq!(scene.status.settled.unwrap().live, Colour::Green);
}

#[test]
fn law_1_every_forward_effect_has_a_deadline_and_the_status_remembers_it() {
    let mut scene = Scene::pushed_until("starting");
    let decision = scene.look(&[]);
    let deadline = decision.effects[0].deadline.unwrap();
    assert_eq!(deadline, scene.now.plus(Span::secs(10)));
    assert_eq!(scene.status.rollout.unwrap().forward_until, deadline);
}

#[test]
fn law_2_an_alarm_event_turns_back_in_one_decision_though_nothing_can_be_read() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.routes.insert(RULE.into(), Reading::Unknown("throttled".to_owned()));
    for reading in scene.seen.colours.values_mut() {
        reading.service = Reading::Unknown("throttled".to_owned());
    }
    scene.seen.alarms.clear();
    let decision = scene.look(&[fired("green-5xx", scene.now)]);
    assert_eq!(scene.phase(), "returning");
    let [effect] = &decision.effects[..] else { panic!("{:?}", decision.effects) };
    assert!(effect.is_back());
    assert_eq!(effect.action, Action::Weights { route: RULE.into(), weights: weights(100, 0) });
}

#[test]
fn law_2_behind_the_door_an_alarm_does_not_move_weights() {
    let mut scene = Scene::pushed_until("retiring");
    scene.look(&[fired("green-5xx", scene.now)]);
    assert!(scene.last.unwrap().effects.is_empty());
}

#[test]
fn law_2_a_side_that_lives_is_not_left_for_a_dead_one() {
    let mut scene = Scene::pushed_until("baking");
    scene.targets(Colour::Blue).healthy = 0;
    let decision = scene.look(&[fired("green-5xx", scene.now)]);
    assert!(decision.effects.is_empty(), "{:?}", decision.effects);
    scene.look(&[]);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::Person(_)));
    scene.targets(Colour::Blue).healthy = 2;
    assert_eq!(scene.look(&[]).effects.len(), 1);
}

#[test]
fn law_3_a_forward_write_that_lands_late_is_taken_back_before_it_settles() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", scene.now)]);
    scene.obey();
    scene.until("clearing");
    scene.weigh(90, 10);
    scene.look(&[]);
    scene.obey();
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(100, 0));
    assert_eq!(scene.phase(), "returning");
    let told = scene.status.notices;
    scene.until("clearing");
    assert_eq!(scene.status.notices, told, "the rollback is told once");
}

#[test]
fn law_4_a_start_waits_until_weight_0_is_read() {
    let mut scene = Scene::pushed_until("starting");
    scene.seen.routes.insert(RULE.into(), Reading::Unknown("throttled".to_owned()));
    assert!(scene.look(&[]).effects.is_empty());
}

#[test]
fn law_4_nothing_shrinks_while_requests_still_arrive() {
    let mut scene = Scene::pushed_until("resting");
    for _ in 0..20 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(30));
    }
    assert_eq!(scene.service(Colour::Blue).desired, 2);
    assert!(matches!(scene.last.unwrap().waiting, Waiting::Drain(_)));
}

#[test]
fn law_5_a_raise_needs_exact_health() {
    type Spoil = fn(&mut Scene);
    let spoils: [(&str, Spoil); 6] = [
        ("deployment in progress", |s| s.service(Colour::Green).deployments[0].state = RolloutState::InProgress),
        ("another revision", |s| s.service(Colour::Green).deployments[0].task_definition = revision(9)),
        ("an older deployment", |s| {
            let old = s.service(Colour::Green).deployments[0].clone();
            s.service(Colour::Green).deployments.push(old);
        }),
        ("a task missing", |s| s.service(Colour::Green).running = 1),
        ("a target not healthy", |s| s.targets(Colour::Green).healthy = 1),
        ("fewer tasks than live", |s| s.service(Colour::Blue).desired = 3),
    ];
    for (name, spoil) in spoils {
        let mut scene = Scene::pushed_until("starting");
        scene.look(&[]);
        scene.obey();
        spoil(&mut scene);
        scene.look(&[]);
        assert!(!raises(&scene), "{name}");
    }
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.look(&[]);
    assert!(raises(&scene), "nothing is wrong");
}

#[test]
fn law_5_unhealthy_targets_in_the_bake_roll_back_without_any_alarm() {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Green) = crate::observation::TargetCounts { unhealthy: 2, ..Default::default() };
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_one_bad_reading_of_several_targets_is_seen_again_first() {
    let mut scene = Scene::pushed_until("baking");
    let counts = scene.targets(Colour::Green);
    (counts.healthy, counts.unhealthy) = (1, 1);
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking");
    scene.pass(Span::secs(15));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_a_colour_that_would_revert_by_itself_is_refused() {
    let mut scene = Scene::new();
    scene.service(Colour::Green).reverts_by_itself = Some("its circuit breaker rolls back".to_owned());
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(why) if why.contains("circuit breaker")));
}

#[test]
fn law_6_an_unknown_alarm_never_moves_traffic_forward() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.alarms.insert("green-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.pass(Span::mins(5));
    scene.look(&[]);
    assert!(!raises(&scene));
    assert_eq!(scene.phase(), "baking");
}

#[test]
fn law_6_insufficient_data_is_quiet_only_where_missing_data_is_not_breaching() {
    for (quiet, raised) in [(true, true), (false, false)] {
        let mut scene = Scene::pushed_until("baking");
        let Reading::Known(Some(mut reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
        reading.missing_is_quiet = quiet;
        scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(reading)));
        scene.pass(Span::mins(5));
        scene.look(&[]);
        assert_eq!(raises(&scene), raised);
    }
}

#[test]
fn law_6_a_bake_without_traffic_holds_and_a_promote_ends_it() {
    let mut scene = Scene::pushed_until("baking");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Green).unwrap().requests = Reading::Known(silent);
    scene.pass(Span::mins(5));
    assert_eq!(scene.look(&[]).waiting, Waiting::Traffic);
    let promote = IntentKind::Promote { rollout: scene.id(), step: 0 };
    scene.look(&[promote]);
    assert!(raises(&scene));
}

#[test]
fn law_7_an_unwritable_rule_and_stickiness_are_refused_before_anything_starts() {
    for (stickiness, unwritable) in [(Some(Span::mins(1)), None), (None, Some("an unknown action".to_owned()))] {
        let mut scene = Scene::new();
        let reading = RouteReading { weights: weights(100, 0), stickiness, unwritable };
        scene.seen.routes.insert(RULE.into(), Reading::Known(reading));
        scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
        for _ in 0..4 {
            assert!(scene.look(&[]).effects.is_empty());
            scene.pass(Span::secs(10));
        }
        assert!(matches!(scene.status.last.unwrap().outcome, Outcome::Refused(_)));
    }
}

#[test]
fn law_8_foreign_weights_are_held_told_once_and_not_fought() {
    let mut scene = Scene::pushed_until("baking");
    scene.weigh(70, 30);
    scene.look(&[]);
    let told = scene.status.notices;
    for _ in 0..5 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).effects.is_empty());
    }
    assert_eq!(scene.status.notices, told + 1);
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::ForeignWeights(_)));
    let resume = IntentKind::Resume { rollout: scene.id() };
    scene.look(&[resume]);
    scene.until("baking");
    assert_eq!(scene.status.rollout.as_ref().unwrap().paused, None);
}

#[test]
fn law_8_weight_on_a_dead_side_is_put_right_once() {
    let mut scene = Scene::pushed_until("starting");
    scene.weigh(0, 100);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    let decision = scene.look(&[]);
    let put_right = Action::Weights { route: RULE.into(), weights: weights(100, 0) };
    assert!(decision.effects.iter().any(|effect| effect.action == put_right), "{:?}", decision.effects);
    // The write was lost: it is sent again, until it is read back.
    scene.pass(Span::secs(15));
    assert!(scene.look(&[]).effects.iter().any(|effect| effect.action == put_right));
    scene.obey();
    let told = |scene: &Scene| {
        scene.last.iter().flat_map(|d| &d.notices).any(|n| matches!(n.milestone, Milestone::Corrected { .. }))
    };
    assert!(!told(&scene), "not told before it is read");
    scene.look(&[]);
    assert!(told(&scene));
    scene.weigh(0, 100);
    for _ in 0..4 {
        scene.pass(Span::secs(15));
        assert!(!scene.look(&[]).effects.iter().any(|effect| effect.action == put_right), "once only");
    }
}

#[test]
fn law_8_settled_weights_reset_to_the_empty_colour_are_put_right() {
    let mut scene = Scene::pushed_until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    scene.weigh(100, 0);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    let decision = scene.look(&[]);
    assert_eq!(decision.effects[0].action, Action::Weights { route: RULE.into(), weights: weights(0, 100) });
    assert!(decision.notices.is_empty(), "not told before it is read");
    scene.obey();
    assert!(matches!(scene.look(&[]).notices[0].milestone, Milestone::Corrected { .. }));
    // A tool that sets them again a little later is not fought.
    scene.weigh(100, 0);
    for _ in 0..4 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).effects.is_empty());
    }
}

#[test]
fn law_9_scale_in_is_suspended_before_the_first_shift_and_restored_at_the_end() {
    let mut scene = Scene::new();
    let prior = ScalingReading { min: 2, max: 8, suspended: Suspended { scheduled: true, ..Suspended::default() } };
    let rest = ScalingReading { min: 0, max: 8, suspended: Suspended::ALL };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().scaling = Reading::Known(Some(prior));
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = Reading::Known(Some(rest));
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until("starting");
    scene.look(&[]);
    let start = scene.last.clone().unwrap();
    assert!(matches!(start.effects[..], [crate::decision::Effect { action: Action::Start { .. }, .. }]));
    // The fixture's start replaces the colour's reading: the scalable target stays.
    scene.obey();
    scene.seen.colours.get_mut(&Colour::Green).unwrap().scaling = Reading::Known(Some(rest));
    scene.until("shifting");
    for colour in Colour::BOTH {
        let now = scene.seen.colours[&colour].scaling.known().unwrap().unwrap();
        assert_eq!((now.min, now.max, now.suspended.scale_in), (2, 8, true), "{colour}");
    }
    scene.until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    assert_eq!(scene.seen.colours[&Colour::Green].scaling, Reading::Known(Some(prior)));
    assert_eq!(scene.seen.colours[&Colour::Blue].scaling, Reading::Known(Some(rest)));
}

#[test]
fn law_9_the_rest_bounds_are_written_before_desired_0() {
    let mut scene = Scene::new();
    let target = ScalingReading { min: 2, max: 8, suspended: Suspended::default() };
    for reading in scene.seen.colours.values_mut() {
        reading.scaling = Reading::Known(Some(target));
        reading.requests = Reading::Known(RequestCount { count: 0, complete_until: Time(u64::MAX) });
    }
    scene.config.no_traffic = crate::config::NoTraffic::Proceed;
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until("resting");
    let mut order = Vec::new();
    while scene.phase() == "resting" {
        for effect in scene.look(&[]).effects {
            match effect.action {
                Action::Scaling { colour: Colour::Blue, wanted } => order.push(format!("{:?}", wanted.bounds)),
                Action::Scale { colour: Colour::Blue, desired } => order.push(desired.to_string()),
                _ => {}
            }
        }
        scene.obey();
        scene.pass(Span::secs(70));
    }
    assert_eq!(order, ["Some((0, 8))", "0"]);
}

#[test]
fn law_9_the_candidate_follows_the_live_side_in_size() {
    let mut scene = Scene::pushed_until("baking");
    scene.service(Colour::Blue).desired = 4;
    let decision = scene.look(&[]);
    assert_eq!(decision.effects[0].action, Action::Scale { colour: Colour::Green, desired: 4 });
}

#[test]
fn law_10_an_alarm_of_the_stable_side_holds_and_calls_a_person() {
    let mut scene = Scene::pushed_until("baking");
    scene.seen.alarms.insert("blue-5xx".into(), alarm(AlarmState::Alarm));
    scene.pass(Span::mins(5));
    let decision = scene.look(&[fired("blue-5xx", scene.now)]);
    assert!(decision.effects.is_empty());
    assert!(matches!(decision.waiting, Waiting::StableAlarm(_)));
    assert!(matches!(decision.notices[0].milestone, Milestone::Call { .. }));
    scene.pass(Span::mins(120));
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking", "no deadline moves traffic to a side that hurts");
}

#[test]
fn law_10_a_rollout_whose_candidate_no_alarm_covers_is_refused() {
    let mut scene = Scene::new();
    scene.config.alarms.green.clear();
    scene.config.alarms.both.clear();
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.looks(4);
    assert!(
        matches!(scene.status.last.clone().unwrap().outcome, Outcome::Refused(why) if why.contains("no alarm covers green"))
    );
}

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
fn an_old_alarm_event_from_before_the_first_shift_is_no_harm() {
    let mut scene = Scene::pushed_until("baking");
    scene.look(&[fired("green-5xx", Time(1))]);
    assert_eq!(scene.phase(), "baking");
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
fn law_13_a_side_that_cannot_follow_in_size_ends_at_the_deadline() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..100 {
        scene.service(Colour::Blue).desired = 9;
        scene.look(&[]);
        scene.pass(Span::mins(1));
    }
    assert!(matches!(cause(&scene), Some(Cause::Deadline(_))), "{}", scene.phase());
}

// Found by the simulation: the first shift looked for alarms that fire only.
#[test]
fn law_6_an_unknown_alarm_does_not_let_the_first_shift_go() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.seen.alarms.insert("green-5xx".into(), Reading::Unknown("throttled".to_owned()));
    scene.look(&[]);
    assert!(!raises(&scene));
    assert_eq!(scene.phase(), "starting");
    scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Ok));
    scene.look(&[]);
    assert!(raises(&scene));
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

fn silent(scene: &mut Scene, colour: Colour) {
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&colour).unwrap().requests = Reading::Known(silent);
}

/// A scene whose one step is 100 %: the weights before it are what an infrastructure tool has in its code.
fn all_at_once(phase: &str) -> Scene {
    let mut scene = Scene::new();
    scene.config.steps = vec![crate::strategy::Step { weight: 100, bake: Span::mins(3) }];
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until(phase);
    scene
}

#[test]
fn law_8_the_weights_before_a_step_are_foreign_once_the_step_was_read() {
    let mut scene = all_at_once("baking");
    scene.weigh(100, 0);
    for _ in 0..10 {
        assert!(scene.look(&[]).effects.is_empty(), "neither fought nor raised again");
        scene.pass(Span::secs(15));
    }
    assert!(matches!(scene.last.as_ref().unwrap().waiting, Waiting::ForeignWeights(_)));
}

#[test]
fn law_8_weights_reset_to_the_resting_side_are_put_right() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    while scene.service(Colour::Blue).desired > 0 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(10));
    }
    assert_eq!(scene.phase(), "resting");
    scene.weigh(100, 0);
    for _ in 0..4 {
        scene.look(&[]);
        scene.obey();
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
}

#[test]
fn law_8_traffic_leaves_a_stable_side_that_lost_all_its_tasks_and_a_person_is_called() {
    let mut scene = Scene::pushed_until("baking");
    *scene.targets(Colour::Blue) = crate::observation::TargetCounts { unhealthy: 2, ..Default::default() };
    let mut told = Vec::new();
    for _ in 0..5 {
        let decision = scene.look(&[]);
        told.extend(decision.notices.into_iter().map(|notice| notice.milestone));
        scene.obey();
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
    assert!(told.iter().any(|milestone| matches!(milestone, Milestone::Call { .. })));
    assert!(told.iter().any(|milestone| matches!(milestone, Milestone::Corrected { to: Colour::Green, .. })));
    scene.pass(Span::mins(10));
    assert!(scene.look(&[]).effects.is_empty());
}

#[test]
fn law_6_a_forced_rollout_is_turned_back_by_an_alarm_that_had_no_data_at_the_start() {
    let mut scene = Scene::new();
    let Reading::Known(Some(mut reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
    reading.missing_is_quiet = false;
    scene.seen.alarms.insert("green-5xx".into(), Reading::Known(Some(reading)));
    scene.look(&[IntentKind::Deploy { images: vec![image("v2.0.0", 2, Time(2))], force: true }]);
    scene.until("baking");
    scene.seen.alarms.insert("green-5xx".into(), alarm(AlarmState::Alarm));
    scene.look(&[]);
    assert!(matches!(cause(&scene), Some(Cause::Alarm { .. })));
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
fn law_4_one_late_request_does_not_keep_a_side_from_its_rest_for_ever() {
    let scene = Scene::pushed_until("resting");
    let margins = crate::rollout::Margins::default();
    let emptied = scene.status.rollout.as_ref().unwrap().emptied.unwrap();
    let from = |minutes| super::watch::drain_window(emptied, emptied.plus(Span::mins(minutes)), &margins);
    assert_eq!(from(1), emptied.ceil(Span::mins(1)));
    assert!(from(30) > emptied.plus(Span::mins(20)));
}

#[test]
fn law_5_a_slow_scale_out_is_no_ailment_but_lost_tasks_are() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..10 {
        scene.look(&[]);
        (scene.service(Colour::Green).desired, scene.service(Colour::Green).running) = (4, 2);
        scene.pass(Span::secs(15));
    }
    assert_eq!(scene.phase(), "baking");
    for _ in 0..10 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
}

#[test]
fn law_5_a_graver_ailment_is_seen_twice_though_a_slighter_one_came_before() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..6 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    let counts = scene.targets(Colour::Green);
    (counts.healthy, counts.unhealthy) = (1, 1);
    scene.look(&[]);
    assert_eq!(scene.phase(), "baking");
}

#[test]
fn law_5_tasks_that_die_and_are_replaced_again_and_again_are_a_crash_loop() {
    let mut scene = Scene::pushed_until("baking");
    for _ in 0..3 {
        scene.service(Colour::Green).running = 1;
        scene.look(&[]);
        scene.pass(Span::secs(15));
        scene.service(Colour::Green).running = 2;
        scene.look(&[]);
        scene.pass(Span::secs(15));
    }
    assert!(matches!(cause(&scene), Some(Cause::Unhealthy(_))));
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
fn a_settled_route_that_cannot_be_read_does_not_blind_the_watch_over_the_others() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    let other = crate::ids::RouteArn(format!("{RULE}4"));
    scene.config.engine.routes.push(other.clone());
    scene.status.settled.as_mut().unwrap().weights.insert(other.clone(), weights(0, 100));
    scene.seen.routes.insert(other, Reading::Unknown("RuleNotFound".to_owned()));
    scene.weigh(100, 0);
    scene.look(&[]);
    scene.pass(Span::secs(15));
    assert!(!scene.look(&[]).effects.is_empty());
}

#[test]
fn law_2_an_unused_target_group_of_the_stable_side_does_not_forbid_the_flip() {
    let mut scene = Scene::pushed_until("baking");
    let spare: crate::ids::TargetGroupArn = "arn:aws:elasticloadbalancing:r:1:targetgroup/spare/1".into();
    scene.service(Colour::Blue).target_groups.push(spare.clone());
    let unused = crate::observation::TargetCounts { other: 2, ..Default::default() };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().targets.insert(spare, Reading::Known(unused));
    assert_eq!(scene.look(&[fired("green-5xx", scene.now)]).effects.len(), 1);
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
fn law_8_a_rollout_that_moved_no_weight_writes_none_when_it_is_taken_back() {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene.weigh(0, 100);
    let decision = scene.look(&[IntentKind::Abort { rollout: scene.id() }]);
    assert!(decision.effects.is_empty(), "{:?}", decision.effects);
    assert_eq!(scene.phase(), "clearing");
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
fn law_8_weights_of_somebody_else_are_taken_for_rest_only_when_their_side_is_seen_to_live() {
    let mut scene = all_at_once("resting");
    silent(&mut scene, Colour::Blue);
    scene.until("idle");
    scene.weigh(100, 0);
    let read = scene.seen.colours.clone();
    scene.look(&[]);
    for colour in scene.seen.colours.values_mut() {
        colour.targets.clear();
    }
    for _ in 0..3 {
        scene.pass(Span::secs(15));
        assert!(scene.look(&[]).notices.is_empty());
    }
    scene.seen.colours = read;
    scene.pass(Span::secs(15));
    assert!(!scene.look(&[]).effects.is_empty(), "seen to be dead, it is put right");
}

#[test]
fn law_14_of_two_pushes_of_one_second_the_older_version_gives_way_whatever_their_order() {
    for order in [["v2.0.0", "v3.0.0"], ["v3.0.0", "v2.0.0"]] {
        let mut scene = Scene::new();
        let push = |tag: &str| IntentKind::Push { image: image(tag, tag.as_bytes()[1], Time(7)) };
        scene.look(&[push(order[0]), push(order[1])]);
        let rollout = scene.status.rollout.clone().unwrap();
        assert_eq!(super::draft::what(&rollout.candidate), "shop-api:v3.0.0", "{order:?}");
    }
}
