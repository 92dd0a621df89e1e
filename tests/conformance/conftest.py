"""What the suites share: the stories and the script are played once, before the first test that reads their record."""

import os

import pytest

from conform import callers, every, record, stories
from conform.cloud import OUT, Cloud
from conform.report import Report

REPORT = Report()


@pytest.fixture(scope="session")
def report():
    return REPORT


def pytest_terminal_summary(terminalreporter):
    if REPORT.lines:
        terminalreporter.section("wire conformance")
        terminalreporter.write_line(REPORT.write())
        terminalreporter.write_line(f"written to {os.path.relpath(OUT / 'report.json')}")


@pytest.fixture(scope="session")
def told():
    """What the stories left."""
    return stories.play()


@pytest.fixture(scope="session")
def story_calls(told):
    return record.read(told.record)


def _script(caller, name, report):
    directory = OUT / name
    with Cloud("--bare", record=directory) as cloud:
        who = caller(cloud)
        every.Script(who.call, who.refused, cloud).play()
    report.count(f"calls of the script, {name}", who.calls)
    return record.read(directory / "calls.jsonl")


@pytest.fixture(scope="session")
def boto3_calls(report):
    return _script(callers.Boto3, "boto3", report)


@pytest.fixture(scope="session")
def query_calls(report):
    """boto3 with CloudWatch as a form, as older releases spoke it."""
    return _script(lambda cloud: callers.Boto3(cloud, "query"), "boto3, CloudWatch as query", report)


@pytest.fixture(scope="session")
def cbor_calls(report):
    """boto3 with CloudWatch as CBOR, as the Rust SDK speaks it."""
    return _script(lambda cloud: callers.Boto3(cloud, "smithy-rpc-v2-cbor"), "boto3, CloudWatch as CBOR", report)


@pytest.fixture(scope="session")
def aws_cli_calls(report):
    return _script(callers.AwsCli, "AWS CLI", report)


@pytest.fixture(scope="session")
def all_calls(story_calls, boto3_calls, query_calls, cbor_calls, aws_cli_calls):
    return [*story_calls, *boto3_calls, *query_calls, *cbor_calls, *aws_cli_calls]
