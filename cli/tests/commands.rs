//! The program itself against a local cloud without functions: what it records, prints and exits with.

use local::{Cloud, Options};
use model::{Service, Settings};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A cloud with one service of two colours, and a directory with its configuration.
struct Stage {
    cloud: Cloud,
    dir: TempDir,
}

impl Stage {
    async fn new() -> Stage {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = Options { listen, settings: Settings::quick(), quiet: true, ..Options::default() };
        let cloud = Cloud::start(options).await.unwrap();
        let stage = Stage { cloud, dir: TempDir::new().unwrap() };
        stage.set_up();
        stage
    }

    fn call(&self, service: Service, operation: &str, input: Value) -> Value {
        self.cloud.call(service, operation, input, "test").unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    fn set_up(&self) {
        self.call(Service::Ecr, "CreateRepository", json!({"repositoryName": "shop-api"}));
        let manifest = json!({"schemaVersion": 2, "config": {}, "layers": []}).to_string();
        let image = json!({"repositoryName": "shop-api", "imageTag": "v1.0.0", "imageManifest": manifest});
        self.call(Service::Ecr, "PutImage", image);
        let input = json!({"Name": "shop", "Subnets": ["subnet-1", "subnet-2"], "Type": "application"});
        let balancer =
            self.call(Service::Elb, "CreateLoadBalancer", input)["LoadBalancers"][0]["LoadBalancerArn"].clone();
        let group = |colour: &str| {
            let input = json!({"Name": format!("shop-api-{colour}"), "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1",
                "TargetType": "ip"});
            self.call(Service::Elb, "CreateTargetGroup", input)["TargetGroups"][0]["TargetGroupArn"].clone()
        };
        let groups = [("blue", group("blue"), 100, 1), ("green", group("green"), 0, 0)];
        let weights: Vec<Value> =
            groups.iter().map(|(_, arn, weight, _)| json!({"TargetGroupArn": arn, "Weight": weight})).collect();
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}]);
        let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 0, "DefaultActions": actions});
        self.call(Service::Elb, "CreateListener", input_with_port(input));
        self.call(Service::Ecs, "CreateCluster", json!({"clusterName": "production"}));
        let image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop-api:v1.0.0";
        let container = json!({"name": "api", "image": image, "portMappings": [{"containerPort": 8080}]});
        let input = json!({"family": "shop-api", "containerDefinitions": [container]});
        self.call(Service::Ecs, "RegisterTaskDefinition", input);
        for (colour, arn, _, desired) in &groups {
            let balancers = json!([{"targetGroupArn": arn, "containerName": "api", "containerPort": 8080}]);
            let input = json!({"cluster": "production", "serviceName": format!("shop-api-{colour}"),
                "taskDefinition": "shop-api:1", "desiredCount": desired, "loadBalancers": balancers});
            self.call(Service::Ecs, "CreateService", input);
            let dimension = arn.as_str().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
            let alarm = json!({"AlarmName": format!("shop-api-{colour}-5xx"), "Namespace": "AWS/ApplicationELB",
                "MetricName": "HTTPCode_Target_5XX_Count", "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1,
                "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
                "Dimensions": [{"Name": "TargetGroup", "Value": dimension}]});
            self.call(Service::CloudWatch, "PutMetricAlarm", alarm);
        }
    }

    fn run(&self, line: &str) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_flipback"))
            .args(line.split(' '))
            .current_dir(self.dir.path())
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_ENDPOINT_URL", self.cloud.endpoint().as_str()), ("USER", "ana"), ("HOME", "/nonexistent")])
            .output()
            .unwrap();
        Ran::of(line, &output)
    }

    fn edit(&self, from: &str, to: &str) {
        let path = self.dir.path().join("flipback.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in\n{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }
}

/// Any free port: a listener's port cannot be 0.
fn input_with_port(mut input: Value) -> Value {
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).unwrap();
    input["Port"] = json!(free.port());
    input
}

