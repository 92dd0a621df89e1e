//! `flipback apply`: the file, checked against AWS as far as it can be read, becomes the configuration.

mod check;
mod diff;
mod file;
mod images;
mod native;

use crate::args;
use crate::errors::plain;
use crate::installation::{Installation, now};
use crate::output::{Out, Paint, print};
use crate::run::Exit;
use aws::World;
use aws::store::ApplyError;
use check::Findings;
use diff::Change;
use serde::Serialize;
use shared::config::ServiceConfig;
use shared::ids::ServiceName;
use shared::observation::{Ask, Observation};
use shared::ports::Observer as _;
use shared::rollout::Margins;
use std::collections::BTreeSet;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    file: String,
    dry_run: bool,
    applied: bool,
    services: Vec<ServiceReport>,
    /// Configured, but not in the file; they stay as they are.
    not_in_file: Vec<ServiceName>,
}

/// One service of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceReport {
    service: ServiceName,
    change: Change,
    #[serde(flatten)]
    findings: Findings,
}

/// Prints the JSON Schema.
pub(crate) fn schema() -> Exit {
    print(&shared::config::schema());
    Exit::Done
}

/// Runs the command.
pub(crate) async fn run(
    args: &args::Apply,
    open: impl AsyncFn() -> anyhow::Result<Installation>,
    out: Out,
) -> anyhow::Result<Exit> {
    // The file first: its mistakes need no AWS to be found.
    let mut configs = file::read(&args.file)?;
    let installation = open().await?;
    let known = installation.table.services().await?;
    let named: BTreeSet<&ServiceName> = configs.iter().map(|config| &config.name).collect();
    let not_in_file: Vec<ServiceName> = known.into_iter().filter(|name| !named.contains(name)).collect();
    refuse_overlaps(&installation, &configs, &not_in_file).await?;
    let mut services = Vec::new();
    for config in &mut configs {
        let old = installation.table.config(&config.name).await?;
        let (seen, findings) = look(&installation, config).await;
        native::remember(config, old.as_ref(), &seen);
        services.push(ServiceReport {
            service: config.name.clone(),
            change: Change::of(old.as_ref(), config),
            findings,
        });
    }
    let mut report =
        Report { file: args.file.display().to_string(), dry_run: args.dry_run, applied: false, services, not_in_file };
    let problems = report.services.iter().any(|service| !service.findings.problems.is_empty());
    let refused = problems && !args.unchecked;
    if !args.dry_run && !refused {
        write(&installation, &configs).await?;
        report.applied = true;
    }
    out.document(&report, |paint| text(&report, paint));
    if refused {
        return Err(plain(
            if args.dry_run {
                "these would not be applied: see the problems above"
            } else {
                "nothing was applied: see the problems above"
            },
            "mend the file or what is missing in AWS; --unchecked applies it all the same, and rollouts are refused until it is there",
        ));
    }
    Ok(Exit::Done)
}

async fn look(installation: &Installation, config: &ServiceConfig) -> (Observation, Findings) {
    let world = World::new(installation.clients.clone(), Margins::default());
    let now = now();
    let native = config.engine.native().map(|_| now);
    // The weights of a native service and what they point at are read with its targets.
    let ask = Ask { routes: true, services: true, alarms: true, targets: native.is_some(), native, ..Ask::default() };
    let seen = world.observe(config, &ask, now).await;
    let mut findings = check::check(config, &seen);
    native::look(&installation.clients, config, &seen, &mut findings).await;
    images::check(config, &images::read(&installation.clients, config, &seen).await, &mut findings);
    (seen, findings)
}

/// One owner per thing, told before anything is written. The table holds it against races as well.
async fn refuse_overlaps(
    installation: &Installation,
    configs: &[ServiceConfig],
    others: &[ServiceName],
) -> anyhow::Result<()> {
    let others: BTreeSet<&str> = others.iter().map(ServiceName::as_str).collect();
    for config in configs {
        for (thing, owner) in installation.table.owners(&config.claims()).await? {
            // A thing that moves between services of this file is no overlap: the file was checked for those.
            if others.contains(owner.as_str()) {
                return Err(taken(&config.name, &thing, &owner));
            }
        }
    }
    Ok(())
}

