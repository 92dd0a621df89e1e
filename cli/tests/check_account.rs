//! `flipback check-account` against the local cloud: everything is as believed there, and with one belief of the model
//! turned over exactly that one is told as wrong. That shows that each check can fail.

use local::{Cloud, Options};
use model::{Beliefs, Service, Settings};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// The checks of the plan; the beliefs without a check are listed in the source, with why.
const CHECKED: [u32; 30] =
    [2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 18, 19, 21, 24, 25, 27, 31, 33, 39, 40, 51, 52, 53, 54, 55, 56, 57, 60, 62, 64];

/// How many clouds at once: the checks mostly wait.
const AT_ONCE: usize = 10;

struct Stage {
    cloud: Cloud,
    listener: String,
}

impl Stage {
    /// A cloud with a cluster and the listener of a test load balancer.
    async fn new(turned: Option<&str>) -> Stage {
        let mut settings = Settings::quick();
        // How long a pause waits is told in real minutes.
        settings.ecs.minute = 60_000;
        if let Some(name) = turned {
            assert!(settings.beliefs.turn_over(name), "{name}");
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let cloud = Cloud::start(Options { listen, settings, quiet: true, ..Options::default() }).await.unwrap();
        let call = |service, operation: &str, input: Value| {
            cloud.call(service, operation, input, "test").unwrap_or_else(|error| panic!("{operation}: {error:?}"))
        };
        call(Service::Ecs, "CreateCluster", json!({"clusterName": "production"}));
        let input = json!({"Name": "test", "Subnets": ["subnet-1", "subnet-2"], "Type": "application"});
        let balancer = call(Service::Elb, "CreateLoadBalancer", input)["LoadBalancers"][0]["LoadBalancerArn"].clone();
        let fixed = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]);
        let port =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).unwrap();
        let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTPS", "Port": port.port(), "DefaultActions": fixed,
            "Certificates": [{"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/test"}]});
        let listener = call(Service::Elb, "CreateListener", input)["Listeners"][0]["ListenerArn"].clone();
        Stage { listener: listener.as_str().unwrap().to_owned(), cloud }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flipback"));
        command
            .args(format!("check-account --cluster production --listener {} {line}", self.listener).split_whitespace())
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_ENDPOINT_URL", self.cloud.endpoint().as_str()), ("HOME", "/nonexistent")])
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, line: &str) -> Output {
        self.command(line).output().await.unwrap()
    }

    /// What is left of what was made, by AWS's own lists.
    fn left(&self) -> Vec<String> {
        let list = |service, operation: &str, input: Value, member: &str| -> Vec<String> {
            let answer = self.cloud.call(service, operation, input, "test").unwrap();
            answer[member].as_array().into_iter().flatten().map(Value::to_string).collect()
        };
        let mut all = list(Service::Elb, "DescribeTargetGroups", json!({}), "TargetGroups");
        let rules = list(Service::Elb, "DescribeRules", json!({"ListenerArn": self.listener}), "Rules");
        all.extend(rules.into_iter().filter(|rule| rule.contains("\"IsDefault\":false")));
        all.extend(list(Service::Ecs, "ListServices", json!({"cluster": "production"}), "serviceArns"));
        for status in ["ACTIVE", "INACTIVE"] {
            all.extend(list(Service::Ecs, "ListTaskDefinitions", json!({"status": status}), "taskDefinitionArns"));
        }
        let queues = list(Service::Sqs, "ListQueues", json!({}), "QueueUrls");
        all.extend(queues.into_iter().filter(|url| url.contains("flipback-check-")));
        let input = json!({"ServiceNamespace": "ecs"});
        all.extend(list(Service::AutoScaling, "DescribeScalableTargets", input, "ScalableTargets"));
        all
    }

    /// A deleted service is gone when its tasks are.
    async fn clean(&self) {
        for _ in 0..50 {
            if self.left().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("left behind: {:#?}", self.left());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Numbers with this result.
fn having(report: &Value, result: &str) -> Vec<u64> {
    let checks = report["checks"].as_array().into_iter().flatten();
    checks.filter(|check| check["result"] == result).filter_map(|check| check["number"].as_u64()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cloud_is_as_believed_and_nothing_is_left_behind() {
    let stage = Stage::new(None).await;
    let output = stage.run("--yes --json --patience 8s").await;
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(having(&report, "true"), CHECKED.map(u64::from), "{report:#}");
    assert_eq!(report["account"], "123456789012");
    stage.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_belief_that_is_turned_over_is_told_and_no_other() {
    let names: Vec<(u32, &'static str)> = CHECKED
        .iter()
        .map(|number| {
            let belief = Beliefs::ALL.iter().find(|belief| belief.number == *number).unwrap();
            (*number, belief.name)
        })
        .collect();
    for some in names.chunks(AT_ONCE) {
        let runs: Vec<_> = some.iter().map(|(number, name)| tokio::spawn(turned(*number, name))).collect();
        for run in runs {
            run.await.unwrap();
        }
    }
}

async fn turned(number: u32, name: &'static str) {
    let stage = Stage::new(Some(name)).await;
    let output = stage.run("--yes --json --patience 8s").await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(having(&report, "wrong"), [u64::from(number)], "{name}: {report:#}\n{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{name}");
    assert!(text(&output.stderr).contains(&format!("otherwise than believed: {number}")), "{}", text(&output.stderr));
    stage.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_without_a_yes() {
    let stage = Stage::new(None).await;
    let output = stage.run("").await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for words in ["account 123456789012, us-east-1, cluster production", "Cost: ", "it was not confirmed", "--yes"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let output = stage.run("--dry-run --only 8,19").await;
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("1 ECS service, 2 revisions"), "{}", text(&output.stdout));
    let output = stage.run("--only 6 --yes").await;
    assert!(text(&output.stderr).contains("belief 6 cannot be checked here"), "{}", text(&output.stderr));
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_checks_and_removes_what_was_made() {
    let stage = Stage::new(None).await;
    let child = stage.command("--yes --patience 8s").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while stage.left().len() < 12 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("it was interrupted; everything it made is removed"),
        "{}",
        text(&output.stderr)
    );
    stage.clean().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_found_by_its_tag_and_removed() {
    let stage = Stage::new(None).await;
    let mut child = stage.command("--yes --patience 8s").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Past 18: by then there is something of every kind.
    let queue = |stage: &Stage| stage.left().iter().any(|thing| thing.contains("-18.fifo"));
    while !queue(&stage) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().await.unwrap();
    // Somebody else's, with such a name and without the tag.
    let input = json!({"QueueName": "flipback-check-of-somebody-else"});
    stage.cloud.call(Service::Sqs, "CreateQueue", input, "test").unwrap();

    let output = stage.run("--clean").await;
    assert!(text(&output.stderr).contains("rule for 2."), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "it asks first");
    let output = stage.run("--clean --yes --json").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["removed"].as_u64() >= Some(15), "{report:#}");
    let only = |stage: &Stage| stage.left().iter().all(|thing| thing.contains("of-somebody-else"));
    for _ in 0..50 {
        if only(&stage) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let left = stage.left();
    assert!(left.len() == 1 && only(&stage), "{left:#?}");
}
