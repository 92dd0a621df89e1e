"""Application Auto Scaling for the desired counts of ECS services."""

from ..script import script
from .services import definition

SHOP = {"ServiceNamespace": "ecs", "ResourceId": "service/prod/shop", "ScalableDimension": "ecs:service:DesiredCount"}
TRACKING = {"TargetValue": 60.0, "ScaleInCooldown": 60, "ScaleOutCooldown": 30, "DisableScaleIn": False,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}


def service(s):
    s.call("ecs.CreateCluster", clusterName="prod")
    definition(s)
    s.call("ecs.CreateService", cluster="prod", serviceName="shop", taskDefinition="shop", desiredCount=2)


@script
def scalable_targets(s):
    service(s)
    s.call("application-autoscaling.RegisterScalableTarget", **SHOP, MinCapacity=2, MaxCapacity=8)
    s.call("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs")
    s.call("application-autoscaling.RegisterScalableTarget", **SHOP, MaxCapacity=10)
    suspended = {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": True}
    s.call("application-autoscaling.RegisterScalableTarget", **SHOP, MinCapacity=1, SuspendedState=suspended)
    s.call("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs", ResourceIds=["service/prod/shop"],
           ScalableDimension="ecs:service:DesiredCount")
    s.call("application-autoscaling.RegisterScalableTarget", **SHOP, SuspendedState={"DynamicScalingInSuspended": False})
    s.call("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs", ResourceIds=["service/prod/shop"])
    s.call("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs", ResourceIds=["service/prod/nobody"])
    s.call("application-autoscaling.DeregisterScalableTarget", **SHOP)
    s.call("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs")
    s.ask("application-autoscaling.DeregisterScalableTarget", **SHOP)


@script
def scalable_targets_that_are_refused(s):
    service(s)
    ask = lambda **more: s.ask("application-autoscaling.RegisterScalableTarget", _checked=False, **{**SHOP, **more})
    ask(MinCapacity=1)
    ask(MaxCapacity=1)
    ask(MinCapacity=5, MaxCapacity=4)
    ask(MinCapacity=1, MaxCapacity=4, ResourceId="service/prod/nobody")
    ask(MinCapacity=1, MaxCapacity=4, ResourceId="nonsense")
    ask(MinCapacity=1, MaxCapacity=4, ScalableDimension="ecs:service:Moon")
    ask(MinCapacity=1, MaxCapacity=4, ServiceNamespace="moon")
    ask(MinCapacity=-1, MaxCapacity=4)
    s.ask("application-autoscaling.DescribeScalableTargets", ServiceNamespace="ecs", ScalableDimension="ecs:service:Moon")


@script
def scaling_policies(s):
    service(s)
    s.call("application-autoscaling.RegisterScalableTarget", **SHOP, MinCapacity=2, MaxCapacity=8)
    s.call("application-autoscaling.PutScalingPolicy", PolicyName="cpu", PolicyType="TargetTrackingScaling", **SHOP,
           TargetTrackingScalingPolicyConfiguration=TRACKING)
    s.call("application-autoscaling.DescribeScalingPolicies", ServiceNamespace="ecs", ResourceId="service/prod/shop")
    s.call("application-autoscaling.PutScalingPolicy", PolicyName="cpu", PolicyType="TargetTrackingScaling", **SHOP,
           TargetTrackingScalingPolicyConfiguration={**TRACKING, "TargetValue": 70.0})
    s.call("application-autoscaling.PutScalingPolicy", PolicyName="step", PolicyType="StepScaling", **SHOP,
           StepScalingPolicyConfiguration={"AdjustmentType": "ChangeInCapacity", "Cooldown": 60, "StepAdjustments": [
               {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]})
    s.call("application-autoscaling.DescribeScalingPolicies", ServiceNamespace="ecs")
    s.call("application-autoscaling.DescribeScalingPolicies", ServiceNamespace="ecs", PolicyNames=["step"])
    s.call("application-autoscaling.DeleteScalingPolicy", PolicyName="cpu", **SHOP)
    s.ask("application-autoscaling.DeleteScalingPolicy", PolicyName="cpu", **SHOP)
    s.call("application-autoscaling.DescribeScalingPolicies", ServiceNamespace="ecs")
    s.ask("application-autoscaling.PutScalingPolicy", PolicyName="lost", PolicyType="TargetTrackingScaling",
          **{**SHOP, "ResourceId": "service/prod/nobody"}, TargetTrackingScalingPolicyConfiguration=TRACKING)
    s.call("application-autoscaling.DescribeScheduledActions", ServiceNamespace="ecs")
    s.call("application-autoscaling.PutScheduledAction", ScheduledActionName="night", Schedule="cron(0 22 * * ? *)", **SHOP,
           ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2})
    s.call("application-autoscaling.DescribeScheduledActions", ServiceNamespace="ecs")
    s.call("application-autoscaling.DeleteScheduledAction", ScheduledActionName="night", **SHOP)
    s.ask("application-autoscaling.DeleteScheduledAction", ScheduledActionName="night", **SHOP)
    s.call("application-autoscaling.DescribeScheduledActions", ServiceNamespace="ecs")
    # Deregistering takes the policies along.
    s.call("application-autoscaling.DeregisterScalableTarget", **SHOP)
    s.call("application-autoscaling.DescribeScalingPolicies", ServiceNamespace="ecs")
