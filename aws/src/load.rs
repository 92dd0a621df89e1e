//! What services use, and how their targets are: their metrics, five hundred in one call and all over one window.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::MetricDataQuery;
use shared::ids::{RouteArn, TargetGroupArn};
use shared::observation::Reading;
use shared::scaling::{Load, Point, Series, window};
use shared::time::{Span, Time};

use crate::metrics::{self, Answers, CALL, Points, QUERIES, group_dimension};
use crate::pace::Bucket;
use crate::world::World;

/// So many target groups are asked for at once: DescribeTargetGroups takes as many names, and its reference has no number for ARNs.
const GROUPS: usize = 20;

/// A service whose load is wanted: its cluster's and its own name, and its target groups.
pub(crate) struct Wanted {
    pub(crate) cluster: String,
    pub(crate) service: String,
    pub(crate) groups: BTreeSet<TargetGroupArn>,
    /// The load balancer of its only target group, where it is known.
    balancer: Option<String>,
}

impl Wanted {
    /// The load of a service with these target groups, one of which must be that of its routes, if it has routes.
    pub(crate) fn of(
        cluster: String,
        service: String,
        groups: BTreeSet<TargetGroupArn>,
        routes: &[RouteArn],
    ) -> Wanted {
        let all: BTreeSet<Option<&str>> = routes.iter().map(balancer_of).collect();
        let balancer = match (groups.len(), all.into_iter().collect::<Vec<_>>().as_slice()) {
            (1, [Some(only)]) => Some((*only).to_owned()),
            (_, _) => None,
        };
        Wanted { cluster, service, groups, balancer }
    }
}

/// The load balancer that a listener, or a listener's rule, belongs to: `...:listener-rule/app/NAME/ID/LISTENER/RULE`.
fn balancer_of(route: &RouteArn) -> Option<&str> {
    let (_, path) =
        route.0.split_once("/").filter(|(kind, _)| kind.ends_with(":listener-rule") || kind.ends_with(":listener"))?;
    let (end, _) = path.match_indices('/').nth(2)?;
    Some(&path[..end])
}

/// Reads the load of each, in their order, and how many calls it took.
pub(crate) async fn read(world: &World, wanted: &[Wanted], at: Time) -> (Vec<Load>, usize) {
    let (balancers, calls) = balancers(world, wanted).await;
    let period = world.margins.metric_period;
    let mut queries = Vec::new();
    // By service: its queries' ids in the order of Load's members, then one for each target group.
    let mut ids: Vec<Vec<String>> = Vec::new();
    for one in wanted {
        let dimensions = [("ClusterName", last(&one.cluster)), ("ServiceName", one.service.as_str())];
        let mut own = Vec::new();
        let mut ask = |metric: (&str, &str), dimensions: &[(&str, &str)], stat: &str| {
            let id = format!("m{}", queries.len());
            queries.push(metrics::query(&id, metric, dimensions, stat, period));
            own.push(id);
        };
        for (name, stat) in
            [("CPUUtilization", "Average"), ("MemoryUtilization", "Average"), ("MemoryUtilization", "Maximum")]
        {
            ask(("AWS/ECS", name), &dimensions, stat);
        }
        for (group, balancer) in one.groups.iter().filter_map(|group| Some((group, balancers.get(group)?))) {
            let Ok(Some(balancer)) = balancer else { continue };
            let Some(namespace) = namespace(balancer) else { continue };
            let dimensions = [("LoadBalancer", balancer.as_str()), ("TargetGroup", group_dimension(group))];
            ask((namespace, "UnHealthyHostCount"), &dimensions, "Maximum");
        }
        ids.push(own);
    }
    let answers = answers(world, &queries, window(at, &world.margins)).await;
    let loads = wanted.iter().zip(&ids).map(|(one, ids)| load(one, ids, &balancers, &answers));
    (loads.collect(), calls + answers.calls)
}

