"""The checks themselves: each of them finds what it is there for."""

import pytest

from conform import examples, models, record, shapes, wire


def found(operation, document, protocol="json", response=True):
    service, _, name = operation.partition(":")
    model = models.model(service).operation_model(name)
    check = shapes.Check(protocol, response).document(document, model.output_shape if response else model.input_shape)
    return check.found


CASES = [
    ("ecs:DescribeServices", {"services": [{"colour": 1}]}, "services[].colour", "unknown member"),
    ("ecs:DescribeServices", {"services": [{"desiredCount": "2"}]}, "services[].desiredCount", "where"),
    ("ecs:DescribeServices", {"services": [{"desiredCount": 2.5}]}, "services[].desiredCount", "where"),
    ("ecs:DescribeServices", {"services": [{"enableExecuteCommand": "true"}]}, "services[].enableExecuteCommand", "where"),
    ("ecs:DescribeServices", {"services": [{"createdAt": "today"}]}, "services[].createdAt", "where"),
    ("ecs:DescribeServices", {"services": [{"launchType": "MOON"}]}, "services[].launchType", "enumeration"),
    ("ecs:DescribeServices", {"services": [{"events": None}]}, "services[].events", "null"),
    ("ecs:DescribeServices", {"services": [{"deploymentCircuitBreaker": {}}]}, "services[].deploymentCircuitBreaker", "unknown"),
    ("ecs:DescribeServices", {"services": [{"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True}}}]},
     "services[].deploymentConfiguration.deploymentCircuitBreaker.rollback", "required"),
    ("autoscaling:DescribeScalableTargets", {"ScalableTargets": [{}]}, "ScalableTargets[].ResourceId", "required"),
]


@pytest.mark.parametrize(("operation", "document", "path", "finding"), CASES)
def test_what_is_wrong_with_a_document_is_found(operation, document, path, finding):
    assert any(where == path and finding in what for where, what in found(operation, document)), found(operation, document)


def test_requests_are_checked_for_patterns_lengths_and_ranges():
    wrong = found("cloudwatch:PutMetricAlarm", {"AlarmName": "", "EvaluationPeriods": 0, "ComparisonOperator": "Is"}, response=False)
    assert {path for path, _ in wrong} == {"AlarmName", "EvaluationPeriods", "ComparisonOperator"}
    bad = found("ecr:DescribeImages", {"repositoryName": "Shop Api"}, response=False)
    assert any("does not match" in what for _, what in bad), bad
    assert found("ecr:DescribeImages", {"repositoryName": "shop/api"}, response=False) == []


def test_a_whole_number_is_no_double_in_cbor():
    alarm = {"MetricAlarms": [{"AlarmName": "a", "Threshold": 5}]}
    assert found("cloudwatch:DescribeAlarms", alarm, "smithy-rpc-v2-cbor")
    assert not found("cloudwatch:DescribeAlarms", alarm, "json")


def call(body, operation="elb:DescribeRules", request=b""):
    service, _, name = operation.partition(":")
    told = (service, name, models.model(service).resolved_protocol)
    return record.Call(1, "test", record.Message((), request), record.Message((), body, status=200), told, told)


def xml(inner):
    return f"<DescribeRulesResponse>{inner}<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeRulesResponse>".encode()


@pytest.mark.parametrize("inner", [
    "<DescribeRulesResult><Rules><Rule/></Rules></DescribeRulesResult>",
    "<DescribeRulesResult><Rules><member><IsDefault><x/></IsDefault></member></Rules></DescribeRulesResult>",
    "<DescribeRulesResult><NextMarker>a</NextMarker><NextMarker>b</NextMarker></DescribeRulesResult>",
    "<Other/><DescribeRulesResult/>",
])
def test_xml_in_another_form_is_unreadable(inner):
    with pytest.raises(wire.Unreadable):
        wire.response(call(xml(inner)))


def test_xml_is_read_by_its_shape():
    inner = ("<DescribeRulesResult><Rules><member><IsDefault>false</IsDefault><Priority>1</Priority><Sparkle>x</Sparkle>"
             "</member></Rules></DescribeRulesResult>")
    document = wire.response(call(xml(inner)))
    assert document == {"Rules": [{"IsDefault": False, "Priority": "1", "Sparkle": "x"}]}
    assert found("elb:DescribeRules", document, "query") == [("Rules[].Sparkle", "unknown member")]


def test_a_form_is_read_by_its_shape():
    form = b"Action=DescribeRules&Version=2015-12-01&RuleArns.member.2=b&RuleArns.member.1=a&PageSize=7&Colour=blue"
    document = wire.request(call(b"", request=form))
    assert document == {"RuleArns": ["a", "b"], "PageSize": 7, "Colour": {"": "blue"}}
    assert found("elb:DescribeRules", document, "query", response=False) == [("Colour", "unknown member")]
    with pytest.raises(wire.Unreadable):
        wire.request(call(b"", request=b"Action=DescribeRules&RuleArns.1=a"))


def test_a_member_that_every_example_has_is_missed():
    known = examples.known("ecs", "DescribeServices")
    assert {"serviceArn", "deployments", "desiredCount"} <= set(known.always("services[]"))
    shape = models.model("ecs").operation_model("DescribeServices").output_shape
    missing = examples.missing({"services": [{"serviceArn": "a"}], "failures": []}, shape, "ecs", "DescribeServices")
    assert ("services[]", "deployments") in missing
