//! Whether there is room for what the service may grow to. With a tenth more than that it is over; between, nothing changes.

use super::super::room::{Quota, VCPU};
use super::super::{Counts, FindingKind, Sight, Subnet, What};
use super::Answer;
use crate::observation::{Reading, ScalingReading};

/// What only its surroundings tell.
pub(super) const OF_ROOM: [FindingKind; 4] =
    [FindingKind::LateHealthy, FindingKind::FewAddresses, FindingKind::OneZone, FindingKind::VcpuQuota];

/// CPU units that no task exceeds: Fargate's largest has 16 vCPUs (ECS developer guide), and one that is newer may have more.
const LARGEST: u64 = 32 * VCPU;

/// What was judged, and why something could not be read.
#[derive(Default)]
pub(super) struct Room<'a> {
    pub(super) found: Vec<What>,
    pub(super) unknown: Vec<FindingKind>,
    pub(super) unread: Option<&'a String>,
}

/// Judges what is around a service; with its target where that is known. While tasks come and go there are more of them than stay.
pub(super) fn judge<'a>(
    counts: &Counts,
    target: Option<&Option<ScalingReading>>,
    busy: bool,
    sight: &'a Sight,
) -> Room<'a> {
    let mut room = Room::default();
    let take = |kind: FindingKind, answer: Answer, room: &mut Room<'a>| match answer {
        Answer::Found(what) => room.found.push(what),
        Answer::Fine => {}
        Answer::Unknown => room.unknown.push(kind),
    };
    take(FindingKind::LateHealthy, late(counts, sight, &mut room.unread), &mut room);
    let subnets = subnets(counts, sight, &mut room.unread);
    let most = target.map(|target| most(counts, target.as_ref()));
    let one_zone = match (&subnets, most) {
        (Some(subnets), Some(most)) => one_zone(subnets, most),
        (_, _) => Answer::Unknown,
    };
    take(FindingKind::OneZone, one_zone, &mut room);
    let more = most.filter(|_| !busy).map(|most| growth(counts, most));
    let few = match (&subnets, more) {
        (Some(subnets), Some(more)) => few(subnets, more),
        (_, _) => Answer::Unknown,
    };
    take(FindingKind::FewAddresses, few, &mut room);
    let vcpus = more.map_or(Answer::Unknown, |more| vcpus(counts, more, sight, &mut room.unread));
    take(FindingKind::VcpuQuota, vcpus, &mut room);
    room
}

/// The most tasks that it may come to: what nothing scales stays as it is.
fn most(counts: &Counts, target: Option<&ScalingReading>) -> u32 {
    target.map_or(counts.desired, |target| target.max)
}

/// By how many tasks it may grow.
fn growth(counts: &Counts, most: u32) -> u32 {
    most.saturating_sub(counts.running + counts.pending)
}

fn late<'a>(counts: &Counts, sight: &'a Sight, unread: &mut Option<&'a String>) -> Answer {
    if counts.groups.is_empty() {
        return Answer::Fine;
    }
    match &sight.late {
        Some(Reading::Known(late)) => {
            let own = counts.groups.iter().find_map(|group| Some((group, late.get(group)?)));
            own.map_or(Answer::Fine, |(group, check)| {
                Answer::Found(What::LateHealthy {
                    group: group.clone(),
                    interval: check.interval,
                    threshold: check.threshold,
                })
            })
        }
        Some(Reading::Unknown(why)) => {
            *unread = Some(why);
            Answer::Unknown
        }
        None => Answer::Unknown,
    }
}

/// The service's subnets, where each could be read. One that is gone has no address.
fn subnets<'a>(
    counts: &Counts,
    sight: &'a Sight,
    unread: &mut Option<&'a String>,
) -> Option<Vec<(String, Option<&'a Subnet>)>> {
    let mut found = Vec::new();
    for id in &counts.subnets {
        match sight.subnets.get(id)? {
            Reading::Known(subnet) => found.push((id.clone(), subnet.as_ref())),
            Reading::Unknown(why) => {
                *unread = unread.or(Some(why));
                return None;
            }
        }
    }
    Some(found)
}

