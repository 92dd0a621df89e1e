//! The list of checks: which belief each one tries, and why the others are tried by none.

use super::lab::Lab;
use super::{definitions, deployments, queues, routes, services};
use aws::Failure;
use model::{Belief, Beliefs};
use serde::Serialize;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// As believed.
    True,
    /// Not as believed.
    Wrong,
    /// It did not come to an answer.
    CouldNotTell,
}

/// What was seen, and what that says of the belief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    pub(super) evidence: String,
}

impl Found {
    pub(super) fn told(holds: bool, evidence: String) -> Found {
        Found { verdict: if holds { Verdict::True } else { Verdict::Wrong }, evidence }
    }

    pub(super) fn unknown(why: impl Into<String>) -> Found {
        Found { verdict: Verdict::CouldNotTell, evidence: why.into() }
    }
}

/// A check's result; a failed call says nothing of the belief.
pub(super) type Finding = Result<Found, Failure>;

/// One check, and what it makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// The belief's number.
    pub(super) number: u32,
    /// What it makes, for the plan.
    pub(super) makes: &'static str,
    /// It needs a listener.
    pub(super) listener: bool,
}

const fn on_listener(number: u32, makes: &'static str) -> Check {
    Check { number, makes, listener: true }
}

const fn plain(number: u32, makes: &'static str) -> Check {
    Check { number, makes, listener: false }
}

/// Every check, in the order they are made.
pub(super) const CHECKS: &[Check] = &[
    on_listener(2, "1 rule, 1 target group"),
    on_listener(3, "1 rule, 2 target groups"),
    on_listener(4, "1 rule, 1 target group"),
    on_listener(5, "nothing; gives the default rule back what it has"),
    plain(7, "nothing"),
    plain(8, "1 ECS service, 2 revisions"),
    plain(9, "1 revision"),
    plain(10, "1 revision"),
    plain(12, "1 ECS service, 1 revision, 1 scalable target"),
    plain(13, "1 ECS service, 1 revision, 1 scalable target"),
    plain(18, "1 FIFO queue"),
    plain(19, "1 queue"),
    plain(21, "1 revision"),
    plain(24, "2 revisions"),
    on_listener(25, "1 rule, 2 target groups"),
    on_listener(27, "1 rule, 1 target group"),
    plain(31, "1 ECS service, 1 revision"),
    on_listener(33, "1 rule, 2 target groups, 1 address that nothing answers at"),
    on_listener(39, "1 rule, 2 target groups"),
    plain(40, "1 ECS service, 2 revisions"),
    plain(51, "1 ECS service, 2 revisions"),
    plain(52, "1 ECS service, 2 revisions"),
    plain(53, "1 ECS service, 2 revisions"),
    plain(54, "1 ECS service, 2 revisions"),
    plain(55, "1 ECS service, 2 revisions"),
    plain(56, "1 ECS service, 1 revision"),
    plain(57, "1 ECS service, 2 revisions"),
    plain(60, "1 ECS service, 2 revisions"),
    plain(62, "1 ECS service, 2 revisions"),
    plain(64, "1 ECS service, 2 revisions"),
];

const TASKS: &str = "needs tasks that run";
const EVENTS: &str = "needs a rule on EventBridge and somebody who receives";
const METRICS: &str = "needs traffic or metrics, and minutes of them";

/// The beliefs that have a switch in the model and no check here, and why.
pub(super) const UNTRIED: &[(u32, &str)] = &[
    (1, "needs traffic through the load balancer"),
    (6, "needs traffic through the load balancer"),
    (11, METRICS),
    (15, TASKS),
    (16, EVENTS),
    (17, EVENTS),
    (22, "needs a scaling policy and load"),
    (23, "needs a push to a repository, and who receives its event"),
    (26, TASKS),
    (32, "needs traffic through the load balancer"),
    (34, TASKS),
    (35, TASKS),
    (36, "needs a scaling policy and load"),
    (37, TASKS),
    (38, METRICS),
    (41, "needs a push to a repository, and who receives its event"),
    (58, "needs a function that ECS calls"),
    (61, "needs tasks behind a load balancer"),
    (63, "needs an alarm that fires, and tasks"),
    (65, "needs tasks behind a load balancer"),
    (66, "needs tasks that fail, or an alarm that fires"),
    (67, "needs tasks behind a load balancer"),
    (74, TASKS),
];

