//! The sweep, every minute: with every event lost it alone finishes or rolls back every rollout. Of ECS and ELB it reads
//! nothing; it enqueues. More slowly it also finds pushes that no event told of, since ECR's events are best effort.

use aws::deliver::deliver;
use aws::images;
use aws::lambda::Wiring;
use aws::store::keys::fnv;
use lambda_runtime::Error;
use shared::ids::ServiceName;
use shared::image;
use shared::intake::push_intent;
use shared::ports::{Clock, Store, Waker};
use shared::rollout::{ImageRef, Intent, IntentKind};
use shared::scaling::DIGEST;
use shared::time::Span;
use tracing::{Instrument, info, info_span, warn};

/// The newest images of a repository that are looked at. Pushes come with a tag each; more than this are not lost at once.
const NEWEST: usize = 20;

/// A notice that the stream should have delivered by now.
const UNDELIVERED_AFTER: Span = Span::mins(1);

/// Older notices are news no more.
const NEWS: Span = Span::mins(24 * 60);

/// Wakes every unsettled service first; then the settled ones whose minute this is.
pub(crate) async fn sweep(wiring: &Wiring) -> Result<(), Error> {
    let unsettled = wiring.table.unsettled().await?;
    for service in &unsettled {
        wake(wiring, service).await;
    }
    for service in &unsettled {
        let span = info_span!("service", service = %service);
        undelivered(wiring, service).instrument(span).await;
    }
    let mut settled = 0;
    for service in wiring.table.services().await?.iter().filter(|service| is_turn_of(wiring, service)) {
        let span = info_span!("service", service = %service);
        async {
            undelivered(wiring, service).await;
            if let Err(error) = missed_push(wiring, service).await {
                warn!(%error, "its repositories could not be read; a later sweep will");
            }
        }
        .instrument(span)
        .await;
        if !unsettled.contains(service) {
            settled += 1;
            wake(wiring, service).await;
        }
    }
    undelivered(wiring, &DIGEST.into()).await;
    info!(unsettled = unsettled.len(), settled, "swept");
    Ok(())
}

async fn wake(wiring: &Wiring, service: &ServiceName) {
    if let Err(error) = wiring.queues.poke(service).await {
        warn!(service = %service, error, "could not wake; the next sweep will");
    }
}

/// Each service has its own minute within `settled_look`, so that a fleet is not looked at all at once.
fn is_turn_of(wiring: &Wiring, service: &ServiceName) -> bool {
    let every = (wiring.env.margins.settled_look.0 / 60_000).max(1);
    let minute = wiring.clock.now().0 / 60_000;
    minute % every == fnv(service.as_str()) % every
}

/// Sends again what a channel would not take when it was made.
async fn undelivered(wiring: &Wiring, service: &ServiceName) {
    let now = wiring.clock.now();
    let notices = match wiring.table.undelivered(service, now.minus(UNDELIVERED_AFTER), NEWEST).await {
        Ok(notices) => notices,
        Err(error) => {
            warn!(%error, "its notices could not be read");
            return;
        }
    };
    for stored in notices.iter().filter(|stored| now.since(stored.notice.at) < NEWS) {
        let within = std::time::Duration::from_secs(2);
        if let Err(error) = deliver(&wiring.teller, &wiring.table, &stored.key, &stored.notice, within).await {
            // The channel is still in trouble: the others would fare no better.
            warn!(error, number = stored.notice.number, "still not delivered");
            return;
        }
    }
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
