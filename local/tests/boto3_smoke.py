"""Every create and describe call that a story needs, through boto3, against a running local cloud.

By hand: pip install boto3, start `flipback local up --bare`, then
    AWS_ENDPOINT_URL=http://127.0.0.1:4566 python local/tests/boto3_smoke.py
It ends with "all good" or with the first call that is not understood.
"""

import json
import os
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

os.environ.setdefault("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIDSMOKE")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "secret")
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

CONFIG = Config(retries={"total_max_attempts": 1})


def client(name):
    return boto3.client(name, config=CONFIG)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response["Error"]
        return
    raise AssertionError(f"{code} was expected")


ecs, ecr, elb = client("ecs"), client("ecr"), client("elbv2")
cloudwatch, scaling = client("cloudwatch"), client("application-autoscaling")
sqs, sns, secrets, dynamodb = client("sqs"), client("sns"), client("secretsmanager"), client("dynamodb")

print("sts", client("sts").get_caller_identity()["Account"])

# ---- ECR
repository = ecr.create_repository(repositoryName="shop-api")["repository"]
refused("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="shop-api")
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {}, "layers": []}
digest = ecr.put_image(repositoryName="shop-api", imageTag="1.0.0", imageManifest=json.dumps(manifest))["image"]["imageId"]
images = ecr.describe_images(repositoryName="shop-api", imageIds=[{"imageTag": "1.0.0"}])["imageDetails"]
assert images[0]["imageDigest"] == digest["imageDigest"] and images[0]["imagePushedAt"].year > 2000
refused("ImageNotFoundException", ecr.describe_images, repositoryName="shop-api", imageIds=[{"imageTag": "nope"}])
assert ecr.batch_get_image(repositoryName="shop-api", imageIds=[{"imageTag": "1.0.0"}])["images"]
assert ecr.list_images(repositoryName="shop-api")["imageIds"]
assert ecr.describe_repositories()["repositories"]
ecr.get_authorization_token()

# ---- ELBv2
balancer = elb.create_load_balancer(Name="shop", Subnets=["subnet-1", "subnet-2"], Type="application")["LoadBalancers"][0]
assert balancer["CreatedTime"].year > 2000
groups = {}
for colour in ("blue", "green"):
    group = elb.create_target_group(
        Name=f"shop-{colour}", Protocol="HTTP", Port=8080, VpcId="vpc-1", TargetType="ip", HealthCheckPath="/health",
        HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
    )["TargetGroups"][0]
    groups[colour] = group["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=groups[colour], Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "2"}])
    assert elb.describe_target_group_attributes(TargetGroupArn=groups[colour])["Attributes"]
elb.modify_target_group(TargetGroupArn=groups["blue"], HealthyThresholdCount=3)
not_found = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no"}}
listener = elb.create_listener(
    LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=18080, DefaultActions=[not_found])["Listeners"][0]
weights = lambda blue, green: [{"Type": "forward", "ForwardConfig": {
    "TargetGroups": [{"TargetGroupArn": groups["blue"], "Weight": blue}, {"TargetGroupArn": groups["green"], "Weight": green}],
    "TargetGroupStickinessConfig": {"Enabled": False}}}]
rule = elb.create_rule(
    ListenerArn=listener["ListenerArn"], Priority=10, Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
    Actions=weights(100, 0))["Rules"][0]
described = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
assert {each["Priority"] for each in described} == {"10", "default"}, described
described = elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"][0]
tuples = described["Actions"][0]["ForwardConfig"]["TargetGroups"]
assert {each["TargetGroupArn"]: each["Weight"] for each in tuples} == {groups["blue"]: 100, groups["green"]: 0}
assert described["IsDefault"] is False
refused("RuleNotFound", elb.describe_rules, RuleArns=[rule["RuleArn"] + "x"])
elb.set_rule_priorities(RulePriorities=[{"RuleArn": rule["RuleArn"], "Priority": 20}])
elb.add_tags(ResourceArns=[rule["RuleArn"]], Tags=[{"Key": "team", "Value": "shop"}])
assert elb.describe_tags(ResourceArns=[rule["RuleArn"]])["TagDescriptions"][0]["Tags"]
elb.remove_tags(ResourceArns=[rule["RuleArn"]], TagKeys=["team"])
assert elb.describe_load_balancers(Names=["shop"])["LoadBalancers"]
assert elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
assert elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]["Port"] == 18080
elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=[not_found])

