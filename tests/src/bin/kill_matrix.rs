//! The kill matrix: every AWS call of every function in every story, with every outcome. See docs/kill-matrix.md.

use anyhow::{Context as _, bail};
use clap::Parser;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tests::kill::{Called, Case, Line, Outcome, Played, Story, Table, cases, play};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Plays short stories through the real functions, with one AWS call killed, refused, lost or late in each, and checks that
/// every one ends right.
#[derive(Debug, Parser)]
#[command(name = "kill_matrix", max_term_width = 120)]
struct Args {
    /// Only this story (repeatable): good, alarm, unhealthy, abort, native-good, native-alarm, native-crash or native-abort
    #[arg(long)]
    story: Vec<Story>,
    /// Only this outcome (repeatable): killed-before, killed-after, throttled, failed, lost, answered-late or late
    #[arg(long)]
    outcome: Vec<Outcome>,
    /// Only calls whose name contains this, as in `on-alarm/` or `elb:ModifyRule` (repeatable)
    #[arg(long, value_name = "TEXT")]
    call: Vec<String>,
    /// Begin with this case of the list, counted from 1
    #[arg(long, default_value_t = 1)]
    from: usize,
    /// End with this case of the list
    #[arg(long)]
    to: Option<usize>,
    /// Play exactly this case, as in `good/advance/elb:ModifyRule/2/killed-after` (repeatable)
    #[arg(long, value_name = "NAME")]
    case: Vec<Case>,
    /// Shuffle the cases by this text, such as the commit's hash
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Begin no more cases after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// So many cases at once; they mostly wait
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Only list the calls of each story
    #[arg(long)]
    list: bool,
    /// Write the tables to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The directory of the functions' binaries (default: beside this program)
    #[arg(long, value_name = "DIR")]
    functions: Option<PathBuf>,
}

/// A case lasts about this long, a minute more where a notice waits for its second delivery.
const CASE: Duration = Duration::from_secs(45);

/// A case that the machine was too busy for is played again, so often in all.
const TRIES: u32 = 3;

/// Cases whose fault struck nothing, or that the machine was too busy for, prove nothing: more of them than one in so many is a failure.
const NOT_REACHED: u32 = 5;

type Calls = BTreeMap<Story, BTreeMap<Called, u64>>;

