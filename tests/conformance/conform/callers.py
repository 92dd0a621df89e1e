"""Who plays the script: boto3, in the protocol of choice, and the AWS CLI."""

import copy
import io
import json
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import boto3
import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError

from . import models
from .cloud import REGION, environment


class Boto3:
    """boto3; CloudWatch in the protocol named, where one is."""

    def __init__(self, cloud, cloudwatch=None):
        core = botocore.session.Session()
        if cloudwatch:
            _speak(core, cloudwatch)
        self._session, self._cloud, self._clients = boto3.Session(botocore_session=core), cloud, {}
        self.calls = 0

    def call(self, service, operation, members):
        self.calls += 1
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._cloud.client(models.SERVICES[service], "BOTO3", self._session)
        return getattr(client, xform_name(operation))(**members)

    def refused(self, code, service, operation, members):
        try:
            self.call(service, operation, members)
        except ClientError as error:
            assert error.response["Error"]["Code"] == code, error.response["Error"]
            assert error.response["Error"]["Message"], error.response["Error"]
            return
        raise AssertionError(f"{operation}: {code} was expected")


def _speak(core, protocol):
    """Makes a session's CloudWatch speak one protocol."""
    loader = core.get_component("data_loader")
    load = loader.load_service_model

    def loaded(service, kind, api_version=None):
        found = load(service, kind, api_version)
        if service == "cloudwatch" and kind == "service-2":
            found = copy.deepcopy(found)
            found["metadata"] |= {"protocol": protocol, "protocols": [protocol]}
        return found
    loader.load_service_model = loaded


class AwsCli:
    """The AWS CLI's own driver, run in this process: a second for each of a hundred interpreters is saved."""

    def __init__(self, cloud):
        self._cloud, self._driver, self.calls = cloud, None, 0

    def call(self, service, operation, members):
        code, out, err = self._run(service, operation, members)
        assert code == 0, f"aws {models.SERVICES[service]} {operation}: exit code {code}\n{err}"
        return json.loads(out) if out.strip() else {}

    def refused(self, code, service, operation, members):
        exit_code, _, err = self._run(service, operation, members)
        assert exit_code not in (0, None), f"{operation}: {code} was expected"
        said = re.search(r"An error occurred \(([^)]+)\) when calling the (\w+) operation[^:]*: (.+)", err)
        assert said and said.group(1) == code and said.group(2) == operation and said.group(3).strip(), err

    def _run(self, service, operation, members):
        # Importing it names its own data in the environment.
        from awscli.clidriver import create_clidriver
        self.calls += 1
        kept = environment("AWSCLI") | {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}
        line = [models.SERVICES[service], xform_name(operation, "-"), "--output", "json",
                "--cli-input-json", json.dumps(members), "--endpoint-url", self._cloud.endpoint, "--region", REGION]
        out, err = _Text(), _Text()
        with mock.patch.dict(os.environ, kept, clear=True), mock.patch.object(sys, "argv", ["aws"]):
            with redirect_stdout(out), redirect_stderr(err):
                self._driver = self._driver or create_clidriver()
                code = self._driver.main(line)
        return code, out.getvalue(), err.getvalue()


class _Text(io.StringIO):
    """The CLI asks its streams for their encoding."""

    encoding = "utf-8"
