//! The Lambda function `lifecycle-hook`: wires and runs; what it does is in [`handler`].

mod handler;

use std::sync::Arc;

use aws::lambda::Wiring;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    aws::lambda::init();
    // Without its environment it still answers: an exit is a rollback.
    let wiring = Arc::new(Wiring::from_env().await.map_err(|error| error.to_string()));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let wiring = Arc::clone(&wiring);
        async move { Ok::<Value, Error>(handler::handle(wiring, event).await) }
    }))
    .await
}
