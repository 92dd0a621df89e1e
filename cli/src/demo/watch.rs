//! What can be seen from outside: the service's status in the table, the weights, the journal, the alarms' events.

use super::report::Written;
use super::stage::{Set, Stage};
use anyhow::Context as _;
use local::{Cloud, LogLine};
use model::{JournalEntry, Millis, Service};
use serde_json::{Value, json};
use shared::notice::{self, Notice};
use shared::ports::Store as _;
use shared::rollout::Outcome;
use shared::time::Time;
use std::sync::{Arc, Mutex, PoisonError};

/// Who looks, where a call in process needs a name; reads are in no journal.
const LOOK: &str = "demo:look";

/// Lines of a broken function that are told.
const LAST_WORDS: usize = 12;

/// One look at a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    /// The rollout's phase; `settled` without one.
    pub(crate) phase: String,
    /// What the last decision waited for.
    pub(crate) waiting: String,
    /// Blue's and green's weight.
    pub(crate) weights: (u64, u64),
    /// The notices, oldest first.
    pub(crate) notices: Vec<Notice>,
    /// How the last rollout ended; only once none runs.
    pub(crate) ended: Option<Outcome>,
}

/// Looks at a story's service.
pub(crate) async fn look(cloud: &Cloud, stage: &Stage, set: &Set) -> anyhow::Result<Look> {
    let record = stage.table.load(&set.service).await.context("reading the status from the table")?;
    let notices = stage.table.notices(&set.service, 20).await.context("reading the notices from the table")?;
    let mut notices: Vec<Notice> = notices.into_iter().map(|stored| stored.notice).collect();
    notices.reverse();
    let status = record.status;
    let at_rest = status.rollout.is_none() && status.next.is_none() && record.inbox.is_empty();
    Ok(Look {
        phase: status.rollout.as_ref().map_or("settled", |rollout| rollout.phase.name()).to_owned(),
        waiting: status.waiting,
        weights: weights(cloud, set)?,
        notices,
        ended: status.last.filter(|_| at_rest).map(|last| last.outcome),
    })
}

/// The weights in the rule.
fn weights(cloud: &Cloud, set: &Set) -> anyhow::Result<(u64, u64)> {
    let answer = cloud.call(Service::Elb, "DescribeRules", json!({"RuleArns": [set.rule]}), LOOK)?;
    Ok((weight(&answer["Rules"][0]["Actions"], &set.blue), weight(&answer["Rules"][0]["Actions"], &set.green)))
}

/// A target group's weight in the forward action among these; 0 where it is not named.
fn weight(actions: &Value, group: &str) -> u64 {
    let actions = actions.as_array().into_iter().flatten();
    let groups = actions.filter_map(|action| action["ForwardConfig"]["TargetGroups"].as_array()).flatten();
    let found = groups.into_iter().find(|entry| entry["TargetGroupArn"] == group);
    found.map_or(0, |entry| entry["Weight"].as_u64().or_else(|| entry["Weight"].as_str()?.parse().ok()).unwrap_or(0))
}

/// A notice in one line.
pub(crate) fn words(notice: &Notice) -> String {
    let telling = notice::tell(notice);
    format!("{} {}. {}", telling.tone.symbol(), telling.title, telling.body)
}

/// The journal since an entry.
pub(crate) fn journal(cloud: &Cloud, since: usize) -> Vec<JournalEntry> {
    cloud.with_world(|world| world.journal().get(since..).unwrap_or_default().to_vec())
}

/// The first write that lowered green's weight. Every story starts on blue.
pub(crate) fn first_back(journal: &[JournalEntry], rule: &str, green: &str) -> Option<Written> {
    let writes = journal.iter().filter(|entry| entry.service == Service::Elb && entry.error.is_none());
    let mut before = 0;
    for entry in writes.filter(|entry| entry.operation == "ModifyRule" && entry.input["RuleArn"] == rule) {
        let now = weight(&entry.input["Actions"], green);
        if now < before {
            return Some(Written { at: entry.at, by: entry.caller.clone() });
        }
        before = now;
    }
    None
}

/// The first word to ECS to take a deployment back; the weights are ECS's to write.
pub(crate) fn first_stop(journal: &[JournalEntry]) -> Option<Written> {
    let stop = |entry: &&JournalEntry| entry.operation == "StopServiceDeployment" && entry.error.is_none();
    journal.iter().find(stop).map(|entry| Written { at: entry.at, by: entry.caller.clone() })
}

/// Whether the journal entry changes what runs or where traffic goes, by its service. Queues and topics carry words only.
fn changes_the_world(entry: &JournalEntry) -> bool {
    match entry.service {
        Service::Ecs | Service::Elb | Service::AutoScaling | Service::CloudWatch => true,
        Service::Ec2 | Service::Ecr | Service::Sqs | Service::Sns | Service::SecretsManager | Service::Sts => false,
    }
}

