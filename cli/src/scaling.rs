//! `flipback scaling`: what the scheduled check would find now, and since when that is known.

mod room;

use std::collections::BTreeMap;

use aws::World;
use aws::round::{Checked, Known, round};
use serde::Serialize;
use shared::ids::ServiceName;
use shared::notice::tell;
use shared::observation::{Reading, Suspended};
use shared::rollout::Margins;
use shared::scaling::{self, Finding, FindingKind, Load, Past, Policy, Role, Series, Severity, Step};
use shared::time::{Span, Time};

use crate::args;
use crate::installation::{Installation, now};
use crate::output::{Out, Paint, columns};
use crate::run::Exit;
use crate::status::Moment;

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    service: String,
    cluster: String,
    /// Why nothing is known of it.
    error: Option<String>,
    ecs_services: Vec<Subject>,
    /// The worst first.
    findings: Vec<Found>,
    /// What `enforce` puts right by itself, once the scheduled check has told it; none: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    enforced: Option<String>,
    /// Of what nothing can be said now.
    unknown: Vec<&'static str>,
    /// How the live count went in the last day, as the scheduled check saw it.
    past: Past,
    /// The live side's average CPU in each half hour of the last day, in percent; none: not asked, or not known.
    cpu: Option<Vec<Option<u32>>>,
    /// Tasks RUNNING in each half hour of the last day, from Container Insights; none: the cluster does not have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Vec<Option<u32>>>,
    /// Tasks PENDING at most, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Vec<Option<u32>>>,
}

/// One ECS service of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    service: String,
    role: Role,
    tasks: Option<Tasks>,
    target: Option<Target>,
    /// None: not read, as of what rests.
    policies: Option<Vec<Policy>>,
    /// What it uses; none: not read, as of what rests.
    load: Option<Used>,
    /// What is left around it; none: not read, as of what rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<room::Room>,
}

