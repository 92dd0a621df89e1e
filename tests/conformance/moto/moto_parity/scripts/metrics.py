"""CloudWatch metrics: put, read, listed."""

import datetime

from ..script import script

SIDE = [{"Name": "Side", "Value": "blue"}]


def hour():
    """The last full hour: old enough that nothing is still on its way."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.replace(minute=0, second=0, microsecond=0) - datetime.timedelta(hours=1)


def put(s, start):
    minute = lambda n: start + datetime.timedelta(minutes=n)
    s.call("cloudwatch.PutMetricData", Namespace="Shop", MetricData=[
        {"MetricName": "Errors", "Dimensions": SIDE, "Value": 2.0, "Timestamp": minute(0), "Unit": "Count"},
        {"MetricName": "Errors", "Dimensions": SIDE, "Value": 5.0, "Timestamp": minute(0), "Unit": "Count"},
        {"MetricName": "Errors", "Dimensions": SIDE, "Value": 7.5, "Timestamp": minute(1), "Unit": "Count"},
        {"MetricName": "Latency", "Dimensions": SIDE, "Values": [1.0, 3.0], "Counts": [2.0, 1.0], "Timestamp": minute(0)}])


def query(id, name, stat, period=60, **more):
    return {"Id": id, "MetricStat": {"Stat": stat, "Period": period, "Metric": {
        "Namespace": "Shop", "MetricName": name, "Dimensions": SIDE}}, **more}


@script
def metrics_are_put_and_read(s):
    start = hour()
    put(s, start)
    span = {"StartTime": start, "EndTime": start + datetime.timedelta(minutes=5)}
    for stat in ("Sum", "Average", "Minimum", "Maximum", "SampleCount"):
        s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", stat)], **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", "Sum", 300)], **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", "Sum")], ScanBy="TimestampAscending", **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", "Sum")], ScanBy="TimestampDescending", **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Latency", "Sum"), query("r", "Errors", "Sum")], **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Latency", "Average")], **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Nothing", "Sum", Label="nothing")], **span)
    s.call("cloudwatch.GetMetricData", MetricDataQueries=[
        query("a", "Errors", "Sum", ReturnData=False), {"Id": "b", "Expression": "a * 10", "Label": "tenfold"}], **span)
    s.ask("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", "Sum"), query("q", "Errors", "Sum")], **span)
    s.ask("cloudwatch.GetMetricData", MetricDataQueries=[query("q", "Errors", "Mode")], **span)
    s.ask("cloudwatch.GetMetricData", MetricDataQueries=[query("Upper", "Errors", "Sum")], **span)


@script
def statistics_of_a_metric(s):
    start = hour()
    put(s, start)
    given = {"Namespace": "Shop", "MetricName": "Errors", "Dimensions": SIDE, "StartTime": start,
             "EndTime": start + datetime.timedelta(minutes=5), "Period": 60}
    s.call("cloudwatch.GetMetricStatistics", Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"], **given)
    s.call("cloudwatch.GetMetricStatistics", Statistics=["Sum"], **{**given, "MetricName": "Nothing"})


@script
def metrics_are_listed(s):
    put(s, hour())
    s.call("cloudwatch.ListMetrics", Namespace="Shop", MetricName="Errors")
    s.call("cloudwatch.ListMetrics", Namespace="Nobody")
    s.call("cloudwatch.ListMetrics", Namespace="Shop", MetricName="Errors", Dimensions=[{"Name": "Side"}])
    s.call("cloudwatch.ListMetrics", Namespace="Shop", Dimensions=[{"Name": "Side", "Value": "green"}])


@script
def metrics_that_are_refused(s):
    s.ask("cloudwatch.PutMetricData", Namespace="AWS/ECS", MetricData=[{"MetricName": "Errors", "Value": 1.0}])
    s.ask("cloudwatch.PutMetricData", Namespace="Shop", MetricData=[{"MetricName": "Errors"}])
    s.ask("cloudwatch.PutMetricData", _checked=False, Namespace="Shop", MetricData=[{"Value": 1.0}])
    s.ask("cloudwatch.PutMetricData", Namespace="Shop", MetricData=[
        {"MetricName": "Errors", "Values": [1.0, 2.0], "Counts": [1.0]}])
    s.ask("cloudwatch.PutMetricData", Namespace="Shop", MetricData=[
        {"MetricName": "Errors", "Value": 1.0, "Values": [1.0]}])
