//! The sweep, every minute: with every event lost it alone finishes or rolls back every rollout. It only enqueues.

use aws::lambda::Wiring;
use lambda_runtime::Error;
use shared::ids::ServiceName;
use shared::ports::{Clock, Waker};
use tracing::{info, warn};

/// Wakes every unsettled service, and the settled ones whose turn it is.
pub(crate) async fn sweep(wiring: &Wiring) -> Result<(), Error> {
    let unsettled = wiring.table.unsettled().await?;
    let settled: Vec<ServiceName> = if settled_turn(wiring) {
        wiring.table.services().await?.into_iter().filter(|service| !unsettled.contains(service)).collect()
    } else {
        Vec::new()
    };
    info!(unsettled = unsettled.len(), settled = settled.len(), "swept");
    for service in unsettled.iter().chain(&settled) {
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
