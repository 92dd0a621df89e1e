use serde_json::{Map, Value, json};

use super::*;
use crate::config::parse;
use crate::decide::fixture::{NATIVE, alarm};
use crate::ids::RolloutId;
use crate::observation::{AlarmState, Reading};
use crate::ports::Record;
use crate::rollout::{Candidate, Ended, Opened, Outcome, Phase, Rollout, Status, Target, Wish};
use crate::time::{Span, Time};

fn file() -> String {
    format!("{NATIVE}    checks: {{ http: {{ listener: test, path: /health, body: ok, times: 3, within: 60s }} }}\n")
}

const NEW: &str = "arn:aws:ecs:us-east-1:123456789012:service-revision/production/shop-api/2";
const OLD: &str = "arn:aws:ecs:us-east-1:123456789012:service-revision/production/shop-api/1";
const DEPLOYMENT: &str = "arn:aws:ecs:us-east-1:123456789012:service-deployment/production/shop-api/d";
const NOW: Time = Time(1_800_000_000_000);

fn payload(stage: &str) -> Value {
    json!({
        "executionId": "e", "lifecycleStage": stage, "resourceArn": DEPLOYMENT,
        "executionDetails": {
            "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/production/shop-api",
            "targetServiceRevisionArn": NEW, "testTrafficWeights": {}, "productionTrafficWeights": {},
        },
    })
}

/// ECS as it calls: what an IN_PROGRESS answer remembers comes back with the next call.
struct Caller {
    payload: Value,
    record: Record,
    seen: Seen,
    now: Time,
}

impl Caller {
    fn new(stage: &str) -> Caller {
        let config = parse(&file()).expect("the fixture parses").remove(0);
        let record = Record { config, status: Status::default(), inbox: Vec::new(), version: 1 };
        let mut seen = Seen::default();
        seen.alarms.insert("shop-5xx".into(), alarm(AlarmState::Ok));
        Caller { payload: payload(stage), record, seen, now: NOW }
    }

    fn share(mut self, percent: f64) -> Caller {
        self.payload["executionDetails"]["productionTrafficWeights"] = json!({ NEW: percent, OLD: 100.0 - percent });
        self
    }

    fn details(mut self, details: Value) -> Caller {
        self.payload["hookDetails"] = details;
        self
    }

    /// A rollout of ours that has, or has not yet, seen this deployment.
    fn rollout(mut self, phase: Phase, deployment: Option<&str>) -> Caller {
        let candidate = Candidate {
            target: Target::Live,
            wish: Wish::Push,
            at: NOW,
            quiet_until: NOW,
            force: false,
            named: Default::default(),
            forced: Default::default(),
        };
        let mut rollout = rollout(candidate, &self.record);
        rollout.phase = phase;
        rollout.native.sent = Some(NOW);
        rollout.native.deployment = deployment.map(str::to_owned);
        self.record.status.rollout = Some(rollout);
        self
    }

    fn ours(&mut self) -> &mut Rollout {
        self.record.status.rollout.as_mut().expect("a rollout")
    }

    fn alarm(&mut self, state: AlarmState) {
        self.seen.alarms.insert("shop-5xx".into(), alarm(state));
    }

    fn call_with(&mut self, known: impl FnOnce(&Record) -> Known<'_>) -> Answer {
        let request = Request::parse(&self.payload).expect("a request");
        let known = known(&self.record);
        let wants = wants(&request, &known, self.now);
        let mut seen = self.seen.clone();
        seen.alarms.retain(|name, _| wants.alarms.contains(name));
        if wants.check.is_none() {
            seen.tries.clear();
        }
        let answer = answer(&request, &known, &seen, self.now, self.now);
        if let Word::InProgress(delay) = answer.word {
            self.payload["hookDetails"] = answer.document()["hookDetails"].clone();
            self.now = self.now.plus(delay);
        }
        answer
    }

    fn call(&mut self) -> Answer {
        self.call_with(|record| Known::Record(record))
    }

    /// Calls until the answer is not IN_PROGRESS: how often, and the answer.
    fn until_over(&mut self, most: usize) -> (usize, Answer) {
        for calls in 1..=most {
            let answer = self.call();
            if !matches!(answer.word, Word::InProgress(_)) {
                return (calls, answer);
            }
        }
        panic!("it was still in progress after {most} calls");
    }
}

