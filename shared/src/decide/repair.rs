//! Puts the live side's scaling right at rest, as the scaling check asked for. A rollout goes first: it waits only until no write of a
//! repair can land any more (laws 3 and 9).

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{Ask, Reading, ScalingReading};
use crate::rollout::{Repairing, Status};
use crate::scaling::{Mend, Policy, Repair};
use crate::time::{Span, Time};
use crate::weights::all_on_stable;

use super::draft::Draft;

/// What was not read as it shall be for so long is given up.
const LONG: Span = Span::mins(10);

/// What the look must read for it besides what is read at rest.
pub(super) fn asks(status: &Status, base: Ask) -> Ask {
    let Some(repairing) = status.repairing.as_ref().filter(|repairing| !repairing.over) else { return base };
    let Repair { colour, tracking, .. } = &repairing.repair;
    let policies = (!tracking.is_empty()).then_some(*colour);
    Ask { routes: true, services: true, scaling: true, policies, ..base }
}

/// Takes the check's wish; not while anything is deployed, nor one that comes late: the check will find it again.
pub(super) fn take(draft: &mut Draft<'_>, repair: &Repair, at: Time) {
    let at_rest = draft.status.rollout.is_none() && draft.status.next.is_none();
    let fresh = draft.now.since(at) < LONG;
    let may = draft.status.may_repair(draft.now) && repair.still_wanted(draft.config);
    if at_rest && fresh && may && live(draft, repair.colour) {
        let (repair, since) = (repair.clone(), draft.now);
        draft.status.repaired = Some(since);
        draft.status.repairing = Some(Repairing { repair, since, writes: 0, until: Time(0), over: false });
    }
}

/// What a rollout that is to begin waits for; none: it may. What was not written yet is not.
pub(super) fn gives_way(draft: &mut Draft<'_>) -> Option<Time> {
    let landed = landed(draft, draft.status.repairing.as_ref()?);
    if landed.is_none() {
        draft.status.repairing = None;
    }
    landed
}

/// Until when a write may land; none: that is over, or there was none.
fn landed(draft: &Draft<'_>, repairing: &Repairing) -> Option<Time> {
    let late = repairing.until.plus(draft.margins.effect_lifetime);
    (draft.seen.at <= late).then_some(late)
}

/// Goes on with it.
pub(super) fn go_on(draft: &mut Draft<'_>) {
    let Some(mut repairing) = draft.status.repairing.take() else { return };
    if !repairing.over {
        repairing.over = step(draft, &mut repairing);
    }
    if repairing.over {
        let Some(late) = landed(draft, &repairing) else { return };
        draft.wait_until(Waiting::LateWrites(late), late);
    }
    draft.status.repairing = Some(repairing);
}

/// True: it is over.
fn step(draft: &mut Draft<'_>, repairing: &mut Repairing) -> bool {
    let colour = repairing.repair.colour;
    let service = draft.config.engine.service(colour).to_owned();
    let lasts = draft.now.since(repairing.since) >= LONG || repairing.writes >= Repairing::MOST;
    if !live(draft, colour) || !repairing.repair.still_wanted(draft.config) {
        return true;
    }
    // Trying again would not help.
    let of_repair = |effect: &str| effect.contains("scaling right");
    if let Some(failed) = draft.seen.failures.iter().find(|failed| failed.permanent && of_repair(&failed.effect)) {
        let why = failed.reason.clone();
        let why = format!("the scaling of {service} could not be put right: {why}");
        let advice = "mend what AWS says, or take enforce out of flipback.yaml".to_owned();
        draft.tell(None, Milestone::Call { why, advice });
        return true;
    }
    let (now, policies, desired) = match read(draft, &repairing.repair) {
        Ok(Some(seen)) => seen,
        // Nobody wishes for one that was taken away.
        Ok(None) => return true,
        Err(why) if lasts => {
            if repairing.writes > 0 {
                give_up(draft, &service, &format!("was to be put right, and it cannot be read whether it is: {why}"));
            }
            return true;
        }
        Err(why) => {
            draft.wait(Waiting::Unknown(why));
            if draft.now == repairing.since {
                // This look did not ask for it yet.
                draft.again();
            }
            return false;
        }
    };
    if repairing.repair.suspended.is_some() && !repairing.repair.frees(desired, &now) {
        return true;
    }
    let target = repairing.repair.target(&now);
    let untracked: Vec<_> = repairing.repair.untracked(policies).collect();
    if target.is_none() && untracked.is_empty() {
        if repairing.writes > 0 {
            let tracking = repairing.repair.tracking.clone();
            draft.tell(None, Milestone::Repaired { service, now, tracking });
        }
        if repairing.repair.suspended.is_some()
            && let Some(settled) = &mut draft.status.settled
        {
            settled.rested = None;
        }
        return true;
    }
    // What was sent a moment ago may not be read yet.
    let sent = repairing.until.minus(draft.margins.forward);
    if draft.now < sent.plus(draft.margins.look) {
        let again = sent.plus(draft.margins.look);
        draft.wait_until(Waiting::Capacity(format!("the scaling of {service} to be read as it was put right")), again);
        return false;
    }
    if lasts {
        let mut why = format!("{} to {} tasks, suspended is {}", now.min, now.max, now.suspended);
        for (metric, level) in untracked {
            why.push_str(&format!(", and no policy keeps {}", metric.at(level)));
        }
        give_up(draft, &service, &format!("was to be put right, and reads {why}"));
        return true;
    }
    repairing.writes += 1;
    let policies = untracked.into_iter().map(|(metric, target)| Mend::Policy { metric, target });
    for what in target.into_iter().chain(policies).collect::<Vec<_>>() {
        repairing.until = draft.timed(Action::Mend { colour, what });
    }
    draft.wait(Waiting::Capacity(format!("the scaling of {service}, which is put right")));
    false
}

