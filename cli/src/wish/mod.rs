//! The commands that wish something: each puts an intent into the service's inbox, wakes the loop, and returns.
//!
//! A wish is bound to what was seen when it was made (the rollout, the step), by its id and by its content: told twice it
//! is one, and told late it does nothing to another rollout.

mod image;

use crate::args::{self, Follow, OneService};
use crate::errors::plain;
use crate::installation::{Installation, now};
use crate::output::{Out, remark};
use crate::run::Exit;
use crate::wait::{Asked, Follower};
use serde_json::json;
use shared::ids::{Digest, IntentId, RevisionArn, ServiceName};
use shared::ports::{Record, Store as _, Waker as _};
use shared::rollout::{Ended, Intent, IntentKind, Outcome, Phase, Rollout, Status};

/// `flipback deploy`: the images are resolved through ECR now, and pinned.
pub(crate) async fn deploy(args: &args::Deploy, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let mut images = Vec::new();
    for reference in &args.image {
        images.push(image::resolve(installation, &wisher.record, reference).await?);
    }
    if !args.force {
        image::not_in_quarantine(&wisher.record, &images)?;
    }
    let digests: Vec<&str> = images.iter().map(|image| image.digest.short()).collect();
    let force = if args.force { "/force" } else { "" };
    let id = format!("deploy/{}/{}{force}", digests.join("+"), wisher.record.status.rollouts);
    let list: Vec<String> = images.iter().map(|image| format!("{}:{}", image.repository, image.tag)).collect();
    let said = format!("to deploy {}", list.join(", "));
    wisher.wish(&id, IntentKind::Deploy { images, force: args.force }, Asked::Forward, &said).await
}

/// `flipback redeploy`
pub(crate) async fn redeploy(args: &OneService, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let id = format!("redeploy/live/{}", wisher.record.status.rollouts);
    wisher.wish(&id, IntentKind::Redeploy, Asked::Forward, "to start the live revision again").await
}

/// `flipback rollback`
pub(crate) async fn rollback(args: &args::Rollback, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let status = &wisher.record.status;
    let to = match &args.to {
        Some(to) => {
            let (to, images) = revision(installation, &wisher.record, to).await?;
            for doubt in doubts(status, &to, &images) {
                remark(&doubt);
            }
            Some(to)
        }
        None => None,
    };
    // Under somebody else's native deployment it is what the last rollout brought, which a look tells.
    let back = |last: &Ended| matches!(last.outcome, Outcome::RolledBack(_));
    let native = wisher.record.config.engine.native().is_some() && status.last.as_ref().is_some_and(|last| !back(last));
    if to.is_none() && status.rollout.is_none() && !native && status.before(None).is_none() {
        return Err(plain(
            format!("{}: no earlier revision is known to go back to", args.service),
            "name one: flipback rollback SERVICE --to FAMILY:NUMBER (aws ecs list-task-definitions --family-prefix FAMILY)",
        ));
    }
    let back = |rollout: &&Rollout| rollout.phase.going_back().is_some() && !rollout.native.stuck;
    if let (None, Some(rollout)) = (&to, status.rollout.as_ref().filter(back)) {
        return Err(plain(
            format!("{} is going back already", rollout.id),
            format!(
                "flipback wait {} follows it; --to FAMILY:NUMBER deploys another revision afterwards",
                args.service
            ),
        ));
    }
    let rollout = status.rollout.as_ref().map(|rollout| rollout.id.clone());
    let target = to.as_ref().map_or("before", RevisionArn::short);
    let id = format!("rollback/{target}/{}", status.rollouts);
    let said = match (&to, &rollout) {
        (Some(to), _) => format!("to go back to {}", to.short()),
        (None, Some(rollout)) => format!("to roll {rollout} back"),
        (None, None) if native => "to go back to the revision before what is live".to_owned(),
        (None, None) => {
            status.before(None).map_or_else(String::new, |before| format!("to go back to {}", before.short()))
        }
    };
    // A rollback that only turns the running rollout is done when that is back; one to a revision ends with its own.
    let asked = Asked::Back(rollout.clone());
    wisher.wish(&id, IntentKind::Rollback { rollout, to }, asked, &said).await
}

