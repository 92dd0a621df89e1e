//! Telling people: SNS, and a Slack incoming webhook. What is said is built in `shared::notice`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shared::notice::sns::Publication;

use crate::clients::Clients;
use crate::clock::monotonic;
use crate::errors::{During, Failure};
use crate::web::{Web, WebAnswer};

/// Why something was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// The channel asks to wait, longer than the caller can.
    #[error("{what} asks to wait {after:?}")]
    Later {
        /// Who.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The channel refused it; the same again would be refused again.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}

impl TellError {
    /// Whether the same message may get through later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            TellError::Later { .. } | TellError::Unavailable(_) => true,
            TellError::Refused(_) => false,
        }
    }
}

impl From<Failure> for TellError {
    fn from(failure: Failure) -> TellError {
        let text = failure.to_string();
        if failure.transient() { TellError::Unavailable(text) } else { TellError::Refused(text) }
    }
}

/// One post to Slack.
const SLACK_TIMEOUT: Duration = Duration::from_secs(5);

/// What Slack asks for with 429 and no `Retry-After`: a webhook takes about one message per second.
const SLACK_PAUSE: Duration = Duration::from_secs(1);

/// The channels of one installation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Teller {
    sns: aws_sdk_sns::Client,
    secrets: aws_sdk_secretsmanager::Client,
    web: Web,
    topic: Option<String>,
    slack_secret: Option<String>,
    /// The webhook's URL, once read. It is a secret and is never logged.
    webhook: Arc<Mutex<Option<String>>>,
}

impl Teller {
    /// Channels by the topic's ARN and the ARN of the secret that holds the webhook's URL.
    #[must_use]
    pub fn new(clients: &Clients, topic: Option<String>, slack_secret: Option<String>) -> Teller {
        Teller {
            sns: clients.sns.clone(),
            secrets: clients.secrets.clone(),
            web: clients.web(),
            topic,
            slack_secret,
            webhook: Arc::default(),
        }
    }

    /// Whether there is a topic.
    #[must_use]
    pub fn has_topic(&self) -> bool {
        self.topic.is_some()
    }

    /// Whether there is a Slack webhook.
    #[must_use]
    pub fn has_slack(&self) -> bool {
        self.slack_secret.is_some()
    }

    /// Publishes to the topic; without one, does nothing. People's mail gets the words, machines get JSON.
    ///
    /// # Errors
    /// What SNS says.
    pub async fn publish(&self, publication: &Publication) -> Result<(), TellError> {
        let Some(topic) = &self.topic else { return Ok(()) };
        let mut forms = serde_json::Map::new();
        for protocol in ["default", "email"] {
            forms.insert(protocol.to_owned(), Value::String(publication.text.clone()));
        }
        for protocol in ["email-json", "http", "https", "sqs", "lambda", "firehose"] {
            forms.insert(protocol.to_owned(), Value::String(publication.json.clone()));
        }
        let request = self.sns.publish().topic_arn(topic).subject(subject_line(&publication.subject));
        let request = request.message(Value::Object(forms).to_string()).message_structure("json");
        request.send().await.during("sns:Publish")?;
        Ok(())
    }

    /// Posts a message to Slack; without a webhook, does nothing. Waits when Slack asks to, as long as all of it
    /// ends `within` this time.
    ///
    /// # Errors
    /// What Slack says, or that there was no time to wait.
    pub async fn slack(&self, message: &Value, within: Duration) -> Result<(), TellError> {
        let Some(secret) = &self.slack_secret else { return Ok(()) };
        let until = monotonic() + within;
        loop {
            let url = self.webhook(secret).await?;
            let left = until.saturating_duration_since(monotonic()).min(SLACK_TIMEOUT);
            if left.is_zero() {
                return Err(TellError::Unavailable("there was no time left to post to Slack".to_owned()));
            }
            let answer = self.web.post_json(&url, message.to_string(), left).await;
            let answer =
                answer.map_err(|error| TellError::Unavailable(format!("Slack could not be reached: {error}")))?;
            match verdict(&answer) {
                Ok(()) => return Ok(()),
                Err(TellError::Later { after, .. }) if monotonic() + after < until => tokio::time::sleep(after).await,
                Err(error) => {
                    // The webhook may have been replaced: its URL is read again the next time.
                    if matches!(answer.status, 403 | 404 | 410) {
                        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn webhook(&self, secret: &str) -> Result<String, TellError> {
        if let Some(url) = self.webhook.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(url);
        }
        let request = self.secrets.get_secret_value().secret_id(secret);
        let answer = request.send().await.during("secretsmanager:GetSecretValue")?;
        let url = webhook_url(answer.secret_string().unwrap_or_default()).ok_or_else(|| {
            TellError::Refused(format!(
                "the secret {secret} holds no webhook URL; store it as plain text or as {{\"url\": \"https://...\"}}"
            ))
        })?;
        *self.webhook.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        Ok(url)
    }
}

/// The URL in a secret: plain, or as a member `url`, as the console's key/value form makes it.
fn webhook_url(secret: &str) -> Option<String> {
    let text = secret.trim();
    let url = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(members)) => members.get("url")?.as_str()?.trim().to_owned(),
        Ok(Value::String(url)) => url,
        Ok(_) | Err(_) => text.to_owned(),
    };
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

/// What Slack's answer means (api.slack.com/messaging/webhooks: 200 `ok`, else a status and a word).
fn verdict(answer: &WebAnswer) -> Result<(), TellError> {
    let words: String = answer.body.chars().take(200).collect();
    match answer.status {
        200..=299 => Ok(()),
        429 => {
            let after = answer.retry_after.map_or(SLACK_PAUSE, Duration::from_secs);
            Err(TellError::Later { what: "Slack", after })
        }
        500.. => Err(TellError::Unavailable(format!("Slack answered {}: {words}", answer.status))),
        status => Err(TellError::Refused(format!("Slack answered {status}: {words}"))),
    }
}

/// SNS takes fewer than 100 characters of ASCII without line breaks (SNS API, Publish).
fn subject_line(subject: &str) -> String {
    let plain: String = subject.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    let mut line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(99);
    let line = line.trim_end().to_owned();
    if line.is_empty() { "Flipback".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>, body: &str) -> Result<(), TellError> {
        verdict(&WebAnswer { status, retry_after, body: body.to_owned() })
    }

    #[test]
    fn slack_is_obeyed() {
        assert_eq!(answered(200, None, "ok"), Ok(()));
        assert_eq!(answered(429, Some(7), ""), Err(TellError::Later { what: "Slack", after: Duration::from_secs(7) }));
        assert!(
            matches!(answered(400, None, "invalid_blocks"), Err(TellError::Refused(text)) if text.contains("invalid_blocks"))
        );
        assert!(matches!(answered(503, None, ""), Err(TellError::Unavailable(_))));
    }

    #[test]
    fn the_webhook_may_be_stored_plain_or_as_json() {
        for secret in ["https://hooks/x\n", r#"{"url": "https://hooks/x"}"#, r#""https://hooks/x""#] {
            assert_eq!(webhook_url(secret).as_deref(), Some("https://hooks/x"), "{secret}");
        }
        assert_eq!(webhook_url(""), None);
        assert_eq!(webhook_url(r#"{"token": "x"}"#), None);
    }

    #[test]
    fn a_subject_is_what_sns_takes() {
        assert_eq!(subject_line("shop: rolled back\n\u{1f525}now"), "shop: rolled back now");
        assert!(subject_line(&"word ".repeat(50)).len() < 100);
        assert_eq!(subject_line("\n"), "Flipback");
    }
}
