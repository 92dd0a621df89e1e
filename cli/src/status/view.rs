//! A record as people and programs see it.

use serde::Serialize;
use shared::config::{Mode, ServiceConfig};
use shared::ids::{Colour, Digest, RevisionArn, RouteArn};
use shared::notice::cause;
use shared::ports::Record;
use shared::rollout::{
    Candidate, Ended, Expected, ImageRef, Intent, Outcome, Phase, Quarantined, Rollout, Settled, Status, Target, Wish,
};
use shared::time::Time;
use shared::weights::Weights;
use std::collections::{BTreeMap, BTreeSet};

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    /// Its name.
    pub(crate) service: String,
    /// Its ECS cluster.
    pub(crate) cluster: String,
    /// Whether it acts.
    pub(crate) mode: Mode,
    /// The phase's name; `idle` where no rollout runs.
    pub(crate) phase: &'static str,
    /// The candidate's share in percent that is intended now.
    pub(crate) weight: Option<u8>,
    /// What it waits for.
    pub(crate) waiting: String,
    /// Since when it is in this phase, or when the last rollout ended.
    pub(crate) since: Option<Moment>,
    /// When the next look is due; a look that was not asked for may come before.
    pub(crate) wake_due: Option<Moment>,
    /// The rollout that runs.
    pub(crate) rollout: Option<RolloutView>,
    /// What comes after it.
    pub(crate) next: Option<NextView>,
    /// How the last one ended.
    pub(crate) last: Option<LastView>,
    /// What the last rollout that completed brought.
    pub(crate) deployed: Option<DeployedView>,
    /// The routes as last seen settled.
    pub(crate) settled: Option<SettledView>,
    /// Per repository the image that was taken last, by a push or by a person; it need not be live.
    pub(crate) taken_last: BTreeMap<String, String>,
    /// The repositories whose image that was taken last is in quarantine.
    #[serde(skip)]
    pub(crate) hurt: BTreeSet<String>,
    /// Per repository the image of the last rollout that completed.
    pub(crate) completed_last: BTreeMap<String, String>,
    /// What must not start by itself.
    pub(crate) quarantine: Vec<QuarantineView>,
    /// What was recorded and not yet looked at.
    pub(crate) inbox: Vec<InboxView>,
}

/// A point in time, RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Time);

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The rollout that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RolloutView {
    /// Its id.
    pub(crate) id: String,
    /// What is deployed.
    pub(crate) what: String,
    /// The images, pinned.
    pub(crate) images: Vec<String>,
    /// When it started.
    pub(crate) started_at: Moment,
    /// Since when a person has paused it.
    pub(crate) paused: Option<Moment>,
    /// Whether it was forced.
    pub(crate) force: bool,
    /// The colour it goes to.
    pub(crate) candidate: Option<Colour>,
    /// The candidate's revision.
    pub(crate) revision: Option<String>,
    /// The colour it comes from.
    pub(crate) stable: Option<Colour>,
    /// The stable side's revision.
    pub(crate) stable_revision: Option<String>,
    /// The steps, as `10 % for 3m`; with the native engine what ECS goes through.
    pub(crate) steps: Vec<String>,
    /// Why it goes back, if it does.
    pub(crate) cause: Option<String>,
    /// What ails the candidate, seen once.
    pub(crate) ailing: Option<String>,
    /// What may be read on the routes.
    pub(crate) routes: Vec<RouteView>,
}

/// The expected weights of a route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteView {
    /// The route.
    pub(crate) route: RouteArn,
    /// Before the last write.
    pub(crate) previous: Weights,
    /// After it.
    pub(crate) intended: Weights,
    /// Since when something else is read there.
    pub(crate) foreign_since: Option<Moment>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NextView {
    /// What.
    pub(crate) what: String,
    /// Who wished it.
    pub(crate) wish: Wish,
    /// When.
    pub(crate) at: Moment,
}

