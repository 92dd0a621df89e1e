"""Which members AWS is known to send: those in every published example of an operation's answer.

Two publications are read: the examples beside botocore's models, and the answers in the AWS CLI's help pages. A member
counts as always sent where every example that has its surroundings has it too.
"""

import functools
import json
import re
from collections import defaultdict
from importlib import resources
from pathlib import Path

from botocore import xform_name

from . import models


class Known:
    """Per place in an answer (its path): in how many examples it stands, and how often each member is there."""

    def __init__(self):
        self.places, self.members, self.sources = defaultdict(int), defaultdict(lambda: defaultdict(int)), set()

    def add(self, document, shape, source):
        self.sources.add(source)
        self._walk(document, shape, "")

    def _walk(self, value, shape, path):
        if shape.type_name == "structure" and isinstance(value, dict):
            self.places[path] += 1
            for name, item in value.items():
                if name in shape.members:
                    self.members[path][name] += 1
                    self._walk(item, shape.members[name], f"{path}.{name}".lstrip("."))
        elif shape.type_name == "list" and isinstance(value, list):
            for item in value:
                self._walk(item, shape.member, f"{path}[]")

    def always(self, path):
        """The members that every example has at this place."""
        return [name for name, count in self.members[path].items() if count == self.places[path]]


@functools.cache
def known(service, operation):
    """What the examples say of an operation's answer."""
    shape = models.model(service).operation_model(operation).output_shape
    result = Known()
    if shape is None:
        return result
    for document in _botocore(service, operation):
        result.add(document, shape, "botocore examples")
    for document in _cli(service, operation):
        result.add(document, shape, "AWS CLI examples")
    return result


def _botocore(service, operation):
    loader = models.session().get_component("data_loader")
    try:
        found = loader.load_service_model(models.SERVICES[service], "examples-1")
    except Exception:  # noqa: BLE001 - a service without examples
        return
    for example in found.get("examples", {}).get(operation, []):
        if isinstance(example.get("output"), dict) and example["output"]:
            yield example["output"]


def _cli(service, operation):
    page = Path(str(resources.files("awscli"))) / "examples" / models.SERVICES[service] / f"{xform_name(operation, '-')}.rst"
    if not page.is_file():
        return
    text = page.read_text(encoding="utf-8")
    # An indented block that is a JSON object: the answer. Commands are indented too and are no JSON.
    for block in re.finditer(r"^([ \t]+)\{[ \t]*\n(?:.*\n)*?\1\}[ \t]*$", text, re.MULTILINE):
        try:
            document = json.loads(block.group())
        except ValueError:
            continue
        yield document


def missing(document, shape, service, operation):
    """(path, member) of what every example has at a place of this answer and this answer has not."""
    facts = known(service, operation)
    found = []

    def walk(value, inner, path):
        if inner.type_name == "structure" and isinstance(value, dict):
            found.extend((path, name) for name in facts.always(path) if name not in value)
            for name, item in value.items():
                if name in inner.members:
                    walk(item, inner.members[name], f"{path}.{name}".lstrip("."))
        elif inner.type_name == "list" and isinstance(value, list):
            for item in value:
                walk(item, inner.member, f"{path}[]")
    if shape is not None:
        walk(document, shape, "")
    return found
