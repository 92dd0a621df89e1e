"""The calls that a local cloud recorded (`flipback local up --record`), as they were on the wire."""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from . import models


@dataclass(frozen=True)
class Message:
    """A request or a response: its headers in lower case, its body as bytes."""

    headers: tuple
    body: bytes
    path: str = "/"
    status: int = 0

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def fields(self):
        """The fields of a form."""
        return parse_qsl(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Call:
    """One call: who made it, what it is by its own request, and what the local cloud took it for."""

    number: int
    caller: str
    request: Message
    response: Message
    told: tuple
    taken: tuple

    @property
    def service(self):
        return self.told[0]

    @property
    def operation(self):
        return self.told[1]

    @property
    def protocol(self):
        return self.told[2]

    @property
    def model(self):
        return models.model(self.service).operation_model(self.operation)

    @property
    def name(self):
        return f"{self.service}:{self.operation}"

    def __str__(self):
        return f"call {self.number}, {self.caller} {self.name} ({self.protocol})"


def read(path):
    """Every call of a record, in its order. Those cut off by a SIGKILL in mid-write are not there."""
    with open(path, encoding="utf-8") as lines:
        return [_call(number, json.loads(line)) for number, line in enumerate(lines, 1) if line.endswith("\n")]


def _call(number, line):
    request = _message(line["request"], path=line["request"]["path"])
    response = _message(line["response"], status=line["response"]["status"])
    protocol = {"cbor": "smithy-rpc-v2-cbor"}.get(line["protocol"], line["protocol"])
    taken = (line["service"], line["operation"], protocol) if line["service"] else None
    return Call(number, line["caller"], request, response, models.tell(request), taken)


def _message(message, **more):
    body = message["body"]
    body = bytes.fromhex(body["hex"]) if isinstance(body, dict) else body.encode()
    return Message(tuple((name, value) for name, value in message["headers"]), body, **more)