#[tokio::main]
async fn main() -> ExitCode {
    matrix(&Args::parse()).await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn matrix(args: &Args) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let functions = args.functions.clone().map_or_else(tests::functions, Ok)?;
    let stories: Vec<Story> = if args.story.is_empty() { Story::ALL.to_vec() } else { args.story.clone() };
    let (list, whole) = if args.case.is_empty() {
        // Where time is short, more of it goes to the cases.
        let times = if args.minutes.is_some() { 1 } else { 2 };
        let calls = record(&stories, times, args.jobs, &functions).await?;
        print!("{}", told(&calls));
        choose(args, &calls)
    } else {
        (args.case.clone(), args.case.len())
    };
    if args.list {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(seed) = &args.seed {
        println!("seed {seed}");
    }
    println!("{} of {whole} cases, {} at once", list.len(), args.jobs);
    let until = args.minutes.map(|minutes| began + (Duration::from_secs(minutes * 60)).saturating_sub(CASE));
    let result = run(list, args.jobs, until, functions).await;
    report(args, &result, began.elapsed())
}

/// Plays each story without a fault, `times` times. A call counts that was made each time: how often a look is repeated
/// differs.
async fn record(stories: &[Story], times: u32, jobs: usize, functions: &Path) -> anyhow::Result<Calls> {
    let slots = Arc::new(Semaphore::new(jobs.max(1)));
    let mut playing = JoinSet::new();
    for story in stories {
        for _ in 0..times {
            let (story, functions, slots) = (*story, functions.to_owned(), slots.clone());
            playing.spawn(async move {
                let _slot = slots.acquire().await;
                (story, steadily(story, None, &functions).await)
            });
        }
    }
    let mut calls = Calls::new();
    while let Some(played) = playing.join_next().await {
        let (story, played) = played?;
        if !played.wrong.is_empty() {
            bail!(
                "the story {} does not end right without any fault:\n    {}",
                story.name(),
                played.wrong.join("\n    ")
            );
        }
        eprintln!("recorded {} in {:.1} s", story.name(), played.seconds);
        let common = match calls.remove(&story) {
            None => played.calls,
            Some(before) => before
                .into_iter()
                .filter_map(|(called, count)| {
                    let least = count.min(*played.calls.get(&called)?);
                    Some((called, least))
                })
                .collect(),
        };
        calls.insert(story, common);
    }
    Ok(calls)
}

/// The list of calls, a line for each kind.
fn told(calls: &Calls) -> String {
    let mut text = String::new();
    for (story, calls) in calls {
        text.push_str(&format!("{}: {} calls\n", story.name(), calls.values().sum::<u64>()));
        for (called, count) in calls {
            text.push_str(&format!("  {count:4}  {called}\n"));
        }
    }
    text
}

/// The chosen cases, and how many there are in all.
fn choose(args: &Args, calls: &Calls) -> (Vec<Case>, usize) {
    let all: Vec<Case> = calls.iter().flat_map(|(story, calls)| cases(*story, calls)).collect();
    let whole = all.len();
    let wanted = |case: &Case| {
        let name = case.called.to_string();
        let called = args.call.is_empty() || args.call.iter().any(|part| name.contains(part));
        called && (args.outcome.is_empty() || args.outcome.contains(&case.outcome))
    };
    let mut list: Vec<Case> = all.into_iter().filter(wanted).collect();
    if let Some(seed) = &args.seed {
        shuffle(&mut list, seed);
        spread(&mut list);
    }
    let to = args.to.unwrap_or(list.len()).min(list.len());
    let from = args.from.saturating_sub(1).min(to);
    (list[from..to].to_vec(), whole)
}

/// One of every cell of the table first, then a second of each: few cases see many kinds of calls.
fn spread(list: &mut Vec<Case>) {
    let mut seen: BTreeMap<(Story, Called, Outcome), u32> = BTreeMap::new();
    let mut ranked: Vec<(u32, Case)> = Vec::new();
    for case in list.drain(..) {
        let rank = seen.entry((case.story, case.called.clone(), case.outcome)).or_default();
        *rank += 1;
        ranked.push((*rank, case));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    list.extend(ranked.into_iter().map(|(_, case)| case));
}

/// Fisher and Yates, by SplitMix64 from the seed's FNV hash: the same text gives the same order of the same list.
fn shuffle(list: &mut [Case], seed: &str) {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    for last in (1..list.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^= drawn >> 31;
        let place = usize::try_from(drawn % (last as u64 + 1)).unwrap_or(0);
        list.swap(last, place);
    }
}

#[derive(Default)]
struct Run {
    table: Table,
    wrong: Vec<(Case, Vec<String>)>,
    seconds: Vec<f64>,
    back: Vec<f64>,
    skipped: usize,
}

/// A story whose users were starved by a busy machine says nothing: it is played again.
async fn steadily(story: Story, case: Option<&Case>, functions: &Path) -> Played {
    let mut played = play(story, case, functions).await;
    for _again in 1..TRIES {
        if !played.starved {
            break;
        }
        played = play(story, case, functions).await;
    }
    played
}

async fn run(list: Vec<Case>, jobs: usize, until: Option<Instant>, functions: PathBuf) -> Run {
    let (slots, whole) = (Arc::new(Semaphore::new(jobs.max(1))), list.len());
    let mut playing: JoinSet<(Case, Option<Played>)> = JoinSet::new();
    for case in list {
        let (slots, functions) = (slots.clone(), functions.clone());
        playing.spawn(async move {
            let Ok(_slot) = slots.acquire().await else { return (case, None) };
            if until.is_some_and(|until| Instant::now() > until) {
                return (case, None);
            }
            let played = steadily(case.story, Some(&case), &functions).await;
            (case, Some(played))
        });
    }
    let mut result = Run::default();
    let mut done = 0;
    while let Some(ended) = playing.join_next().await {
        let (case, played) = match ended {
            Ok((case, Some(played))) => (case, played),
            Ok((_, None)) => {
                result.skipped += 1;
                continue;
            }
            // A case that could not even be played to its end is no case that was left out.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        done += 1;
        let line = match (played.wrong.is_empty(), played.struck) {
            (false, _) if played.starved => Line::Starved,
            (false, _) => Line::Wrong,
            (true, 0) => Line::NotReached,
            (true, _) => Line::Right,
        };
        let word = match line {
            Line::Right => "right",
            Line::Wrong => "WRONG",
            Line::NotReached => "not reached",
            Line::Starved => "starved",
        };
        eprintln!("{done}/{whole} {case} {word}, {:.1} s", played.seconds);
        played.wrong.iter().for_each(|wrong| eprintln!("    {wrong}"));
        result.table.add(&case, line);
        result.seconds.push(played.seconds);
        result.back.extend(played.back_seconds);
        if line == Line::Wrong {
            result.wrong.push((case, played.wrong));
        }
    }
    result
}

fn report(args: &Args, run: &Run, took: Duration) -> anyhow::Result<ExitCode> {
    let [right, wrong, not_reached, starved] = run.table.counts();
    let all = right + wrong + not_reached + starved;
    let tables = run.table.markdown();
    println!("\n{tables}");
    let longest = |list: &[f64]| list.iter().copied().fold(0.0, f64::max);
    println!(
        "{all} cases in {:.0} s: {right} right, {wrong} wrong, {not_reached} not reached, {starved} starved, {} not begun; a story took {:.0} s at most",
        took.as_secs_f64(),
        run.skipped,
        longest(&run.seconds)
    );
    if !run.back.is_empty() {
        println!(
            "from the alarm to the weights, or to ECS's stop: {:.1} s at most over {} stories",
            longest(&run.back),
            run.back.len()
        );
    }
    for (case, what) in &run.wrong {
        println!(
            "\n{case}\n    {}\n    again: cargo run -p tests --bin kill_matrix -- --case {case}",
            what.join("\n    ")
        );
    }
    if let Some(file) = &args.markdown {
        std::fs::write(file, &tables).with_context(|| format!("writing {}", file.display()))?;
    }
    let vacuous = (not_reached + starved) * NOT_REACHED > all || all == 0;
    if vacuous {
        println!("\ntoo few cases were reached");
    }
    Ok(if wrong > 0 || vacuous { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
