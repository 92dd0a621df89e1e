//! A day of load over services that scale, some of which are misconfigured during it: every such one is found in its second look,
//! its end too, and nothing is found on the others. The core's check over the model of AWS, a look every five minutes.

mod plants;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use model::{Call, Millis, Service, Settings, World};
use serde_json::{Value, json};
use shared::config::{ServiceConfig, parse};
use shared::observation::Reading;
use shared::rollout::{Margins, Status};
use shared::scaling::{FindingKind, Load, Memory, Policy, Severity, Sight, judge, subjects, wants_activities, window};
use shared::time::{Span, Time};

use plants::{PLANTS, Plant};
use read::{activity, bounds, counts, last, policy, policy_alarm, text};

const START: Millis = 1_795_132_800_000;
const LOOK: Span = Span::mins(5);
const SERVICES: usize = 40;
const CLUSTER: &str = "production";
/// A cluster without room for more than two tasks.
const CRAMPED: &str = "cramped";
/// The subnets of a service that others fill.
const FULL: [&str; 2] = ["subnet-full-a", "subnet-full-b"];

struct Day {
    world: World,
    now: Millis,
    configs: Vec<ServiceConfig>,
    memories: Vec<Memory>,
    /// A service's target group.
    group: String,
    /// Reads of these fail.
    unreadable: BTreeSet<usize>,
    /// What was told to open and to close: service, kind, severity, when.
    opened: Vec<(usize, FindingKind, Severity, Millis)>,
    closed: Vec<(usize, FindingKind, Millis)>,
}

fn name(n: usize) -> String {
    format!("svc-{n:02}")
}

fn cluster(n: usize) -> &'static str {
    if n == Plant::Shortage as usize { CRAMPED } else { CLUSTER }
}

fn target(n: usize, more: Value) -> Value {
    let mut input = json!({
        "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": format!("service/{}/{}", cluster(n), name(n)),
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        input[member] = value.clone();
    }
    input
}

fn tracking(n: usize, value: f64) -> Value {
    policy_of(n, value, 120)
}

fn waiting(n: usize, cooldown: u32) -> Value {
    policy_of(n, 70.0, cooldown)
}

fn policy_of(n: usize, value: f64, cooldown: u32) -> Value {
    target(
        n,
        json!({ "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": value, "ScaleOutCooldown": cooldown, "ScaleInCooldown": 300,
                "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageCPUUtilization" },
            } }),
    )
}

/// So long after it was planted a finding is mended.
const MENDED: Span = Span::mins(240);

