//! Following a service until it is settled: `flipback wait`, and `--wait` of everything that records.

use crate::args;
use crate::installation::{Installation, now};
use crate::output::{Out, Paint, remark};
use crate::run::Exit;
use crate::status::{outcome, percent, what, words};
use serde::Serialize;
use shared::ids::{IntentId, RolloutId, ServiceName};
use shared::notice::{Milestone, Notice, tell};
use shared::ports::{Record, Store as _, StoreError};
use shared::rollout::{Outcome, Status};
use shared::time::Span;
use std::time::Duration;

/// Between two looks. Two consistent reads of DynamoDB each: nothing beside what a person's time costs.
const PAUSE: Duration = Duration::from_secs(1);

/// The outcome of a wait whose time is over.
const TIMED_OUT: &str = "timedOut";

/// So many failed readings in a row end the waiting.
const PATIENCE: u32 = 30;

/// What is followed, and what would be good news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Whatever runs; the last rollout's outcome counts.
    Whatever,
    /// A rollout that goes forward.
    Forward,
    /// That this rollout, if any, goes back; of any later one, that it completes.
    Back(Option<RolloutId>),
    /// Only that the wish is taken up (pause, release): nothing ends by it.
    TakenUp,
}

/// Whom to follow.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// The service.
    pub(crate) service: ServiceName,
    /// The wish that was recorded, and the number of the last notice before it.
    pub(crate) intent: Option<(IntentId, u64)>,
    /// The last rollout that had ended before.
    pub(crate) before: Option<RolloutId>,
    /// What was asked.
    pub(crate) asked: Asked,
    /// The images that were asked to be deployed, as `REPOSITORY:TAG`.
    pub(crate) images: Vec<String>,
}

/// One line of what is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    at: String,
    service: String,
    rollout: Option<String>,
    phase: String,
    weight: Option<u8>,
    #[serde(skip_serializing_if = "String::is_empty")]
    waiting: String,
    /// Set in the last line, as the two after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
}

/// What one look says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// It goes on.
    Moving { rollout: Option<String>, phase: String, weight: Option<u8>, waiting: String },
    /// The time is over, and it goes on: as it was seen last.
    TimedOut { rollout: Option<String>, phase: String, weight: Option<u8>, waiting: String, reason: String },
    /// It is settled: what came of it.
    Settled { rollout: Option<String>, outcome: &'static str, reason: String, exit: Exit },
}

/// Runs `flipback wait`.
pub(crate) async fn run(args: &args::Wait, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let service = ServiceName::from(args.service.as_str());
    installation.record(&service).await?;
    let follower = Follower { service, intent: None, before: None, asked: Asked::Whatever, images: Vec::new() };
    follower.follow(installation, args.timeout, out).await
}

