//! No rollout runs: start the next one, or watch over what is settled.

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::rollout::{Correcting, Phase, Rollout};
use crate::time::{Span, Time};
use crate::weights::{Weights, all_on_stable, candidate_percent, same_shares};

use super::draft::Draft;
use super::{native, repair};

pub(super) fn decide(draft: &mut Draft<'_>) {
    if let Some(next) = draft.status.next.clone() {
        if draft.now < next.quiet_until {
            draft.wait_until(Waiting::Quiet(next.quiet_until), next.quiet_until);
            return;
        }
        if let Some(landed) = repair::gives_way(draft) {
            draft.wait_until(Waiting::LateWrites(landed), landed);
            return;
        }
        draft.status.next = None;
        let id = draft.new_id();
        draft.status.rollout = Some(Rollout {
            id,
            candidate: next,
            config: draft.config.clone(),
            started_at: draft.now,
            phase: Phase::Holding,
            since: draft.now,
            stable: None,
            stable_revision: None,
            revision: None,
            routes: Default::default(),
            first_shift: None,
            forward_until: Time(0),
            weights_until: Time(0),
            scaling: Default::default(),
            paused: None,
            forgiven: Default::default(),
            blind: Default::default(),
            ran: 0,
            relapses: 0,
            stable_dead: None,
            sides: Default::default(),
            arrived: false,
            ailing: None,
            emptied: None,
            called: false,
            corrected: false,
            correcting: None,
            turned: None,
            told_back: false,
            native: Default::default(),
        });
        draft.again();
        return;
    }
    if draft.config.engine.native().is_some() {
        native::idle(draft);
    } else {
        settled(draft);
    }
    repair::go_on(draft);
}

/// Weights are put right once; what sets them again within this time is not fought.
const EPISODE: Span = Span::mins(60);

/// Settled routes are watched: weights reset to an empty colour by somebody else are an outage (law 8).
fn settled(draft: &mut Draft<'_>) {
    let Some(mut settled) = draft.status.settled.clone() else { return };
    let mut found: Vec<(crate::ids::RouteArn, Weights)> = Vec::new();
    settled.weights.retain(|route, _| draft.config.engine.routes().contains(route));
    let mut read = 0;
    for (route, weights) in &settled.weights {
        match draft.seen.routes.get(route).and_then(|reading| reading.known()) {
            Some(reading) if same_shares(&reading.weights, weights) => read += 1,
            Some(reading) => found.push((route.clone(), reading.weights.clone())),
            // One that cannot be read keeps nobody from watching the others.
            None => {}
        }
    }
    if found.is_empty() {
        if read < settled.weights.len() {
            return;
        }
        if let Some(done) = settled.correcting.take() {
            settled.corrected = true;
            settled.at = draft.now;
            draft.tell(None, Milestone::Corrected { found: done.found, to: settled.live });
        }
        settled.corrected &= draft.now.since(settled.at) < EPISODE;
        settled.differs_since = None;
        draft.status.settled = Some(settled);
        return;
    }
    let Some(since) = settled.differs_since else {
        settled.differs_since = Some(draft.now);
        draft.status.settled = Some(settled);
        draft.wait(Waiting::ForeignWeights(print(&found)));
        return;
    };
    if draft.now.since(since) < draft.margins.confirm {
        draft.wait(Waiting::ForeignWeights(print(&found)));
        return;
    }
    let live = settled.live;
    let to_other = draft.sides(live).is_some_and(|sides| found.iter().any(|(_, w)| !all_on_stable(w, &sides)));
    if to_other && draft.dead(live.other()) && draft.alive(live) {
        let text = print(&found);
        if !settled.corrected && Correcting::write(&mut settled.correcting, &text) {
            for (route, weights) in settled.weights.clone() {
                draft.back(Action::Weights { route, weights });
            }
        }
        draft.status.settled = Some(settled);
        draft.wait(Waiting::ForeignWeights(text));
        return;
    }
    if settled.corrected {
        draft.wait(Waiting::ForeignWeights(print(&found)));
        return;
    }
    // Somebody moved the traffic. To a side that is seen to work, that is the new state of rest.
    let shares = |colour: Colour| {
        draft
            .sides(colour.other())
            .is_none_or(|sides| found.iter().any(|(_, w)| candidate_percent(w, &sides) != Some(0)))
    };
    if !Colour::BOTH.into_iter().all(|colour| !shares(colour) || draft.alive(colour)) {
        let text = print(&found);
        draft.status.settled = Some(settled);
        draft.wait(Waiting::ForeignWeights(text));
        return;
    }
    draft.tell(None, Milestone::Changed { found: print(&found) });
    for (route, weights) in found {
        settled.weights.insert(route, weights);
    }
    settled.live = now_live(draft, &settled.weights).unwrap_or(live);
    settled.at = draft.now;
    settled.differs_since = None;
    draft.status.settled = Some(settled);
}

fn now_live(draft: &Draft<'_>, weights: &std::collections::BTreeMap<crate::ids::RouteArn, Weights>) -> Option<Colour> {
    Colour::BOTH
        .into_iter()
        .find(|&colour| draft.sides(colour).is_some_and(|sides| weights.values().all(|w| all_on_stable(w, &sides))))
}

/// Weights for people: `route-id: group=weight ...`.
pub(super) fn print(found: &[(crate::ids::RouteArn, Weights)]) -> String {
    let routes: Vec<String> = found
        .iter()
        .map(|(route, weights)| {
            let list: Vec<String> = weights
                .iter()
                .map(|(tg, weight)| format!("{}={weight}", tg.0.rsplit('/').nth(1).unwrap_or(&tg.0)))
                .collect();
            format!("{}: {}", route.0.rsplit('/').next().unwrap_or(&route.0), list.join(" "))
        })
        .collect();
    routes.join("; ")
}