impl Day {
    fn new() -> Day {
        let config = |n: usize| {
            let text = format!(
                "version: 1\nservices:\n  - name: {0}\n    cluster: {1}\n    image: {{ repository: {0}, tags: {{ semver: '*' }} }}\n    \
                 engine: {{ native: {{ service: {0} }} }}\n    strategy: asDeclared\n    withoutAlarms: accept\n    scaling: {2}\n",
                name(n),
                cluster(n),
                Plant::wants(n)
            );
            parse(&text).expect("the file parses").remove(0)
        };
        let mut day = Day {
            world: World::new(Settings::default()),
            now: START,
            configs: (0..SERVICES).map(config).collect(),
            memories: vec![Memory::default(); SERVICES],
            group: String::new(),
            unreadable: BTreeSet::new(),
            opened: Vec::new(),
            closed: Vec::new(),
        };
        for cluster in [CLUSTER, CRAMPED] {
            day.call(Service::Ecs, "CreateCluster", json!({ "clusterName": cluster }));
        }
        day.world.limit_tasks(CRAMPED, Some(2), START);
        day.call(Service::Ecr, "CreateRepository", json!({ "repositoryName": "shop" }));
        let manifest = json!({ "schemaVersion": 2, "annotations": {} }).to_string();
        let image = json!({ "repositoryName": "shop", "imageManifest": manifest, "imageTag": "v1" });
        day.call(Service::Ecr, "PutImage", image);
        let container = json!({ "name": "app", "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:v1",
            "portMappings": [{ "containerPort": 80 }] });
        for (family, cpu) in [("shop", "256"), ("large", "16384")] {
            let input = json!({ "family": family, "cpu": cpu, "memory": "32768", "containerDefinitions": [container] });
            day.call(Service::Ecs, "RegisterTaskDefinition", input);
        }
        // The first and the fourth are in the same zone.
        let subnets = ["subnet-a", "subnet-b", "subnet-c", "subnet-d"];
        let balancer = day.call(Service::Elb, "CreateLoadBalancer", json!({ "Name": "shop", "Subnets": subnets }));
        let group = json!({ "Name": "late", "Protocol": "HTTP", "Port": 80, "VpcId": "vpc-1", "TargetType": "ip",
            "HealthyThresholdCount": 10 });
        day.group = text(&day.call(Service::Elb, "CreateTargetGroup", group)["TargetGroups"][0]["TargetGroupArn"]);
        let forward = json!([{ "Type": "forward", "TargetGroupArn": day.group }]);
        let listener = json!({ "LoadBalancerArn": balancer["LoadBalancers"][0]["LoadBalancerArn"], "Protocol": "HTTP", "Port": 80,
            "DefaultActions": forward });
        day.call(Service::Elb, "CreateListener", listener);
        for n in 0..SERVICES {
            let family = if n == Plant::Quota as usize { "large" } else { "shop" };
            let own = if n == Plant::Addresses as usize { FULL } else { ["subnet-a", "subnet-b"] };
            let mut input = json!({ "cluster": cluster(n), "serviceName": name(n), "taskDefinition": family, "desiredCount": 2,
                "launchType": "FARGATE", "networkConfiguration": { "awsvpcConfiguration": { "subnets": own } } });
            if n == Plant::Late as usize {
                input["loadBalancers"] =
                    json!([{ "targetGroupArn": day.group, "containerName": "app", "containerPort": 80 }]);
            }
            day.call(Service::Ecs, "CreateService", input);
            day.scaling("RegisterScalableTarget", target(n, json!({ "MinCapacity": 2, "MaxCapacity": 10 })));
            day.scaling("PutScalingPolicy", tracking(n, 70.0));
        }
        day
    }

    fn call(&mut self, service: Service, operation: &str, input: Value) -> Value {
        let (caller, region, now) = ("team", "us-east-1", self.now);
        let answer = self.world.call(Call { service, operation, input: &input, caller, region, now });
        answer.unwrap_or_else(|error| panic!("{operation}: {error}: {input}"))
    }

    fn scaling(&mut self, operation: &str, input: Value) {
        self.call(Service::AutoScaling, operation, input);
    }

    fn desired(&mut self, n: usize, count: u32) {
        let input = json!({ "cluster": cluster(n), "service": name(n), "desiredCount": count });
        self.call(Service::Ecs, "UpdateService", input);
    }

    /// Others have so many addresses of its subnets.
    fn fill(&mut self, taken: u32) {
        for subnet in FULL {
            self.world.take_addresses(subnet, taken);
        }
    }

    fn move_to(&mut self, n: usize, subnets: &[&str]) {
        let network = json!({ "awsvpcConfiguration": { "subnets": subnets } });
        let input = json!({ "cluster": cluster(n), "service": name(n), "networkConfiguration": network });
        self.call(Service::Ecs, "UpdateService", input);
    }

    /// Its target group checks as often as that.
    fn checks(&mut self, seconds: u32) {
        let input = json!({ "TargetGroupArn": self.group, "HealthCheckIntervalSeconds": seconds });
        self.call(Service::Elb, "ModifyTargetGroup", input);
    }

    /// Does this with the alarm that scales a service out.
    fn alarm(&mut self, n: usize, operation: &str) {
        let input = target(n, json!({}));
        let policies = self.call(Service::AutoScaling, "DescribeScalingPolicies", input);
        let alarm = policies["ScalingPolicies"][0]["Alarms"][0]["AlarmName"].clone();
        self.call(Service::CloudWatch, operation, json!({ "AlarmNames": [alarm] }));
    }

