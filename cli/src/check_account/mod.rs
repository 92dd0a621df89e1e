//! `flipback check-account`: tries on a real account, with throw-away resources, what this project believes about AWS.
//! It is the one command that changes anything in ECS or ELB, and only what it has made itself.

mod checks;
mod definitions;
mod deployments;
mod lab;
mod made;
mod queues;
mod routes;
mod services;

use crate::args;
use crate::errors::plain;
use crate::installation::{Installation, now};
use crate::output::{Out, columns, remark};
use crate::run::Exit;
use checks::{CHECKS, Check, UNTRIED, Verdict, belief};
use lab::Lab;
use made::Thing;
use serde::Serialize;
use std::io::{BufRead as _, IsTerminal as _};

/// One line of the report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    number: u32,
    belief: &'static str,
    result: Verdict,
    evidence: String,
    seconds: f64,
}

/// The report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    account: String,
    region: String,
    cluster: String,
    /// It was interrupted before every check was made.
    interrupted: bool,
    checks: Vec<Line>,
    /// What was made and could not be removed, with why.
    left: Vec<(String, String)>,
}

/// Runs the command.
pub(crate) async fn run(args: &args::CheckAccount, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let chosen = choose(&args.only)?;
    let lab = Lab::open(&installation.clients, &args.cluster, args.listener.as_deref(), args.patience).await?;
    if args.clean {
        return clean(&lab, args.yes, out).await;
    }
    if args.dry_run {
        crate::output::print(&plan(&lab, &chosen));
        return Ok(Exit::Done);
    }
    confirm(&plan(&lab, &chosen), args.yes)?;

    let mut report = Report {
        account: lab.account.clone(),
        region: lab.region.clone(),
        cluster: lab.cluster.clone(),
        interrupted: false,
        checks: Vec::new(),
        left: Vec::new(),
    };
    tokio::select! {
        () = make_all(&lab, &chosen, &mut report.checks) => {}
        () = interrupted() => {}
    }
    report.interrupted = report.checks.len() < chosen.len();
    let things = lab.made.all();
    remark(&format!("removing the {} things that were made", things.len()));
    let stayed = tokio::select! {
        stayed = made::remove(&lab, &things) => stayed,
        // The first interrupt has ended the checks; one more must not end the removal.
        () = never(interrupted()) => Vec::new(),
    };
    report.left = stayed.into_iter().map(|(thing, why)| (thing.to_string(), why)).collect();
    out.document(&report, |paint| text(&report, paint));
    end(&report, args)
}

/// The checks that were asked for.
fn choose(only: &[u32]) -> anyhow::Result<Vec<Check>> {
    if only.is_empty() {
        return Ok(CHECKS.to_vec());
    }
    let chosen = only.iter().map(|number| {
        if let Some(check) = CHECKS.iter().find(|check| check.number == *number) {
            return Ok(*check);
        }
        let why =
            UNTRIED.iter().find(|(untried, _)| untried == number).map_or("it is not in the model", |(_, why)| *why);
        let can: Vec<String> = CHECKS.iter().map(|check| check.number.to_string()).collect();
        Err(plain(format!("belief {number} cannot be checked here: {why}"), format!("use some of: {}", can.join(","))))
    });
    chosen.collect()
}

/// What will be made, where, and what it costs.
fn plan(lab: &Lab, chosen: &[Check]) -> String {
    let Lab { account, region, cluster, .. } = lab;
    let mut lines =
        vec![format!("check-account makes and removes, in account {account}, {region}, cluster {cluster}:")];
    for check in chosen {
        let skipped = if check.listener && lab.listener.is_none() { " (skipped: needs --listener)" } else { "" };
        lines.push(format!("  {:>3}  {}{skipped}", check.number, check.makes));
    }
    match &lab.listener {
        Some(listener) => lines.push(format!(
            "Rules are made on {}, after all others, for a host name that nothing resolves. If belief 3 is wrong, one of \
             them takes every request that no other rule takes, for a moment: use a listener for tests.",
            listener.arn
        )),
        None => lines.push("Without --listener the checks of rules are left out.".to_owned()),
    }
    lines.push(
        "No task is started and no load balancer made. Cost: less than USD 0.01 (a few dozen SQS requests; services without \
         tasks, revisions, rules and target groups cost nothing)."
            .to_owned(),
    );
    lines.push(format!("Everything is named {}* and tagged {}; --clean removes what is left.", lab::PREFIX, lab::TAG));
    lines.join("\n")
}

