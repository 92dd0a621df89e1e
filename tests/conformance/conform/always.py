"""Members that AWS always sends and Flipback lives on, where the published examples are few: written by hand.

Per operation: the place in the answer, its members, and the source. `conform/examples.py` reads the examples themselves.
"""

API = "API reference, the data type's page"

ALWAYS = {
    "ecs:DescribeServices": [
        ("", ["services", "failures"], API),
        ("services[]", ["serviceArn", "serviceName", "clusterArn", "status", "desiredCount", "runningCount", "pendingCount",
                        "taskDefinition", "deploymentConfiguration", "deployments", "events", "createdAt",
                        "schedulingStrategy", "loadBalancers"], API),
        ("services[].deployments[]", ["id", "status", "taskDefinition", "desiredCount", "pendingCount", "runningCount",
                                      "failedTasks", "createdAt", "updatedAt", "rolloutState", "rolloutStateReason"],
         "API reference, Deployment: rolloutState is there for the ECS controller"),
        ("failures[]", ["arn", "reason"], API),
    ],
    "ecs:RegisterTaskDefinition": [
        ("taskDefinition", ["taskDefinitionArn", "containerDefinitions", "family", "revision", "volumes", "status",
                            "placementConstraints", "compatibilities", "registeredAt", "registeredBy"], API),
        ("taskDefinition.containerDefinitions[]", ["name", "image", "cpu", "portMappings", "essential", "environment",
                                                   "mountPoints", "volumesFrom"], "AWS CLI examples, describe-task-definition"),
    ],
    "ecs:UpdateService": [("service", ["serviceArn", "deployments", "taskDefinition", "desiredCount"], API)],
    "ecs:ListTaskDefinitions": [("", ["taskDefinitionArns"], API)],
    "ecs:DescribeTasks": [("tasks[]", ["taskArn", "clusterArn", "taskDefinitionArn", "lastStatus", "desiredStatus",
                                       "containers", "createdAt", "group", "startedBy", "version"], API)],
    "elb:DescribeRules": [
        ("Rules[]", ["RuleArn", "Priority", "Conditions", "Actions", "IsDefault"], API),
        ("Rules[].Actions[].ForwardConfig", ["TargetGroups", "TargetGroupStickinessConfig"], "AWS CLI examples, create-rule"),
        ("Rules[].Actions[].ForwardConfig.TargetGroups[]", ["TargetGroupArn", "Weight"], "AWS CLI examples, create-rule"),
        ("Rules[].Actions[].ForwardConfig.TargetGroupStickinessConfig", ["Enabled"], "AWS CLI examples, create-rule"),
    ],
    "elb:DescribeListeners": [("Listeners[]", ["ListenerArn", "LoadBalancerArn", "Port", "Protocol", "DefaultActions"], API)],
    "elb:DescribeTargetGroups": [("TargetGroups[]", ["TargetGroupArn", "TargetGroupName", "LoadBalancerArns", "TargetType",
                                                     "HealthCheckPath", "Matcher"], API)],
    "elb:DescribeTargetHealth": [
        ("TargetHealthDescriptions[]", ["Target", "HealthCheckPort", "TargetHealth"], API),
        ("TargetHealthDescriptions[].Target", ["Id", "Port"], API),
        ("TargetHealthDescriptions[].TargetHealth", ["State"], API),
    ],
    "cloudwatch:DescribeAlarms": [
        ("MetricAlarms[]", ["AlarmName", "AlarmArn", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
                            "StateValue", "StateReason", "StateUpdatedTimestamp", "StateTransitionedTimestamp",
                            "AlarmConfigurationUpdatedTimestamp", "EvaluationPeriods", "ComparisonOperator"], API),
        ("CompositeAlarms[]", ["AlarmName", "AlarmArn", "AlarmRule", "StateValue", "StateUpdatedTimestamp",
                               "StateTransitionedTimestamp", "ActionsEnabled"], API),
    ],
    "cloudwatch:GetMetricData": [("MetricDataResults[]", ["Id", "Label", "Timestamps", "Values", "StatusCode"], API)],
    "autoscaling:DescribeScalableTargets": [
        ("ScalableTargets[]", ["ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "RoleARN",
                               "CreationTime", "SuspendedState"], "AWS CLI examples, describe-scalable-targets"),
        ("ScalableTargets[].SuspendedState", ["DynamicScalingInSuspended", "DynamicScalingOutSuspended",
                                              "ScheduledScalingSuspended"], "AWS CLI examples, describe-scalable-targets"),
    ],
    "ecr:DescribeImages": [("imageDetails[]", ["registryId", "repositoryName", "imageDigest", "imageSizeInBytes",
                                               "imagePushedAt", "imageManifestMediaType"], API)],
    "ecr:DescribeRepositories": [("repositories[]", ["repositoryArn", "registryId", "repositoryName", "repositoryUri",
                                                     "createdAt"], API)],
    "sqs:SendMessage": [("", ["MessageId", "MD5OfMessageBody"], API)],
    "sqs:GetQueueUrl": [("", ["QueueUrl"], API)],
    "sqs:ReceiveMessage": [("Messages[]", ["MessageId", "ReceiptHandle", "MD5OfBody", "Body"], API)],
    "sns:Publish": [("", ["MessageId"], API)],
    "secretsmanager:GetSecretValue": [("", ["ARN", "Name", "VersionId", "VersionStages", "CreatedDate"], API)],
    "sts:GetCallerIdentity": [("", ["UserId", "Account", "Arn"], API)],
}


def places(document, path):
    """Every structure at a place such as `services[].deployments[]`."""
    found = [document]
    for part in filter(None, path.split(".")):
        name, items = part.removesuffix("[]"), part.endswith("[]")
        found = [each[name] for each in found if name in each]
        if items:
            found = [item for each in found for item in each]
    return found
