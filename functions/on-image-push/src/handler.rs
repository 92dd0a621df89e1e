//! An image was pushed: by policy it becomes a candidate, or is refused in words. Recorded, then the loop is woken.

use aws::lambda::{Wiring, event as event_of};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use shared::ids::ServiceName;
use shared::image::{self, Refusal};
use shared::intake::{self, Event, ImagePush};
use shared::notice::{Milestone, Notice};
use shared::ports::{Clock, HistoryEntry, Store, Waker};
use shared::rollout::{Intent, IntentKind};
use tracing::{Instrument, info, info_span, warn};

/// Handles one event. Err only where delivering it again can help.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<(), Error> {
    let span = info_span!("push", event = intake::id(&event.payload));
    async {
        match event_of(&event.payload) {
            Some(Event::Push(push)) => take(wiring, &push).await,
            Some(other) => {
                warn!(?other, "not an image event: this function's rule is wrong");
                Ok(())
            }
            None => Ok(()),
        }
    }
    .instrument(span)
    .await
}

async fn take(wiring: &Wiring, push: &ImagePush) -> Result<(), Error> {
    let image = &push.image;
    let services = wiring.table.services_by_repository(&image.repository).await?;
    info!(repository = image.repository, tag = image.tag, digest = %image.digest, services = services.len(), "pushed");
    if services.is_empty() {
        return not_configured(wiring, push).await;
    }
    for service in services {
        let span = info_span!("service", service = %service);
        for_service(wiring, push, &service).instrument(span).await?;
    }
    Ok(())
}

async fn for_service(wiring: &Wiring, push: &ImagePush, service: &ServiceName) -> Result<(), Error> {
    let record = wiring.table.load(service).await?;
    match image::judge(&record.config, &record.status, &push.image) {
        Ok(()) => {
            let intent = Intent {
                id: push.intent(),
                at: wiring.clock.now(),
                by: "ECR push".to_owned(),
                what: IntentKind::Push { image: push.image.clone() },
            };
            wiring.table.record(service, &intent).await?;
            info!(rollout = ?record.status.rollout.map(|rollout| rollout.id), "recorded as a candidate");
            // Recorded is what counts: should this fail, the sweep finds it within a minute.
            if let Err(error) = wiring.queues.poke(service).await {
                warn!(error, "could not wake the loop; the sweep will");
            }
        }
        Err(refusal) => {
            info!(reason = refusal.reason, "refused");
            let (entry, notice) = words(wiring, push, service, &refusal);
            wiring.table.note(service, &entry, refusal.loud.then_some(&notice)).await?;
        }
    }
    Ok(())
}

async fn not_configured(wiring: &Wiring, push: &ImagePush) -> Result<(), Error> {
    let repository = &push.image.repository;
    let refusal = image::not_configured(&push.image);
    let (entry, notice) = words(wiring, push, &ServiceName(repository.clone()), &refusal);
    wiring.table.refused_unconfigured(repository, &entry, &notice).await?;
    Ok(())
}

fn words(wiring: &Wiring, push: &ImagePush, service: &ServiceName, refusal: &Refusal) -> (HistoryEntry, Notice) {
    let at = wiring.clock.now();
    let what = format!("{}:{}", push.image.repository, push.image.tag);
    let entry = HistoryEntry { at, rollout: None, line: format!("{what} refused: {}", refusal.reason), inputs: None };
    let milestone = Milestone::Refused { what, reason: refusal.reason.clone(), advice: refusal.advice.clone() };
    (entry, Notice { service: service.clone(), rollout: None, number: 0, at, milestone })
}
