//! On a schedule: can every configured service still scale? Tells what is news; what may be put right it asks of the loop.

use std::collections::BTreeMap;

use aws::lambda::{Unit, Wiring, emf, event as event_of};
use aws::part::{Part, TOGETHER, parts};
use aws::round::{Checked, Known, round};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::ids::{IntentId, ServiceName};
use shared::intake::{self, Event};
use shared::notice::{self, Milestone, Notice};
use shared::ports::{Clock, HistoryEntry, Store, Waker};
use shared::rollout::{Intent, IntentKind};
use shared::scaling::{self, FindingKind};
use shared::time::{Span, Time};
use tracing::{Instrument, info, info_span, warn};

/// Handles one tick, or parts of a round. Err only where running it again can help.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<Value, Error> {
    if let Some(records) = event.payload.get("Records").and_then(Value::as_array) {
        return Ok(batch(wiring, records).await);
    }
    let span = info_span!("scaling", event = intake::id(&event.payload));
    if event.payload["flipback"] == "digest" {
        return tell_digest(wiring).instrument(span).await;
    }
    async {
        match event_of(&event.payload) {
            Some(Event::Tick) => all(wiring, round_time(wiring, &event.payload)).await?,
            Some(other) => warn!(?other, "not a tick: this function's rule is wrong"),
            None => {}
        }
        Ok(Value::Null)
    }
    .instrument(span)
    .await
}

/// The schedule's time: an invocation that Lambda makes again is the same look.
fn round_time(wiring: &Wiring, tick: &Value) -> Time {
    let now = wiring.clock.now();
    let told = tick["time"].as_str().and_then(Time::parse);
    told.map_or(now, |at| at.min(now).max(now.minus(Span::mins(15))))
}

/// Few services are looked at here and now, many in parts: one invocation need not be long enough for all of them.
async fn all(wiring: &Wiring, at: Time) -> Result<(), Error> {
    let listed = wiring.table.directory().await?;
    if listed.len() <= TOGETHER {
        let services: Vec<ServiceName> = listed.into_iter().map(|listed| listed.name).collect();
        check(wiring, &services, &Known::default(), at).await;
        return Ok(());
    }
    // A round may take longer than the schedule: its share of AWS's rates is what it is. It is finished first.
    match wiring.parts.waiting().await {
        Ok(true) => {
            warn!(services = listed.len(), "the last round is not done yet: no other is begun");
            emf(&[], &[("RoundsSkipped", Unit::Count, 1.0)]);
            return Ok(());
        }
        Ok(false) => {}
        Err(error) => warn!(%error, "a round is begun, whatever became of the last one"),
    }
    let (parts, calls) = parts(&wiring.world, &listed, at).await;
    info!(services = listed.len(), parts = parts.len(), "a round in parts");
    for part in &parts {
        // What cannot be sent now the next round looks at: to fail here would keep it from beginning.
        if let Err(error) = wiring.parts.send(part).await {
            warn!(%error, services = part.services.len(), "a part of the round could not be sent");
        }
    }
    emf(&[], &[("CallsMade", Unit::Count, calls as f64)]);
    Ok(())
}

/// Answers which messages must come back: none that was looked at, since what a look could not do the next round does.
async fn batch(wiring: &Wiring, records: &[Value]) -> Value {
    for record in records {
        let text = |member: &str| record.get(member).and_then(Value::as_str).unwrap_or_default();
        let span = info_span!("part", event = text("messageId"));
        match Part::parse(text("body")) {
            Ok(part) => check(wiring, &part.services, &part.known, part.at).instrument(span).await,
            Err(error) => span.in_scope(|| warn!(error, "dropped: not a message of ours")),
        }
    }
    json!({ "batchItemFailures": [] })
}

