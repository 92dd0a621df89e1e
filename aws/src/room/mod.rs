//! What is around the services of a round: how soon their targets are healthy, their subnets, the account's quota of Fargate.

mod checks;
mod quota;
mod sizes;
mod subnets;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use checks::Late;

use shared::observation::{Reading, ScalingReading};
use shared::scaling::{Counts, Quota, Subnet, wants_size};
use shared::time::Time;

use crate::world::World;

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    pub(crate) late: Option<Reading<Late>>,
    pub(crate) subnets: BTreeMap<String, Reading<Option<Subnet>>>,
    pub(crate) vcpus: Option<Reading<Option<Quota>>>,
    pub(crate) sizes: BTreeMap<String, Reading<u32>>,
}

/// What is known of the account already; none: not yet.
pub(crate) type OfAccount = (Option<Reading<Late>>, Option<Reading<Option<Quota>>>);

/// What belongs to the account, and is read once for all parts of a round; and how many calls that took.
pub(crate) async fn of_account(world: &World, at: Time) -> (Reading<Late>, Reading<Option<Quota>>, usize) {
    let (mut pages, mut more) = (0, 0);
    let (late, vcpus) = tokio::join!(checks::read(world, &mut pages), quota::read(world, at, &mut more));
    (late, vcpus, pages + more)
}

/// Reads what is around these services, each with its scalable target (none: not known; none in it: it has none); and how many calls that
/// took.
pub(crate) async fn read(
    world: &World,
    services: &[(&Counts, Option<Option<&ScalingReading>>)],
    (late, vcpus): OfAccount,
    at: Time,
) -> (Room, usize) {
    let ids: BTreeSet<&String> = services.iter().flat_map(|(counts, _)| &counts.subnets).collect();
    let (mut of_late, mut of_subnets, mut of_quota, mut of_sizes) = (0, 0, 0, 0);
    let late = async {
        let missing = late.is_none() && services.iter().any(|(counts, _)| !counts.groups.is_empty());
        if missing { Some(checks::read(world, &mut of_late).await) } else { late }
    };
    let vcpus = async {
        let missing = vcpus.is_none() && services.iter().any(|(counts, _)| counts.fargate);
        if missing { Some(quota::read(world, at, &mut of_quota).await) } else { vcpus }
    };
    let (late, vcpus, subnets) = tokio::join!(late, vcpus, subnets::read(world, &ids, &mut of_subnets));
    let mut sizes = BTreeMap::new();
    if let Some(Reading::Known(Some(quota))) = &vcpus {
        let wants = |(counts, target): &&(&Counts, Option<Option<&ScalingReading>>)| {
            target.is_some_and(|target| wants_size(counts, target, quota))
        };
        let definitions: BTreeSet<&String> =
            services.iter().filter(wants).map(|(counts, _)| &counts.definition).collect();
        sizes = sizes::read(world, &definitions, &mut of_sizes).await;
    }
    let room = Room { late, vcpus, subnets, sizes };
    (room, of_late + of_subnets + of_quota + of_sizes)
}