/// How the last rollout ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastView {
    /// Its id.
    pub(crate) rollout: String,
    /// `completed`, `rolledBack`, `refused` or `observed`.
    pub(crate) outcome: &'static str,
    /// Why, where there is a why.
    pub(crate) reason: Option<String>,
    /// When.
    pub(crate) at: Moment,
    /// The revision it brought.
    pub(crate) revision: Option<String>,
    /// The revision before it.
    pub(crate) stable_revision: Option<String>,
}

/// What the last rollout that completed brought; somebody else may have deployed since.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeployedView {
    /// The revision.
    pub(crate) revision: String,
    /// The one before it, which a rollback without a name goes to.
    pub(crate) before: Option<String>,
}

/// The routes at rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettledView {
    /// The colour that holds all weight.
    pub(crate) live: Colour,
    /// The weights.
    pub(crate) weights: BTreeMap<RouteArn, Weights>,
    /// When they were read.
    pub(crate) at: Moment,
    /// Since when they read otherwise.
    pub(crate) differs_since: Option<Moment>,
}

/// Images that must not start by themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuarantineView {
    /// The digests.
    pub(crate) digests: Vec<Digest>,
    /// Why.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) at: Moment,
}

/// One entry of the inbox.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InboxView {
    /// Its id.
    pub(crate) id: String,
    /// Who.
    pub(crate) by: String,
    /// When.
    pub(crate) at: Moment,
}

impl View {
    /// The view of a record.
    pub(crate) fn of(record: &Record) -> View {
        let Record { config, status, inbox, .. } = record;
        let rollout = status.rollout.as_ref();
        let waiting = match (status.waiting.is_empty(), inbox.is_empty()) {
            (true, true) => "nothing: it was not looked at yet".to_owned(),
            (true, false) => "the first look".to_owned(),
            (false, _) => status.waiting.clone(),
        };
        View {
            service: config.name.to_string(),
            cluster: config.cluster.clone(),
            mode: config.mode,
            phase: rollout.map_or("idle", |rollout| rollout.phase.name()),
            weight: rollout.map(percent),
            waiting,
            since: rollout.map(|rollout| rollout.since).or(status.last.as_ref().map(|last| last.at)).map(Moment),
            wake_due: (status.wake.due != Time(0)).then_some(Moment(status.wake.due)),
            rollout: rollout.map(rollout_view),
            next: status.next.as_ref().map(|next| NextView { what: what(next), wish: next.wish, at: Moment(next.at) }),
            last: status.last.as_ref().map(last_view),
            deployed: status.deployed.as_ref().map(|deployed| DeployedView {
                revision: deployed.revision.short().to_owned(),
                before: short(status.before(None)),
            }),
            settled: status.settled.as_ref().map(settled_view),
            taken_last: status.taken.iter().map(listed).collect(),
            hurt: hurt(status),
            completed_last: status.good.iter().map(listed).collect(),
            quarantine: status.quarantine.iter().map(quarantine_view).collect(),
            inbox: inbox.iter().map(inbox_view).collect(),
        }
    }
}

fn hurt(status: &Status) -> BTreeSet<String> {
    let held = |image: &ImageRef| status.quarantine.iter().any(|held| held.digests.contains(&image.digest));
    status.taken.iter().filter(|(_, image)| held(image)).map(|(repository, _)| repository.clone()).collect()
}

fn listed((repository, image): (&String, &ImageRef)) -> (String, String) {
    (repository.clone(), named(image))
}

