//! The sentences.

use serde::Serialize;

use crate::ids::{Digest, ServiceName};
use crate::rollout::Cause;
use crate::scaling::Repair;
use crate::strategy::Step;
use crate::time::Span;

use super::{Milestone, Notice};

/// A notice in words, before any channel lays it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Telling {
    /// One line.
    pub title: String,
    /// What happened and why, in sentences.
    pub body: String,
    /// What a person can do; empty where there is nothing to do.
    pub advice: String,
    /// How it went.
    pub tone: Tone,
}

/// How it went, for colour and symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// On its way.
    Info,
    /// Done.
    Good,
    /// Taken back, refused, or in need of a person.
    Bad,
}

impl Tone {
    /// A symbol for the title.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Tone::Info => "🔵",
            Tone::Good => "🟢",
            Tone::Bad => "🔴",
        }
    }
}

/// The words for a notice.
#[must_use]
pub fn tell(notice: &Notice) -> Telling {
    let service = &notice.service;
    let telling = |tone, title: String, body: String, advice: String| Telling { title, body, advice, tone };
    match &notice.milestone {
        Milestone::Started { what, colour, from, steps } => telling(
            Tone::Info,
            format!("{service}: deploying {what}"),
            format!("{what} starts on {colour}; live is {}. Steps: {}.", from.short(), list(steps)),
            format!("To stop it: flipback abort {service}"),
        ),
        Milestone::Deploying { what, service: ecs, from, strategy, first } => telling(
            Tone::Info,
            format!("{service}: deploying {what}"),
            format!(
                "ECS deploys {what} to {ecs} ({strategy}); live is {}.{}",
                from.short(),
                if *first { " It is the first deployment: there is nothing to go back to." } else { "" }
            ),
            format!("To stop it: flipback abort {service}"),
        ),
        Milestone::Gate { what, stage, weight, until, back } => telling(
            Tone::Info,
            format!("{service}: {what} waits for you"),
            format!(
                "The pause at {stage} waits for an answer; {weight} % of the traffic is on {what}.{}",
                until.map_or_else(String::new, |until| format!(
                    " At {until} ECS goes {} by itself.",
                    if *back { "back" } else { "on" }
                ))
            ),
            format!("To go on: flipback promote {service}. To go back: flipback abort {service}"),
        ),
        Milestone::Foreign { revision, ended, good } => match ended {
            None => telling(
                Tone::Info,
                format!("{service}: somebody else deploys {}", revision.short()),
                "This deployment was not started by Flipback; it is watched and told, not touched.".to_owned(),
                format!("To see it: flipback status {service}"),
            ),
            Some(how) => telling(
                if *good { Tone::Good } else { Tone::Bad },
                format!("{service}: somebody else's deployment of {} has ended", revision.short()),
                format!("{}.", capital(how.trim_end_matches('.'))),
                String::new(),
            ),
        },
        Milestone::Superseded { what, by } => telling(
            Tone::Bad,
            format!("{service}: {what} was replaced"),
            format!("Somebody else deployed {} while {what} was being deployed; ECS took that instead.", by.short()),
            format!("To deploy it after all: flipback deploy {service} --image REPOSITORY:TAG"),
        ),
        Milestone::Step { what, weight, bake, number, of } => telling(
            Tone::Info,
            format!("{service}: {weight} % on {what}"),
            format!("Step {number} of {of}: {weight} % of the traffic was read back; it bakes for {bake}."),
            format!("To go on now: flipback promote {service}. To go back: flipback abort {service}"),
        ),
        Milestone::Completed { what, revision, took, standby, by_ecs } => {
            let revision = revision.as_ref().map_or_else(String::new, |arn| format!(" ({})", arn.short()));
            let (warm, advice) = if standby.0 == 0 {
                (String::new(), format!("To go back: flipback rollback {service} (a redeploy)"))
            } else {
                (
                    format!(" The old side is kept warm for {standby}."),
                    format!("To go back at once within {standby}: flipback rollback {service}"),
                )
            };
            telling(
                Tone::Good,
                format!("{service}: {what} is live"),
                format!(
                    "{what}{revision} {}; it took {}.{warm}",
                    if *by_ecs {
                        "is deployed, and ECS has ended the old tasks"
                    } else {
                        "carries all traffic and was baked"
                    },
                    rounded(*took)
                ),
                advice,
            )
        }
        Milestone::GoingBack { what, cause: why, weight, by_ecs } => telling(
            Tone::Bad,
            format!("{service}: going back from {what}"),
            match (by_ecs, weight) {
                (false, _) => {
                    format!("At {weight} %: {}. The weights are being written back.", cause(why).trim_end_matches('.'))
                }
                // A rolling deployment has no weights to tell.
                (true, 0) => format!("{}. ECS takes it back.", capital(cause(why).trim_end_matches('.'))),
                (true, _) => format!("At {weight} %: {}. ECS takes it back.", cause(why).trim_end_matches('.')),
            },
            String::new(),
        ),
        Milestone::Cancelled { what, cause: why, quarantined } => {
            let (held, advice) = quarantine(service, quarantined);
            telling(
                Tone::Bad,
                format!("{service}: {what} is taken back"),
                format!("It got no traffic: {}.{held}", cause(why).trim_end_matches('.')),
                advice,
            )
        }
        Milestone::RolledBack { what, cause: why, took, quarantined, by_ecs } => {
            let (held, advice) = quarantine(service, quarantined);
            telling(
                Tone::Bad,
                format!("{service}: {what} was rolled back"),
                format!(
                    "{}. {} {} after the decision.{held}",
                    capital(&cause(why)),
                    if *by_ecs { "ECS said that it was back" } else { "All traffic was read back on the stable side" },
                    seconds(*took)
                ),
                advice,
            )
        }
        Milestone::Refused { what, reason, advice } => telling(
            Tone::Bad,
            format!("{service}: {what} is not deployed"),
            format!("{}. Nothing was changed.", capital(reason)),
            advice.clone(),
        ),
        Milestone::Held { what, waits_for, until } => telling(
            Tone::Info,
            format!("{service}: {what} is held"),
            format!("It waits for {waits_for}, at most until {until}."),
            format!("To deploy a fix although the alarm fires: flipback deploy {service} --image … --force"),
        ),
        Milestone::Observed { what, colour } => telling(
            Tone::Info,
            format!("{service}: would deploy {what}"),
            format!(
                "All preconditions hold; {what} would start{}. Nothing is changed in mode observe.",
                colour.map_or_else(String::new, |colour| format!(" on {colour}"))
            ),
            "To let it act: `mode: act` in flipback.yaml, then flipback apply".to_owned(),
        ),
        Milestone::Call { why, advice } => {
            telling(Tone::Bad, format!("{service}: a person must look"), format!("{}.", capital(why)), advice.clone())
        }
        Milestone::Corrected { found, to } => telling(
            Tone::Bad,
            format!("{service}: weights on a dead side were put right"),
            format!(
                "Somebody else's weights ({found}) sent traffic to a side without healthy targets. It is on {to} again. This is done once; further changes are only told."
            ),
            "Find what wrote them: often an infrastructure apply. See docs/operations.md, weights".to_owned(),
        ),
        Milestone::Changed { found } => telling(
            Tone::Info,
            format!("{service}: weights were changed by somebody else"),
            format!("Now: {found}. The targets there are healthy; this is taken as the new state of rest."),
            String::new(),
        ),
        Milestone::Declined { wish, reason } => telling(
            Tone::Bad,
            format!("{service}: {wish} was not followed"),
            format!("{}.", capital(reason)),
            format!("flipback status {service} shows where it stands"),
        ),
        Milestone::Repaired { service: ecs, now, tracking } => {
            let kept = tracking.iter().filter_map(|(metric, level)| {
                Some(format!(" Policy {} keeps it at {}.", Repair::policy(*metric)?, metric.at(*level)))
            });
            telling(
                Tone::Good,
                format!("{service}: scaling was put right"),
                format!(
                    "{ecs} scales from {} to {} tasks, suspended is {}.{} What sets it otherwise within the hour is not fought.",
                    now.min,
                    now.max,
                    now.suspended,
                    kept.collect::<String>()
                ),
                "`scaling.enforce` in flipback.yaml says so. Find what wrote it otherwise: often an infrastructure apply"
                    .to_owned(),
            )
        }
        Milestone::ScalingDigest { services, unseen, affected, critical, findings, more } => {
            let count = findings.len() + more;
            let tone = match (count, critical) {
                (0, _) => Tone::Good,
                (_, 0) => Tone::Info,
                (_, _) => Tone::Bad,
            };
            let title = match count {
                0 => format!("scaling: nothing is open on {services} services"),
                1 => format!("scaling: 1 finding, of {services} services"),
                _ => format!(
                    "scaling: {count} findings on {affected} of {services} services, {critical} of them critical"
                ),
            };
            let rest = if *more > 0 { format!("\nAnd {more} more.") } else { String::new() };
            let unseen = if *unseen > 0 { format!("\nNot looked at yet: {unseen}.") } else { String::new() };
            let open = if count == 0 { "Nothing that was told is open.".to_owned() } else { findings.join("\n") };
            let body = open + &rest + &unseen;
            let advice = if count == 0 { String::new() } else { "flipback scaling SERVICE says what to do".to_owned() };
            telling(tone, title, body, advice)
        }
        Milestone::Scaling { findings, closed } => {
            let over = closed.iter().map(|closed| format!("Over: {closed}"));
            let sentences: Vec<String> = findings.iter().cloned().chain(over).collect();
            let (tone, title) = match findings.is_empty() {
                true => (Tone::Good, format!("{service}: scaling is as it should be again")),
                false => (Tone::Bad, format!("{service}: scaling")),
            };
            let advice = format!("flipback scaling {service} shows everything as it is now");
            telling(tone, title, format!("{}.", sentences.join(". ")), advice)
        }
    }
}

