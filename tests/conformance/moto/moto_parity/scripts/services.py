"""ECS clusters and services: what is kept and shown. Desired counts are 0: moto runs no tasks."""

from ..script import script
from .balancers import balancer, forward, group, listener


def definition(s, family="shop", image="shop:1.0.0"):
    answer = s.call("ecs.RegisterTaskDefinition", family=family, networkMode="awsvpc", cpu="256", memory="512",
                    requiresCompatibilities=["FARGATE"], containerDefinitions=[
                        {"name": "web", "image": image, "essential": True, "portMappings": [{"containerPort": 8080}]}])
    return answer["taskDefinition"]["taskDefinitionArn"]


@script
def clusters(s):
    s.call("ecs.CreateCluster", clusterName="prod")
    s.call("ecs.CreateCluster", clusterName="test", settings=[{"name": "containerInsights", "value": "enabled"}],
           capacityProviders=["FARGATE"], tags=[{"key": "team", "value": "shop"}])
    s.call("ecs.CreateCluster", clusterName="prod")
    s.call("ecs.DescribeClusters", clusters=["prod", "nobody"])
    s.call("ecs.DescribeClusters", clusters=["test"], include=["TAGS", "SETTINGS"])
    s.call("ecs.ListClusters")
    s.call("ecs.DeleteCluster", cluster="prod")
    s.call("ecs.DescribeClusters", clusters=["prod"])
    s.ask("ecs.DeleteCluster", cluster="nobody")
    s.call("ecs.ListClusters")


def colour(s, name="shop-blue", **more):
    """A service with a target group behind a rule, without tasks."""
    s.call("ecs.CreateCluster", clusterName="prod")
    blue = group(s, "blue")
    listener(s, balancer(s), forward((blue, 1)))
    revision = definition(s)
    given = {
        "desiredCount": 0, "launchType": "FARGATE", "taskDefinition": revision,
        "loadBalancers": [{"targetGroupArn": blue, "containerName": "web", "containerPort": 8080}],
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": s.things["subnets"], "securityGroups": [s.things["security_group"]], "assignPublicIp": "DISABLED"}},
        "deploymentConfiguration": {
            "maximumPercent": 200, "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": {"enable": True, "rollback": False}},
        "healthCheckGracePeriodSeconds": 30, "enableExecuteCommand": True, "propagateTags": "SERVICE", **more}
    s.call("ecs.CreateService", cluster="prod", serviceName=name, **given)
    return revision


@script
def services_are_made_updated_and_deleted(s):
    revision = colour(s, tags=[{"key": "colour", "value": "blue"}])
    s.call("ecs.DescribeServices", cluster="prod", services=["shop-blue"])
    s.call("ecs.DescribeServices", cluster="prod", services=["shop-blue"], include=["TAGS"])
    s.call("ecs.DescribeServices", cluster="prod", services=["shop-blue", "nobody"])
    s.call("ecs.ListServices", cluster="prod")
    # The same task definition and nothing new: no deployment.
    s.call("ecs.UpdateService", cluster="prod", service="shop-blue", taskDefinition=revision, desiredCount=0)
    next = definition(s, image="shop:2.0.0")
    s.call("ecs.UpdateService", cluster="prod", service="shop-blue", taskDefinition=next)
    s.call("ecs.UpdateService", cluster="prod", service="shop-blue", deploymentConfiguration={
        "maximumPercent": 150, "minimumHealthyPercent": 50})
    s.call("ecs.UpdateService", cluster="prod", service="shop-blue", healthCheckGracePeriodSeconds=5)
    s.call("ecs.DescribeServices", cluster="prod", services=["shop-blue"])
    s.call("ecs.DeleteService", cluster="prod", service="shop-blue")
    s.call("ecs.ListServices", cluster="prod")


@script
def a_service_with_nothing_said(s):
    s.call("ecs.CreateCluster", clusterName="prod")
    definition(s)
    s.call("ecs.CreateService", cluster="prod", serviceName="plain", taskDefinition="shop", desiredCount=0)
    s.call("ecs.DescribeServices", cluster="prod", services=["plain"])
    s.call("ecs.CreateService", cluster="prod", serviceName="first", taskDefinition="shop:1", desiredCount=0)
    s.call("ecs.ListServices", cluster="prod")


@script
def service_calls_that_are_refused(s):
    s.call("ecs.CreateCluster", clusterName="prod")
    revision = definition(s)
    given = {"cluster": "prod", "serviceName": "shop", "taskDefinition": revision, "desiredCount": 0}
    s.call("ecs.CreateService", **given)
    s.ask("ecs.CreateService", **given)
    s.ask("ecs.CreateService", **{**given, "cluster": "nobody", "serviceName": "a"})
    s.ask("ecs.CreateService", **{**given, "taskDefinition": "nobody", "serviceName": "b"})
    s.ask("ecs.CreateService", **{**given, "taskDefinition": "shop:77", "serviceName": "c"})
    s.ask("ecs.UpdateService", cluster="prod", service="nobody", desiredCount=0)
    s.ask("ecs.UpdateService", cluster="nobody", service="shop", desiredCount=0)
    s.ask("ecs.UpdateService", cluster="prod", service="shop", taskDefinition="nobody")
    s.ask("ecs.DescribeServices", cluster="nobody", services=["shop"])
    s.ask("ecs.DescribeServices", cluster="prod", services=[f"s{n}" for n in range(11)])
    s.ask("ecs.DescribeServices", cluster="prod", services=[])
    s.ask("ecs.ListServices", cluster="nobody")
    s.ask("ecs.DeleteService", cluster="prod", service="nobody")
    s.ask("ecs.DeleteCluster", cluster="prod")
    s.ask("ecs.ListTagsForResource", resourceArn="arn:aws:ecs:us-east-1:123456789012:service/prod/nobody")


@script
def tags_of_a_service(s):
    colour(s)
    arn = s.call("ecs.DescribeServices", cluster="prod", services=["shop-blue"])["services"][0]["serviceArn"]
    s.call("ecs.TagResource", resourceArn=arn, tags=[{"key": "team", "value": "shop"}, {"key": "empty", "value": ""}])
    s.call("ecs.ListTagsForResource", resourceArn=arn)
    s.call("ecs.UntagResource", resourceArn=arn, tagKeys=["team", "never"])
    s.call("ecs.ListTagsForResource", resourceArn=arn)
