//! The messages between the functions: which service to look at, and which chain of wakes that belongs to.

use serde::{Deserialize, Serialize};

use crate::ids::ServiceName;

/// A wake, as it travels through the queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which service.
    pub service: ServiceName,
    /// Why.
    #[serde(flatten)]
    pub kind: MessageKind,
}

/// Why a service is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum MessageKind {
    /// Something may have happened.
    Poke,
    /// A timer of this chain.
    Timer {
        /// The chain's token.
        token: u64,
    },
}

impl Message {
    /// Reads a message's body.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &str) -> Result<Message, String> {
        serde_json::from_str(body).map_err(|error| format!("not a wake: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was_written() {
        for kind in [MessageKind::Poke, MessageKind::Timer { token: 7 }] {
            let message = Message { service: "shop".into(), kind };
            assert_eq!(Message::parse(&serde_json::to_string(&message).unwrap()), Ok(message));
        }
        assert!(Message::parse("{}").is_err());
    }
}
