//! `explore`: explores the small world, prints what was found, and the history of the first law that was broken.

use std::process::ExitCode;

use clap::Parser;
use explore::bounds::{Bounds, Kind, Kinds};
use explore::bugs::Bug;
use explore::check::{Findings, explore, words};
use explore::laws::{LAWS, TRUTH};

/// Explores the core over a small world: every order in which things can happen, within bounds.
#[derive(Parser, Debug)]
#[command(name = "explore")]
struct Options {
    /// Images pushed.
    #[arg(long, default_value_t = Bounds::default().pushes)]
    pushes: u8,
    /// Events of the world in one history.
    #[arg(long, default_value_t = Bounds::default().events)]
    events: u8,
    /// Faults in one history.
    #[arg(long, default_value_t = Bounds::default().faults)]
    faults: u8,
    /// Only these kinds of events and faults, with commas between (`list` prints them).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The longest history, in moves; all of them without it.
    #[arg(long)]
    depth: Option<usize>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Plants a bug by name (`list` prints them).
    #[arg(long)]
    bug: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let bug = match options.bug.as_deref() {
        None => None,
        Some("list") => {
            for bug in Bug::ALL {
                println!("{:<20} breaks law {:>2}: {}", bug.name(), bug.law(), bug.what());
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
    if options.only == ["list"] {
        Kind::ALL.iter().for_each(|kind| println!("{:<12} {}", kind.name(), kind.what()));
        return ExitCode::SUCCESS;
    }
    let mut only = Vec::new();
    for name in &options.only {
        match Kind::ALL.iter().find(|kind| kind.name() == name) {
            Some(kind) => only.push(*kind),
            None => {
                eprintln!("no kind of event or fault is named {name}; --only list prints them");
                return ExitCode::from(2);
            }
        }
    }
    let Options { pushes, events, faults, depth, threads, .. } = options;
    let kinds = if only.is_empty() { Kinds::ALL } else { Kinds::only(&only) };
    let bounds = Bounds { pushes, events, faults, kinds };
    let findings = explore(bounds, depth, bug, threads.max(1));
    print(&findings, &options);
    if findings.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(findings: &Findings, options: &Options) {
    let Options { pushes, events, faults, depth, only, .. } = options;
    let deep = depth.map_or("all histories".to_owned(), |depth| format!("histories of up to {depth} moves"));
    let kinds = if only.is_empty() { "every kind".to_owned() } else { only.join(", ") };
    println!("{pushes} pushes, {events} events, {faults} faults ({kinds}): {deep}");
    println!("{} states in {} moves, {} deep", findings.states, findings.moves, findings.depth);
    println!();
    for (law, words) in LAWS.iter().chain([&TRUTH]) {
        let broken = findings.broken.iter().any(|history| history.name == format!("law {law}"));
        println!("law {law:>2} {:<6} {words}", if broken { "BROKEN" } else { "holds" });
    }
    println!();
    for place in &findings.reached {
        println!("reached: {place}");
    }
    for place in &findings.missing {
        println!("NEVER REACHED: {place}");
    }
    for history in &findings.broken {
        println!("\n{} ({}): {}", history.name, words(history.name), history.what.as_deref().unwrap_or(""));
        for (number, line) in history.moves.iter().enumerate() {
            println!("{:>3}. {line}", number + 1);
        }
    }
}
