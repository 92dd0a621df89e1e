//! A round of the scaling check: many services looked at with as few calls as AWS's APIs allow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_ecs::types::{DeploymentRolloutState, DeploymentStrategy, LaunchType, Service, ServiceEvent};
use serde::{Deserialize, Serialize};
use shared::ids::{ServiceName, TargetGroupArn};
use shared::observation::{Ask, Reading, ScalingReading};
use shared::ports::{Clock, Observer, Record, Store};
use shared::scaling::{
    self, Counts, HealthCheck, Judged, Load, Memory, Policy, Quota, Role, Scheduled, Sight, Subject,
};
use shared::time::Time;
use tokio::task::JoinSet;

use crate::clock::SystemClock;
use crate::count::{count, time};
use crate::load::Wanted;
use crate::pace::Bucket;
use crate::schedules::Schedules;
use crate::store::Table;
use crate::world::World;

/// The most services of one DescribeServices (ECS API reference).
const SERVICES: usize = 10;
/// The most resources of one DescribeScalableTargets (Application Auto Scaling API reference).
const TARGETS: usize = 50;
/// What is listed, and what is asked of single services, is over after this: well below the function's timeout of three minutes. What
/// was not asked then stays as it was.
const LISTING: Duration = Duration::from_secs(100);
/// So many records are read at once.
const AT_ONCE: usize = 8;

/// One service of a round.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Configuration and status.
    pub record: Record,
    /// The ECS services that were looked at.
    pub subjects: Vec<Subject>,
    /// What was read of them.
    pub sight: Sight,
    /// What is wrong.
    pub judged: Judged,
    /// What is remembered of the looks before.
    pub memory: Memory,
    /// The version of that.
    pub version: u64,
}

/// What a round saw, and how many calls it took.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// By service; what could not be read of the table says why.
    pub checked: BTreeMap<ServiceName, Result<Checked, String>>,
    /// Calls to ECS, Application Auto Scaling and CloudWatch.
    pub calls: usize,
}

/// What is known before a round: what AWS lists for a whole account, ten or fifty in a page, is listed once for all its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Scaling policies by resource (`service/CLUSTER/SERVICE`).
    pub policies: BTreeMap<String, Reading<Vec<Policy>>>,
    /// Scheduled actions by resource; none: not known yet.
    #[serde(default)]
    pub scheduled: Option<Reading<Schedules>>,
    /// The account's target groups that are healthy late; none: not known yet.
    #[serde(default)]
    pub late: Option<Reading<BTreeMap<TargetGroupArn, HealthCheck>>>,
    /// The account's quota of Fargate; none: not known yet.
    #[serde(default)]
    pub vcpus: Option<Reading<Option<Quota>>>,
}

type Place = (String, String);

