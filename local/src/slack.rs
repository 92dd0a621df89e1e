//! A sink for Slack incoming webhooks that is as strict as Slack: what it refuses, Slack would refuse.

use crate::http::{Body, answer};
use crate::inner::Inner;
use crate::lock;
use hyper::{Response, header::HeaderValue};
use model::{AwsError, Millis};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Slack lets "short bursts" through and one message a second after that.
const BURST: f64 = 4.0;

/// A post to an incoming webhook.
#[derive(Debug, Clone)]
pub struct SlackPost {
    /// When, in milliseconds since the epoch.
    pub at: Millis,
    /// The webhook's path, such as `/slack/T000/B000/xxxx`.
    pub path: String,
    /// What Slack answers: 200, 400 or 429.
    pub status: u16,
    /// `ok`, or Slack's word for what is wrong, with the reason after a colon.
    pub answer: String,
    /// The body, as JSON where it was JSON, else as a string.
    pub body: Value,
}

/// Tokens of one webhook's bucket, and when they were counted.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Millis,
}

/// Every post so far, refused ones included.
#[derive(Debug, Default)]
pub(crate) struct Slack {
    posts: Mutex<Vec<SlackPost>>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Slack {
    pub(crate) fn posts(&self) -> Vec<SlackPost> {
        lock(&self.posts).clone()
    }

    fn spend(&self, path: &str, now: Millis) -> bool {
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(path.to_owned()).or_insert(Bucket { tokens: BURST, at: now });
        bucket.tokens = (bucket.tokens + now.saturating_sub(bucket.at) as f64 / 1000.0).min(BURST);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

pub(crate) fn post(inner: &Arc<Inner>, path: &str, body: &[u8]) -> Response<Body> {
    let now = inner.clock.now();
    let document = serde_json::from_slice::<Value>(body);
    let (status, said) = if !inner.slack.spend(path, now) {
        (429, "rate_limited".to_owned())
    } else {
        match document.as_ref().map_err(|_| "invalid_payload: the body is not JSON".to_owned()).and_then(check) {
            Ok(()) => (200, "ok".to_owned()),
            Err(said) => (400, said),
        }
    };
    let word = said.split(':').next().unwrap_or_default().to_owned();
    let body = document.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body)));
    lock(&inner.slack.posts).push(SlackPost { at: now, path: path.to_owned(), status, answer: said, body });
    let mut response = answer(status, "text/html", word);
    if status == 429 {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

/// An answer of Slack's that no post led to.
pub(crate) fn refuse(error: &AwsError) -> Response<Body> {
    let mut response = answer(error.status, "text/html", error.code.clone());
    if error.status == 429 {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

/// Slack's rules for a message; the error starts with Slack's word.
fn check(message: &Value) -> Result<(), String> {
    let Some(members) = message.as_object() else { return Err("invalid_payload: not an object".into()) };
    let text = message["text"].as_str().unwrap_or_default();
    let attachments = message["attachments"].as_array().is_some_and(|list| !list.is_empty());
    let Some(blocks) = members.get("blocks") else {
        return if text.is_empty() && !attachments { Err("no_text".into()) } else { length("text", text, 40_000) };
    };
    let blocks = blocks.as_array().ok_or("invalid_blocks_format: blocks is no list")?;
    if blocks.is_empty() && text.is_empty() && !attachments {
        return Err("no_text".into());
    }
    if blocks.len() > 50 {
        return Err(format!("invalid_blocks: {} blocks, 50 are allowed", blocks.len()));
    }
    blocks.iter().try_for_each(|block| check_block(block).map_err(|reason| format!("invalid_blocks: {reason}")))?;
    length("text", text, 40_000)
}

fn check_block(block: &Value) -> Result<(), String> {
    if let Some(id) = block["block_id"].as_str() {
        length("block_id", id, 255)?;
    }
    match block["type"].as_str() {
        Some("header") => match block["text"]["type"].as_str() {
            Some("plain_text") => text_object(&block["text"], 150, "header"),
            _ => Err("a header's text must be plain_text".into()),
        },
        Some("section") => {
            let fields = block["fields"].as_array();
            if block["text"].is_null() && fields.is_none_or(Vec::is_empty) {
                return Err("a section needs text or fields".into());
            }
            if !block["text"].is_null() {
                text_object(&block["text"], 3000, "section")?;
            }
            let fields = fields.map(Vec::as_slice).unwrap_or_default();
            count("section fields", fields.len(), 10)?;
            fields.iter().try_for_each(|field| text_object(field, 2000, "section field"))
        }
        Some("context") => {
            let elements = elements(block, "context", 10)?;
            elements.iter().try_for_each(|element| match element["type"].as_str() {
                Some("image") => Ok(()),
                _ => text_object(element, 3000, "context"),
            })
        }
        Some("actions") => elements(block, "actions", 25)?.iter().try_for_each(button),
        Some("markdown") => length("markdown", block["text"].as_str().unwrap_or_default(), 12_000),
        Some("divider" | "image" | "rich_text" | "video" | "file" | "table") => Ok(()),
        Some(other) => Err(format!("unknown block type {other}")),
        None => Err("a block without a type".into()),
    }
}

fn elements<'a>(block: &'a Value, what: &str, most: usize) -> Result<&'a [Value], String> {
    let elements = block["elements"].as_array().filter(|list| !list.is_empty());
    let elements = elements.ok_or_else(|| format!("{what} without elements"))?;
    count(&format!("{what} elements"), elements.len(), most)?;
    Ok(elements)
}

fn button(element: &Value) -> Result<(), String> {
    if let Some(id) = element["action_id"].as_str() {
        length("action_id", id, 255)?;
    }
    if element["type"] == "button" {
        text_object(&element["text"], 75, "button")?;
        length("button value", element["value"].as_str().unwrap_or_default(), 2000)?;
        length("button url", element["url"].as_str().unwrap_or_default(), 3000)?;
    }
    Ok(())
}

fn text_object(object: &Value, most: usize, what: &str) -> Result<(), String> {
    let text = object["text"].as_str().unwrap_or_default();
    match object["type"].as_str() {
        Some("plain_text" | "mrkdwn") if !text.is_empty() => length(what, text, most),
        Some("plain_text" | "mrkdwn") => Err(format!("an empty text in {what}")),
        _ => Err(format!("{what} needs a text object")),
    }
}

fn length(what: &str, text: &str, most: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length > most { Err(format!("{what} has {length} characters, {most} are allowed")) } else { Ok(()) }
}

fn count(what: &str, number: usize, most: usize) -> Result<(), String> {
    if number > most { Err(format!("{number} {what}, {most} are allowed")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn section(text: &str) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    }

    #[test]
    fn a_message_needs_text_or_blocks() {
        assert_eq!(check(&json!({})), Err("no_text".into()));
        assert_eq!(check(&json!({"blocks": []})), Err("no_text".into()));
        assert_eq!(check(&json!({"text": "hello"})), Ok(()));
        assert_eq!(check(&json!({"blocks": [section("x")]})), Ok(()));
    }

    #[test]
    fn what_is_too_long_for_slack_is_refused() {
        let refused = |message: Value| check(&message).unwrap_err();
        assert!(refused(json!({"blocks": vec![section("x"); 51]})).starts_with("invalid_blocks"));
        assert!(refused(json!({"blocks": [section(&"x".repeat(3001))]})).contains("3000"));
        let header = json!({"type": "header", "text": {"type": "plain_text", "text": "é".repeat(151)}});
        assert!(refused(json!({"blocks": [header]})).contains("150"));
        let context = json!({"type": "context", "elements": vec![json!({"type": "mrkdwn", "text": "x"}); 11]});
        assert!(refused(json!({"blocks": [context]})).contains("11 context elements"));
        assert!(refused(json!({"blocks": [{"type": "banner"}]})).contains("banner"));
    }

    #[test]
    fn a_burst_passes_and_then_one_message_a_second() {
        let slack = Slack::default();
        let passed = |now| (0..10).filter(|_| slack.spend("/slack/a", now)).count();
        assert_eq!(passed(1_000), 4);
        assert_eq!(passed(1_999), 0);
        assert_eq!(passed(2_000), 1);
        assert!(slack.spend("/slack/b", 2_000), "another webhook has its own bucket");
    }
}