    /// A quiet night, a busy day; each service at its own time and height.
    fn load(&mut self) {
        let hours = (self.now - START) as f64 / 3_600_000.0;
        for n in 0..SERVICES {
            let shifted = hours - (n % 5) as f64 * 0.5;
            let height = 150.0 + 50.0 * (n % 6) as f64;
            let busy = (std::f64::consts::PI * (shifted - 6.0) / 14.0).sin().max(0.0);
            let mut percent = 70.0 + height * busy * busy;
            if n == Plant::Full as usize && self.now >= Plant::Full.at() {
                percent = 1_500.0;
            }
            // Between the alarms, so that scaling does not mend by itself what somebody set by hand.
            let after = |plant: Plant| n == plant as usize && self.now >= plant.at();
            if n == Plant::Shortage as usize || n == Plant::AboveMax as usize && !after(Plant::AboveMax) {
                percent = 131.0;
            } else if n == Plant::BelowMin as usize {
                percent = 66.0;
            } else if after(Plant::Slow) && self.now < Plant::Slow.at() + MENDED.0 {
                percent = 400.0;
            } else if after(Plant::AboveMax) {
                percent = 790.0;
            }
            for plant in [Plant::Cooldown, Plant::Fails] {
                if after(plant) && self.now < plant.at() + MENDED.0 {
                    percent = 560.0;
                }
            }
            self.world.set_load(cluster(n), &name(n), percent);
        }
        let (dying, since) = (Plant::Replaced.at(), self.now.saturating_sub(Plant::Replaced.at()));
        if (dying..dying + MENDED.0).contains(&self.now) && (since / LOOK.0).is_multiple_of(2) {
            let dies =
                self.world.running_tasks().into_iter().find(|task| task.service == name(Plant::Replaced as usize));
            self.world.task_died(
                &dies.expect("a task runs").task_id,
                1,
                "Essential container in task exited",
                self.now,
            );
        }
        if self.now >= Plant::Flapping.at() && (self.now - Plant::Flapping.at()).is_multiple_of(Span::mins(10).0) {
            let up = ((self.now - Plant::Flapping.at()) / Span::mins(10).0).is_multiple_of(2);
            self.desired(Plant::Flapping as usize, if up { 9 } else { 4 });
        }
    }

