//! A service with two colours, or one service that ECS's own strategy deploys, behind a load balancer, set up by plain API
//! calls: what a person would have before Flipback comes. For the demo, the tests, and `flipback local up --example`.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use model::Service;
use serde_json::{Value, json};

use crate::Cloud;

/// What to set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the service: its colours are `NAME-blue` and `NAME-green`, its repository and family `NAME`.
    pub name: String,
    /// The cluster; made if it is not there.
    pub cluster: String,
    /// Tasks on blue, which is live; green has none.
    pub tasks: u32,
    /// The listener's port; a taken one falls to a free port.
    pub port: u16,
    /// The tag of the image that is live.
    pub tag: String,
}

/// What was set up.
#[derive(Clone, Debug)]
pub struct TwoColours {
    /// The load balancer's ARN.
    pub balancer: String,
    /// The listener's ARN.
    pub listener: String,
    /// The listener rule that is the service's route.
    pub rule: String,
    /// Blue's target group.
    pub blue: String,
    /// Green's target group.
    pub green: String,
    /// Where the listener is served.
    pub address: SocketAddr,
}

/// PutImage's input. The digest is the manifest's: name, tag and manners in it make every push another image.
#[must_use]
pub fn image(repository: &str, tag: &str, manners: &str) -> Value {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 0, "digest": "sha256:none"},
        "layers": [],
        "annotations": {
            "org.opencontainers.image.title": repository,
            "org.opencontainers.image.version": tag,
            "flipback.manners": manners,
        },
    });
    json!({"repositoryName": repository, "imageTag": tag, "imageManifest": manifest.to_string()})
}

/// Pushes an image with these manners; its digest.
///
/// # Errors
/// What ECR says.
pub fn push(cloud: &Cloud, caller: &str, repository: &str, tag: &str, manners: &str) -> anyhow::Result<String> {
    let input = image(repository, tag, manners);
    let answer = cloud
        .call(Service::Ecr, "PutImage", input, caller)
        .map_err(|error| anyhow!("pushing {repository}:{tag}: {error}"))?;
    text(&answer, "/image/imageId/imageDigest")
}

/// A service that ECS's own strategy deploys, and what is around it.
#[derive(Clone, Debug)]
pub struct OneService {
    /// Its two target groups, which take turns, and what leads to them; blue is live.
    pub front: TwoColours,
    /// The test listener's rule.
    pub test_rule: String,
    /// Where the test listener is served.
    pub test_address: SocketAddr,
}

/// Sets up two colours: cluster, repository and image, load balancer, listener and rule, target groups, services, scalable
/// targets, and an alarm `NAME-COLOUR-5xx` of one 10 s period for each side.
///
/// # Errors
/// The call that failed, and what AWS would say.
pub fn two_colours(cloud: &Cloud, caller: &str, plan: &Plan) -> anyhow::Result<TwoColours> {
    let set_up = SetUp { cloud, caller, plan };
    let front = set_up.front()?;
    for (colour, group, tasks) in [("blue", &front.blue, plan.tasks), ("green", &front.green, 0)] {
        let name = format!("{}-{colour}", plan.name);
        let configuration = json!({"minimumHealthyPercent": 100, "maximumPercent": 200,
            "deploymentCircuitBreaker": {"enable": false, "rollback": false}});
        let balancer = json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
        set_up.service(&name, tasks, &configuration, &balancer)?;
        set_up.scalable(&name, tasks)?;
    }
    Ok(front)
}

/// Sets up one service `NAME` with this deployment configuration, and everything else as [`two_colours`] does; also a test
/// listener, and the same alarms.
///
/// # Errors
/// The call that failed, and what AWS would say.
pub fn one_service(cloud: &Cloud, caller: &str, plan: &Plan, configuration: &Value) -> anyhow::Result<OneService> {
    let set_up = SetUp { cloud, caller, plan };
    let front = set_up.front()?;
    let (test_listener, test_rule) =
        set_up.listener(&front.balancer, plan.port.saturating_add(1_000), &front.blue, &front.green)?;
    let balancer = json!({"targetGroupArn": front.blue, "containerName": "app", "containerPort": 8080,
        "advancedConfiguration": {"alternateTargetGroupArn": front.green, "productionListenerRule": front.rule,
            "testListenerRule": test_rule, "roleArn": "arn:aws:iam::123456789012:role/ecsInfrastructureRole"}});
    set_up.service(&plan.name, plan.tasks, configuration, &balancer)?;
    set_up.scalable(&plan.name, plan.tasks)?;
    let test_address = set_up.address(&test_listener)?;
    Ok(OneService { front, test_rule, test_address })
}

struct SetUp<'a> {
    cloud: &'a Cloud,
    caller: &'a str,
    plan: &'a Plan,
}

