//! Wakes: messages that carry no data but whose loop shall look.
//!
//! `poke` puts one into the FIFO queue (group = service, so one look at a time); `after` puts one into the delay queue,
//! from where `requeue` moves it into the FIFO queue, since a FIFO queue takes no delay per message.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_sqs::Client;
use serde::{Deserialize, Serialize};
use shared::ids::ServiceName;
use shared::intake::{Message, MessageKind};
use shared::ports::{Clock, Waker};
use shared::time::{Span, Time};

use crate::clock::SystemClock;
use crate::errors::{During, Failure};

/// The longest delay SQS takes (SQS API, DelaySeconds).
const LONGEST: u64 = 900;

/// A delay message that comes this much too early counts as due: SQS has whole seconds.
const EARLY: Span = Span::secs(1);

const CALL: &str = "sqs:SendMessage";

/// The two queues of one installation.
#[derive(Clone, Debug)]
pub struct Queues {
    client: Client,
    work: String,
    delay: String,
    unique: Arc<Unique>,
}

/// A message as it lies in the delay queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Delayed {
    #[serde(flatten)]
    message: Message,
    /// When it is due, for delays longer than SQS takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Time>,
}

/// Deduplication ids that never repeat. SQS swallows a message whose id it has seen in the last five minutes, also while
/// the earlier one is being worked on: a poke that tells of something new would be lost behind a look that began before.
#[derive(Debug)]
struct Unique {
    process: u64,
    counter: AtomicU64,
}

impl Unique {
    fn new() -> Unique {
        // Seeded by the system: process ids repeat from one function instance to the next.
        Unique { process: RandomState::new().build_hasher().finish(), counter: AtomicU64::new(0) }
    }

    fn id(&self, service: &ServiceName, now: Time) -> String {
        // SQS takes 128 characters at most.
        let service: String = service.as_str().chars().filter(char::is_ascii_alphanumeric).take(48).collect();
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("{service}-{}-{:016x}-{count}", now.0, self.process)
    }
}

impl Queues {
    /// The queues by their URLs.
    #[must_use]
    pub fn new(client: Client, work: impl Into<String>, delay: impl Into<String>) -> Queues {
        Queues { client, work: work.into(), delay: delay.into(), unique: Arc::new(Unique::new()) }
    }

    /// Moves a message that came out of the delay queue into the FIFO queue, or, where its time has not come yet, back
    /// into the delay queue.
    ///
    /// # Errors
    /// The body is not one of ours, or SQS did not take it.
    pub async fn requeue(&self, body: &str) -> Result<(), String> {
        let delayed: Delayed =
            serde_json::from_str(body).map_err(|error| format!("not a message of the delay queue: {error}"))?;
        let left = delayed.due.map_or(Span(0), |due| due.since(SystemClock.now()));
        let sent = if left > EARLY { self.delay(&delayed, left).await } else { self.work(&delayed.message).await };
        sent.map_err(|failure| failure.to_string())
    }

    async fn work(&self, message: &Message) -> Result<(), Failure> {
        let request = self
            .client
            .send_message()
            .queue_url(&self.work)
            .message_body(body(message))
            .message_group_id(message.service.as_str())
            .message_deduplication_id(self.unique.id(&message.service, SystemClock.now()));
        request.send().await.during(CALL)?;
        Ok(())
    }

    async fn delay(&self, message: &Delayed, delay: Span) -> Result<(), Failure> {
        let seconds = i32::try_from(delay_seconds(delay)).unwrap_or(i32::MAX);
        let request =
            self.client.send_message().queue_url(&self.delay).message_body(body(message)).delay_seconds(seconds);
        request.send().await.during(CALL)?;
        Ok(())
    }
}

fn body<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// Whole seconds, never early, at least one and at most what SQS takes.
fn delay_seconds(delay: Span) -> u64 {
    delay.ceil_secs().clamp(1, LONGEST)
}

impl Waker for Queues {
    async fn poke(&self, service: &ServiceName) -> Result<(), String> {
        let message = Message { service: service.clone(), kind: MessageKind::Poke };
        self.work(&message).await.map_err(|failure| failure.to_string())
    }

    async fn after(&self, service: &ServiceName, delay: Span, token: u64) -> Result<(), String> {
        let due = (delay.ceil_secs() > LONGEST).then(|| SystemClock.now().plus(delay));
        let message = Message { service: service.clone(), kind: MessageKind::Timer { token } };
        self.delay(&Delayed { message, due }, delay).await.map_err(|failure| failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pokes_in_one_millisecond_are_two() {
        let (here, there) = (Unique::new(), Unique::new());
        let shop = ServiceName::from("shop");
        assert_ne!(here.id(&shop, Time(1)), here.id(&shop, Time(1)));
        assert_ne!(here.id(&shop, Time(1)), there.id(&shop, Time(1)));
        let long = ServiceName::from("x".repeat(300));
        assert!(here.id(&long, Time(u64::MAX)).len() <= 128);
    }

    #[test]
    fn a_timer_is_never_early_and_never_longer_than_sqs_takes() {
        assert_eq!(delay_seconds(Span(1)), 1);
        assert_eq!(delay_seconds(Span(0)), 1);
        assert_eq!(delay_seconds(Span(1001)), 2);
        assert_eq!(delay_seconds(Span::mins(60)), 900);
    }

    #[test]
    fn messages_have_the_documented_form() {
        let timer = Message { service: "shop".into(), kind: MessageKind::Timer { token: 7 } };
        let delayed = |due| Delayed { message: timer.clone(), due };
        assert_eq!(body(&delayed(None)), r#"{"service":"shop","kind":"timer","token":7}"#);
        let poke = Message { service: "shop".into(), kind: MessageKind::Poke };
        assert_eq!(body(&poke), r#"{"service":"shop","kind":"poke"}"#);
        let long = delayed(Some(Time(9)));
        assert_eq!(serde_json::from_str::<Delayed>(&body(&long)).unwrap(), long);
        assert_eq!(Message::parse(&body(&long)), Ok(timer));
    }
}
