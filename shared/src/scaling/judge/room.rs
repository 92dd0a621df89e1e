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
    // What nothing scales stays as it is.
    let most = target.map(|target| target.map_or(counts.desired, |target| target.max));
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
    take(FindingKind::VcpuQuota, more.map_or(Answer::Unknown, |more| vcpus(counts, more, sight)), &mut room);
    room
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
    let mut zones: Vec<&String> = subnets.iter().filter_map(|(_, subnet)| Some(&subnet.as_ref()?.zone)).collect();
    zones.dedup();
    match zones.as_slice() {
        [zone, rest @ ..] if most > 1 && rest.iter().all(|other| other == zone) => {
            Answer::Found(What::OneZone { zone: (*zone).clone() })
        }
        _ => Answer::Fine,
    }
}

fn few(subnets: &[(String, Option<&Subnet>)], more: u32) -> Answer {
    // Its tasks have the addresses of their instances.
    if subnets.is_empty() {
        return Answer::Fine;
    }
    let free: u64 = subnets.iter().filter_map(|(_, subnet)| Some(u64::from(subnet.as_ref()?.free))).sum();
    fits(more.into(), free, || What::FewAddresses {
        subnets: subnets.iter().map(|(id, _)| id.clone()).collect(),
        free: u32::try_from(free).unwrap_or(u32::MAX),
        more,
    })
}

fn vcpus(counts: &Counts, more: u32, sight: &Sight) -> Answer {
    if !counts.fargate || more == 0 {
        return Answer::Fine;
    }
    let Some(Reading::Known(quota)) = &sight.vcpus else { return Answer::Unknown };
    let size = match sight.sizes.get(&counts.definition) {
        Some(Reading::Known(size)) => u64::from(*size),
        Some(Reading::Unknown(_)) | None if may_not_fit(more, quota) => return Answer::Unknown,
        Some(Reading::Unknown(_)) | None => return Answer::Fine,
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
pub fn wants_size(counts: &Counts, target: &ScalingReading, vcpus: &Quota) -> bool {
    let more = growth(counts, target.max);
    counts.fargate && more > 0 && may_not_fit(more, vcpus)
}

fn fits(need: u64, free: u64, what: impl FnOnce() -> What) -> Answer {
    if need > free {
        Answer::Found(what())
    } else if need + need / 10 <= free {
        Answer::Fine
    } else {
        Answer::Unknown
    }
}
