//! What a service needs around it to grow.

use super::*;
use crate::ids::TargetGroupArn;

pub(super) fn placed(counts: Counts) -> Counts {
    Counts {
        subnets: ["subnet-a".to_owned(), "subnet-b".to_owned()].into(),
        definition: "shop:7".to_owned(),
        fargate: true,
        groups: [TargetGroupArn::from("arn:group/blue")].into(),
        ..counts
    }
}

fn subnet(zone: &str, free: u32) -> Reading<Option<Subnet>> {
    Reading::Known(Some(Subnet { zone: zone.to_owned(), free: Some(free) }))
}

/// Four of ten tasks, plenty of everything.
pub(super) fn roomy(counts: Counts) -> Sight {
    Sight {
        late: Some(Reading::Known(BTreeMap::new())),
        subnets: [("subnet-a".to_owned(), subnet("a", 100)), ("subnet-b".to_owned(), subnet("b", 100))].into(),
        vcpus: Some(Reading::Known(Some(Quota { limit: 1_000 * VCPU, used: 0 }))),
        ..sight(placed(counts), Some(target(2, 10)))
    }
}

/// Takes away what this kind says is missing.
pub(super) fn without(kind: FindingKind, sight: &mut Sight) {
    match kind {
        FindingKind::LateHealthy => {
            let check = HealthCheck { interval: 60, threshold: 10 };
            sight.late = Some(Reading::Known([("arn:group/blue".into(), check)].into()));
        }
        FindingKind::FewAddresses => {
            sight.subnets = [("subnet-a".to_owned(), subnet("a", 1)), ("subnet-b".to_owned(), subnet("b", 0))].into();
        }
        FindingKind::OneZone => drop(sight.subnets.insert("subnet-b".to_owned(), subnet("a", 100))),
        FindingKind::VcpuQuota => {
            sight.vcpus = Some(Reading::Known(Some(Quota { limit: 8 * VCPU, used: 3 * VCPU })));
            sight.sizes = [("shop:7".to_owned(), Reading::Known(1_024))].into();
        }
        other => panic!("{other:?} is no matter of room"),
    }
}

fn told(sight: &Sight) -> Vec<FindingKind> {
    kinds(&native("{}"), sight)
}

fn silent(sight: &Sight, kind: FindingKind) -> bool {
    judged(&native("{}"), sight).unknown.contains(&(kind, Role::Live))
}

#[test]
fn with_room_for_the_maximum_nothing_is_found() {
    let fine = roomy(counts(4, 4));
    assert_eq!(told(&fine), []);
    for kind in [FindingKind::LateHealthy, FindingKind::FewAddresses, FindingKind::OneZone, FindingKind::VcpuQuota] {
        assert!(!silent(&fine, kind), "{kind:?} is known");
        let none = sight(placed(counts(4, 4)), Some(target(2, 10)));
        assert!(told(&none).is_empty() && silent(&none, kind), "{kind:?} was not read");
        let mut gone = fine.clone();
        gone.services.insert("shop-api".to_owned(), Reading::Unknown("throttled".to_owned()));
        assert!(silent(&gone, kind), "{kind:?}");
    }
}

