"""Every response of the local cloud, read by AWS's own models."""

from collections import Counter

import pytest
from botocore.parsers import create_parser

from conform import examples, explained, models, served, shapes, wire
from conform.always import ALWAYS, places
from conform.cloud import Cloud

# Codes that every operation of AWS may answer, beside those its model lists (API references, "Common Errors").
COMMON = {"AccessDeniedException", "ClientException", "InternalFailure", "InvalidAction", "InvalidParameter",
          "InvalidParameterCombination", "InvalidParameterException", "InvalidParameterValue", "MissingParameter",
          "ThrottlingException", "UnknownOperationException", "ValidationError", "ValidationException",
          # EC2's model has no errors at all: its API reference, error codes.
          "InvalidSubnetID.NotFound", "InvalidSubnet.Range"}


@pytest.fixture(scope="module")
def good(all_calls):
    """The calls that went well, each with its decoded answer."""
    return [(call, wire.response(call)) for call in all_calls if call.response.status < 300]


@pytest.fixture(scope="module")
def refused(all_calls):
    return [call for call in all_calls if call.response.status >= 300]


def parsed(call):
    """What botocore makes of the answer."""
    response = {"status_code": call.response.status, "headers": dict(call.response.headers), "body": call.response.body}
    return create_parser(call.protocol).parse(response, call.model.output_shape)


def leaves(value):
    """How many values a document holds; empty lists and structures are one."""
    if isinstance(value, dict) and value:
        return sum(map(leaves, value.values()))
    if isinstance(value, list) and value:
        return sum(map(leaves, value))
    return 1


def test_every_request_is_taken_for_what_it_is(all_calls, report):
    wrong = [f"{call}: taken for {call.taken}" for call in all_calls if call.told != call.taken]
    assert not wrong, wrong[:5]
    report.count("calls recorded", len(all_calls))
    report.count("operations", len({call.name for call in all_calls}))
    for protocol, count in sorted(Counter(call.protocol for call in all_calls).items()):
        report.count(f"calls in {protocol}", count)


def test_every_answer_parses_in_botocore_with_nothing_left_over(good, report):
    wrong = []
    for call, document in good:
        result = parsed(call)
        metadata = result.pop("ResponseMetadata")
        # Where an operation has no output, botocore's CBOR parser leaves the header's id where it is.
        request_id = metadata.get("RequestId") or call.response.header("x-amzn-requestid")
        if call.service != "dynamodb" and not request_id:
            wrong.append(f"{call}: no request id")
        planted = str(document).count("conformanceFuture")
        if not planted and leaves(result) != leaves(document):
            wrong.append(f"{call}: {leaves(document)} values sent, {leaves(result)} read: {document} {result}")
    assert not wrong, "\n".join(wrong[:5])
    report.count("responses parsed", len(good))


def test_an_operation_without_output_has_no_body_in_cbor(good):
    """Smithy RPC v2: neither a body nor a content type."""
    empty = [call for call, _ in good if call.protocol == "smithy-rpc-v2-cbor" and call.model.output_shape is None]
    assert empty
    assert [str(call) for call in empty if call.response.body or call.response.header("content-type")] == []


def test_every_answer_fits_its_shape(good, report):
    members, wrong, met = 0, Counter(), Counter()
    for call, document in good:
        check = shapes.Check(call.protocol, response=True).document(document, call.model.output_shape)
        members += check.members
        for path, finding in check.found:
            key = explained.reason(explained.RESPONSES, call.name, path, finding)
            if key:
                met[key] += 1
            else:
                wrong[f"{call.name} ({call.protocol}): {path}: {finding}"] += 1
    assert not wrong, "\n".join(f"{count} x {what}" for what, count in wrong.most_common(20))
    assert set(met) == set(explained.RESPONSES), f"explained and not met: {set(explained.RESPONSES) - set(met)}"
    for key in met:
        report.explain(key[0], f"{key[1]}: {key[2]}", explained.RESPONSES[key])
    report.count("response members checked", members)


def test_what_the_published_examples_always_have_is_there(good, report):
    wrong, met, checked, operations = Counter(), set(), 0, set()
    for call, document in good:
        if call.service == "dynamodb":
            continue
        known = examples.known(call.service, call.operation)
        checked += sum(len(known.always(path)) for path in known.places)
        if known.sources:
            operations.add(call.name)
        for path, name in examples.missing(document, call.model.output_shape, call.service, call.operation):
            key = (call.name, path, name)
            if key in explained.NOT_ALWAYS:
                met.add(key)
            else:
                wrong[key] += 1
    assert not wrong, "\n".join(f"{count} x {what}" for what, count in wrong.most_common(20))
    stale = set(explained.NOT_ALWAYS) - explained.BY_TIME - met
    assert not stale, f"explained and not met: {sorted(stale)}"
    for operation, path, name in sorted(met):
        report.explain(operation, f"{path}.{name}".lstrip("."), explained.NOT_ALWAYS[operation, path, name])
    assert len(operations) > 60, "the examples of botocore and the AWS CLI are not read any more"
    report.count("operations with published examples", len(operations))
    report.count("members that every example has, looked for", checked)


def test_what_flipback_lives_on_is_always_there(good, report):
    wrong, looked = Counter(), Counter()
    for call, document in good:
        for path, members, _source in ALWAYS.get(call.name, []):
            for place in places(document, path):
                looked[call.name, path] += len(members)
                wrong.update(f"{call.name} ({call.protocol}): {path}.{name}" for name in members if name not in place)
    assert not wrong, "\n".join(f"{count} x {what}" for what, count in wrong.most_common(20))
    never = [(name, path) for name, list_ in ALWAYS.items() for path, _, _ in list_ if not looked[name, path]]
    assert not never, f"never looked for: {never}"
    report.count("members that Flipback lives on, looked for", looked.total())


def test_every_error_has_its_code_and_message_where_sdks_read_them(refused, report):
    wrong, codes = [], set()
    for call in refused:
        error = parsed(call)["Error"]
        code, message = error.get("Code"), error.get("Message") or error.get("message")
        codes.add(code)
        modelled = {shape.metadata.get("error", {}).get("code", shape.name) for shape in call.model.error_shapes}
        modelled |= {shape.name for shape in call.model.error_shapes}
        # With query compatibility the old code comes in a header.
        modelled |= {(call.response.header("x-amzn-query-error") or "").partition(";")[0]}
        if not message or not code or code not in modelled | COMMON:
            wrong.append(f"{call}: {call.response.status} {error}, the model has {sorted(modelled)}")
        shape = next((shape for shape in call.model.error_shapes
                      if code in (shape.name, shape.metadata.get("error", {}).get("code"))), None)
        status = shape.metadata.get("error", {}).get("httpStatusCode") if shape else None
        if status and status != call.response.status:
            wrong.append(f"{call}: {code} with status {call.response.status}, the model says {status}")
    assert not wrong, "\n".join(wrong)
    assert len(codes) > 15, f"only {sorted(codes)}"
    report.count("errors parsed", len(refused))
    report.count("error codes", len(codes))


def test_every_operation_that_is_served_was_answered(good, report):
    answered = {call.name for call, _ in good}
    with Cloud("--bare") as cloud:
        offered = served.operations(cloud)
    missing = [f"{service}:{operation}" for service, list_ in offered.items() for operation in list_
               if f"{service}:{operation}" not in answered]
    assert not missing, f"served, and no suite calls it: {missing}"
    assert all(offered[service] for service in models.SERVICES if service != "dynamodb"), offered
    report.count("operations served beside DynamoDB's", sum(map(len, offered.values())))
