//! Steady requests of a few users, each over a connection of its own, each counted once.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Between two requests.
const EVERY: Duration = Duration::from_millis(60);

/// A user waits no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the users got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answers with 2XX.
    pub good: u64,
    /// 5XX answers that a task of an image with this tag gave.
    pub failed_by: std::collections::BTreeMap<String, u64>,
    /// Requests that no task answered, in words.
    pub failed: Vec<String>,
}

/// The users. Dropped, they leave.
#[derive(Debug)]
pub struct Traffic {
    counted: Arc<Mutex<Counted>>,
    sending: JoinHandle<()>,
}

impl Counted {
    /// Whether the machine was too busy to send what the story needs: less than a third of the requests were made.
    #[must_use]
    pub fn starved(&self, over: Duration) -> bool {
        let sent = self.good + self.failed_by.values().sum::<u64>() + self.failed.len() as u64;
        u128::from(sent) * 3 < over.as_millis() / EVERY.as_millis()
    }
}

impl Traffic {
    /// The users come.
    #[must_use]
    pub fn start(address: SocketAddr) -> Traffic {
        let counted: Arc<Mutex<Counted>> = Arc::default();
        let tally = counted.clone();
        let sending = tokio::spawn(async move {
            let mut times = tokio::time::interval(EVERY);
            times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                times.tick().await;
                let answer = tokio::time::timeout(PATIENCE, request(address)).await;
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(Ok((200..=299, _))) => tally.good += 1,
                    Ok(Ok((500..=599, Some(tag)))) => *tally.failed_by.entry(tag).or_default() += 1,
                    Ok(Ok((status, tag))) => {
                        tally.failed.push(format!("{status} by {}", tag.as_deref().unwrap_or("the load balancer")))
                    }
                    Ok(Err(error)) => tally.failed.push(error.to_string()),
                    Err(_) => tally.failed.push("no answer".to_owned()),
                }
            }
        });
        Traffic { counted, sending }
    }

    /// Ends it.
    #[must_use]
    pub fn end(self) -> Counted {
        self.sending.abort();
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// Status and image tag of the answer.
async fn request(address: SocketAddr) -> std::io::Result<(u16, Option<String>)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer broke off"))?;
    let tag = text.lines().find_map(|line| line.strip_prefix("x-image-tag: ")).map(|tag| tag.trim().to_owned());
    Ok((status, tag))
}
