//! `flipback why`: what a service waits for, what went wrong last, and what to do about either.

use crate::args;
use crate::installation::{Installation, now};
use crate::output::{Out, Paint};
use crate::run::Exit;
use crate::status::{View, named};
use serde::Serialize;
use shared::config::Mode;
use shared::ids::ServiceName;
use shared::notice::{Milestone, Notice, tell};
use shared::ports::{Record, Store as _, StoreError};
use shared::rollout::{Candidate, IntentKind, Phase, Rollout, Target};
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
    // What a later rollout has left behind is no answer any more.
    let waits = |rollout: &Rollout| rollout.native.paused && rollout.native.promoted.is_none() || rollout.native.gated;
    let answered = !record.status.rollout.as_ref().is_some_and(waits);
    let over = |notice: &Notice| answered && matches!(notice.milestone, Milestone::Gate { .. });
    let mut since = notices.take_while(|notice| !begins_anew(notice));
    let bad = since.find(|notice| matters(notice) && !over(notice));
    Answer {
        todo: todo(record, now),
        service: view.service,
        phase: view.phase,
        waits_for: view.waiting,
        last: bad.map(told),
    }
}

fn begins_anew(notice: &Notice) -> bool {
    matches!(notice.milestone, Milestone::Started { .. } | Milestone::Deploying { .. } | Milestone::Completed { .. })
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
        | Milestone::Gate { .. }
        | Milestone::Superseded { .. }
        | Milestone::Declined { .. } => true,
        Milestone::Foreign { good, ref ended, .. } => ended.is_some() && !good,
        Milestone::Started { .. }
        | Milestone::Deploying { .. }
        | Milestone::Step { .. }
        | Milestone::Completed { .. }
        | Milestone::Observed { .. }
        | Milestone::Repaired { .. }
        | Milestone::ScalingDigest { .. }
        | Milestone::Scaling { .. } => false,
    }
}

fn told(notice: &Notice) -> Told {
    let telling = tell(notice);
    Told { at: notice.at.to_string(), title: telling.title, body: telling.body, advice: telling.advice }
}

/// What a person who was called can do.
fn called(name: &ServiceName, rollout: &Rollout) -> String {
    if rollout.native.stuck && rollout.native.ended.is_some() {
        return format!(
            "it ends by itself once users are served: point the production rule at the target group that the tasks are in, or, with \
             a strategy that moves traffic, flipback deploy {name} --image REF --force; flipback abort {name} --give-up ends it as \
             it stands"
        );
    }
    match rollout.phase {
        Phase::Returning { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } => {
            format!("it goes on trying; flipback abort {name} --give-up ends it as it stands")
        }
        Phase::Deploying if rollout.native.stuck => format!(
            "flipback rollback {name} deploys the previous revision, a push the next one; flipback abort {name} --give-up ends it as it stands"
        ),
        Phase::Deploying if rollout.native.paused => {
            format!("then flipback promote {name} answers the pause that waits, flipback abort {name} takes it back")
        }
        Phase::Deploying => format!("ECS moves the traffic by itself; flipback abort {name} takes it back"),
        Phase::Holding
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting => format!(
            "then flipback resume {name} goes on from the weights as they are, flipback abort {name} takes it back"
        ),
    }
}