fn rollout(candidate: Candidate, record: &Record) -> Rollout {
    let value = json!({
        "id": RolloutId("shop-api-1".to_owned()), "candidate": candidate, "config": record.config, "startedAt": NOW,
        "phase": Phase::Deploying, "since": NOW, "stable": null, "stableRevision": null, "revision": null,
    });
    serde_json::from_value(value).expect("a rollout")
}

fn waits(answer: &Answer) -> bool {
    matches!(answer.word, Word::InProgress(_))
}

fn right(count: usize) -> Vec<Tried> {
    vec![Tried::Right; count]
}

fn wrong() -> Vec<Tried> {
    vec![Tried::Wrong("/health answered 500 instead of 200".to_owned())]
}

#[test]
fn a_payload_is_read_with_empty_absent_and_fractional_weights() {
    let mut whole = payload("PRODUCTION_TRAFFIC_SHIFT");
    whole["executionDetails"]["productionTrafficWeights"] = json!({ NEW: 0.1, OLD: 99.9, "odd": "much" });
    let request = Request::parse(&whole).unwrap();
    assert_eq!((request.share(), request.back(), request.production.len()), (Some(0.1), false, 2));
    whole["executionDetails"]["productionTrafficWeights"] = Value::Null;
    let request = Request::parse(&whole).unwrap();
    assert_eq!((request.share(), request.back()), (None, false));
    for member in ["/lifecycleStage", "/resourceArn", "/executionDetails/serviceArn"] {
        let mut broken = payload("POST_SCALE_UP");
        let name = member.rsplit('/').next().unwrap();
        for nothing in [json!(7), json!("")] {
            *broken.pointer_mut(member).unwrap() = nothing;
            assert!(Request::parse(&broken).unwrap_err().contains(name), "{member}");
        }
    }
    assert!(Request::parse(&json!([])).is_err());
}

#[test]
fn the_way_back_is_answered_at_once_whatever_is_known() {
    let back = |stage: &str, member: &str| {
        let mut caller = Caller::new(stage);
        caller.payload["executionDetails"][member] = json!({ NEW: 0, OLD: 100 });
        caller.alarm(AlarmState::Alarm);
        caller
    };
    for (stage, member) in
        [("PRODUCTION_TRAFFIC_SHIFT", "productionTrafficWeights"), ("TEST_TRAFFIC_SHIFT", "testTrafficWeights")]
    {
        let mut caller = back(stage, member).rollout(stopping(), Some(DEPLOYMENT));
        assert_eq!(caller.call().word, Word::Succeeded, "{stage}");
        assert_eq!(caller.call_with(|_| Known::Unreachable("no table".to_owned())).word, Word::Succeeded);
    }
    // Before the production shift a weight of 0 is the way forward.
    let mut caller = Caller::new("PRE_PRODUCTION_TRAFFIC_SHIFT").share(0.0);
    assert!(waits(&caller.call()));
}

fn stopping() -> Phase {
    Phase::Stopping { cause: crate::rollout::Cause::Superseded }
}

#[test]
fn a_service_that_is_not_configured_or_managed_is_let_through() {
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT");
    assert_eq!(caller.call_with(|_| Known::NotConfigured).word, Word::Succeeded);
    caller.record.config = crate::decide::fixture::config();
    assert_eq!(caller.call().word, Word::Succeeded);
}

#[test]
fn an_unreachable_store_is_waited_for_a_bounded_number_of_times_and_other_details_are_kept() {
    let mut caller = Caller::new("POST_SCALE_UP").details(json!({ "attempt": 3, "flipback": { "note": "kept" } }));
    let mut calls = 0;
    let last = loop {
        calls += 1;
        let answer = caller.call_with(|_| Known::Unreachable("no table".to_owned()));
        if !waits(&answer) {
            break answer;
        }
        assert_eq!(answer.document()["hookDetails"]["attempt"], 3);
        assert_eq!(answer.document()["hookDetails"]["flipback"]["note"], "kept");
        assert!(calls < 100, "without end");
    };
    assert_eq!((calls, last.word), (21, Word::Failed));
    assert!(last.why.contains("no table"));
    // One that answers again in between begins anew.
    let mut caller = Caller::new("POST_SCALE_UP").details(json!({ "flipback": { "gate": "promote" } }));
    caller = caller.rollout(Phase::Deploying, Some(DEPLOYMENT));
    for _ in 0..20 {
        assert!(waits(&caller.call_with(|_| Known::Unreachable("no table".to_owned()))));
    }
    assert!(waits(&caller.call()));
    assert!(waits(&caller.call_with(|_| Known::Unreachable("no table".to_owned()))));
}