# ---- ECS
ecs.create_cluster(clusterName="production")
assert ecs.describe_clusters(clusters=["production"])["clusters"]
assert ecs.list_clusters()["clusterArns"]
definition = ecs.register_task_definition(
    family="shop-api", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
    containerDefinitions=[{"name": "api", "image": f"{repository['repositoryUri']}:1.0.0", "essential": True,
                           "portMappings": [{"containerPort": 8080}]}],
    tags=[{"key": "team", "value": "shop"}])["taskDefinition"]
assert ecs.describe_task_definition(taskDefinition="shop-api", include=["TAGS"])["tags"]
assert ecs.list_task_definitions(familyPrefix="shop-api", sort="DESC")["taskDefinitionArns"]
for colour, count in (("blue", 2), ("green", 0)):
    ecs.create_service(
        cluster="production", serviceName=f"shop-api-{colour}", taskDefinition="shop-api", desiredCount=count,
        launchType="FARGATE", networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        loadBalancers=[{"targetGroupArn": groups[colour], "containerName": "api", "containerPort": 8080}])
assert len(ecs.list_services(cluster="production")["serviceArns"]) == 2
refused("ClusterNotFoundException", ecs.describe_services, cluster="nope", services=["x"])
missing = ecs.describe_services(cluster="production", services=["nope"])["failures"]
assert missing[0]["reason"] == "MISSING"

