"""Input documents made from botocore's own model: every member, with a value of its type."""

import botocore.session

# Where the shape says `string` and the service wants more.
WORDS = {
    "cpu": "256", "memory": "512", "taskRoleArn": "arn:aws:iam::123456789012:role/task",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution", "containerPortRange": "9000-9010",
    "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/word", "hostname": "host", "user": "1000",
    "type": "amd64", "expression": "attribute:ecs.os-type == linux",
}

# The one key of every map.
ANY_KEY = "any-key"


def filled(service, operation):
    """The input of an operation with every member of its shape."""
    model = botocore.session.get_session().get_service_model(service)
    return _value(model.operation_model(operation).input_shape, operation, ())


def members(shape, seen=()):
    """Every member's path below a shape."""
    if shape.type_name == "structure" and shape.name not in seen:
        for name, inner in shape.members.items():
            yield name
            yield from (f"{name}.{path}" for path in members(inner, (*seen, shape.name)))
    elif shape.type_name == "list":
        yield from members(shape.member, seen)


def _value(shape, name, seen):
    kind = shape.type_name
    if kind == "structure":
        if shape.name in seen:
            return {}
        return {key: _value(inner, key, (*seen, shape.name)) for key, inner in shape.members.items()}
    if kind == "list":
        return [_value(shape.member, name, seen)]
    if kind == "map":
        return {ANY_KEY: _value(shape.value, name, seen)}
    if kind == "string":
        words = getattr(shape, "enum", None)
        return words[0] if words else WORDS.get(name, f"a-{name.lower()}")
    if kind in ("integer", "long"):
        return max(int(shape.metadata.get("min", 1)), 1)
    if kind in ("double", "float"):
        return 1.5
    if kind == "boolean":
        return True
    raise TypeError(f"{name}: no value for a {kind} yet: add one to moto_parity/shapes.py")
