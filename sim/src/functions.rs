//! The functions as the sim runs them: what each does with its event, over the ports.

use serde_json::Value;
use shared::image;
use shared::intake::{self, Event, MessageKind};
use shared::ports::{Clock, HistoryEntry, Store, StoreError, Waker};
use shared::reconcile::{Ports, Role, WokenBy, reconcile};
use shared::rollout::{Intent, IntentKind};
use shared::time::Span;

use crate::bugs::{self, Bug};
use crate::ports::Port;

/// What of a function's time may be used for looking again.
const SHARE: u64 = 60;

async fn run(port: &Port, role: Role, woken_by: WokenBy, known: &[Intent]) -> Result<(), StoreError> {
    let (margins, until) = {
        let cloud = port.cloud.borrow();
        let margins = bugs::margins(port.bug(), cloud.margins);
        (margins, port.now().plus(Span(cloud.schedule.pace.timeout * SHARE / 100)))
    };
    let ports = Ports { clock: port, observer: port, actuator: port, store: port, waker: port };
    let report = reconcile(&ports, &port.who.name(), role, woken_by, known, &margins, until).await?;
    port.cloud.borrow().say(|| {
        let waits = report.waiting.map_or("a stale timer".to_owned(), |waiting| format!("waits for {waiting}"));
        format!("p{} looked {} times, {waits}", port.pid, report.looks)
    });
    Ok(())
}

/// `advance`: one message of the FIFO queue.
pub(crate) async fn advance(port: Port, message: MessageKind) -> Result<(), String> {
    let woken_by = match message {
        MessageKind::Poke => WokenBy::Poke,
        MessageKind::Timer { token } => WokenBy::Timer(token),
    };
    run(&port, Role::Advance, woken_by, &[]).await.map_err(|error| error.to_string())
}

/// `on-image-push`: judged by the policy, recorded, and the loop is woken.
pub(crate) async fn on_image_push(port: Port, event: Value) -> Result<(), String> {
    let push = match intake::read(&event) {
        Ok(Event::Push(push)) => push,
        Ok(Event::Alarm(_) | Event::Ecs(_) | Event::Tick | Event::Ignored(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let record = port.load(&port.who.name()).await.map_err(|error| error.to_string())?;
    let mut image = push.image.clone();
    if port.bug() == Some(Bug::TakesOldPushes) {
        image.pushed_at = port.now();
        image.tag = format!("v9.0.{}", image.pushed_at.0 / 1_000);
    }
    if let Err(refusal) = image::judge(&record.config, &record.status, &image) {
        let line = format!("{}:{} is refused: {}", image.repository, image.tag, refusal.reason);
        let entry = HistoryEntry { at: port.now(), rollout: None, line, inputs: None };
        port.cloud.borrow_mut().hit("push", if refusal.loud { "refused loudly" } else { "refused silently" });
        return port.note(&port.who.name(), &entry, None).await.map_err(|error| error.to_string());
    }
    let intent =
        Intent { id: push.intent(), at: port.now(), by: "ECR push".to_owned(), what: IntentKind::Push { image } };
    port.record(&port.who.name(), &intent).await.map_err(|error| error.to_string())?;
    drop(port.poke(&port.who.name()).await);
    Ok(())
}

/// `on-alarm`: known, not recorded, and traffic is brought back at once where that is due.
pub(crate) async fn on_alarm(port: Port, event: Value) -> Result<(), String> {
    let change = match intake::read(&event) {
        Ok(Event::Alarm(change)) => change,
        Ok(Event::Push(_) | Event::Ecs(_) | Event::Tick | Event::Ignored(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let Some(intent) = change.intent(intake::id(&event)) else {
        if port.bug() == Some(Bug::AlarmGoesForward) {
            return run(&port, Role::Advance, WokenBy::Poke, &[]).await.map_err(|error| error.to_string());
        }
        return port.poke(&port.who.name()).await;
    };
    if let Some(Bug::DeafToAlarms | Bug::AlarmSleeps) = port.bug() {
        return Ok(());
    }
    let role = if port.bug() == Some(Bug::AlarmGoesForward) { Role::Advance } else { Role::Alarm };
    let ran = run(&port, role, WokenBy::Poke, std::slice::from_ref(&intent)).await;
    // That the loop could not be woken is no failure: the sweep will.
    drop(port.poke(&port.who.name()).await);
    ran.map_err(|error| error.to_string())
}

/// The slower part of the sweep: pushes that no event told of.
pub(crate) async fn search(port: Port) -> Result<(), String> {
    let record = port.load(&port.who.name()).await.map_err(|error| error.to_string())?;
    for rule in &record.config.images {
        let Some(taken) = record.status.taken.get(&rule.repository) else { continue };
        let pushed = port.pushed(taken).await?;
        let Some(image) = image::missed(&record.config, &record.status, &pushed) else { continue };
        port.cloud.borrow_mut().hit("push", "found without an event");
        let what = IntentKind::Push { image: image.clone() };
        let intent = Intent { id: intake::push_intent(image), at: port.now(), by: "the sweep".to_owned(), what };
        port.record(&port.who.name(), &intent).await.map_err(|error| error.to_string())?;
    }
    port.poke(&port.who.name()).await
}
