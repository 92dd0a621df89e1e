//! `flipback why`: what a service waits for, what went wrong last, and what to do about either.

use crate::args;
use crate::installation::{Installation, now};
use crate::output::{Out, Paint};
use crate::run::Exit;
use crate::status::View;
use serde::Serialize;
use shared::config::Mode;
use shared::ids::ServiceName;
use shared::notice::{Milestone, Notice, tell};
use shared::ports::{Record, Store as _, StoreError};
use shared::rollout::Phase;
use shared::time::Time;

/// So many notices back something that went wrong is looked for.
const NOTICES: usize = 50;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    service: String,
    phase: &'static str,
    waits_for: String,
    todo: String,
    /// What went wrong or was refused last.
    last: Option<Told>,
}

/// A notice in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    at: String,
    title: String,
    body: String,
    advice: String,
}

/// Runs the command.
pub(crate) async fn run(args: &args::Why, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let name = ServiceName::from(args.service.as_str());
    let record = match installation.table.load(&name).await {
        Err(StoreError::NoSuchService) => return repository(&args.service, installation, out).await,
        result => result?,
    };
    let notices = installation.table.notices(&name, NOTICES).await?;
    let answer = answer(&record, notices.iter().map(|stored| &stored.notice), now());
    out.document(&answer, |paint| text(&answer, paint));
    Ok(Exit::Done)
}

/// No service: perhaps a repository whose pushes come to nothing.
async fn repository(name: &str, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let services = installation.table.services_by_repository(name).await?;
    if services.is_empty() {
        let Some(refused) = installation.table.unconfigured(name).await? else {
            return Err(installation.unknown(&ServiceName::from(name)).await);
        };
        let last = told(&refused.notice);
        out.document(&serde_json::json!({"repository": name, "services": [], "last": last}), |_| {
            format!("{}\n{}\n{}", last.title, last.body, last.advice)
        });
        return Ok(Exit::Done);
    }
    let list: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    let document = serde_json::json!({"repository": name, "services": list});
    out.document(&document, |_| {
        let commands: Vec<String> = list.iter().map(|service| format!("flipback why {service}")).collect();
        format!("pushes to {name} deploy {}; see {}", list.join(", "), commands.join(", "))
    });
    Ok(Exit::Done)
}

fn answer<'a>(record: &Record, notices: impl Iterator<Item = &'a Notice>, now: Time) -> Answer {
    let view = View::of(record);
    let mut bad = notices.filter(|notice| matters(notice));
    Answer {
        todo: todo(record, now),
        service: view.service,
        phase: view.phase,
        waits_for: view.waiting,
        last: bad.next().map(told),
    }
}

/// What a person asks `why` about: everything that did not go its way.
fn matters(notice: &Notice) -> bool {
    match notice.milestone {
        Milestone::Refused { .. }
        | Milestone::RolledBack { .. }
        | Milestone::GoingBack { .. }
        | Milestone::Cancelled { .. }
        | Milestone::Held { .. }
        | Milestone::Call { .. }
        | Milestone::Corrected { .. }
        | Milestone::Changed { .. }
        | Milestone::Declined { .. } => true,
        Milestone::Started { .. }
        | Milestone::Step { .. }
        | Milestone::Completed { .. }
        | Milestone::Observed { .. }
        | Milestone::Scaling { .. } => false,
    }
}

fn told(notice: &Notice) -> Told {
    let telling = tell(notice);
    Told { at: notice.at.to_string(), title: telling.title, body: telling.body, advice: telling.advice }
}

