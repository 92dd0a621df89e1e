//! The laws, by name, on single decisions. The simulation holds them over whole schedules.

mod holding;
mod law_13;
mod law_5;
mod law_6;
mod laws_12_14_15;
mod laws_1_4;
mod laws_7_8;
mod laws_9_10;
mod people;
mod pushes;
mod queue;
mod repair;
mod settled;

use super::fixture::{RULE, Scene, alarm, image, revision, weights};
use crate::decision::Action;
use crate::ids::Colour;
use crate::notice::Milestone;
use crate::observation::{AlarmReading, AlarmState, EffectFailure, Reading, RequestCount};
use crate::rollout::{Cause, IntentKind, Outcome, Phase};
use crate::time::{Span, Time};

fn raises(scene: &Scene) -> bool {
    scene.last.as_ref().is_some_and(|decision| {
        decision.effects.iter().any(|e| matches!(e.action, Action::Weights { .. }) && !e.is_back())
    })
}

fn cause(scene: &Scene) -> Option<Cause> {
    match scene.status.rollout.as_ref().map(|rollout| &rollout.phase) {
        Some(Phase::Returning { cause } | Phase::Clearing { cause }) => Some(cause.clone()),
        _ => None,
    }
}

fn fired(name: &str, at: Time) -> IntentKind {
    IntentKind::AlarmFired { alarm: name.to_owned(), at, reason: "31 > 5".to_owned() }
}

/// The push of a version.
fn push(version: u8) -> IntentKind {
    IntentKind::Push { image: image(&format!("v{version}.0.0"), version, Time(version.into())) }
}

fn forced(version: u8) -> IntentKind {
    IntentKind::Deploy { images: vec![image(&format!("v{version}.0.0"), version, Time(version.into()))], force: true }
}

/// An alarm without data, and whether that is quiet.
fn without_data(quiet: bool) -> Reading<Option<AlarmReading>> {
    let Reading::Known(Some(reading)) = alarm(AlarmState::InsufficientData) else { unreachable!() };
    Reading::Known(Some(AlarmReading { missing_is_quiet: quiet, ..reading }))
}

fn throttled<T>() -> Reading<T> {
    Reading::Unknown("throttled".to_owned())
}

fn failed(permanent: bool) -> EffectFailure {
    EffectFailure { effect: "set weights".to_owned(), reason: "service unavailable".to_owned(), permanent }
}

/// What the last decision told.
fn told(scene: &Scene) -> Vec<Milestone> {
    scene.last.iter().flat_map(|decision| &decision.notices).map(|notice| notice.milestone.clone()).collect()
}

/// Why the last decision called a person, if it did.
fn called(scene: &Scene) -> Option<String> {
    told(scene).into_iter().find_map(|milestone| match milestone {
        Milestone::Call { why, .. } => Some(why),
        _ => None,
    })
}

/// Why the last decision declined a wish, if it did.
fn declined(scene: &Scene) -> Option<String> {
    told(scene).into_iter().find_map(|milestone| match milestone {
        Milestone::Declined { reason, .. } => Some(reason),
        _ => None,
    })
}

/// The weights the last decision writes, back or forward.
fn written(scene: &Scene) -> Option<crate::weights::Weights> {
    scene.last.iter().flat_map(|decision| &decision.effects).find_map(|effect| match &effect.action {
        Action::Weights { weights, .. } => Some(weights.clone()),
        _ => None,
    })
}

/// Since when the rollout is in its phase.
fn since(scene: &Scene) -> Time {
    scene.status.rollout.as_ref().unwrap().since
}

/// A look at a given time.
fn look_at(scene: &mut Scene, at: Time) {
    scene.now = at;
    scene.look(&[]);
}

/// Looks twice, a confirmation apart.
fn confirmed(scene: &mut Scene) {
    scene.look(&[]);
    scene.pass(Span::secs(10));
    scene.look(&[]);
}

/// The candidate was started and runs.
fn started() -> Scene {
    let mut scene = Scene::pushed_until("starting");
    scene.look(&[]);
    scene.obey();
    scene
}

const MS: Span = Span(1);

#[test]
fn a_good_push_goes_through_every_phase_and_ends_completed() {
    let mut scene = Scene::pushed_until("baking");
    scene.until("standby");
    assert_eq!(scene.seen.routes[&RULE.into()].known().unwrap().weights, weights(0, 100));
    scene.until("resting");
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&Colour::Blue).unwrap().requests = Reading::Known(silent);
    scene.until("idle");
    let last = scene.status.last.clone().unwrap();
    assert_eq!((last.outcome, last.revision), (Outcome::Completed, Some(revision(2))));
    assert_eq!(scene.service(Colour::Blue).desired, 0);
    assert_eq!(scene.status.settled.unwrap().live, Colour::Green);
}

fn silent(scene: &mut Scene, colour: Colour) {
    let silent = RequestCount { count: 0, complete_until: Time(u64::MAX) };
    scene.seen.colours.get_mut(&colour).unwrap().requests = Reading::Known(silent);
}

/// A scene whose one step is 100 %: the weights before it are what an infrastructure tool has in its code.
fn all_at_once(phase: &str) -> Scene {
    let mut scene = Scene::new();
    scene.config.steps = vec![crate::strategy::Step { weight: 100, bake: Span::mins(3) }];
    scene.look(&[IntentKind::Push { image: image("v2.0.0", 2, Time(2)) }]);
    scene.until(phase);
    scene
}
