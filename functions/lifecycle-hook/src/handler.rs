//! ECS asks at a stage of a deployment whether to go on. The state is read, the answer is decided in `shared`; nothing is
//! written anywhere, and whatever goes wrong here is an answer too: ECS takes an error for FAILED.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::lambda::Wiring;
use aws::{check, lookup};
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use shared::config::ServiceConfig;
use shared::hook::{self, Answer, Known, Request, Seen, Word};
use shared::ports::{Clock as _, Record, Store as _, StoreError};
use shared::time::Time;
use tracing::{Instrument as _, error, info, info_span, warn};

/// Before the function's own end this much is left for the answer.
const RESERVE: Duration = Duration::from_secs(4);

/// Answers one call, whatever happens.
pub(crate) async fn handle(wiring: Arc<Result<Wiring, String>>, event: LambdaEvent<Value>) -> Value {
    let request = match Request::parse(&event.payload) {
        Ok(request) => request,
        Err(why) => {
            // Whose deployment it is cannot be told, so neither can that we have no say in it.
            error!(why, answer = "FAILED", "a payload that cannot be read");
            return Answer::last(Word::Failed, why).document();
        }
    };
    let span = info_span!("hook", stage = request.stage, ecs = request.service, deployment = request.deployment);
    let began = aws::SystemClock.now();
    let left = Duration::from_millis(event.context.deadline.saturating_sub(began.0)).saturating_sub(RESERVE);
    let work = {
        let request = request.clone();
        async move { work(&wiring, &request, began).await }.instrument(span.clone())
    };
    // A task of its own: a panic is its end and not the function's.
    let mut task = tokio::spawn(work);
    let answer = match tokio::time::timeout(left, &mut task).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(died)) => unknown(&request, began, format!("the check itself failed: {died}")),
        Err(_) => {
            task.abort();
            unknown(&request, began, "what had to be read took too long".to_owned())
        }
    };
    let _in_it = span.enter();
    let why = answer.why.as_str();
    match answer.word {
        Word::Succeeded => info!(why, answer = "SUCCEEDED", "answered"),
        Word::InProgress(delay) => info!(why, answer = "IN_PROGRESS", seconds = delay.ceil_secs(), "answered"),
        Word::Failed => warn!(why, answer = "FAILED", "answered: ECS goes back"),
    }
    answer.document()
}

async fn work(wiring: &Result<Wiring, String>, request: &Request, began: Time) -> Answer {
    let wiring = match wiring {
        Ok(wiring) => wiring,
        Err(why) => return unknown(request, began, why.clone()),
    };
    // The way back is answered without a look, also while nothing can be read.
    let record = if request.back() { Ok(None) } else { record(wiring, request).await };
    let known = match &record {
        Ok(Some(record)) => Known::Record(record),
        Ok(None) => Known::NotConfigured,
        Err(why) => Known::Unreachable(why.clone()),
    };
    let seen = match &known {
        Known::Record(record) => look(wiring, &record.config, &hook::wants(request, &known, began)).await,
        Known::NotConfigured | Known::Unreachable(_) => Seen::default(),
    };
    hook::answer(request, &known, &seen, began, wiring.clock.now())
}

/// The answer where nothing could be read.
fn unknown(request: &Request, began: Time, why: String) -> Answer {
    hook::answer(request, &Known::Unreachable(why), &Seen::default(), began, aws::SystemClock.now())
}

/// The record of the service that an ECS service is, if it is one of this account and region.
async fn record(wiring: &Wiring, request: &Request) -> Result<Option<Record>, String> {
    let Some(name) = wiring.table.service_by_ecs(&request.service).await.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let record = match wiring.table.load(&name).await {
        Ok(record) => record,
        Err(StoreError::NoSuchService) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let home = record.config.home().map(|(region, account)| (account, region));
    let there = lookup::account_and_region(&request.service);
    Ok(if home.is_none() || home == there { Some(record) } else { None })
}

async fn look(wiring: &Wiring, config: &ServiceConfig, wants: &hook::Wants) -> Seen {
    let alarms = async {
        match wants.alarms.as_slice() {
            [] => BTreeMap::new(),
            names => lookup::alarms(&wiring.clients, &config.cluster, names).await,
        }
    };
    let tries = async {
        match &wants.check {
            Some((wanted, needed)) => check::round(&wiring.clients, config, wanted, *needed).await,
            None => Vec::new(),
        }
    };
    let (alarms, tries) = tokio::join!(alarms, tries);
    Seen { alarms, tries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_runtime::Context;
    use serde_json::json;

    async fn ask(payload: Value, left: u64) -> Value {
        let mut context = Context::default();
        context.deadline = aws::SystemClock.now().0 + left;
        handle(Arc::new(Err("FLIPBACK_TABLE is not set".to_owned())), LambdaEvent::new(payload, context)).await
    }

    fn payload() -> Value {
        let text = include_str!("../../../events/ecs_lifecycle_hook_with_hookdetails.json");
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn without_its_environment_or_any_time_left_it_asks_to_be_called_again_a_bounded_number_of_times() {
        for left in [30_000, 0] {
            let mut payload = payload();
            for _ in 0..20 {
                let answer = ask(payload.clone(), left).await;
                assert_eq!((&answer["hookStatus"], &answer["callBackDelay"]), (&json!("IN_PROGRESS"), &json!(30)));
                assert_eq!(answer["hookDetails"]["s3Bucket"], "approvals");
                payload["hookDetails"] = answer["hookDetails"].clone();
            }
            assert_eq!(ask(payload, left).await, json!({ "hookStatus": "FAILED" }));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_failed_and_the_way_back_is_not_held() {
        assert_eq!(ask(json!({ "lifecycleStage": "BAKE" }), 30_000).await["hookStatus"], "FAILED");
        let text = include_str!("../../../events/ecs_lifecycle_hook_production_traffic_shift_rollback.json");
        assert_eq!(ask(serde_json::from_str(text).unwrap(), 30_000).await["hookStatus"], "SUCCEEDED");
    }
}
