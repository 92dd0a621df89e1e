"""The form of a listed difference, and what decides it."""

import re
from dataclasses import dataclass
from functools import cache

import botocore.session

from .compare import ABSENT


class Like:
    """A text that fits a regular expression."""

    def __init__(self, pattern):
        self.pattern = re.compile(pattern, re.DOTALL)

    def fits(self, value):
        return isinstance(value, str) and bool(self.pattern.fullmatch(value))

    def __repr__(self):
        return f"a text like {self.pattern.pattern}"


class Any:
    """Whatever it is, as long as it is there."""

    def fits(self, value):
        return value != ABSENT

    def __repr__(self):
        return "(some value)"


ANY = Any()


def fits(pattern, value):
    return pattern.fits(value) if isinstance(pattern, (Like, Any)) else pattern == value


@dataclass(frozen=True)
class Source:
    """Where AWS says it. Those of botocore's model are looked up again by a test."""

    kind: str
    place: str
    words: str = ""

    def __str__(self):
        match self.kind:
            case "said":
                return f"AWS's API model, {self.place}: \"{self.words}\""
            case "member":
                return f"AWS's API model has {self.place}"
            case "refuses":
                return f"AWS's API model: {self.place} answers {self.words}"
            case "allows":
                return f"AWS's API model: {self.place} allows {self.words}"
        return self.place

    def holds(self):
        """Whether botocore's model really says so; a plain text cannot be looked up."""
        match self.kind:
            case "said":
                return self.words in documentation(self.place)
            case "member":
                service, shape, member = self.place.split(".")
                return member in model(service).shape_for(shape).members
            case "refuses":
                service, operation = self.place.split(".")
                return self.words in {shape.name for shape in model(service).operation_model(operation).error_shapes}
            case "allows":
                service, shape = self.place.split(".")
                return self.words in constraint(model(service).shape_for(shape))
        return True


def said(place, words):
    """`elbv2.CreateRule` or `elbv2.Shape.Member`, and what its documentation says there, in AWS's words."""
    return Source("said", place, words)


def member(place):
    """`ecs.Service.createdAt`: the model knows the member."""
    return Source("member", place)


def refuses(place, error):
    """The errors of an operation have this one among them."""
    return Source("refuses", place, error)


def allows(place, words):
    """What a shape allows: `1..5`, a pattern or a word of its enumeration."""
    return Source("allows", place, words)


def known(text):
    """What no model says: where else it is from."""
    return Source("known", text)


def broken(operation, code, script, why, source, status=400):
    """moto answers a bad request with an error of its own."""
    given = dict(right="ours", why=why, source=source, script=script, times=1)
    return [
        Difference((operation,), ("error.Code",), code, "500", **given),
        Difference((operation,), ("error.status",), status, 500, **given),
    ]


def taken_by_moto(operation, code, script, times, why, source):
    """moto does what AWS refuses."""
    return Difference((operation,), ("error",), code, "ok", "ours", why, source, script, times)


@cache
def model(service):
    return botocore.session.get_session().get_service_model(service)


def documentation(place):
    service, name, *inner = place.split(".")
    known = model(service)
    if inner:
        text = known.shape_for(name).members[inner[0]].documentation
    elif name in known.operation_names:
        text = known.operation_model(name).documentation
    else:
        text = known.shape_for(name).documentation
    return " ".join(re.sub(r"<[^>]+>", "", text).replace("&#39;", "'").split())


def constraint(shape):
    low, high = shape.metadata.get("min", ""), shape.metadata.get("max", "")
    return [f"{low}..{high}", shape.metadata.get("pattern", ""), *getattr(shape, "enum", [])]


@dataclass
class Difference:
    """One reason for which the answers differ, and every place where they do."""

    operations: tuple
    paths: tuple
    ours: object
    theirs: object
    # "ours", "moto", or "either" where AWS leaves it open or nobody could prove it.
    right: str
    why: str
    source: Source
    # Errors are told by the script and their number: another call that is refused by mistake must not hide behind these.
    script: str = ""
    times: int = 0
    # Depends on how far time has gone: not every run shows it.
    sometimes: bool = False

    def __post_init__(self):
        assert self.right in ("ours", "moto", "either"), self.right
        assert self.why and self.source, self.paths
        if any(path.startswith("error") for path in self.paths):
            assert self.script and self.times, f"{self.operations} {self.paths}: an error needs script and times"
        self.seen, self.seen_paths, self.seen_operations = 0, set(), set()
        self._paths = {path: pattern(path) for path in self.paths}
        self._operations = {name: pattern(name) for name in self.operations}

    def covers(self, found):
        """Whether this is the reason; counts it if so."""
        if self.script and self.script != found.script:
            return False
        paths = [path for path, regex in self._paths.items() if regex.fullmatch(found.path)]
        operations = [name for name, regex in self._operations.items() if regex.fullmatch(found.operation)]
        if not (paths and operations and fits(self.ours, found.ours) and fits(self.theirs, found.theirs)):
            return False
        self.seen += 1
        self.seen_paths.update(paths)
        self.seen_operations.update(operations)
        return True

    def stale(self):
        """What is listed and did not occur."""
        if self.sometimes:
            return []
        gone = [f"path {path}" for path in self.paths if path not in self.seen_paths]
        gone += [f"operation {name}" for name in self.operations if name not in self.seen_operations]
        if self.times and self.seen != self.times:
            gone.append(f"{self.times} times, seen {self.seen} times")
        return gone


def pattern(text):
    """`*` is anything without a dot, `**` is anything, everything else is itself."""
    parts = re.split(r"(\*\*?)", text)
    return re.compile("".join({"*": "[^.]*", "**": ".*"}.get(part, re.escape(part)) for part in parts))
