//! How the scheduled check of scaling grows with the number of services: calls, memory and time of a round, through the real
//! function over the real wire, where the local cloud answers after 20 ms and refuses what is beyond AWS's rates. See
//! docs/scaling-bench.md.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use aws::{Clients, Table};
use clap::Parser;
use local::{Answering, CallSeen, Cloud, Functions, LogLine, Moment, Options};
use model::{Call, Service, Settings};
use serde_json::{Value, json};
use shared::ids::{Colour, ServiceName};
use shared::ports::{HistoryEntry, Save, Store as _};
use shared::rollout::Settled;
use shared::scaling::FindingKind;
use shared::time::Time;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Measures rounds of check-scaling over so many services with two colours each, a target tracking policy on either.
#[derive(Debug, Parser)]
#[command(name = "scaling_bench", max_term_width = 120)]
struct Args {
    /// How many services (repeatable)
    #[arg(long = "services", value_name = "N", default_values_t = [100, 1_000, 10_000])]
    services: Vec<usize>,
    /// How many rounds; the first one starts the function
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Milliseconds until AWS answers
    #[arg(long, default_value_t = 20)]
    latency: u64,
    /// AWS answers whatever is asked, however often
    #[arg(long)]
    no_rates: bool,
    /// The directory of the functions' binaries (default: beside this program)
    #[arg(long, value_name = "DIR")]
    functions: Option<PathBuf>,
}

/// Rules of a load balancer: an action's two target groups each, of a hundred.
const PER_BALANCER: usize = 45;

/// A round that has not ended after this long never will.
const LIMIT: Duration = Duration::from_secs(1_800);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!("| services | round | calls | least | ratio | refused | seconds | memory of one process, MiB |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for services in &args.services {
        measure(&args, *services).await?;
    }
    Ok(())
}

async fn measure(args: &Args, services: usize) -> anyhow::Result<()> {
    let functions = args.functions.clone().map_or_else(tests::functions, Ok)?;
    let cloud = Cloud::start(Options {
        listen: ([127, 0, 0, 1], 0).into(),
        functions: Functions::Dir(functions),
        quiet: true,
        answering: Answering { latency: Duration::from_millis(args.latency), rates: !args.no_rates },
        sockets: false,
        settings: Settings::default(),
        ..Options::default()
    })
    .await?;
    let began = Instant::now();
    let clients = Clients::at(&cloud.endpoint(), "us-east-1", "bench").await;
    let table = Table::new(clients.dynamodb, cloud.outputs().get("TableName").context("no output TableName")?);
    let names = set_up(&cloud, &table, services).await?;
    eprintln!("{services} services are set up after {:.0} s", began.elapsed().as_secs_f64());
    let seen = Seen::of(&cloud);
    // Tasks start, and metrics and alarms come to be.
    tokio::time::sleep(Duration::from_secs(90)).await;
    for number in 1..=args.rounds {
        seen.clear();
        let began = Instant::now();
        round(&cloud, &seen, services).await?;
        let (took, calls) = (began.elapsed(), seen.calls());
        let asked: usize = calls.values().map(|(asked, _)| asked).sum();
        let refused: usize = calls.values().map(|(asked, answered)| asked - answered).sum();
        let least = least(services);
        println!(
            "| {services} | {number} | {asked} | {least} | {:.2} | {refused} | {:.1} | {} |",
            asked as f64 / least as f64,
            took.as_secs_f64(),
            memory("check-scaling")?.map_or_else(|| "?".to_owned(), |bytes| (bytes >> 20).to_string()),
        );
        eprintln!("    {}", words(&calls));
        eprintln!("    beside it: {}", words(&seen.others()));
    }
    // A look with holes would say so, and a good fleet has nothing to tell.
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        let memory = table.scaling_memory(name).await?.0;
        // What was seen once is not told: the alarm for scaling in has no state before a quarter of an hour of data.
        let told = |one: &shared::scaling::Open| one.told.is_some() || one.finding.kind() == FindingKind::Unreadable;
        for one in memory.open.iter().filter(|one| told(one)) {
            *open.entry(one.finding.kind().name()).or_default() += 1;
        }
    }
    eprintln!("    findings: {open:?}");
    cloud.stop().await;
    ensure!(!open.contains_key("unreadable"), "something could not be read: {open:?}");
    Ok(())
}