/// Looks at these services. One that cannot be read keeps nobody from the others. What is known already is taken as it is.
pub async fn round(world: &World, table: &Table, services: &[ServiceName], known: &Known) -> Round {
    world.pace.begin(LISTING);
    let mut round = Round::default();
    let mut loaded = Vec::new();
    for (service, result) in load(world, table, services).await {
        match result {
            Ok(found) => loaded.push((service, found)),
            Err(why) => {
                round.checked.insert(service, Err(why));
            }
        }
    }
    let at = SystemClock.now();
    let place = |record: &Record, subject: &Subject| (record.config.cluster.clone(), subject.service.clone());
    let places: BTreeSet<Place> = loaded
        .iter()
        .flat_map(|(_, found)| found.subjects.iter().map(|subject| place(&found.record, subject)))
        .collect();
    // What is at rest, or comes up, is moved by nothing.
    let resource = |(cluster, service): &Place| crate::scaling::resource(cluster, service);
    let live = loaded.iter().flat_map(|(_, found)| {
        let live = found.subjects.iter().filter(|subject| subject.role == Role::Live);
        live.map(|subject| resource(&place(&found.record, subject)))
    });
    let live: BTreeSet<String> = live.collect();
    let (counts, targets, policies, scheduled) = tokio::join!(
        read_counts(world, &places),
        read_targets(world, &places),
        crate::policies::read(world, &live, &known.policies),
        read_schedules(world, &live, known)
    );
    // What is at rest uses nothing, and of what cannot be read it says nothing.
    let wanted = loaded.iter().flat_map(|(_, found)| {
        let live = found.subjects.iter().filter(|subject| subject.role == Role::Live);
        live.filter_map(|subject| {
            let place = place(&found.record, subject);
            let groups = counts.0.get(&place)?.known()?.as_ref()?.groups.clone();
            Some(Wanted::of(place.0, place.1, groups, found.record.config.engine.routes()))
        })
    });
    let wanted: Vec<Wanted> = wanted.collect();
    let around = loaded.iter().flat_map(|(_, found)| {
        let live = found.subjects.iter().filter(|subject| subject.role == Role::Live);
        live.filter_map(|subject| {
            let place = place(&found.record, subject);
            let target = targets.0.get(&place).and_then(Reading::known).map(Option::as_ref);
            Some((counts.0.get(&place)?.known()?.as_ref()?, target))
        })
    });
    let around: Vec<(&Counts, Option<Option<&ScalingReading>>)> = around.collect();
    let (alarms, loads, (room, of_room)) = tokio::join!(
        crate::policies::read_alarms(world, &policies.0),
        crate::load::read(world, &wanted, at),
        crate::room::read(world, &around, (known.late.clone(), known.vcpus.clone()), at)
    );
    round.calls = counts.1 + targets.1 + policies.1 + scheduled.1 + alarms.1 + loads.1 + of_room;
    let places = wanted.into_iter().map(|one| (one.cluster, one.service));
    let loads: BTreeMap<Place, Load> = places.zip(loads.0).collect();
    for (service, found) in loaded {
        let Loaded { record, subjects, memory, version } = found;
        let pick = |subject: &Subject| (subject.service.clone(), place(&record, subject));
        let of = |subject: &Subject| {
            let (name, place) = pick(subject);
            Some((name, counts.0.get(&place)?.clone()))
        };
        let target_of = |subject: &Subject| {
            let (name, place) = pick(subject);
            Some((name, targets.0.get(&place)?.clone()))
        };
        let policies: BTreeMap<_, _> = subjects
            .iter()
            .filter_map(|subject| {
                let (name, place) = pick(subject);
                Some((name, policies.0.get(&resource(&place))?.clone()))
            })
            .collect();
        let named = policies.values().filter_map(Reading::known).flatten().flat_map(|policy| &policy.alarms);
        let mut sight = Sight {
            at,
            services: subjects.iter().filter_map(of).collect(),
            targets: subjects.iter().filter_map(target_of).collect(),
            alarms: named.filter_map(|name| Some((name.clone(), alarms.0.get(name)?.clone()))).collect(),
            scheduled: subjects
                .iter()
                .filter(|subject| subject.role == Role::Live)
                .map(|subject| (subject.service.clone(), schedule(&scheduled.0, &resource(&pick(subject).1))))
                .collect(),
            policies,
            loads: subjects
                .iter()
                .filter_map(|subject| Some((subject.service.clone(), loads.get(&pick(subject).1)?.clone())))
                .collect(),
            activities: BTreeMap::new(),
            stops: BTreeMap::new(),
            late: room.late.clone(),
            subnets: room.subnets.clone(),
            vcpus: room.vcpus.clone(),
            sizes: room.sizes.clone(),
            region: world.clients.region.clone(),
        };
        let judge = |sight: &Sight| scaling::judge(&record.config, &record.status, &subjects, sight, &memory.past);
        let mut judged = judge(&sight);
        // What is asked of one service alone.
        let live = || subjects.iter().find(|subject| subject.role == Role::Live && !world.pace.late());
        if let Some(live) = live()
            && scaling::wants_activities(&judged, &memory)
        {
            let read = crate::activities::read(world, &resource(&pick(live).1), &mut round.calls).await;
            sight.activities.insert(live.service.clone(), read);
            judged = judge(&sight);
        }
        if let Some(live) = live()
            && scaling::wants_stops(&judged)
        {
            let (cluster, service) = &pick(live).1;
            let read = crate::stopped::read(world, cluster, service, &mut round.calls).await;
            sight.stops.insert(live.service.clone(), read);
            judged = judge(&sight);
        }
        let checked = Checked { judged, sight, record, subjects, memory, version };
        round.checked.insert(service, Ok(checked));
    }
    round
}

struct Loaded {
    record: Record,
    subjects: Vec<Subject>,
    memory: Memory,
    version: u64,
}

async fn load(world: &World, table: &Table, services: &[ServiceName]) -> Vec<(ServiceName, Result<Loaded, String>)> {
    let mut all = Vec::new();
    for some in services.chunks(AT_ONCE) {
        let mut reads = JoinSet::new();
        for service in some {
            let (world, table, service) = (world.clone(), table.clone(), service.clone());
            reads.spawn(async move {
                let loaded = one(&world, &table, &service).await;
                (service, loaded)
            });
        }
        all.extend(reads.join_all().await);
    }
    all
}

