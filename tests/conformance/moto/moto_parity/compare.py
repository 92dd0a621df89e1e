"""Two transcripts, step by step and member by member.

Ids are not compared by their text: each id of ours must always stand where the same id of theirs stands, and the other way
round. Times are compared by their kind. Everything else must be equal: status, error code, members, values, order.
Messages of errors are for people and are not compared.
"""

import datetime
import re
from dataclasses import dataclass, field

ABSENT = "(absent)"

# Lists in no order that AWS promises, and what their items are told by.
UNORDERED = {
    "Attributes": "Key", "Tags": "Key", "tags": "key", "requiresAttributes": "name", "environment": "name",
    "compatibilities": None, "LoadBalancerArns": None, "Topics": "TopicArn", "QueueUrls": None, "imageTags": None,
    "AvailabilityZones": "ZoneName", "TargetHealthDescriptions": "Target.Id", "Dimensions": "Name", "MetricAlarms": "AlarmName",
    "families": None, "imageIds": "imageTag", "ScalingPolicies": "PolicyName", "Alarms": None, "Rules": "Priority",
}
# Texts without any form: only equality among themselves matters.
OPAQUE = {"ReceiptHandle", "NextToken", "nextToken", "NextMarker", "SequenceNumber"}
# moto gives these to every load balancer.
REPEATED_BY_MOTO = {"50dc6c495c0c9188"}

TOKEN = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\b[0-9a-f]{16,}\b|\b\d{15,}\b|(?<=:scalable-target/)[0-9a-z]+)"
    r"|(?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:?00)|\b1[6-9]\d{8}(?:\d{3})?\b)"
)


def split(text):
    """A text as literals, ids and times."""
    parts, at = [], 0
    for found in TOKEN.finditer(text):
        parts += [("text", text[at:found.start()]), (found.lastgroup, found.group())]
        at = found.end()
    return [*parts, ("text", text[at:])]


def plain(value):
    """A value as the list of differences shows it: ids and times by their kind."""
    if isinstance(value, str):
        return "".join(part if kind == "text" else f"<{kind}>" for kind, part in split(value))
    if isinstance(value, datetime.datetime):
        return "<time>"
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def told_by(item, by):
    """What an item of an unordered list is told by."""
    for name in by.split(".") if by and isinstance(item, dict) else ():
        item = item.get(name) if isinstance(item, dict) else None
    return item


@dataclass
class Found:
    """One difference: where and what, `path` with `[]` for any place in a list."""

    script: str
    step: int
    operation: str
    path: str
    ours: object
    theirs: object


@dataclass
class Comparison:
    """What is known about two worlds' ids, and what was counted on the way."""

    script: str
    endpoints: tuple
    found: list = field(default_factory=list)
    members: int = 0
    calls: int = 0
    to_theirs: dict = field(default_factory=dict)
    to_ours: dict = field(default_factory=dict)

    def steps(self, ours, theirs):
        for number in range(max(len(ours), len(theirs))):
            a = ours[number] if number < len(ours) else None
            b = theirs[number] if number < len(theirs) else None
            if a is None or b is None:
                # The call before it was refused in one world only: the rest cannot be compared.
                operation = (a or b).operation
                self.differ(number, operation, "(the script ended)", "ended" if a is None else "goes on",
                            "ended" if b is None else "goes on")
                return
            self.calls += 1
            if ("error" in a.document) != ("error" in b.document):
                self.members += 1
                self.differ(number, a.operation, "error", verdict(a.document), verdict(b.document))
                continue
            self.value(number, a.operation, "", a.document, b.document)

    def differ(self, step, operation, path, ours, theirs):
        self.found.append(Found(self.script, step, operation, path, plain(ours), plain(theirs)))

    def value(self, step, operation, path, ours, theirs):
        name = path.rsplit(".", 1)[-1].removesuffix("[]")
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for key in [*ours, *(key for key in theirs if key not in ours)]:
                inner = f"{path}.{key}" if path else key
                if key in ours and key in theirs:
                    self.value(step, operation, inner, ours[key], theirs[key])
                else:
                    self.members += 1
                    self.differ(step, operation, inner, ours.get(key, ABSENT), theirs.get(key, ABSENT))
            return
        if isinstance(ours, list) and isinstance(theirs, list):
            self.items(step, operation, path, name, ours, theirs)
            return
        self.members += 1
        if not self.same(name, ours, theirs):
            self.differ(step, operation, path, ours, theirs)

    def items(self, step, operation, path, name, ours, theirs):
        if name in UNORDERED:
            by = UNORDERED[name]
            order = lambda item: repr(plain(told_by(item, by)))
            ours, theirs = sorted(ours, key=order), sorted(theirs, key=order)
            if by and len({order(item) for item in ours}) == len(ours) and len({order(item) for item in theirs}) == len(theirs):
                # Told by their key, so that one more on one side does not shift the others.
                ours, theirs = ({order(item).strip("'"): item for item in side} for side in (ours, theirs))
                if not ours and not theirs:
                    self.members += 1
                for key in [*ours, *(key for key in theirs if key not in ours)]:
                    inner = f"{path}[{key}]" if by in ("Key", "key", "name") else f"{path}[]"
                    if key in ours and key in theirs:
                        self.value(step, operation, inner, ours[key], theirs[key])
                    else:
                        self.members += 1
                        self.differ(step, operation, inner, ours.get(key, ABSENT), theirs.get(key, ABSENT))
                return
        if len(ours) != len(theirs):
            self.members += 1
            self.differ(step, operation, path, ours, theirs)
            return
        if not ours:
            self.members += 1
        for a, b in zip(ours, theirs):
            self.value(step, operation, f"{path}[]", a, b)

    def same(self, name, ours, theirs):
        if isinstance(ours, str) and isinstance(theirs, str):
            return self.same_text(name, ours, theirs)
        if isinstance(ours, bool) or isinstance(theirs, bool):
            return ours is theirs
        if isinstance(ours, datetime.datetime) and isinstance(theirs, datetime.datetime):
            return True
        return ours == theirs

    def same_text(self, name, ours, theirs):
        if name.startswith("MD5"):
            return ours == theirs
        if name in OPAQUE:
            return self.paired(ours, theirs)
        ours, theirs = ours.replace(self.endpoints[0], "http://HOST"), theirs.replace(self.endpoints[1], "http://HOST")
        a, b = split(ours), split(theirs)
        if [kind for kind, _ in a] != [kind for kind, _ in b]:
            return False
        return all(
            kind == "time" or (kind == "text" and x == y) or (kind == "id" and self.paired(x, y))
            for (kind, x), (_, y) in zip(a, b))

    def paired(self, ours, theirs):
        if self.to_theirs.setdefault(ours, theirs) != theirs:
            return False
        return theirs in REPEATED_BY_MOTO or self.to_ours.setdefault(theirs, ours) == ours


def verdict(document):
    """`ok`, or the error's code."""
    return document["error"]["Code"] if "error" in document else "ok"