fn one_zone(subnets: &[(String, Option<&Subnet>)], most: u32) -> Answer {
    let zones: Vec<&String> = subnets.iter().filter_map(|(_, subnet)| Some(&subnet.as_ref()?.zone)).collect();
    match zones.as_slice() {
        [zone, rest @ ..] if most > 1 && rest.iter().all(|other| other == zone) => {
            Answer::Found(What::OneZone { zone: (*zone).clone() })
        }
        _ => Answer::Fine,
    }
}

fn few(subnets: &[(String, Option<&Subnet>)], more: u32) -> Answer {
    let only_ipv6 = |(_, subnet): &(String, Option<&Subnet>)| subnet.is_some_and(|subnet| subnet.free.is_none());
    // Its tasks have the addresses of their instances, or more than they need.
    if subnets.is_empty() || more == 0 || subnets.iter().any(only_ipv6) {
        return Answer::Fine;
    }
    let free_of = |subnet: &Option<&Subnet>| subnet.and_then(|subnet| subnet.free).unwrap_or(0);
    let free = subnets.iter().map(|(_, subnet)| u64::from(free_of(subnet))).sum();
    let full: Vec<String> =
        subnets.iter().filter(|(_, subnet)| free_of(subnet) == 0).map(|(id, _)| id.clone()).collect();
    let what = |full: Vec<String>| What::FewAddresses {
        subnets: subnets.iter().map(|(id, _)| id.clone()).collect(),
        free: u32::try_from(free).unwrap_or(u32::MAX),
        full,
        more,
    };
    // Tasks are spread over the zones, and nothing says that a full one is left out.
    if !full.is_empty() {
        return Answer::Found(what(full));
    }
    match fits(more.into(), free, || what(full)) {
        Answer::Fine if subnets.iter().any(|(_, subnet)| free_of(subnet) < SOME) => Answer::Unknown,
        answer => answer,
    }
}

/// A subnet that was full is so no more with as many addresses.
const SOME: u32 = 3;

fn vcpus<'a>(counts: &Counts, more: u32, sight: &'a Sight, unread: &mut Option<&'a String>) -> Answer {
    if !counts.fargate || more == 0 {
        return Answer::Fine;
    }
    let quota = match &sight.vcpus {
        Some(Reading::Known(Some(quota))) => quota,
        Some(Reading::Unknown(why)) => {
            *unread = unread.or(Some(why));
            return Answer::Unknown;
        }
        Some(Reading::Known(None)) | None => return Answer::Unknown,
    };
    if !may_not_fit(more, quota) {
        return Answer::Fine;
    }
    let size = match sight.sizes.get(&counts.definition) {
        Some(Reading::Known(size)) => u64::from(*size),
        Some(Reading::Unknown(why)) => {
            *unread = unread.or(Some(why));
            return Answer::Unknown;
        }
        None => return Answer::Unknown,
    };
    let units = size * u64::from(more);
    fits(units, quota.free(), || What::VcpuQuota { more, units, limit: quota.limit, used: quota.used })
}

fn may_not_fit(more: u32, quota: &Quota) -> bool {
    !matches!(fits(LARGEST * u64::from(more), quota.free(), || What::Gone), Answer::Fine)
}

/// Whether the size of a service's tasks says more of the account's quota: a call for each of its revisions. Where even the largest
/// tasks fit, it does not.
#[must_use]
pub fn wants_size(counts: &Counts, target: Option<&ScalingReading>, vcpus: &Quota) -> bool {
    let more = growth(counts, most(counts, target));
    counts.fargate && !counts.deploying && may_not_fit(more, vcpus)
}

fn fits(need: u64, free: u64, what: impl FnOnce() -> What) -> Answer {
    if need > free {
        Answer::Found(what())
    } else if need + need.div_ceil(10) <= free {
        Answer::Fine
    } else {
        Answer::Unknown
    }
}
