//! The one forward writer. Wakes from the FIFO queue are looked at; timers are moved into it; the minute's sweep and
//! ECS's events put wakes into it.

use aws::lambda::{Unit, Wiring, emf, event as event_of};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::ids::ServiceName;
use shared::intake::{self, EcsHint, Event, Message, MessageKind};
use shared::ports::{Clock, StoreError, Waker};
use shared::reconcile::{Ports, Report, Role, WokenBy, reconcile};
use shared::time::{Span, Time};
use tracing::{Instrument, error, info, info_span, warn};

use crate::sweep;

/// Before the function's own end this much is left for the last saves and answers.
const RESERVE: Span = Span::secs(8);

/// Handles a batch of messages or one event.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let until = Time(event.context.deadline).minus(RESERVE);
    if let Some(records) = event.payload.get("Records").and_then(Value::as_array) {
        return Ok(batch(wiring, records, until).await);
    }
    let span = info_span!("event", event = intake::id(&event.payload));
    async {
        match event_of(&event.payload) {
            Some(Event::Tick) => sweep::sweep(wiring).await?,
            Some(Event::Ecs(hint)) => hinted(wiring, &hint).await?,
            Some(other) => warn!(?other, "not an event of this function: its rule is wrong"),
            None => {}
        }
        Ok(Value::Null)
    }
    .instrument(span)
    .await
}

/// Answers which messages must come back. Within a FIFO group everything after a failed message comes back too.
async fn batch(wiring: &Wiring, records: &[Value], until: Time) -> Value {
    let mut failed: Vec<Value> = Vec::new();
    let mut failed_services: Vec<ServiceName> = Vec::new();
    for (n, record) in records.iter().enumerate() {
        let text = |member: &str| record.get(member).and_then(Value::as_str).unwrap_or_default();
        let id = text("messageId");
        let message = match Message::parse(text("body")) {
            Ok(message) => message,
            Err(error) => {
                warn!(event = id, error, "dropped: not a message of ours");
                continue;
            }
        };
        let span = info_span!("wake", event = id, service = %message.service);
        let left = (records.len() - n) as u64;
        let share = wiring.clock.now().plus(Span(until.since(wiring.clock.now()).0 / left));
        let fifo = text("eventSourceARN").ends_with(".fifo");
        let result = if failed_services.contains(&message.service) {
            Err("an earlier message of its group failed".to_owned())
        } else if wiring.clock.now() >= until {
            Err("no time is left in this invocation".to_owned())
        } else if fifo {
            look(wiring, &message, share).instrument(span.clone()).await
        } else {
            wiring.queues.requeue(text("body")).await
        };
        if let Err(reason) = result {
            span.in_scope(|| error!(reason, "comes back"));
            failed.push(json!({ "itemIdentifier": id }));
            if fifo {
                failed_services.push(message.service);
            }
        }
    }
    json!({ "batchItemFailures": failed })
}

async fn look(wiring: &Wiring, message: &Message, until: Time) -> Result<(), String> {
    let woken_by = match message.kind {
        MessageKind::Poke => WokenBy::Poke,
        MessageKind::Timer { token } => WokenBy::Timer(token),
    };
    let ports = Ports {
        clock: &wiring.clock,
        observer: &wiring.world,
        actuator: &wiring.world,
        store: &wiring.table,
        waker: &wiring.queues,
    };
    let (service, margins) = (&message.service, &wiring.env.margins);
    match reconcile(&ports, service, Role::Advance, woken_by, &[], margins, until).await {
        Ok(report) => {
            say(service, &report);
            Ok(())
        }
        Err(StoreError::NoSuchService) => {
            warn!("no such service any more: the wake is dropped");
            Ok(())
        }
        Err(error @ (StoreError::Lost | StoreError::Newer(_) | StoreError::Unavailable(_))) => Err(error.to_string()),
    }
}

fn say(service: &ServiceName, report: &Report) {
    let rollout = report.rollout.as_deref().unwrap_or("none");
    if report.stale {
        info!(rollout, "a stale timer");
        return;
    }
    let waiting = report.waiting.as_ref().map_or_else(String::new, ToString::to_string);
    info!(rollout, looks = report.looks, applied = ?report.applied, waiting, "looked");
    for failure in &report.failed {
        warn!(rollout, effect = failure.effect, reason = failure.reason, permanent = failure.permanent, "not applied");
    }
    let counts = [
        ("Started", Unit::Count, f64::from(report.started)),
        ("Completed", Unit::Count, f64::from(report.completed)),
        ("RolledBack", Unit::Count, f64::from(report.rolled_back)),
    ];
    let told: Vec<_> = counts.into_iter().filter(|(_, _, value)| *value > 0.0).collect();
    if !told.is_empty() {
        emf(&[("Service", service.as_str())], &told);
    }
}

/// ECS said something about a service: a reason to look, if it is one of ours.
async fn hinted(wiring: &Wiring, hint: &EcsHint) -> Result<(), Error> {
    let name = format!("{}/{}", hint.cluster, hint.service);
    match wiring.table.service_by_ecs(&name).await? {
        Some(service) => {
            info!(service = %service, ecs = name, "hinted");
            wiring.queues.poke(&service).await?;
        }
        None => info!(ecs = name, "not one of ours"),
    }
    Ok(())
}
