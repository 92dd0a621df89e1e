//! `sim`: plays schedules, prints what was reached, and the laws that were broken; replays one, shrinks one.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use sim::beliefs;
use sim::bugs::Bug;
use sim::laws::Violation;
use sim::many::{self, Played};
use sim::native;
use sim::run::run;
use sim::schedule::Schedule;
use sim::shrink::{Keep, shrink};

/// Plays schedules of the core over the model of AWS, with faults, and checks the laws at every step.
#[derive(Parser, Debug)]
#[command(name = "sim")]
struct Options {
    /// Which engine.
    #[arg(long, value_enum, default_value_t = Engine::Managed)]
    engine: Engine,
    /// How many schedules to play.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On so many threads; the outcome is the same for any number [default: all there are].
    #[arg(long)]
    threads: Option<usize>,
    /// Plays this seed only, step by step.
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,
    /// With --replay: plays only what is named here, as --shrink prints it.
    #[arg(long, requires = "replay", allow_hyphen_values = true)]
    keep: Option<Keep>,
    /// Shrinks the schedule of this seed to the smallest that breaks the same law.
    #[arg(long, value_name = "SEED", conflicts_with = "replay")]
    shrink: Option<u64>,
    /// Plants a bug by name (`list` prints them).
    #[arg(long)]
    bug: Option<String>,
    /// Turns one of the model's beliefs about AWS over, by name (`list` prints them, `all` plays each, those about service
    /// deployments with the native engine only).
    #[arg(long)]
    belief: Option<String>,
    /// Goes on after a broken law.
    #[arg(long)]
    keep_going: bool,
}

/// Whose rollouts are played.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// Flipback moves the traffic between two services.
    Managed,
    /// ECS's own strategy moves it within one.
    Native,
}

/// So many schedules must have reached everything there is to reach.
const ENOUGH: u64 = 20_000;

fn main() -> ExitCode {
    match play(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
    }
}