/// The belief of a number.
pub(super) fn belief(number: u32) -> Option<&'static Belief> {
    Beliefs::ALL.iter().find(|belief| belief.number == number)
}

/// Makes one check.
pub(super) async fn make(lab: &Lab, check: &Check) -> Found {
    let finding = match (check.number, &lab.listener) {
        (_, None) if check.listener => Ok(Found::unknown("needs --listener")),
        (2, Some(listener)) => routes::echo(lab, listener).await,
        (3, Some(listener)) => routes::conditions(lab, listener).await,
        (4, Some(listener)) => routes::secret(lab, listener).await,
        (5, Some(listener)) => routes::default_rule(lab, listener).await,
        (25, Some(listener)) => routes::weight(lab, listener).await,
        (27, Some(listener)) => routes::whole_form(lab, listener).await,
        (33, Some(listener)) => routes::idle_group(lab, listener).await,
        (39, Some(listener)) => routes::read_back(lab, listener).await,
        (7, _) => services::missing(lab).await,
        (8, _) => services::repeated(lab).await,
        (12, _) => services::suspension(lab).await,
        (13, _) => services::moved(lab).await,
        (31, _) => services::merged(lab).await,
        (40, _) => services::read_back(lab).await,
        (9, _) => definitions::listed(lab).await,
        (10, _) => definitions::tagged(lab).await,
        (21, _) => definitions::digest(lab).await,
        (24, _) => definitions::newest(lab).await,
        (51, _) => deployments::listed(lab).await,
        (52, _) => deployments::rolling_stop(lab).await,
        (53, _) => deployments::paused_stop(lab).await,
        (54, _) => deployments::another(lab).await,
        (55, _) => deployments::repeated(lab).await,
        (56, _) => deployments::taken_back(lab).await,
        (57, _) => deployments::clocks(lab).await,
        (60, _) => deployments::pause(lab).await,
        (62, _) => deployments::stageless(lab).await,
        (64, _) => deployments::stopping(lab).await,
        (18, _) => queues::one_at_a_time(lab).await,
        (19, _) => queues::delay(lab).await,
        (other, _) => Ok(Found::unknown(format!("there is no check of belief {other}"))),
    };
    finding.unwrap_or_else(|failure| Found::unknown(failure.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_belief_with_a_switch_is_tried_or_says_why_not() {
        for belief in Beliefs::ALL {
            let tried = CHECKS.iter().any(|check| check.number == belief.number);
            let untried = UNTRIED.iter().any(|(number, _)| *number == belief.number);
            assert!(tried != untried, "{} {}: tried {tried}, untried {untried}", belief.number, belief.name);
        }
        assert_eq!(CHECKS.len() + UNTRIED.len(), Beliefs::ALL.len());
    }

    #[test]
    fn the_page_of_assumptions_names_every_switch_at_its_number_and_says_whether_it_is_tried() {
        let page = include_str!("../../../docs/assumptions.md");
        for belief in Beliefs::ALL {
            let line =
                page.lines().find(|line| line.starts_with(&format!("| {} |", belief.number))).unwrap_or_default();
            assert!(line.contains(&format!("`{}`", belief.name)), "{} {}: {line}", belief.number, belief.name);
            let tried = line.rsplit('|').nth(1).unwrap_or_default().trim().starts_with("yes");
            assert_eq!(tried, CHECKS.iter().any(|check| check.number == belief.number), "{line}");
        }
    }
}
