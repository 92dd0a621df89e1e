//! Health checks: who is in use, what is due, what an answer means.

use super::{Elb, HealthState, Target};
use crate::world::Area;
use crate::{Beliefs, Millis, Probe, ProbeResult, World};

impl HealthState {
    pub(super) fn name(self) -> &'static str {
        match self {
            HealthState::Initial => "initial",
            HealthState::Healthy => "healthy",
            HealthState::Unhealthy => "unhealthy",
            HealthState::Unused => "unused",
            HealthState::Draining => "draining",
        }
    }
}

const REGISTERING: &str = "Elb.RegistrationInProgress";

impl Target {
    /// The load balancer does not know it yet: no check was sent.
    pub(super) fn registering(&self) -> bool {
        self.reason == REGISTERING
    }

    /// A target of a group that no rule names.
    pub(super) fn new() -> Target {
        Target {
            state: HealthState::Unused,
            reason: "Target.NotInUse",
            description: "Target group is not configured to receive traffic from the load balancer".to_owned(),
            passed: 0,
            failed: 0,
            next_probe: None,
            drained: None,
        }
    }

    /// Its group is in use: checks begin.
    pub(super) fn enter(&mut self, first_probe: Millis) {
        self.state = HealthState::Initial;
        self.reason = REGISTERING;
        self.description = "Target registration is in progress".to_owned();
        self.passed = 0;
        self.failed = 0;
        self.next_probe = Some(first_probe);
    }
}

/// Whether a status fits a matcher such as `200`, `200,301` or `200-399`.
fn fits(matcher: &str, status: u16) -> bool {
    matcher.split(',').map(str::trim).any(|part| match part.split_once('-') {
        Some((low, high)) => {
            let number = |text: &str| text.trim().parse::<u16>().ok();
            number(low).zip(number(high)).is_some_and(|(low, high)| (low..=high).contains(&status))
        }
        None => part.parse() == Ok(status),
    })
}

impl Elb {
    /// The load balancers whose rules name a target group.
    pub(crate) fn load_balancers_of(&self, group: &str) -> Vec<String> {
        self.used.get(group).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn target_state(&self, group: &str, id: &str, port: u16) -> Option<HealthState> {
        let group = self.target_groups.get(group)?;
        group.targets.get(&(id.to_owned(), port)).map(|target| target.state)
    }

    /// Whether the load balancer cares for the group at all.
    pub(super) fn in_use(&self, group: &str, beliefs: &Beliefs) -> bool {
        self.used.contains_key(group)
            && (beliefs.weight_zero_is_health_checked
                || self.rules.values().any(|rule| rule.plan.last.weight_of(group) > 0))
    }

    pub(crate) fn next_health_due(&self) -> Option<Millis> {
        let targets = self.target_groups.values().flat_map(|group| group.targets.values());
        targets.filter_map(|target| target.next_probe).min()
    }

    /// When a drained target disappears next.
    pub(crate) fn next_drained(&self) -> Option<Millis> {
        let targets = self.target_groups.values().flat_map(|group| group.targets.values());
        targets.filter_map(|target| target.drained).min()
    }

    /// Drops the targets that have drained; whether there was one.
    pub(crate) fn drop_drained(&mut self, now: Millis) -> bool {
        let mut dropped = false;
        for group in self.target_groups.values_mut() {
            let before = group.targets.len();
            group.targets.retain(|_, target| target.drained.is_none_or(|at| at > now));
            dropped |= group.targets.len() < before;
        }
        dropped
    }

    /// Healthy and unhealthy targets of a group.
    pub(crate) fn host_counts(&self, group: &str) -> (usize, usize) {
        let targets = self.target_groups.get(group).into_iter().flat_map(|group| group.targets.values());
        targets.fold((0, 0), |(healthy, unhealthy), target| match target.state {
            HealthState::Healthy => (healthy + 1, unhealthy),
            HealthState::Unhealthy => (healthy, unhealthy + 1),
            HealthState::Initial | HealthState::Unused | HealthState::Draining => (healthy, unhealthy),
        })
    }
}

impl World {
    /// Works out anew which groups are in use, after a rule or a listener changed.
    pub(crate) fn elb_use_changed(&mut self, now: Millis) {
        // Many rules at one moment are worked out once, after the last.
        if self.core.held {
            return;
        }
        let mut used: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> = Default::default();
        for rule in self.elb.rules.values() {
            let Some(listener) = self.elb.listeners.get(&rule.listener) else { continue };
            for group in rule.plan.last.groups() {
                used.entry(group.to_owned()).or_default().insert(listener.load_balancer.clone());
            }
        }
        self.elb.used = used;
        self.elb.next_gauge = match (self.elb.used.is_empty(), self.elb.next_gauge) {
            (true, _) => None,
            (false, Some(at)) => Some(at),
            (false, None) => Some((now / 10_000 + 1) * 10_000),
        };
        let first = now + self.core.settings.elb.registration;
        let arns: Vec<String> = self.elb.target_groups.keys().cloned().collect();
        for arn in arns {
            let used = self.elb.in_use(&arn, &self.core.settings.beliefs);
            let Some(group) = self.elb.target_groups.get_mut(&arn) else { continue };
            for target in group.targets.values_mut().filter(|target| target.state != HealthState::Draining) {
                if used && target.state == HealthState::Unused {
                    target.enter(first);
                } else if !used && target.state != HealthState::Unused {
                    *target = Target::new();
                }
            }
        }
    }

