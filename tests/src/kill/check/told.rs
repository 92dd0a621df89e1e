//! What people were told, in which order, and how often.

use super::{End, Wrong};
use aws::store::StoredNotice;
use serde_json::{Value, json};
use shared::notice::{slack, sns};
use shared::rollout::Outcome;

pub(super) fn told(end: &End<'_>, outcome: &Outcome, mut stored: Vec<StoredNotice>, wrong: &mut Wrong) {
    stored.sort_by_key(|stored| stored.notice.number);
    let kind = |stored: &StoredNotice| json!(stored.notice)["milestone"]["kind"].as_str().unwrap_or("?").to_owned();
    let kinds: Vec<String> = stored.iter().map(kind).collect();
    let expected = end.story.told(outcome);
    wrong.unless(kinds == expected, || format!("people were told {kinds:?} instead of {expected:?}"));
    let numbers: Vec<u64> = stored.iter().map(|stored| stored.notice.number).collect();
    let in_turn: Vec<u64> = (1..=numbers.len() as u64).collect();
    wrong.unless(numbers == in_turn, || format!("the notices have the numbers {numbers:?}"));
    // A delivery that was cut off is made again: only there twice is right.
    let again = end.case.is_some_and(|case| case.called.function == "notify" || case.called.service == "slack");
    let posts: Vec<Value> = end
        .scene
        .cloud
        .slack_posts()
        .into_iter()
        .skip(end.before.posts)
        .filter(|post| post.status == 200)
        .map(|post| post.body)
        .collect();
    let messages: Vec<String> = end
        .scene
        .cloud
        .sns_messages()
        .into_iter()
        .skip(end.before.messages)
        .filter_map(|sent| serde_json::from_str::<Value>(&sent.message).ok()?["sqs"].as_str().map(str::to_owned))
        .collect();
    let (mut known_posts, mut known_messages) = (0, 0);
    for stored in &stored {
        let card = slack::card(&stored.notice);
        let text = sns::publication(&stored.notice).json;
        let posted = posts.iter().filter(|post| **post == card).count();
        let published = messages.iter().filter(|message| **message == text).count();
        for (channel, times) in [("Slack", posted), ("SNS", published)] {
            wrong.unless(times == 1 || (again && times > 1), || {
                format!("{channel} has notice {} ({}) {times} times", stored.notice.number, kind(stored))
            });
        }
        known_posts += posted;
        known_messages += published;
    }
    wrong.unless((known_posts, known_messages) == (posts.len(), messages.len()), || {
        format!("{} posts and {} messages are no notice", posts.len() - known_posts, messages.len() - known_messages)
    });
}