async fn one(world: &World, table: &Table, service: &ServiceName) -> Result<Loaded, String> {
    let (record, memory) = tokio::join!(table.load(service), table.scaling_memory(service));
    let (record, (memory, version)) =
        (record.map_err(|error| error.to_string())?, memory.map_err(|error| error.to_string())?);
    let subjects = match scaling::subjects(&record.config, &record.status, None) {
        Some(subjects) => subjects,
        None => {
            // It has never been deployed by Flipback: its routes tell which colour is live.
            let ask = Ask { routes: true, services: true, ..Ask::default() };
            tokio::join!(world.pace.turn(Bucket::Services), world.pace.turn(Bucket::Balancers));
            let seen = world.observe(&record.config, &ask, SystemClock.now()).await;
            scaling::subjects(&record.config, &record.status, scaling::live(&seen)).unwrap_or_default()
        }
    };
    Ok(Loaded { record, subjects, memory, version })
}

async fn read_counts(world: &World, places: &BTreeSet<Place>) -> (BTreeMap<Place, Reading<Option<Counts>>>, usize) {
    let mut clusters: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (cluster, service) in places {
        clusters.entry(cluster).or_default().push(service.clone());
    }
    let (mut found, mut calls) = (BTreeMap::new(), 0);
    for (cluster, names) in clusters {
        for names in names.chunks(SERVICES) {
            let ask = async || crate::services::described(&world.clients.ecs, cluster, names, counts).await;
            let readings = match world.pace.call(Bucket::Services, &mut calls, ask).await {
                Ok(readings) => readings,
                Err(failure) if failure.code.as_deref() == Some("ClusterNotFoundException") => {
                    names.iter().map(|_| Reading::Known(None)).collect()
                }
                Err(failure) => names.iter().map(|_| Reading::Unknown(failure.to_string())).collect(),
            };
            let places = names.iter().map(|name| (cluster.to_owned(), name.clone()));
            found.extend(places.zip(readings));
        }
    }
    (found, calls)
}

async fn read_schedules(world: &World, live: &BTreeSet<String>, known: &Known) -> (Reading<Schedules>, usize) {
    let mut calls = 0;
    let found = match &known.scheduled {
        Some(Reading::Unknown(why)) => Reading::Unknown(why.clone()),
        Some(Reading::Known(all)) if live.iter().all(|one| all.contains_key(one)) => Reading::Known(all.clone()),
        None if live.is_empty() => Reading::Known(Schedules::new()),
        Some(Reading::Known(_)) | None => crate::schedules::read(world, &mut calls).await,
    };
    (found, calls)
}

/// The scheduled actions of one resource.
fn schedule(all: &Reading<Schedules>, resource: &str) -> Reading<Vec<Scheduled>> {
    match all {
        Reading::Known(all) => Reading::Known(all.get(resource).cloned().unwrap_or_default()),
        Reading::Unknown(why) => Reading::Unknown(why.clone()),
    }
}

async fn read_targets(
    world: &World,
    places: &BTreeSet<Place>,
) -> (BTreeMap<Place, Reading<Option<ScalingReading>>>, usize) {
    let (mut found, mut calls) = (BTreeMap::new(), 0);
    let all: Vec<&Place> = places.iter().collect();
    for places in all.chunks(TARGETS) {
        let id = |(cluster, service): &Place| crate::scaling::resource(cluster, service);
        let ids: Vec<String> = places.iter().map(|place| id(place)).collect();
        let ask = async || crate::scaling::describe(&world.clients.scaling, ids.clone()).await;
        let answer = world.pace.call(Bucket::Others, &mut calls, ask).await;
        found.extend(places.iter().map(|&place| {
            let reading = match &answer {
                Ok(targets) => Reading::Known(targets.get(&id(place)).copied()),
                Err(failure) => Reading::Unknown(failure.to_string()),
            };
            (place.clone(), reading)
        }));
    }
    (found, calls)
}

fn counts(service: &Service) -> Counts {
    let running = |state: Option<&DeploymentRolloutState>| state == Some(&DeploymentRolloutState::InProgress);
    let deployments = service.deployments();
    Counts {
        desired: count(service.desired_count()),
        running: count(service.running_count()),
        pending: count(service.pending_count()),
        deploying: deployments.len() > 1 || deployments.iter().any(|one| running(one.rollout_state())),
        trouble: trouble(service.events()),
        groups: groups(service).collect(),
        turns: shifts(service) && service.load_balancers().iter().any(|one| one.advanced_configuration().is_some()),
        started: started(service),
        subnets: subnets(service),
        definition: service.task_definition().unwrap_or_default().to_owned(),
        fargate: on_demand(service),
    }
}

