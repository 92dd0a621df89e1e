//! What came of the stories: the verdict on each, the table in the end.

use super::story::{Ending, LEAST_RATE, Story};
use super::traffic::Counted;
use crate::output::{Paint, columns};
use model::Millis;
use serde::Serialize;
use shared::rollout::{Cause, Outcome};
use std::collections::BTreeMap;

/// A write of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Written {
    /// When.
    pub(crate) at: Millis,
    /// By whom, as the journal has it.
    pub(crate) by: String,
}

/// Everything seen of one story.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    /// From the push to the end.
    pub(crate) seconds: f64,
    /// Why it was given up: past its deadline with what it waited for, or a broken function.
    pub(crate) given_up: Option<String>,
    /// How the rollout ended.
    pub(crate) outcome: Option<Outcome>,
    /// What the clients counted.
    pub(crate) traffic: Counted,
    /// From the first request to the last, in seconds.
    pub(crate) traffic_seconds: f64,
    /// Answers that the load balancer counted.
    pub(crate) balancer: u64,
    /// 5XX answers that the load balancer counted, its own included.
    pub(crate) balancer_server_errors: u64,
    /// Answers by tag in the second after the end.
    pub(crate) after: BTreeMap<String, u64>,
    /// Blue's and green's weight in the end.
    pub(crate) weights: (u64, u64),
    /// The first alarm of the service that fired, and when.
    pub(crate) alarm: Option<(String, Millis)>,
    /// The first write back.
    pub(crate) written_back: Option<Written>,
    /// Changes that the functions made.
    pub(crate) changes_by_functions: usize,
    /// Changes that somebody else made.
    pub(crate) changes_by_others: Vec<String>,
    /// Posts that Slack took.
    pub(crate) slack_posts: usize,
}

/// One story, told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    /// The story.
    pub(crate) story: &'static str,
    /// The service it played on.
    pub(crate) service: &'static str,
    /// How it had to end.
    pub(crate) expected: Ending,
    /// Whether it did, in everything.
    pub(crate) as_told: bool,
    /// What differed.
    pub(crate) differed: Vec<String>,
    /// Seconds from the first 5XX that a client got to the alarm's change to ALARM.
    pub(crate) first_error_to_alarm_seconds: Option<f64>,
    /// Seconds from there to the weights written.
    pub(crate) alarm_to_weights_seconds: Option<f64>,
    /// What was seen.
    pub(crate) evidence: Evidence,
}

/// The document of the whole demo.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// Whether all stories ended as told.
    pub(crate) ok: bool,
    /// From the start of the set-up to the end.
    pub(crate) seconds: f64,
    /// The stories, in order.
    pub(crate) stories: Vec<Told>,
}

impl Told {
    /// Judges a story.
    pub(crate) fn new(story: &'static Story, evidence: Evidence) -> Told {
        let differed = differences(story, &evidence);
        let alarm = evidence.alarm.as_ref().map(|(_, at)| *at);
        let between = |from: Option<Millis>, to: Option<Millis>| Some((to? as f64 - from? as f64) / 1000.0);
        Told {
            story: story.title,
            service: story.service,
            expected: story.ending,
            as_told: differed.is_empty(),
            differed,
            first_error_to_alarm_seconds: between(evidence.traffic.first_server_error, alarm),
            alarm_to_weights_seconds: between(alarm, evidence.written_back.as_ref().map(|written| written.at)),
            evidence,
        }
    }
}

