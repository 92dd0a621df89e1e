//! The sweep, every minute: with every event lost it alone finishes or rolls back every rollout. Of ECS and ELB it reads
//! nothing; it enqueues. More slowly it also finds pushes that no event told of, since ECR's events are best effort.

use aws::images;
use aws::lambda::Wiring;
use lambda_runtime::Error;
use shared::ids::ServiceName;
use shared::image;
use shared::intake::push_intent;
use shared::ports::{Clock, Store, Waker};
use shared::rollout::{ImageRef, Intent, IntentKind};
use tracing::{Instrument, info, info_span, warn};

/// The newest images of a repository that are looked at. Pushes come with a tag each; more than this are not lost at once.
const NEWEST: usize = 20;

/// Wakes every unsettled service, and the settled ones whose turn it is.
pub(crate) async fn sweep(wiring: &Wiring) -> Result<(), Error> {
    let mut wake = wiring.table.unsettled().await?;
    let unsettled = wake.len();
    if settled_turn(wiring) {
        for service in wiring.table.services().await? {
            let span = info_span!("service", service = %service);
            if let Err(error) = missed_push(wiring, &service).instrument(span.clone()).await {
                span.in_scope(|| warn!(%error, "its repositories could not be read; a later sweep will"));
            }
            if !wake.contains(&service) {
                wake.push(service);
            }
        }
    }
    info!(unsettled, settled = wake.len() - unsettled, "swept");
    for service in &wake {
        if let Err(error) = wiring.queues.poke(service).await {
            warn!(service = %service, error, "could not wake; the next sweep will");
        }
    }
    Ok(())
}

/// Settled services are looked at once per `settled_look`, in the minute where that begins.
fn settled_turn(wiring: &Wiring) -> bool {
    let every = (wiring.env.margins.settled_look.0 / 60_000).max(1);
    (wiring.clock.now().0 / 60_000).is_multiple_of(every)
}

/// Records the newest push that no event told of.
async fn missed_push(wiring: &Wiring, service: &ServiceName) -> Result<(), Error> {
    let record = wiring.table.load(service).await?;
    for rule in &record.config.images {
        // Without a first push there is nothing to be newer than.
        let Some(taken) = record.status.taken.get(&rule.repository) else { continue };
        let images = images::newest(&wiring.clients.ecr, &rule.repository, NEWEST).await?;
        let pushed: Vec<ImageRef> = images
            .into_iter()
            .flat_map(|image| {
                image.tags.into_iter().map(move |tag| ImageRef {
                    registry: taken.registry.clone(),
                    repository: taken.repository.clone(),
                    tag,
                    digest: image.digest.clone(),
                    pushed_at: image.pushed_at,
                })
            })
            .collect();
        let Some(image) = image::missed(&record.config, &record.status, &pushed) else { continue };
        info!(repository = image.repository, tag = image.tag, "found a push that no event told of");
        let what = IntentKind::Push { image: image.clone() };
        let by = "the sweep of the repository".to_owned();
        let intent = Intent { id: push_intent(image), at: wiring.clock.now(), by, what };
        wiring.table.record(service, &intent).await?;
    }
    Ok(())
}
