//! What scheduled actions explain, and what they do not.

use super::*;
use FindingKind as Kind;

fn action(min: Option<u32>, max: Option<u32>) -> Scheduled {
    Scheduled { min, max }
}

/// What is found of these bounds under these scheduled actions, without policies.
fn with(scaling: &str, desired: u32, bounds: (u32, u32), actions: &[Scheduled]) -> Vec<FindingKind> {
    let mut seen = sight(counts(desired, desired), Some(target(bounds.0, bounds.1)));
    seen.scheduled.insert("shop-api".to_owned(), Reading::Known(actions.to_vec()));
    kinds(&native(scaling), &seen)
}

#[test]
fn bounds_that_a_scheduled_action_sets_are_meant_and_no_others() {
    let (night, day) = (action(Some(0), Some(2)), action(Some(2), Some(10)));
    let wanted = "{ min: 2, max: 10 }";
    assert_eq!(with(wanted, 1, (0, 2), &[night, day]), []);
    assert_eq!(with(wanted, 4, (2, 10), &[night, day]), []);
    assert_eq!(with(wanted, 1, (0, 2), &[]), [Kind::OtherBounds], "nobody scheduled it");
    assert_eq!(with(wanted, 1, (0, 3), &[night, day]), [Kind::OtherBounds], "nor these");
    assert_eq!(with(wanted, 3, (1, 10), &[night, day]), [Kind::OtherBounds]);
    // An action may set one bound and leave the other.
    assert_eq!(with(wanted, 4, (3, 10), &[action(Some(3), None)]), []);
    assert_eq!(with(wanted, 4, (2, 8), &[action(None, Some(8))]), []);
    assert_eq!(with(wanted, 4, (2, 8), &[action(Some(8), None)]), [Kind::OtherBounds], "the other bound");
    assert_eq!(with(wanted, 4, (3, 10), &[action(None, Some(3))]), [Kind::OtherBounds]);
}

#[test]
fn a_count_that_is_scheduled_is_neither_fixed_nor_zero_for_ever() {
    assert_eq!(with("{}", 3, (3, 3), &[]), [Kind::MinIsMax]);
    assert_eq!(with("{}", 3, (3, 3), &[action(Some(3), None)]), []);
    assert_eq!(with("{}", 3, (3, 3), &[action(None, Some(3))]), []);
    assert_eq!(with("{}", 3, (3, 3), &[action(None, None)]), [Kind::MinIsMax], "it sets nothing");
    assert_eq!(with("{}", 1, (0, 4), &[]), [Kind::MinZero]);
    assert_eq!(with("{}", 1, (0, 4), &[action(Some(2), None)]), []);
    assert_eq!(with("{}", 1, (0, 4), &[action(None, Some(4))]), [Kind::MinZero], "the minimum stays");
}

#[test]
fn a_schedule_that_moves_the_bounds_is_something_that_scales() {
    let scaled = |actions: &[Scheduled]| {
        let mut seen = sight(counts(4, 4), Some(target(2, 10)));
        seen.policies.insert("shop-api".to_owned(), Reading::Known(Vec::new()));
        seen.scheduled.insert("shop-api".to_owned(), Reading::Known(actions.to_vec()));
        kinds(&native("{}"), &seen)
    };
    assert_eq!(scaled(&[]), [Kind::NoPolicy]);
    assert_eq!(scaled(&[action(Some(4), None)]), []);
    assert_eq!(scaled(&[action(None, None)]), [Kind::NoPolicy]);
}

#[test]
fn without_the_schedule_nothing_is_known_of_what_it_may_explain() {
    let mut seen = sight(counts(3, 3), Some(target(0, 0)));
    seen.policies.insert("shop-api".to_owned(), Reading::Known(Vec::new()));
    let mut config = native("{ min: 2, max: 10 }");
    config.scaling.ignore.insert(Kind::MaxBelowDesired);
    let of_schedules = [Kind::OtherBounds, Kind::MinIsMax, Kind::MinZero, Kind::NoPolicy];
    seen.scheduled.clear();
    let judged_so = judged(&config, &seen);
    assert_eq!(judged_so.found, []);
    assert!(of_schedules.iter().all(|kind| judged_so.unknown.contains(&(*kind, Role::Live))));
    seen.scheduled.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    let judged_so = judged(&config, &seen);
    assert_eq!(judged_so.found.iter().map(Finding::kind).collect::<Vec<_>>(), [Kind::Unreadable]);
    assert!(of_schedules.iter().all(|kind| judged_so.unknown.contains(&(*kind, Role::Live))));
}
