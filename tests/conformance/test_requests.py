"""Every request of the functions and of the command, against AWS's input shapes."""

import re
from collections import Counter

import pytest
from botocore.validate import ParamValidator

from conform import explained, shapes, wire
from conform.cloud import ROOT

# IAM's name of a service, as the product's errors say it, and the local cloud's.
WORDS = {"elasticloadbalancing": "elb", "application-autoscaling": "autoscaling"}
FUNCTIONS = {"on-image-push", "on-alarm", "advance", "check-scaling", "notify"}


@pytest.fixture(scope="module")
def ours(story_calls):
    """The calls of the product: the five functions and the command."""
    calls = [call for call in story_calls if call.caller.startswith("function:") or call.caller == "user:COMMAND"]
    assert {call.caller.removeprefix("function:") for call in calls} == FUNCTIONS | {"user:COMMAND"}
    return calls


def test_every_request_fits_its_shape(ours, report):
    members, wrong, met = 0, Counter(), Counter()
    for call in ours:
        document = wire.request(call)
        check = shapes.Check(call.protocol, response=False).document(document, call.model.input_shape)
        members += check.members
        for path, finding in check.found:
            key = explained.reason(explained.REQUESTS, call.name, path, finding)
            if key:
                met[key] += 1
            else:
                wrong[f"{call.caller} {call.name}: {path}: {finding}"] += 1
    assert not wrong, "\n".join(f"{count} x {what}" for what, count in wrong.most_common(20))
    assert set(met) == set(explained.REQUESTS), f"explained and not met: {set(explained.REQUESTS) - set(met)}"
    for key in met:
        report.explain(key[0], f"{key[1]}: {key[2]}", explained.REQUESTS[key])
    report.count("requests of the functions and the command", len(ours))
    report.count("request members checked", members)


def test_botocores_own_validator_agrees(ours):
    wrong = Counter()
    for call in ours:
        document = wire.request(call)
        if "conformanceFuture" in document:
            continue
        errors = ParamValidator().validate(document, call.model.input_shape)
        if errors.has_errors():
            wrong[f"{call.caller} {call.name}: {errors.generate_report()}"] += 1
    assert not wrong, wrong.most_common(10)


def test_every_call_that_the_product_can_make_was_seen(ours, report):
    said = set()
    for crate in ("aws", "cli"):
        for path in (ROOT / crate / "src").rglob("*.rs"):
            if "check_account" in path.parts:
                continue
            text = path.read_text(encoding="utf-8").partition("#[cfg(test)]")[0]
            said |= set(re.findall(r'"((?:ecs|elasticloadbalancing|cloudwatch|ecr|application-autoscaling|sqs|sns|ec2|'
                                   r'secretsmanager|dynamodb|sts):[A-Z][A-Za-z]+)"', text))
    names = {f"{WORDS.get(word, word)}:{operation}" for word, operation in (each.split(":") for each in said)}
    assert len(names) > 25, f"the product's calls are not found in its source any more: {sorted(names)}"
    seen = {call.name for call in ours}
    missing = names - seen - set(explained.NOT_PLAYED)
    assert not missing, f"the product can call {sorted(missing)} and no story does"
    stale = set(explained.NOT_PLAYED) & seen | set(explained.NOT_PLAYED) - names
    assert not stale, f"explained and met, or gone: {sorted(stale)}"
    for name, why in explained.NOT_PLAYED.items():
        report.explain(name, "requests", why)
    report.count("operations of the product, validated", len(seen))


def test_every_request_says_who_it_is_for_in_its_headers(ours):
    """What AWS's front doors go by, beside the body."""
    wrong = []
    for call in ours:
        model = call.model.service_model
        kind = {"json": f"application/x-amz-json-{model.metadata.get('jsonVersion')}",
                "query": "application/x-www-form-urlencoded", "ec2": "application/x-www-form-urlencoded", "smithy-rpc-v2-cbor": "application/cbor"}[call.protocol]
        if call.request.header("content-type") != kind:
            wrong.append(f"{call}: content-type {call.request.header('content-type')}, not {kind}")
        if f"/{model.signing_name}/aws4_request" not in (call.request.header("authorization") or ""):
            wrong.append(f"{call}: signed for {call.request.header('authorization')}")
        if call.protocol == "smithy-rpc-v2-cbor" and call.request.header("smithy-protocol") != "rpc-v2-cbor":
            wrong.append(f"{call}: no smithy-protocol")
    assert not wrong, wrong[:5]
