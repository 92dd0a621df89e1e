//! A notice as an SNS message: a subject and a text for mail, and the same as JSON for machines.

use serde_json::json;

use super::{Notice, tell};

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Under 100 characters of ASCII without line breaks, as SNS wants it.
    pub subject: String,
    /// The words.
    pub text: String,
    /// The notice and its words as one JSON document.
    pub json: String,
}

/// The publication of a notice.
#[must_use]
pub fn publication(notice: &Notice) -> Publication {
    let telling = tell(notice);
    let subject: String =
        telling.title.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).take(99).collect();
    let mut text = format!("{}\n\n{}\n", telling.title, telling.body);
    if !telling.advice.is_empty() {
        text.push_str(&format!("\n{}\n", telling.advice));
    }
    let json = json!({
        "version": 1, "service": notice.service, "rollout": notice.rollout, "number": notice.number,
        "at": notice.at.to_string(), "milestone": notice.milestone, "words": telling,
    });
    Publication { subject, text, json: json.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Milestone;
    use crate::time::Time;

    #[test]
    fn the_subject_is_what_sns_takes() {
        let notice = Notice {
            service: "shop".into(),
            rollout: None,
            number: 1,
            at: Time(0),
            milestone: Milestone::Refused {
                what: format!("größe\n{}", "x".repeat(200)),
                reason: "r".to_owned(),
                advice: String::new(),
            },
        };
        let subject = publication(&notice).subject;
        assert!(subject.len() < 100 && subject.is_ascii() && !subject.contains('\n'), "{subject}");
    }
}