/// The calls that a round cannot do without: AWS's largest pages, filled.
fn least(services: usize) -> usize {
    let (both, pages) = (2 * services, |things: usize, page: usize| things.div_ceil(page));
    let policies = if services > 10 { pages(both, 10) } else { services };
    // Of each live side: CPU, memory twice, and unhealthy targets.
    let metrics = pages(4 * services, 500);
    // There are no scheduled actions, and that is one page. Which load balancers there are the routes tell. The account's target groups,
    // its quota, and the subnets that all share.
    1 + pages(both, 400) + 2 + pages(both, 10) + pages(both, 50) + policies + pages(2 * services, 100) + metrics
}

/// Calls of the function by operation: asked, and answered.
type Calls = BTreeMap<String, (usize, usize)>;

fn words(calls: &Calls) -> String {
    let word = |(name, (asked, answered)): (&String, &(usize, usize))| format!("{name} {answered} of {asked}");
    calls.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// What is seen of the function from outside.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<Mutex<Calls>>,
    /// Those of the other functions, which live on the same rates.
    others: Arc<Mutex<Calls>>,
    checked: Arc<Mutex<usize>>,
}

impl Seen {
    fn of(cloud: &Cloud) -> Seen {
        let seen = Seen::default();
        let (calls, others) = (seen.calls.clone(), seen.others.clone());
        cloud.on_call(Arc::new(move |call: &CallSeen<'_>| {
            let of_aws = ["ec2", "ecs", "elb", "cloudwatch", "autoscaling"].contains(&call.service);
            if of_aws {
                let name = format!("{}:{}", call.service, call.operation);
                let calls = if call.caller == "function:check-scaling" { &calls } else { &others };
                let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
                let (asked, answered) = calls.entry(name).or_default();
                match call.moment {
                    Moment::Before => *asked += 1,
                    Moment::After => *answered += 1,
                }
            }
        }));
        let checked = seen.checked.clone();
        cloud.on_log(Arc::new(move |line: &LogLine| {
            let metrics: Value = match line.function.as_str() {
                "check-scaling" => serde_json::from_str(&line.line).unwrap_or_default(),
                _ => return,
            };
            if let Some(more) = metrics["ServicesChecked"].as_f64() {
                *checked.lock().unwrap_or_else(PoisonError::into_inner) += more as usize;
            }
        }));
        seen
    }

    fn clear(&self) {
        for calls in [&self.calls, &self.others] {
            calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    fn calls(&self) -> Calls {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn others(&self) -> Calls {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn checked(&self) -> usize {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One tick of the schedule, and whatever comes of it.
async fn round(cloud: &Cloud, seen: &Seen, services: usize) -> anyhow::Result<()> {
    let event = json!({ "version": "0", "id": "11111111-1111-4111-8111-111111111111", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": Time(cloud.now()).to_string(),
        "region": "us-east-1", "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/round"],
        "detail": "{}" });
    let until = Instant::now() + LIMIT;
    cloud.invoke("check-scaling", event).await?;
    while seen.checked() < services {
        if Instant::now() > until {
            bail!("{} of {services} services were checked within {} s", seen.checked(), LIMIT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(seen.checked() == services, "{} services were checked instead of {services}", seen.checked());
    Ok(())
}

/// The most that a running process of this name has held, in bytes; none where /proc does not tell.
fn memory(name: &str) -> anyhow::Result<Option<u64>> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Ok(None) };
    let of = |process: std::io::Result<std::fs::DirEntry>| {
        let path = process.ok()?.path();
        let exe = std::fs::read_link(path.join("exe")).ok()?;
        let status = (exe.file_name()? == name).then(|| std::fs::read_to_string(path.join("status")).ok())??;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
    };
    Ok(all.filter_map(of).max())
}

/// Services with two colours, one task on the live one, behind shared load balancers. What begins to move comes last.
async fn set_up(cloud: &Cloud, table: &Table, services: usize) -> anyhow::Result<Vec<ServiceName>> {
    let began = Instant::now();
    let fronts = at_once(cloud, |call| fronts(call, services))?;
    // The embedded database looks through all of a stream at each write. Nothing here is to be told.
    let table_name = cloud.outputs().get("TableName").context("no output TableName")?;
    let no_stream = json!({ "TableName": table_name, "StreamSpecification": { "StreamEnabled": false } });
    cloud.call_database("UpdateTable", &no_stream).await?;
    apply(table, &fronts.all).await?;
    eprintln!("    load balancers, rules and configurations after {:.0} s", began.elapsed().as_secs_f64());
    at_once(cloud, |call| {
        fronts.all.iter().try_for_each(|front| {
            Colour::BOTH.iter().try_for_each(|colour| side(call, front, *colour, &fronts.subnets))
        })
    })?;
    eprintln!("    services after {:.0} s", began.elapsed().as_secs_f64());
    while cloud.with_world(|world| world.running_tasks().len()) < services {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("    their tasks run after {:.0} s", began.elapsed().as_secs_f64());
    Ok(fronts.all.into_iter().map(|front| front.name).collect())
}

/// A call of AWS's in process.
type Making<'a> = &'a mut dyn FnMut(Service, &str, Value) -> anyhow::Result<Value>;

/// Many calls at one moment.
fn at_once<T>(cloud: &Cloud, work: impl FnOnce(Making<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let now = cloud.now();
    cloud.with_world(|world| {
        world.at_once(|world| {
            let mut call = |service: Service, operation: &str, input: Value| {
                let (caller, region) = ("bench:setup", "us-east-1");
                let made = world.call(Call { service, operation, input: &input, caller, region, now });
                made.with_context(|| operation.to_owned())
            };
            work(&mut call)
        })
    })
}

/// What leads to a service.
struct Front {
    name: ServiceName,
    rule: String,
    blue: Value,
    green: Value,
}

struct Fronts {
    subnets: Value,
    all: Vec<Front>,
}

fn fronts(call: Making<'_>, services: usize) -> anyhow::Result<Fronts> {
    call(Service::Ecs, "CreateCluster", json!({ "clusterName": "bench" }))?;
    let repository = call(Service::Ecr, "CreateRepository", json!({ "repositoryName": "bench" }))?;
    let uri = repository["repository"]["repositoryUri"].as_str().context("no repositoryUri")?;
    call(Service::Ecr, "PutImage", local::example::image("bench", "1.0.0", ""))?;
    let definition = json!({ "family": "bench", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
        "memory": "512", "containerDefinitions": [{ "name": "app", "image": format!("{uri}:1.0.0"), "essential": true,
            "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }] }] });
    call(Service::Ecs, "RegisterTaskDefinition", definition)?;
    let mut subnets = Vec::new();
    for (place, zone) in ["a", "b", "c"].into_iter().enumerate() {
        let input = json!({ "VpcId": "vpc-local", "CidrBlock": format!("10.{place}.0.0/16"),
            "AvailabilityZone": format!("us-east-1{zone}") });
        subnets.push(call(Service::Ec2, "CreateSubnet", input)?["Subnet"]["SubnetId"].take());
    }
    let subnets = Value::Array(subnets);
    let (mut all, mut listener) = (Vec::new(), Value::Null);
    for number in 0..services {
        let place = number % PER_BALANCER;
        if place == 0 {
            let balancer = json!({ "Name": format!("bench-{}", number / PER_BALANCER), "Subnets": subnets });
            let balancer = call(Service::Elb, "CreateLoadBalancer", balancer)?;
            let nothing = json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }]);
            let input = json!({ "LoadBalancerArn": balancer["LoadBalancers"][0]["LoadBalancerArn"], "Protocol": "HTTP",
                "Port": 80, "DefaultActions": nothing });
            listener = call(Service::Elb, "CreateListener", input)?["Listeners"][0]["ListenerArn"].take();
        }
        let name = format!("bench-{number:05}");
        let mut group = |colour: &str| {
            let name = format!("{name}-{colour}");
            let input =
                json!({ "Name": name, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-local", "TargetType": "ip" });
            anyhow::Ok(call(Service::Elb, "CreateTargetGroup", input)?["TargetGroups"][0]["TargetGroupArn"].take())
        };
        let (blue, green) = (group("blue")?, group("green")?);
        let weights = json!([{ "TargetGroupArn": blue, "Weight": 1 }, { "TargetGroupArn": green, "Weight": 0 }]);
        let rule = json!({ "ListenerArn": listener, "Priority": place + 1,
            "Conditions": [{ "Field": "path-pattern", "Values": [format!("/{name}/*")] }],
            "Actions": [{ "Type": "forward", "ForwardConfig": { "TargetGroups": weights } }] });
        let rule = call(Service::Elb, "CreateRule", rule)?["Rules"][0]["RuleArn"].take();
        let rule = rule.as_str().context("no RuleArn")?.to_owned();
        all.push(Front { name: ServiceName::from(name), rule, blue, green });
    }
    Ok(Fronts { subnets, all })
}

/// One colour of a service, scaled by its CPU.
fn side(call: Making<'_>, front: &Front, colour: Colour, subnets: &Value) -> anyhow::Result<()> {
    let (name, group, tasks) = match colour {
        Colour::Blue => (format!("{}-blue", front.name), &front.blue, 1),
        Colour::Green => (format!("{}-green", front.name), &front.green, 0),
    };
    let service = json!({ "cluster": "bench", "serviceName": name, "taskDefinition": "bench", "desiredCount": tasks,
        "launchType": "FARGATE", "networkConfiguration": { "awsvpcConfiguration": { "subnets": subnets } },
        "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }] });
    call(Service::Ecs, "CreateService", service)?;
    let scaled = json!({ "ServiceNamespace": "ecs", "ResourceId": format!("service/bench/{name}"),
        "ScalableDimension": "ecs:service:DesiredCount" });
    let with = |more: Value| {
        let mut input = scaled.clone();
        more.as_object().into_iter().flatten().for_each(|(name, value)| input[name] = value.clone());
        input
    };
    let rests = tasks == 0;
    let target = json!({ "MinCapacity": tasks, "MaxCapacity": 4, "SuspendedState": { "DynamicScalingInSuspended": rests,
        "DynamicScalingOutSuspended": rests, "ScheduledScalingSuspended": rests } });
    call(Service::AutoScaling, "RegisterScalableTarget", with(target))?;
    let policy = json!({ "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": { "TargetValue": 70.0, "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization" } } });
    call(Service::AutoScaling, "PutScalingPolicy", with(policy))?;
    Ok(())
}

/// As after `flipback apply` and a first rollout.
async fn apply(table: &Table, fronts: &[Front]) -> anyhow::Result<()> {
    let config = |front: &Front| {
        let (name, rule) = (&front.name, &front.rule);
        format!(
            "version: 1\nservices:\n  - name: {name}\n    cluster: bench\n    image: {{ repository: {name}, tags: {{ semver: '*' }} }}\n    \
             engine: {{ managed: {{ blue: {name}-blue, green: {name}-green, routes: [ \"{rule}\" ] }} }}\n    \
             strategy: {{ blueGreen: {{ bake: 5m }} }}\n    withoutAlarms: accept\n"
        )
    };
    let mut applying = JoinSet::new();
    for yaml in fronts.iter().map(config) {
        let table = table.clone();
        applying.spawn(async move {
            for config in shared::config::parse(&yaml).with_context(|| yaml.clone())? {
                table.apply_config(&config, "bench").await?;
                settle(&table, &config.name).await?;
            }
            anyhow::Ok(())
        });
        while applying.len() >= 8 {
            applying.join_next().await.context("nothing is applied")???;
        }
    }
    while let Some(applied) = applying.join_next().await {
        applied??;
    }
    Ok(())
}

/// As after the first rollout: which colour is live is known.
async fn settle(table: &Table, service: &ServiceName) -> anyhow::Result<()> {
    let mut record = table.load(service).await?;
    record.status.settled = Some(Settled {
        live: Colour::Blue,
        weights: BTreeMap::new(),
        at: Time(0),
        differs_since: None,
        corrected: false,
        correcting: None,
        rested: None,
    });
    let history = HistoryEntry { at: Time(0), rollout: None, line: "set up".to_owned(), inputs: None };
    let (status, version) = (&record.status, record.version);
    table.save(&Save { service, version, status, consumed: &[], notices: &[], history: &history }).await?;
    Ok(())
}