/// Every way in which the story did not go as told.
fn differences(story: &Story, seen: &Evidence) -> Vec<String> {
    let mut all = Vec::new();
    let mut must = |holds: bool, otherwise: String| {
        if !holds {
            all.push(otherwise);
        }
    };
    if let Some(why) = &seen.given_up {
        must(false, why.clone());
    }
    let ended = match (story.ending, &seen.outcome) {
        (Ending::Completed, Some(Outcome::Completed))
        | (Ending::BackByAlarm, Some(Outcome::RolledBack(Cause::Alarm { .. })))
        | (Ending::BackWithoutAlarm, Some(Outcome::RolledBack(Cause::Unhealthy(_)))) => true,
        (Ending::Completed | Ending::BackByAlarm | Ending::BackWithoutAlarm, _) => false,
    };
    must(ended, format!("it ended as {}", outcome(seen.outcome.as_ref())));
    let traffic = &seen.traffic;
    must(traffic.connection_errors == 0, format!("{} requests got no answer", traffic.connection_errors));
    must(traffic.other == 0, format!("{} answers were neither 2XX nor 5XX", traffic.other));
    must(
        traffic.answered == seen.balancer && traffic.server_errors == seen.balancer_server_errors,
        format!(
            "the clients counted {} answers ({} 5XX), the load balancer {} ({} 5XX)",
            traffic.answered, traffic.server_errors, seen.balancer, seen.balancer_server_errors
        ),
    );
    let rate = traffic.answered as f64 / seen.traffic_seconds.max(0.001);
    must(rate >= LEAST_RATE, format!("only {rate:.0} requests a second were answered"));
    let tag = story.ending.tag();
    let only = seen.after.len() == 1 && seen.after.contains_key(tag);
    must(only, format!("in the end answered {:?} instead of {tag} alone", seen.after));
    let weights_right = match story.ending {
        Ending::Completed => seen.weights.0 == 0 && seen.weights.1 > 0,
        Ending::BackByAlarm | Ending::BackWithoutAlarm => seen.weights.0 > 0 && seen.weights.1 == 0,
    };
    must(weights_right, format!("the weights in the end are blue {}, green {}", seen.weights.0, seen.weights.1));
    must(seen.changes_by_others.is_empty(), format!("not the functions alone: {}", seen.changes_by_others.join(", ")));
    must(seen.changes_by_functions > 0, "the functions changed nothing".to_owned());
    match story.ending {
        Ending::Completed => {
            must(traffic.server_errors == 0, format!("{} requests failed", traffic.server_errors));
            must(seen.alarm.is_none(), format!("an alarm fired: {:?}", seen.alarm));
        }
        Ending::BackByAlarm => {
            must(traffic.server_errors > 0, "no request failed, so nothing was shown".to_owned());
            must(seen.alarm.is_some(), "no alarm fired".to_owned());
            must(seen.written_back.is_some(), "no write back is in the journal".to_owned());
        }
        Ending::BackWithoutAlarm => {
            must(seen.alarm.is_none(), format!("an alarm fired: {:?}", seen.alarm));
            must(seen.written_back.is_some(), "no write back is in the journal".to_owned());
        }
    }
    all
}

fn outcome(outcome: Option<&Outcome>) -> String {
    match outcome {
        None => "not at all".to_owned(),
        Some(Outcome::Completed) => "completed".to_owned(),
        Some(Outcome::RolledBack(cause)) => format!("rolled back: {}", shared::notice::cause(cause)),
        Some(Outcome::Refused(reason)) => format!("refused: {reason}"),
        Some(Outcome::Superseded(by)) => format!("superseded by {by}"),
        Some(Outcome::Observed) => "observed".to_owned(),
        Some(Outcome::Cancelled(why)) => format!("taken back before any traffic: {}", shared::notice::cause(why)),
        Some(Outcome::GivenUp(by)) => format!("given up by {by}"),
    }
}

/// The table, and below it what differed. `LOST` are requests without an answer; the two spans are from the first 5XX that a
/// client got to the alarm's change, and from there to the weights written back.
pub(crate) fn table(document: &Document, paint: Paint) -> String {
    let header = ["STORY", "RESULT", "TOOK", "REQUESTS", "5XX", "LOST", "5XX>ALARM", "ALARM>WEIGHTS", "BACK BY"];
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2} s"));
    let rows: Vec<Vec<String>> = document
        .stories
        .iter()
        .map(|told| {
            let Evidence { seconds: took, traffic, written_back, .. } = &told.evidence;
            vec![
                told.story.to_owned(),
                if told.as_told { "as told" } else { "NOT AS TOLD" }.to_owned(),
                format!("{took:.1} s"),
                traffic.answered.to_string(),
                traffic.server_errors.to_string(),
                traffic.connection_errors.to_string(),
                seconds(told.first_error_to_alarm_seconds),
                seconds(told.alarm_to_weights_seconds),
                written_back.as_ref().map_or("-".to_owned(), |written| written.by.replace("function:", "")),
            ]
        })
        .collect();
    let mut text = columns(paint, &header, &rows);
    for told in document.stories.iter().filter(|told| !told.as_told) {
        text.push_str(&format!("\n\n{}", paint.red(&format!("{} ({}):", told.story, told.service))));
        for difference in &told.differed {
            text.push_str(&format!("\n  - {difference}"));
        }
    }
    let writes: usize = document.stories.iter().map(|told| told.evidence.changes_by_functions).sum();
    let last = if document.ok {
        paint.green(&format!(
            "All stories ended as told in {:.0} s. The functions made all {writes} changes; the clients' counts equal the load balancers'.",
            document.seconds
        ))
    } else {
        paint.red(&format!("Not as told, after {:.0} s.", document.seconds))
    };
    format!("{text}\n\n{last}")
}

#[cfg(test)]
mod tests;
