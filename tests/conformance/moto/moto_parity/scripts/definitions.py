"""ECS task definitions: every member that botocore's model knows, and one that it does not."""

from ..script import script
from ..shapes import filled
from .services import definition

TARGET = "AmazonEC2ContainerServiceV20141113"


def every_member():
    """RegisterTaskDefinition with every member of the model, made from its shape."""
    given = filled("ecs", "RegisterTaskDefinition")
    # `external` and CannotPull-proof: values that go together, where the shape alone cannot know.
    given["family"] = "everything"
    given["containerDefinitions"][0].update(name="web", image="shop:1.0.0")
    given["tags"] = [{"key": "team", "value": "shop"}]
    return given


@script
def every_member_of_a_task_definition(s):
    s.call("ecs.RegisterTaskDefinition", **every_member())
    s.call("ecs.DescribeTaskDefinition", taskDefinition="everything", include=["TAGS"])


@script
def a_member_that_no_sdk_knows(s):
    document = {
        "family": "ahead", "memberOfTomorrow": {"deep": [1, True, "x"]}, "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": [{"name": "web", "image": "shop:1", "containerOfTomorrow": "kept"}]}
    s.raw("ecs", f"{TARGET}.RegisterTaskDefinition", document)
    s.raw("ecs", f"{TARGET}.DescribeTaskDefinition", {"taskDefinition": "ahead"})


@script
def what_is_filled_into_a_container(s):
    s.call("ecs.RegisterTaskDefinition", family="bare", containerDefinitions=[{"name": "web", "image": "shop", "memory": 128}])
    s.call("ecs.RegisterTaskDefinition", family="ports", networkMode="awsvpc", cpu="256", memory="512",
           requiresCompatibilities=["FARGATE"], containerDefinitions=[
               {"name": "web", "image": "shop", "portMappings": [{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}]},
               {"name": "log", "image": "log", "essential": False, "environment": [
                   {"name": "B", "value": "2"}, {"name": "A", "value": "1"}], "dependsOn": [
                   {"containerName": "web", "condition": "START"}]}])
    s.call("ecs.DescribeTaskDefinition", taskDefinition="ports")


@script
def revisions_are_listed_and_deregistered(s):
    first, second, third = (definition(s, image=f"shop:{n}") for n in range(1, 4))
    definition(s, "other")
    s.call("ecs.DescribeTaskDefinition", taskDefinition="shop")
    s.call("ecs.DescribeTaskDefinition", taskDefinition="shop:1")
    s.call("ecs.DescribeTaskDefinition", taskDefinition=second)
    s.call("ecs.ListTaskDefinitions", familyPrefix="shop")
    s.call("ecs.ListTaskDefinitions", familyPrefix="shop", sort="DESC")
    s.call("ecs.ListTaskDefinitions", familyPrefix="sho")
    s.call("ecs.ListTaskDefinitionFamilies")
    s.call("ecs.ListTaskDefinitionFamilies", familyPrefix="sh")
    s.call("ecs.DeregisterTaskDefinition", taskDefinition=third)
    s.call("ecs.DescribeTaskDefinition", taskDefinition="shop")
    s.call("ecs.DescribeTaskDefinition", taskDefinition=third)
    s.call("ecs.ListTaskDefinitions", familyPrefix="shop")
    s.call("ecs.ListTaskDefinitions", familyPrefix="shop", status="INACTIVE")
    definition(s, image="shop:4")
    s.ask("ecs.DeregisterTaskDefinition", taskDefinition="shop")
    s.ask("ecs.DeregisterTaskDefinition", taskDefinition="shop:99")
    s.ask("ecs.DescribeTaskDefinition", taskDefinition="nobody")
    s.ask("ecs.DescribeTaskDefinition", taskDefinition="shop:99")


@script
def tags_of_a_task_definition(s):
    answer = s.call("ecs.RegisterTaskDefinition", family="tagged", tags=[{"key": "made", "value": "here"}],
                    containerDefinitions=[{"name": "web", "image": "shop", "memory": 64}])
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    s.call("ecs.DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"])
    s.call("ecs.DescribeTaskDefinition", taskDefinition=arn)
    s.call("ecs.TagResource", resourceArn=arn, tags=[{"key": "team", "value": "shop"}])
    s.call("ecs.ListTagsForResource", resourceArn=arn)
    s.call("ecs.UntagResource", resourceArn=arn, tagKeys=["made"])
    s.call("ecs.DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"])
    s.ask("ecs.TagResource", resourceArn=arn, tags=[{"key": "aws:reserved", "value": "x"}])


@script
def task_definitions_that_are_refused(s):
    ask = lambda **given: s.ask("ecs.RegisterTaskDefinition", _checked=False, **given)
    web = {"name": "web", "image": "shop", "memory": 64}
    ask(family="empty", containerDefinitions=[])
    ask(family="bad name!", containerDefinitions=[web])
    ask(containerDefinitions=[web])
    ask(family="none")
    ask(family="nameless", containerDefinitions=[{"image": "shop", "memory": 64}])
    ask(family="imageless", containerDefinitions=[{"name": "web", "memory": 64}])
    ask(family="twice", containerDefinitions=[web, web])
    ask(family="many", containerDefinitions=[{**web, "name": f"c{n}"} for n in range(11)])
    ask(family="thin", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", containerDefinitions=[web])
    ask(family="memoryless", containerDefinitions=[{"name": "web", "image": "shop"}])
    s.call("ecs.ListTaskDefinitionFamilies")