/// `flipback promote`
pub(crate) async fn promote(args: &OneService, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let rollout = wisher.running("promote")?;
    if rollout.paused.is_some() {
        return Err(plain(
            format!("{} is paused, so there is no wait to end", rollout.id),
            format!("flipback resume {} first, then promote", args.service),
        ));
    }
    let step = match rollout.phase {
        Phase::Baking { step, .. } => step,
        Phase::Standby { .. } => rollout.config.steps.len().saturating_sub(1),
        Phase::Deploying if rollout.native.paused || rollout.native.gated => rollout.native.gates,
        Phase::Deploying => {
            let stage = rollout.native.stage.as_ref().map_or("its start", |(stage, _)| stage.as_str());
            return Err(plain(
                format!("{} is at {stage}, and nothing waits for a person there", rollout.id),
                "only a PAUSE hook of the service, or a gate of lifecycle-hook, waits for a promote; ECS goes through \
                 everything else by itself",
            ));
        }
        Phase::Holding
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Shifting { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Stopping { .. }
        | Phase::Clearing { .. } => {
            return Err(plain(
                format!("{} is {}: nothing waits for a person there", rollout.id, rollout.phase.name()),
                if rollout.config.engine.native().is_some() {
                    format!("flipback status {} shows what it waits for; promote answers a pause of ECS", args.service)
                } else {
                    format!("flipback status {} shows what it waits for; promote once it bakes", args.service)
                },
            ));
        }
    };
    let (id, rollout) = (format!("promote/{}/{step}", rollout.id), rollout.id.clone());
    let said = format!("to end the present wait of {rollout} now");
    wisher.wish(&id, IntentKind::Promote { rollout, step }, Asked::Forward, &said).await
}

/// `flipback pause`
pub(crate) async fn pause(args: &OneService, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let rollout = wisher.running("pause")?;
    if rollout.config.engine.native().is_some() {
        return Err(plain(
            format!("{} cannot be paused: ECS moves the traffic by itself", rollout.id),
            format!(
                "declare a PAUSE hook at the stage that should wait for you; flipback abort {} takes it back",
                args.service
            ),
        ));
    }
    let (id, rollout) = (bound("pause", rollout), rollout.id.clone());
    let said = format!("to pause {rollout}");
    wisher.wish(&id, IntentKind::Pause { rollout }, Asked::TakenUp, &said).await
}

/// `flipback resume`
pub(crate) async fn resume(args: &OneService, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let rollout = wisher.running("resume")?;
    if !stands_still(rollout) {
        return Err(plain(
            format!("{} is not paused: it is {} and goes on by itself", rollout.id, rollout.phase.name()),
            format!("flipback why {} says what it waits for", args.service),
        ));
    }
    let (id, rollout) = (bound("resume", rollout), rollout.id.clone());
    let said = format!("to let {rollout} go on");
    wisher.wish(&id, IntentKind::Resume { rollout }, Asked::Forward, &said).await
}

/// Whether a rollout waits for a person: paused, weights that somebody else wrote, or a call for one. A held push that has
/// told of itself is none of these.
fn stands_still(rollout: &Rollout) -> bool {
    let foreign = rollout.routes.values().any(|expected| expected.foreign_since.is_some());
    rollout.paused.is_some() || foreign || (rollout.called && rollout.phase != Phase::Holding)
}

/// `flipback abort`
pub(crate) async fn abort(args: &args::Abort, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let give_up = args.give_up;
    let args = &args.one;
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let rollout = wisher.running("abort")?;
    if give_up {
        if !rollout.called {
            return Err(plain(
                format!("{} does not wait for a person", rollout.id),
                format!("flipback abort {} takes it back", args.service),
            ));
        }
        let (id, rollout) = (bound("give-up", rollout), rollout.id.clone());
        let said = format!("to give {rollout} up as it stands");
        return wisher.wish(&id, IntentKind::GiveUp { rollout }, Asked::TakenUp, &said).await;
    }
    if matches!(rollout.phase, Phase::Retiring | Phase::Resting) {
        return Err(plain(
            format!("{} is {}: the old side is being retired already", rollout.id, rollout.phase.name()),
            format!("flipback rollback {} deploys the revision before again", args.service),
        ));
    }
    let (id, rollout) = (bound("abort", rollout), rollout.id.clone());
    let (asked, said) = (Asked::Back(Some(rollout.clone())), format!("to roll {rollout} back"));
    wisher.wish(&id, IntentKind::Abort { rollout }, asked, &said).await
}

/// `flipback release`
pub(crate) async fn release(args: &args::Release, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let wisher = Wisher::new(&args.service, installation, args.follow, out).await?;
    let digest = quarantined(&wisher.record, &args.digest)?;
    let id = format!("release/{}/{}", digest.short(), wisher.record.status.rollouts);
    let said = format!("to lift the quarantine from {digest}");
    wisher.wish(&id, IntentKind::Release { digest }, Asked::TakenUp, &said).await
}

/// Somebody who wishes something of one service, and the record it is bound to.
struct Wisher<'a> {
    installation: &'a Installation,
    service: ServiceName,
    record: Record,
    follow: Follow,
    out: Out,
}

impl<'a> Wisher<'a> {
    async fn new(name: &str, installation: &'a Installation, follow: Follow, out: Out) -> anyhow::Result<Self> {
        let service = ServiceName::from(name);
        let record = installation.record(&service).await?;
        Ok(Wisher { installation, service, record, follow, out })
    }