/// What is said of images in quarantine, and what to do.
fn quarantine(service: &ServiceName, digests: &[Digest]) -> (String, String) {
    let Some(first) = digests.first() else { return (String::new(), String::new()) };
    let list: Vec<&str> = digests.iter().map(Digest::short).collect();
    (
        format!(" It will not start again by itself ({} in quarantine).", list.join(", ")),
        format!("If it is good after all: flipback release {service} {first}. Why: flipback why {service}"),
    )
}

/// A cause as half a sentence.
#[must_use]
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Alarm { alarm, reason } => format!("alarm {alarm} fired: {reason}"),
        Cause::Unhealthy(what) => format!("it became unhealthy: {what}"),
        Cause::NotHealthyInTime(what) => format!("it did not become healthy in time: {what}"),
        Cause::Deadline(what) => format!("it did not get on in time: {what}"),
        Cause::Person(who) => who.clone(),
        Cause::Superseded => "a newer candidate takes its place".to_owned(),
        Cause::Failed(what) => what.clone(),
    }
}

fn list(steps: &[Step]) -> String {
    let all: Vec<String> = steps.iter().map(|step| format!("{} % for {}", step.weight, step.bake)).collect();
    all.join(", then ")
}

fn rounded(span: Span) -> Span {
    if span.0 < 10_000 { span } else { Span(span.0 / 1000 * 1000) }
}

fn seconds(span: Span) -> String {
    let tenths = span.0 / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