struct Ran {
    line: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(line: &str, output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Ran {
        let Ran { line, stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{line}\n{stdout}\n{stderr}");
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Ran {
        let Ran { line, stdout, stderr, .. } = &self;
        assert!(stdout.contains(text) || stderr.contains(text), "{line} does not say {text:?}\n{stdout}\n{stderr}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{}: {error}\n{}", self.line, self.stdout))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_tells_that_a_native_service_has_no_test_listener_for_its_check() {
    let stage = Stage::new().await;
    let file = "
version: 1
services:
  - name: shop-api
    cluster: production
    image: { repository: shop-api, tags: { semver: '>=1.0.0' } }
    engine: { native: { service: shop-api-blue } }
    strategy: asDeclared
    alarms: [ shop-api-blue-5xx ]
    checks: { http: { listener: test } }
";
    std::fs::write(stage.dir.path().join("flipback.yaml"), file).unwrap();
    let says = "shop-api-blue: checks.http: the service's load balancer names no testListenerRule";
    stage.run("apply").exits(1).says(says).says("nothing was applied");
    stage.edit("listener: test", "listener: 'http://test.example.com'");
    stage.run("apply").exits(0).says("applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_live_services_to_a_recorded_wish() {
    let stage = Stage::new().await;
    stage.run("status").exits(0).says("flipback init");
    stage.run("init --cluster nope").exits(1).says("aws ecs list-clusters");
    stage.run("init").exits(0).says("wrote flipback.yaml with shop-api");
    stage.run("init").exits(1).says("exists already");
    stage.run("adopt shop-api-blue --cluster production").exits(1).says("exists already");

    stage.run("apply --dry-run").exits(0).says("shop-api  new").says("dry run: nothing was changed");
    assert_eq!(stage.run("status --json").exits(0).json()["services"], json!([]));
    stage.run("apply").exits(0).says("applied");
    assert_eq!(stage.run("apply --json").exits(0).json()["services"][0]["change"]["kind"], "unchanged");

    stage.edit("shop-api-green-5xx", "nope");
    stage.run("apply").exits(1).says("CloudWatch knows no alarm named nope").says("nothing was applied");
    stage.edit("nope", "shop-api-green-5xx");
    stage.edit("standby: 10m", "standbye: 10m");
    stage.run("apply").exits(1).says("did you mean `standby`?").says("flipback.yaml:");
    stage.edit("standbye: 10m", "standby: 10m");
    stage.edit("name: shop-api", "name: other");
    stage.run("apply").exits(1).says("belongs to the service shop-api already");
    stage.run("remove shop-api").exits(1).says("was not removed").says("--yes");
    stage.run("remove shop-api --yes").exits(0).says("removed");
    stage.run("apply").exits(0).says("other  new");
    stage.run("remove other --yes").exits(0);
    stage.edit("name: other", "name: shop-api");
    stage.edit("repository: shop-api", "repository: nope");
    let refused = stage.run("apply").exits(1).says("the ECR repository nope does not exist");
    refused.says("no container of the live task definition shop-api:1 has an image from nope");
    stage.edit("repository: nope", "repository: shop-api");
    stage.run("apply").exits(0);

    stage.run("deploy shop-api --image shop-api:v9").exits(1).says("there is no image shop-api:v9");
    stage.run("deploy shop-api --image other:v1").exits(1).says("no image from repository other");
    for _ in 0..2 {
        stage.run("deploy shop-api --image shop-api:v1.0.0").exits(0).says("flipback wait shop-api");
    }
    let status = stage.run("status shop-api --json").exits(0).json();
    let inbox = status["inbox"].as_array().unwrap();
    assert_eq!((inbox.len(), &inbox[0]["by"]), (1, &json!("ana")), "told twice, a wish is one: {status}");
    stage.run("wait shop-api --timeout 1s").exits(4).says("timed out");
    let waited = stage.run("wait shop-api --timeout 1s --json").exits(4);
    let last: Value = serde_json::from_str(waited.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["phase"], &last["outcome"]), (&json!("idle"), &json!("timedOut")), "it is not settled: {last}");
    stage.run("remove shop-api --yes").exits(1).says("cannot be removed now");

    stage.run("promote shop-api").exits(1).says("no rollout runs");
    stage.run("rollback shop-api").exits(1).says("no earlier revision is known");
    stage.run("rollback shop-api --to shop-api:7").exits(1).says("there is no revision shop-api:7");
    stage.run("rollback shop-api --to shop-api:1").exits(0);
    stage.run("release shop-api abc").exits(1).says("nothing is in quarantine");
    stage.run("status nope").exits(1).says("no service `nope`").says("use one of: shop-api");
    stage.run("status --stack other").exits(1).says("there is no table other");
    stage.run("why shop-api").exits(0).says("waits for");
    stage.run("history shop-api --json").exits(0);
    stage.run("local push shop-api v1.1.0 --manners 5xx=30").exits(0).says("pushed shop-api:v1.1.0 (sha256:");
    stage.run("local push shop-api v1.2.0 --manners polite").exits(1).says("not a manner: polite");
    stage.run("local push nope v1").exits(1).says("aws ecr create-repository");
    let address = stage.cloud.endpoint().replace("http://", "");
    stage.run(&format!("local up --bare --listen {address}")).exits(1).says("choose another port");

    let moved = |entry: &model::JournalEntry| {
        entry.caller == "user:test" && matches!(entry.service, Service::Ecs | Service::Elb | Service::AutoScaling)
    };
    let touched = stage.cloud.with_world(|world| world.journal().iter().filter(|entry| moved(entry)).count());
    assert_eq!(touched, 0, "the program records and wakes; it touches neither ECS nor ELB");
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_set_counted_and_cleared_and_a_wrong_one_is_named_with_the_nearest() {
    let stage = Stage::new().await;
    stage.run("local fault list").exits(0).says("no fault");
    let line = "local fault add throttle elasticloadbalancing:describetargethealth --caller user:test --times 2";
    stage.run(line).exits(0).says("fault 1: throttle on elb:DescribeTargetHealth by user:test, calls 1 to 2");
    stage
        .run("local fault add fail dynamodb --nth 3 --caller user:nobody")
        .exits(0)
        .says("dynamodb:* by user:nobody, call 3");
    stage.run("local fault clear 1").exits(0).says("cleared 1 fault");
    stage.run("local fault add fail ecs:ListServices --nth 1").exits(0);
    // The SDK tries again, and gets through.
    stage.run("init --cluster production").exits(0);
    let faults = stage.run("local fault list --json").exits(0).json();
    let counts = (&faults[1]["id"], faults[1]["calls"].as_u64() >= Some(2), &faults[1]["struck"]);
    assert_eq!(counts, (&json!(3), true, &json!(1)), "the SDK tried again: {faults}");
    stage.run("local fault list").exits(0).says("ecs:ListServices");
    for (line, todo) in [
        ("add fail elbow:ModifyRule", "did you mean elb?"),
        ("add fail elb:ModifyRulez", "did you mean ModifyRule?"),
        ("add explode elb", "kill-before, kill-after"),
        ("add answer-late elb", "answer-late=800ms"),
        ("add kill-after elb --caller advance", "started without functions"),
        ("clear 9", "list the faults"),
    ] {
        stage.run(&format!("local fault {line}")).exits(1).says(todo);
    }
    stage.run("local fault clear").exits(0).says("cleared 2 faults");
    stage.run("local fault list --endpoint http://127.0.0.1:9").exits(1).says("flipback local up");
    stage.cloud.stop().await;
}

#[test]
fn without_an_installation_every_error_says_what_to_do() {
    let run = |line: &str, variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_flipback"))
            .args(line.split(' '))
            .current_dir(Path::new("/"))
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Ran::of(line, &output)
    };
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    // Port 9 (discard) is open nowhere.
    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_REGION", "us-east-1")];
    run("status", &keys).exits(1).says("set AWS_REGION");
    run("status", &nowhere).exits(1).says("no AWS credentials were found");
    run("--profile nope status", &nowhere).exits(1).says("profile nope");
    run("status", &[keys, nowhere].concat()).exits(1).says("nothing answers at AWS_ENDPOINT_URL=http://127.0.0.1:9");
    let nonsense = [("AWS_ENDPOINT_URL_DYNAMODB", "nonsense"), ("AWS_REGION", "us-east-1")];
    run("status", &[keys, nonsense].concat()).exits(1).says("AWS_ENDPOINT_URL_DYNAMODB=nonsense is not a URL");
    let empty = run("status", &[keys[0], keys[1], ("AWS_ENDPOINT_URL", "")]).exits(1).says("set AWS_REGION");
    assert!(!empty.stderr.contains("panicked"), "an empty variable is none: {}", empty.stderr);
    run("local up --listen 0.0.0.0:4566", &[]).exits(1).says("listen on loopback");
    run("local up --listen 127.0.0.1:0 --functions /nonexistent", &[]).exits(1).says("--functions");
    run("apply -f nope.yaml", &[]).exits(1).says("nope.yaml does not exist");
    run("local ports --endpoint http://127.0.0.1:9", &[]).exits(1).says("flipback local up");
    run("nonsense", &[]).exits(2);
    let error: Value = serde_json::from_str(&run("status --json", &keys).exits(1).stderr).unwrap();
    assert_eq!(error["error"], "no AWS region is known");
    assert!(run("schema", &[]).exits(0).json()["properties"]["services"].is_object());
}