    fn running(&self, wish: &str) -> anyhow::Result<&Rollout> {
        self.record.status.rollout.as_ref().ok_or_else(|| {
            let todo = match &self.record.status.next {
                Some(next) => format!("{} waits to start; try again in a moment", crate::status::what(next)),
                None => {
                    format!("{wish} is for a rollout that runs; flipback status {} shows the last one", self.service)
                }
            };
            plain(format!("{}: no rollout runs", self.service), todo)
        })
    }

    async fn wish(&self, id: &str, what: IntentKind, asked: Asked, said: &str) -> anyhow::Result<Exit> {
        let images = match &what {
            IntentKind::Deploy { images, .. } => {
                images.iter().map(|image| format!("{}:{}", image.repository, image.tag)).collect()
            }
            IntentKind::Push { .. }
            | IntentKind::Redeploy
            | IntentKind::Rollback { .. }
            | IntentKind::Promote { .. }
            | IntentKind::Pause { .. }
            | IntentKind::Resume { .. }
            | IntentKind::Abort { .. }
            | IntentKind::GiveUp { .. }
            | IntentKind::Release { .. }
            | IntentKind::Repair { .. }
            | IntentKind::AlarmFired { .. } => Vec::new(),
        };
        let intent =
            Intent { id: IntentId(format!("cli/{id}")), at: now(), by: self.installation.caller.clone(), what };
        self.installation.table.record(&self.service, &intent).await?;
        let woken = match self.installation.queues().await {
            Ok(queues) => queues.poke(&self.service).await,
            Err(failure) => Err(failure.to_string()),
        };
        if let Err(why) = woken {
            remark(&format!("recorded, but the wake did not get through ({why}); the sweep finds it within a minute"));
        }
        let document = json!({"service": self.service, "recorded": intent.id, "wish": said, "by": intent.by});
        let text = format!("{}: recorded the wish {said}", self.service);
        if !self.follow.wait {
            let more = format!("follow it: flipback wait {}", self.service);
            self.out.document(&document, |_| format!("{text}; {more}"));
            return Ok(Exit::Done);
        }
        self.out.line(&document, |_| text);
        let follower = Follower {
            service: self.service.clone(),
            intent: Some((intent.id, self.record.status.notices)),
            before: self.record.status.last.as_ref().map(|last| last.rollout.clone()),
            asked,
            images,
        };
        follower.follow(self.installation, self.follow.timeout, self.out).await
    }
}

