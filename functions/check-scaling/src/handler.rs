//! On a schedule: can every configured service still scale? Tells what is news; changes nothing.

use aws::lambda::{Unit, Wiring, emf, event as event_of};
use aws::round::{Checked, round};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::ids::ServiceName;
use shared::intake::{self, Event};
use shared::notice::{Milestone, Notice};
use shared::ports::{Clock, HistoryEntry};
use tracing::{Instrument, info, info_span, warn};

/// Handles one tick. Err only where running it again can help.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<(), Error> {
    let span = info_span!("scaling", event = intake::id(&event.payload));
    async {
        match event_of(&event.payload) {
            Some(Event::Tick) => check_all(wiring).await,
            Some(other) => {
                warn!(?other, "not a tick: this function's rule is wrong");
                Ok(())
            }
            None => Ok(()),
        }
    }
    .instrument(span)
    .await
}

async fn check_all(wiring: &Wiring) -> Result<(), Error> {
    let services = wiring.table.services().await?;
    let round = round(&wiring.world, &wiring.table, &services).await;
    let (mut open, mut unread) = (0, 0);
    for (service, checked) in &round.checked {
        let span = info_span!("service", service = %service);
        match checked {
            Ok(checked) => open += note(wiring, service, checked).instrument(span).await,
            Err(why) => {
                unread += 1;
                span.in_scope(|| warn!(why, "could not be checked; the next run will"));
            }
        }
    }
    let metrics = [
        ("ServicesChecked", Unit::Count, (services.len() - unread) as f64),
        ("Findings", Unit::Count, open as f64),
        ("CallsMade", Unit::Count, round.calls as f64),
    ];
    emf(&[], &metrics);
    Ok(())
}

/// Remembers what was found of a service and tells what is news. How many findings are open.
async fn note(wiring: &Wiring, service: &ServiceName, checked: &Checked) -> usize {
    let now = wiring.clock.now();
    let mut memory = checked.memory.clone();
    let news = memory.note(&checked.judged, now);
    let open = memory.told(now).len();
    info!(findings = checked.judged.found.len(), open, "checked");
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
