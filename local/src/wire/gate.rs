//! What every call passes at the port: it is shown to whoever watches, and meets the fault that is set for it.

use crate::faults::FaultEffect;
use crate::http::Body;
use crate::inner::{Inner, Moment};
use hyper::Response;
use model::AwsError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A client that never gives up has its late effect after this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call on its way in.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// `function:NAME`, `user:KEY`, or `webhook`.
    pub(super) name: String,
    /// Which process of the function.
    pub(super) process: Option<u64>,
}

/// Lets a call through, or does to it what a fault says. `perform` is the call; `refuse` writes an error in its form.
pub(super) async fn through<P>(
    inner: &Arc<Inner>,
    caller: &Caller,
    service: &str,
    operation: &str,
    refuse: impl Fn(&AwsError) -> Response<Body>,
    perform: P,
) -> Response<Body>
where
    P: Future<Output = Response<Body>> + Send + 'static,
{
    inner.seen_call(&caller.name, service, operation, Moment::Before);
    if caller.name.starts_with("function:") && !inner.limits.admit(service, operation).await {
        return refuse(&throttled(service));
    }
    let watched = {
        let (inner, name) = (inner.clone(), caller.name.clone());
        let (service, operation) = (service.to_owned(), operation.to_owned());
        async move {
            let response = perform.await;
            inner.seen_call(&name, &service, &operation, Moment::After);
            response
        }
    };
    let Some(fault) = inner.faults.strike(&caller.name, service, operation) else { return watched.await };
    inner.remark(format!("fault: {} of {} meets {fault}", operation, caller.name));
    // A webhook does not say who posts: the rule does.
    let function = caller.name.strip_prefix("function:").unwrap_or(&fault.caller);
    match fault.effect {
        FaultEffect::KillBefore => {
            inner.kill_process(function, caller.process);
            never().await
        }
        FaultEffect::KillAfter => {
            watched.await;
            inner.kill_process(function, caller.process);
            never().await
        }
        FaultEffect::Throttle => refuse(&throttled(service)),
        FaultEffect::Deny => refuse(&denied(service, operation)),
        FaultEffect::Fail => refuse(&failed(service)),
        FaultEffect::FailAfter => {
            watched.await;
            refuse(&failed(service))
        }
        FaultEffect::Late(after) => late(inner, after, watched).await,
        FaultEffect::AnswerLate(by) => {
            let response = watched.await;
            tokio::time::sleep(by).await;
            response
        }
    }
}

/// No answer any more: the connection ends with the process that was killed.
async fn never() -> Response<Body> {
    std::future::pending().await
}

/// The effect comes `after` the caller has given up: its connection closing ends this future, and so drops `waits`.
async fn late(
    inner: &Arc<Inner>,
    after: Duration,
    perform: impl Future<Output = Response<Body>> + Send + 'static,
) -> Response<Body> {
    let (waits, gone) = oneshot::channel::<()>();
    let (answer, answered) = oneshot::channel();
    inner.tasks.spawn(async move {
        tokio::select! {
            _ = gone => tokio::time::sleep(after).await,
            () = tokio::time::sleep(PATIENCE) => {}
        }
        // Nobody may wait for it any more.
        let _ = answer.send(perform.await);
    });
    let response = answered.await;
    drop(waits);
    match response {
        Ok(response) => response,
        // The cloud stops.
        Err(_) => never().await,
    }
}

/// The code by which a service says "too many requests", with its status.
fn throttled(service: &str) -> AwsError {
    let (code, message, status) = match service {
        "sqs" => ("RequestThrottled", "The request was denied due to request throttling.", 400),
        "sns" => ("Throttled", "Rate exceeded", 429),
        "cloudwatch" | "sts" => ("Throttling", "Rate exceeded", 400),
        "ec2" => ("RequestLimitExceeded", "Request limit exceeded.", 503),
        "dynamodb" => (
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput was exceeded.",
            400,
        ),
        "slack" => ("rate_limited", "rate_limited", 429),
        _ => ("ThrottlingException", "Rate exceeded", 400),
    };
    AwsError { code: code.to_owned(), message: message.to_owned(), status }
}

/// The code by which a service says that the caller may not do this.
fn denied(service: &str, operation: &str) -> AwsError {
    let (code, status) = match service {
        "elb" | "sns" | "cloudwatch" | "sts" => ("AccessDenied", 403),
        "ec2" => ("UnauthorizedOperation", 403),
        "slack" => ("invalid_token", 403),
        _ => ("AccessDeniedException", 400),
    };
    let message = format!("User is not authorized to perform: {service}:{operation}");
    AwsError { code: code.to_owned(), message, status }
}

/// The code by which a service says that it failed itself, with its status.
fn failed(service: &str) -> AwsError {
    let (code, status) = match service {
        "ecs" | "ecr" => ("ServerException", 500),
        "autoscaling" => ("InternalServiceException", 500),
        "cloudwatch" => ("InternalServiceFault", 500),
        "secretsmanager" => ("InternalServiceError", 500),
        "sns" | "ec2" => ("InternalError", 500),
        "dynamodb" => ("InternalServerError", 500),
        "slack" => ("server_error", 503),
        _ => ("ServiceUnavailable", 503),
    };
    AwsError { code: code.to_owned(), message: "a fault of the local cloud".to_owned(), status }
}
