//! The world: its clock, its journal, and the door to every service.

use serde_json::Value;

use crate::{
    Answered, AwsError, Call, FaultRule, Happening, JournalEntry, Millis, Probe, ProbeResult, RequestHead, Route, Settings,
    TaskPlan,
};

/// Everything there is. Cloning it branches the schedule.
#[derive(Debug, Clone)]
pub struct World {
    settings: Settings,
    journal: Vec<JournalEntry>,
}

impl World {
    /// An empty account.
    pub fn new(settings: Settings) -> World {
        World { settings, journal: Vec::new() }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes settings; what was already planned keeps its times.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Does one API operation.
    ///
    /// # Errors
    /// As AWS answers them: unknown operations, missing members, resources that are not there, refused changes, set faults.
    pub fn call(&mut self, call: Call<'_>) -> Result<Value, AwsError> {
        Err(AwsError::new("UnknownOperationException", call.operation))
    }

    /// Moves everything that is due and hands out what happened since the last tick, in order.
    pub fn tick(&mut self, _now: Millis) -> Vec<Happening> {
        Vec::new()
    }

    /// When something will be due next, health checks included; `None` when nothing moves by itself.
    pub fn next_due(&self) -> Option<Millis> {
        None
    }

    /// Every mutating call so far, failed ones included.
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// Forgets the journal.
    pub fn clear_journal(&mut self) {
        self.journal.clear();
    }

    /// Makes calls fail from now on.
    pub fn set_fault(&mut self, _rule: FaultRule) {}

    /// Ends all faults.
    pub fn clear_faults(&mut self) {}

    /// A task's process ended by itself.
    pub fn task_died(&mut self, _task_id: &str, _exit_code: i64, _reason: &str, _now: Millis) {}

    /// Every task that must be served now.
    pub fn running_tasks(&self) -> Vec<TaskPlan> {
        Vec::new()
    }

    /// Health checks that are due; they count as sent.
    pub fn probes_due(&mut self, _now: Millis) -> Vec<Probe> {
        Vec::new()
    }

    /// What a health check met.
    pub fn probe_result(&mut self, _probe: &Probe, _result: ProbeResult, _now: Millis) {}

    /// Answers every due health check from the tasks' manners, without a network.
    pub fn answer_probes(&mut self, _now: Millis) {}

    /// Draws where a request goes. Weights are honoured exactly over time; weight 0 is never drawn.
    pub fn route(&mut self, _listener_arn: &str, _head: &RequestHead<'_>, _now: Millis) -> Route {
        Route::NoListener
    }

    /// Counts an answered request into the AWS/ApplicationELB metrics.
    pub fn record(&mut self, _answered: Answered, _now: Millis) {}

    /// Sends requests (GET /) without a network, answers them from the tasks' manners, counts them, and returns the statuses.
    pub fn send_traffic(&mut self, _listener_arn: &str, _requests: u32, _now: Millis) -> Vec<u16> {
        Vec::new()
    }

    /// Does as the autoscaler does: moves the desired count of a scalable target, within its bounds and unless suspended.
    /// Returns the count that was set, `None` when nothing was.
    pub fn scale(&mut self, _resource_id: &str, _to: u32, _now: Millis) -> Option<u32> {
        None
    }
}
