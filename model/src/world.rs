//! The world: its clock, its journal, and the door to every service.

use serde_json::{Value, json};

use crate::autoscaling::AutoScaling;
use crate::cloudwatch::CloudWatch;
use crate::ec2::Ec2;
use crate::ecr::Ecr;
use crate::ecs::{Ecs, ServiceKey};
use crate::elb::Elb;
use crate::ids::Ids;
use crate::secrets::Secrets;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::{AwsError, Call, Happening, JournalEntry, Millis, Service, Settings, time};

/// Everything there is. Cloning it branches the schedule.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) core: Core,
    pub(crate) ec2: Ec2,
    pub(crate) ecs: Ecs,
    pub(crate) elb: Elb,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) autoscaling: AutoScaling,
    pub(crate) ecr: Ecr,
    pub(crate) sqs: Sqs,
    pub(crate) sns: Sns,
    pub(crate) secrets: Secrets,
    /// How often somebody changed something from outside.
    changes: u64,
    journal: Vec<JournalEntry>,
}

/// What every service needs.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) ids: Ids,
    /// What happened since the last tick.
    pub(crate) out: Vec<Happening>,
    /// The time of the last call.
    pub(crate) now: Millis,
    /// Reads show what is, whatever is believed of their delays.
    pub(crate) as_is: bool,
    /// Nothing is due before this; 0 where that is to be worked out anew.
    quiet_until: Millis,
    /// Nothing that is due is done until this is over.
    pub(crate) held: bool,
    /// How often what descriptions of an area show has changed.
    revisions: [u64; 3],
}

/// What changes by itself, and so between two calls; everything else changes by calls only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Area {
    /// Services and their tasks.
    Services,
    /// Targets and their health.
    Targets,
    /// Alarms.
    Alarms,
}

impl Core {
    /// The ARN of a caller: `user:NAME` is a user, `function:NAME` the session of the function's role.
    pub(crate) fn principal(&self, caller: &str) -> String {
        let account = &self.settings.account;
        match caller.split_once(':') {
            Some(("function", name)) => format!("arn:aws:sts::{account}:assumed-role/{name}/{name}"),
            Some(("user", name)) => format!("arn:aws:iam::{account}:user/{name}"),
            Some(_) | None => format!("arn:aws:iam::{account}:user/{caller}"),
        }
    }

    /// What a read shows instead of what is: what was before a write, for as long as reads lag.
    pub(crate) fn lagging<'a, T>(&self, before: &'a Option<(Millis, T)>) -> Option<&'a T> {
        before.as_ref().filter(|(until, _)| *until > self.now && !self.as_is).map(|(_, before)| before)
    }

    /// What descriptions of an area show has changed, and perhaps when something is due.
    pub(crate) fn touch(&mut self, area: Area) {
        self.revisions[area as usize] += 1;
        self.due_changed();
    }

    /// When something is due next must be worked out anew.
    pub(crate) fn due_changed(&mut self) {
        self.quiet_until = 0;
    }

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
        let mut envelope = json!({
            "version": "0", "id": self.ids.uuid(), "detail-type": detail_type, "source": source,
            "account": self.settings.account, "time": time::iso(now), "region": region, "resources": resources,
        });
        envelope["detail"] = detail;
        self.out.push(Happening::Event(envelope));
    }
}

/// Whether an operation changes anything; receiving a message hides it and is not counted.
fn mutates(operation: &str) -> bool {
    let reading = ["Describe", "List", "Get", "BatchGet", "Receive"];
    !reading.iter().any(|prefix| operation.starts_with(prefix))
}

/// Whether a change of this service's may be one of what is due next: what is in queues, topics and secrets moves nothing by itself.
fn moves(service: Service) -> bool {
    match service {
        Service::Ecs | Service::Elb | Service::CloudWatch | Service::AutoScaling | Service::Ecr => true,
        Service::Ec2 | Service::Sqs | Service::Sns | Service::SecretsManager | Service::Sts => false,
    }
}

