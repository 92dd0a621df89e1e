"""A service of two colours, made by plain API calls, and its lines in flipback.yaml."""

import json

from .cloud import ACCOUNT, REGION

CLUSTER = "conformance"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/11111111-2222-3333-4444-555555555555"


def manifest(name, tag, manners=""):
    annotations = {"org.opencontainers.image.title": name, "org.opencontainers.image.version": tag,
                   "flipback.manners": manners}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 0, "digest": "sha256:none"}
    return json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                       "config": config, "layers": [], "annotations": annotations})


class Service:
    """The parts of one service in AWS. `actions(forward)` and `conditions` shape its rule; `secure` makes its listener
    HTTPS; `on_listener` makes the listener's default action its route; an `alone` one has no second colour yet; a `native` one is
    one ECS service that ECS's own blue/green deploys."""

    def __init__(self, cloud, name, *, actions=None, conditions=None, secure=False, on_listener=False, third=False,
                 sticky=None, definition=None, alone=False, native=False, lines=()):
        self.cloud, self.name, self.lines = cloud, name, dict(lines)
        ecr, elb = cloud.client("ecr"), cloud.client("elbv2")
        self.repository = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
        self.digest = self.push("1.0.0")
        self.balancer = elb.create_load_balancer(
            Name=name, Subnets=["subnet-a", "subnet-b"], Scheme="internal")["LoadBalancers"][0]["LoadBalancerArn"]
        self.groups = {colour: self._group(elb, colour) for colour in ("blue", *(["green"] if not alone else []), *(["third"] if third else []))}
        forward = self._forward(sticky)
        actions = actions(forward) if actions else [forward]
        nothing = [{"Type": "fixed-response", "FixedResponseConfig": {
            "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such path"}}]
        more = {"Certificates": [{"CertificateArn": CERTIFICATE}], "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}
        self.listener = elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTPS" if secure else "HTTP", Port=443 if secure else 80,
            DefaultActions=actions if on_listener else nothing, **(more if secure else {}))["Listeners"][0]["ListenerArn"]
        self.route = self.listener
        if not on_listener:
            conditions = conditions or [{"Field": "path-pattern", "Values": ["/*"]}]
            self.route = elb.create_rule(
                ListenerArn=self.listener, Priority=10, Conditions=conditions, Actions=actions)["Rules"][0]["RuleArn"]
        self._register(definition)
        self.native, self.configured = native, not alone
        if native:
            both = {"alternateTargetGroupArn": self.groups["green"], "productionListenerRule": self.route,
                    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"}
            self._service(name, 2, {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1},
                          {"targetGroupArn": self.groups["blue"], "advancedConfiguration": both})
        else:
            for colour, count in {"blue": 2, **({} if alone else {"green": 0})}.items():
                rolling = {"minimumHealthyPercent": 100, "maximumPercent": 200,
                           "deploymentCircuitBreaker": {"enable": False, "rollback": False}}
                self._service(f"{name}-{colour}", count, rolling, {"targetGroupArn": self.groups[colour]})
        for colour in ("blue", *([] if alone else ["green"])):
            self._alarm(colour)

    def push(self, tag, manners=""):
        image = self.cloud.client("ecr").put_image(
            repositoryName=self.name, imageTag=tag, imageManifest=manifest(self.name, tag, manners))
        return image["image"]["imageId"]["imageDigest"]

    def _group(self, elb, colour):
        arn = elb.create_target_group(
            Name=f"{self.name}-{colour}", Protocol="HTTP", Port=8080, VpcId="vpc-local", TargetType="ip",
            HealthCheckPath="/health", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2, UnhealthyThresholdCount=2, Matcher={"HttpCode": "200"},
        )["TargetGroups"][0]["TargetGroupArn"]
        elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}])
        return arn

    def _forward(self, sticky):
        weights = {"blue": 100, "green": 0, "third": 7}
        config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weights[colour]}
                                   for colour, arn in self.groups.items()]}
        if sticky:
            config["TargetGroupStickinessConfig"] = sticky
        return {"Type": "forward", "ForwardConfig": config}

    def _register(self, definition):
        if definition:
            return definition(self)
        return self.cloud.client("ecs").register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole",
            containerDefinitions=[{"name": "app", "image": f"{self.repository}:1.0.0", "essential": True,
                                   "portMappings": [{"containerPort": 8080, "protocol": "tcp"}]}],
            tags=[{"key": "team", "value": "shop"}])

    def _service(self, name, count, configuration, balancer):
        self.cloud.client("ecs").create_service(
            cluster=CLUSTER, serviceName=name, taskDefinition=self.name, desiredCount=count,
            launchType="FARGATE", healthCheckGracePeriodSeconds=0, deploymentConfiguration=configuration,
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-local"]}},
            loadBalancers=[balancer | {"containerName": "app", "containerPort": 8080}])
        self.cloud.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs", ResourceId=f"service/{CLUSTER}/{name}",
            ScalableDimension="ecs:service:DesiredCount", MinCapacity=count, MaxCapacity=4, SuspendedState={
                "DynamicScalingInSuspended": count == 0, "DynamicScalingOutSuspended": count == 0,
                "ScheduledScalingSuspended": count == 0})

    def _alarm(self, colour):
        self.cloud.client("cloudwatch").put_metric_alarm(
            AlarmName=f"{self.name}-{colour}-5xx", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count",
            Dimensions=[{"Name": "LoadBalancer", "Value": self.balancer.partition("loadbalancer/")[2]},
                        {"Name": "TargetGroup", "Value": self.groups[colour].rpartition(":")[2]}],
            Statistic="Sum", Period=10, EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching")

    def yaml(self):
        """Its lines in flipback.yaml."""
        name = self.name
        lines = {
            "cluster": CLUSTER,
            "image": f'{{ repository: {name}, tags: {{ semver: ">=1.0.0" }} }}',
            "engine": f'{{ managed: {{ blue: {name}-blue, green: {name}-green, routes: [ "{self.route}" ] }} }}',
            "strategy": "{ canary: { steps: [ { weight: 20, bake: 2s } ], bake: 2s } }",
            "alarms": f"[ {name}-blue-5xx, {name}-green-5xx ]",
        }
        if self.native:
            lines |= {"engine": f"{{ native: {{ service: {name} }} }}", "strategy": "{ blueGreen: { bake: 1m } }"}
        else:
            lines |= {"noTraffic": "proceed", "standby": "1s"}
        lines |= self.lines
        return "".join([f"  - name: {name}\n", *(f"    {key}: {value}\n" for key, value in lines.items())])

    def address(self):
        """Where its listener is really served."""
        return next(port["address"] for port in self.cloud.page("ports") if port["listenerArn"] == self.listener)
