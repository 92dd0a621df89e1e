//! A decision while it is being made.

use crate::config::ServiceConfig;
use crate::decision::{Action, Decision, Effect, Waiting};
use crate::ids::{Colour, IntentId, RolloutId, TargetGroupArn};
use crate::notice::{Milestone, Notice};
use crate::observation::{ColourReading, Observation, Reading, ServiceReading, TargetCounts};
use crate::rollout::{Candidate, Deployed, Ended, FORMAT, Margins, Outcome, Phase, Rollout, Status, Target, Wish};
use crate::time::{Span, Time};
use crate::weights::{Sides, Weights};

use super::Input;

/// An alarm that was told to have fired, by an event of its own.
#[derive(Clone, Debug)]
pub(super) struct Fired {
    pub(super) alarm: String,
    pub(super) at: Time,
    pub(super) reason: String,
}

pub(super) struct Draft<'a> {
    pub(super) config: &'a ServiceConfig,
    pub(super) seen: &'a Observation,
    pub(super) margins: &'a Margins,
    pub(super) now: Time,
    pub(super) status: Status,
    pub(super) fired: Vec<Fired>,
    pub(super) consumed: Vec<IntentId>,
    effects: Vec<Effect>,
    notices: Vec<Notice>,
    waiting: Waiting,
    look: Option<Span>,
    ended: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &Input<'a>) -> Draft<'a> {
        let mut status = input.status.clone();
        status.format = FORMAT;
        Draft {
            config: input.config,
            seen: input.seen,
            margins: input.margins,
            now: input.now,
            status,
            fired: Vec::new(),
            consumed: Vec::new(),
            effects: Vec::new(),
            notices: Vec::new(),
            waiting: Waiting::Idle,
            look: None,
            ended: false,
        }
    }

    /// A forward effect: it has a deadline, which the status remembers.
    pub(super) fn forward(&mut self, rollout: &mut Rollout, action: Action) {
        let of_weights = matches!(action, Action::Weights { .. });
        let deadline = self.timed(action);
        rollout.forward_until = rollout.forward_until.max(deadline);
        if of_weights {
            rollout.weights_until = rollout.weights_until.max(deadline);
        }
    }

    /// An effect with a deadline, which the caller must save.
    pub(super) fn timed(&mut self, action: Action) -> Time {
        let deadline = self.now.plus(self.margins.forward);
        self.effects.push(Effect { action, deadline: Some(deadline) });
        deadline
    }

    /// An effect that brings traffic back, or protects it.
    pub(super) fn back(&mut self, action: Action) {
        if self.effects.iter().any(|effect| effect.is_back() && effect.action == action) {
            return;
        }
        let at = self.effects.iter().take_while(|effect| effect.is_back()).count();
        self.effects.insert(at, Effect { action, deadline: None });
    }

    pub(super) fn tell(&mut self, rollout: Option<&RolloutId>, milestone: Milestone) {
        self.status.notices = self.status.notices.saturating_add(1);
        self.notices.push(Notice {
            service: self.config.name.clone(),
            rollout: rollout.cloned(),
            number: self.status.notices,
            at: self.now,
            milestone,
        });
    }

    /// Calls a person about the present phase, once.
    pub(super) fn call(&mut self, rollout: &mut Rollout, why: String, advice: &str) {
        if !rollout.called {
            rollout.called = true;
            self.tell(Some(&rollout.id), Milestone::Call { why, advice: advice.to_owned() });
        }
    }

    /// Says what is waited for; looks again after the usual time.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting = waiting;
        self.look = Some(self.margins.look);
    }

    /// Says what is waited for until a known time; looks again then, and at the usual pace before.
    pub(super) fn wait_until(&mut self, waiting: Waiting, until: Time) {
        self.waiting = waiting;
        self.look = Some(self.margins.look.min(until.since(self.now)).max(Span(1)));
    }

    /// Looks again at once: the phase has changed, and with it what must be read.
    pub(super) fn again(&mut self) {
        self.look = Some(Span(0));
    }

    /// The id of a rollout that begins now.
    pub(super) fn new_id(&mut self) -> RolloutId {
        self.status.rollouts = self.status.rollouts.saturating_add(1);
        // With the second it began in: a table made anew must not find the revisions of the one before by their tag.
        RolloutId(format!("{}-{}-{:x}", self.config.name, self.status.rollouts, self.now.0 / 1000))
    }

    /// Moves a rollout to another phase.
    pub(super) fn enter(&self, rollout: &mut Rollout, phase: Phase) {
        rollout.phase = phase;
        rollout.since = self.now;
        rollout.called = false;
        rollout.ailing = None;
        rollout.relapses = 0;
    }

    /// Ends a rollout.
    pub(super) fn end(&mut self, rollout: &Rollout, outcome: Outcome) {
        self.ended = true;
        if rollout.native.asked.is_some() {
            let reason = "it has ended, and what it waited for could not be read before that".to_owned();
            self.tell(Some(&rollout.id), Milestone::Declined { wish: "promote".to_owned(), reason });
        }
        if outcome == Outcome::Completed {
            self.status.deployed = Deployed::after(rollout, self.status.deployed.as_ref());
        }
        self.status.last = Some(Ended {
            rollout: rollout.id.clone(),
            outcome,
            at: self.now,
            stable_revision: rollout.stable_revision.clone(),
            revision: rollout.revision.clone(),
            deployment: rollout.native.deployment.clone(),
        });
    }

    /// Ends a rollout that changed nothing, and says why.
    pub(super) fn refuse(&mut self, rollout: &Rollout, reason: &str, advice: &str) -> Option<Rollout> {
        self.tell(
            Some(&rollout.id),
            Milestone::Refused { what: what(&rollout.candidate), reason: reason.to_owned(), advice: advice.to_owned() },
        );
        // The same image pushed again, once what was wrong is mended, shall be a candidate again.
        let waits = self.status.next.as_ref().map(|next| next.target.digests()).unwrap_or_default();
        let digests = &rollout.candidate.target.digests() - &waits;
        self.status.taken.retain(|_, image| !digests.contains(&image.digest));
        self.end(rollout, Outcome::Refused(reason.to_owned()));
        None
    }

    pub(super) fn colour(&self, colour: Colour) -> Option<&'a ColourReading> {
        self.seen.colours.get(&colour)
    }

    /// The ECS service of a colour, if it was read and exists.
    pub(super) fn service(&self, colour: Colour) -> Option<&'a ServiceReading> {
        self.colour(colour)?.service.known()?.as_ref()
    }

    /// Why a colour's service is not known.
    pub(super) fn service_doubt(&self, colour: Colour) -> String {
        match self.colour(colour).map(|reading| &reading.service) {
            None => format!("the {colour} service was not read"),
            Some(Reading::Unknown(why)) => format!("the {colour} service: {why}"),
            Some(Reading::Known(None)) => format!("the {colour} service does not exist"),
            Some(Reading::Known(Some(_))) => format!("the {colour} service was read"),
        }
    }

    /// The counts of every target group of a colour; none where one is unknown or there are none.
    pub(super) fn targets(&self, colour: Colour) -> Option<Vec<(&'a TargetGroupArn, TargetCounts)>> {
        let service = self.service(colour)?;
        let reading = self.colour(colour)?;
        if service.target_groups.is_empty() {
            return None;
        }
        service.target_groups.iter().map(|tg| Some((tg, *reading.targets.get(tg)?.known()?))).collect()
    }

    /// The counts of a colour's target groups that carry traffic on one of these routes, those that could be read: one of
    /// another route that could not says nothing here.
    fn routed(&self, colour: Colour, weights: &[&Weights]) -> Option<Vec<Option<TargetCounts>>> {
        let (service, reading) = (self.service(colour)?, self.colour(colour)?);
        let in_route = |tg: &&TargetGroupArn| weights.iter().any(|weights| weights.contains_key(*tg));
        let groups = service.target_groups.iter().filter(in_route);
        let routed: Vec<_> = groups.map(|tg| reading.targets.get(tg)?.known().copied()).collect();
        (!routed.is_empty()).then_some(routed)
    }

    fn every_route(&self) -> Vec<&'a Weights> {
        self.seen.routes.values().filter_map(|reading| Some(&reading.known()?.weights)).collect()
    }

    /// Whether a colour is known to have no healthy target in one of its groups on these routes. States that say nothing
    /// of health (`unused`, `unavailable`) are no proof of death.
    pub(super) fn dead_on(&self, colour: Colour, weights: &[&Weights]) -> bool {
        self.routed(colour, weights).is_some_and(|all| all.iter().flatten().any(|c| c.healthy == 0 && c.other == 0))
    }

    /// Whether a colour is known to have a healthy target in each of its groups on these routes.
    pub(super) fn alive_on(&self, colour: Colour, weights: &[&Weights]) -> bool {
        self.routed(colour, weights).is_some_and(|all| all.iter().all(|c| c.is_some_and(|c| c.healthy > 0)))
    }

    /// [`dead_on`](Self::dead_on) any route that was read.
    pub(super) fn dead(&self, colour: Colour) -> bool {
        self.dead_on(colour, &self.every_route())
    }

    /// [`alive_on`](Self::alive_on) every route that was read.
    pub(super) fn alive(&self, colour: Colour) -> bool {
        self.alive_on(colour, &self.every_route())
    }

    /// The sides by target group, if both services are known.
    pub(super) fn sides(&self, stable: Colour) -> Option<Sides> {
        let groups = |colour| Some(self.service(colour)?.target_groups.iter().cloned().collect());
        Some(Sides { stable: groups(stable)?, candidate: groups(stable.other())? })
    }

    pub(super) fn finish(mut self) -> Decision {
        if self.waiting == Waiting::Idle && (self.status.rollout.is_some() || self.status.next.is_some()) {
            self.waiting = Waiting::NextLook;
        }
        self.status.waiting = self.waiting.to_string();
        Decision {
            status: self.status,
            consumed: self.consumed,
            effects: self.effects,
            notices: self.notices,
            waiting: self.waiting,
            look: self.look,
            ended: self.ended,
        }
    }
}

/// What a candidate is, for people.
#[must_use]
pub(super) fn what(candidate: &Candidate) -> String {
    match &candidate.target {
        Target::Images(images) => {
            let list: Vec<String> =
                images.values().map(|image| format!("{}:{}", image.repository, image.tag)).collect();
            list.join(" and ")
        }
        Target::Revision(revision) => match candidate.wish {
            Wish::RollbackTo => format!("{} (rollback by redeploy)", revision.short()),
            Wish::Push | Wish::Deploy | Wish::Redeploy => revision.short().to_owned(),
        },
        Target::Live => "the live revision again".to_owned(),
    }
}

impl Draft<'_> {
    /// The routes a rollout goes by: its own once it began, the configuration's before.
    pub(super) fn config_routes(&self, rollout: &Rollout) -> Vec<crate::ids::RouteArn> {
        if rollout.routes.is_empty() {
            self.config.engine.routes().to_vec()
        } else {
            rollout.routes.keys().cloned().collect()
        }
    }
}
