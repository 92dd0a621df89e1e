//! The load balancers' health checks, over real connections.

use super::servers::HEALTH_CHECKER;
use crate::http::{HttpClient, full};
use crate::inner::Inner;
use crate::lock;
use http_body_util::BodyExt;
use hyper::Request;
use model::{Probe, ProbeResult};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Sends every health check that is due; each reports by itself.
pub(crate) fn send_due(inner: &Arc<Inner>, client: &HttpClient) {
    let due = lock(&inner.world).probes_due(inner.clock.now());
    for probe in due {
        if let Some(result) = inner.servers.would_say(&probe.target_id, inner.clock.now()) {
            lock(&inner.world).probe_result(&probe, result, inner.clock.now());
            continue;
        }
        let (inner, client) = (inner.clone(), client.clone());
        inner.tasks.clone().spawn(async move {
            let result = match inner.servers.real(&probe.target_id, probe.port) {
                Some(address) => check(&client, address, &probe).await,
                None => ProbeResult::Refused,
            };
            lock(&inner.world).probe_result(&probe, result, inner.clock.now());
        });
    }
}

async fn check(client: &HttpClient, address: SocketAddr, probe: &Probe) -> ProbeResult {
    let request = Request::get(format!("http://{address}{}", probe.path))
        .header("user-agent", HEALTH_CHECKER)
        .header("connection", "close")
        .body(full(""));
    let Ok(request) = request else { return ProbeResult::Refused };
    let asking = async {
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        let _ = response.into_body().collect().await;
        Ok::<u16, hyper_util::client::legacy::Error>(status)
    };
    match tokio::time::timeout(Duration::from_millis(probe.timeout.max(1)), asking).await {
        Ok(Ok(status)) => ProbeResult::Status(status),
        Ok(Err(_)) => ProbeResult::Refused,
        Err(_) => ProbeResult::Timeout,
    }
}
