//! On a schedule: can every configured service still scale? Reports, changes nothing.

use aws::lambda::{Unit, Wiring, emf, event as event_of};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::ids::ServiceName;
use shared::intake::{self, Event};
use shared::notice::{Milestone, Notice};
use shared::observation::Ask;
use shared::ports::{Clock, HistoryEntry, Observer, Store};
use shared::scaling::{self, Finding};
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
    let mut found = 0;
    for service in &services {
        let span = info_span!("service", service = %service);
        match check(wiring, service).instrument(span.clone()).await {
            Ok(findings) => found += findings.len(),
            Err(error) => span.in_scope(|| warn!(%error, "could not be checked; the next run will")),
        }
    }
    let metrics = [("ServicesChecked", Unit::Count, services.len() as f64), ("Findings", Unit::Count, found as f64)];
    emf(&[], &metrics);
    Ok(())
}

async fn check(wiring: &Wiring, service: &ServiceName) -> Result<Vec<Finding>, Error> {
    let record = wiring.table.load(service).await?;
    let ask = Ask { routes: true, services: true, scaling: true, ..Ask::default() };
    let now = wiring.clock.now();
    let seen = wiring.world.observe(&record.config, &ask, now).await;
    let findings = scaling::check(&record.status, scaling::live(&seen), &seen);
    info!(rollout = ?record.status.rollout.as_ref().map(|r| r.id.as_str()), findings = findings.len(), "checked");
    if !findings.is_empty() {
        let sentences: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let line = format!("scaling: {}", sentences.join("; "));
        let entry = HistoryEntry { at: now, rollout: None, line, inputs: None };
        let milestone = Milestone::Scaling { findings: sentences };
        let notice = Notice { service: service.clone(), rollout: None, number: 0, at: now, milestone };
        // The same findings on the same day are told once.
        wiring.table.note(service, &entry, Some(&notice)).await?;
    }
    Ok(findings)
}