#[test]
fn a_rollout_that_goes_back_fails_its_own_deployment_and_no_other() {
    let stage = "POST_SCALE_UP";
    assert_eq!(Caller::new(stage).rollout(stopping(), Some(DEPLOYMENT)).call().word, Word::Failed);
    assert_eq!(Caller::new(stage).rollout(stopping(), Some("another")).call().word, Word::Succeeded);
    assert_eq!(Caller::new(stage).rollout(Phase::Deploying, Some(DEPLOYMENT)).call().word, Word::Succeeded);
    // It may be the one that was sent and never seen.
    let mut caller = Caller::new(stage).rollout(stopping(), None);
    assert_eq!(caller.until_over(100).1.word, Word::Failed);
}

#[test]
fn a_shift_of_a_deployment_that_was_told_to_stop_is_let_through_with_and_without_weights() {
    let gate = json!({ "flipback": { "gate": "promote" } });
    for stage in ["TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"] {
        let of = |deployment| Caller::new(stage).details(gate.clone()).rollout(stopping(), deployment);
        let mut caller = of(Some(DEPLOYMENT));
        caller.alarm(AlarmState::Alarm);
        assert_eq!(caller.call().word, Word::Succeeded, "{stage} without weights");
        caller = caller.share(10.0);
        assert_eq!(caller.call().word, Word::Succeeded, "{stage} with weights");
        let request = Request::parse(&caller.payload).unwrap();
        assert_eq!(wants(&request, &Known::Record(&caller.record), NOW), Wants::default(), "{stage}");
        // What nobody has stopped yet is not let through.
        assert!(waits(&of(None).call()), "{stage} of a deployment that was not seen");
    }
    for stage in ["PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"] {
        let mut caller = Caller::new(stage).rollout(stopping(), Some(DEPLOYMENT));
        assert_eq!(caller.call().word, Word::Failed, "{stage}");
    }
}

#[test]
fn alarms_have_no_say_in_a_persons_rollback_or_forced_deployment() {
    let of = |stage: &str, wish: Wish, force: bool| {
        let mut caller = Caller::new(stage).rollout(Phase::Deploying, Some(DEPLOYMENT));
        caller.ours().candidate.wish = wish;
        caller.ours().candidate.force = force;
        caller.seen.tries = right(3);
        caller
    };
    let readings = [alarm(AlarmState::Alarm), Reading::Known(None), Reading::Unknown("throttled".to_owned())];
    for stage in ["PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"] {
        for reading in &readings {
            for (wish, force) in [(Wish::RollbackTo, false), (Wish::RollbackTo, true), (Wish::Deploy, true)] {
                let mut caller = of(stage, wish, force);
                caller.seen.alarms.insert("shop-5xx".into(), reading.clone());
                assert_eq!(caller.call().word, Word::Succeeded, "{stage} {wish:?} {force} {reading:?}");
            }
            let mut caller = of(stage, Wish::Deploy, false);
            caller.seen.alarms.insert("shop-5xx".into(), reading.clone());
            assert_ne!(caller.call().word, Word::Succeeded, "{stage} {reading:?}");
        }
    }
    // Its HTTP check is its own.
    let mut caller = of("PRE_PRODUCTION_TRAFFIC_SHIFT", Wish::RollbackTo, true);
    caller.seen.tries = wrong();
    assert!(waits(&caller.call()));
}