/// The newest values that CloudWatch has; none: it has none of the last quarter of an hour.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Used {
    /// The average of its tasks, in percent.
    cpu_percent: Option<u32>,
    memory_percent: Option<u32>,
    /// Of the task that uses most.
    highest_memory_percent: Option<u32>,
    unhealthy_targets: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Tasks {
    desired: u32,
    running: u32,
    pending: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Target {
    min: u32,
    max: u32,
    suspended: Suspended,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    kind: FindingKind,
    severity: Severity,
    sentence: String,
    remedy: String,
    /// Since when the scheduled check has seen it; none: not yet.
    since: Option<Moment>,
    /// It was told to people.
    told: bool,
    details: Finding,
}

/// Runs the command.
pub(crate) async fn run(args: &args::Scaling, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    if args.digest {
        let notice = scaling::digest(&installation.table.scaling_memories().await?, now());
        let words = tell(&notice);
        out.document(&notice.milestone, |paint| {
            let advice = if words.advice.is_empty() { String::new() } else { format!("\n\n{}", words.advice) };
            format!("{}\n\n{}{advice}", paint.bold(&words.title), words.body)
        });
        return Ok(Exit::Done);
    }
    let services = match &args.service {
        Some(name) => {
            let name = ServiceName::from(name.as_str());
            installation.record(&name).await?;
            vec![name]
        }
        None => installation.table.services().await?,
    };
    let world = World::new(installation.clients.clone(), Margins::default()).alone();
    let seen = round(&world, &installation.table, &services, &Known::default()).await;
    let now = now();
    let mut reports: Vec<Report> =
        seen.checked.iter().map(|(service, checked)| report(service, checked, now)).collect();
    if let (Some(_), [report]) = (&args.service, reports.as_mut_slice())
        && let Some(live) = report.ecs_services.iter().find(|subject| subject.role == Role::Live)
    {
        // Beside the findings, so that none is lost where it cannot be read.
        let day = aws::load::day(&world, &report.cluster, &live.service, now, PARTS).await.unwrap_or_default();
        let known = |parts: aws::load::Parts| (!parts.is_empty()).then_some(parts);
        (report.cpu, report.running, report.pending) = (known(day.cpu), known(day.running), known(day.pending));
    }
    match (&args.service, reports.as_slice()) {
        (Some(_), [report]) => out.document(report, |paint| one(report, now, paint)),
        _ => out.document(&BTreeMap::from([("services", &reports)]), |paint| all(&reports, paint)),
    }
    Ok(Exit::Done)
}

fn report(service: &ServiceName, checked: &Result<Checked, String>, now: Time) -> Report {
    let name = service.to_string();
    let checked = match checked {
        Ok(checked) => checked,
        Err(why) => {
            let (cluster, error) = (String::new(), Some(why.clone()));
            let nothing = (Vec::new(), Vec::new(), Vec::new());
            return Report {
                service: name,
                cluster,
                error,
                ecs_services: nothing.0,
                findings: nothing.1,
                enforced: None,
                unknown: nothing.2,
                past: Past::default(),
                cpu: None,
                running: None,
                pending: None,
            };
        }
    };
    let config = &checked.record.config;
    let mut memory = checked.memory.clone();
    memory.note(&checked.judged, now, Margins::default().look);
    let found = |finding: &Finding| {
        let known =
            |open: &&shared::scaling::Open| open.finding.kind() == finding.kind() && open.finding.role == finding.role;
        let before = checked.memory.open.iter().find(known);
        let severity = memory.open.iter().find(known).map_or(finding.severity(), |open| open.severity(now));
        Found {
            kind: finding.kind(),
            severity,
            sentence: finding.to_string(),
            remedy: finding.remedy(&config.cluster),
            since: before.map(|open| Moment(open.since)),
            told: before.is_some_and(|open| open.told.is_some()),
            details: finding.clone(),
        }
    };
    let mut findings: Vec<Found> = checked.judged.found.iter().map(found).collect();
    findings.sort_by_key(|found| std::cmp::Reverse(found.severity));
    let subject = |subject: &shared::scaling::Subject| {
        let counts = checked.sight.services.get(&subject.service).and_then(Reading::known).and_then(Option::as_ref);
        let target = checked.sight.targets.get(&subject.service).and_then(Reading::known).and_then(Option::as_ref);
        Subject {
            service: subject.service.clone(),
            role: subject.role,
            tasks: counts.map(|counts| Tasks {
                desired: counts.desired,
                running: counts.running,
                pending: counts.pending,
            }),
            target: target.map(|target| Target { min: target.min, max: target.max, suspended: target.suspended }),
            policies: checked.sight.policies.get(&subject.service).and_then(Reading::known).cloned(),
            load: checked.sight.loads.get(&subject.service).map(used),
            room: counts.and_then(|counts| room::of(subject, counts, &checked.sight)),
        }
    };
    let mut unknown: Vec<&str> = checked.judged.unknown.iter().map(|(kind, _)| kind.name()).collect();
    unknown.dedup();
    let error = checked.subjects.is_empty().then(|| {
        "no colour holds all weight of its routes, so none is known to be live: flipback status shows them".to_owned()
    });
    Report {
        service: name,
        cluster: config.cluster.clone(),
        error,
        ecs_services: checked.subjects.iter().map(subject).collect(),
        findings,
        enforced: enforced(checked, now),
        unknown,
        past: checked.memory.past.clone(),
        cpu: None,
        running: None,
        pending: None,
    }
}

/// What is put right by itself, or will be once it was told.
fn enforced(checked: &Checked, now: Time) -> Option<String> {
    let Checked { record, subjects, sight, judged, .. } = checked;
    if let Some(repairing) = record.status.repairing.as_ref().filter(|repairing| !repairing.over) {
        return Some(repairing.repair.to_string());
    }
    let told = |finding: &Finding| {
        let (finding, told) = (finding.clone(), Some(finding.severity()));
        scaling::Open { finding, since: now, seen: 2, missed: 0, counted: now, told }
    };
    let memory = scaling::Memory { open: judged.found.iter().map(told).collect(), past: Past::default() };
    let repair = scaling::repair(&record.config, &record.status, subjects, sight, judged, &memory);
    repair.map(|repair| repair.to_string())
}

/// A day is shown in half hours.
const PARTS: u64 = 48;

fn all(reports: &[Report], paint: Paint) -> String {
    if reports.is_empty() {
        return "no service is configured: write flipback.yaml (flipback init), then flipback apply".to_owned();
    }
    let row = |report: &Report| {
        let live = report.ecs_services.iter().find(|subject| subject.role == Role::Live);
        let dash = || "-".to_owned();
        let tasks = live.and_then(|live| live.tasks.as_ref());
        let bounds = live.and_then(|live| live.target.as_ref());
        let worst = match (&report.error, report.findings.first()) {
            (Some(error), _) => error.clone(),
            (None, Some(worst)) if report.findings.len() > 1 => {
                format!("{}: {} (and {} more)", worst.severity, worst.sentence, report.findings.len() - 1)
            }
            (None, Some(worst)) => format!("{}: {}", worst.severity, worst.sentence),
            (None, None) if report.unknown.is_empty() => "nothing found".to_owned(),
            (None, None) => format!("nothing found; not known: {}", report.unknown.join(", ")),
        };
        vec![
            report.service.clone(),
            tasks.map_or_else(dash, |tasks| format!("{} of {}", tasks.running, tasks.desired)),
            bounds.map_or_else(dash, |target| format!("{} to {}", target.min, target.max)),
            worst,
        ]
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    columns(paint, &["SERVICE", "RUNNING", "BOUNDS", "FOUND"], &rows)
}

fn one(report: &Report, now: Time, paint: Paint) -> String {
    let mut text = format!("{}  {}", paint.bold(&report.service), report.cluster);
    if let Some(error) = &report.error {
        text.push_str(&format!("\n  {}", paint.red(error)));
    }
    for subject in &report.ecs_services {
        let role = match subject.role {
            Role::Live => "live",
            Role::Idle => "idle",
            Role::Candidate => "candidate",
        };
        let tasks = subject.tasks.as_ref().map_or_else(
            || "not read".to_owned(),
            |tasks| format!("{} of {} tasks run, {} pending", tasks.running, tasks.desired, tasks.pending),
        );
        let target = subject.target.as_ref().map_or_else(|| "no scalable target".to_owned(), bounds);
        let policies: Vec<String> = subject.policies.iter().flatten().map(ToString::to_string).collect();
        let policies = if policies.is_empty() { String::new() } else { format!(" by {}", policies.join(", ")) };
        text.push_str(&format!("\n  {role:<9}  {}  {tasks}; {target}{policies}", subject.service));
        text.extend(subject.load.as_ref().and_then(use_of).map(|used| format!("\n             {used}")));
        text.extend(subject.room.as_ref().map(|room| format!("\n             {}", room.words())));
    }
    text.push_str(&history(report, now));
    for found in &report.findings {
        let severity = found.severity.to_string();
        let severity = if found.severity == Severity::Info { severity } else { paint.red(&severity) };
        let since = match found.since {
            Some(since) => {
                let lasts = Span::mins(now.since(since.0).0 / 60_000);
                format!(" (for {lasts}{})", if found.told { "" } else { ", not told yet" })
            }
            None => " (not seen by the scheduled check yet)".to_owned(),
        };
        text.push_str(&format!("\n\n  {severity}  {}{since}\n    what to do  {}", found.sentence, found.remedy));
        text.push_str(&format!("\n    meant so?   scaling: {{ ignore: [{}] }} in flipback.yaml", found.kind.name()));
    }
    if let Some(what) = &report.enforced {
        text.push_str(&format!("\n\n  enforce  put right by itself, once the scheduled check has told it: {what}"));
    }
    if report.findings.is_empty() && report.error.is_none() {
        text.push_str(&format!("\n\n  {}", paint.green("nothing found")));
    }
    if !report.unknown.is_empty() {
        text.push_str(&format!("\n\n  not known now: {}", report.unknown.join(", ")));
    }
    text
}

/// The last day, a line for each count: all tasks in one scale.
fn history(report: &Report, now: Time) -> String {
    let past = |count: fn(&Step) -> Option<u32>| report.past.day(now, PARTS, count);
    let running = report.running.clone().unwrap_or_else(|| past(|step| Some(step.running)));
    let lines = [
        (past(|step| Some(step.desired)), "tasks wanted"),
        (running, "tasks running"),
        (report.pending.clone().unwrap_or_default(), "tasks pending at most"),
        (past(|step| step.max), "tasks allowed"),
    ];
    let most = lines.iter().flat_map(|(values, _)| values.iter().flatten()).max().copied().unwrap_or(0);
    let lines = lines.iter().map(|(values, what)| (values, most, *what));
    let cpu = report.cpu.iter().map(|values| (values, 100, "% CPU"));
    let mut text = String::new();
    for (values, most, what) in lines.chain(cpu) {
        let known = || values.iter().flatten();
        let (Some(least), Some(highest)) = (known().min(), known().max()) else { continue };
        let head = if text.is_empty() { "last 24h" } else { "" };
        let range = if least == highest { least.to_string() } else { format!("{least} to {highest}") };
        text.push_str(&format!("\n  {head:<9}  {}  {range} {what}", sparkline(values, most)));
    }
    text
}

fn used(load: &Load) -> Used {
    let newest = |series: &Series| series.known().and_then(|points| points.last()).map(|point| point.value);
    Used {
        cpu_percent: newest(&load.cpu),
        memory_percent: newest(&load.memory),
        highest_memory_percent: newest(&load.memory_high),
        unhealthy_targets: load.unhealthy.as_ref().and_then(newest),
    }
}

fn use_of(used: &Used) -> Option<String> {
    let all = [
        used.cpu_percent.map(|percent| format!("CPU {percent} %")),
        used.memory_percent.map(|percent| format!("memory {percent} %")),
        used.highest_memory_percent.map(|percent| format!("{percent} % at most")),
        used.unhealthy_targets.filter(|hosts| *hosts > 0).map(|hosts| format!("{hosts} unhealthy targets")),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// A character for each value, from nothing to the most.
fn sparkline(values: &[Option<u32>], most: u32) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |value: u32| BARS[((value * 7).checked_div(most).unwrap_or(0) as usize).min(7)];
    values.iter().map(|value| value.map_or(' ', bar)).collect()
}

fn bounds(target: &Target) -> String {
    let Suspended { scale_in, scale_out, scheduled } = target.suspended;
    let suspended = match (scale_in, scale_out, scheduled) {
        (false, false, false) => String::new(),
        (true, true, true) => ", all suspended".to_owned(),
        _ => ", partly suspended".to_owned(),
    };
    format!("scales from {} to {}{suspended}", target.min, target.max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;
    use shared::observation::{AlarmState, ScalingReading};
    use shared::scaling::{Counts, Level, Memory, Metric, Moves, Point, PolicyAlarm, Sight, Step, judge, subjects};

    fn checked(desired: u32, running: u32, bounds: (u32, u32)) -> Checked {
        let mut record = fixture::record();
        record.status.settled = None;
        let live = Some(shared::ids::Colour::Blue);
        let subjects = subjects(&record.config, &record.status, live).unwrap();
        let counts = |role: Role| match role {
            Role::Live => Counts { desired, running, ..Counts::default() },
            Role::Idle | Role::Candidate => Counts::default(),
        };
        let target = |role: Role| match role {
            Role::Live => ScalingReading { min: bounds.0, max: bounds.1, suspended: Suspended::default() },
            Role::Idle | Role::Candidate => ScalingReading { min: 0, max: bounds.1, suspended: Suspended::ALL },
        };
        let moves = Moves::Tracking {
            metric: Metric::Cpu,
            target: Level::try_from(70.0).unwrap(),
            group: None,
            only_out: false,
            cooldown: None,
        };
        let policy = Policy { name: "cpu".to_owned(), moves, alarms: vec!["high".to_owned(), "low".to_owned()] };
        let quiet = PolicyAlarm {
            enabled: true,
            above: true,
            state: AlarmState::Ok,
            since: None,
            services: Default::default(),
        };
        let minutes = |value: u32| {
            let at = |n: u64| fixture::START.minus(Span::mins(15 - n));
            Reading::Known((0..15).map(|n| Point { at: at(n), value }).collect())
        };
        let load =
            Load { cpu: minutes(44), memory: minutes(61), memory_high: minutes(93), unhealthy: Some(minutes(0)) };
        let each = |subject: &shared::scaling::Subject| (subject.service.clone(), subject.role);
        let sight = Sight {
            at: fixture::START,
            services: subjects
                .iter()
                .map(each)
                .map(|(name, role)| (name, Reading::Known(Some(counts(role)))))
                .collect(),
            targets: subjects.iter().map(each).map(|(name, role)| (name, Reading::Known(Some(target(role))))).collect(),
            scheduled: [(subjects[0].service.clone(), Reading::Known(Vec::new()))].into(),
            policies: [(subjects[0].service.clone(), Reading::Known(vec![policy]))].into(),
            alarms: ["high", "low"].map(|name| (name.to_owned(), Reading::Known(Some(quiet.clone())))).into(),
            loads: [(subjects[0].service.clone(), load)].into(),
            ..Sight::default()
        };
        let judged = judge(&record.config, &record.status, &subjects, &sight, &Past::default());
        Checked { record, subjects, sight, judged, memory: Memory::default(), version: 0 }
    }

    #[test]
    fn a_report_says_what_is_wrong_since_when_and_what_to_do() {
        let now = fixture::START.plus(Span::mins(12));
        let mut bad = checked(9, 7, (2, 8));
        let apart = Margins::default().look;
        for (hours, desired) in [(20, 2), (12, 6), (3, 9)] {
            let at = now.minus(Span::mins(hours * 60));
            bad.memory.past.note(Step { at, desired, running: desired, max: Some(8) });
        }
        bad.memory.note(&bad.judged.clone(), fixture::START, apart);
        bad.memory.note(&bad.judged.clone(), fixture::START.plus(Span::mins(5)), apart);
        let mut bad = report(&"shop-api".into(), &Ok(bad), now);
        bad.cpu = Some((0..PARTS).map(|part| (part > 4).then_some(10 + part as u32)).collect());
        insta::assert_snapshot!("one", one(&bad, now, Paint(false)));
        let fine = report(&"billing".into(), &Ok(checked(4, 4, (2, 8))), now);
        let unread = report(&"gone".into(), &Err("no service `gone` is configured".to_owned()), now);
        insta::assert_snapshot!("all", all(&[bad.clone(), fine, unread], Paint(false)));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&bad).unwrap());
    }
}