#[test]
fn addresses_left_are_compared_with_what_the_maximum_needs() {
    let left = |counts: Counts, a: u32, b: u32| {
        let mut sight = roomy(counts);
        sight.subnets = [("subnet-a".to_owned(), subnet("a", a)), ("subnet-b".to_owned(), subnet("b", b))].into();
        (told(&sight), silent(&sight, FindingKind::FewAddresses))
    };
    // Six more.
    assert_eq!(left(counts(4, 4), 2, 3), (vec![FindingKind::FewAddresses], false));
    assert_eq!(left(counts(4, 4), 3, 3), (vec![], true), "just enough: neither");
    assert_eq!(left(counts(4, 4), 4, 3), (vec![], false));
    assert_eq!(left(Counts { pending: 1, ..counts(5, 4) }, 3, 3).0, [FindingKind::RunningBelowDesired], "five more");
    // Half of the tasks go to either.
    assert_eq!(left(counts(4, 4), 0, 200), (vec![FindingKind::FewAddresses], false), "one is full");
    assert_eq!(left(counts(4, 4), 2, 200), (vec![], true), "it was");
    assert_eq!(left(counts(4, 4), 3, 200), (vec![], false));
    let wide = |free: u32| {
        let mut sight = roomy(counts(4, 4));
        sight.targets = self::sight(counts(4, 4), Some(target(2, 104))).targets;
        sight.subnets.insert("subnet-b".to_owned(), subnet("b", free - 100));
        (told(&sight), silent(&sight, FindingKind::FewAddresses))
    };
    assert_eq!(wide(109), (vec![], true), "between the two limits nothing changes");
    assert_eq!(wide(110), (vec![], false), "a tenth more is enough");
    assert_eq!(left(counts(10, 10), 0, 0).0, [FindingKind::AtMax], "it needs none");
    let mut six = roomy(counts(4, 4));
    six.subnets.insert("subnet-b".to_owned(), Reading::Known(Some(Subnet { zone: "b".to_owned(), free: None })));
    six.subnets.insert("subnet-a".to_owned(), subnet("a", 0));
    assert_eq!(told(&six), [], "IPv6 addresses do not end");
    let mut alone = roomy(counts(4, 4));
    alone.targets.insert("shop-api".to_owned(), Reading::Known(None));
    alone.subnets = [("subnet-a".to_owned(), subnet("a", 0)), ("subnet-b".to_owned(), subnet("b", 0))].into();
    assert_eq!(told(&alone), [FindingKind::NoScalableTarget], "nothing makes it grow");
    let mut unplaced = roomy(counts(4, 4));
    unplaced.services.insert("shop-api".to_owned(), Reading::Known(Some(counts(4, 4))));
    unplaced.subnets.clear();
    assert_eq!(
        (told(&unplaced), silent(&unplaced, FindingKind::FewAddresses)),
        (vec![], false),
        "no addresses of its own"
    );
}

#[test]
fn a_subnet_that_is_gone_has_no_addresses_and_one_that_cannot_be_read_says_so() {
    let with = |reading: Reading<Option<Subnet>>| {
        let mut sight = roomy(counts(4, 4));
        sight.subnets = [("subnet-a".to_owned(), subnet("a", 5)), ("subnet-b".to_owned(), reading)].into();
        sight
    };
    assert_eq!(told(&with(Reading::Known(None))), [FindingKind::OneZone, FindingKind::FewAddresses]);
    let denied = with(Reading::Unknown("ec2:DescribeSubnets: UnauthorizedOperation".to_owned()));
    assert_eq!(told(&denied), [FindingKind::Unreadable]);
    assert!(silent(&denied, FindingKind::FewAddresses) && silent(&denied, FindingKind::OneZone));
    let mut half = roomy(counts(4, 4));
    half.subnets.remove("subnet-b");
    assert!(told(&half).is_empty() && silent(&half, FindingKind::FewAddresses) && silent(&half, FindingKind::OneZone));
}

#[test]
fn subnets_of_one_zone_are_told_where_there_may_be_two_tasks() {
    let zones = |a: &str, b: &str, most: u32| {
        let mut sight = roomy(counts(1, 1));
        sight.targets = self::sight(counts(1, 1), Some(target(1, most))).targets;
        sight.subnets = [("subnet-a".to_owned(), subnet(a, 50)), ("subnet-b".to_owned(), subnet(b, 50))].into();
        told(&sight)
    };
    assert_eq!(zones("a", "a", 2), [FindingKind::OneZone]);
    assert_eq!(zones("a", "b", 2), []);
    assert!(!zones("a", "a", 1).contains(&FindingKind::OneZone), "one task is in one zone");
}

