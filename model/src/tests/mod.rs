//! The model as its users see it: calls in, time passing, answers and events out.

mod beliefs;
mod cloudwatch;
mod conformance;
mod ec2;
mod ecr;
mod ecs;
mod elb;
mod native;
mod native_beliefs;
mod rest;
mod sqs;

use serde_json::{Value, json};

use crate::{AwsError, Call, Happening, Millis, Service, Settings, World};

pub(super) const START: Millis = 1_795_166_140_000;

/// A world with a clock and everything that happened in it.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) now: Millis,
    pub(super) happened: Vec<Happening>,
    pub(super) listener: String,
    pub(super) rule: String,
    pub(super) blue: String,
    pub(super) green: String,
}

impl Stage {
    pub(super) fn bare() -> Stage {
        let text = String::new;
        Stage {
            world: World::new(Settings::quick()),
            now: START,
            happened: Vec::new(),
            listener: text(),
            rule: text(),
            blue: text(),
            green: text(),
        }
    }

    /// A cluster, a repository with `v1` (good), a load balancer with two groups (blue has all weight), a definition `api:1`.
    pub(super) fn new() -> Stage {
        let mut stage = Stage::bare();
        stage.ok(Service::Ecs, "CreateCluster", json!({ "clusterName": "prod" }));
        stage.ok(Service::Ecr, "CreateRepository", json!({ "repositoryName": "api" }));
        stage.push("v1", "");
        stage.define("v1");
        let answer = stage.ok(Service::Elb, "CreateLoadBalancer", json!({ "Name": "shop", "Subnets": ["a", "b"] }));
        let balancer = answer["LoadBalancers"][0]["LoadBalancerArn"].clone();
        stage.blue = stage.group("blue");
        stage.green = stage.group("green");
        let fixed = json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "404" } }]);
        let listener = json!({ "LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": 80, "DefaultActions": fixed });
        let answer = stage.ok(Service::Elb, "CreateListener", listener);
        stage.listener = text(&answer["Listeners"][0]["ListenerArn"]);
        let (blue, green) = (stage.blue.clone(), stage.green.clone());
        let rule = json!({
            "ListenerArn": stage.listener, "Priority": 10, "Actions": [weights(&blue, 1, &green, 0)],
            "Conditions": [{ "Field": "path-pattern", "Values": ["/*"] }],
        });
        stage.rule = text(&stage.ok(Service::Elb, "CreateRule", rule)["Rules"][0]["RuleArn"]);
        stage
    }

    fn group(&mut self, name: &str) -> String {
        let group = json!({
            "Name": name, "Port": 8080, "Protocol": "HTTP", "TargetType": "ip", "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
        });
        let arn = text(&self.ok(Service::Elb, "CreateTargetGroup", group)["TargetGroups"][0]["TargetGroupArn"]);
        let delay = json!([{ "Key": "deregistration_delay.timeout_seconds", "Value": "3" }]);
        self.ok(Service::Elb, "ModifyTargetGroupAttributes", json!({ "TargetGroupArn": arn, "Attributes": delay }));
        arn
    }

    pub(super) fn call(&mut self, service: Service, operation: &str, input: Value) -> Result<Value, AwsError> {
        let region = "us-east-1";
        self.world.call(Call { service, operation, input: &input, caller: "tester", region, now: self.now })
    }

    pub(super) fn ok(&mut self, service: Service, operation: &str, input: Value) -> Value {
        self.call(service, operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    pub(super) fn refused(&mut self, service: Service, operation: &str, input: Value) -> String {
        match self.call(service, operation, input) {
            Ok(answer) => panic!("{operation} was not refused: {answer}"),
            Err(error) => error.code,
        }
    }

    /// Lets time pass, with health checks answered by the tasks' manners and traffic where asked for.
    pub(super) fn pass(&mut self, millis: Millis) {
        self.pass_with(millis, 0);
    }

    /// Lets time pass with so many requests every 100 ms; returns their statuses.
    pub(super) fn pass_with(&mut self, millis: Millis, requests: u32) -> Vec<u16> {
        let end = self.now + millis;
        let mut statuses = Vec::new();
        while self.now < end {
            self.now += 100;
            self.happened.extend(self.world.tick(self.now));
            self.world.answer_probes(self.now);
            if requests > 0 {
                let listener = self.listener.clone();
                statuses.extend(self.world.send_traffic(&listener, requests, self.now));
            }
        }
        self.happened.extend(self.world.tick(self.now));
        statuses
    }

    pub(super) fn push(&mut self, tag: &str, manners: &str) -> String {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
            "annotations": { "flipback.manners": manners, "tag": tag },
        });
        let input = json!({ "repositoryName": "api", "imageManifest": manifest.to_string(), "imageTag": tag });
        text(&self.ok(Service::Ecr, "PutImage", input)["image"]["imageId"]["imageDigest"])
    }

    pub(super) fn define(&mut self, tag: &str) -> String {
        let image = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/api:{tag}");
        let container =
            json!({ "name": "app", "image": image, "portMappings": [{ "containerPort": 8080 }], "futureMember": 7 });
        let input = json!({ "family": "api", "containerDefinitions": [container], "memberOfTomorrow": { "a": [1] } });
        text(&self.ok(Service::Ecs, "RegisterTaskDefinition", input)["taskDefinition"]["taskDefinitionArn"])
    }

    /// A service behind a target group, brought to its steady state.
    pub(super) fn service(&mut self, name: &str, group: &str, extra: Value) {
        let mut input = json!({
            "cluster": "prod", "serviceName": name, "taskDefinition": "api:1", "desiredCount": 2,
            "loadBalancers": [{ "targetGroupArn": group, "containerName": "app", "containerPort": 8080 }],
        });
        for (member, value) in extra.as_object().into_iter().flatten() {
            input[member] = value.clone();
        }
        self.ok(Service::Ecs, "CreateService", input);
        self.pass(10_000);
    }

    pub(super) fn update(&mut self, name: &str, extra: Value) -> Value {
        let mut input = json!({ "cluster": "prod", "service": name });
        for (member, value) in extra.as_object().into_iter().flatten() {
            input[member] = value.clone();
        }
        self.ok(Service::Ecs, "UpdateService", input)["service"].clone()
    }

    pub(super) fn look(&mut self, name: &str) -> Value {
        let input = json!({ "cluster": "prod", "services": [name] });
        self.ok(Service::Ecs, "DescribeServices", input)["services"][0].clone()
    }

    pub(super) fn states(&mut self, group: &str) -> Vec<String> {
        let answer = self.ok(Service::Elb, "DescribeTargetHealth", json!({ "TargetGroupArn": group }));
        let all = answer["TargetHealthDescriptions"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| text(&one["TargetHealth"]["State"])).collect()
    }

    /// The details of every event of a type.
    pub(super) fn events(&self, detail_type: &str) -> Vec<Value> {
        let of_type = |happening: &Happening| {
            let Happening::Event(event) = happening else { return None };
            (event["detail-type"] == detail_type).then(|| event["detail"].clone())
        };
        self.happened.iter().filter_map(of_type).collect()
    }

    pub(super) fn set_weights(&mut self, blue: u32, green: u32) {
        let action = weights(&self.blue, blue, &self.green, green);
        let input = json!({ "RuleArn": self.rule, "Actions": [action] });
        self.ok(Service::Elb, "ModifyRule", input);
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn weights(blue: &str, b: u32, green: &str, g: u32) -> Value {
    json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": [
        { "TargetGroupArn": blue, "Weight": b }, { "TargetGroupArn": green, "Weight": g },
    ]}})
}