fn taken(service: &ServiceName, thing: &str, owner: &str) -> anyhow::Error {
    plain(
        format!("{service}: {thing} belongs to the service {owner} already; one thing has one owner"),
        format!(
            "give service {service} another one, or take it out of {owner} first; nothing of {service} was applied"
        ),
    )
}

/// Writes every service. What moves from one to another must be released first, so those that are refused come again as
/// long as that helps.
async fn write(installation: &Installation, configs: &[ServiceConfig]) -> anyhow::Result<()> {
    let mut left: Vec<&ServiceConfig> = configs.iter().collect();
    while !left.is_empty() {
        let mut refused = Vec::new();
        let mut reason = None;
        for config in &left {
            match installation.table.apply_config(config, &installation.caller).await {
                Ok(()) => {}
                Err(ApplyError::Taken { thing, owner }) => {
                    refused.push(*config);
                    reason.get_or_insert_with(|| taken(&config.name, &thing, &owner));
                }
                Err(ApplyError::Store(error)) => {
                    return Err(anyhow::Error::from(error).context(config.name.to_string()));
                }
                Err(error @ (ApplyError::Running(_) | ApplyError::Busy(_))) => {
                    let advice = format!("flipback wait {}, then apply again", config.name);
                    return Err(plain(format!("{}: {error}", config.name), advice));
                }
                Err(error @ ApplyError::TooMany(_)) => {
                    return Err(plain(
                        format!("{}: {error}", config.name),
                        "name fewer routes or alarms in one service",
                    ));
                }
            }
        }
        if let Some(reason) = reason.filter(|_| refused.len() == left.len()) {
            return Err(reason);
        }
        left = refused;
    }
    Ok(())
}

fn text(report: &Report, paint: Paint) -> String {
    let mut lines = Vec::new();
    for service in &report.services {
        lines.push(format!("{}  {}", paint.bold(service.service.as_str()), service.change.word()));
        lines.extend(service.change.keys().iter().map(|key| format!("  {key}")));
        lines.extend(service.findings.problems.iter().map(|problem| format!("  {} {problem}", paint.red("problem:"))));
        lines.extend(
            service.findings.warnings.iter().map(|warning| format!("  {} {warning}", paint.yellow("warning:"))),
        );
    }
    for name in &report.not_in_file {
        lines.push(format!("{name}  not in this file; it stays as it is"));
    }
    lines.push(match (report.applied, report.dry_run) {
        (true, _) => "applied; running rollouts keep what they were started with".to_owned(),
        (false, true) => "dry run: nothing was changed".to_owned(),
        (false, false) => "not applied".to_owned(),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;

    #[test]
    fn the_report_says_what_changes_and_what_is_wrong() {
        let (old, mut new) = (fixture::config(), fixture::config());
        new.standby = shared::time::Span::mins(1);
        new.steps.remove(0);
        let findings = Findings {
            problems: vec!["CloudWatch knows no alarm named shop-api-5xx".to_owned()],
            warnings: vec!["shop-api: the standby of 1m is shorter than ...".to_owned()],
        };
        let change = Change::of(Some(&old), &new);
        let one = ServiceReport { service: "shop-api".into(), change, findings };
        let two =
            ServiceReport { service: "side".into(), change: Change::of(None, &new), findings: Findings::default() };
        let same = ServiceReport {
            service: "same".into(),
            change: Change::of(Some(&old), &old),
            findings: Findings::default(),
        };
        let report = Report {
            file: "flipback.yaml".to_owned(),
            dry_run: true,
            applied: false,
            services: vec![one, two, same],
            not_in_file: vec!["old".into()],
        };
        insta::assert_snapshot!("report", text(&report, Paint(false)));
        insta::assert_snapshot!("report_json", serde_json::to_string_pretty(&report).unwrap());
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../flipback.schema.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == shared::config::schema(),
            "flipback.schema.json is not current; renew it: cargo run -q -p cli -- schema > flipback.schema.json"
        );
    }
}
