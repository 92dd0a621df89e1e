//! `sim`: plays schedules, prints what was reached, and the first law that was broken.

use std::process::ExitCode;

use clap::Parser;
use sim::bugs::Bug;
use sim::counts::Counts;
use sim::run::{Outcome, run};
use sim::schedule::Schedule;

/// Plays schedules of the core over the model of AWS, with faults, and checks the laws at every step.
#[derive(Parser, Debug)]
#[command(name = "sim")]
struct Options {
    /// How many schedules to play.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plays this seed only, step by step.
    #[arg(long)]
    replay: Option<u64>,
    /// Plants a bug by name (`list` prints them).
    #[arg(long)]
    bug: Option<String>,
    /// Turns one of the model's beliefs about AWS over, by name (`list` prints them).
    #[arg(long)]
    belief: Option<String>,
    /// Goes on after a broken law.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let bug = match options.bug.as_deref() {
        None => None,
        Some("list") => {
            for bug in Bug::ALL {
                println!("{:<28} breaks law {:>2}: {}", bug.name(), bug.law(), bug.what());
            }
            return ExitCode::SUCCESS;
        }
        Some(name) => match Bug::named(name) {
            Some(bug) => Some(bug),
            None => {
                eprintln!("no bug is named {name}; --bug list prints them");
                return ExitCode::from(2);
            }
        },
    };
    let belief = options.belief.as_deref();
    if belief == Some("list") {
        sim::beliefs::ALL.iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let draw = |seed| {
        let mut schedule = Schedule::draw(seed);
        let known = belief.is_none_or(|name| sim::beliefs::turn_over(&mut schedule.pace.settings.beliefs, name));
        known.then_some(schedule)
    };
    if draw(0).is_none() {
        eprintln!("no belief has this name; --belief list prints them");
        return ExitCode::from(2);
    }
    if let Some(seed) = options.replay {
        let Some(schedule) = draw(seed) else { return ExitCode::FAILURE };
        let outcome = run(&schedule, bug, true);
        return if report(&outcome, seed, bug, belief) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut counts = Counts::default();
    let mut broken = 0_u64;
    let mut steps = Vec::new();
    for seed in options.from..options.from.saturating_add(options.seeds) {
        let Some(schedule) = draw(seed) else { break };
        let outcome = run(&schedule, bug, false);
        steps.push(outcome.steps);
        counts.add(&outcome.counts);
        if !report(&outcome, seed, bug, belief) {
            broken += 1;
            if !options.keep_going {
                break;
            }
        }
    }
    steps.sort_unstable();
    let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
    println!("{counts}");
    println!("{} schedules, {median} steps in the median, {broken} with a broken law", steps.len());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(outcome: &Outcome, seed: u64, bug: Option<Bug>, belief: Option<&str>) -> bool {
    let Some(violation) = &outcome.violation else { return true };
    let mut with = bug.map_or(String::new(), |bug| format!(" --bug {}", bug.name()));
    with.push_str(&belief.map_or(String::new(), |name| format!(" --belief {name}")));
    println!("seed {seed}: {violation}\n  replay: cargo run -p sim --release -- --replay {seed}{with}");
    false
}