impl World {
    /// An empty account.
    pub fn new(settings: Settings) -> World {
        World {
            core: Core {
                settings,
                ids: Ids::default(),
                out: Vec::new(),
                now: 0,
                as_is: false,
                quiet_until: 0,
                held: false,
                revisions: [0; 3],
            },
            ec2: Ec2::default(),
            ecs: Ecs::default(),
            elb: Elb::default(),
            cloudwatch: CloudWatch::default(),
            autoscaling: AutoScaling::default(),
            ecr: Ecr::default(),
            sqs: Sqs::default(),
            sns: Sns::default(),
            secrets: Secrets::default(),
            changes: 0,
            journal: Vec::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// Changes settings; what was already planned keeps its times.
    pub fn settings_mut(&mut self) -> &mut Settings {
        self.changed();
        &mut self.core.settings
    }

    /// Does one API operation.
    ///
    /// # Errors
    /// As AWS answers them: unknown operations, missing members, resources that are not there, refused changes.
    pub fn call(&mut self, call: Call<'_>) -> Result<Value, AwsError> {
        // What was due before the call happened before it.
        self.advance(call.now);
        self.core.now = call.now;
        let answer = self.dispatch(&call);
        if mutates(call.operation) {
            self.changes += 1;
            if moves(call.service) {
                self.core.due_changed();
            }
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

    /// Looks at the world as it is: no read in it shows what was, whatever the beliefs say.
    pub fn as_is<T>(&mut self, look: impl FnOnce(&mut World) -> T) -> T {
        self.core.as_is = true;
        let seen = look(self);
        self.core.as_is = false;
        seen
    }

    /// Does many calls at one moment: what is due before it or by them is done after the last one, and which target groups rules use
    /// is known after it. To set up a large world.
    pub fn at_once<T>(&mut self, work: impl FnOnce(&mut World) -> T) -> T {
        self.core.held = true;
        let done = work(self);
        self.core.held = false;
        self.elb_use_changed(self.core.now);
        done
    }

    fn dispatch(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        match call.service {
            Service::Ec2 => self.ec2(call),
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
                    "Arn": self.core.principal(call.caller),
                    "UserId": "AIDALOCALCLOUD000000",
                })),
                other => Err(AwsError::new("InvalidAction", format!("{other} is not in this local cloud"))),
            },
        }
    }

    /// Every mutating call so far, failed ones included.
    pub fn journal(&self) -> &[JournalEntry] {
        &self.journal
    }

    /// A call that a service of AWS made by itself.
    pub(crate) fn journal_own(&mut self, entry: JournalEntry) {
        self.journal.push(entry);
    }

    /// Forgets the journal.
    pub fn clear_journal(&mut self) {
        self.journal.clear();
    }

    /// When something moves by itself next, health checks aside.
    fn next_move(&self) -> Option<Millis> {
        let tasks = self.ecs.tasks.values().filter_map(|task| task.next);
        let services = self.ecs.services.values().filter_map(|service| service.next_pass);
        let rest =
            [self.elb.next_drained(), self.elb.next_gauge, self.autoscaling.next_usage, self.cloudwatch.next_due()];
        tasks.chain(services).chain(rest.into_iter().flatten()).min()
    }

    /// When something will be due next, health checks included; `None` when nothing moves by itself.
    pub fn next_due(&self) -> Option<Millis> {
        [self.next_move(), self.elb.next_health_due()].into_iter().flatten().min()
    }

    /// Whether a tick now would do nothing and hand out nothing.
    pub fn is_quiet(&self, now: Millis) -> bool {
        now < self.core.quiet_until && self.core.out.is_empty()
    }

    /// A number that grows with every change that this description may show (metrics aside): what was described under the
    /// same number need not be asked for again, unless a belief is turned over that makes reads lag.
    pub fn revision(&self, operation: &str) -> u64 {
        let areas: &[Area] = match operation {
            "DescribeRules" | "DescribeListeners" | "DescribeScalableTargets" => &[],
            "DescribeServices" => &[Area::Services],
            "DescribeTargetHealth" => &[Area::Targets],
            "DescribeAlarms" => &[Area::Alarms],
            _ => &[Area::Services, Area::Targets, Area::Alarms],
        };
        areas.iter().fold(self.changes, |sum, area| sum + self.core.revisions[*area as usize])
    }

    /// Somebody changed something from outside.
    pub(crate) fn changed(&mut self) {
        self.changes += 1;
        self.core.due_changed();
    }

    /// Moves everything that is due, in the order of its times, and hands out what happened since the last tick.
    pub fn tick(&mut self, now: Millis) -> Vec<Happening> {
        self.advance(now);
        std::mem::take(&mut self.core.out)
    }

    pub(crate) fn advance(&mut self, now: Millis) {
        if now < self.core.quiet_until || self.core.held {
            return;
        }
        while let Some(at) = self.next_move().filter(|at| *at <= now) {
            if self.elb.drop_drained(at) {
                self.core.touch(Area::Targets);
            }
            let due: Vec<String> = self
                .ecs
                .tasks
                .values()
                .filter(|task| task.next.is_some_and(|t| t <= at))
                .map(|t| t.id.clone())
                .collect();
            for id in due {
                self.core.touch(Area::Services);
                self.core.touch(Area::Targets);
                self.task_due(&id, at);
            }
            if self.elb.next_gauge.is_some_and(|gauge| gauge <= at) {
                self.publish_host_counts(at);
            }
            if self.autoscaling.next_usage.is_some_and(|usage| usage <= at) {
                self.publish_usage(at);
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
                self.core.touch(Area::Services);
                self.core.touch(Area::Targets);
                self.service_pass(&key, at);
            }
        }
        self.core.quiet_until = self.next_due().unwrap_or(Millis::MAX);
    }
}
