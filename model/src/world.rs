//! The world: its clock, its journal, and the door to every service.

use serde_json::{Value, json};

use crate::autoscaling::AutoScaling;
use crate::cloudwatch::CloudWatch;
use crate::ecr::Ecr;
use crate::ecs::{Ecs, ServiceKey};
use crate::elb::Elb;
use crate::ids::Ids;
use crate::secrets::Secrets;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::{
    AwsError, Call, FaultEffect, FaultRule, FaultWhen, Happening, JournalEntry, Millis, Service, Settings, time,
};

/// Everything there is. Cloning it branches the schedule.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) core: Core,
    pub(crate) ecs: Ecs,
    pub(crate) elb: Elb,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) autoscaling: AutoScaling,
    pub(crate) ecr: Ecr,
    pub(crate) sqs: Sqs,
    pub(crate) sns: Sns,
    pub(crate) secrets: Secrets,
    journal: Vec<JournalEntry>,
    /// Each rule with the number of calls that matched it.
    faults: Vec<(FaultRule, u64)>,
}

/// What every service needs.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) ids: Ids,
    /// What happened since the last tick.
    pub(crate) out: Vec<Happening>,
}

impl Core {
    /// Sends an EventBridge envelope.
    pub(crate) fn event(
        &mut self,
        now: Millis,
        region: &str,
        source: &str,
        detail_type: &str,
        resources: Vec<String>,
        detail: Value,
    ) {
        let envelope = json!({
            "version": "0", "id": self.ids.uuid(), "detail-type": detail_type, "source": source,
            "account": self.settings.account, "time": time::iso(now), "region": region, "resources": resources,
            "detail": detail,
        });
        self.out.push(Happening::Event(envelope));
    }
}

/// Whether an operation changes anything; receiving a message hides it and is not counted.
fn mutates(operation: &str) -> bool {
    let reading = ["Describe", "List", "Get", "BatchGet", "Receive"];
    !reading.iter().any(|prefix| operation.starts_with(prefix))
}

impl World {
    /// An empty account.
    pub fn new(settings: Settings) -> World {
        World {
            core: Core { settings, ids: Ids::default(), out: Vec::new() },
            ecs: Ecs::default(),
            elb: Elb::default(),
            cloudwatch: CloudWatch::default(),
            autoscaling: AutoScaling::default(),
            ecr: Ecr::default(),
            sqs: Sqs::default(),
            sns: Sns::default(),
            secrets: Secrets::default(),
            journal: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// Changes settings; what was already planned keeps its times.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.core.settings
    }

    /// Does one API operation.
    ///
    /// # Errors
    /// As AWS answers them: unknown operations, missing members, resources that are not there, refused changes, set faults.
    pub fn call(&mut self, call: Call<'_>) -> Result<Value, AwsError> {
        // What was due before the call happened before it.
        self.advance(call.now);
        let fault = self.strike(&call);
        let answer = match fault {
            Some(FaultEffect::Error(error)) => Err(error),
            Some(FaultEffect::ErrorAfterEffect(error)) => self.dispatch(&call).and(Err(error)),
            None => self.dispatch(&call),
        };
        if mutates(call.operation) {
            self.journal.push(JournalEntry {
                at: call.now,
                caller: call.caller.to_owned(),
                service: call.service,
                operation: call.operation.to_owned(),
                input: call.input.clone(),
                error: answer.as_ref().err().map(|error| error.code.clone()),
            });
        }
        answer
    }

    fn dispatch(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        match call.service {
            Service::Ecs => self.ecs(call),
            Service::Elb => self.elb(call),
            Service::CloudWatch => self.cloudwatch(call),
            Service::AutoScaling => self.autoscaling(call),
            Service::Ecr => self.ecr(call),
            Service::Sqs => self.sqs(call),
            Service::Sns => self.sns(call),
            Service::SecretsManager => self.secrets_manager(call),
            Service::Sts => match call.operation {
                "GetCallerIdentity" => Ok(json!({
                    "Account": self.core.settings.account,
                    "Arn": format!("arn:aws:iam::{}:user/{}", self.core.settings.account, call.caller),
                    "UserId": "AIDALOCALCLOUD000000",
                })),
                other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
            },
        }
    }

    /// The fault that strikes this call, if one does. Every matching rule counts the call.
    fn strike(&mut self, call: &Call<'_>) -> Option<FaultEffect> {
        let mut struck = None;
        for (rule, seen) in &mut self.faults {
            if rule.service != call.service || !(rule.operation == "*" || rule.operation == call.operation) {
                continue;
            }
            *seen += 1;
            let strikes = match rule.when {
                FaultWhen::Nth(n) => *seen == n,
                FaultWhen::Every(n) => n > 0 && *seen % n == 0,
                FaultWhen::First(n) => *seen <= n,
            };
            if strikes && struck.is_none() {
                struck = Some(rule.effect.clone());
            }
        }
        struck
    }

    /// Makes calls fail from now on.
    pub fn set_fault(&mut self, rule: FaultRule) {
        self.faults.push((rule, 0));
    }

    /// Ends all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Every mutating call so far, failed ones included.
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// Forgets the journal.
    pub fn clear_journal(&mut self) {
        self.journal.clear();
    }

    /// When something moves by itself next, health checks aside.
    fn next_move(&self) -> Option<Millis> {
        let tasks = self.ecs.tasks.values().filter_map(|task| task.next);
        let services = self.ecs.services.values().filter_map(|service| service.next_pass);
        let rest = [self.elb.next_drained(), self.elb.next_gauge, self.cloudwatch.next_due()];
        tasks.chain(services).chain(rest.into_iter().flatten()).min()
    }

    /// When something will be due next, health checks included; `None` when nothing moves by itself.
    pub fn next_due(&self) -> Option<Millis> {
        [self.next_move(), self.elb.next_health_due()].into_iter().flatten().min()
    }

    /// Moves everything that is due, in the order of its times, and hands out what happened since the last tick.
    pub fn tick(&mut self, now: Millis) -> Vec<Happening> {
        self.advance(now);
        std::mem::take(&mut self.core.out)
    }

    fn advance(&mut self, now: Millis) {
        while let Some(at) = self.next_move().filter(|at| *at <= now) {
            self.elb.drop_drained(at);
            let due: Vec<String> = self
                .ecs
                .tasks
                .values()
                .filter(|task| task.next.is_some_and(|t| t <= at))
                .map(|t| t.id.clone())
                .collect();
            for id in due {
                self.task_due(&id, at);
            }
            if self.elb.next_gauge.is_some_and(|gauge| gauge <= at) {
                self.publish_host_counts(at);
            }
            self.evaluate_alarms(at);
            let due: Vec<ServiceKey> = self
                .ecs
                .services
                .iter()
                .filter(|(_, service)| service.next_pass.is_some_and(|t| t <= at))
                .map(|(key, _)| key.clone())
                .collect();
            for key in due {
                self.service_pass(&key, at);
            }
        }
    }
}
