"""Differences that are meant, each with its reason. One that does not occur any more fails the run."""

import re

# Members that AWS's examples always have and the local cloud has not at that place: (operation, place, member).
_ENI = "an example on EC2 container instances; Fargate has none"
_CHOICE = "what the caller gave in the example: it is shown where it was given"
_LATER = "not yet known in the answer to StopTask: the example's task had stopped before"
NOT_ALWAYS = {
    ("autoscaling:DescribeScalingPolicies", "ScalingPolicies[]", "StepScalingPolicyConfiguration"):
        "the examples are step scaling policies; ours tracks a target",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "AlarmDescription"): _CHOICE,
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "Dimensions"): "one example, of a single metric; ours is a calculation",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "MetricName"): "one example, of a single metric; ours is a calculation",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "Namespace"): "one example, of a single metric; ours is a calculation",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "Period"): "one example, of a single metric; ours is a calculation",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "Statistic"): "one example, with a plain statistic; ours has a percentile",
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "StateReasonData"):
        "absent until the first evaluation and after SetAlarmState without it (reference: state data may be absent)",
    ("cloudwatch:DescribeAlarmsForMetric", "MetricAlarms[]", "AlarmDescription"): _CHOICE,
    ("cloudwatch:DescribeAlarmsForMetric", "MetricAlarms[]", "StateReasonData"): "absent until the first evaluation",
    ("cloudwatch:GetMetricStatistics", "Datapoints[]", "Maximum"): "the examples ask for it; a percentile is asked for here too",
    ("ecs:CreateService", "service.loadBalancers[]", "loadBalancerName"): "a Classic Load Balancer's; ours are target groups",
    ("ecs:DeleteTaskDefinitions", "taskDefinitions[]", "executionRoleArn"): _CHOICE,
    ("ecs:DeleteTaskDefinitions", "taskDefinitions[]", "taskRoleArn"): _CHOICE,
    ("ecs:DeleteTaskDefinitions", "taskDefinitions[].containerDefinitions[]", "command"): _CHOICE,
    ("ecs:DeleteTaskDefinitions", "taskDefinitions[].containerDefinitions[]", "entryPoint"): _CHOICE,
    ("ecs:DeleteTaskDefinitions", "taskDefinitions[].containerDefinitions[]", "logConfiguration"): _CHOICE,
    ("ecs:DescribeServiceDeployments", "serviceDeployments[]", "finishedAt"): "the example's had ended; ours is looked at while it runs",
    ("ecs:DescribeServiceDeployments", "serviceDeployments[]", "startedAt"): "not before it starts",
    ("ecs:DescribeServiceDeployments", "serviceDeployments[].deploymentConfiguration", "alarms"):
        "one example; those of CreateService and DescribeServices have none where none was given",
    ("ecs:DescribeServiceRevisions", "serviceRevisions[]", "capacityProviderStrategy"): _CHOICE,
    ("ecs:DescribeServiceRevisions", "serviceRevisions[]", "guardDutyEnabled"): "an account's setting that is not modelled",
    ("ecs:DescribeServiceRevisions", "serviceRevisions[]", "serviceConnectConfiguration"): _CHOICE,
    ("ecs:ListServiceDeployments", "serviceDeployments[]", "finishedAt"): "the example's had ended; ours is looked at while it runs",
    ("ecs:ListServiceDeployments", "serviceDeployments[]", "startedAt"): "not before it starts",
    ("ecs:DeregisterTaskDefinition", "taskDefinition.containerDefinitions[]", "command"): _CHOICE,
    ("ecs:DeregisterTaskDefinition", "taskDefinition.containerDefinitions[]", "entryPoint"): _CHOICE,
    ("ecs:DeregisterTaskDefinition", "taskDefinition.containerDefinitions[]", "memory"): _CHOICE,
    ("ecs:DescribeTaskDefinition", "taskDefinition.containerDefinitions[]", "memory"): _CHOICE,
    ("ecs:DescribeTaskDefinition", "taskDefinition.containerDefinitions[].portMappings[]", "containerPort"):
        "a port range has none (RegisterTaskDefinition, containerPortRange)",
    ("ecs:DescribeTaskDefinition", "taskDefinition.containerDefinitions[].portMappings[]", "hostPort"):
        "a port range has none (RegisterTaskDefinition, containerPortRange)",
    ("ecs:DescribeTasks", "tasks[].containers[]", "networkBindings"): _ENI,
    ("ecs:RegisterTaskDefinition", "taskDefinition.containerDefinitions[]", "command"): _CHOICE,
    ("ecs:RegisterTaskDefinition", "taskDefinition.containerDefinitions[]", "memory"): _CHOICE,
    ("ecs:StopTask", "task", "connectivity"): "of a pull and an agent that are not modelled; nothing of Flipback reads it",
    ("ecs:StopTask", "task", "connectivityAt"): "of a pull and an agent that are not modelled; nothing of Flipback reads it",
    ("ecs:StopTask", "task", "containerInstanceArn"): _ENI,
    ("ecs:StopTask", "task", "executionStoppedAt"): _LATER,
    ("ecs:StopTask", "task", "pullStartedAt"): "of a pull and an agent that are not modelled; nothing of Flipback reads it",
    ("ecs:StopTask", "task", "pullStoppedAt"): "of a pull and an agent that are not modelled; nothing of Flipback reads it",
    ("ecs:StopTask", "task", "stoppedAt"): _LATER,
    ("ecs:UpdateService", "service.deploymentConfiguration", "alarms"):
        "three examples of one day; the examples of CreateService and DescribeServices have none where none was given",
    ("elb:CreateListener", "Listeners[].DefaultActions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:CreateRule", "Rules[].Actions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:CreateRule", "Rules[].Conditions[]", "Values"): "of paths and hosts only (ELBv2 API, RuleCondition)",
    ("elb:DescribeListeners", "Listeners[].DefaultActions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:DescribeRules", "Rules[].Actions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:DescribeRules", "Rules[].Conditions[]", "Values"): "of paths and hosts only (ELBv2 API, RuleCondition)",
    ("elb:ModifyListener", "Listeners[].DefaultActions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:ModifyRule", "Rules[].Actions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("elb:ModifyRule", "Rules[].Conditions[]", "Values"): "of paths and hosts only (ELBv2 API, RuleCondition)",
    ("elb:SetRulePriorities", "Rules[].Actions[]", "TargetGroupArn"): "not beside two groups, nor in other actions",
    ("secretsmanager:DescribeSecret", "", "KmsKeyId"): "absent with the account's own key (DescribeSecret API)",
    ("secretsmanager:DescribeSecret", "", "LastAccessedDate"): "a day, set by reading; not modelled, nothing of Flipback reads it",
    ("secretsmanager:DescribeSecret", "", "LastRotatedDate"): "of a secret that rotates",
    ("secretsmanager:DescribeSecret", "", "RotationEnabled"): "of a secret that rotates",
    ("secretsmanager:DescribeSecret", "", "RotationLambdaARN"): "of a secret that rotates",
    ("secretsmanager:DescribeSecret", "", "RotationRules"): "of a secret that rotates",
    ("secretsmanager:DescribeSecret", "", "Tags"): _CHOICE,
    ("sqs:ReceiveMessage", "", "Messages"): "an empty queue answers without it (SQS API)",
    ("sqs:ReceiveMessage", "Messages[]", "Attributes"): "shown where they are asked for",
    ("sqs:ReceiveMessage", "Messages[]", "MD5OfMessageAttributes"): _CHOICE,
    ("sqs:ReceiveMessage", "Messages[]", "MessageAttributes"): _CHOICE,
}