#[test]
fn the_checks_belong_to_the_service_also_for_foreign_deployments_and_in_observe_mode() {
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT");
    caller.record.config.mode = crate::config::Mode::Observe;
    caller.seen.tries = wrong();
    assert_eq!(caller.until_over(100).1.word, Word::Failed);
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT").rollout(Phase::Deploying, Some("another"));
    caller.seen.tries = wrong();
    assert!(waits(&caller.call()));
}

#[test]
fn the_http_check_wants_right_answers_in_a_row_within_its_time() {
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT");
    caller.seen.tries = right(2);
    assert!(waits(&caller.call()));
    caller.seen.tries = wrong();
    let answer = caller.call();
    assert!(answer.why.contains("0 right answers in a row of 3") && answer.why.contains("answered 500"), "{answer:?}");
    caller.seen.tries = right(2);
    assert!(waits(&caller.call()));
    caller.seen.tries = right(1);
    assert_eq!(caller.call().word, Word::Succeeded);
    // Every 5 s for 60 s: the thirteenth call is at the deadline.
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT");
    caller.seen.tries = wrong();
    let (calls, answer) = caller.until_over(100);
    assert_eq!((calls, answer.word), (13, Word::Failed));
    assert!(answer.why.contains("1m have passed"), "{}", answer.why);
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT");
    caller.seen.tries = vec![Tried::Never("no test listener".to_owned())];
    assert_eq!(caller.call().word, Word::Failed);
}

#[test]
fn the_http_check_runs_at_two_stages_and_not_again_once_it_passed() {
    let checks = |caller: &Caller| {
        let request = Request::parse(&caller.payload).unwrap();
        wants(&request, &Known::Record(&caller.record), caller.now).check.map(|(_, needed)| needed)
    };
    for (stage, runs) in [
        ("RECONCILE_SERVICE", false),
        ("PRE_SCALE_UP", false),
        ("POST_SCALE_UP", false),
        ("TEST_TRAFFIC_SHIFT", false),
        ("POST_TEST_TRAFFIC_SHIFT", true),
        ("PRE_PRODUCTION_TRAFFIC_SHIFT", true),
        ("PRODUCTION_TRAFFIC_SHIFT", false),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", false),
        ("A_STAGE_OF_TOMORROW", false),
    ] {
        assert_eq!(checks(&Caller::new(stage)).is_some(), runs, "{stage}");
    }
    let gate = json!({ "flipback": { "gate": "promote" } });
    let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT").details(gate).rollout(Phase::Deploying, Some(DEPLOYMENT));
    caller.seen.tries = right(1);
    assert!(waits(&caller.call()));
    assert_eq!(checks(&caller), Some(2), "as many as are left");
    caller.seen.tries = right(2);
    assert!(caller.call().why.contains("gate"));
    assert_eq!(checks(&caller), None);
    caller.payload["lifecycleStage"] = json!("PRE_PRODUCTION_TRAFFIC_SHIFT");
    assert_eq!(checks(&caller), None, "passed at the stage before");
    caller.payload["resourceArn"] = json!("another deployment");
    assert!(checks(&caller).is_some());
}

#[test]
fn an_alarm_fails_what_has_traffic_and_holds_what_has_none() {
    let fires = |stage: &str, share: Option<f64>| {
        let mut caller = Caller::new(stage);
        if let Some(share) = share {
            caller = caller.share(share);
        }
        caller.seen.tries = right(3);
        caller.alarm(AlarmState::Alarm);
        caller
    };
    for (stage, share) in [
        ("PRODUCTION_TRAFFIC_SHIFT", Some(0.1)),
        ("PRODUCTION_TRAFFIC_SHIFT", None),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", None),
        ("PRE_PRODUCTION_TRAFFIC_SHIFT", Some(10.0)),
    ] {
        let answer = fires(stage, share).call();
        assert_eq!(answer.word, Word::Failed, "{stage} {share:?}");
        assert!(answer.why.contains("shop-5xx") && answer.why.contains("Threshold"), "{}", answer.why);
    }
    assert_eq!(fires("POST_SCALE_UP", None).call().word, Word::Succeeded, "no traffic could tell yet");
    let mut caller = fires("PRE_PRODUCTION_TRAFFIC_SHIFT", Some(0.0));
    let (calls, answer) = caller.until_over(500);
    // An hour, every half a minute.
    assert_eq!((calls, answer.word), (121, Word::Failed));
    let mut caller = fires("PRE_PRODUCTION_TRAFFIC_SHIFT", Some(0.0));
    assert!(waits(&caller.call()));
    caller.alarm(AlarmState::Ok);
    assert_eq!(caller.call().word, Word::Succeeded);
    // An earlier step of ours has traffic, though this call tells no weights.
    let mut caller = fires("PRE_PRODUCTION_TRAFFIC_SHIFT", None).rollout(Phase::Deploying, Some(DEPLOYMENT));
    assert!(waits(&caller.call()), "no weight is known of it");
    caller.ours().native.weight = 10.into();
    assert_eq!(caller.call().word, Word::Failed);
}