/// How many changes the functions made, and every change that somebody else made. What ECS itself does, as with the weights of
/// its own strategies, is neither.
pub(crate) fn changes(journal: &[JournalEntry]) -> (usize, Vec<String>) {
    let (functions, others): (Vec<_>, Vec<_>) = journal
        .iter()
        .filter(|entry| changes_the_world(entry) && entry.caller != "service:ecs")
        .partition(|entry| entry.caller.starts_with("function:"));
    (functions.len(), others.into_iter().map(|entry| format!("{} by {}", entry.operation, entry.caller)).collect())
}

/// When one of the service's alarms first changed to ALARM.
pub(crate) fn first_alarm(cloud: &Cloud, service: &str, since: Millis) -> Option<(String, Millis)> {
    let names = ["blue", "green"].map(|colour| format!("{service}-{colour}-5xx"));
    cloud.events().iter().find_map(|event| {
        let detail = &event["detail"];
        let name = detail["alarmName"].as_str().filter(|name| names.iter().any(|known| known == name))?;
        let at = Time::parse(detail["state"]["timestamp"].as_str()?)?.0;
        (detail["state"]["value"] == "ALARM" && at >= since).then(|| (name.to_owned(), at))
    })
}

/// Notices when a function is broken: processes that die or do not start, events given up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Watches the functions' log.
    pub(crate) fn watch(cloud: &Cloud) -> Trouble {
        let trouble = Trouble::default();
        let first = trouble.clone();
        cloud.on_log(Arc::new(move |line: &LogLine| {
            if line.function == "local" && is_trouble(&line.line) {
                first.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| line.line.clone());
            }
        }));
        trouble
    }

    /// The first trouble, with the function's last words.
    pub(crate) fn told(&self, cloud: &Cloud) -> Option<String> {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let name = first.split(' ').next().unwrap_or_default();
        let log = cloud.function_log();
        let own: Vec<&str> = log.iter().filter(|line| line.function == name).map(|line| line.line.as_str()).collect();
        let last = own[own.len().saturating_sub(LAST_WORDS)..].join("\n  ");
        let last = if last.is_empty() { "it wrote nothing".to_owned() } else { format!("its last words:\n  {last}") };
        Some(format!("function {first}; {last}"))
    }
}

/// A function that answers with an error is tried again and may be right to; one that dies is broken.
fn is_trouble(remark: &str) -> bool {
    ["Runtime exited", "starting ", "init phase", "Task timed out"]
        .iter()
        .any(|sign| remark.contains(&format!(" failed: {sign}")))
        || remark.contains("the init phase took longer")
        || remark.contains(" gave up on an event")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(caller: &str, service: Service, operation: &str, green: Value) -> JournalEntry {
        let groups = json!([{"TargetGroupArn": "b", "Weight": 1}, {"TargetGroupArn": "g", "Weight": green}]);
        let input =
            json!({"RuleArn": "r", "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]});
        JournalEntry { at: 7, caller: caller.to_owned(), service, operation: operation.to_owned(), input, error: None }
    }

    #[test]
    fn the_first_lowered_weight_is_the_way_back() {
        let up = entry("function:advance", Service::Elb, "ModifyRule", json!("10"));
        let down = entry("function:on-alarm", Service::Elb, "ModifyRule", json!(0));
        assert_eq!(first_back(std::slice::from_ref(&up), "r", "g"), None);
        let mut refused = down.clone();
        refused.error = Some("Throttling".to_owned());
        let found = first_back(&[up, refused, down], "r", "g");
        assert_eq!(found, Some(Written { at: 7, by: "function:on-alarm".to_owned() }));
    }

    #[test]
    fn a_change_by_anybody_but_a_function_is_named() {
        let journal = [
            entry("function:advance", Service::Ecs, "UpdateService", json!(0)),
            entry("user:demo", Service::Elb, "ModifyRule", json!(0)),
            entry("demo:push", Service::Ecr, "PutImage", json!(0)),
            entry("service:lambda", Service::Sqs, "SendMessage", json!(0)),
        ];
        assert_eq!(changes(&journal), (1, vec!["ModifyRule by user:demo".to_owned()]));
    }

    #[test]
    fn a_dying_function_is_trouble_and_a_failing_one_is_not() {
        assert!(is_trouble("advance failed: Runtime exited before it asked for work: exit status: 1"));
        assert!(is_trouble("advance failed: starting /tmp/advance: Permission denied"));
        assert!(is_trouble("notify gave up on an event of x after 3 attempts"));
        assert!(!is_trouble("advance failed: {\"errorType\":\"Error\"}"));
    }
}
