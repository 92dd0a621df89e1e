//! Notices leave through the table's stream: to SNS and to Slack, at least once, numbered.

use aws::deliver::deliver;
use aws::lambda::Wiring;
use aws::store::notice_of;
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::ports::Clock;
use shared::time::{Span, Time};
use tracing::{Instrument, error, info, info_span, warn};

/// Before the function's own end this much is left for its answer.
const RESERVE: Span = Span::secs(2);

/// Delivers a batch of stream records. None comes back: what a channel would not take now, the sweep sends later.
pub(crate) async fn handle(wiring: &Wiring, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let until = Time(event.context.deadline).minus(RESERVE);
    let Some(records) = event.payload.get("Records").and_then(Value::as_array) else {
        warn!("not a batch of stream records: dropped");
        return Ok(json!({ "batchItemFailures": [] }));
    };
    for record in records {
        let number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).unwrap_or_default();
        let (key, notice) = match record.pointer("/dynamodb/NewImage").map(notice_of) {
            Some(Ok(stored)) => stored,
            Some(Err(error)) => {
                warn!(event = number, %error, "dropped: not a notice this release can read");
                continue;
            }
            None => {
                warn!(event = number, "dropped: a record without an image");
                continue;
            }
        };
        let rollout = notice.rollout.as_ref().map_or("none", |rollout| rollout.as_str());
        let span = info_span!("notice", event = number, service = %notice.service, rollout, number = notice.number);
        let left = until.since(wiring.clock.now()).to_std();
        let result = deliver(&wiring.teller, &wiring.table, &key, &notice, left).instrument(span.clone()).await;
        span.in_scope(|| match result {
            Ok(()) => info!("delivered"),
            // A channel in trouble must not keep the stream, and with it every other notice, waiting.
            Err(error) => error!(error, "not delivered everywhere; the sweep sends it again"),
        });
    }
    Ok(json!({ "batchItemFailures": [] }))
}
