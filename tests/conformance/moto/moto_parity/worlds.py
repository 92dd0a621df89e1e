"""The two worlds a script is played in: the local cloud in a process of its own, moto as a server in this one."""

import json
import logging
import os
import select
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parents[4]
REGION = "us-east-1"
KEY, SECRET = "AKIDPARITY", "secret"
START_SECONDS = 20


def flipback():
    """The command that `make test` builds; `FLIPBACK_BIN` names another one."""
    target = Path(os.environ.get("FLIPBACK_TARGET") or os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    named = os.environ.get("FLIPBACK_BIN")
    path = Path(named) if named else target / "debug" / "flipback"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `make conformance`, which builds it")
    return path


class World:
    """An endpoint and its clients. Retries are off: a refused call shall be seen once."""

    def __init__(self, name, endpoint):
        self.name, self.endpoint, self._clients = name, endpoint, {}

    def client(self, service, checked=True):
        if (service, checked) not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, parameter_validation=checked, read_timeout=30)
            self._clients[service, checked] = boto3.client(
                service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=KEY,
                aws_secret_access_key=SECRET, config=config)
        return self._clients[service, checked]

    def raw(self, service, target, document):
        """One signed AWS JSON 1.1 request as no SDK would send it; status and document."""
        request = AWSRequest("POST", self.endpoint + "/", data=json.dumps(document), headers={
            "X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"})
        SigV4Auth(Credentials(KEY, SECRET), service, REGION).add_auth(request)
        prepared = request.prepare()
        body = prepared.body if isinstance(prepared.body, bytes) else prepared.body.encode()
        sent = urllib.request.Request(prepared.url, data=body, headers=dict(prepared.headers))
        try:
            with urllib.request.urlopen(sent, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


class LocalCloud:
    """`flipback local up --bare` on a free port: a fresh, empty account for as long as the `with` lasts."""

    def __enter__(self):
        command = [str(flipback()), "local", "up", "--bare", "--quiet", "--pace", "aws", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("ready "):
            self.process.kill()
            _, said = self.process.communicate()
            raise RuntimeError(f"the local cloud did not get ready in {START_SECONDS} s; it said: {line}{said}")
        return World("ours", line.split()[1])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=START_SECONDS)


class Moto:
    """moto's own server. It is started once; `fresh` empties it."""

    def __init__(self):
        # pytest calls this folder `moto` too; the library goes by that name.
        if getattr(sys.modules.get("moto"), "__file__", None) is None:
            sys.modules.pop("moto", None)
        from moto.server import ThreadedMotoServer

        # A line for each request would bury what the suite says.
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"

    def fresh(self):
        request = urllib.request.Request(self.endpoint + "/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()
        return World("moto", self.endpoint)

    def stop(self):
        self.server.stop()


class Things:
    """What moto wants to see before it makes load balancers, and the local cloud takes as it is: the same in both worlds, made
    when a script asks for it."""

    def __init__(self, moto):
        self._moto, self._made = moto, {}

    def __getitem__(self, name):
        if name not in self._made:
            self._made[name] = getattr(self, f"_{name}")()
        return self._made[name]

    def _zones(self):
        subnets = self._moto.client("ec2").describe_subnets()["Subnets"]
        return sorted(subnets, key=lambda subnet: subnet["AvailabilityZone"])

    def _vpc(self):
        return self["zones"][0]["VpcId"]

    def _subnets(self):
        return [subnet["SubnetId"] for subnet in self["zones"][:2]]

    def _security_group(self):
        ec2 = self._moto.client("ec2")
        return ec2.create_security_group(GroupName="parity", Description="parity", VpcId=self["vpc"])["GroupId"]

    def _certificate(self):
        return self._moto.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]
