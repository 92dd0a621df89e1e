"""Every operation that the local cloud serves, called at least once, and what it refuses.

`call(service, operation, **members)` answers with the parsed output; `refused(code, ...)` expects that error. Who calls is
the caller's business: boto3 and the AWS CLI play the same script.
"""

import json
import time
import urllib.error
import urllib.request

from .cloud import ACCOUNT, until
from .stage import manifest

CLUSTER = "production"
TARGET = {"ServiceNamespace": "ecs", "ResourceId": f"service/{CLUSTER}/shop-api-blue",
          "ScalableDimension": "ecs:service:DesiredCount"}
NOT_FOUND = {"Type": "fixed-response", "FixedResponseConfig": {
    "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no"}}
ELSEWHERE = {"Type": "redirect", "RedirectConfig": {
    "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}", "StatusCode": "HTTP_301"}}
TAGS = [{"Key": "team", "Value": "shop"}]


class Script:
    """The whole of it, in an order in which it can be called."""

    def __init__(self, call, refused, cloud, only=None):
        self._call, self._refused, self.cloud, self.only = call, refused, cloud, only
        self.groups = {}

    def call(self, service, operation, /, **members):
        return self._call(service, operation, members)

    def refused(self, code, service, operation, /, **members):
        self._refused(code, service, operation, members)

    def play(self):
        """Everything, up and down again."""
        assert self.call("sts", "GetCallerIdentity")["Account"] == ACCOUNT
        self.images()
        self.subnets()
        self.balancer()
        self.services()
        self.scaling()
        self.traffic()
        self.deployments()
        self.alarms()
        self.queues()
        self.topics()
        self.secrets()
        self.down()

    def images(self):
        self.uri = self.call("ecr", "CreateRepository", repositoryName="shop-api", tags=TAGS)["repository"]["repositoryUri"]
        self.refused("RepositoryAlreadyExistsException", "ecr", "CreateRepository", repositoryName="shop-api")
        put = dict(repositoryName="shop-api", imageTag="1.0.0", imageManifest=manifest("shop-api", "1.0.0"))
        identity = self.call("ecr", "PutImage", **put)["image"]["imageId"]
        self.refused("ImageAlreadyExistsException", "ecr", "PutImage", **put)
        ask = dict(repositoryName="shop-api", imageIds=[{"imageTag": "1.0.0"}])
        assert self.call("ecr", "DescribeImages", **ask)["imageDetails"][0]["imageDigest"] == identity["imageDigest"]
        self.refused("ImageNotFoundException", "ecr", "DescribeImages", repositoryName="shop-api", imageIds=[{"imageTag": "no"}])
        self.refused("RepositoryNotFoundException", "ecr", "DescribeImages", repositoryName="nobody")
        assert self.call("ecr", "BatchGetImage", **ask)["images"]
        missing = self.call("ecr", "BatchGetImage", repositoryName="shop-api", imageIds=[{"imageTag": "no"}])
        assert missing["failures"][0]["failureCode"] == "ImageNotFound"
        assert self.call("ecr", "ListImages", repositoryName="shop-api")["imageIds"]
        repository = self.call("ecr", "DescribeRepositories")["repositories"][0]
        assert self.call("ecr", "ListTagsForResource", resourceArn=repository["repositoryArn"])["tags"] == TAGS
        assert self.call("ecr", "GetAuthorizationToken")["authorizationData"]
        spare = manifest("shop-api", "0.9.0")
        self.call("ecr", "PutImage", repositoryName="shop-api", imageTag="0.9.0", imageManifest=spare)
        gone = self.call("ecr", "BatchDeleteImage", repositoryName="shop-api", imageIds=[{"imageTag": "0.9.0"}])
        assert gone["imageIds"] and not gone["failures"]

    def subnets(self):
        made = self.call("ec2", "CreateSubnet", VpcId="vpc-1", CidrBlock="10.0.0.0/28", AvailabilityZone="us-east-1b")["Subnet"]
        assert (made["AvailableIpAddressCount"], made["AvailabilityZone"]) == (11, "us-east-1b"), made
        found = self.call("ec2", "DescribeSubnets", Filters=[{"Name": "subnet-id", "Values": [made["SubnetId"], "subnet-none"]}])
        assert found["Subnets"] == [made], found
        assert self.call("ec2", "DescribeSubnets", SubnetIds=[made["SubnetId"]])["Subnets"] == [made]
        self.refused("InvalidSubnetID.NotFound", "ec2", "DescribeSubnets", SubnetIds=["subnet-none"])
        self.refused("InvalidParameterValue", "ec2", "DescribeSubnets", Filters=[{"Name": "colour", "Values": ["red"]}])
        self.refused("InvalidSubnet.Range", "ec2", "CreateSubnet", VpcId="vpc-1", CidrBlock="10.0.0.0/29")
        self.call("ec2", "DeleteSubnet", SubnetId=made["SubnetId"])
        self.refused("InvalidSubnetID.NotFound", "ec2", "DeleteSubnet", SubnetId=made["SubnetId"])

    def balancer(self):
        made = self.call("elb", "CreateLoadBalancer", Name="shop", Subnets=["subnet-1", "subnet-2"], Type="application",
                         SecurityGroups=["sg-1"], Tags=TAGS)
        self.lb = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.call("elb", "ModifyLoadBalancerAttributes", LoadBalancerArn=self.lb, Attributes=[
            {"Key": "idle_timeout.timeout_seconds", "Value": "30"}])
        attributes = self.call("elb", "DescribeLoadBalancerAttributes", LoadBalancerArn=self.lb)["Attributes"]
        assert {"Key": "idle_timeout.timeout_seconds", "Value": "30"} in attributes
        for colour in ("blue", "green"):
            group = self.call("elb", "CreateTargetGroup", Name=f"shop-{colour}", Protocol="HTTP", Port=8080, VpcId="vpc-1",
                              TargetType="ip", HealthCheckPath="/health", HealthCheckIntervalSeconds=5,
                              HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2, UnhealthyThresholdCount=2)
            arn = self.groups[colour] = group["TargetGroups"][0]["TargetGroupArn"]
            self.call("elb", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": "2"}])
            assert self.call("elb", "DescribeTargetGroupAttributes", TargetGroupArn=arn)["Attributes"]
        self.call("elb", "ModifyTargetGroup", TargetGroupArn=self.groups["blue"], HealthyThresholdCount=3)
        made = self.call("elb", "CreateListener", LoadBalancerArn=self.lb, Protocol="HTTP", Port=18080, DefaultActions=[NOT_FOUND])
        self.listener = made["Listeners"][0]["ListenerArn"]
        self.refused("DuplicateListener", "elb", "CreateListener", LoadBalancerArn=self.lb, Protocol="HTTP", Port=18080,
                     DefaultActions=[NOT_FOUND])
        self.call("elb", "ModifyListener", ListenerArn=self.listener, DefaultActions=[ELSEWHERE])
        self.call("elb", "ModifyListener", ListenerArn=self.listener, DefaultActions=[NOT_FOUND])
        made = self.call("elb", "CreateRule", ListenerArn=self.listener, Priority=10, Actions=self.forward(100, 0),
                         Conditions=[{"Field": "path-pattern", "Values": ["/*"]}])
        self.rule = made["Rules"][0]["RuleArn"]
        self.refused("PriorityInUse", "elb", "CreateRule", ListenerArn=self.listener, Priority=10,
                     Actions=self.forward(1, 0), Conditions=[{"Field": "path-pattern", "Values": ["/x"]}])
        rules = self.call("elb", "DescribeRules", ListenerArn=self.listener)["Rules"]
        assert {rule["Priority"] for rule in rules} == {"10", "default"}
        rule = self.call("elb", "DescribeRules", RuleArns=[self.rule])["Rules"][0]
        tuples = rule["Actions"][0]["ForwardConfig"]["TargetGroups"]
        assert {each["TargetGroupArn"]: each["Weight"] for each in tuples} == {self.groups["blue"]: 100, self.groups["green"]: 0}
        assert rule["IsDefault"] is False
        self.refused("RuleNotFound", "elb", "DescribeRules", RuleArns=[self.rule[:-1] + "x"])
        self.refused("TargetGroupNotFound", "elb", "DescribeTargetGroups", Names=["nobody"])
        self.refused("LoadBalancerNotFound", "elb", "DescribeLoadBalancers", Names=["nobody"])
        self.call("elb", "SetRulePriorities", RulePriorities=[{"RuleArn": self.rule, "Priority": 20}])
        self.call("elb", "AddTags", ResourceArns=[self.rule], Tags=TAGS)
        assert self.call("elb", "DescribeTags", ResourceArns=[self.rule])["TagDescriptions"][0]["Tags"] == TAGS
        self.call("elb", "RemoveTags", ResourceArns=[self.rule], TagKeys=["team"])
        assert self.call("elb", "DescribeLoadBalancers", Names=["shop"])["LoadBalancers"]
        assert self.call("elb", "DescribeTargetGroups", LoadBalancerArn=self.lb)["TargetGroups"]
        assert self.call("elb", "DescribeListeners", LoadBalancerArn=self.lb)["Listeners"][0]["Port"] == 18080
        spare = self.call("elb", "CreateTargetGroup", Name="spare", Protocol="HTTP", Port=80, VpcId="vpc-1", TargetType="ip")
        self.spare = spare["TargetGroups"][0]["TargetGroupArn"]
        targets = [{"Id": "10.0.0.9", "Port": 80}]
        self.call("elb", "RegisterTargets", TargetGroupArn=self.spare, Targets=targets)
        health = self.call("elb", "DescribeTargetHealth", TargetGroupArn=self.spare)["TargetHealthDescriptions"]
        assert health[0]["TargetHealth"]["State"] == "unused"
        self.call("elb", "DeregisterTargets", TargetGroupArn=self.spare, Targets=targets)

    def forward(self, blue, green):
        groups = [{"TargetGroupArn": self.groups["blue"], "Weight": blue}, {"TargetGroupArn": self.groups["green"], "Weight": green}]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": False}}}]

    def services(self):
        cluster = self.call("ecs", "CreateCluster", clusterName=CLUSTER)["cluster"]["clusterArn"]
        assert self.call("ecs", "DescribeClusters", clusters=[CLUSTER])["clusters"]
        assert self.call("ecs", "ListClusters")["clusterArns"] == [cluster]
        tags = [{"key": "team", "value": "shop"}]
        definition = self.call(
            "ecs", "RegisterTaskDefinition", family="shop-api", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
            cpu="256", memory="512", tags=tags, containerDefinitions=[
                {"name": "api", "image": f"{self.uri}:1.0.0", "essential": True, "portMappings": [{"containerPort": 8080}]}])
        self.definition = definition["taskDefinition"]["taskDefinitionArn"]
        self.refused("ClientException", "ecs", "DescribeTaskDefinition", taskDefinition="nobody")
        assert self.call("ecs", "DescribeTaskDefinition", taskDefinition="shop-api", include=["TAGS"])["tags"] == tags
        assert self.call("ecs", "ListTaskDefinitions", familyPrefix="shop-api", sort="DESC")["taskDefinitionArns"]
        assert self.call("ecs", "ListTaskDefinitionFamilies")["families"] == ["shop-api"]
        self.call("ecs", "TagResource", resourceArn=self.definition, tags=[{"key": "more", "value": "x"}])
        assert len(self.call("ecs", "ListTagsForResource", resourceArn=self.definition)["tags"]) == 2
        self.call("ecs", "UntagResource", resourceArn=self.definition, tagKeys=["more"])
        for colour, count in (("blue", 2), ("green", 0)):
            made = self.call(
                "ecs", "CreateService", cluster=CLUSTER, serviceName=f"shop-api-{colour}", taskDefinition="shop-api",
                desiredCount=count, launchType="FARGATE",
                networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                loadBalancers=[{"targetGroupArn": self.groups[colour], "containerName": "api", "containerPort": 8080}])
            assert made["service"]["deployments"][0]["rolloutState"] == "IN_PROGRESS"
        assert len(self.call("ecs", "ListServices", cluster=CLUSTER)["serviceArns"]) == 2
        self.refused("ClusterNotFoundException", "ecs", "DescribeServices", cluster="nobody", services=["x"])
        self.refused("ServiceNotFoundException", "ecs", "UpdateService", cluster=CLUSTER, service="nobody", desiredCount=1)
        self.refused("InvalidParameterException", "ecs", "TagResource", resourceArn="arn:nobody", tags=tags)
        missing = self.call("ecs", "DescribeServices", cluster=CLUSTER, services=["nobody"])["failures"]
        assert missing[0]["reason"] == "MISSING"

    def scaling(self):
        self.call("autoscaling", "RegisterScalableTarget", **TARGET, MinCapacity=2, MaxCapacity=6)
        self.call("autoscaling", "RegisterScalableTarget", **TARGET, SuspendedState={"DynamicScalingInSuspended": True})
        ask = dict(ServiceNamespace="ecs", ResourceIds=[TARGET["ResourceId"]])
        target = self.call("autoscaling", "DescribeScalableTargets", **ask)["ScalableTargets"][0]
        assert target["MaxCapacity"] == 6 and target["SuspendedState"]["DynamicScalingInSuspended"] is True
        policy = dict(PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}})
        assert self.call("autoscaling", "PutScalingPolicy", **TARGET, **policy)["PolicyARN"]
        assert self.call("autoscaling", "DescribeScalingPolicies", ServiceNamespace="ecs")["ScalingPolicies"]
        self.call("autoscaling", "DescribeScalingActivities", ServiceNamespace="ecs")
        night = dict(ScheduledActionName="night", Schedule="cron(0 22 * * ? *)", Timezone="Europe/Berlin",
                     ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2})
        self.call("autoscaling", "PutScheduledAction", **TARGET, **night)
        self.call("autoscaling", "PutScheduledAction", **TARGET, ScheduledActionName="night",
                  ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 3})
        [action] = self.call("autoscaling", "DescribeScheduledActions", ServiceNamespace="ecs")["ScheduledActions"]
        assert action["Schedule"] == night["Schedule"] and action["ScalableTargetAction"]["MaxCapacity"] == 3
        self.call("autoscaling", "DeleteScheduledAction", **TARGET, ScheduledActionName="night")
        self.refused("ObjectNotFoundException", "autoscaling", "DeleteScheduledAction", **TARGET, ScheduledActionName="night")
        self.refused("ValidationException", "autoscaling", "PutScheduledAction", **TARGET, ScheduledActionName="never",
                     ScalableTargetAction={"MinCapacity": 1})
        self.call("autoscaling", "ListTagsForResource", ResourceARN=target["ScalableTargetARN"])
        self.refused("ObjectNotFoundException", "autoscaling", "DeregisterScalableTarget",
                     **TARGET | {"ResourceId": f"service/{CLUSTER}/nobody"})
        self.refused("ValidationException", "autoscaling", "RegisterScalableTarget", **TARGET, MinCapacity=9, MaxCapacity=3)

    def traffic(self):
        """Tasks become healthy, the listener serves, weights are honoured."""
        def healthy():
            health = self.call("elb", "DescribeTargetHealth", TargetGroupArn=self.groups["blue"])["TargetHealthDescriptions"]
            return len(health) == 2 and all(each["TargetHealth"]["State"] == "healthy" for each in health)
        until("two healthy targets", healthy, every=0.5)
        address = next(port["address"] for port in self.cloud.page("ports") if port["listenerArn"] == self.listener)
        with urllib.request.urlopen(f"http://{address}/anything", timeout=10) as answer:
            assert answer.headers["x-image-tag"] == "1.0.0" and answer.headers["x-task-id"]
        self.call("elb", "ModifyRule", RuleArn=self.rule, Actions=self.forward(0, 100))
        try:
            urllib.request.urlopen(f"http://{address}/", timeout=10)
            raise AssertionError("a group without targets answered")
        except urllib.error.HTTPError as error:
            assert error.code == 503, error.code
        self.call("elb", "ModifyRule", RuleArn=self.rule, Actions=self.forward(100, 0))
        tasks = self.call("ecs", "ListTasks", cluster=CLUSTER, serviceName="shop-api-blue")["taskArns"]
        described = self.call("ecs", "DescribeTasks", cluster=CLUSTER, tasks=tasks)["tasks"]
        assert {task["lastStatus"] for task in described} == {"RUNNING"}
        service = self.call("ecs", "DescribeServices", cluster=CLUSTER, services=["shop-api-blue"])["services"][0]
        assert service["runningCount"] == 2 and service["deployments"]
        self.call("ecs", "UpdateService", cluster=CLUSTER, service="shop-api-blue", desiredCount=3)
        self.call("ecs", "StopTask", cluster=CLUSTER, task=tasks[0], reason="by hand")

    def deployments(self):
        """Service deployments: of a rolling service, which is stopped, and of one whose deployment waits at a pause."""
        service = dict(cluster=CLUSTER, service="shop-api-blue")
        self.call("ecs", "UpdateService", **service, forceNewDeployment=True)
        running = lambda: self.call("ecs", "ListServiceDeployments", **service, status=["IN_PROGRESS"])["serviceDeployments"]  # noqa: E731
        arn = until("a service deployment", running)[0]["serviceDeploymentArn"]
        told = self.call("ecs", "DescribeServiceDeployments", serviceDeploymentArns=[arn])["serviceDeployments"][0]
        revisions = [told["targetServiceRevision"]["arn"]]
        shown = self.call("ecs", "DescribeServiceRevisions", serviceRevisionArns=revisions)["serviceRevisions"][0]
        assert shown["taskDefinition"] == self.definition
        assert self.call("ecs", "StopServiceDeployment", serviceDeploymentArn=arn, stopType="ROLLBACK")["serviceDeploymentArn"] == arn
        self.refused("ServiceDeploymentNotFoundException", "ecs", "StopServiceDeployment",
                     serviceDeploymentArn=arn[:-1] + "x", stopType="ROLLBACK")
        pause = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                 "timeoutConfiguration": {"timeoutInMinutes": 10, "action": "ROLLBACK"}}
        groups = [self.call("elb", "CreateTargetGroup", Name=f"native-{n}", Protocol="HTTP", Port=8080, VpcId="vpc-1",
                            TargetType="ip")["TargetGroups"][0]["TargetGroupArn"] for n in (1, 2)]
        weighed = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in zip(groups, (1, 0))]
        rule = self.call("elb", "CreateRule", ListenerArn=self.listener, Priority=5, Actions=[
            {"Type": "forward", "ForwardConfig": {"TargetGroups": weighed}}], Conditions=[
            {"Field": "path-pattern", "Values": ["/native/*"]}])["Rules"][0]["RuleArn"]
        native = dict(cluster=CLUSTER, service="native")
        self.call("ecs", "CreateService", cluster=CLUSTER, serviceName="native", taskDefinition="shop-api", desiredCount=1,
                  launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                  deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0, "lifecycleHooks": [pause]},
                  loadBalancers=[{"targetGroupArn": groups[0], "containerName": "api", "containerPort": 8080,
                                  "advancedConfiguration": {
                                      "alternateTargetGroupArn": groups[1], "productionListenerRule": rule,
                                      "roleArn": f"arn:aws:iam::{ACCOUNT}:role/ecs-load-balancers"}}])

        def waiting():
            arns = [each["serviceDeploymentArn"] for each in self.call("ecs", "ListServiceDeployments", **native)["serviceDeployments"]]
            described = self.call("ecs", "DescribeServiceDeployments", serviceDeploymentArns=arns)["serviceDeployments"]
            return [(each["serviceDeploymentArn"], hook["hookId"]) for each in described
                    for hook in each.get("lifecycleHookDetails", []) if hook["status"] == "AWAITING_ACTION"]
        arn, hook = until("a pause", waiting, seconds=20)[0]
        assert self.call("ecs", "ContinueServiceDeployment", serviceDeploymentArn=arn, hookId=hook)["serviceDeploymentArn"] == arn
        self.call("ecs", "DeleteService", **native, force=True)
        self.call("elb", "DeleteRule", RuleArn=rule)
        for group in groups:
            self.call("elb", "DeleteTargetGroup", TargetGroupArn=group)

    def alarms(self):
        dimensions = [{"Name": "LoadBalancer", "Value": self.lb.partition("loadbalancer/")[2]},
                      {"Name": "TargetGroup", "Value": self.groups["blue"].rpartition(":")[2]}]
        alarm = dict(AlarmName="shop-api-5xx", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count",
                     Dimensions=dimensions, Statistic="Sum", Period=10, EvaluationPeriods=1, Threshold=5,
                     ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData="notBreaching", Tags=TAGS)
        self.call("cloudwatch", "PutMetricAlarm", **alarm)
        share = [{"Id": "bad", "ReturnData": False, "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {
            "Namespace": "Shop", "MetricName": "Failed"}}}, {"Id": "share", "Expression": "FILL(bad, 0)", "ReturnData": True}]
        self.call("cloudwatch", "PutMetricAlarm", AlarmName="shop-share", Metrics=share, EvaluationPeriods=2,
                  DatapointsToAlarm=1, Threshold=0.5, ComparisonOperator="GreaterThanThreshold")
        self.call("cloudwatch", "PutMetricAlarm", AlarmName="shop-late", Namespace="Shop", MetricName="Latency", Period=60,
                  ExtendedStatistic="p99", EvaluationPeriods=1, Threshold=2, ComparisonOperator="GreaterThanThreshold",
                  AlarmDescription="slow", AlarmActions=[f"arn:aws:sns:us-east-1:{ACCOUNT}:people"])
        self.call("cloudwatch", "PutCompositeAlarm", AlarmName="shop", AlarmRule='ALARM("shop-api-5xx") OR ALARM("shop-share")')
        found = self.call("cloudwatch", "DescribeAlarms", AlarmNames=["shop-api-5xx", "nobody", "shop", "shop-share", "shop-late"],
                          AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        assert [each["AlarmName"] for each in found["MetricAlarms"]] == ["shop-api-5xx", "shop-late", "shop-share"], found
        assert found["MetricAlarms"][0]["Threshold"] == 5.0
        assert [each["AlarmName"] for each in found["CompositeAlarms"]] == ["shop"]
        arn = found["MetricAlarms"][0]["AlarmArn"]
        assert self.call("cloudwatch", "ListTagsForResource", ResourceARN=arn)["Tags"] == TAGS
        self.call("cloudwatch", "TagResource", ResourceARN=arn, Tags=[{"Key": "more", "Value": "x"}])
        self.call("cloudwatch", "UntagResource", ResourceARN=arn, TagKeys=["more"])
        assert self.call("cloudwatch", "DescribeAlarmsForMetric", Namespace="AWS/ApplicationELB",
                         MetricName="HTTPCode_Target_5XX_Count", Dimensions=dimensions)["MetricAlarms"]
        now = int(time.time())
        data = [{"MetricName": "Orders", "Value": 3, "Unit": "Count", "Timestamp": stamp(now - 120)},
                {"MetricName": "Orders", "Values": [1.0, 2.5], "Counts": [4.0, 1.0], "Timestamp": stamp(now - 60)}]
        self.call("cloudwatch", "PutMetricData", Namespace="Shop", MetricData=data)
        self.call("cloudwatch", "SetAlarmState", AlarmName="shop-api-5xx", StateValue="ALARM", StateReason="by hand")
        self.refused("ResourceNotFound", "cloudwatch", "SetAlarmState", AlarmName="nobody", StateValue="OK", StateReason="x")
        self.call("cloudwatch", "DisableAlarmActions", AlarmNames=["shop-api-5xx"])
        self.call("cloudwatch", "EnableAlarmActions", AlarmNames=["shop-api-5xx"])
        window = dict(StartTime=stamp(now - 600), EndTime=stamp(now + 60))
        query = {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": "Orders"}, "Period": 60, "Stat": "Sum"}}
        result = self.call("cloudwatch", "GetMetricData", **window, MetricDataQueries=[query])["MetricDataResults"][0]
        assert sorted(result["Values"]) == [3.0, 6.5] and result["StatusCode"] == "Complete", result
        statistics = ["Sum", "Average", "Minimum", "Maximum", "SampleCount"]
        points = self.call("cloudwatch", "GetMetricStatistics", Namespace="Shop", MetricName="Orders", Period=60, **window,
                           Statistics=statistics)["Datapoints"]
        assert sorted(point["Sum"] for point in points) == [3.0, 6.5], points
        extended = self.call("cloudwatch", "GetMetricStatistics", Namespace="Shop", MetricName="Orders", Period=60, **window,
                             ExtendedStatistics=["p90"])["Datapoints"]
        assert extended and extended[0]["ExtendedStatistics"]["p90"] >= 1
        assert self.call("cloudwatch", "ListMetrics", Namespace="Shop")["Metrics"]

    def queues(self):
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        queue = self.call("sqs", "CreateQueue", QueueName="smoke.fifo", Attributes=fifo)["QueueUrl"]
        self.call("sqs", "SendMessage", QueueUrl=queue, MessageBody="hello", MessageGroupId="g")
        self.refused("InvalidParameterValue", "sqs", "SendMessage", QueueUrl=queue, MessageBody="l", MessageGroupId="g", DelaySeconds=5)
        message = self.call("sqs", "ReceiveMessage", QueueUrl=queue, AttributeNames=["All"])["Messages"][0]
        assert message["Body"] == "hello"
        self.call("sqs", "DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        began = time.monotonic()
        assert not self.call("sqs", "ReceiveMessage", QueueUrl=queue, WaitTimeSeconds=1).get("Messages")
        assert time.monotonic() - began > 0.8
        assert self.call("sqs", "GetQueueUrl", QueueName="smoke.fifo")["QueueUrl"] == queue
        assert self.call("sqs", "GetQueueAttributes", QueueUrl=queue, AttributeNames=["All"])["Attributes"]["FifoQueue"] == "true"
        self.call("sqs", "SetQueueAttributes", QueueUrl=queue, Attributes={"VisibilityTimeout": "40"})
        self.call("sqs", "TagQueue", QueueUrl=queue, Tags={"team": "shop"})
        assert self.call("sqs", "ListQueueTags", QueueUrl=queue)["Tags"] == {"team": "shop"}
        self.call("sqs", "UntagQueue", QueueUrl=queue, TagKeys=["team"])
        assert queue in self.call("sqs", "ListQueues")["QueueUrls"]
        self.refused("AWS.SimpleQueueService.NonExistentQueue", "sqs", "GetQueueUrl", QueueName="nobody")
        self.plain = self.call("sqs", "CreateQueue", QueueName="smoke")["QueueUrl"]
        sent = self.call("sqs", "SendMessageBatch", QueueUrl=self.plain, Entries=[
            {"Id": str(n), "MessageBody": f"{n}", "MessageAttributes": {"a": {"DataType": "String", "StringValue": "x"}}}
            for n in range(2)])
        assert len(sent["Successful"]) == 2
        got = self.call("sqs", "ReceiveMessage", QueueUrl=self.plain, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
        handles = [message["ReceiptHandle"] for message in got]
        self.call("sqs", "ChangeMessageVisibility", QueueUrl=self.plain, ReceiptHandle=handles[0], VisibilityTimeout=30)
        self.call("sqs", "ChangeMessageVisibilityBatch", QueueUrl=self.plain, Entries=[
            {"Id": "a", "ReceiptHandle": handles[0], "VisibilityTimeout": 60}])
        self.call("sqs", "DeleteMessageBatch", QueueUrl=self.plain, Entries=[
            {"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)])
        self.call("sqs", "PurgeQueue", QueueUrl=queue)
        self.call("sqs", "DeleteQueue", QueueUrl=queue)

    def topics(self):
        topic = self.call("sns", "CreateTopic", Name="smoke", Tags=TAGS)["TopicArn"]
        arn = self.call("sqs", "GetQueueAttributes", QueueUrl=self.plain, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        subscription = self.call("sns", "Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
        self.call("sns", "Publish", TopicArn=topic, Subject="s", Message="m", MessageAttributes={
            "a": {"DataType": "String", "StringValue": "x"}})
        body = self.call("sqs", "ReceiveMessage", QueueUrl=self.plain)["Messages"][0]["Body"]
        assert json.loads(body)["Message"] == "m"
        assert topic in [each["TopicArn"] for each in self.call("sns", "ListTopics")["Topics"]]
        self.call("sns", "SetTopicAttributes", TopicArn=topic, AttributeName="DisplayName", AttributeValue="people")
        assert self.call("sns", "GetTopicAttributes", TopicArn=topic)["Attributes"]["DisplayName"] == "people"
        assert self.call("sns", "ListSubscriptions")["Subscriptions"]
        assert self.call("sns", "ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
        self.call("sns", "TagResource", ResourceArn=topic, Tags=[{"Key": "more", "Value": "x"}])
        assert len(self.call("sns", "ListTagsForResource", ResourceArn=topic)["Tags"]) == 2
        self.call("sns", "UntagResource", ResourceArn=topic, TagKeys=["more"])
        self.refused("NotFound", "sns", "Publish", TopicArn=topic + "x", Message="m")
        self.call("sns", "Unsubscribe", SubscriptionArn=subscription)
        self.call("sns", "DeleteTopic", TopicArn=topic)

    def secrets(self):
        self.call("secretsmanager", "CreateSecret", Name="smoke", SecretString="s")
        self.call("secretsmanager", "PutSecretValue", SecretId="smoke", SecretString="t")
        assert self.call("secretsmanager", "GetSecretValue", SecretId="smoke")["SecretString"] == "t"
        self.call("secretsmanager", "DescribeSecret", SecretId="smoke")
        assert self.call("secretsmanager", "ListSecrets")["SecretList"]
        self.refused("ResourceNotFoundException", "secretsmanager", "GetSecretValue", SecretId="nobody")
        self.refused("ResourceExistsException", "secretsmanager", "CreateSecret", Name="smoke", SecretString="u")
        self.call("secretsmanager", "DeleteSecret", SecretId="smoke", ForceDeleteWithoutRecovery=True)

    def down(self):
        self.call("autoscaling", "DeleteScalingPolicy", **TARGET, PolicyName="cpu")
        self.call("autoscaling", "DeregisterScalableTarget", **TARGET)
        for colour in ("blue", "green"):
            self.call("ecs", "DeleteService", cluster=CLUSTER, service=f"shop-api-{colour}", force=True)
        self.call("cloudwatch", "DeleteAlarms", AlarmNames=["shop", "shop-api-5xx", "shop-share", "shop-late"])
        self.refused("ResourceInUse", "elb", "DeleteTargetGroup", TargetGroupArn=self.groups["green"])
        self.call("elb", "DeleteRule", RuleArn=self.rule)
        self.call("elb", "DeleteListener", ListenerArn=self.listener)
        for group in (self.groups["green"], self.spare):
            self.call("elb", "DeleteTargetGroup", TargetGroupArn=group)
        self.call("elb", "DeleteLoadBalancer", LoadBalancerArn=self.lb)
        self.call("ecs", "DeregisterTaskDefinition", taskDefinition=self.definition)
        deleted = self.call("ecs", "DeleteTaskDefinitions", taskDefinitions=[self.definition])
        assert deleted["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS"

        def empty():
            cluster = self.call("ecs", "DescribeClusters", clusters=[CLUSTER])["clusters"][0]
            services = self.call("ecs", "DescribeServices", cluster=CLUSTER, services=[
                "shop-api-blue", "shop-api-green", "native"])
            gone = all(service["status"] == "INACTIVE" for service in services["services"])
            return gone and cluster["runningTasksCount"] == cluster["pendingTasksCount"] == cluster["activeServicesCount"] == 0
        until("an empty cluster", empty, every=0.5)
        self.call("ecs", "DeleteCluster", cluster=CLUSTER)
        self.call("ecr", "DeleteRepository", repositoryName="shop-api", force=True)


def stamp(seconds):
    """A time as every client takes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
