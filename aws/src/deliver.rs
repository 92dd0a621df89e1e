//! Delivering a notice: to each channel once, as far as that can be told, and to none because of another.

use std::time::Duration;

use shared::notice::{Notice, slack, sns};
use shared::ports::Clock;
use tracing::{error, warn};

use crate::clock::SystemClock;
use crate::store::{Key, Table};
use crate::tell::{TellError, Teller};

/// A way to people. The name is also that of the attribute that marks the notice as sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The SNS topic.
    Sns,
    /// The Slack webhook.
    Slack,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 2] = [Channel::Sns, Channel::Slack];

    /// The attribute that marks a notice as sent to it.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Channel::Sns => "sent_sns",
            Channel::Slack => "sent_slack",
        }
    }
}

/// Sends a notice to every channel that has not got it, `within` this time. A channel that refuses it for good is logged and
/// counts as done.
///
/// # Errors
/// What kept it from a channel; the sweep sends it there later.
pub async fn deliver(
    teller: &Teller,
    table: &Table,
    key: &Key,
    notice: &Notice,
    within: Duration,
) -> Result<(), String> {
    // Twice is better than never: what cannot be read counts as not sent.
    let sent = table.sent(key).await.unwrap_or_default();
    let mut later = Vec::new();
    for channel in Channel::ALL.into_iter().filter(|channel| !sent.contains(channel)) {
        match send(teller, channel, notice, within).await {
            Ok(()) => {}
            Err(error) if error.may_pass() => {
                later.push(format!("{channel:?}: {error}"));
                continue;
            }
            Err(error) => error!(?channel, %error, "refused: this notice does not reach it"),
        }
        if let Err(error) = table.mark_sent(key, channel, SystemClock.now()).await {
            warn!(?channel, %error, "sent, but not marked so");
        }
    }
    if !later.is_empty() {
        return Err(later.join("; "));
    }
    if let Err(error) = table.mark_delivered(key, SystemClock.now()).await {
        warn!(%error, "delivered, but not marked so");
    }
    Ok(())
}

async fn send(teller: &Teller, channel: Channel, notice: &Notice, within: Duration) -> Result<(), TellError> {
    match channel {
        Channel::Sns => teller.publish(&sns::publication(notice)).await,
        Channel::Slack => teller.slack(&slack::card(notice), within).await,
    }
}