async fn check(wiring: &Wiring, services: &[ServiceName], known: &Known, at: Time) {
    let round = round(&wiring.world, &wiring.table, services, known).await;
    let (mut open, mut unread) = (BTreeMap::<FindingKind, u32>::new(), 0);
    for (service, checked) in &round.checked {
        let span = info_span!("service", service = %service);
        match checked {
            Ok(checked) => {
                for kind in note(wiring, service, checked, at).instrument(span).await {
                    *open.entry(kind).or_default() += 1;
                }
            }
            Err(why) => {
                unread += 1;
                span.in_scope(|| warn!(why, "could not be checked; the next run will"));
            }
        }
    }
    let metrics = [
        ("ServicesChecked", Unit::Count, (services.len() - unread) as f64),
        ("Findings", Unit::Count, open.values().copied().map(f64::from).sum()),
        ("CallsMade", Unit::Count, round.calls as f64),
    ];
    emf(&[], &metrics);
    for (kind, open) in open {
        emf(&[("Kind", kind.name())], &[("OpenFindings", Unit::Count, f64::from(open))]);
    }
}

/// Remembers what was found of a service and tells what is news. What is open.
async fn note(wiring: &Wiring, service: &ServiceName, checked: &Checked, now: Time) -> Vec<FindingKind> {
    let mut memory = checked.memory.clone();
    let news = memory.note(&checked.judged, now, wiring.env.margins.look);
    let open: Vec<FindingKind> = memory.told(now).iter().map(|open| open.finding.kind()).collect();
    info!(findings = checked.judged.found.len(), open = open.len(), "checked");
    mend(wiring, service, checked, now).await;
    if memory == checked.memory {
        return open;
    }
    let (findings, closed) = news.sentences(&checked.record.config.cluster, now);
    let over = closed.iter().map(|closed| format!("over: {closed}"));
    let line = format!("scaling: {}", findings.iter().cloned().chain(over).collect::<Vec<_>>().join("; "));
    let entry = HistoryEntry { at: now, rollout: None, line, inputs: None };
    let milestone = Milestone::Scaling { findings, closed };
    let notice = Notice { service: service.clone(), rollout: None, number: 0, at: now, milestone };
    let told = (!news.is_empty()).then_some((&entry, &notice));
    match wiring.table.save_scaling(service, &memory, checked.version, told).await {
        Ok(true) => {}
        Ok(false) => info!("another run was first"),
        // Nothing was saved and nothing told: the next run finds the same.
        Err(error) => warn!(%error, "what was found could not be saved"),
    }
    open
}

/// Asks for what may be put right by itself. What is lost here the next look finds again.
async fn mend(wiring: &Wiring, service: &ServiceName, checked: &Checked, now: Time) {
    // What was saved, and told, by the looks before.
    let Checked { record, subjects, sight, judged, memory, .. } = checked;
    let wanted = scaling::repair(&record.config, &record.status, subjects, sight, judged, memory);
    let Some(repair) = wanted else { return };
    info!(?repair, "to be put right");
    // One look, however often its message comes, is one wish.
    let id = IntentId(format!("scaling/{}", now.0));
    let intent = Intent { id, at: now, by: "the scaling check".to_owned(), what: IntentKind::Repair { repair } };
    let recorded = wiring.table.record(service, &intent).await.map_err(|error| error.to_string());
    let done = match recorded {
        Ok(()) => wiring.queues.poke(service).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        warn!(error, "what is to be put right could not be asked for; the next run will");
    }
}

/// Tells what is open over all services.
async fn tell_digest(wiring: &Wiring) -> Result<Value, Error> {
    let now = wiring.clock.now();
    let all = wiring.table.scaling_memories().await?;
    let notice = scaling::digest(&all, now);
    let line = format!("scaling digest: {}", notice::tell(&notice).title);
    let entry = HistoryEntry { at: now, rollout: None, line, inputs: None };
    // The same digest is told once a day, however often it is asked for.
    wiring.table.note(&notice.service, &entry, Some(&notice)).await?;
    info!(services = all.len(), "digest");
    Ok(Value::Null)
}
