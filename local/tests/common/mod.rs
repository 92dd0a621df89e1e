//! A quick cloud on a free port, and a client that sends exactly what a test says.
#![allow(dead_code, reason = "each test file uses its part")]

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use local::{Cloud, Options};
use model::{Service, Settings};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(crate) fn quick() -> Options {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Options { listen, settings: Settings::quick(), quiet: true, ..Options::default() }
}

pub(crate) async fn bare() -> Cloud {
    Cloud::start(quick()).await.unwrap()
}

pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A signature of the form AWS clients send; nobody verifies it here.
pub(crate) fn signed(key: &str, region: &str, service: &str) -> (&'static str, String) {
    let scope = format!("{key}/20261120/{region}/{service}/aws4_request");
    ("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00"))
}

pub(crate) async fn post(url: &str, headers: &[(&str, String)], body: impl Into<Bytes>) -> Answered {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    send(request.body(Full::new(body.into())).unwrap()).await
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::new(Bytes::new())).unwrap()).await
}

pub(crate) fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn send(request: Request<Full<Bytes>>) -> Answered {
    let (parts, body) = client().request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(crate) async fn aws_json(cloud: &Cloud, target: &str, body: &str) -> Answered {
    let headers = [
        ("x-amz-target", target.to_owned()),
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-date", "20261120T090000Z".to_owned()),
        signed("AKIDTEST", "us-east-1", "any"),
    ];
    post(&cloud.endpoint(), &headers, body.to_owned()).await
}

pub(crate) fn call(cloud: &Cloud, service: Service, operation: &str, input: Value) -> Value {
    cloud.call(service, operation, input, "test").unwrap_or_else(|error| panic!("{operation}: {error}"))
}

/// Looks until `done` says something, for ten seconds at most.
pub(crate) async fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(value) = done() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen in ten seconds");
}

/// A load balancer with one rule over two target groups, and a service with `count` tasks of an image behind the first.
pub(crate) struct Shop {
    pub(crate) balancer: String,
    pub(crate) listener: String,
    pub(crate) rule: String,
    pub(crate) blue: String,
    pub(crate) green: String,
    pub(crate) url: String,
}

impl Shop {
    pub(crate) async fn open(cloud: &Cloud, manners: &str, count: u32) -> Shop {
        let made = call(cloud, Service::Elb, "CreateLoadBalancer", json!({"Name": "shop", "Subnets": ["a", "b"]}));
        let balancer = made["LoadBalancers"][0]["LoadBalancerArn"].as_str().unwrap().to_owned();
        let mut groups = Vec::new();
        for name in ["blue", "green"] {
            let input = json!({"Name": name, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-1", "TargetType": "ip",
                "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 2});
            let made = call(cloud, Service::Elb, "CreateTargetGroup", input);
            let group = made["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_owned();
            let draining = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]);
            let input = json!({"TargetGroupArn": group, "Attributes": draining});
            call(cloud, Service::Elb, "ModifyTargetGroupAttributes", input);
            groups.push(group);
        }
        let no = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain",
            "MessageBody": "nothing here"}}]);
        // A port that is free for sure: bound and let go.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": no});
        let made = call(cloud, Service::Elb, "CreateListener", input);
        let listener = made["Listeners"][0]["ListenerArn"].as_str().unwrap().to_owned();
        let input = json!({"ListenerArn": listener, "Priority": 1, "Conditions": [{"Field": "path-pattern", "Values": ["/shop*"]}],
            "Actions": forward(&groups[0], 100, &groups[1], 0)});
        let rule = call(cloud, Service::Elb, "CreateRule", input)["Rules"][0]["RuleArn"].as_str().unwrap().to_owned();
        let real = cloud.ports().into_iter().find(|port| port.listener_arn == listener).unwrap().real;
        let shop = Shop {
            balancer,
            listener,
            rule,
            blue: groups[0].clone(),
            green: groups[1].clone(),
            url: format!("http://{real}/shop"),
        };
        shop.serve(cloud, "blue", &shop.blue, "1.0.0", manners, count).await;
        shop
    }

    /// A service of `count` tasks behind a target group; returns when they are healthy or serving.
    pub(crate) async fn serve(&self, cloud: &Cloud, name: &str, group: &str, tag: &str, manners: &str, count: u32) {
        let _ = cloud.call(Service::Ecr, "CreateRepository", json!({"repositoryName": "shop"}), "test");
        let _ = cloud.call(Service::Ecs, "CreateCluster", json!({"clusterName": "c"}), "test");
        let mut manifest = json!({"schemaVersion": 2, "tag": tag});
        if !manners.is_empty() {
            manifest["annotations"] = json!({"flipback.manners": manners});
        }
        let input = json!({"repositoryName": "shop", "imageTag": tag, "imageManifest": manifest.to_string()});
        call(cloud, Service::Ecr, "PutImage", input);
        let image = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop:{tag}");
        let input = json!({"family": name, "networkMode": "awsvpc", "containerDefinitions": [
            {"name": "web", "image": image, "essential": true, "portMappings": [{"containerPort": 8080}]}]});
        call(cloud, Service::Ecs, "RegisterTaskDefinition", input);
        let input = json!({"cluster": "c", "serviceName": name, "taskDefinition": name, "desiredCount": count,
            "loadBalancers": [{"targetGroupArn": group, "containerName": "web", "containerPort": 8080}]});
        call(cloud, Service::Ecs, "CreateService", input);
        until("healthy targets", || {
            let input = json!({"TargetGroupArn": group});
            let health = call(cloud, Service::Elb, "DescribeTargetHealth", input);
            let targets = health["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
            let settled = targets.iter().filter(|target| target["TargetHealth"]["State"] == "healthy");
            (settled.count() == count as usize).then_some(())
        })
        .await;
    }

    pub(crate) fn weigh(&self, cloud: &Cloud, blue: u32, green: u32) {
        let input = json!({"RuleArn": self.rule, "Actions": forward(&self.blue, blue, &self.green, green)});
        call(cloud, Service::Elb, "ModifyRule", input);
    }
}

fn forward(blue: &str, blue_weight: u32, green: &str, green_weight: u32) -> Value {
    json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": blue, "Weight": blue_weight}, {"TargetGroupArn": green, "Weight": green_weight}]}}])
}
