"""A local cloud in a process of its own, and AWS clients for it."""

import json
import os
import select
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("FLIPBACK_TARGET") or os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
OUT = TARGET / "conformance"
REGION = "us-east-1"
ACCOUNT = "123456789012"
START_SECONDS = 30

CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=30)


def flipback():
    """The command as `make test` builds it."""
    path = TARGET / "debug" / "flipback"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `make conformance`, which builds it and the functions")
    return path


class Cloud:
    """`flipback local up` on a free port; with a record of every call where a directory is named."""

    def __init__(self, *options, record=None):
        options = ["--listen", "127.0.0.1:0", "--quiet", *options]
        if record is not None:
            options += ["--record", str(record)]
        self._process = subprocess.Popen(
            [flipback(), "local", "up", *options], stdout=subprocess.PIPE, text=True, env=environment("LOCAL"))
        self.endpoint = self._ready()

    def _ready(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if select.select([self._process.stdout], [], [], 0.2)[0]:
                line = self._process.stdout.readline()
                if line.startswith("ready "):
                    return line.split()[1]
        self._process.kill()
        raise RuntimeError(f"the local cloud was not ready after {START_SECONDS} s (exit code {self._process.poll()})")

    def client(self, service, key="SETUP", session=None):
        maker = session or boto3
        return maker.client(service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=key,
                            aws_secret_access_key="secret", config=CONFIG)

    def page(self, name):
        """One of the cloud's own pages, such as `ports`."""
        with urllib.request.urlopen(f"{self.endpoint}/_local/{name}", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        """As Ctrl-C does; whoever does not stop by itself is an error."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        finally:
            self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def environment(key, endpoint=None):
    """Nothing of the caller's AWS settings reaches what is started."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG", "USER") if name in os.environ}
    kept |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": REGION, "HOME": "/nonexistent"}
    if endpoint:
        kept["AWS_ENDPOINT_URL"] = endpoint
    return kept


def until(what, is_so, seconds=60, every=0.2):
    """Waits for something; its value."""
    end = time.monotonic() + seconds
    while True:
        value = is_so()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)
