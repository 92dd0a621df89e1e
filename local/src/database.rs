//! The embedded DynamoDB: in memory, behind its own listener on loopback, reached only through the cloud's port.

use crate::http::HttpClient;
use crate::tasks::Tasks;
use crate::wire;
use anyhow::{Context, anyhow};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// AWS deletes expired items within days; here a minute is enough to see that nothing depends on it.
const TTL_SWEEP: Duration = Duration::from_secs(60);

/// Where the database listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Database {
    pub(crate) address: SocketAddr,
}

impl Database {
    pub(crate) async fn start(tasks: &Arc<Tasks>) -> anyhow::Result<Database> {
        let db =
            dynoxide::Database::memory().map_err(|error| anyhow!("the embedded database does not open: {error}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding the embedded database")?;
        let address = listener.local_addr()?;
        let sweeping = db.clone();
        tasks.spawn(async move {
            let _ = dynoxide::server::serve_with_shutdown(listener, db, std::future::pending()).await;
        });
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(TTL_SWEEP).await;
                let db = sweeping.clone();
                let _ = tokio::task::spawn_blocking(move || db.sweep_ttl()).await;
            }
        });
        Ok(Database { address })
    }

    /// One call in the database's own JSON.
    pub(crate) async fn call(&self, client: &HttpClient, operation: &str, input: &Value) -> anyhow::Result<Value> {
        wire::call_database(self.address, client, &format!("DynamoDB_20120810.{operation}"), input).await
    }

    /// One call to the streams.
    pub(crate) async fn streams(&self, client: &HttpClient, operation: &str, input: &Value) -> anyhow::Result<Value> {
        wire::call_database(self.address, client, &format!("DynamoDBStreams_20120810.{operation}"), input).await
    }
}