/// Whether all was well; an error is the caller's.
fn play(options: &Options) -> Result<bool, String> {
    if options.bug.as_deref() == Some("list") {
        let managed = Bug::ALL.iter().map(|bug| (bug.name(), bug.law(), bug.what()));
        let native = native::Bug::ALL.iter().map(|bug| (bug.name(), bug.law(), bug.what()));
        let bugs: Vec<_> = if options.engine == Engine::Native { native.collect() } else { managed.collect() };
        for (name, law, what) in bugs {
            println!("{name:<28} breaks law {law:>2}: {what}");
        }
        return Ok(true);
    }
    let bug = options.bug.as_deref();
    let unknown = |name| move || format!("no bug is named {name}; --bug list prints them");
    let of_native = bug.filter(|_| options.engine == Engine::Native);
    let of_native = of_native.map(|name| native::Bug::named(name).ok_or_else(unknown(name))).transpose()?;
    let bug = bug.filter(|_| options.engine == Engine::Managed);
    let bug = bug.map(|name| Bug::named(name).ok_or_else(unknown(name))).transpose()?;
    let seeds = options.from..options.from.saturating_add(options.seeds);
    let belief = options.belief.as_deref();
    match belief {
        Some("list") => {
            for belief in model::Beliefs::ALL {
                println!("{:>3} {:<40} {}", belief.number, belief.name, belief.what);
            }
            return Ok(true);
        }
        Some("all") => {
            let mut good = true;
            let native = options.engine == Engine::Native;
            let names: Vec<&str> = if native { beliefs::all().collect() } else { beliefs::managed().collect() };
            for name in names {
                let broken = match options.engine {
                    Engine::Managed => beliefs::play(name, seeds.clone(), Schedule::draw, ""),
                    Engine::Native => {
                        beliefs::play(name, seeds.clone(), |seed| native::draw(seed, None), " --engine native")
                    }
                };
                println!("{name:<40} {} schedules, {} with a broken law", options.seeds, broken.len());
                broken.iter().take(3).for_each(|(_, line)| println!("  {line}"));
                good &= broken.is_empty();
            }
            return Ok(good);
        }
        Some(name) if !beliefs::all().any(|known| known == name) => {
            return Err(format!("no belief is named {name}; --belief list prints them"));
        }
        Some(_) | None => {}
    }
    let draw = |seed| {
        let mut schedule = match options.engine {
            Engine::Managed => Schedule::draw(seed),
            Engine::Native => native::draw(seed, of_native),
        };
        if let Some(name) = belief {
            beliefs::turn_over(&mut schedule.pace.settings.beliefs, name);
        }
        schedule
    };
    let mut with = options.bug.as_ref().map_or(String::new(), |bug| format!(" --bug {bug}"));
    if options.engine == Engine::Native {
        with.push_str(" --engine native");
    }
    with.push_str(&belief.map_or(String::new(), |name| format!(" --belief {name}")));
    if let Some(seed) = options.replay {
        let schedule = options.keep.as_ref().map_or_else(|| draw(seed), |keep| keep.of(&draw(seed)));
        let outcome = run(&schedule, bug, true);
        println!("{} steps", outcome.steps);
        outcome.violation.iter().for_each(|violation| tell(seed, violation, &with));
        return Ok(outcome.violation.is_none());
    }
    if let Some(seed) = options.shrink {
        let schedule = draw(seed);
        let Some(shrunk) = shrink(&schedule, bug) else {
            println!("seed {seed} breaks no law: there is nothing to shrink");
            return Ok(true);
        };
        println!("{:#?}", shrunk.keep.of(&schedule));
        println!("seed {seed}: {}", shrunk.violation);
        println!("  the smallest of {} schedules that were played; step by step:", shrunk.played);
        println!("  cargo run --profile sim -p sim -- --replay {seed} --keep {}{with}", shrunk.keep);
        return Ok(false);
    }
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    #[expect(clippy::disallowed_methods, reason = "for the line that says how fast it went; no schedule sees it")]
    let began = Instant::now();
    let progress = |played: &Played| progress(options.seeds, played, began);
    let played = many::play(seeds, threads, bug, options.keep_going, draw, progress);
    for (seed, violation) in &played.broken {
        tell(*seed, violation, &with);
    }
    print!("{}", played.counts);
    let missing = match options.engine {
        Engine::Managed => played.counts.missing(),
        Engine::Native => native::counts::missing(&played.counts),
    };
    missing.iter().for_each(|name| println!("never reached: {name}"));
    println!();
    let (schedules, seconds) = (played.steps.len(), began.elapsed().as_secs_f64().max(0.001));
    println!(
        "{schedules} schedules, {} steps in the median, {} with a broken law; {:.0} schedules a second on {threads} threads",
        played.median(),
        played.broken.len(),
        schedules as f64 / seconds,
    );
    let missing = options.seeds >= ENOUGH && options.bug.is_none() && belief.is_none() && !missing.is_empty();
    if missing {
        println!("something was never reached (see above): what no schedule reaches is not tested");
    }
    Ok(played.broken.is_empty() && !missing)
}

/// One line that writes itself anew, on a terminal.
fn progress(all: u64, played: &Played, began: Instant) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let done = played.steps.len();
    let rate = done as f64 / began.elapsed().as_secs_f64().max(0.001);
    let end = if done as u64 >= all { "\n" } else { "" };
    // A line that cannot be written is not worth a word.
    drop(write!(out, "\r{done} of {all} schedules, {rate:.0} a second, {} broken laws {end}", played.broken.len()));
    drop(out.flush());
}

fn tell(seed: u64, violation: &Violation, with: &str) {
    println!("seed {seed}: {violation}");
    println!("  replay: cargo run --profile sim -p sim -- --replay {seed}{with}");
    println!("  shrink: cargo run --profile sim -p sim -- --shrink {seed}{with}");
}
