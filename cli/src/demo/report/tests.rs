use super::super::story::STORIES;
use super::*;

fn good(place: usize) -> Evidence {
    let story = &STORIES[place];
    let back = Some(Written { at: 13_500, by: "function:on-alarm".to_owned() });
    let traffic = Counted { sent: 6_000, answered: 6_000, ..Counted::default() };
    let seen = Evidence {
        seconds: 40.0,
        traffic,
        traffic_seconds: 40.0,
        balancer: 6_000,
        after: BTreeMap::from([(story.ending.tag().to_owned(), 150)]),
        changes_by_functions: 9,
        ..Evidence::default()
    };
    match story.ending {
        Ending::Completed => Evidence { outcome: Some(Outcome::Completed), weights: (0, 100), ..seen },
        Ending::BackByAlarm => {
            let cause = Cause::Alarm { alarm: "cart-green-5xx".to_owned(), reason: "45 > 5".to_owned() };
            let (outcome, alarm) = (Some(Outcome::RolledBack(cause)), Some(("cart-green-5xx".to_owned(), 13_000)));
            let traffic = Counted { server_errors: 60, first_server_error: Some(1_000), ..seen.traffic.clone() };
            let balancer_server_errors = 60;
            Evidence { outcome, alarm, traffic, balancer_server_errors, weights: (100, 0), written_back: back, ..seen }
        }
        Ending::BackWithoutAlarm => {
            let outcome = Some(Outcome::RolledBack(Cause::Unhealthy("0 of 2 targets".to_owned())));
            Evidence { outcome, weights: (100, 0), written_back: back, ..seen }
        }
    }
}

fn differed(place: usize, change: impl FnOnce(&mut Evidence)) -> String {
    let mut seen = good(place);
    change(&mut seen);
    Told::new(&STORIES[place], seen).differed.join("; ")
}

#[test]
fn each_story_is_as_told_when_everything_was_seen() {
    for place in 0..STORIES.len() {
        assert_eq!(differed(place, |_| ()), "");
    }
    let told = Told::new(&STORIES[1], good(1));
    assert_eq!(told.first_error_to_alarm_seconds, Some(12.0));
    assert_eq!(told.alarm_to_weights_seconds, Some(0.5));
}

#[test]
fn one_failed_request_spoils_the_good_push() {
    let failed = |seen: &mut Evidence| (seen.traffic.server_errors, seen.balancer_server_errors) = (1, 1);
    assert_eq!(differed(0, failed), "1 requests failed");
    assert!(differed(0, |seen| seen.traffic.connection_errors = 1).contains("1 requests got no answer"));
}

#[test]
fn counts_that_differ_from_the_load_balancers_are_told() {
    assert!(differed(0, |seen| seen.balancer += 1).contains("the load balancer 6001"));
    assert!(differed(1, |seen| seen.balancer_server_errors = 61).contains("61 5XX"));
}

#[test]
fn a_change_by_anybody_else_spoils_a_story() {
    let by_hand = |seen: &mut Evidence| seen.changes_by_others = vec!["ModifyRule by user:me".to_owned()];
    assert!(differed(2, by_hand).contains("ModifyRule by user:me"));
    assert!(differed(2, |seen| seen.changes_by_functions = 0).contains("changed nothing"));
}

#[test]
fn another_ending_is_named() {
    let early = |seen: &mut Evidence| {
        seen.outcome = None;
        seen.given_up = Some("after 75 s it waited for x".to_owned());
    };
    assert!(differed(0, early).starts_with("after 75 s it waited for x; it ended as not at all"));
    assert!(differed(2, |seen| seen.alarm = Some(("search-green-5xx".to_owned(), 1))).contains("an alarm fired"));
    assert!(differed(1, |seen| seen.outcome = Some(Outcome::Completed)).contains("completed"));
    assert!(differed(1, |seen| seen.weights = (90, 10)).contains("blue 90, green 10"));
}

#[test]
fn traffic_below_the_rate_proves_too_little() {
    assert!(differed(0, |seen| seen.traffic_seconds = 100.0).contains("60 requests a second"));
}

#[test]
fn the_table_says_what_differed_below_it() {
    let mut seen = good(2);
    seen.weights = (0, 100);
    let stories: Vec<Told> =
        [good(0), good(1), seen].into_iter().zip(&STORIES).map(|(seen, story)| Told::new(story, seen)).collect();
    let text = table(&Document { ok: false, seconds: 120.0, stories }, Paint(false));
    assert!(text.contains("12.00 s"), "{text}");
    assert!(text.contains("(search):\n  - the weights in the end are blue 0, green 100"), "{text}");
    assert!(text.ends_with("Not as told, after 120 s."), "{text}");
}