#[test]
fn an_alarm_that_says_nothing_is_not_quiet_and_one_accepted_at_the_start_is() {
    let stage = "POST_PRODUCTION_TRAFFIC_SHIFT";
    let mut caller = Caller::new(stage);
    caller.seen.alarms.insert("shop-5xx".into(), Reading::Unknown("throttled".to_owned()));
    let (calls, answer) = caller.until_over(100);
    assert_eq!((calls, answer.word), (21, Word::Failed));
    let mut caller = Caller::new(stage);
    caller.seen.alarms.insert("shop-5xx".into(), Reading::Known(None));
    let (calls, answer) = caller.until_over(500);
    assert_eq!((calls, answer.word), (121, Word::Failed), "holdDeadline");
    let mut caller = Caller::new(stage);
    let Reading::Known(Some(mut silent)) = alarm(AlarmState::InsufficientData) else { panic!("an alarm") };
    caller.seen.alarms.insert("shop-5xx".into(), Reading::Known(Some(silent.clone())));
    assert_eq!(caller.call().word, Word::Succeeded, "missing data is not breaching");
    silent.missing_is_quiet = false;
    caller.seen.alarms.insert("shop-5xx".into(), Reading::Known(Some(silent)));
    assert!(waits(&caller.call()));
    let mut caller = caller.rollout(Phase::Deploying, Some(DEPLOYMENT));
    caller.ours().blind.insert("shop-5xx".to_owned());
    assert_eq!(caller.call().word, Word::Succeeded);
    caller.alarm(AlarmState::Alarm);
    assert_eq!(caller.call().word, Word::Failed);
    caller.ours().forgiven.insert("shop-5xx".to_owned());
    assert_eq!(caller.call().word, Word::Succeeded);
}

#[test]
fn a_gate_waits_for_the_promote_of_its_rollout_at_its_stage() {
    let stage = "POST_SCALE_UP";
    let gate = json!({ "flipback": { "gate": "promote" } });
    let mut caller = Caller::new(stage).details(gate.clone()).rollout(Phase::Deploying, Some(DEPLOYMENT));
    for _ in 0..500 {
        assert!(waits(&caller.call()), "ECS's timeout ends it, nothing else");
    }
    let opened = |stage: &str, at| Some(Opened { stage: stage.to_owned(), hook: "h".to_owned(), at });
    caller.ours().native.opened = opened("PRE_SCALE_UP", caller.now);
    assert!(waits(&caller.call()), "another stage");
    caller.ours().native.opened = opened(stage, NOW.minus(Span::mins(1)));
    assert!(waits(&caller.call()), "the step before, of the same stage");
    caller.ours().native.opened = opened(stage, caller.now);
    assert_eq!(caller.call().word, Word::Succeeded);
    let of = |deployment| Caller::new(stage).details(gate.clone()).rollout(Phase::Deploying, deployment);
    let mut caller = of(None);
    caller.ours().native.opened = opened(stage, NOW);
    assert!(waits(&caller.call()), "it may be the one that was sent and not seen yet");
    let answer = of(Some("another")).call();
    assert_eq!(answer.word, Word::Succeeded, "nobody could promote it");
    assert!(answer.why.contains("Flipback's rollouts"), "{}", answer.why);
    let mut given_up = of(Some(DEPLOYMENT));
    let rollout = given_up.record.status.rollout.take().expect("a rollout");
    given_up.record.status.last = Some(Ended {
        rollout: rollout.id,
        outcome: Outcome::GivenUp("as it stood".to_owned()),
        at: NOW,
        stable_revision: None,
        revision: None,
        deployment: Some(DEPLOYMENT.to_owned()),
    });
    assert!(waits(&given_up.call()), "to give it up is no promote");
    given_up.record.status.last.as_mut().expect("it ended").deployment = Some("another".to_owned());
    assert_eq!(given_up.call().word, Word::Succeeded, "another one was given up");
    let mut unsent = of(None);
    unsent.ours().native.sent = None;
    assert_eq!(unsent.call().word, Word::Succeeded, "a rollout that has sent nothing has no deployment");
    let text = Caller::new(stage).details(Value::String(gate.to_string()));
    let mut text = text.rollout(Phase::Deploying, Some(DEPLOYMENT));
    assert!(waits(&text.call()), "JSON in a string, as CloudFormation takes it");
    assert!(waits(&text.call()));
    let odd = json!({ "flipback": { "gate": "open sesame" } });
    assert_eq!(Caller::new(stage).details(odd).call().word, Word::Failed);
}