/// The subnets of its tasks, where they have addresses of their own.
fn subnets(service: &Service) -> BTreeSet<String> {
    let vpc = service.network_configuration().and_then(|network| network.awsvpc_configuration());
    vpc.map(|vpc| vpc.subnets().iter().cloned().collect()).unwrap_or_default()
}

/// All of its tasks run on Fargate, and none of them on spot capacity, which has a quota of its own.
fn on_demand(service: &Service) -> bool {
    match service.capacity_provider_strategy() {
        [] => service.launch_type() == Some(&LaunchType::Fargate),
        all => all.iter().all(|one| one.capacity_provider() == "FARGATE"),
    }
}

/// Tasks that were started since the last deployment ended, the newest first.
fn started(service: &Service) -> Vec<(Time, u32)> {
    let newest = service.deployments().iter().filter_map(|one| time(one.updated_at()?)).max();
    let of = |event: &ServiceEvent| {
        let at = time(event.created_at()?).filter(|at| newest.is_none_or(|newest| *at > newest))?;
        let (_, rest) = event.message()?.split_once("has started ")?;
        let (many, _) = rest.split_once(" tasks")?;
        Some((at, many.parse().ok()?))
    };
    service.events().iter().filter_map(of).collect()
}

/// ECS itself moves the traffic from one target group to the other.
fn shifts(service: &Service) -> bool {
    let strategy = service.deployment_configuration().and_then(|deployment| deployment.strategy());
    strategy.is_some_and(|strategy| *strategy != DeploymentStrategy::Rolling)
}

/// The target groups of a service, those that take turns with them included.
fn groups(service: &Service) -> impl Iterator<Item = TargetGroupArn> {
    service.load_balancers().iter().flat_map(|balancer| {
        let alternate = balancer.advanced_configuration().and_then(|more| more.alternate_target_group_arn());
        balancer.target_group_arn().into_iter().chain(alternate).map(TargetGroupArn::from)
    })
}

/// The newest event that tells of a failure, without the service's name; none once a steady state came after it.
fn trouble(events: &[ServiceEvent]) -> Option<(Time, String)> {
    const BAD: [&str; 4] = ["unable to", "failed", "unhealthy", "error"];
    let text = |event: &ServiceEvent| event.message().unwrap_or_default().to_owned();
    let newest = events.iter().take_while(|event| !text(event).contains("reached a steady state"));
    let mut bad = newest.filter(|event| BAD.iter().any(|word| text(event).contains(word)));
    let event = bad.next()?;
    let message = text(event);
    let message = message.split_once(") ").map_or(message.as_str(), |(_, rest)| rest);
    Some((time(event.created_at()?)?, message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::primitives::DateTime;
    use aws_sdk_ecs::types::Deployment;

    #[test]
    fn trouble_is_the_newest_event_that_tells_of_one_unless_it_is_over() {
        let event = |seconds: i64, text: &str| {
            ServiceEvent::builder().created_at(DateTime::from_secs(seconds)).message(text).build()
        };
        let steady = event(30, "(service api) has reached a steady state.");
        let failed =
            event(20, "(service api) was unable to place a task. Reason: Capacity is unavailable at this time.");
        let older = event(10, "(service api) (task 1) failed container health checks.");
        let words = "was unable to place a task. Reason: Capacity is unavailable at this time.";
        assert_eq!(trouble(&[failed.clone(), older.clone()]), Some((Time(20_000), words.to_owned())));
        assert_eq!(trouble(&[steady, failed, older]), None);
        assert_eq!(trouble(&[event(5, "(service api) registered 1 targets in (target-group x)")]), None);
    }

    #[test]
    fn tasks_are_counted_from_the_events_since_the_last_deployment_ended() {
        let event = |seconds: i64, text: &str| {
            ServiceEvent::builder().created_at(DateTime::from_secs(seconds)).message(text).build()
        };
        let service = Service::builder()
            .deployments(Deployment::builder().updated_at(DateTime::from_secs(20)).build())
            .events(event(50, "(service api) has started 2 tasks: (task 1) (task 2)."))
            .events(event(40, "(service api) has stopped 1 running tasks: (task 3)."))
            .events(event(30, "(service api) has started 1 tasks: (task 4)."))
            .events(event(20, "(service api) has started 4 tasks: (task 5)."));
        assert_eq!(started(&service.build()), [(Time(50_000), 2), (Time(30_000), 1)]);
    }
}