fn give_up(draft: &mut Draft<'_>, service: &str, why: &str) {
    let advice = format!("see what else writes it; flipback scaling {} shows it as it is", draft.config.name);
    draft.tell(None, Milestone::Call { why: format!("the scaling of {service} {why}"), advice });
}

/// What is read of the service; none: it has no scalable target.
type Seen<'a> = Option<(ScalingReading, &'a [Policy], u32)>;

fn read<'a>(draft: &Draft<'a>, repair: &Repair) -> Result<Seen<'a>, String> {
    routes(draft)?;
    sides(draft, repair.colour)?;
    let Some(target) = scaling(draft, repair.colour)? else { return Ok(None) };
    Ok(Some((target, policies(draft, repair)?, desired(draft, repair.colour)?)))
}

/// Whether this side is not known to be without traffic, and nobody moves it.
fn live(draft: &Draft<'_>, colour: Colour) -> bool {
    match (draft.config.engine.native(), &draft.status.settled) {
        (Some(_), _) => true,
        (None, Some(settled)) => settled.live == colour && settled.differs_since.is_none(),
        // Before the first rollout the routes alone tell.
        (None, None) => draft.sides(colour).is_none_or(|sides| {
            let mut read = draft.seen.routes.values().filter_map(Reading::known);
            read.all(|route| all_on_stable(&route.weights, &sides))
        }),
    }
}

/// Nobody writes to a side by what was read of the traffic some time ago.
fn routes(draft: &Draft<'_>) -> Result<(), String> {
    let unread = draft.config.engine.routes().iter().find_map(|route| match draft.seen.routes.get(route) {
        Some(Reading::Known(_)) => None,
        Some(Reading::Unknown(why)) => Some(format!("a route: {why}")),
        None => Some("a route was not read".to_owned()),
    });
    unread.map_or(Ok(()), Err)
}

fn sides(draft: &Draft<'_>, colour: Colour) -> Result<(), String> {
    let known =
        draft.config.engine.native().is_some() || draft.status.settled.is_some() || draft.sides(colour).is_some();
    if known { Ok(()) } else { Err(draft.service_doubt(colour.other())) }
}

fn scaling(draft: &Draft<'_>, colour: Colour) -> Result<Option<ScalingReading>, String> {
    match draft.colour(colour).map(|reading| &reading.scaling) {
        Some(Reading::Known(found)) => Ok(*found),
        Some(Reading::Unknown(why)) => Err(format!("its scalable target: {why}")),
        None => Err("its scalable target was not read".to_owned()),
    }
}

/// Its policies, where they matter.
fn policies<'a>(draft: &Draft<'a>, repair: &Repair) -> Result<&'a [Policy], String> {
    match &draft.seen.policies {
        Reading::Known(policies) => Ok(policies),
        Reading::Unknown(_) if repair.tracking.is_empty() => Ok(&[]),
        Reading::Unknown(why) => Err(format!("its scaling policies: {why}")),
    }
}

/// How many tasks are wanted.
fn desired(draft: &Draft<'_>, colour: Colour) -> Result<u32, String> {
    if draft.config.engine.native().is_none() {
        return draft.service(colour).map(|service| service.desired).ok_or_else(|| draft.service_doubt(colour));
    }
    match &draft.seen.native {
        Reading::Known(Some(service)) => Ok(service.desired),
        Reading::Known(None) => Err("the ECS service does not exist".to_owned()),
        Reading::Unknown(why) => Err(format!("the ECS service: {why}")),
    }
}