#[test]
fn the_quota_is_compared_with_what_the_maximum_takes() {
    let with = |limit: u64, used: u64, size: Option<Reading<u32>>| {
        let mut sight = roomy(counts(4, 4));
        sight.vcpus = Some(Reading::Known(Some(Quota { limit: limit * VCPU, used: used * VCPU })));
        sight.sizes = size.map(|size| ("shop:7".to_owned(), size)).into_iter().collect();
        (told(&sight), silent(&sight, FindingKind::VcpuQuota))
    };
    let two = || Some(Reading::Known(2_048));
    // Six more of two vCPUs.
    assert_eq!(with(20, 9, two()), (vec![FindingKind::VcpuQuota], false));
    assert_eq!(with(20, 8, two()), (vec![], true), "just enough: neither");
    assert_eq!(with(20, 7, two()), (vec![], true));
    assert_eq!(with(20, 6, two()), (vec![], false));
    assert_eq!(with(20, 25, two()), (vec![FindingKind::VcpuQuota], false), "it was lowered");
    assert_eq!(with(20, 0, None), (vec![], true), "how large they are is not known");
    let denied = || Some(Reading::Unknown("ecs:DescribeTaskDefinition: AccessDenied".to_owned()));
    assert_eq!(with(20, 0, denied()), (vec![FindingKind::Unreadable], true));
    assert_eq!(with(212, 0, denied()), (vec![], false), "the largest fit, with a tenth more");
    assert_eq!(with(211, 0, None), (vec![], true));
    let mut spot = roomy(counts(4, 4));
    spot.services
        .insert("shop-api".to_owned(), Reading::Known(Some(Counts { fargate: false, ..placed(counts(4, 4)) })));
    spot.vcpus = Some(Reading::Known(Some(Quota { limit: 0, used: 0 })));
    assert_eq!((told(&spot), silent(&spot, FindingKind::VcpuQuota)), (vec![], false), "it has another quota, or none");
    let mut alone = roomy(counts(4, 3));
    alone.targets.insert("shop-api".to_owned(), Reading::Known(None));
    alone.vcpus = Some(Reading::Known(Some(Quota { limit: 8 * VCPU, used: 8 * VCPU })));
    alone.sizes = [("shop:7".to_owned(), Reading::Known(256))].into();
    assert!(told(&alone).contains(&FindingKind::VcpuQuota), "what is wanted is not there");
    let mut unread = roomy(counts(4, 4));
    unread.vcpus = Some(Reading::Unknown("cloudwatch:GetMetricData: AccessDenied".to_owned()));
    assert_eq!((told(&unread), silent(&unread, FindingKind::VcpuQuota)), (vec![FindingKind::Unreadable], true));
    unread.vcpus = Some(Reading::Known(None));
    assert_eq!((told(&unread), silent(&unread, FindingKind::VcpuQuota)), (vec![], true), "CloudWatch does not have it");
}

#[test]
fn the_size_of_a_task_is_asked_for_where_the_largest_would_not_fit() {
    let quota = |limit: u64| Quota { limit: limit * VCPU, used: 0 };
    let wants = |counts: &Counts, limit: u64| wants_size(counts, Some(&target(2, 10)), &quota(limit));
    let alone = |counts: &Counts| wants_size(counts, None, &quota(0));
    assert!(alone(&placed(counts(4, 3))) && !alone(&placed(counts(4, 4))), "nothing scales it, and one is missing");
    assert!(wants(&placed(counts(4, 4)), 211) && !wants(&placed(counts(4, 4)), 212));
    assert!(!wants(&placed(counts(10, 10)), 0), "it does not grow");
    assert!(!wants(&counts(4, 4), 0), "not on Fargate");
    assert!(!wants(&Counts { deploying: true, ..placed(counts(4, 4)) }, 0), "nothing is said of it");
}