# Of those, the ones that depend on when a call is made: they may occur or not.
BY_TIME = {
    ("cloudwatch:DescribeAlarms", "MetricAlarms[]", "StateReasonData"),
    ("cloudwatch:DescribeAlarmsForMetric", "MetricAlarms[]", "StateReasonData"),
    ("ecs:DescribeServiceDeployments", "serviceDeployments[]", "startedAt"),
    ("ecs:ListServiceDeployments", "serviceDeployments[]", "startedAt"),
    ("ecs:StopTask", "task", "stoppedAt"),
    ("ecs:StopTask", "task", "executionStoppedAt"),
}

# What a document has against its shape: (operation, path pattern, finding pattern).
RESPONSES = {
    (r"ecs:(Describe|Register)TaskDefinition", r".*\.conformanceFuture", "unknown member"):
        "planted: a member that no SDK knows yet is told as it was registered",
    (r"ecs:DescribeServiceDeployments", r".*\.lifecycleStage", r"'PRE_PRODUCTION_TRAFFIC_SHIFT' is not of the enumeration.*"):
        "the developer guide has this stage, and hooks run at it; the model's enumeration lacks it",
    (r"elb:DescribeTags", r"TagDescriptions\[\]\.Tags", "0 items, less than 1"):
        "the bound is the request's (TagList); a resource without tags has an empty list",
    (r"elb:(Describe|Modify)LoadBalancerAttributes", "Attributes", r"\d+ items, more than 20"):
        "the bound is the request's; the API's own list of an Application Load Balancer's attributes is longer",
}

REQUESTS = {
    (r"ecs:RegisterTaskDefinition", r"(.*\.)?conformanceFuture", "unknown member"):
        "planted: a member that no SDK knows yet is copied as it was read",
}

# Calls that the product's code can make and the stories do not: (operation, why).
NOT_PLAYED = {
    "autoscaling:DescribeScalingActivities": "the scaling check asks it of services that are full; a scenario in tests/scaling.rs plays it",
    "ecs:ListTasks": "the scaling check asks it of services whose tasks are missing; the scenario in tests/scaling.rs plays it",
    "ecs:DescribeTasks": "what those say that ended is read by it; the scenario in tests/scaling.rs plays it",
    "autoscaling:PutScalingPolicy": "a repair of the scaling makes a policy with it; the scenario in tests/scaling.rs plays it",
    "elb:DescribeLoadBalancers": "lifecycle-hook looks for a test listener with it; the scenarios in tests/hook.rs play it",
    "sqs:GetQueueAttributes": "a round of the scaling check in parts asks for it; the scenarios in tests/scaling.rs play it",
    "ecs:DeregisterTaskDefinition": "a service keeps twenty revisions and two at least; the scenario of the crate `tests` plays it",
}


def reason(table, operation, path, finding):
    """The key of the entry that explains a finding, or None."""
    for key in table:
        patterns = zip(key, (operation, path, finding))
        if all(re.fullmatch(pattern, text) for pattern, text in patterns):
            return key
    return None