#[test]
fn a_canary_that_comes_to_the_same_stage_again_begins_anew() {
    let mut caller = Caller::new("PRE_PRODUCTION_TRAFFIC_SHIFT").share(0.0);
    caller.seen.tries = wrong();
    for _ in 0..10 {
        assert!(waits(&caller.call()));
    }
    let mut caller = caller.share(10.0);
    assert!(caller.call().why.contains("0 right answers"));
    for _ in 0..11 {
        assert!(waits(&caller.call()), "its time is its own");
    }
    let mut caller = Caller::new("PRE_PRODUCTION_TRAFFIC_SHIFT");
    caller.seen.tries = wrong();
    assert!(waits(&caller.call()));
    caller.now = caller.now.plus(Span::mins(11));
    assert!(waits(&caller.call()), "the same weights, a bake later");
    // The limit: a silence of ten minutes since the last call, which was five seconds before the one that was due.
    let after = |silence: Span| {
        let mut caller = Caller::new("PRE_PRODUCTION_TRAFFIC_SHIFT");
        caller.seen.tries = wrong();
        assert!(waits(&caller.call()));
        caller.now = NOW.plus(silence);
        caller.call().word
    };
    assert_eq!(after(Span(Span::mins(10).0 - 1)), Word::Failed, "the same check, long past its time");
    assert!(matches!(after(Span::mins(10)), Word::InProgress(_)), "another one");
}

#[test]
fn details_that_nobody_can_read_are_nothing() {
    for odd in [json!("no json"), json!([1]), json!({ "flipback": 7 }), json!({ "flipback": { "blind": "many" } })] {
        let mut caller = Caller::new("POST_TEST_TRAFFIC_SHIFT").details(odd.clone());
        caller.seen.tries = wrong();
        assert!(waits(&caller.call()), "{odd}");
        assert!(waits(&caller.call()), "{odd}");
    }
}

#[test]
fn answers_are_spelled_as_ecs_reads_them() {
    assert_eq!(Answer::last(Word::Failed, "why").document(), json!({ "hookStatus": "FAILED" }));
    assert_eq!(Answer::last(Word::Succeeded, "").document(), json!({ "hookStatus": "SUCCEEDED" }));
    let details = Map::from_iter([("attempt".to_owned(), json!(4))]);
    let waiting = Answer { word: Word::InProgress(Span::secs(60)), why: String::new(), details };
    let want = json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": { "attempt": 4 } });
    assert_eq!(waiting.document(), want);
}

#[test]
fn an_answer_is_judged_by_status_and_body() {
    let config = parse(&file()).unwrap().remove(0);
    let check = config.engine.native().unwrap().check.clone().unwrap();
    assert_eq!(Tried::of(&check, 200, "all ok\n"), Tried::Right);
    let Tried::Wrong(why) = Tried::of(&check, 301, "ok") else { panic!("a redirect is not followed") };
    assert!(why.contains("301 instead of 200"), "{why}");
    let Tried::Wrong(why) = Tried::of(&check, 200, "secret") else { panic!("another body") };
    assert!(!why.contains("secret"), "{why}");
}