fn load(one: &Wanted, ids: &[String], balancers: &Balancers, answers: &Answers) -> Load {
    let [cpu, memory, memory_high, hosts @ ..] = ids else { return Load::unknown("not asked") };
    let percents = |id: &String| match answers.of(id) {
        Ok(points) => Reading::Known(points.iter().map(|(at, value)| point(*at, *value)).collect()),
        Err(why) => Reading::Unknown(format!("{CALL}: {why}")),
    };
    let unread = one.groups.iter().find_map(|group| balancers.get(group)?.as_ref().err());
    let unhealthy = match (unread, hosts) {
        (Some(why), _) => Some(Reading::Unknown(why.clone())),
        (None, []) => None,
        (None, hosts) => Some(highest(hosts, answers)),
    };
    Load { cpu: percents(cpu), memory: percents(memory), memory_high: percents(memory_high), unhealthy }
}

/// Where a load balancer's metrics are, by its name there; none: it has none of its targets' health.
fn namespace(balancer: &str) -> Option<&'static str> {
    match balancer.split('/').next() {
        Some("app") => Some("AWS/ApplicationELB"),
        Some("net") => Some("AWS/NetworkELB"),
        Some(_) | None => None,
    }
}

/// The highest of several metrics in each period: a task in two target groups is one all the same.
fn highest(ids: &[String], answers: &Answers) -> Series {
    let mut all: BTreeMap<Time, f64> = BTreeMap::new();
    for id in ids {
        for (at, value) in match answers.of(id) {
            Ok(points) => points,
            Err(why) => return Reading::Unknown(format!("{CALL}: {why}")),
        } {
            let known = all.entry(*at).or_default();
            *known = known.max(*value);
        }
    }
    Reading::Known(all.into_iter().map(|(at, value)| point(at, value)).collect())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn point(at: Time, value: f64) -> Point {
    Point { at, value: value.round().clamp(0.0, f64::from(u32::MAX)) as u32 }
}

fn last(cluster: &str) -> &str {
    cluster.rsplit('/').next().unwrap_or(cluster)
}

async fn answers(world: &World, queries: &[MetricDataQuery], window: (Time, Time)) -> Answers {
    let mut all = Answers::default();
    for some in queries.chunks(QUERIES) {
        let mut made = 0;
        let ask = async || {
            let read = metrics::read(&world.clients.cloudwatch, some.to_vec(), window).await;
            read.map_err(|(failure, pages)| {
                made += pages;
                failure
            })
        };
        // It counts its pages itself.
        match world.pace.call(Bucket::Others, &mut 0, ask).await {
            Ok(answers) => all.extend(answers),
            Err(failure) => all.fail(some.iter().filter_map(MetricDataQuery::id), &failure.to_string()),
        }
        all.calls += made;
    }
    all
}

/// The load balancer of each target group, as CloudWatch names it; none: no load balancer uses it.
type Balancers = BTreeMap<TargetGroupArn, Result<Option<String>, String>>;

async fn balancers(world: &World, wanted: &[Wanted]) -> (Balancers, usize) {
    let groups: BTreeSet<TargetGroupArn> = wanted.iter().flat_map(|one| one.groups.iter().cloned()).collect();
    let (mut found, mut calls) = (Balancers::new(), 0);
    let known = world.balancers.known(&groups);
    let named: Balancers =
        wanted.iter().filter_map(|one| Some((one.groups.first()?.clone(), Ok(Some(one.balancer.clone()?))))).collect();
    let unknown = |group: &&TargetGroupArn| !known.contains_key(*group) && !named.contains_key(*group);
    let missing: Vec<TargetGroupArn> = groups.iter().filter(unknown).cloned().collect();
    found.extend(named);
    found.extend(known.into_iter().map(|(group, balancer)| (group, Ok(Some(balancer)))));
    for some in missing.chunks(GROUPS) {
        let ask = async |some: &[TargetGroupArn], calls: &mut usize| {
            let some = some.iter().cloned().collect();
            world
                .pace
                .call(Bucket::Balancers, calls, async || world.balancers.of(&world.clients.elb, &some).await)
                .await
        };
        let one_of = |group: &TargetGroupArn, all: &BTreeMap<TargetGroupArn, String>| Ok(all.get(group).cloned());
        match ask(some, &mut calls).await {
            Ok(all) => found.extend(some.iter().map(|group| (group.clone(), one_of(group, &all)))),
            // One that is gone fails the whole call.
            Err(failure) if some.len() > 1 && failure.code.as_deref() == Some("TargetGroupNotFoundException") => {
                for group in some {
                    let answer =
                        ask(std::slice::from_ref(group), &mut calls).await.map_err(|failure| failure.to_string());
                    found.insert(group.clone(), answer.map(|all| all.get(group).cloned()));
                }
            }
            Err(failure) => found.extend(some.iter().map(|group| (group.clone(), Err(failure.to_string())))),
        }
    }
    (found, calls)
}

/// A value in each of so many equal parts of a day, none where it has none.
pub type Parts = Vec<Option<u32>>;

/// What CloudWatch has of a service's last day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Its average CPU, in percent.
    pub cpu: Parts,
    /// Tasks RUNNING on average, from Container Insights; empty where the cluster does not have them.
    pub running: Parts,
    /// Tasks PENDING at most, likewise.
    pub pending: Parts,
}

