use super::*;
use shared::rollout::{Cause, Phase};

fn follower(asked: Asked) -> Follower {
    let intent = Some((IntentId::from("cli/deploy/x/1"), 0));
    Follower { service: "shop-api".into(), intent, before: Some("shop-api-1".into()), asked, images: Vec::new() }
}

fn exit(asked: Asked, number: u64, outcome: Outcome) -> Option<Exit> {
    let mut record = fixture::record();
    record.status.last = Some(fixture::ended(number, outcome));
    match follower(asked).look(&record) {
        Seen::Moving { .. } => None,
        Seen::Settled { exit, .. } => Some(exit),
        Seen::TimedOut { .. } => Some(Exit::TimedOut),
    }
}

fn alarm() -> Outcome {
    Outcome::RolledBack(Cause::Unhealthy("x".to_owned()))
}

#[test]
fn the_exit_code_of_a_deploy_is_the_rollouts_outcome() {
    assert_eq!(exit(Asked::Forward, 2, Outcome::Completed), Some(Exit::Done));
    assert_eq!(exit(Asked::Forward, 2, Outcome::Observed), Some(Exit::Done));
    assert_eq!(exit(Asked::Forward, 2, alarm()), Some(Exit::RolledBack));
    assert_eq!(exit(Asked::Forward, 2, Outcome::Refused("no".to_owned())), Some(Exit::Failed));
}

#[test]
fn the_outcome_of_an_earlier_rollout_is_not_taken_for_this_one() {
    assert_eq!(exit(Asked::Forward, 1, Outcome::Completed), Some(Exit::Failed));
}

#[test]
fn an_abort_is_done_when_its_rollout_went_back_and_failed_when_that_completed() {
    let asked = || Asked::Back(Some("shop-api-2".into()));
    assert_eq!(exit(asked(), 2, alarm()), Some(Exit::Done));
    assert_eq!(exit(asked(), 2, Outcome::Completed), Some(Exit::Failed));
}

#[test]
fn a_rollback_that_starts_a_rollout_of_its_own_is_done_when_that_completed() {
    let asked = || Asked::Back(Some("shop-api-2".into()));
    assert_eq!(exit(asked(), 3, Outcome::Completed), Some(Exit::Done));
    assert_eq!(exit(asked(), 3, alarm()), Some(Exit::RolledBack));
    assert_eq!(exit(Asked::Back(None), 2, Outcome::Completed), Some(Exit::Done));
}

#[test]
fn it_is_not_settled_while_anything_is_left_to_do() {
    let moving = |change: fn(&mut Record)| {
        let mut record = fixture::record();
        record.status.last = Some(fixture::ended(2, Outcome::Completed));
        change(&mut record);
        matches!(follower(Asked::Forward).look(&record), Seen::Moving { .. })
    };
    assert!(!moving(|_| ()));
    assert!(moving(|record| record.status.rollout = Some(fixture::rollout(2, Phase::Starting))));
    assert!(moving(|record| record.status.next = Some(fixture::candidate())));
    assert!(moving(|record| record.inbox.push(fixture::intent("cli/deploy/x/1"))));
    assert!(moving(|record| record.inbox.push(fixture::intent("alarm/other"))));
}

#[test]
fn a_pause_is_done_once_it_is_taken_up() {
    let mut record = fixture::record();
    record.status.rollout = Some(fixture::rollout(2, Phase::Baking { step: 0, promoted: false }));
    assert_eq!(follower(Asked::TakenUp).look(&record), settled("done", "", Exit::Done));
    record.inbox.push(fixture::intent("cli/deploy/x/1"));
    assert!(matches!(follower(Asked::TakenUp).look(&record), Seen::Moving { .. }));
}

#[test]
fn a_plain_wait_tells_the_last_outcome() {
    let mut record = fixture::record();
    let follower = Follower { intent: None, before: None, ..follower(Asked::Whatever) };
    assert!(matches!(follower.look(&record), Seen::Settled { exit: Exit::Done, .. }));
    record.status.last = Some(fixture::ended(1, alarm()));
    assert!(matches!(follower.look(&record), Seen::Settled { exit: Exit::RolledBack, .. }));
}

#[test]
fn a_wait_whose_time_is_over_tells_where_it_stands() {
    let mut record = fixture::record();
    record.status.rollout = Some(fixture::rollout(17, Phase::Baking { step: 1, promoted: false }));
    let last = follower(Asked::Whatever).look(&record);
    let Seen::TimedOut { rollout, phase, weight, .. } = timed_out(Some(last), "late".to_owned()) else {
        panic!("it is not settled")
    };
    assert_eq!((rollout.as_deref(), phase.as_str(), weight), (Some("shop-api-17"), "baking", Some(50)));
}
