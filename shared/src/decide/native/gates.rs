//! Pauses and gates: where ECS waits for an answer, told once each, and answered at a person's word.

use crate::decision::{Action, Waiting};
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{Hook, NativeReading, ServiceDeployment};
use crate::rollout::{Opened, Rollout, Wish};

use super::super::draft::{Draft, what};
use super::super::{alarms, inbox};
use super::follow::stage_of;
use super::{clock, own, service};

/// The pause that waits for an answer: the one that was told, while it still does.
fn pause<'a>(rollout: &Rollout, own: &'a ServiceDeployment) -> Option<&'a Hook> {
    let told = |hook: &&Hook| rollout.native.waits.as_ref() == Some(&hook.id);
    let mut all = own.hooks.iter().filter(|hook| hook.waits);
    all.clone().find(told).or_else(|| all.next())
}

/// Takes note of what waits now. Whatever it is that no longer does - answered by us, by somebody in the console, or timed out -
/// a promote that was meant for it is for nothing else.
pub(super) fn note(draft: &Draft<'_>, rollout: &mut Rollout, service: &NativeReading, own: &ServiceDeployment) {
    let stage = stage_of(own);
    let (pause, gate) = (pause(rollout, own), service.gate(own, &stage));
    let now = pause.or(gate).map(|hook| hook.id.clone());
    if rollout.native.waits.is_some() && rollout.native.waits != now {
        rollout.native.gates += 1;
        rollout.native.promoted = None;
        rollout.native.continued = None;
        rollout.native.opened = None;
        // Nothing stood still: it was a person who took the time.
        clock::restart(draft, rollout);
    }
    rollout.native.waits = now;
    rollout.native.paused = pause.is_some();
    rollout.native.gated = gate.is_some() && rollout.native.opened.is_none();
}

/// What waits: told once; a pause is answered where a person promoted it. True: something waits.
pub(super) fn gates(
    draft: &mut Draft<'_>,
    rollout: &mut Rollout,
    service: &NativeReading,
    own: &ServiceDeployment,
    stage: &str,
) -> bool {
    let gate = service.gate(own, stage).filter(|_| rollout.native.gated);
    let Some(hook) = pause(rollout, own).or(gate) else { return false };
    if rollout.native.promoted.as_ref() == Some(&hook.id) {
        let refused = draft.seen.failures.iter().find(|failed| failed.permanent && failed.effect.contains(&hook.id));
        if let Some(refused) = refused {
            let why = format!("{}: {}", refused.effect, refused.reason);
            let advice = "give the role what it lacks and promote again, or answer the pause in the ECS console";
            // Told whatever was told before: a person waits for it.
            rollout.called = false;
            draft.call(rollout, why, advice);
            rollout.native.promoted = None;
            rollout.native.continued = None;
            rollout.native.gates += 1;
        } else if let (false, Err(why)) =
            (rollout.candidate.wish == Wish::RollbackTo, alarms::quiet(draft, rollout, Colour::Blue))
        {
            draft.wait(Waiting::Unknown(format!("to go on: {why}")));
            return true;
        } else {
            let lost_after = draft.margins.forward.0 + draft.margins.effect_lifetime.0;
            // A look may be stale: an answer that was given is not given again while it may still be on its way.
            if rollout.native.continued.is_none_or(|at| draft.now.since(at).0 > lost_after) {
                let (deployment, hook) = (own.arn.clone(), hook.id.clone());
                rollout.native.continued = Some(draft.now);
                // Forward, though ECS does the shifting: it has a deadline like every other forward effect.
                draft.forward(rollout, Action::Continue { deployment, hook });
            }
            draft.wait(Waiting::Stage { stage: stage.to_owned(), weight: own.weight });
            return true;
        }
    }
    if rollout.native.told.insert(hook.id.clone()) {
        let milestone = Milestone::Gate {
            what: what(&rollout.candidate),
            stage: stage.to_owned(),
            weight: own.weight,
            until: hook.expires,
            back: hook.times_out_back,
        };
        draft.tell(Some(&rollout.id), milestone);
    }
    draft.wait(Waiting::Gate { stage: stage.to_owned(), until: hook.expires });
    true
}

/// A person's promote: bound to the pause or gate that waits now.
pub(in super::super) fn promote(draft: &mut Draft<'_>, wished: usize) {
    let Some(mut rollout) = draft.status.rollout.take() else { return };
    let known = service(draft).ok().filter(|service| {
        // It is there, whatever this answer lacks.
        rollout.native.deployment.is_none() || own(&rollout, service).is_some()
    });
    let refused = match known {
        Some(service) => promoted(draft, &mut rollout, service, wished),
        // Whether a pause waits is not known: it is kept for the look that knows.
        None => {
            rollout.native.asked = Some(wished);
            Ok(())
        }
    };
    draft.status.rollout = Some(rollout);
    if let Err(reason) = refused {
        inbox::decline(draft, "promote", &reason);
    }
}

/// A promote that came with a look that could not read what waits.
pub(super) fn asked(draft: &mut Draft<'_>, rollout: &mut Rollout, service: &NativeReading) {
    let Some(wished) = rollout.native.asked.take() else { return };
    if let Err(reason) = promoted(draft, rollout, service, wished) {
        draft.tell(Some(&rollout.id), Milestone::Declined { wish: "promote".to_owned(), reason });
    }
}

fn promoted(draft: &Draft<'_>, rollout: &mut Rollout, service: &NativeReading, wished: usize) -> Result<(), String> {
    let nothing = |stage: &str| {
        Err(format!(
            "ECS is at {stage} and nothing waits for a person there; only a PAUSE hook of the service, or a gate of \
             lifecycle-hook, can be promoted"
        ))
    };
    let Some(own) = own(rollout, service) else { return nothing("its start") };
    note(draft, rollout, service, own);
    let stage = stage_of(own);
    let (pause, gate) = (pause(rollout, own), service.gate(own, &stage));
    let Some(hook) = pause.or(gate) else { return nothing(&stage) };
    if rollout.native.gates != wished {
        return Err("the pause it was meant for has passed; another one waits now".to_owned());
    }
    if pause.is_some() {
        rollout.native.promoted = Some(hook.id.clone());
    } else {
        rollout.native.opened = Some(Opened { stage, hook: hook.id.clone(), at: draft.now });
        rollout.native.gated = false;
        clock::restart(draft, rollout);
    }
    Ok(())
}
