//! What the fuzz targets hold for any bytes (docs/fuzzing.md), held here without nightly: for their corpus, for what fuzzing
//! has found, for the same some thousand changes of both every time, and for the shapes that cost a reader most.

#[allow(dead_code)]
#[path = "../../local/src/clock.rs"]
mod clock;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/product.rs"]
mod product;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/routes.rs"]
mod routes;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

type Law = fn(&[u8]);

/// Every target and what it holds.
const TARGETS: [(&str, Law); 6] = [
    ("intake", product::event),
    ("config", product::config),
    ("routes_xml", routes::answer),
    ("wire", wire::body),
    ("notices", product::notice),
    ("status", product::status),
];

/// EventBridge's longest event, and libFuzzer's `-max_len`.
const LONGEST: usize = 262_144;
/// Changes per target.
const CHANGES: usize = 1500;

fn files(folder: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    all.sort();
    all.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a readable file"))).collect()
}

/// The test's output names the input: whatever fails prints the line last written.
fn hold(law: Law, what: &str, data: &[u8]) {
    println!("{what}: {}", String::from_utf8_lossy(&data[..data.len().min(2000)]));
    law(data);
}

#[test]
fn the_corpus_and_what_fuzzing_found_hold() {
    for (target, law) in TARGETS {
        let corpus = files("corpus", target);
        assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
        for (path, data) in corpus.into_iter().chain(files("regressions", target)) {
            hold(law, &path.display().to_string(), &data);
        }
    }
}

#[test]
fn the_corpus_has_a_push_that_is_taken_by_every_kind_of_tag_rule() {
    let takers: Vec<Vec<bool>> = files("corpus", "intake").iter().map(|(_, data)| product::takers(data)).collect();
    for rule in 0..3 {
        assert!(takers.iter().any(|takes| takes.get(rule) == Some(&true)), "none for rule {rule}");
    }
}

/// xorshift64*: the same changes every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most.max(1)
    }
}

/// What readers stumble over.
const WORDS: [&[u8]; 16] = [
    b"null",
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"[]",
    b"{}",
    b"\"\"",
    b"\xff",
    b"\0",
    b"&a *a",
    b"<a>",
    b"&",
    b"=",
    b".",
    b"\xf0\x9f\x94\xb5",
    b"9999-12-31T23:59:59Z",
];

fn change(data: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(data.len());
    let until = (at + 1 + dice.below(24)).min(data.len());
    match dice.below(6) {
        0 if !data.is_empty() => data[at] ^= 1 << dice.below(8),
        1 => drop(data.drain(at..until)),
        2 => drop(data.splice(at..until, WORDS[dice.below(WORDS.len())].iter().copied())),
        3 => data.truncate(at),
        4 => {
            let from = dice.below(other.len());
            let part = &other[from..(from + dice.below(60)).min(other.len())];
            drop(data.splice(at..at, part.iter().copied()));
        }
        _ => {
            let part = data[at..until].repeat(1 + dice.below(40));
            drop(data.splice(at..at, part));
        }
    }
}

#[test]
fn the_same_changes_of_the_corpus_hold_every_time() {
    for (target, law) in TARGETS {
        let seeds: Vec<Vec<u8>> =
            files("corpus", target).into_iter().chain(files("regressions", target)).map(|(_, data)| data).collect();
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for n in 0..CHANGES {
            let mut data = seeds[n % seeds.len()].clone();
            for _ in 0..=dice.below(4) {
                let other = &seeds[dice.below(seeds.len())];
                change(&mut data, other, &mut dice);
            }
            hold(law, &format!("{target} {n}"), &data);
        }
    }
}

/// As much of it as EventBridge would carry.
fn filled(begin: &str, again: &str, end: &str) -> Vec<u8> {
    let times = (LONGEST - begin.len() - end.len()) / again.len();
    format!("{begin}{}{end}", again.repeat(times)).into_bytes()
}

#[test]
fn depth_and_repetition_are_refused_or_read() {
    let bomb: String =
        (1..200).map(|n| format!("k{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(","))).collect();
    let glob = |pattern: &str| {
        let file = include_str!("../../fuzz/corpus/config/plain");
        let pattern = format!("{{ glob: '{pattern}' }}");
        file.replace("{ semver: \">=1.0.0\" }", &pattern).into_bytes()
    };
    let shapes: [(&str, Vec<u8>); 20] = [
        ("deep JSON", filled("", "[", "")),
        ("deep objects", filled("", "{\"a\":", "")),
        ("many objects", filled("[", "{\"\":0},", "{}]")),
        ("deep YAML", filled("version: 1\nservices: ", "[", "")),
        ("deep YAML blocks", filled("version: 1\nservices:\n", "- ", "")),
        ("aliases of aliases", format!("k0: &a0 [x]\n{bomb}version: 1\nservices: *a199\n").into_bytes()),
        ("many anchors", filled("version: 1\nservices: [", "&a x,", "x]")),
        ("long glob", glob(&"?".repeat(200_000))),
        ("deep glob", glob(&format!("{}{}", "{a,".repeat(40_000), "}".repeat(40_000)))),
        ("wide glob", glob(&format!("{{{}a}}", "a?,".repeat(40_000)))),
        ("deep XML", filled("", "<a>", "")),
        ("wide XML", filled("<R><S><Rules><member><RuleArn>a</RuleArn><Actions>", "<a/>", "")),
        ("many attributes", filled("<a ", "b='' ", "/>")),
        ("deep form", filled("a", ".a", "=1")),
        ("deep form of lists", filled("a", ".member.1", "=1")),
        ("wide form", filled("", "a.b=&", "")),
        ("empty names", filled("", ".", "=1")),
        ("deep CBOR", vec![0x81; LONGEST]),
        ("deep CBOR tags", vec![0xc1; LONGEST]),
        ("many CBOR maps", [&[0x9f][..], &[0xa1, 0x60, 0x00].repeat(LONGEST / 3 - 1), &[0xff]].concat()),
    ];
    for (what, data) in &shapes {
        assert!(data.len() <= LONGEST, "{what}: {}", data.len());
        for (target, law) in TARGETS {
            println!("{what} for {target}");
            law(data);
        }
    }
}
