"""Every script in both worlds: what differs must be listed, and what is listed must differ."""

from functools import cache

import pytest

from moto_parity import scripts, worlds  # noqa: F401
from moto_parity.compare import Comparison, Found
from moto_parity.differences import DIFFERENCES
from moto_parity.listed import Difference, known, model
from moto_parity.script import SCRIPTS, Step, play
from moto_parity.scripts import definitions
from moto_parity.shapes import ANY_KEY, members


@cache
def moto():
    return worlds.Moto()


@cache
def compared(name):
    """A script's comparison, made once however many tests ask for it, and what of it is not listed."""
    theirs = moto().fresh()
    things = worlds.Things(theirs)
    with worlds.LocalCloud() as ours:
        comparison = Comparison(name, (ours.endpoint, theirs.endpoint))
        comparison.steps(play(name, ours, things), play(name, theirs, things))
    unlisted, right = [], {"ours": 0, "moto": 0, "either": 0}
    for found in comparison.found:
        listed = next((entry for entry in DIFFERENCES if entry.covers(found)), None)
        if listed is None:
            unlisted.append(found)
        else:
            right[listed.right] += 1
    return comparison, unlisted, right


def line(found):
    return f"{found.operation} (call {found.step + 1}) {found.path}: ours {found.ours!r}, moto {found.theirs!r}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_both_worlds_give_the_same_answers(name):
    comparison, unlisted, _ = compared(name)
    assert comparison.calls > 0
    assert not unlisted, "differences that are not in moto_parity/differences:\n" + "\n".join(map(line, unlisted))


def test_no_listed_difference_is_gone():
    for name in SCRIPTS:
        compared(name)
    gone = [f"{entry.operations} {entry.paths}: {what}" for entry in DIFFERENCES for what in entry.stale()]
    assert not gone, "listed and no longer seen: take it out of moto_parity/differences\n" + "\n".join(gone)


@pytest.mark.parametrize("entry", DIFFERENCES, ids=lambda entry: f"{entry.operations[0]} {entry.paths[0]}")
def test_aws_says_so(entry):
    """The words that decide a difference stand in botocore's model as they are quoted."""
    assert entry.source.holds(), f"{entry.source}: not in this botocore's model"


def test_the_counts(report):
    """What was compared, for people and for the report."""
    results = [compared(name) for name in SCRIPTS]
    right = {side: sum(result[2][side] for result in results) for side in ("ours", "moto", "either")}
    differing = sum(len(result[0].found) for result in results)
    members = sum(result[0].members for result in results)
    counts = {
        "scripts": len(results), "calls": sum(result[0].calls for result in results), "members": members,
        "equal": members - differing, "differences": differing, "explained": sum(right.values()), "reasons": len(DIFFERENCES),
        "ours_right": right["ours"], "moto_right": right["moto"], "both_allowed": right["either"],
    }
    for name, count in counts.items():
        report.count(f"moto: {name.replace('_', ' ')}", count)
    who = {"ours": "ours is right", "moto": "moto is right", "either": "both are allowed"}
    for entry in DIFFERENCES:
        why = f"moto differs, {who[entry.right]}: {entry.why} ({entry.source})"
        report.explain(", ".join(entry.operations), ", ".join(entry.paths), why)
    assert counts["scripts"] >= 60 and counts["calls"] >= 700 and counts["equal"] > 5 * counts["differences"] // 2, counts


def lost(given, shown, path=""):
    """The members of `given` that `shown` has not, or otherwise."""
    if isinstance(given, dict):
        for name, inner in given.items():
            yield from lost(inner, shown.get(name) if isinstance(shown, dict) else None, f"{path}.{name}")
    elif isinstance(given, list) and isinstance(shown, list) and len(given) == len(shown):
        for a, b in zip(given, shown):
            yield from lost(a, b, f"{path}[]")
    elif given != shown:
        yield path