fn rollout_view(rollout: &Rollout) -> RolloutView {
    let config: &ServiceConfig = &rollout.config;
    let images = match &rollout.candidate.target {
        Target::Images(images) => images.values().map(ImageRef::pinned).collect(),
        Target::Revision(_) | Target::Live => Vec::new(),
    };
    let route = |(route, expected): (&RouteArn, &Expected)| RouteView {
        route: route.clone(),
        previous: expected.previous.clone(),
        intended: expected.intended.clone(),
        foreign_since: expected.foreign_since.map(Moment),
    };
    RolloutView {
        id: rollout.id.to_string(),
        what: what(&rollout.candidate),
        images,
        started_at: Moment(rollout.started_at),
        paused: rollout.paused.map(Moment),
        force: rollout.candidate.force,
        candidate: rollout.stable.map(Colour::other),
        revision: short(rollout.revision.as_ref()),
        stable: rollout.stable,
        stable_revision: short(rollout.stable_revision.as_ref()),
        steps: match config.engine.native() {
            None => config.steps.iter().map(|step| format!("{} % for {}", step.weight, step.bake)).collect(),
            Some(native) => vec![format!("ECS's own: {}", native.plan.strategy().unwrap_or("as declared"))],
        },
        cause: rollout.phase.going_back().map(cause),
        ailing: rollout.ailing.as_ref().map(|ailing| ailing.what.clone()),
        routes: rollout.routes.iter().map(route).collect(),
    }
}

fn last_view(last: &Ended) -> LastView {
    let (outcome, reason) = outcome(&last.outcome);
    LastView {
        rollout: last.rollout.to_string(),
        outcome,
        reason,
        at: Moment(last.at),
        revision: short(last.revision.as_ref()),
        stable_revision: short(last.stable_revision.as_ref()),
    }
}

fn settled_view(settled: &Settled) -> SettledView {
    SettledView {
        live: settled.live,
        weights: settled.weights.clone(),
        at: Moment(settled.at),
        differs_since: settled.differs_since.map(Moment),
    }
}

fn quarantine_view(held: &Quarantined) -> QuarantineView {
    QuarantineView { digests: held.digests.iter().cloned().collect(), reason: held.reason.clone(), at: Moment(held.at) }
}

fn inbox_view(intent: &Intent) -> InboxView {
    InboxView { id: intent.id.to_string(), by: intent.by.clone(), at: Moment(intent.at) }
}

/// An outcome's name for people.
pub(crate) fn words(outcome: &'static str) -> &'static str {
    match outcome {
        "rolledBack" => "rolled back",
        "timedOut" => "timed out",
        other => other,
    }
}

/// An outcome's name, and why.
pub(crate) fn outcome(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Completed => ("completed", None),
        Outcome::RolledBack(why) => ("rolledBack", Some(cause(why))),
        Outcome::Refused(why) => ("refused", Some(why.clone())),
        Outcome::Cancelled(why) => ("cancelled", Some(cause(why))),
        Outcome::GivenUp(by) => ("givenUp", Some(by.clone())),
        Outcome::Superseded(by) => ("superseded", Some(format!("{by} took its place"))),
        Outcome::Observed => ("observed", None),
    }
}

/// The candidate's share that a rollout intends now.
pub(crate) fn percent(rollout: &Rollout) -> u8 {
    let step = |step: usize| rollout.config.steps.get(step).map_or(100, |step| step.weight);
    match rollout.phase {
        Phase::Holding | Phase::Registering { .. } | Phase::Starting => 0,
        Phase::Shifting { step: at } | Phase::Baking { step: at, .. } => step(at),
        Phase::Standby { .. } | Phase::Retiring | Phase::Resting => 100,
        Phase::Deploying | Phase::Stopping { .. } => rollout.native.weight.ceil(),
        Phase::Returning { .. } | Phase::Clearing { .. } => 0,
    }
}

/// What a candidate is, for people.
pub(crate) fn what(candidate: &Candidate) -> String {
    match &candidate.target {
        Target::Images(images) => images.values().map(named).collect::<Vec<_>>().join(", "),
        Target::Revision(revision) => revision.short().to_owned(),
        Target::Live => "the live revision again".to_owned(),
    }
}

/// An image for people and for `--image`.
pub(crate) fn named(image: &ImageRef) -> String {
    format!("{}:{}", image.repository, image.tag)
}

fn short(revision: Option<&RevisionArn>) -> Option<String> {
    revision.map(|revision| revision.short().to_owned())
}
