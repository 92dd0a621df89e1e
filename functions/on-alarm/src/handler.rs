//! An alarm changed its state. When it fires, the traffic goes back here, at once; `advance` does the rest.

use aws::lambda::{Unit, Wiring, emf, event as event_of};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::ids::ServiceName;
use shared::intake::{self, AlarmChange, Event};
use shared::ports::{Clock, Store, Waker};
use shared::reconcile::{Ports, Role, WokenBy, reconcile};
use shared::rollout::Intent;
use shared::time::Span;
use tracing::{Instrument, error, info, info_span, warn};

/// Handles one event. Err only where delivering it again can help.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<(), Error> {
    let id = intake::id(&event.payload).to_owned();
    let span = info_span!("alarm", event = id);
    async {
        match event_of(&event.payload) {
            Some(Event::Alarm(change)) => take(wiring, &change, &id).await,
            Some(other) => {
                warn!(?other, "not an alarm event: this function's rule is wrong");
                Ok(())
            }
            None => Ok(()),
        }
    }
    .instrument(span)
    .await
}

async fn take(wiring: &Wiring, change: &AlarmChange, event_id: &str) -> Result<(), Error> {
    let services = wiring.table.services_by_alarm(change.alarm.as_str()).await?;
    info!(alarm = %change.alarm, state = ?change.state, services = services.len(), "changed");
    let fired = change.intent(event_id);
    let mut failed = None;
    for service in &services {
        let span = info_span!("service", service = %service);
        // One service that cannot be helped now must not keep the others from it.
        if let Err(error) = for_service(wiring, change, fired.as_ref(), service).instrument(span).await {
            failed = Some(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn for_service(
    wiring: &Wiring,
    change: &AlarmChange,
    fired: Option<&Intent>,
    service: &ServiceName,
) -> Result<(), Error> {
    // An alarm of this name in another region, forwarded here, says nothing of this service.
    let config = wiring.table.load(service).await?.config;
    if config.home().is_some_and(|(region, account)| (region, account) != (&change.home.0, &change.home.1)) {
        info!(home = ?change.home, "an alarm of the same name somewhere else");
        return Ok(());
    }
    let back = match fired {
        Some(intent) => flip_back(wiring, change, intent, service).await,
        // OK again: a held push may start.
        None => Ok(()),
    };
    if let Err(error) = wiring.queues.poke(service).await {
        warn!(error, "could not wake the loop; the sweep will");
    }
    back
}

async fn flip_back(wiring: &Wiring, change: &AlarmChange, intent: &Intent, service: &ServiceName) -> Result<(), Error> {
    let ports = Ports {
        clock: &wiring.clock,
        observer: &wiring.world,
        actuator: &wiring.world,
        store: &wiring.table,
        waker: &wiring.queues,
    };
    let known = [intent.clone()];
    let until = wiring.clock.now().plus(Span::secs(20));
    let report = reconcile(&ports, service, Role::Alarm, WokenBy::Poke, &known, &wiring.env.margins, until)
        .await
        .inspect_err(|error| error!(%error, "the state could not be read or saved"))?;
    let rollout = report.rollout.as_deref().unwrap_or("none");
    for failure in &report.failed {
        error!(rollout, effect = failure.effect, reason = failure.reason, "not applied; advance tries again");
    }
    match report.back_written {
        Some(at) => {
            let seconds = at.since(change.at).0 as f64 / 1000.0;
            info!(rollout, seconds, applied = ?report.applied, "flipped back");
            let rolled_back = f64::from(report.rolled_back);
            let metrics = [("AlarmToWeights", Unit::Seconds, seconds), ("RolledBack", Unit::Count, rolled_back)];
            emf(&[("Service", service.as_str())], &metrics);
        }
        None => info!(rollout, waiting = ?report.waiting, "nothing to flip back"),
    }
    Ok(())
}
