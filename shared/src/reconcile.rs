//! The loop: load, observe, decide, save, apply, look again. The one readable shell round the pure decision.

use crate::config::ServiceConfig;
use crate::decide::{self, Input};
use crate::decision::{Decision, Waiting};
use crate::ids::ServiceName;
use crate::notice::{Milestone, tell};
use crate::observation::EffectFailure;
use crate::ports::{Actuator, Clock, EffectError, HistoryEntry, Observer, Record, Save, Store, StoreError, Waker};
use crate::rollout::{Intent, Margins, Phase, Wake};
use crate::time::{Span, Time};

/// Who runs the loop, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one forward writer.
    Advance,
    /// On-alarm: only saves a turn back, and only applies what brings traffic back.
    Alarm,
}

/// What woke the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WokenBy {
    /// An event, a person, the sweep: always a look.
    Poke,
    /// A timer of the chain with this token: a look only if the chain is alive.
    Timer(u64),
}

/// The outside, as ports.
#[derive(Debug)]
pub struct Ports<'a, C, O, A, S, W> {
    /// The clock.
    pub clock: &'a C,
    /// Reads.
    pub observer: &'a O,
    /// Writes.
    pub actuator: &'a A,
    /// Keeps.
    pub store: &'a S,
    /// Wakes.
    pub waker: &'a W,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The service's running (or just ended) rollout, for the logs.
    pub rollout: Option<String>,
    /// A stale timer: nothing was looked at.
    pub stale: bool,
    /// How often it looked.
    pub looks: u32,
    /// What it waits for now.
    pub waiting: Option<Waiting>,
    /// The effects that were applied, for the logs.
    pub applied: Vec<String>,
    /// The effects that failed, with the reason.
    pub failed: Vec<EffectFailure>,
    /// Rollouts started, completed and turned back in this run.
    pub started: u32,
    /// See `started`.
    pub completed: u32,
    /// See `started`.
    pub rolled_back: u32,
    /// When weights that bring traffic back were written.
    pub back_written: Option<Time>,
}

/// The most looks of one run: a rollout passes at most this many phases at once; more is a bug, and waits a second.
const MAX_LOOKS: u32 = 12;

/// A chain of wakes this much overdue is begun anew. A chain that is alive re-arms itself without saving, so the saved time
/// grows old; a lost one costs pace only, since the sweep looks every minute.
const OVERDUE: Span = Span::mins(5);

/// Runs the loop for one service until there is nothing to do now, or until `until`.
///
/// # Errors
/// The store's: the caller's message comes back later. What brings traffic back was applied even so.
pub async fn reconcile<C: Clock, O: Observer, A: Actuator, S: Store, W: Waker>(
    ports: &Ports<'_, C, O, A, S, W>,
    service: &ServiceName,
    role: Role,
    woken_by: WokenBy,
    known: &[Intent],
    margins: &Margins,
    until: Time,
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut failures: Vec<EffectFailure> = Vec::new();
    let mut armed_by_save = None;
    let mut look = None;
    let mut quiet_rounds = 0;
    while report.looks < MAX_LOOKS {
        let record = ports.store.load(service).await?;
        if let (0, WokenBy::Timer(token)) = (report.looks, woken_by)
            && token != record.status.wake.token
        {
            report.stale = true;
            return Ok(report);
        }
        report.looks += 1;
        let mut inbox = record.inbox.clone();
        inbox.extend(known.iter().filter(|intent| !record.inbox.contains(intent)).cloned());
        let config: &ServiceConfig = record.status.rollout.as_ref().map_or(&record.config, |rollout| {
            // Until it begins, a held rollout goes by the configuration of today.
            if rollout.phase == Phase::Holding { &record.config } else { &rollout.config }
        });
        let at = ports.clock.now();
        let ask = decide::ask(config, &record.status, margins, at);
        let mut seen = ports.observer.observe(config, &ask, at).await;
        seen.failures = std::mem::take(&mut failures);
        let now = ports.clock.now();
        let input = Input { config, status: &record.status, inbox: &inbox, seen: &seen, margins, now };
        let mut decision = decide::decide(&input);
        report.rollout = decision.status.rollout.as_ref().or(record.status.rollout.as_ref()).map(|r| r.id.0.clone());
        report.waiting = Some(decision.waiting.clone());
        if role == Role::Alarm && !turns_back(&decision) {
            return Ok(report);
        }
        look = decision.look;
        let changed = decision.status != record.status || !decision.consumed.is_empty() || !decision.notices.is_empty();
        let overdue = look.is_some() && now > record.status.wake.due.plus(OVERDUE);
        if changed || overdue {
            let due = now.plus(look.unwrap_or_default());
            decision.status.wake = Wake { token: record.status.wake.token + 1, due };
            match save(ports, &record, &inbox, &input, &decision).await {
                Ok(()) => armed_by_save = Some(decision.status.wake.token),
                Err(StoreError::Lost) => continue,
                Err(error) => {
                    // Law 2: what brings traffic back is not stopped by a store that cannot save.
                    apply(ports, config, &decision, true, &mut report).await;
                    return Err(error);
                }
            }
            count(&decision, &mut report);
        }
        failures = apply(ports, config, &decision, role == Role::Alarm, &mut report).await;
        report.failed.extend(failures.iter().cloned());
        if role == Role::Alarm {
            break;
        }
        quiet_rounds = if changed { 0 } else { quiet_rounds + 1 };
        let go_on = look == Some(Span(0)) || (!decision.effects.is_empty() && quiet_rounds < 2);
        if !go_on || ports.clock.now() >= until {
            break;
        }
    }
    rearm(ports, service, woken_by, armed_by_save, look).await?;
    Ok(report)
}

