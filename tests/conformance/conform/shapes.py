"""A document against a shape: members, types, required ones, enumerations, lengths, ranges and patterns.

botocore's own validator looks at types, required members and minima only; AWS looks at all of it.
"""

import base64
import binascii
import datetime
import re as stdlib_re
from collections import Counter

import regex

ISO_8601 = stdlib_re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$")

# Java writes the code points above 0xFFFF as a pair.
SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"


class Check:
    """Checks documents of one protocol; counts what it saw and keeps what it found as (path, what)."""

    def __init__(self, protocol, response):
        self.protocol, self.response = protocol, response
        self.found, self.members, self.paths = [], 0, Counter()

    def report(self, path, what):
        self.found.append((path or "(the document)", what))

    def document(self, value, shape):
        """The whole document; an operation without a shape has an empty one."""
        if shape is None:
            for name in value:
                self.report(name, "unknown member: the operation has none")
            return self
        self._structure(value, shape, "")
        return self

    def _value(self, value, shape, path):
        self.members += 1
        self.paths[path] += 1
        if value is None:
            self.report(path, "null: AWS leaves absent members out")
            return
        getattr(self, f"_{shape.type_name}")(value, shape, path)

    def _structure(self, value, shape, path):
        if not isinstance(value, dict):
            return self._type(value, shape, path)
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        if self.protocol in ("query", "ec2"):
            names = {name: name for name in shape.members}
        for name in shape.required_members:
            if not any(known == name for key, known in names.items() if key in value):
                self.report(f"{path}.{name}".lstrip("."), "required and missing")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            self.report(path, f"a union of {len(value)} members")
        for key, item in value.items():
            inner = f"{path}.{key}".lstrip(".")
            if key in names:
                self._value(item, shape.members[names[key]], inner)
            else:
                self.report(inner, "unknown member")

    def _list(self, value, shape, path):
        if not isinstance(value, list):
            return self._type(value, shape, path)
        self._bounds(len(value), shape, path, "items")
        for item in value:
            self._value(item, shape.member, f"{path}[]")

    def _map(self, value, shape, path):
        if not isinstance(value, dict):
            return self._type(value, shape, path)
        self._bounds(len(value), shape, path, "entries")
        for key, item in value.items():
            self._string(key, shape.key, f"{path} (key)")
            self._value(item, shape.value, f"{path}{{}}")

    def _string(self, value, shape, path):
        if not isinstance(value, str):
            return self._type(value, shape, path)
        self._bounds(len(value), shape, path, "characters")
        if shape.enum and value not in shape.enum:
            self.report(path, f"{value!r} is not of the enumeration {shape.name}")
        pattern = shape.metadata.get("pattern")
        if pattern and not _pattern(pattern).fullmatch(value):
            self.report(path, f"{value!r} does not match {pattern}")

    _character = _string

    def _integer(self, value, shape, path):
        if isinstance(value, bool) or not isinstance(value, int):
            return self._type(value, shape, path)
        self._bounds(value, shape, path, "")

    _long = _integer

    def _double(self, value, shape, path):
        # A CBOR double that is written as an integer fails the whole call in the Rust SDK.
        kinds = (float,) if self.protocol == "smithy-rpc-v2-cbor" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            return self._type(value, shape, path)
        self._bounds(value, shape, path, "")

    _float = _double

    def _boolean(self, value, shape, path):
        if not isinstance(value, bool):
            self._type(value, shape, path)

    def _timestamp(self, value, shape, path):
        if self.protocol == "smithy-rpc-v2-cbor":
            good = isinstance(value, datetime.datetime)
        elif self.protocol == "json":
            good = isinstance(value, (int, float)) and not isinstance(value, bool)
        else:
            good = isinstance(value, str) and ISO_8601.match(value)
        if not good:
            self._type(value, shape, path)

    def _blob(self, value, shape, path):
        if self.protocol == "smithy-rpc-v2-cbor":
            if not isinstance(value, bytes):
                self._type(value, shape, path)
            return
        try:
            base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            self._type(value, shape, path)

    def _type(self, value, shape, path):
        self.report(path, f"{type(value).__name__} {str(value)[:60]!r} where {shape.name} is a {shape.type_name}")

    def _bounds(self, size, shape, path, what):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and size < low:
            self.report(path, f"{size} {what}, less than {low}".replace(" ,", ","))
        if high is not None and size > high:
            self.report(path, f"{size} {what}, more than {high}".replace(" ,", ","))


_PATTERNS = {}


def _pattern(text):
    if text not in _PATTERNS:
        python = text.replace(SURROGATES, r"\U00010000-\U0010FFFF").replace(r"\p{Print}", r"[\x20-\x7e]")
        _PATTERNS[text] = regex.compile(python)
    return _PATTERNS[text]
