"""Valid values made from a shape: every member of a structure, so that nothing a model knows is forgotten."""

# Where the model says less than AWS: values that AWS would take.
KNOWN = {
    "containerPortRange": "8000-8010",
    "expirationDate": 0,
    "resourceArn": "arn:aws:ecs:us-east-1:123456789012:service/x",
}


def whole(shape, path=""):
    """A value of this shape with every member at every depth."""
    kind = shape.type_name
    name = path.rpartition(".")[2].removesuffix("[]")
    if name in KNOWN:
        return KNOWN[name]
    if kind == "structure":
        return {member: whole(inner, f"{path}.{member}") for member, inner in shape.members.items()}
    if kind == "list":
        return [whole(shape.member, f"{path}[]")]
    if kind == "map":
        return {whole(shape.key, f"{path}(key)"): whole(shape.value, f"{path}(value)")}
    if kind == "string":
        return shape.enum[0] if shape.enum else f"a-{name.lower() or 'text'}"
    if kind in ("integer", "long"):
        return max(int(shape.metadata.get("min", 0)), 7)
    if kind in ("double", "float"):
        return 1.5
    if kind == "boolean":
        return True
    raise NotImplementedError(f"{path}: a {kind}")


def members(value, path=""):
    """The paths of a document, list places left out."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}".lstrip(".")
            yield from members(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from members(item, f"{path}[]")