/// Asks before anything is made or removed.
fn confirm(plan: &str, yes: bool) -> anyhow::Result<()> {
    remark(plan);
    if yes {
        return Ok(());
    }
    let nothing = || plain("nothing was made or removed: it was not confirmed", "answer y, or say so with --yes");
    if !std::io::stdin().is_terminal() {
        return Err(nothing());
    }
    remark("Go on? [y/N]");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(nothing()) }
}

async fn make_all(lab: &Lab, chosen: &[Check], lines: &mut Vec<Line>) {
    for check in chosen {
        let what = belief(check.number).map_or("", |belief| belief.what);
        remark(&format!("{:>3}  {what}", check.number));
        let began = now();
        let found = checks::make(lab, check).await;
        let seconds = now().since(began).0 as f64 / 1_000.0;
        lines.push(Line {
            number: check.number,
            belief: what,
            result: found.verdict,
            evidence: found.evidence,
            seconds,
        });
    }
}

async fn interrupted() {
    // Where the signal cannot be listened for, nobody interrupts.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Listens to interrupts and takes none.
async fn never(interrupt: impl Future<Output = ()>) {
    interrupt.await;
    remark("still removing; what is left after that, flipback check-account --clean removes");
    std::future::pending::<()>().await;
}

fn text(report: &Report, paint: crate::output::Paint) -> String {
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|line| {
            let result = match line.result {
                Verdict::True => "true",
                Verdict::Wrong => "WRONG",
                Verdict::CouldNotTell => "could not tell",
            };
            let row =
                [line.number.to_string(), result.to_owned(), format!("{:.1} s", line.seconds), line.evidence.clone()];
            row.to_vec()
        })
        .collect();
    let count = |verdict| report.checks.iter().filter(|line| line.result == verdict).count();
    let (held, wrong, open) = (count(Verdict::True), count(Verdict::Wrong), count(Verdict::CouldNotTell));
    let mut text = columns(paint, &["N", "RESULT", "TIME", "EVIDENCE"], &rows);
    text.push_str(&format!("\n{held} true, {wrong} wrong, {open} could not tell"));
    text.push_str("\nnot tried here:");
    for (number, why) in UNTRIED {
        text.push_str(&format!("\n{number:>3}  {why}"));
    }
    text
}

fn end(report: &Report, args: &args::CheckAccount) -> anyhow::Result<Exit> {
    if !report.left.is_empty() {
        let left: Vec<String> = report.left.iter().map(|(thing, why)| format!("{thing}: {why}")).collect();
        let listener = args.listener.as_ref().map_or_else(String::new, |arn| format!(" --listener {arn}"));
        return Err(plain(
            format!("not everything was removed: {}", left.join("; ")),
            format!("flipback check-account --cluster {}{listener} --clean", args.cluster),
        ));
    }
    if report.interrupted {
        return Err(plain("it was interrupted; everything it made is removed", "run it again"));
    }
    let wrong: Vec<String> =
        report.checks.iter().filter(|line| line.result == Verdict::Wrong).map(|line| line.number.to_string()).collect();
    if wrong.is_empty() {
        return Ok(Exit::Done);
    }
    Err(plain(
        format!("AWS does otherwise than believed: {}", wrong.join(", ")),
        "see the numbers in docs/assumptions.md for what that means, and tell the project",
    ))
}

/// Removes what earlier runs left behind.
async fn clean(lab: &Lab, yes: bool, out: Out) -> anyhow::Result<Exit> {
    let things = made::leftovers(lab).await?;
    let names: Vec<String> = things.iter().map(Thing::to_string).collect();
    if !things.is_empty() {
        let Lab { account, region, cluster, .. } = lab;
        let list = names.join("\n  ");
        confirm(&format!("to be removed from account {account}, {region}, cluster {cluster}:\n  {list}"), yes)?;
    }
    let stayed = made::remove(lab, &things).await;
    let left: Vec<(String, String)> = stayed.into_iter().map(|(thing, why)| (thing.to_string(), why)).collect();
    let hint = if lab.listener.is_none() { "; rules are found with --listener only" } else { "" };
    out.document(&serde_json::json!({"removed": names.len() - left.len(), "found": names, "left": left}), |_| {
        format!("{} found, {} removed{hint}", names.len(), names.len() - left.len())
    });
    if left.is_empty() {
        return Ok(Exit::Done);
    }
    let left: Vec<String> = left.iter().map(|(thing, why)| format!("{thing}: {why}")).collect();
    Err(plain(format!("not everything was removed: {}", left.join("; ")), "remove it by hand, or try again"))
}
