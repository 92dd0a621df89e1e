//! What feeds the functions besides events: queues, the table's stream, schedules.

mod queue;
mod schedule;
mod stream;

pub(crate) use queue::Poller;
pub(crate) use schedule::run as run_schedule;
pub(crate) use stream::run as run_stream;

use serde_json::Value;
use std::collections::BTreeSet;

/// The ids that a ReportBatchItemFailures answer names. `None` when the answer has no such list or a broken one: Lambda then
/// takes the whole batch as failed if the member is there, and as done if the answer is empty or null.
fn failures(answer: &Value) -> Result<BTreeSet<String>, ()> {
    match &answer["batchItemFailures"] {
        Value::Null => Ok(BTreeSet::new()),
        Value::Array(items) => items
            .iter()
            .map(|item| item["itemIdentifier"].as_str().filter(|id| !id.is_empty()).map(str::to_owned).ok_or(()))
            .collect(),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_broken_list_of_failures_fails_the_whole_batch() {
        assert_eq!(failures(&json!(null)), Ok(BTreeSet::new()));
        assert_eq!(failures(&json!({"batchItemFailures": []})), Ok(BTreeSet::new()));
        assert_eq!(
            failures(&json!({"batchItemFailures": [{"itemIdentifier": "a"}]})),
            Ok(BTreeSet::from(["a".to_owned()]))
        );
        assert_eq!(failures(&json!({"batchItemFailures": [{"itemIdentifier": ""}]})), Err(()));
        assert_eq!(failures(&json!({"batchItemFailures": [{}]})), Err(()));
        assert_eq!(failures(&json!({"batchItemFailures": "a"})), Err(()));
    }
}