/// What can be done now, by where it stands.
fn todo(record: &Record, now: Time) -> String {
    let (status, name) = (&record.status, &record.config.name);
    let overdue = |intent: &shared::rollout::Intent| {
        !matches!(intent.what, IntentKind::Push { .. }) && now > intent.at.plus(shared::time::Span::mins(3))
    };
    if record.inbox.iter().any(overdue) {
        // Every look takes people's wishes; that a look was due tells nothing, since one that changes nothing saves nothing.
        return "a wish has waited for minutes, so nothing looks at it: check that the function `advance` runs, and its logs"
            .to_owned();
    }
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
    if rollout.phase == Phase::Holding {
        return holding(name, &rollout.candidate);
    }
    if rollout.called || rollout.routes.values().any(|expected| expected.foreign_since.is_some()) {
        return format!("a person must look at what it waits for; {}", called(name, rollout));
    }
    match rollout.phase {
        Phase::Holding => holding(name, &rollout.candidate),
        Phase::Registering { .. } | Phase::Starting | Phase::Shifting { .. } => {
            format!("nothing; flipback abort {name} takes it back")
        }
        Phase::Deploying if rollout.native.paused => {
            format!("flipback promote {name} answers the pause that waits, flipback abort {name} takes it back")
        }
        Phase::Deploying => format!("nothing: ECS moves the traffic by itself; flipback abort {name} takes it back"),
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
        Phase::Returning { .. } | Phase::Clearing { .. } | Phase::Stopping { .. } => {
            "nothing: it goes back by itself".to_owned()
        }
    }
}

/// Nothing was touched yet, and it starts by itself as soon as nothing stands in its way.
fn holding(name: &ServiceName, candidate: &Candidate) -> String {
    let start = match &candidate.target {
        Target::Images(images) => {
            let images: Vec<String> = images.values().map(|image| format!("--image {}", named(image))).collect();
            format!("; if it is the fix for an alarm that fires: flipback deploy {name} {} --force", images.join(" "))
        }
        Target::Revision(_) | Target::Live => String::new(),
    };
    format!(
        "nothing: it has changed nothing yet, and starts by itself when what it waits for is so{start}; flipback abort {name} drops it"
    )
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
    fn what_a_later_rollout_has_left_behind_is_no_answer() {
        let refused =
            notice(Milestone::Refused { what: "a".to_owned(), reason: "b".to_owned(), advice: "c".to_owned() });
        let completed = notice(Milestone::Completed {
            what: "shop-api:v1.4.0".to_owned(),
            revision: None,
            took: Span::mins(9),
            standby: Span::mins(10),
            by_ecs: false,
        });
        assert_eq!(answer(&fixture::record(), [&completed, &refused].into_iter(), fixture::START).last, None);
        assert!(answer(&fixture::record(), [&refused, &completed].into_iter(), fixture::START).last.is_some());
    }

    #[test]
    fn a_push_that_an_alarm_holds_is_not_for_a_person_to_look_at() {
        let mut record = fixture::record();
        let mut rollout = fixture::rollout(17, Phase::Holding);
        rollout.called = true;
        record.status.rollout = Some(rollout);
        let said = todo(&record, fixture::START);
        assert!(said.contains("--image shop-api:v1.4.0 --force") && !said.contains("a person must"), "{said}");
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
    fn who_was_called_is_told_only_what_can_be_done_there() {
        for (phase, word) in [
            (Phase::Baking { step: 0, promoted: false }, "resume"),
            (Phase::Returning { cause: Cause::Superseded }, "--give-up"),
            (Phase::Stopping { cause: Cause::Superseded }, "--give-up"),
            (Phase::Deploying, "abort"),
        ] {
            let mut record = fixture::record();
            let mut rollout = fixture::rollout(17, phase);
            rollout.called = true;
            record.status.rollout = Some(rollout);
            let said = todo(&record, fixture::START);
            assert!(said.contains(word) && (word == "resume" || !said.contains("resume")), "{said}");
        }
    }

    #[test]
    fn a_wish_that_nobody_takes_points_at_the_function() {
        let mut record = fixture::record();
        record.status.rollout = Some(fixture::rollout(17, Phase::Starting));
        record.status.wake.due = fixture::START;
        assert!(
            !todo(&record, fixture::START.plus(Span::mins(9))).contains("advance"),
            "an unchanged look saves nothing"
        );
        record.inbox.push(fixture::intent("cli/redeploy/live/0"));
        assert!(!todo(&record, fixture::START.plus(Span::mins(2))).contains("advance"));
        assert!(todo(&record, fixture::START.plus(Span::mins(4))).contains("advance"));
    }
}