def test_no_member_of_a_task_definition_is_lost():
    """What both worlds drop would differ in neither: so what was written is compared with what is read."""
    given = definitions.every_member()
    written = set(members(model("ecs").operation_model("RegisterTaskDefinition").input_shape))
    assert len(written) > 150, "the model's members were not found"
    with worlds.LocalCloud() as ours:
        ecs = ours.client("ecs")
        ecs.register_task_definition(**given)
        answer = ecs.describe_task_definition(taskDefinition=given["family"], include=["TAGS"])
    shown = {**answer["taskDefinition"], "tags": answer["tags"]}
    assert list(lost(given, shown)) == []
    assert list(lost({**given, "cpu": "1"}, shown)) == [".cpu"]
    assert {name for name in paths(given)} == written


def paths(given):
    """Every member's path in a document."""
    for name, inner in given.items():
        yield name
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                yield from (f"{name}.{path}" for path in paths(item) if path != ANY_KEY)


# ---- the comparison can fail


def step(document, operation="elbv2.DescribeRules"):
    return Step(operation, document, {})


def differing(ours, theirs):
    comparison = Comparison("none", ("http://127.0.0.1:1", "http://127.0.0.1:2"))
    comparison.steps(ours, theirs)
    return [(found.path, found.ours, found.theirs) for found in comparison.found]


A, B = "0123456789abcdef", "fedcba9876543210"


@pytest.mark.parametrize("ours, theirs, path", [
    ({"Weight": 1}, {"Weight": 2}, "Weight"),
    ({"Weight": 1}, {}, "Weight"),
    ({}, {"Weight": 1}, "Weight"),
    ({"Flag": True}, {"Flag": 1}, "Flag"),
    ({"List": [1, 2]}, {"List": [2, 1]}, "List[]"),
    ({"List": [1]}, {"List": [1, 1]}, "List"),
    ({"Attributes": [{"Key": "a", "Value": "1"}]}, {"Attributes": [{"Key": "a", "Value": "2"}]}, "Attributes[a].Value"),
    ({"MD5OfBody": A * 2}, {"MD5OfBody": B * 2}, "MD5OfBody"),
    ({"Arn": f"rule/{A}", "Other": f"rule/{A}"}, {"Arn": f"rule/{B}", "Other": f"rule/{A}"}, "Other"),
    ({"Arn": f"rule/{A}"}, {"Arn": f"listener/{A}"}, "Arn"),
    ({"error": {"Code": "X", "status": 400}}, {"status": 200}, "error"),
    ({"error": {"Code": "X", "status": 400}}, {"error": {"Code": "X", "status": 404}}, "error.status"),
])
def test_a_difference_is_seen(ours, theirs, path):
    assert path in [found[0] for found in differing([step(ours)], [step(theirs)])]


def test_ids_and_times_may_differ_and_unordered_lists_too():
    ours = {"Arn": f"rule/{A}", "At": "2026-11-20T12:00:00Z", "Attributes": [{"Key": "b"}, {"Key": "a"}], "U": "http://127.0.0.1:1/q"}
    theirs = {"Arn": f"rule/{B}", "At": "2026-11-20T13:00:01Z", "Attributes": [{"Key": "a"}, {"Key": "b"}], "U": "http://127.0.0.1:2/q"}
    assert differing([step(ours)], [step(theirs)]) == []


def test_a_script_that_ends_early_is_seen():
    assert differing([step({}), step({})], [step({})])


def test_a_listed_difference_covers_no_other_and_goes_stale():
    entry = Difference(("elbv2.X",), ("Rules[].Weight",), 1, 2, "ours", "why", known("here"))
    found = lambda **more: Found(**{**dict(script="s", step=0, operation="elbv2.X", path="Rules[].Weight", ours=1, theirs=2), **more})
    for other in (found(ours=3), found(path="Rules[].Weights"), found(operation="elbv2.Y")):
        assert not entry.covers(other)
    assert entry.stale()
    assert entry.covers(found()) and not entry.stale()
