//! A notice as a Slack message: one Block Kit card, within Slack's limits.

use serde_json::{Value, json};

use super::{Notice, tell};

/// Slack refuses longer headers.
const HEADER: usize = 150;
/// Slack refuses longer section texts.
const SECTION: usize = 3000;

/// The body of an incoming webhook's POST.
#[must_use]
pub fn card(notice: &Notice) -> Value {
    let telling = tell(notice);
    let title = format!("{} {}", telling.tone.symbol(), telling.title);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&title, HEADER), "emoji": true } }),
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&escape(&telling.body), SECTION) } }),
    ];
    if !telling.advice.is_empty() {
        let text = cut(&escape(&telling.advice), SECTION);
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
    }
    let rollout = notice.rollout.as_ref().map_or("no rollout", |rollout| rollout.as_str());
    let foot = format!("{} · {}", escape(rollout), notice.at);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": cut(&foot, SECTION) }] }));
    json!({ "text": cut(&escape(&title), SECTION), "blocks": blocks })
}

/// Slack's three control characters; nothing else is escaped. A tag with `<!channel>` in it must not call anybody.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many characters, cut at a character's border and before an escape, with an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most - 1).collect();
    // `&amp;` is the longest escape: an `&` further from the end is none, or a whole one.
    if let Some(at) = kept.rfind('&')
        && kept.len() - at < "&amp;".len()
        && !kept[at..].contains(';')
    {
        kept.truncate(at);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Milestone;
    use crate::time::Time;

    fn refused(what: &str, reason: &str) -> Value {
        card(&Notice {
            service: "shop".into(),
            rollout: None,
            number: 1,
            at: Time(0),
            milestone: Milestone::Refused { what: what.to_owned(), reason: reason.to_owned(), advice: String::new() },
        })
    }

    #[test]
    fn a_tag_cannot_call_the_channel() {
        let card = refused("api:<!channel>", "a & b <@U1>").to_string();
        assert!(
            !card.contains("<!channel>\"") && card.contains("a &amp; b &lt;@U1&gt;")
                || card.contains("A &amp; b &lt;@U1&gt;"),
            "{card}"
        );
        assert!(!refused("x", "<!here>").to_string().contains("<!here>"));
    }

    #[test]
    fn a_long_title_is_not_cut_at_an_ampersand_far_from_its_end() {
        let card = refused(&format!("r&d:{}", "t".repeat(500)), "x");
        assert_eq!(card["blocks"][0]["text"]["text"].as_str().unwrap().chars().count(), HEADER);
    }

    #[test]
    fn a_long_notice_stays_within_slacks_limits() {
        let card = refused(&"t".repeat(500), &"&<".repeat(5000));
        let blocks = card["blocks"].as_array().unwrap();
        assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= HEADER);
        let section = blocks[1]["text"]["text"].as_str().unwrap();
        assert!(section.chars().count() <= SECTION && section.ends_with('…'));
        assert!(!section.trim_end_matches('…').ends_with("&l") && !section.trim_end_matches('…').ends_with("&am"));
    }
}
