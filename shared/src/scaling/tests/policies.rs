//! What moves the count: for each kind what opens it, what must not, and what closes it.

use super::*;
use crate::ids::TargetGroupArn;
use crate::observation::AlarmState;

const GROUP: &str = "targetgroup/shop-blue/0123";

pub(super) fn level(value: f64) -> Level {
    Level::try_from(value).expect("a target")
}

pub(super) fn tracking(name: &str, metric: Metric, target: f64) -> Policy {
    let group = (metric == Metric::Requests).then(|| GROUP.to_owned());
    let moves = Moves::Tracking { metric, target: level(target), group, only_out: false, cooldown: None };
    Policy { name: name.to_owned(), moves, alarms: vec![format!("{name}-high"), format!("{name}-low")] }
}

pub(super) fn cpu() -> Policy {
    tracking("cpu", Metric::Cpu, 70.0)
}

fn alarm() -> PolicyAlarm {
    PolicyAlarm {
        enabled: true,
        above: true,
        state: AlarmState::Ok,
        since: Some(NOW.minus(Span::mins(60))),
        services: ["production/shop-api".to_owned()].into(),
    }
}

/// Four tasks of two to ten run behind one target group, with these policies and good alarms.
pub(super) fn with(policies: Vec<Policy>) -> Sight {
    let names = policies.iter().flat_map(|policy| policy.alarms.clone());
    let alarms = names.map(|name| (name, Reading::Known(Some(alarm())))).collect();
    let group = TargetGroupArn(format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:{GROUP}"));
    let counts = Counts { groups: [group].into(), ..counts(4, 4) };
    let policies = [("shop-api".to_owned(), Reading::Known(policies))].into();
    let loads = [("shop-api".to_owned(), load::load(&[40; 15], &[30; 15], &[0; 15]))].into();
    let late = Some(Reading::Known(BTreeMap::new()));
    Sight { policies, alarms, loads, late, ..sight(counts, Some(target(2, 10))) }
}

fn counts_of(sight: &mut Sight) -> &mut Counts {
    match sight.services.get_mut("shop-api") {
        Some(Reading::Known(Some(counts))) => counts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_scalable_target_without_a_policy_is_moved_by_nothing() {
    let plain = native("{}");
    assert_eq!(kinds(&plain, &with(vec![])), [FindingKind::NoPolicy]);
    assert_eq!(kinds(&plain, &with(vec![cpu()])), []);
    let steps = |alarms: &[&str]| Policy {
        name: "steps".to_owned(),
        moves: Moves::Steps,
        alarms: alarms.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(kinds(&plain, &with(vec![steps(&["busy"])])), [], "what its alarm watches is its own affair");
    assert_eq!(kinds(&plain, &with(vec![steps(&[])])), [FindingKind::NoPolicy], "nothing takes those steps");
    let fixed = Sight { targets: sight(counts(4, 4), Some(target(4, 4))).targets, ..with(vec![]) };
    assert_eq!(kinds(&native("{ min: 4, max: 4 }"), &fixed), [], "there is nothing to move");
    assert!(!kinds(&plain, &sight(counts(4, 4), None)).contains(&FindingKind::NoPolicy));
}

#[test]
fn targets_are_those_of_the_file_where_it_names_some() {
    let asked = |scaling: &str, policies: Vec<Policy>| kinds(&native(scaling), &with(policies));
    let memory = || tracking("memory", Metric::Memory, 80.0);
    assert_eq!(asked("{ cpuTarget: 70 }", vec![cpu()]), []);
    assert_eq!(asked("{ cpuTarget: 70, memoryTarget: 80 }", vec![memory(), cpu()]), []);
    assert_eq!(asked("{ cpuTarget: 60 }", vec![cpu()]), [FindingKind::OtherTarget]);
    assert_eq!(asked("{ memoryTarget: 70 }", vec![cpu()]), [FindingKind::OtherTarget], "of another metric");
    assert_eq!(asked("{ cpuTarget: 70 }", vec![]), [FindingKind::OtherTarget], "told once");
    let requests = tracking("requests", Metric::Requests, 1000.0);
    assert_eq!(asked("{ requestsPerTarget: 1000 }", vec![requests]), []);
    let both = vec![tracking("calm", Metric::Cpu, 40.0), cpu()];
    assert_eq!(asked("{ cpuTarget: 70 }", both), [], "one of two is it");
    let words = judged(&native("{ cpuTarget: 62.5, memoryTarget: 70 }"), &with(vec![cpu()])).found[0].to_string();
    assert_eq!(
        words,
        "shop-api: flipback.yaml wants 62.5 % CPU, and its policy has 70; 70 % memory, and no policy tracks that"
    );
}

#[test]
fn a_policy_whose_alarms_do_not_set_it_off_is_found() {
    let plain = native("{}");
    let broken = |name: &str, alarm: Option<PolicyAlarm>| {
        let mut seen = with(vec![cpu()]);
        seen.alarms.insert(name.to_owned(), Reading::Known(alarm));
        judged(&plain, &seen)
    };
    let found = |judged: &Judged| judged.found.iter().map(|finding| finding.to_string()).collect::<Vec<_>>();
    let start = "shop-api may not scale: policy cpu";
    assert_eq!(found(&broken("cpu-high", None)), [format!("{start}: its alarm cpu-high does not exist any more")]);
    let disabled = broken("cpu-low", Some(PolicyAlarm { enabled: false, ..alarm() }));
    assert_eq!(found(&disabled), [format!("{start}: the actions of cpu-low are disabled")]);
    assert!(disabled.found[0].remedy("production").contains("enable-alarm-actions --alarm-names 'cpu-low'"));
    let elsewhere = PolicyAlarm { services: ["staging/shop-api".to_owned()].into(), ..alarm() };
    assert_eq!(found(&broken("cpu-high", Some(elsewhere))), [format!("{start}: cpu-high watches staging/shop-api")]);
    let silent =
        |since: Span| PolicyAlarm { state: AlarmState::InsufficientData, since: Some(NOW.minus(since)), ..alarm() };
    assert_eq!(found(&broken("cpu-high", Some(silent(Span::mins(20))))), [format!("{start}: cpu-high has no data")]);
    assert_eq!(found(&broken("cpu-high", Some(silent(Span::mins(5))))), [""; 0], "it may be new");
    let mut theirs = with(vec![tracking("queue", Metric::Other, 5.0)]);
    let elsewhere = PolicyAlarm { services: ["production/worker".to_owned()].into(), ..alarm() };
    theirs.alarms.insert("queue-high".to_owned(), Reading::Known(Some(elsewhere)));
    assert_eq!(kinds(&plain, &theirs), [], "a team's own metric may be of anything");
    let watches_nothing = PolicyAlarm { services: Default::default(), ..alarm() };
    assert_eq!(found(&broken("cpu-high", Some(watches_nothing))), [""; 0], "composite, or math");
    let one = |only_out: bool| {
        let moves = Moves::Tracking { metric: Metric::Cpu, target: level(70.0), group: None, only_out, cooldown: None };
        with(vec![Policy { name: "cpu".to_owned(), moves, alarms: vec!["cpu-high".to_owned()] }])
    };
    assert_eq!(kinds(&plain, &one(false)), [FindingKind::PolicyAlarms]);
    assert_eq!(kinds(&plain, &one(true)), [], "it never scales in");
}

#[test]
fn an_alarm_without_data_is_no_fault_where_there_can_be_none() {
    let silent = |metric: Metric| {
        let policy = tracking("p", metric, 70.0);
        let mut seen = with(vec![policy]);
        for alarm in seen.alarms.values_mut() {
            let Reading::Known(Some(alarm)) = alarm else { panic!() };
            alarm.state = AlarmState::InsufficientData;
        }
        seen
    };
    let plain = native("{}");
    assert_eq!(kinds(&plain, &silent(Metric::Memory)), [FindingKind::PolicyAlarms]);
    assert_eq!(kinds(&plain, &silent(Metric::Requests)), [], "no requests, no metric");
    assert_eq!(kinds(&plain, &silent(Metric::Other)), [], "what a team's own metric does is not known");
    let mut seen = silent(Metric::Cpu);
    counts_of(&mut seen).deploying = true;
    assert_eq!(kinds(&plain, &seen), []);
}

#[test]
fn requests_are_counted_at_a_group_that_has_the_traffic() {
    let plain = native("{}");
    let requests = || with(vec![tracking("requests", Metric::Requests, 1000.0)]);
    assert_eq!(kinds(&plain, &requests()), []);
    let mut turns = requests();
    counts_of(&mut turns).turns = true;
    let found = judged(&plain, &turns);
    assert!(found.found[0].to_string().contains("every other deployment"), "{found:?}");
    assert!(found.found[0].remedy("production").contains("both groups"));
    // A policy on CPU does not care.
    let mut with_cpu = with(vec![cpu()]);
    counts_of(&mut with_cpu).turns = true;
    assert_eq!(kinds(&plain, &with_cpu), []);
    let mut other = requests();
    counts_of(&mut other).groups.clear();
    let found = judged(&plain, &other);
    assert!(found.found[0].to_string().contains("which is not the service's"), "{found:?}");
    assert!(found.found[0].remedy("production").contains("put requests again with the ResourceLabel"));
    other.services.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    assert!(judged(&plain, &other).unknown.contains(&(FindingKind::DrainedGroup, Role::Live)));
}

#[test]
fn steps_and_tracking_together_are_told_as_that() {
    let steps = Policy { name: "steps".to_owned(), moves: Moves::Steps, alarms: vec![] };
    let plain = native("{}");
    assert_eq!(kinds(&plain, &with(vec![steps.clone(), cpu()])), [FindingKind::MixedPolicies]);
    assert_eq!(kinds(&plain, &with(vec![cpu(), tracking("memory", Metric::Memory, 80.0)])), []);
    assert_eq!(kinds(&native("{ ignore: [mixedPolicies] }"), &with(vec![steps, cpu()])), []);
}

#[test]
fn policies_and_alarms_that_cannot_be_read_open_and_close_nothing() {
    let plain = native("{}");
    let mut seen = with(vec![cpu()]);
    seen.alarms.insert("cpu-high".to_owned(), Reading::Unknown("throttled".to_owned()));
    let found = judged(&plain, &seen);
    assert_eq!(found.found.iter().map(Finding::kind).collect::<Vec<_>>(), [FindingKind::Unreadable]);
    assert_eq!(found.unknown, [(FindingKind::PolicyAlarms, Role::Live)].into());
    // The other one's fault is known all the same.
    seen.alarms.insert("cpu-low".to_owned(), Reading::Known(None));
    assert_eq!(kinds(&plain, &seen), [FindingKind::PolicyAlarms, FindingKind::Unreadable]);
    seen.policies.insert("shop-api".to_owned(), Reading::Unknown("AccessDenied".to_owned()));
    let found = judged(&plain, &seen);
    assert_eq!(found.found.iter().map(Finding::kind).collect::<Vec<_>>(), [FindingKind::Unreadable]);
    assert_eq!(found.unknown.len(), 7, "{:?}", found.unknown);
    seen.services.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
    let unreadable = |judged: &Judged| judged.found.iter().filter(|one| one.kind() == FindingKind::Unreadable).count();
    assert_eq!(unreadable(&judged(&plain, &seen)), 1, "told once");
}

#[test]
fn findings_of_policies_open_once_and_close_once() {
    for bad in [with(vec![]), with(vec![Policy { alarms: vec![], ..cpu() }])] {
        let good = with(vec![cpu()]);
        let mut days = days();
        let opened: usize = (0..6).map(|_| days.look(&bad).0).sum();
        let closed: usize = (0..6).map(|_| days.look(&good).1).sum();
        assert_eq!((opened, closed, days.memory.open.len()), (1, 1, 0));
    }
}

#[test]
fn a_target_is_a_number_above_nothing() {
    let of = |scaling: &str| parse(&format!("{NATIVE}    scaling: {scaling}\n")).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(of("{ cpuTarget: 62.5 }"), Ok(()));
    assert!(of("{ cpuTarget: 0 }").unwrap_err().contains("more than 0"));
    assert!(of("{ requestsPerTarget: 0.0004 }").unwrap_err().contains("more than 0"), "it would be read back as 0");
    assert!(of("{ cpuTarget: 700 }").unwrap_err().contains("cpuTarget 700 is more than 100 percent"));
    assert!(of("{ memoryTarget: 101 }").unwrap_err().contains("memoryTarget"));
    assert_eq!(of("{ requestsPerTarget: 5000 }"), Ok(()));
}

#[test]
fn at_its_maximum_and_above_its_target_is_worse_than_at_its_maximum() {
    let plain = native("{}");
    let full = |state: AlarmState, above: bool| {
        let mut seen = with(vec![cpu()]);
        *counts_of(&mut seen) = Counts { groups: counts_of(&mut seen).groups.clone(), ..counts(10, 10) };
        seen.alarms.insert("cpu-high".to_owned(), Reading::Known(Some(PolicyAlarm { state, above, ..alarm() })));
        judged(&plain, &seen).found.iter().map(|one| (one.severity(), one.to_string())).collect::<Vec<_>>()
    };
    let words = |more: &str| format!("shop-api is at its maximum of 10 tasks{more}: it cannot grow any more");
    assert_eq!(full(AlarmState::Ok, true), [(Severity::Warning, words(""))]);
    assert_eq!(full(AlarmState::Alarm, false), [(Severity::Warning, words(""))], "below its target, at its maximum");
    let worse = [(Severity::Critical, words(", and policy cpu is above its target"))];
    assert_eq!(full(AlarmState::Alarm, true), worse);
}

#[test]
fn a_target_that_differs_is_put_right_by_the_name_it_has() {
    let found = judged(&native("{ cpuTarget: 60, memoryTarget: 80 }"), &with(vec![cpu()]));
    let remedy = found.found[0].remedy("production");
    assert!(remedy.contains("put cpu again with TargetValue=60 and what else it has"), "{remedy}");
    assert!(remedy.contains("--policy-name memory ") && remedy.contains("TargetValue=80"), "{remedy}");
}
