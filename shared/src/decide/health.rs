//! Health, exactly (law 5): what lets traffic be raised, and what takes it back.

use crate::ids::{Colour, RevisionArn};
use crate::observation::RolloutState;
use crate::time::Span;

use super::draft::Draft;

/// Whether the candidate's colour may get more traffic.
///
/// # Errors
/// What is missing, for people.
pub(super) fn fit(draft: &Draft<'_>, colour: Colour, revision: &RevisionArn) -> Result<(), String> {
    let candidate = draft.service(colour).ok_or_else(|| draft.service_doubt(colour))?;
    let stable = draft.service(colour.other()).ok_or_else(|| draft.service_doubt(colour.other()))?;
    let primary = candidate
        .deployments
        .iter()
        .find(|deployment| deployment.primary)
        .ok_or_else(|| format!("{colour} has no PRIMARY deployment"))?;
    if primary.task_definition != *revision || candidate.task_definition != *revision {
        return Err(format!("{colour} runs {}, not {}", primary.task_definition.short(), revision.short()));
    }
    match primary.state {
        RolloutState::Completed => {}
        RolloutState::InProgress | RolloutState::Failed | RolloutState::Other => {
            return Err(format!("{colour}'s deployment is not completed"));
        }
    }
    if candidate.deployments.len() > 1 {
        return Err(format!("{colour} still has an older deployment"));
    }
    if candidate.desired < stable.desired {
        return Err(format!("{colour} wants {} tasks, the live side {}", candidate.desired, stable.desired));
    }
    if candidate.running != candidate.desired {
        return Err(format!("{} of {} tasks run on {colour}", candidate.running, candidate.desired));
    }
    let targets = draft.targets(colour).ok_or_else(|| format!("target health of {colour} is not known"))?;
    for (tg, counts) in targets {
        if counts.healthy < candidate.desired {
            let name = tg.0.rsplit('/').nth(1).unwrap_or(&tg.0);
            return Err(format!("{} of {} targets are healthy in {name}", counts.healthy, candidate.desired));
        }
    }
    Ok(())
}

/// What ails a candidate that carries traffic, and for how long it must be seen before it counts. `ran` is the most tasks
/// that were seen running.
pub(super) fn ailment(draft: &Draft<'_>, colour: Colour, revision: &RevisionArn, ran: u32) -> Option<(String, Span)> {
    let reading = draft.colour(colour)?.service.known()?;
    let Some(service) = reading else {
        return Some((format!("the {colour} service does not exist any more"), draft.margins.confirm));
    };
    if let Some(primary) = service.deployments.iter().find(|deployment| deployment.primary)
        && primary.task_definition != *revision
    {
        let found = primary.task_definition.short();
        return Some((format!("somebody deployed {found} to {colour}"), draft.margins.confirm));
    }
    if let Some(targets) = draft.targets(colour) {
        for (tg, counts) in targets {
            let name = tg.0.rsplit('/').nth(1).unwrap_or(&tg.0);
            let of = counts.healthy + counts.unhealthy + counts.initial + counts.other;
            if counts.unhealthy > 0 {
                let what = format!("{} of {of} targets are unhealthy in {name}", counts.unhealthy);
                // A group without any healthy target is an outage: no second look.
                let patience = if counts.healthy == 0 { Span(0) } else { draft.margins.confirm };
                return Some((what, patience));
            }
            if counts.healthy == 0 {
                return Some((format!("no target is healthy in {name}"), draft.margins.confirm));
            }
        }
    }
    if let Some(looping) = crash_loop(draft, colour) {
        return Some((looping, draft.margins.confirm));
    }
    // Tasks that are wanted and were never there are a slow scale-out, not lost ones.
    if service.running < service.desired.min(ran) {
        let what = format!("{} of {} tasks run on {colour}", service.running, service.desired);
        return Some((what, draft.margins.replace));
    }
    None
}

/// Tasks that fail again and again. ECS's own circuit breaker takes at least three as well.
pub(super) fn crash_loop(draft: &Draft<'_>, colour: Colour) -> Option<String> {
    let service = draft.service(colour)?;
    let primary = service.deployments.iter().find(|deployment| deployment.primary)?;
    if primary.state == RolloutState::Failed {
        return Some(format!("ECS gave {colour}'s deployment up: {}", primary.reason));
    }
    (primary.failed >= CRASHES.max(service.desired) && service.running < service.desired)
        .then(|| format!("{} tasks failed on {colour}", primary.failed))
}

/// The least number of failed tasks that is a crash loop (ECS's circuit breaker: 3).
const CRASHES: u32 = 3;