# ---- Application Auto Scaling
target = dict(ServiceNamespace="ecs", ResourceId="service/production/shop-api-blue", ScalableDimension="ecs:service:DesiredCount")
scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=6)
scaling.register_scalable_target(**target, SuspendedState={"DynamicScalingInSuspended": True})
registered = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[target["ResourceId"]])["ScalableTargets"][0]
assert registered["MaxCapacity"] == 6 and registered["SuspendedState"]["DynamicScalingInSuspended"] is True
scaling.put_scaling_policy(
    **target, PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={
        "TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}})
assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
scaling.describe_scaling_activities(ServiceNamespace="ecs")

# ---- traffic
print("waiting for healthy targets")
for _ in range(240):
    health = elb.describe_target_health(TargetGroupArn=groups["blue"])["TargetHealthDescriptions"]
    if len(health) == 2 and all(each["TargetHealth"]["State"] == "healthy" for each in health):
        break
    time.sleep(0.5)
else:
    raise AssertionError(health)
ports = json.load(urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_local/ports"))
address = next(port["address"] for port in ports if port["listenerArn"] == listener["ListenerArn"])
answer = urllib.request.urlopen(f"http://{address}/anything")
assert answer.headers["x-image-tag"] == "1.0.0" and answer.headers["x-task-id"], dict(answer.headers)
for _ in range(50):
    urllib.request.urlopen(f"http://{address}/").read()
elb.modify_rule(RuleArn=rule["RuleArn"], Actions=weights(0, 100))
try:
    urllib.request.urlopen(f"http://{address}/")
    raise AssertionError("an empty group answered")
except urllib.error.HTTPError as error:
    assert error.code == 503, error.code
elb.modify_rule(RuleArn=rule["RuleArn"], Actions=weights(100, 0))
tasks = ecs.list_tasks(cluster="production", serviceName="shop-api-blue")["taskArns"]
assert ecs.describe_tasks(cluster="production", tasks=tasks)["tasks"][0]["lastStatus"] == "RUNNING"
service = ecs.describe_services(cluster="production", services=["shop-api-blue"])["services"][0]
assert service["runningCount"] == 2 and service["deployments"], service
ecs.update_service(cluster="production", service="shop-api-blue", desiredCount=3)

# ---- CloudWatch
suffix = lambda arn: arn.split(":loadbalancer/")[-1] if ":loadbalancer/" in arn else arn.split(":")[-1]
dimensions = [{"Name": "LoadBalancer", "Value": suffix(balancer["LoadBalancerArn"])},
              {"Name": "TargetGroup", "Value": suffix(groups["blue"])}]
cloudwatch.put_metric_alarm(
    AlarmName="shop-api-5xx", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count", Dimensions=dimensions,
    Statistic="Sum", Period=10, EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanOrEqualToThreshold",
    TreatMissingData="notBreaching")
cloudwatch.put_composite_alarm(AlarmName="shop", AlarmRule='ALARM("shop-api-5xx")')
alarms = cloudwatch.describe_alarms(AlarmNames=["shop-api-5xx", "nobody", "shop"], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
assert [each["AlarmName"] for each in alarms["MetricAlarms"]] == ["shop-api-5xx"], alarms
assert alarms["MetricAlarms"][0]["Threshold"] == 5.0 and alarms["MetricAlarms"][0]["StateUpdatedTimestamp"].year > 2000
assert [each["AlarmName"] for each in alarms["CompositeAlarms"]] == ["shop"]
cloudwatch.put_metric_data(Namespace="Shop", MetricData=[{"MetricName": "Orders", "Value": 3, "Unit": "Count"}])
cloudwatch.set_alarm_state(AlarmName="shop-api-5xx", StateValue="ALARM", StateReason="by hand")
cloudwatch.disable_alarm_actions(AlarmNames=["shop-api-5xx"])
cloudwatch.enable_alarm_actions(AlarmNames=["shop-api-5xx"])
now = time.time()
found = cloudwatch.get_metric_data(StartTime=now - 600, EndTime=now + 60, MetricDataQueries=[{"Id": "m1", "MetricStat": {
    "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": dimensions}, "Period": 60,
    "Stat": "Sum"}}])["MetricDataResults"][0]
print("requests in CloudWatch", found["Values"], found["StatusCode"])
cloudwatch.get_metric_statistics(Namespace="AWS/ApplicationELB", MetricName="RequestCount", Dimensions=dimensions,
                                 StartTime=now - 600, EndTime=now + 60, Period=60, Statistics=["Sum"])
cloudwatch.list_metrics(Namespace="AWS/ApplicationELB")
refused("ResourceNotFound", cloudwatch.set_alarm_state, AlarmName="nobody", StateValue="OK", StateReason="x")

# ---- SQS, SNS, Secrets Manager, DynamoDB
queue = sqs.create_queue(QueueName="smoke.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
sqs.send_message(QueueUrl=queue, MessageBody="hello", MessageGroupId="g")
refused("InvalidParameterValue", sqs.send_message, QueueUrl=queue, MessageBody="later", MessageGroupId="g", DelaySeconds=5)
received = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"][0]
assert received["Body"] == "hello"
sqs.delete_message(QueueUrl=queue, ReceiptHandle=received["ReceiptHandle"])
began = time.time()
assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1) and time.time() - began > 0.8
assert sqs.get_queue_url(QueueName="smoke.fifo")["QueueUrl"] == queue
sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
assert sqs.list_queues()["QueueUrls"]
refused("AWS.SimpleQueueService.NonExistentQueue", sqs.get_queue_url, QueueName="nope")
topic = sns.create_topic(Name="smoke")["TopicArn"]
plain = sqs.create_queue(QueueName="smoke")["QueueUrl"]
arn = sqs.get_queue_attributes(QueueUrl=plain, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
sns.publish(TopicArn=topic, Subject="s", Message="m", MessageAttributes={"a": {"DataType": "String", "StringValue": "x"}})
assert json.loads(sqs.receive_message(QueueUrl=plain)["Messages"][0]["Body"])["Message"] == "m"
assert topic in [each["TopicArn"] for each in sns.list_topics()["Topics"]]
sns.get_topic_attributes(TopicArn=topic)
refused("NotFound", sns.publish, TopicArn=topic + "x", Message="m")
secrets.create_secret(Name="smoke", SecretString="s")
secrets.put_secret_value(SecretId="smoke", SecretString="t")
assert secrets.get_secret_value(SecretId="smoke")["SecretString"] == "t"
secrets.describe_secret(SecretId="smoke")
refused("ResourceNotFoundException", secrets.get_secret_value, SecretId="nope")
secrets.delete_secret(SecretId="smoke", ForceDeleteWithoutRecovery=True)
assert "flipback" in dynamodb.list_tables()["TableNames"]
dynamodb.put_item(TableName="flipback", Item={"pk": {"S": "a"}, "sk": {"S": "b"}})
assert dynamodb.get_item(TableName="flipback", Key={"pk": {"S": "a"}, "sk": {"S": "b"}})["Item"]

# ---- and down again
for colour in ("blue", "green"):
    ecs.delete_service(cluster="production", service=f"shop-api-{colour}", force=True)
cloudwatch.delete_alarms(AlarmNames=["shop-api-5xx", "shop"])
elb.delete_rule(RuleArn=rule["RuleArn"])
elb.delete_listener(ListenerArn=listener["ListenerArn"])
elb.delete_target_group(TargetGroupArn=groups["green"])
elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
ecs.deregister_task_definition(taskDefinition=definition["taskDefinitionArn"])
print("all good")
