//! Notices leave through the table's stream: to SNS and to Slack, at least once, numbered.

use aws::lambda::Wiring;
use aws::store::{Key, notice_of};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::notice::{Notice, slack, sns};
use shared::ports::Clock;
use shared::time::{Span, Time};
use tracing::{Instrument, error, info, info_span, warn};

/// Before the function's own end this much is left for its answer.
const RESERVE: Span = Span::secs(2);

/// Delivers a batch of stream records; answers the first that must come back (a stream goes on from there).
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
        if let Err(error) = deliver(wiring, &key, &notice, until).instrument(span.clone()).await {
            span.in_scope(|| error!(error, "comes back"));
            return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": number }] }));
        }
    }
    Ok(json!({ "batchItemFailures": [] }))
}

/// To every channel. A channel that refuses for good is logged and does not keep the notice coming back.
async fn deliver(wiring: &Wiring, key: &Key, notice: &Notice, until: Time) -> Result<(), String> {
    let mut again = Vec::new();
    let publication = sns::publication(notice);
    let left = until.since(wiring.clock.now());
    let results = [
        ("SNS", wiring.teller.publish(&publication).await),
        ("Slack", wiring.teller.slack(&slack::card(notice), left.to_std()).await),
    ];
    for (channel, result) in results {
        match result {
            Ok(()) => {}
            Err(error) if error.may_pass() => again.push(format!("{channel}: {error}")),
            Err(error) => error!(channel, %error, "refused: this notice does not reach it"),
        }
    }
    if again.is_empty() {
        if let Err(error) = wiring.table.mark_delivered(key, wiring.clock.now()).await {
            warn!(%error, "delivered, but not marked so");
        }
        info!("delivered");
        return Ok(());
    }
    Err(again.join("; "))
}