    fn look(&mut self) {
        let (mut services, mut targets, mut policies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for n in 0..SERVICES {
            let answer =
                self.call(Service::Ecs, "DescribeServices", json!({ "cluster": cluster(n), "services": [name(n)] }));
            let found = answer["services"].as_array().and_then(|all| all.iter().find(|one| one["status"] == "ACTIVE"));
            services.insert(name(n), found.map(counts));
        }
        let all = json!({ "ServiceNamespace": "ecs" });
        for target in self.pages("DescribeScalableTargets", "ScalableTargets", &all) {
            targets.insert(last(&target["ResourceId"]), bounds(&target));
        }
        let mut names = Vec::new();
        for one in self.pages("DescribeScalingPolicies", "ScalingPolicies", &all) {
            let read = policy(&one);
            names.extend(read.alarms.clone());
            policies.entry(last(&one["ResourceId"])).or_insert_with(Vec::new).push(read);
        }
        let mut alarms = BTreeMap::new();
        for names in names.chunks(100) {
            let answer = self.call(Service::CloudWatch, "DescribeAlarms", json!({ "AlarmNames": names }));
            for alarm in answer["MetricAlarms"].as_array().into_iter().flatten() {
                alarms.insert(text(&alarm["AlarmName"]), policy_alarm(alarm));
            }
        }
        let at = Time(self.now);
        let (loads, room) = (self.loads(), self.room());
        for (n, load) in loads.into_iter().enumerate() {
            let (service, broken) = (name(n), self.unreadable.contains(&n));
            let failed = || "AccessDeniedException".to_owned();
            let own: Vec<Policy> = policies.get(&service).cloned().unwrap_or_default();
            let mut sight = Sight {
                at,
                services: [(service.clone(), Reading::Known(services[&service].clone()))].into(),
                targets: [(
                    service.clone(),
                    if broken { Reading::Unknown(failed()) } else { Reading::Known(targets.get(&service).copied()) },
                )]
                .into(),
                alarms: own
                    .iter()
                    .flat_map(|policy| &policy.alarms)
                    .map(|name| (name.clone(), Reading::Known(alarms.get(name).cloned())))
                    .collect(),
                scheduled: [(service.clone(), Reading::Known(Vec::new()))].into(),
                policies: [(service.clone(), Reading::Known(own))].into(),
                loads: [(service.clone(), load)].into(),
                region: Some("us-east-1".to_owned()),
                ..room.clone()
            };
            let (config, status) = (&self.configs[n], Status::default());
            let subjects = subjects(config, &status, None).expect("native");
            let mut judged = judge(config, &status, &subjects, &sight, &self.memories[n].past);
            if wants_activities(&judged, &self.memories[n]) {
                let input = target(n, json!({ "IncludeNotScaledActivities": true, "MaxResults": 20 }));
                let (scaling, now) = (Service::AutoScaling, self.now);
                let answer = self.world.call(Call {
                    service: scaling,
                    operation: "DescribeScalingActivities",
                    input: &input,
                    caller: "team",
                    region: "us-east-1",
                    now,
                });
                let all = answer.expect("activities")["ScalingActivities"].clone();
                let read = all.as_array().into_iter().flatten().map(activity).collect();
                sight.activities.insert(service.clone(), Reading::Known(read));
                judged = judge(config, &status, &subjects, &sight, &self.memories[n].past);
            }
            let news = self.memories[n].note(&judged, at, Span::secs(15));
            let now = self.now;
            self.opened.extend(news.opened.iter().map(|open| (n, open.finding.kind(), open.severity(at), now)));
            self.closed.extend(news.closed.iter().map(|open| (n, open.finding.kind(), now)));
        }
    }

    /// What is around all of them.
    fn room(&mut self) -> Sight {
        let groups = self.call(Service::Elb, "DescribeTargetGroups", json!({}));
        let late = groups["TargetGroups"].as_array().into_iter().flatten().filter_map(read::late).collect();
        let subnets = self.call(Service::Ec2, "DescribeSubnets", json!({}));
        let subnets = subnets["Subnets"].as_array().into_iter().flatten().map(read::subnet).collect();
        let (from, until) = window(Time(self.now), &Margins::default());
        let input = json!({ "MetricDataQueries": read::quota_queries(), "StartTime": from.to_string(), "EndTime": until.to_string() });
        let answer = self.call(Service::CloudWatch, "GetMetricData", input);
        let mut sizes = BTreeMap::new();
        for family in ["shop", "large"] {
            let answer = self.call(Service::Ecs, "DescribeTaskDefinition", json!({ "taskDefinition": family }));
            let definition = &answer["taskDefinition"];
            let size = definition["cpu"].as_str().and_then(|cpu| cpu.parse().ok()).expect("a size");
            sizes.insert(text(&definition["taskDefinitionArn"]), Reading::Known(size));
        }
        Sight {
            late: Some(Reading::Known(late)),
            subnets,
            vcpus: Some(read::quota(&answer)),
            sizes,
            ..Sight::default()
        }
    }

    /// What each service uses, in one call.
    fn loads(&mut self) -> Vec<Load> {
        let metrics =
            [("CPUUtilization", "Average"), ("MemoryUtilization", "Average"), ("MemoryUtilization", "Maximum")];
        let query = |n: usize, (place, (name, stat)): (usize, &(&str, &str))| {
            let dimensions = json!([{ "Name": "ClusterName", "Value": cluster(n) }, { "Name": "ServiceName", "Value": self::name(n) }]);
            let metric = json!({ "Namespace": "AWS/ECS", "MetricName": name, "Dimensions": dimensions });
            json!({ "Id": format!("m{n}x{place}"), "MetricStat": { "Metric": metric, "Period": 60, "Stat": stat } })
        };
        let queries: Vec<Value> =
            (0..SERVICES).flat_map(|n| metrics.iter().enumerate().map(move |metric| query(n, metric))).collect();
        let (from, until) = window(Time(self.now), &Margins::default());
        let input = json!({ "MetricDataQueries": queries, "StartTime": from.to_string(), "EndTime": until.to_string(),
            "ScanBy": "TimestampAscending" });
        let answer = self.call(Service::CloudWatch, "GetMetricData", input);
        let results = answer["MetricDataResults"].as_array().cloned().unwrap_or_default();
        results.chunks(metrics.len()).map(|all| read::load(&all[0], &all[1], &all[2])).collect()
    }

    fn pages(&mut self, operation: &str, member: &str, input: &Value) -> Vec<Value> {
        let (mut found, mut input) = (Vec::new(), input.clone());
        loop {
            let answer = self.call(Service::AutoScaling, operation, input.clone());
            found.extend(answer[member].as_array().into_iter().flatten().cloned());
            if answer["NextToken"].is_null() {
                return found;
            }
            input["NextToken"] = answer["NextToken"].clone();
        }
    }
}

#[test]
fn a_day_of_load_finds_what_was_planted_within_two_looks_and_nothing_else() {
    let mut day = Day::new();
    let mut mended = BTreeSet::new();
    let mut most = 0;
    for look in 0..(24 * 60 / 5) {
        day.now = START + LOOK.0 * (look + 1);
        day.world.tick(day.now);
        day.world.answer_probes(day.now);
        day.load();
        for (n, plant) in PLANTS.into_iter().enumerate() {
            assert_eq!(plant as usize, n);
            if (plant.at()..plant.at() + LOOK.0).contains(&day.now) {
                plant.plant(&mut day);
            }
            let at = plant.at() + MENDED.0;
            if (at..at + LOOK.0).contains(&day.now) && plant.mend(&mut day) {
                mended.insert(n);
            }
        }
        day.look();
        most = most.max(day.memories[SERVICES - 1].past.steps().last().map_or(0, |step| step.desired));
    }
    assert!(most >= 5, "the load did scale them: {most}");
    for (n, plant) in PLANTS.into_iter().enumerate() {
        let (kind, takes) = plant.finds();
        let told: Vec<_> = day.opened.iter().filter(|(service, found, ..)| (*service, *found) == (n, kind)).collect();
        let Some((_, _, severity, at)) = told.first() else { panic!("{plant:?} was never found: {:?}", day.opened) };
        // Two looks after it was so, and its patience.
        let by = plant.at() + takes.0 + 2 * LOOK.0 + kind.patience().0.max(LOOK.0);
        assert!((plant.at()..=by).contains(at), "{plant:?}: planted {}, told {at}, by {by}", plant.at());
        let worse = told.len() > 1;
        assert!(!worse || kind.worsens().is_some(), "{plant:?} is told once: {told:?}");
        if plant == Plant::Full {
            assert_eq!(*severity, Severity::Critical, "its alarm says that it needs more");
        }
        let ended: Vec<_> = day.closed.iter().filter(|(service, found, _)| (*service, *found) == (n, kind)).collect();
        if mended.contains(&n) {
            let by = plant.at() + MENDED.0 + plant.lingers().0 + 3 * LOOK.0;
            assert!(ended.len() == 1 && ended[0].2 <= by, "{plant:?} is over, once: {ended:?}");
        }
    }
    let healthy: Vec<_> = day.opened.iter().filter(|(n, ..)| *n >= PLANTS.len()).collect();
    assert!(healthy.is_empty(), "found on healthy services: {healthy:?}");
    // Of a planted one nothing but what follows from it.
    for (n, kind, _, at) in &day.opened {
        let Some(plant) = PLANTS.get(*n) else { continue };
        assert!(*at >= plant.at(), "{plant:?}: {kind:?} before it was planted");
    }
}