/// Arms the next wake: after a save its new chain, else the chain this wake belongs to. A poke that changed nothing arms
/// nothing, since the chain is alive without it.
async fn rearm<C: Clock, O: Observer, A: Actuator, S: Store, W: Waker>(
    ports: &Ports<'_, C, O, A, S, W>,
    service: &ServiceName,
    woken_by: WokenBy,
    saved: Option<u64>,
    look: Option<Span>,
) -> Result<(), StoreError> {
    let Some(delay) = look else { return Ok(()) };
    let token = match (saved, woken_by) {
        (Some(token), WokenBy::Poke | WokenBy::Timer(_)) | (None, WokenBy::Timer(token)) => token,
        (None, WokenBy::Poke) => return Ok(()),
    };
    let delay = delay.max(Span::secs(1));
    // A lost wake is found by the sweep; that the message comes back sooner is a courtesy.
    ports.waker.after(service, delay, token).await.map_err(StoreError::Unavailable)
}

fn turns_back(decision: &Decision) -> bool {
    let returning = decision.status.rollout.as_ref().is_some_and(|rollout| match rollout.phase {
        Phase::Returning { .. } | Phase::Stopping { .. } => true,
        Phase::Holding
        | Phase::Registering { .. }
        | Phase::Starting
        | Phase::Deploying
        | Phase::Shifting { .. }
        | Phase::Baking { .. }
        | Phase::Standby { .. }
        | Phase::Retiring
        | Phase::Resting
        | Phase::Clearing { .. } => false,
    });
    returning && decision.effects.iter().any(|effect| effect.is_back())
}

async fn save<C: Clock, O: Observer, A: Actuator, S: Store, W: Waker>(
    ports: &Ports<'_, C, O, A, S, W>,
    record: &Record,
    inbox: &[Intent],
    input: &Input<'_>,
    decision: &Decision,
) -> Result<(), StoreError> {
    let history = HistoryEntry {
        at: input.now,
        rollout: decision.status.rollout.as_ref().or(record.status.rollout.as_ref()).map(|r| r.id.0.clone()),
        line: line(record, decision),
        inputs: ports.store.keeps_inputs().then(|| {
            serde_json::json!({
                "config": input.config, "status": record.status, "inbox": inbox, "seen": input.seen,
                "margins": input.margins, "now": input.now,
            })
        }),
    };
    let service = &record.config.name;
    let save = Save {
        service,
        version: record.version,
        status: &decision.status,
        consumed: &decision.consumed,
        notices: &decision.notices,
        history: &history,
    };
    ports.store.save(&save).await
}

/// One sentence on a decision, for the history.
fn line(record: &Record, decision: &Decision) -> String {
    let phase = |status: &crate::rollout::Status| {
        status.rollout.as_ref().map_or("idle", |rollout| rollout.phase.name()).to_owned()
    };
    let (before, after) = (phase(&record.status), phase(&decision.status));
    let mut line = if before == after { after } else { format!("{before} -> {after}") };
    for effect in &decision.effects {
        line.push_str(&format!("; {effect}"));
    }
    for notice in &decision.notices {
        line.push_str(&format!("; told: {}", tell(notice).title));
    }
    if decision.effects.is_empty() {
        line.push_str(&format!("; waits for {}", decision.waiting));
    }
    line
}

/// Applies the effects in order; what failed is told to the next decision.
async fn apply<C: Clock, O: Observer, A: Actuator, S: Store, W: Waker>(
    ports: &Ports<'_, C, O, A, S, W>,
    config: &ServiceConfig,
    decision: &Decision,
    back_only: bool,
    report: &mut Report,
) -> Vec<EffectFailure> {
    let mut failures = Vec::new();
    for effect in &decision.effects {
        if back_only && !effect.is_back() {
            continue;
        }
        let result = if effect.deadline.is_some_and(|deadline| ports.clock.now() >= deadline) {
            Err(EffectError::TooLate)
        } else {
            ports.actuator.apply(config, effect).await
        };
        match result {
            Ok(()) => {
                if effect.is_back() {
                    report.back_written = Some(ports.clock.now());
                }
                report.applied.push(effect.to_string());
            }
            Err(error) => failures.push(EffectFailure {
                effect: effect.to_string(),
                reason: error.to_string(),
                permanent: match error {
                    EffectError::Permanent(_) => true,
                    EffectError::TooLate | EffectError::Transient(_) => false,
                },
            }),
        }
    }
    failures
}

fn count(decision: &Decision, report: &mut Report) {
    for notice in &decision.notices {
        match notice.milestone {
            Milestone::Started { .. } | Milestone::Deploying { .. } => report.started += 1,
            Milestone::Completed { .. } => report.completed += 1,
            Milestone::GoingBack { .. } | Milestone::Cancelled { .. } => report.rolled_back += 1,
            Milestone::Step { .. }
            | Milestone::Gate { .. }
            | Milestone::Foreign { .. }
            | Milestone::Superseded { .. }
            | Milestone::RolledBack { .. }
            | Milestone::Refused { .. }
            | Milestone::Held { .. }
            | Milestone::Observed { .. }
            | Milestone::Call { .. }
            | Milestone::Corrected { .. }
            | Milestone::Changed { .. }
            | Milestone::Declined { .. }
            | Milestone::Repaired { .. }
            | Milestone::ScalingDigest { .. }
            | Milestone::Scaling { .. } => {}
        }
    }
}
