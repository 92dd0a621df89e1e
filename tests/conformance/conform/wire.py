"""Bodies as documents, decoded by the shape of the model: JSON, CBOR, forms and XML alike.

What the shape does not know is kept in the document under its own name, so that the check of the document finds it.
"""

import io
import json
import xml.etree.ElementTree as ET

from botocore.parsers import RpcV2CBORParser

_CBOR = RpcV2CBORParser()


class Unreadable(Exception):
    """The body is not what its protocol says."""


def request(call):
    """The input document of a call."""
    body, shape = call.request.body, call.model.input_shape
    if call.protocol in ("query", "ec2"):
        return _form(call.request.fields(), shape, _ec2_name if call.protocol == "ec2" else _query_name)
    return _document(body, call.protocol)


def response(call):
    """The output document of a call that went well."""
    if call.protocol == "query":
        return _xml(call)
    if call.protocol == "ec2":
        return _ec2_xml(call)
    return _document(call.response.body, call.protocol)


def _document(body, protocol):
    if not body:
        return {}
    try:
        document = cbor(body) if protocol == "smithy-rpc-v2-cbor" else json.loads(body)
    except (ValueError, KeyError, IndexError) as error:
        raise Unreadable(f"{error!r} in {body[:80]!r}") from error
    if not isinstance(document, dict):
        raise Unreadable(f"no document: {body[:80]!r}")
    return document


def cbor(body):
    """One CBOR item, by botocore's own reader. Whether a number was a float is kept by its Python type."""
    return _CBOR.parse_data_item(io.BufferedReader(io.BytesIO(body)))


# ---- forms: botocore/serialize.py, QuerySerializer, backwards

def _form(fields, shape, named):
    tree = {}
    for key, text in fields:
        if key in ("Action", "Version"):
            continue
        node = tree
        for part in key.split("."):
            node = node.setdefault(part, {})
        node[""] = text
    return _form_structure(tree, shape, named)


def _form_structure(tree, shape, named):
    members = shape.members if shape else {}
    by_name = {named(member, name): (name, member) for name, member in members.items()}
    document = {}
    for key, node in tree.items():
        if key == "":
            raise Unreadable(f"a text where {shape.name} is a structure: {node!r}")
        name, member = by_name.get(key, (key, None))
        document[name] = _form_value(node, member, named) if member else node
    return document


def _query_name(shape, name):
    if shape.type_name == "list" and shape.serialization.get("flattened") and shape.member.serialization.get("name"):
        return shape.member.serialization["name"]
    return shape.serialization.get("name", name)


def _ec2_name(shape, name):
    """EC2: a name of its own, or the one of answers with a capital letter (botocore/serialize.py, EC2Serializer)."""
    return shape.serialization.get("queryName") or shape.serialization.get("name", name)[0].upper() + shape.serialization.get("name", name)[1:]


def _form_value(node, shape, named):
    kind = shape.type_name
    if kind == "structure":
        return _form_structure(node, shape, named)
    if kind == "list":
        if list(node) == [""] and node[""] == "":
            return []
        flat = shape.serialization.get("flattened") or named is _ec2_name
        items = node if flat else _only(node, shape.member.serialization.get("name", "member"), shape)
        return [_form_value(items[key], shape.member, named) for key in sorted(items, key=int)]
    if kind == "map":
        flat = shape.serialization.get("flattened")
        entries = node if flat else _only(node, "entry", shape)
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        pairs = (entries[key] for key in sorted(entries, key=int))
        return {pair[key_name][""]: _form_value(pair[value_name], shape.value, named) for pair in pairs}
    if set(node) != {""}:
        raise Unreadable(f"members where {shape.name} is a {kind}: {sorted(node)}")
    return _scalar(node[""], kind)


def _only(node, name, shape):
    if set(node) != {name}:
        raise Unreadable(f"{shape.name} wants .{name}.N, not {sorted(node)}")
    return node[name]


# ---- XML: result wrapper, lists as members, maps as entries

def _root(call):
    """The root of an answer, and its children by their names."""
    try:
        root = ET.fromstring(call.response.body)
    except ET.ParseError as error:
        raise Unreadable(f"{error} in {call.response.body[:80]!r}") from error
    if _tag(root) != f"{call.operation}Response":
        raise Unreadable(f"the root is {_tag(root)}")
    return root, {_tag(child): child for child in root}


def _xml(call):
    shape = call.model.output_shape
    _, children = _root(call)
    if "ResponseMetadata" not in children:
        raise Unreadable("no ResponseMetadata")
    wrapper = shape.serialization.get("resultWrapper") if shape else None
    if wrapper is None:
        others = set(children) - {"ResponseMetadata", f"{call.operation}Result"}
        if others:
            raise Unreadable(f"children of an operation without output: {sorted(others)}")
        return {}
    if list(children)[0] != wrapper:
        raise Unreadable(f"the first child is {list(children)[0]}, not {wrapper}")
    return _xml_structure(children[wrapper], shape)


def _ec2_xml(call):
    """Members under the root itself, beside the request's id."""
    shape = call.model.output_shape
    root, children = _root(call)
    if "requestId" not in children:
        raise Unreadable("no requestId")
    root.remove(children["requestId"])
    if shape is None:
        # Operations that have no output answer with a word: EC2 API reference, DeleteSubnet.
        if [_tag(child) for child in root] != ["return"]:
            raise Unreadable(f"children of an operation without output: {sorted(children)}")
        return {}
    return _xml_structure(root, shape)


def _tag(node):
    return node.tag.rpartition("}")[2]


def _xml_structure(node, shape):
    document, flat = {}, {}
    by_name = {}
    for name, member in shape.members.items():
        by_name[_query_name(member, name)] = (name, member)
    for child in node:
        name, member = by_name.get(_tag(child), (_tag(child), None))
        if member is None:
            document[name] = child.text
        elif member.type_name == "list" and member.serialization.get("flattened"):
            flat.setdefault(name, []).append(_xml_value(child, member.member))
        elif name in document:
            raise Unreadable(f"{name} twice in {shape.name}")
        else:
            document[name] = _xml_value(child, member)
    return document | flat


def _xml_value(node, shape):
    kind = shape.type_name
    if kind == "structure":
        return _xml_structure(node, shape)
    if kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in node:
            if _tag(child) != wanted:
                raise Unreadable(f"{shape.name} wants <{wanted}>, not <{_tag(child)}>")
        return [_xml_value(child, shape.member) for child in node]
    if kind == "map":
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        document = {}
        for entry in node:
            pair = {_tag(child): child for child in entry}
            if _tag(entry) != "entry" or set(pair) != {key_name, value_name}:
                raise Unreadable(f"{shape.name} wants <entry> of {key_name} and {value_name}, not <{_tag(entry)}> of {sorted(pair)}")
            document[pair[key_name].text or ""] = _xml_value(pair[value_name], shape.value)
        return document
    if len(node):
        raise Unreadable(f"elements where {shape.name} is a {kind}")
    return _scalar(node.text or "", kind)


def _scalar(text, kind):
    """A text as the value its shape wants; one that is none stays a text, for the check to find."""
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("double", "float"):
            return float(text)
    except ValueError:
        return text
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
