//! EventBridge schedules.

use crate::functions::Function;
use crate::inner::Inner;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Invokes a function every so often, until the cloud stops. The first time is one period after the start, as AWS does.
pub(crate) async fn run(
    inner: Arc<Inner>,
    function: Arc<Function>,
    name: String,
    every: Duration,
    input: Option<String>,
) {
    let mut times = tokio::time::interval(every.max(Duration::from_millis(100)));
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    times.tick().await;
    loop {
        times.tick().await;
        let payload = input.clone().unwrap_or_else(|| event(&inner, &name));
        function.clone().deliver(&inner, payload, &name);
    }
}

/// What EventBridge Scheduler sends without an input: its detail is a string.
fn event(inner: &Inner, name: &str) -> String {
    json!({
        "version": "0",
        "id": inner.request_id(),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": inner.account,
        "time": crate::clock::iso_seconds(inner.clock.now()),
        "region": inner.region,
        "resources": [format!("arn:aws:scheduler:{}:{}:schedule/default/{name}", inner.region, inner.account)],
        "detail": "{}",
    })
    .to_string()
}