/// What can be done now, by where it stands.
fn todo(record: &Record, now: Time) -> String {
    let (status, name) = (&record.status, &record.config.name);
    let Some(rollout) = &status.rollout else {
        return match (&status.next, record.inbox.is_empty(), record.config.mode) {
            (Some(_), _, _) | (None, false, _) => "nothing: it is looked at within a minute".to_owned(),
            (None, true, Mode::Observe) => {
                "to let it act: `mode: act` in flipback.yaml, then flipback apply".to_owned()
            }
            (None, true, Mode::Act) => format!(
                "push an image whose tag fits, or flipback deploy {name} --image REPOSITORY:TAG; a push that started nothing is in flipback history {name}"
            ),
        };
    };
    if rollout.paused.is_some() {
        return format!("flipback resume {name} lets it go on, flipback abort {name} takes it back");
    }
    let late = status.wake.due != Time(0) && now > status.wake.due.plus(shared::time::Span::mins(3));
    if late {
        return "it should have been looked at minutes ago: check that the function `advance` runs and its logs"
            .to_owned();
    }
    if rollout.called || rollout.routes.values().any(|expected| expected.foreign_since.is_some()) {
        return format!(
            "a person must look at what it waits for; then flipback resume {name} goes on from the weights as they are, flipback abort {name} takes it back"
        );
    }
    match rollout.phase {
        Phase::Holding => format!(
            "nothing was changed yet; flipback abort {name} drops it; a fix for an alarm that fires already goes through with flipback deploy {name} --image REPOSITORY:TAG --force"
        ),
        Phase::Registering { .. } | Phase::Starting | Phase::Shifting { .. } => {
            format!("nothing; flipback abort {name} takes it back")
        }
        Phase::Baking { .. } => {
            format!("nothing; flipback promote {name} ends the bake now, flipback abort {name} takes it back")
        }
        Phase::Standby { .. } => {
            format!(
                "nothing; flipback promote {name} ends the standby now, flipback rollback {name} flips back at once"
            )
        }
        Phase::Retiring | Phase::Resting => {
            format!("nothing; flipback rollback {name} would deploy the revision before again")
        }
        Phase::Returning { .. } | Phase::Clearing { .. } => "nothing: it goes back by itself".to_owned(),
    }
}

fn text(answer: &Answer, paint: Paint) -> String {
    let mut text = format!(
        "{}  {}\n  waits for   {}\n  what to do  {}",
        paint.bold(&answer.service),
        answer.phase,
        answer.waits_for,
        answer.todo
    );
    if let Some(last) = &answer.last {
        text.push_str(&format!("\n\n{}  {}\n  {}", last.at, paint.bold(&last.title), last.body));
        if !last.advice.is_empty() {
            text.push_str(&format!("\n  what to do  {}", last.advice));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;
    use shared::rollout::Cause;
    use shared::time::Span;

    fn notice(milestone: Milestone) -> Notice {
        Notice {
            service: "shop-api".into(),
            rollout: Some("shop-api-17".into()),
            number: 3,
            at: fixture::START,
            milestone,
        }
    }

    #[test]
    fn the_last_thing_that_went_wrong_is_told_with_what_to_do() {
        let refused = notice(Milestone::Refused {
            what: "shop-api:latest".to_owned(),
            reason: "the tag `latest` says nothing about what it is and is not deployed".to_owned(),
            advice: "give it one: aws ecr put-image ...".to_owned(),
        });
        let step = notice(Milestone::Step {
            what: "shop-api:v1.4.0".to_owned(),
            weight: 10,
            bake: Span::mins(3),
            number: 1,
            of: 3,
        });
        let answer = answer(&fixture::record(), [&step, &refused].into_iter(), fixture::START);
        insta::assert_snapshot!(text(&answer, Paint(false)));
    }

    #[test]
    fn every_phase_says_what_can_be_done() {
        let cause = || Cause::Superseded;
        let phases = [
            Phase::Holding,
            Phase::Registering { sent: None },
            Phase::Starting,
            Phase::Shifting { step: 0 },
            Phase::Baking { step: 0, promoted: false },
            Phase::Standby { until: fixture::START },
            Phase::Retiring,
            Phase::Resting,
            Phase::Returning { cause: cause() },
            Phase::Clearing { cause: cause() },
        ];
        let mut lines = Vec::new();
        for phase in phases {
            let mut record = fixture::record();
            let name = phase.name();
            record.status.rollout = Some(fixture::rollout(17, phase));
            lines.push(format!("{name}: {}", todo(&record, fixture::START)));
            if let Some(rollout) = &mut record.status.rollout {
                rollout.paused = Some(fixture::START);
            }
            assert!(todo(&record, fixture::START).contains("resume"), "{name}");
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_look_that_is_minutes_late_points_at_the_function() {
        let mut record = fixture::record();
        record.status.rollout = Some(fixture::rollout(17, Phase::Starting));
        record.status.wake.due = fixture::START;
        assert!(!todo(&record, fixture::START.plus(Span::mins(2))).contains("advance"));
        assert!(todo(&record, fixture::START.plus(Span::mins(4))).contains("advance"));
    }
}