impl Follower {
    /// Follows until it is settled or the time is over, a line for each change.
    pub(crate) async fn follow(&self, installation: &Installation, timeout: Span, out: Out) -> anyhow::Result<Exit> {
        let until = tokio::time::Instant::now() + timeout.to_std();
        let (mut last, mut failed) = (None, 0);
        loop {
            match installation.table.load(&self.service).await {
                Ok(record) => {
                    failed = 0;
                    let mut seen = self.look(&record);
                    if let Some(declined) = self.declined(installation, &record).await? {
                        seen = declined;
                    }
                    if last.as_ref() != Some(&seen) {
                        self.say(&seen, out);
                    }
                    if let Seen::Settled { exit, .. } = seen {
                        return Ok(exit);
                    }
                    last = Some(seen);
                }
                Err(StoreError::Unavailable(why)) if failed < PATIENCE => {
                    if failed == 0 {
                        remark(&format!("the table cannot be read at present ({why}); still waiting"));
                    }
                    failed += 1;
                }
                Err(error) => return Err(error.into()),
            }
            if tokio::time::Instant::now() >= until {
                let reason = format!("it is not settled after {timeout}, and goes on by itself");
                self.say(&timed_out(last, reason), out);
                return Ok(Exit::TimedOut);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What a record says.
    fn look(&self, record: &Record) -> Seen {
        let Record { status, inbox, .. } = record;
        if self.intent.as_ref().is_some_and(|(id, _)| inbox.iter().any(|intent| intent.id == *id)) {
            return moving(status, Some("the wish to be taken up"));
        }
        if self.asked == Asked::TakenUp {
            return settled("done", "", Exit::Done);
        }
        if status.rollout.is_some() || status.next.is_some() || !inbox.is_empty() {
            return moving(status, None);
        }
        let last = status.last.as_ref().filter(|last| Some(&last.rollout) != self.before.as_ref());
        let Some(last) = last else {
            return match self.asked {
                Asked::Whatever => settled("nothing", "no rollout has run", Exit::Done),
                Asked::Forward | Asked::Back(_) | Asked::TakenUp => {
                    let why = format!("no rollout was started; flipback why {} may tell", self.service);
                    settled("nothing", &why, Exit::Failed)
                }
            };
        };
        let (name, reason) = outcome(&last.outcome);
        let wished_back = matches!(&self.asked, Asked::Back(Some(rollout)) if *rollout == last.rollout);
        let exit = match (&last.outcome, wished_back) {
            (Outcome::Completed | Outcome::Observed, false)
            | (Outcome::RolledBack(_) | Outcome::Cancelled(_) | Outcome::Refused(_), true) => Exit::Done,
            (Outcome::RolledBack(_) | Outcome::Cancelled(_), false) => Exit::RolledBack,
            (Outcome::GivenUp(_) | Outcome::Superseded(_), _)
            | (Outcome::Refused(_), false)
            | (Outcome::Completed | Outcome::Observed, true) => Exit::Failed,
        };
        let rollout = Some(last.rollout.to_string());
        Seen::Settled { rollout, outcome: name, reason: reason.unwrap_or_default(), exit }
    }

    /// Whether the wish was declined: the loop tells that in a notice.
    async fn declined(&self, installation: &Installation, record: &Record) -> anyhow::Result<Option<Seen>> {
        let Some((id, notices_before)) = &self.intent else { return Ok(None) };
        if record.inbox.iter().any(|intent| intent.id == *id) {
            return Ok(None);
        }
        let notices = installation.table.notices(&self.service, 5).await?;
        let wish = id.as_str().split('/').nth(1).unwrap_or_default();
        let of_this = |notice: &&Notice| {
            let Milestone::Declined { wish: declined, .. } = &notice.milestone else { return false };
            // What waited is declined by its images, which may be somebody else's.
            let mine = |list: &str| list.split(" and ").any(|image| self.images.iter().any(|own| own == image));
            let declined = declined == wish || wish == "deploy" && declined.strip_prefix("deploy ").is_some_and(mine);
            declined && notice.number > *notices_before
        };
        let declined = notices.iter().map(|stored| &stored.notice).find(of_this);
        Ok(declined.map(|notice| settled("declined", &tell(notice).body, Exit::Failed)))
    }

    fn say(&self, seen: &Seen, out: Out) {
        let at = now().to_string();
        let service = self.service.to_string();
        let (text, line) = match seen {
            Seen::Moving { rollout, phase, weight, waiting } => {
                let share = weight.map_or_else(String::new, |weight| format!(" {weight} %"));
                let id = rollout.as_ref().map_or_else(|| service.clone(), Clone::clone);
                let text = format!("{at}  {id}  {phase}{share}  waits for {waiting}");
                let (rollout, phase, waiting) = (rollout.clone(), phase.clone(), waiting.clone());
                let (outcome, reason, exit) = (None, None, None);
                (text, Line { at, service, rollout, phase, weight: *weight, waiting, outcome, reason, exit })
            }
            Seen::TimedOut { rollout, phase, weight, waiting, reason } => {
                let id = rollout.as_ref().unwrap_or(&service);
                let text = format!("{at}  {id}  {}: {reason}", tone(out.paint, Exit::TimedOut, words(TIMED_OUT)));
                let line = Line {
                    at,
                    service,
                    rollout: rollout.clone(),
                    phase: phase.clone(),
                    weight: *weight,
                    waiting: waiting.clone(),
                    outcome: Some(TIMED_OUT),
                    reason: Some(reason.clone()),
                    exit: Some(Exit::TimedOut.code()),
                };
                (text, line)
            }
            Seen::Settled { rollout, outcome, reason, exit } => {
                let id = rollout.as_ref().unwrap_or(&service);
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let text = format!("{at}  {id}  {}{why}", tone(out.paint, *exit, words(outcome)));
                let line = Line {
                    at,
                    service,
                    rollout: rollout.clone(),
                    phase: "settled".to_owned(),
                    weight: None,
                    waiting: String::new(),
                    outcome: Some(outcome),
                    reason: Some(reason.clone()).filter(|reason| !reason.is_empty()),
                    exit: Some(exit.code()),
                };
                (text, line)
            }
        };
        out.line(&line, |_| text);
    }
}

fn tone(paint: Paint, exit: Exit, text: &str) -> String {
    match exit {
        Exit::Done => paint.green(text),
        Exit::Failed | Exit::RolledBack => paint.red(text),
        Exit::TimedOut => paint.yellow(text),
    }
}

fn settled(outcome: &'static str, reason: &str, exit: Exit) -> Seen {
    Seen::Settled { rollout: None, outcome, reason: reason.to_owned(), exit }
}

/// What was seen last, with the time over. Settled it is not: then it would not have been waited for any more.
fn timed_out(last: Option<Seen>, reason: String) -> Seen {
    match last {
        Some(Seen::Moving { rollout, phase, weight, waiting }) => {
            Seen::TimedOut { rollout, phase, weight, waiting, reason }
        }
        Some(Seen::TimedOut { .. } | Seen::Settled { .. }) | None => {
            let (phase, waiting) = ("unknown".to_owned(), String::new());
            Seen::TimedOut { rollout: None, phase, weight: None, waiting, reason }
        }
    }
}

fn moving(status: &Status, waiting: Option<&str>) -> Seen {
    let rollout = status.rollout.as_ref();
    let next = status.next.as_ref().map(|next| format!("to start {}", what(next)));
    let phase = match (rollout, waiting) {
        (Some(rollout), _) => rollout.phase.name(),
        (None, Some(_)) => "recorded",
        (None, None) => "idle",
    };
    Seen::Moving {
        rollout: rollout.map(|rollout| rollout.id.to_string()),
        phase: phase.to_owned(),
        weight: rollout.map(percent),
        waiting: match (waiting, rollout, next) {
            (Some(waiting), _, _) => waiting.to_owned(),
            (None, None, Some(next)) => next,
            (None, _, _) => status.waiting.clone(),
        },
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