    /// Health checks that are due; they count as sent.
    pub fn probes_due(&mut self, now: Millis) -> Vec<Probe> {
        let divisor = self.core.settings.elb.health_check_divisor.max(1);
        let mut probes = Vec::new();
        if self.elb.next_health_due().is_none_or(|at| at > now) {
            return probes;
        }
        self.core.due_changed();
        for group in self.elb.target_groups.values_mut() {
            if group.targets.values().all(|target| target.next_probe.is_none_or(|at| at > now)) {
                continue;
            }
            let interval = group.seconds("HealthCheckIntervalSeconds") * 1_000 / divisor;
            let timeout = group.seconds("HealthCheckTimeoutSeconds") * 1_000 / divisor;
            let path = group.text("HealthCheckPath").unwrap_or("/").to_owned();
            let fixed = group.text("HealthCheckPort").and_then(|port| port.parse::<u16>().ok());
            let (expect, checked, arn) = (group.matcher().to_owned(), group.checked(), group.arn.clone());
            for ((id, port), target) in &mut group.targets {
                if target.next_probe.is_none_or(|at| at > now) {
                    continue;
                }
                if !checked {
                    // Without checks a registered target takes traffic at once.
                    target.state = HealthState::Healthy;
                    target.next_probe = None;
                    self.core.touch(Area::Targets);
                    continue;
                }
                target.next_probe = Some(now + interval.max(1));
                if target.registering() {
                    self.core.touch(Area::Targets);
                    target.reason = "Elb.InitialHealthChecking";
                    target.description = "Initial health checks in progress".to_owned();
                }
                probes.push(Probe {
                    target_group_arn: arn.clone(),
                    target_id: id.clone(),
                    port: fixed.unwrap_or(*port),
                    path: path.clone(),
                    timeout,
                    expect: expect.clone(),
                });
            }
        }
        probes
    }

    /// What a health check met.
    pub fn probe_result(&mut self, probe: &Probe, result: ProbeResult, now: Millis) {
        let one_is_enough = self.core.settings.beliefs.one_check_makes_healthy;
        let Some(group) = self.elb.target_groups.get_mut(&probe.target_group_arn) else { return };
        let healthy_after = group.seconds("HealthyThresholdCount").max(1);
        let unhealthy_after = group.seconds("UnhealthyThresholdCount").max(1);
        let fixed = group.text("HealthCheckPort").is_some_and(|port| port.parse::<u16>().is_ok());
        let mut changed = false;
        for ((id, port), target) in &mut group.targets {
            if *id != probe.target_id || !(fixed || *port == probe.port) || target.next_probe.is_none() {
                continue;
            }
            let before = target.state;
            let told = target.reason;
            let failure = match result {
                ProbeResult::Status(status) if fits(&probe.expect, status) => None,
                ProbeResult::Status(status) => {
                    Some(("Target.ResponseCodeMismatch", format!("Health checks failed with these codes: [{status}]")))
                }
                ProbeResult::Timeout => Some(("Target.Timeout", "Request timed out".to_owned())),
                ProbeResult::Refused => Some(("Target.FailedHealthChecks", "Health checks failed".to_owned())),
            };
            match failure {
                None => {
                    target.passed += 1;
                    target.failed = 0;
                    let enough = if before == HealthState::Initial && one_is_enough { 1 } else { healthy_after };
                    if target.passed >= enough {
                        target.state = HealthState::Healthy;
                    }
                }
                Some((reason, description)) => {
                    target.failed += 1;
                    target.passed = 0;
                    if target.failed >= unhealthy_after {
                        if before == HealthState::Unhealthy && (told, &target.description) != (reason, &description) {
                            self.core.touch(Area::Targets);
                        }
                        target.state = HealthState::Unhealthy;
                        target.reason = reason;
                        target.description = description;
                    }
                }
            }
            changed |= before != target.state;
        }
        if changed {
            self.core.touch(Area::Targets);
        }
        if changed && let Some(task) = self.ecs.by_ip.get(&probe.target_id) {
            let key = self.ecs.tasks.get(task).map(|task| task.service.clone());
            if let Some(key) = key {
                self.wake_service(&key, now);
            }
        }
    }

    /// Answers every due health check from the tasks' manners, without a network.
    pub fn answer_probes(&mut self, now: Millis) {
        for probe in self.probes_due(now) {
            let task = self.ecs.by_ip.get(&probe.target_id).and_then(|id| self.ecs.tasks.get(id));
            let result = match task.and_then(|task| Some((task, task.started?))) {
                Some((task, started)) => ProbeResult::Status(task.manners.health(now.saturating_sub(started))),
                None => ProbeResult::Refused,
            };
            self.probe_result(&probe, result, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_matcher_takes_numbers_lists_and_ranges() {
        assert!(fits("200", 200) && !fits("200", 204));
        assert!(fits("200,301", 301) && fits("200-299", 204) && !fits("200-299", 301));
    }
}