/// The last day of a service, in one call.
///
/// # Errors
/// CloudWatch could not be read.
pub async fn day(world: &World, cluster: &str, service: &str, now: Time, parts: u64) -> Result<Day, String> {
    let part = Span(Span::mins(24 * 60).0 / parts.max(1));
    let dimensions = [("ClusterName", last(cluster)), ("ServiceName", service)];
    let insights = "ECS/ContainerInsights";
    let queries = [
        ("cpu", ("AWS/ECS", "CPUUtilization"), "Average"),
        ("running", (insights, "RunningTaskCount"), "Average"),
        ("pending", (insights, "PendingTaskCount"), "Maximum"),
    ];
    let queries = queries.map(|(id, metric, stat)| metrics::query(id, metric, &dimensions, stat, part));
    let from = now.floor(part).minus(Span(part.0 * (parts.saturating_sub(1))));
    let answers = metrics::read(&world.clients.cloudwatch, queries.to_vec(), (from, now)).await;
    let answers = answers.map_err(|(failure, _)| failure.to_string())?;
    let each = |points: &Points| -> Parts {
        let within = |start: Time| points.iter().find(|(at, _)| *at >= start && *at < start.plus(part));
        (0..parts).map(|n| within(from.plus(Span(part.0 * n))).map(|(at, value)| point(*at, *value).value)).collect()
    };
    // Those without a value at all are not told: most clusters do not have them.
    let some = |id: &str| answers.of(id).ok().filter(|points| !points.is_empty()).map(each).unwrap_or_default();
    Ok(Day { cpu: each(answers.of("cpu")?), running: some("running"), pending: some("pending") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_balancer_of_a_services_only_group_is_in_its_routes() {
        let arn = |end: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:1:{end}");
        let named = |groups: &[&str], routes: &[&str]| {
            let groups = groups.iter().map(|group| TargetGroupArn::from(arn(group).as_str())).collect();
            let routes: Vec<RouteArn> = routes.iter().map(|route| RouteArn::from(arn(route).as_str())).collect();
            Wanted::of("production".to_owned(), "shop".to_owned(), groups, &routes).balancer
        };
        let (blue, other) = ("targetgroup/blue/1b", "targetgroup/inner/2c");
        let (rule, listener) = ("listener-rule/app/shop/0a/11/22", "listener/app/shop/0a/33");
        assert_eq!(named(&[blue], &[rule]).as_deref(), Some("app/shop/0a"));
        assert_eq!(named(&[blue], &[rule, listener]).as_deref(), Some("app/shop/0a"));
        assert_eq!(named(&[blue], &[rule, "listener/app/other/0b/33"]), None, "one of two");
        assert_eq!(named(&[blue, other], &[rule]), None, "the other group may be anywhere");
        assert_eq!(named(&[blue], &[]), None);
        assert_eq!(named(&[], &[rule]), None);
        assert_eq!(named(&[blue], &["listener/app/shop"]), None, "no route's ARN");
    }
}