/// The id of a wish for one rollout in one step.
fn bound(wish: &str, rollout: &Rollout) -> String {
    let step = match rollout.phase {
        Phase::Shifting { step } | Phase::Baking { step, .. } => step.to_string(),
        Phase::Holding
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Deploying
        | Phase::Stopping { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Returning { .. }
        | Phase::Clearing { .. } => rollout.phase.name().to_owned(),
    };
    format!("{wish}/{}/{step}", rollout.id)
}

/// What speaks against going back to a revision with these images. A person may know better.
fn doubts(status: &Status, to: &RevisionArn, images: &[String]) -> Vec<String> {
    let mut doubts = Vec::new();
    if status.deployed.as_ref().is_some_and(|deployed| deployed.revision == *to) {
        doubts.push(format!("{} is what the last completed rollout brought; it is deployed again", to.short()));
    }
    let within = |digest: &Digest| images.iter().any(|image| image.ends_with(digest.as_str()));
    let held = status.quarantine.iter().find(|held| held.digests.iter().all(within));
    if let Some(held) = held {
        doubts.push(format!(
            "{} has an image in quarantine ({}); it is deployed all the same",
            to.short(),
            held.reason
        ));
    }
    doubts
}

/// A revision as a person names it, found in ECS, and its images.
async fn revision(
    installation: &Installation,
    record: &Record,
    text: &str,
) -> anyhow::Result<(RevisionArn, Vec<String>)> {
    const CALL: &str = "ecs:DescribeTaskDefinition";
    let number = text.parse::<u32>().is_ok();
    let name = match (number, known_family(&record.status)) {
        (false, _) => text.to_owned(),
        (true, Some(family)) => format!("{family}:{text}"),
        (true, None) => {
            return Err(plain(
                format!("{}: the family of revision {text} is not known yet", record.config.name),
                "write it as FAMILY:NUMBER",
            ));
        }
    };
    let answer = installation.clients.ecs.describe_task_definition().task_definition(&name).send().await;
    let answer = answer.map_err(|error| aws::Failure::of(CALL, &error)).map_err(|failure| {
        if failure.transient() || failure.kind == aws::Kind::Denied {
            return anyhow::Error::from(failure);
        }
        let family = name.rsplit('/').next().unwrap_or(&name).split(':').next().unwrap_or_default();
        plain(
            format!("there is no revision {name}: {}", failure.message),
            format!("aws ecs list-task-definitions --family-prefix {family} shows those there are"),
        )
    })?;
    let definition = answer.task_definition().ok_or_else(|| anyhow::anyhow!("{CALL} answered without a definition"))?;
    let images = definition.container_definitions().iter().filter_map(|container| container.image()).map(str::to_owned);
    let arn = definition.task_definition_arn().map(RevisionArn::from);
    let arn = arn.ok_or_else(|| anyhow::anyhow!("{CALL} answered without an ARN"))?;
    Ok((arn, images.collect()))
}

fn known_family(status: &Status) -> Option<&str> {
    let rollout = status.rollout.as_ref().and_then(|rollout| rollout.stable_revision.as_ref());
    let last = status.last.as_ref().and_then(|last| last.stable_revision.as_ref().or(last.revision.as_ref()));
    rollout.or(last).map(RevisionArn::family)
}

/// The one digest in quarantine that begins so.
fn quarantined(record: &Record, text: &str) -> anyhow::Result<Digest> {
    let service = &record.config.name;
    let held: Vec<&Digest> = record.status.quarantine.iter().flat_map(|held| &held.digests).collect();
    if held.is_empty() {
        return Err(plain(format!("{service}: nothing is in quarantine"), "there is nothing to release"));
    }
    let wished = text.strip_prefix("sha256:").unwrap_or(text);
    let mut fits: Vec<&Digest> = held
        .iter()
        .copied()
        .filter(|digest| digest.as_str().trim_start_matches("sha256:").starts_with(wished))
        .collect();
    fits.sort();
    fits.dedup();
    match fits.as_slice() {
        [digest] if !wished.is_empty() => Ok((*digest).clone()),
        found => {
            let list: Vec<&str> = held.iter().map(|digest| digest.as_str()).collect();
            let what = if found.is_empty() { "no digest in quarantine begins so" } else { "several digests begin so" };
            Err(plain(format!("{service}: {what}: {text}"), format!("in quarantine: {}", list.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;

    #[test]
    fn a_wish_for_a_rollout_has_one_id_per_step() {
        let bake = |step| fixture::rollout(7, Phase::Baking { step, promoted: false });
        assert_eq!(bound("abort", &bake(0)), "abort/shop-api-7/0");
        assert_ne!(bound("abort", &bake(0)), bound("abort", &bake(1)));
        assert_eq!(bound("pause", &fixture::rollout(7, Phase::Starting)), "pause/shop-api-7/starting");
    }

    #[test]
    fn only_what_stands_still_can_be_resumed() {
        let mut rollout = fixture::rollout(7, Phase::Holding);
        rollout.called = true;
        assert!(!stands_still(&rollout), "an alarm holds it, no person");
        rollout.phase = Phase::Starting;
        assert!(stands_still(&rollout));
        rollout.called = false;
        assert!(!stands_still(&rollout));
        rollout.paused = Some(fixture::START);
        assert!(stands_still(&rollout));
    }

    #[test]
    fn a_digest_is_released_by_its_beginning() {
        let mut record = fixture::record();
        assert!(quarantined(&record, "abab").unwrap_err().to_string().contains("nothing is in quarantine"));
        record.status.quarantine.push(fixture::quarantined());
        for text in ["abab", "sha256:abab", fixture::digest().as_str()] {
            assert_eq!(quarantined(&record, text).unwrap(), fixture::digest(), "{text}");
        }
        assert!(quarantined(&record, "ff").unwrap_err().to_string().contains("no digest"));
        let mut other = fixture::quarantined();
        other.digests = [Digest(format!("sha256:abff{}", "0".repeat(60)))].into();
        record.status.quarantine.push(other);
        assert!(quarantined(&record, "ab").unwrap_err().to_string().contains("several"));
        assert_eq!(quarantined(&record, "abab").unwrap(), fixture::digest());
    }

    #[test]
    fn what_speaks_against_a_revision_is_said() {
        let mut status = Status::default();
        let to = RevisionArn::from("arn:aws:ecs:us-east-1:123456789012:task-definition/shop-api:7");
        let images = [format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop-api@{}", fixture::digest())];
        assert!(doubts(&status, &to, &images).is_empty());
        status.quarantine.push(fixture::quarantined());
        assert!(doubts(&status, &to, &images)[0].contains("in quarantine"));
        assert!(doubts(&status, &to, &[]).is_empty());
        status.deployed = Some(shared::rollout::Deployed { revision: to.clone(), before: None });
        assert!(doubts(&status, &to, &[])[0].contains("deployed again"));
    }

    #[test]
    fn the_family_is_known_from_the_last_rollout() {
        let mut status = Status::default();
        assert_eq!(known_family(&status), None);
        status.last = Some(fixture::ended(1, Outcome::Completed));
        assert_eq!(known_family(&status), Some("shop-api"));
    }
}
