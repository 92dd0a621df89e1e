"""CloudWatch alarms: put, described, set. moto has no composite ones."""

from ..script import script

CPU = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Statistic": "Average", "Period": 60,
       "Dimensions": [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "shop"}]}
LIMIT = {"EvaluationPeriods": 3, "Threshold": 80.0, "ComparisonOperator": "GreaterThanThreshold"}
ACTION = "arn:aws:sns:us-east-1:123456789012:notices"


def put(s, name, **more):
    s.call("cloudwatch.PutMetricAlarm", AlarmName=name, **{**CPU, **LIMIT, **more})


@script
def alarms_are_put_and_described(s):
    put(s, "cpu")
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    put(s, "cpu", AlarmDescription="hot", DatapointsToAlarm=2, TreatMissingData="notBreaching", AlarmActions=[ACTION],
        OKActions=[ACTION], InsufficientDataActions=[ACTION], ActionsEnabled=False, Threshold=90.5, Unit="Percent")
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    s.call("cloudwatch.DescribeAlarms", AlarmNamePrefix="c")
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["nobody"])
    s.call("cloudwatch.DescribeAlarms", StateValue="ALARM")
    s.call("cloudwatch.DescribeAlarms", ActionPrefix="arn:aws:sns")
    s.call("cloudwatch.DescribeAlarmsForMetric", **{key: CPU[key] for key in ("Namespace", "MetricName", "Dimensions")})
    s.call("cloudwatch.DeleteAlarms", AlarmNames=["cpu"])
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    s.ask("cloudwatch.DeleteAlarms", AlarmNames=["cpu"])


@script
def alarms_of_every_form(s):
    given = {key: value for key, value in CPU.items() if key != "Statistic"}
    s.call("cloudwatch.PutMetricAlarm", AlarmName="p99", **given, **LIMIT, ExtendedStatistic="p99")
    s.call("cloudwatch.PutMetricAlarm", AlarmName="rate", **LIMIT, Metrics=[
        {"Id": "bad", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": [{"Name": "LoadBalancer", "Value": "app/shop/0"}]}}},
        {"Id": "all", "ReturnData": False, "MetricStat": {"Stat": "Sum", "Period": 60, "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount",
            "Dimensions": [{"Name": "LoadBalancer", "Value": "app/shop/0"}]}}},
        {"Id": "rate", "Expression": "bad / all * 100", "Label": "rate of errors", "ReturnData": True}])
    put(s, "low", ComparisonOperator="LessThanOrEqualToThreshold", Threshold=0.0, TreatMissingData="breaching")
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["p99"])
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["rate"])
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["low"])
    s.call("cloudwatch.DescribeAlarms")


@script
def the_state_of_an_alarm_is_set(s):
    put(s, "cpu")
    s.call("cloudwatch.SetAlarmState", AlarmName="cpu", StateValue="ALARM", StateReason="by hand",
           StateReasonData='{"who": "me"}')
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    s.call("cloudwatch.DescribeAlarms", StateValue="ALARM")
    s.call("cloudwatch.SetAlarmState", AlarmName="cpu", StateValue="OK", StateReason="by hand again")
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    s.ask("cloudwatch.SetAlarmState", AlarmName="nobody", StateValue="OK", StateReason="x")
    s.ask("cloudwatch.SetAlarmState", AlarmName="cpu", StateValue="PURPLE", StateReason="x")


@script
def the_actions_of_an_alarm(s):
    put(s, "cpu")
    s.call("cloudwatch.DisableAlarmActions", AlarmNames=["cpu"])
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])
    s.call("cloudwatch.EnableAlarmActions", AlarmNames=["cpu"])
    s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])


@script
def tags_of_an_alarm(s):
    put(s, "cpu", Tags=[{"Key": "team", "Value": "shop"}])
    arn = s.call("cloudwatch.DescribeAlarms", AlarmNames=["cpu"])["MetricAlarms"][0]["AlarmArn"]
    s.call("cloudwatch.ListTagsForResource", ResourceARN=arn)
    s.call("cloudwatch.TagResource", ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    s.call("cloudwatch.UntagResource", ResourceARN=arn, TagKeys=["team"])
    s.call("cloudwatch.ListTagsForResource", ResourceARN=arn)
    s.ask("cloudwatch.ListTagsForResource", ResourceARN=arn + "-not")


@script
def alarms_that_are_refused(s):
    ask = lambda **more: s.ask("cloudwatch.PutMetricAlarm", _checked=False, AlarmName="a", **{**CPU, **LIMIT, **more})
    ask(ComparisonOperator="SortOfAbove")
    ask(TreatMissingData="who knows")
    ask(DatapointsToAlarm=4)
    ask(EvaluationPeriods=0)
    ask(Period=45)
    ask(Period=0)
    ask(Statistic="Mode")
    s.ask("cloudwatch.PutMetricAlarm", AlarmName="b", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold")
    s.ask("cloudwatch.PutMetricAlarm", AlarmName="c", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold",
          Threshold=1.0, Metrics=[])
    s.ask("cloudwatch.DescribeAlarms", AlarmNames=["a"], AlarmNamePrefix="b")
    s.call("cloudwatch.DescribeAlarms")
