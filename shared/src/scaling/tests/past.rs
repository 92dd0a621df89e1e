//! How the count went: what is kept of it, and when it flaps.

use super::*;

fn went(counts: &[(u64, u32)]) -> Past {
    let mut past = Past::default();
    for (minute, desired) in counts {
        past.note(Step { at: NOW.plus(Span::mins(*minute)), desired: *desired, running: *desired, max: Some(10) });
    }
    past
}

#[test]
fn what_does_not_change_is_not_kept_twice_and_what_is_old_not_at_all() {
    let past = went(&[(0, 4), (5, 4), (10, 6), (15, 6)]);
    assert_eq!(past.steps().iter().map(|step| step.desired).collect::<Vec<_>>(), [4, 6]);
    let day = 24 * 60;
    let past = went(&[(0, 4), (10, 6), (20, 5), (day + 15, 7)]);
    assert_eq!(past.steps().iter().map(|step| step.desired).collect::<Vec<_>>(), [6, 5, 7], "as the day began");
    let busy: Vec<(u64, u32)> = (0..1000).map(|minute| (minute, u32::try_from(minute % 2).unwrap())).collect();
    assert_eq!(went(&busy).steps().len(), 300);
    // A look that comes late changes nothing.
    assert_eq!(went(&[(10, 4), (5, 6)]).steps().len(), 1);
}

#[test]
fn a_day_is_shown_in_equal_parts() {
    let past = went(&[(0, 4), (23 * 60, 8)]);
    let now = NOW.plus(Span::mins(24 * 60));
    let day = past.day(now, 24, |step| Some(step.desired));
    assert_eq!((day.len(), day[0], day[21], day[22], day[23]), (24, Some(4), Some(4), Some(8), Some(8)));
    assert_eq!(went(&[(0, 4)]).day(NOW, 4, |step| Some(step.running)), [None, None, None, Some(4)]);
    assert_eq!(went(&[(0, 4)]).day(NOW, 1, |step| step.max), [Some(10)]);
}

#[test]
fn a_count_that_goes_up_and_down_again_and_again_is_found_and_a_busy_day_is_not() {
    let plain = native("{}");
    let found = |counts: &[(u64, u32)], minute: u64, desired: u32| {
        let mut seen = sight(super::counts(desired, desired), Some(target(2, 20)));
        seen.at = NOW.plus(Span::mins(minute));
        let (status, past) = (Status::default(), went(counts));
        let subjects = subjects(&plain, &status, None).expect("one");
        let judged = judge(&plain, &status, &subjects, &seen, &past);
        judged.found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let flaps = [(0, 4), (10, 8), (20, 4), (30, 8), (40, 4)];
    assert_eq!(found(&flaps, 50, 8), ["shop-api went up and down 4 times within the hour, between 4 and 8 tasks"]);
    assert_eq!(found(&flaps[..4], 40, 4), [""; 0], "three turns");
    assert_eq!(found(&flaps, 95, 8), [""; 0], "an hour ago");
    assert_eq!(found(&[(0, 4), (5, 6), (10, 8), (15, 10), (20, 12)], 30, 9), [""; 0], "up in steps, and once down");
}

#[test]
fn a_count_that_stays_while_others_change_does_not_turn() {
    let turns = |desired: &[u32]| {
        let mut past = Past::default();
        for (minute, desired) in (0..).zip(desired) {
            // Another number of tasks runs each time.
            let step = Step { at: NOW.plus(Span::mins(minute)), desired: *desired, running: minute as u32, max: None };
            past.note(step);
        }
        past.turns(NOW.plus(Span::mins(30)), *desired.last().expect("a count")).0
    };
    assert_eq!(turns(&[4, 8, 8, 8]), 0, "up, and it stays");
    assert_eq!(turns(&[8, 4, 4, 4]), 0, "down, and it stays");
    assert_eq!(turns(&[4, 8, 8, 10]), 0, "up in two steps");
    assert_eq!(turns(&[4, 8, 8, 6]), 1);
}