impl SetUp<'_> {
    fn call(&self, service: Service, operation: &str, input: Value) -> anyhow::Result<Value> {
        let answer = self.cloud.call(service, operation, input, self.caller);
        answer.map_err(|error| anyhow!("setting up {}, {operation}: {error}", self.plan.name))
    }

    /// Everything but the services.
    fn front(&self) -> anyhow::Result<TwoColours> {
        let Plan { name, cluster, tag, port, .. } = self.plan;
        self.call(
            Service::Ecs,
            "CreateCluster",
            json!({"clusterName": cluster, "settings": [{"name": "containerInsights", "value": "enabled"}]}),
        )?;
        let repository = self.call(Service::Ecr, "CreateRepository", json!({"repositoryName": name}))?;
        let uri = text(&repository, "/repository/repositoryUri")?;
        push(self.cloud, self.caller, name, tag, "")?;
        let balancer = json!({"Name": name, "Subnets": ["subnet-a", "subnet-b"], "Scheme": "internal"});
        let balancer =
            text(&self.call(Service::Elb, "CreateLoadBalancer", balancer)?, "/LoadBalancers/0/LoadBalancerArn")?;
        let [blue, green] = [self.target_group("blue")?, self.target_group("green")?];
        let (listener, rule) = self.listener(&balancer, *port, &blue, &green)?;
        let definition = json!({
            "family": name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
            "containerDefinitions": [{"name": "app", "image": format!("{uri}:{tag}"), "essential": true,
                "portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}],
        });
        self.call(Service::Ecs, "RegisterTaskDefinition", definition)?;
        for (colour, group) in [("blue", &blue), ("green", &green)] {
            self.alarm(colour, &balancer, group)?;
        }
        let address = self.address(&listener)?;
        Ok(TwoColours { balancer, listener, rule, blue, green, address })
    }

    /// A listener, and its rule that sends everything to blue.
    fn listener(&self, balancer: &str, port: u16, blue: &str, green: &str) -> anyhow::Result<(String, String)> {
        let nothing = json!([{"Type": "fixed-response", "FixedResponseConfig": {
            "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such path"}}]);
        let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": nothing});
        let listener = text(&self.call(Service::Elb, "CreateListener", input)?, "/Listeners/0/ListenerArn")?;
        let rule = json!({
            "ListenerArn": listener, "Priority": 10,
            "Conditions": [{"Field": "path-pattern", "Values": ["/*"]}],
            "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [
                {"TargetGroupArn": blue, "Weight": 100}, {"TargetGroupArn": green, "Weight": 0}]}}],
        });
        let rule = text(&self.call(Service::Elb, "CreateRule", rule)?, "/Rules/0/RuleArn")?;
        Ok((listener, rule))
    }

    fn address(&self, listener: &str) -> anyhow::Result<SocketAddr> {
        let port = self.cloud.ports().into_iter().find(|port| port.listener_arn == listener);
        Ok(port.with_context(|| format!("a listener of {} is not served", self.plan.name))?.real)
    }

    fn target_group(&self, colour: &str) -> anyhow::Result<String> {
        let name = &self.plan.name;
        let input = json!({
            "Name": format!("{name}-{colour}"), "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-local",
            "TargetType": "ip", "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2,
            "Matcher": {"HttpCode": "200"},
        });
        let arn = text(&self.call(Service::Elb, "CreateTargetGroup", input)?, "/TargetGroups/0/TargetGroupArn")?;
        let delay = json!([{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]);
        let input = json!({"TargetGroupArn": arn, "Attributes": delay});
        self.call(Service::Elb, "ModifyTargetGroupAttributes", input)?;
        Ok(arn)
    }

    fn service(&self, name: &str, tasks: u32, configuration: &Value, balancer: &Value) -> anyhow::Result<()> {
        let Plan { name: family, cluster, .. } = self.plan;
        let input = json!({
            "cluster": cluster, "serviceName": name, "taskDefinition": family, "desiredCount": tasks,
            "launchType": "FARGATE", "healthCheckGracePeriodSeconds": 0, "deploymentConfiguration": configuration,
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-local"]}},
            "loadBalancers": [balancer],
        });
        self.call(Service::Ecs, "CreateService", input).map(drop)
    }

    /// A scalable target and a policy that keeps 70 % CPU. An idle side rests as Flipback leaves it: from 0 tasks on, and nothing
    /// scales it.
    fn scalable(&self, name: &str, tasks: u32) -> anyhow::Result<()> {
        let rests = tasks == 0;
        let input = json!({
            "ServiceNamespace": "ecs", "ResourceId": format!("service/{}/{name}", self.plan.cluster),
            "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": tasks, "MaxCapacity": 4,
            "SuspendedState": {"DynamicScalingInSuspended": rests, "DynamicScalingOutSuspended": rests,
                "ScheduledScalingSuspended": rests},
        });
        self.call(Service::AutoScaling, "RegisterScalableTarget", input)?;
        let input = json!({
            "ServiceNamespace": "ecs", "ResourceId": format!("service/{}/{name}", self.plan.cluster),
            "ScalableDimension": "ecs:service:DesiredCount", "PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": { "PredefinedMetricType": "ECSServiceAverageCPUUtilization" },
            },
        });
        self.call(Service::AutoScaling, "PutScalingPolicy", input).map(drop)
    }

    fn alarm(&self, colour: &str, balancer: &str, group: &str) -> anyhow::Result<()> {
        let balancer = balancer.split_once("loadbalancer/").map_or(balancer, |(_, suffix)| suffix);
        let group = group.rsplit(':').next().unwrap_or(group);
        let input = json!({
            "AlarmName": format!("{}-{colour}-5xx", self.plan.name), "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}, {"Name": "TargetGroup", "Value": group}],
            "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1, "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
        });
        self.call(Service::CloudWatch, "PutMetricAlarm", input)?;
        Ok(())
    }
}

fn text(answer: &Value, pointer: &str) -> anyhow::Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("setting up: no {pointer} in {answer}"))
}
