//! The rules in force, and their counts.

use super::{Fault, FaultCount, FaultRefused};
use crate::lock;
use std::sync::Mutex;

/// Every rule, in the order they were set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    last_id: u64,
    list: Vec<FaultCount>,
}

impl Faults {
    /// Puts a rule in force; its number.
    pub(crate) fn add(&self, fault: Fault, functions: &[&str]) -> Result<FaultCount, FaultRefused> {
        let fault = fault.settled(functions)?;
        let mut rules = lock(&self.rules);
        rules.last_id += 1;
        let added = FaultCount { id: rules.last_id, fault, calls: 0, struck: 0 };
        rules.list.push(added.clone());
        Ok(added)
    }

    /// The rules with their counts.
    pub(crate) fn list(&self) -> Vec<FaultCount> {
        lock(&self.rules).list.clone()
    }

    /// Ends one rule, or all; how many there were.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let list = &mut lock(&self.rules).list;
        let before = list.len();
        list.retain(|rule| id.is_some_and(|id| id != rule.id));
        before - list.len()
    }

    /// The fault that strikes this call, if one does. Every matching rule counts the call; of those that would strike, the
    /// oldest does.
    pub(crate) fn strike(&self, caller: &str, service: &str, operation: &str) -> Option<Fault> {
        let mut struck = None;
        for rule in &mut lock(&self.rules).list {
            if !rule.fault.matches(caller, service, operation) {
                continue;
            }
            rule.calls += 1;
            if struck.is_none() && rule.fault.when.strikes(rule.calls, rule.struck) {
                rule.struck += 1;
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FaultEffect, FaultWhen};
    use super::*;

    fn rule(call: &str, caller: &str, when: FaultWhen, effect: FaultEffect) -> Fault {
        let (service, operation) = call.split_once(':').unwrap();
        Fault { caller: caller.into(), service: service.into(), operation: operation.into(), when, effect }
    }

    /// Which of ten calls are struck.
    fn struck(when: FaultWhen) -> Vec<u64> {
        let faults = Faults::default();
        faults.add(rule("elb:ModifyRule", "*", when, FaultEffect::Throttle), &[]).unwrap();
        (1..=10).filter(|_| faults.strike("user:a", "elb", "ModifyRule").is_some()).collect::<Vec<_>>()
    }

    #[test]
    fn the_nth_the_first_and_each_so_many_th_are_struck_and_no_other() {
        assert_eq!(struck(FaultWhen::nth(3)), [3]);
        assert_eq!(struck(FaultWhen::first(2)), [1, 2]);
        assert_eq!(struck(FaultWhen { from: 2, every: 3, times: None }), [2, 5, 8]);
        assert_eq!(struck(FaultWhen { from: 9, every: 1, times: None }), [9, 10]);
        assert_eq!(struck(FaultWhen::ALWAYS).len(), 10);
    }

    #[test]
    fn a_rule_is_for_its_caller_service_and_operation_and_counts_only_those() {
        let faults = Faults::default();
        let rule = rule("elb:ModifyRule", "advance", FaultWhen::ALWAYS, FaultEffect::KillAfter);
        faults.add(rule.clone(), &["advance", "notify"]).unwrap();
        assert_eq!(faults.strike("function:advance", "elb", "ModifyRule"), Some(rule));
        assert_eq!(faults.strike("function:notify", "elb", "ModifyRule"), None);
        assert_eq!(faults.strike("function:advance", "elb", "DescribeRules"), None);
        assert_eq!(faults.strike("user:advance", "elb", "ModifyRule"), None);
        assert_eq!((faults.list()[0].calls, faults.list()[0].struck), (1, 1));
    }

    #[test]
    fn a_kill_passes_by_callers_that_are_no_process() {
        let faults = Faults::default();
        faults.add(rule("*:*", "*", FaultWhen::ALWAYS, FaultEffect::KillBefore), &[]).unwrap();
        assert_eq!(faults.strike("user:ada", "ecs", "ListClusters"), None);
        assert!(faults.strike("function:advance", "ecs", "ListClusters").is_some());
        let post = rule("slack:*", "*", FaultWhen::ALWAYS, FaultEffect::KillBefore);
        assert!(faults.add(post, &[]).unwrap_err().todo.contains("--caller"));
    }

    #[test]
    fn of_two_rules_the_older_strikes_and_both_count() {
        let faults = Faults::default();
        for effect in [FaultEffect::Throttle, FaultEffect::Fail] {
            faults.add(rule("sqs:*", "*", FaultWhen::first(1), effect), &[]).unwrap();
        }
        let effects: Vec<_> = (0..3).map(|_| faults.strike("user:a", "sqs", "SendMessage").map(|f| f.effect)).collect();
        // The second rule's first strike waits until the older one has had all of its own.
        assert_eq!(effects, [Some(FaultEffect::Throttle), Some(FaultEffect::Fail), None]);
        assert_eq!(faults.list().iter().map(|rule| (rule.calls, rule.struck)).collect::<Vec<_>>(), [(3, 1), (3, 1)]);
        assert_eq!((faults.clear(Some(1)), faults.list().len(), faults.clear(None)), (1, 1, 1));
    }
}