#[test]
fn a_target_that_is_healthy_later_than_a_scale_out_may_take_is_told() {
    let check = |interval: u32, threshold: u32| HealthCheck { interval, threshold };
    assert!(check(61, 5).late() && !check(60, 5).late() && !check(30, 5).late(), "AWS's own are 30 and 5");
    let mut slow = roomy(counts(4, 4));
    slow.late = Some(Reading::Known([("arn:group/blue".into(), check(60, 10))].into()));
    assert_eq!(told(&slow), [FindingKind::LateHealthy]);
    let sentence = judged(&native("{}"), &slow).found[0].to_string();
    assert!(sentence.contains("after 10 of them, 60 seconds apart") && sentence.contains("600 seconds"), "{sentence}");
    slow.late = Some(Reading::Known([("arn:group/other".into(), check(60, 10))].into()));
    assert_eq!(told(&slow), [], "another service's");
    slow.late = Some(Reading::Unknown("elasticloadbalancing:DescribeTargetGroups: throttled".to_owned()));
    assert_eq!(told(&slow), [FindingKind::Unreadable]);
    assert!(silent(&slow, FindingKind::LateHealthy));
    slow.services.insert("shop-api".to_owned(), Reading::Known(Some(counts(4, 4))));
    assert_eq!(told(&slow), [], "it has no target group");
}

#[test]
fn while_tasks_come_and_go_nothing_is_said_of_what_is_left() {
    let full = |counts: Counts| {
        let mut sight = roomy(counts);
        sight.subnets = [("subnet-a".to_owned(), subnet("a", 0)), ("subnet-b".to_owned(), subnet("b", 0))].into();
        sight.vcpus = Some(Reading::Known(Some(Quota { limit: 0, used: 0 })));
        sight.sizes = [("shop:7".to_owned(), Reading::Known(256))].into();
        sight
    };
    assert_eq!(told(&full(counts(4, 4))), [FindingKind::FewAddresses, FindingKind::VcpuQuota]);
    let deploying = full(Counts { deploying: true, ..counts(4, 4) });
    assert_eq!(told(&deploying), []);
    assert!(silent(&deploying, FindingKind::FewAddresses) && silent(&deploying, FindingKind::VcpuQuota));
    let (config, mut status) = (native("{}"), Status::default());
    let both = subjects(&config, &status, None).expect("native");
    status.rollout = Scene::pushed_until("registering").status.rollout;
    let judged = judge(&config, &status, &both, &full(counts(4, 4)), &Past::default());
    assert!(judged.found.is_empty() && judged.unknown.contains(&(FindingKind::VcpuQuota, Role::Live)), "{judged:?}");
}

#[test]
fn what_is_left_is_told_with_its_numbers_and_what_to_do() {
    let of = |what: What| Finding { role: Role::Live, service: "shop".to_owned(), what };
    let quota = of(What::VcpuQuota { more: 6, units: 1_536, limit: 16 * VCPU, used: 15 * VCPU });
    assert_eq!(
        quota.to_string(),
        "shop may grow by 6 tasks of 1.5 vCPUs in all, and 1 are left of the account's 16 Fargate vCPUs"
    );
    assert!(quota.remedy("c").ends_with("--desired-value 21"), "{}", quota.remedy("c"));
    assert_eq!(quota.severity(), Severity::Warning, "one of a quarter of a vCPU has room");
    let none = of(What::VcpuQuota { more: 6, units: 1_536, limit: 16 * VCPU, used: 16 * VCPU - 255 });
    assert_eq!(none.severity(), Severity::Critical, "the next step fails");
    let few = |free: u32| of(What::FewAddresses { subnets: vec!["subnet-a".to_owned()], free, full: vec![], more: 6 });
    assert_eq!(few(5).to_string(), "shop may grow by 6 tasks, and its subnets (subnet-a) have 5 addresses left");
    assert_eq!((few(1).severity(), few(0).severity()), (Severity::Warning, Severity::Critical));
    let (subnets, full) = (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]);
    let half = of(What::FewAddresses { subnets, free: 9, full, more: 6 });
    assert!(half.to_string().ends_with("(a, b) have 9 addresses left, b none"), "{half}");
}
