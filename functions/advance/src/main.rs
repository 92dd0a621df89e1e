//! The Lambda function `advance`: wires and runs; what it does is in [`handler`].

mod handler;
mod sweep;

use std::sync::Arc;

use aws::lambda::Wiring;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    aws::lambda::init();
    let wiring = Arc::new(Wiring::from_env().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let wiring = Arc::clone(&wiring);
        async move { handler::handle(&wiring, event).await }
    }))
    .await
}
