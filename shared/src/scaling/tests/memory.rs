//! What is remembered from look to look.

use super::*;

#[test]
fn no_news_is_neither_of_an_opening_nor_of_an_end() {
    let mut memory = Memory::default();
    let full = judged(&native("{}"), &sight(counts(12, 12), Some(target(2, 10))));
    let fine = judged(&native("{}"), &sight(counts(4, 4), Some(target(2, 10))));
    let mut look = |judged: &Judged, minutes: u64| memory.note(judged, NOW.plus(Span::mins(minutes)), APART).is_empty();
    let news = [look(&full, 0), look(&full, 5), look(&full, 10), look(&fine, 15), look(&fine, 20), look(&fine, 25)];
    assert_eq!(
        news,
        [true, false, true, true, false, true],
        "it opens in the second look, and ends in the second without it"
    );
}

#[test]
fn what_was_not_seen_all_the_while_began_when_it_could_be_seen_again() {
    let mut memory = Memory::default();
    let full = judged(&native("{}"), &sight(counts(10, 10), Some(target(2, 10))));
    let silent = Judged { unknown: [(FindingKind::AtMax, Role::Live)].into(), ..Judged::default() };
    let mut look = |judged: &Judged, minutes: u64| {
        let told = !memory.note(judged, NOW.plus(Span::mins(minutes)), APART).is_empty();
        (told, memory.open[0].since.since(NOW).0 / 60_000, memory.open[0].seen)
    };
    assert_eq!(look(&full, 0), (false, 0, 1));
    assert_eq!(look(&silent, 5), (false, 5, 1), "it may have been over");
    assert_eq!(look(&full, 10), (false, 5, 2), "for five minutes");
    assert_eq!(look(&full, 15), (true, 5, 2));
    assert_eq!(look(&silent, 20), (false, 5, 2), "what was told stays as it is");
    assert_eq!(look(&full, 25), (false, 5, 2), "it was seen often enough");
}

#[test]
fn how_long_it_has_been_so_is_told_from_a_minute_on() {
    let finding = judged(&native("{}"), &sight(counts(12, 12), Some(target(2, 10)))).found.remove(0);
    let told = |seconds: u64| {
        let since = NOW.minus(Span::secs(seconds));
        let open = Open { finding: finding.clone(), since, seen: 2, missed: 0, counted: NOW, told: None };
        let news = News { opened: vec![open.clone()], closed: vec![open] };
        let (opened, closed) = news.sentences("production", NOW);
        (opened[0].contains(", for "), closed[0].contains(", for "))
    };
    assert_eq!((told(59), told(60)), ((false, false), (true, true)));
}

#[test]
fn a_finding_of_a_later_release_is_left_out_of_what_is_remembered() {
    let mut memory = Memory::default();
    let full = judged(&native("{}"), &sight(counts(10, 10), Some(target(2, 10))));
    memory.note(&full, NOW, APART);
    let mut saved = serde_json::to_value(&memory).expect("it is written");
    let mut newer = saved["open"][0].clone();
    newer["finding"]["what"]["kind"] = "ofTomorrow".into();
    saved["open"].as_array_mut().expect("a list").push(newer);
    assert_eq!(serde_json::from_value::<Memory>(saved).expect("it is read"), memory);
}
