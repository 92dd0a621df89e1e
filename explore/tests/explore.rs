//! The laws hold in every history of the small world, and every planted bug breaks its law in one.

use explore::bounds::{Bounds, Kind, Kinds};
use explore::bugs::Bug;
use explore::check::explore;

/// Every history within these bounds is good, and every place they allow is reached.
fn all_good(bounds: Bounds) {
    let findings = explore(bounds, None, None, 1);
    println!("{bounds:?}: {} states in {} moves, {} deep", findings.states, findings.moves, findings.depth);
    let broken: Vec<String> = findings
        .broken
        .iter()
        .map(|history| {
            format!("{}: {}\n  {}", history.name, history.what.as_deref().unwrap_or(""), history.moves.join("\n  "))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert_eq!(findings.missing, Vec::<&str>::new(), "never reached");
}

#[test]
fn no_history_with_one_event_breaks_a_law() {
    all_good(Bounds { events: 1, ..Bounds::default() });
}

#[test]
fn no_history_with_one_fault_breaks_a_law() {
    all_good(Bounds { events: 0, faults: 1, ..Bounds::default() });
}

#[test]
fn no_history_with_a_person_and_a_late_write_breaks_a_law() {
    all_good(Bounds { events: 1, faults: 1, kinds: Kinds::only(&[Kind::Person, Kind::Late]), ..Bounds::default() });
}

#[test]
fn every_planted_bug_breaks_its_law() {
    let mut wrong = Vec::new();
    for bug in Bug::ALL {
        let findings = explore(bug.bounds(), None, Some(*bug), 1);
        let laws: Vec<&str> = findings.broken.iter().map(|history| history.name).collect();
        println!("{}: {laws:?} after {} states", bug.name(), findings.states);
        if !laws.contains(&format!("law {}", bug.law()).as_str()) {
            wrong.push(format!("{} breaks {laws:?}, not law {}", bug.name(), bug.law()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_push_nothing_happens() {
    let findings = explore(Bounds { pushes: 0, events: 0, ..Bounds::default() }, None, None, 1);
    assert!(findings.good());
    assert_eq!(findings.states, 1);
}
