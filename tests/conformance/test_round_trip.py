"""Rules and definitions are read, written back by the functions and read again: equal but for weights and images."""

import copy
import json
from fractions import Fraction

import pytest

from conform import generate, models
from conform.stories import FUTURE

# What a new revision has of its own.
OWN = ("taskDefinitionArn", "revision", "registeredAt", "registeredBy")

SHIFTED = ("good", "again", "whole", "pool", "token")
AS_BEFORE = ("alarmed", "sick", "steered", "refused", "back")


def same(one, other):
    """Equality that tells 1 from 1.0 and from true."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def actions_of(seen):
    """Every list of actions of a service's listener."""
    return [*(rule["Actions"] for rule in seen["rules"]), seen["listener"]["DefaultActions"]]


def weights(seen):
    """{target group: weight} of the service's route."""
    for actions in actions_of(seen):
        for action in actions:
            if action["Type"] == "forward":
                return {group["TargetGroupArn"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
    raise AssertionError(f"no forward action in {seen}")


def without_weights(seen):
    seen = copy.deepcopy({"rules": seen["rules"], "listener": seen["listener"]})
    for actions in actions_of(seen):
        for action in actions:
            for group in action.get("ForwardConfig", {}).get("TargetGroups", []):
                del group["Weight"]
    return seen


@pytest.mark.parametrize("name", SHIFTED)
def test_a_route_that_was_shifted_keeps_everything_but_its_weights(told, name):
    before, after = told.before[name], told.after[name]
    assert same(without_weights(before), without_weights(after)), (before, after)
    blue, green = before["groups"]["blue"], before["groups"]["green"]
    now = weights(after)
    assert (now[blue], now[green] > 0) == (0, True), now
    assert list(now) == list(weights(before)), "the order of the groups"


@pytest.mark.parametrize("name", AS_BEFORE)
def test_a_route_that_was_taken_back_is_as_it_was(told, name):
    before, after = told.before[name], told.after[name]
    assert same(without_weights(before), without_weights(after))
    total = lambda seen: sum(weights(seen).values())  # noqa: E731
    shares = lambda seen: {arn: Fraction(weight, total(seen)) for arn, weight in weights(seen).items()}  # noqa: E731
    assert shares(before) == shares(after)


def test_a_group_of_neither_colour_keeps_its_share(told):
    third = told.before["whole"]["groups"]["third"]
    share = lambda seen: Fraction(weights(seen)[third], sum(weights(seen).values()))  # noqa: E731
    assert share(told.before["whole"]) == share(told.after["whole"])


def test_the_routes_have_every_kind_of_action_and_condition(told, report):
    """What the tests above compare is really there."""
    text = json.dumps([without_weights(seen) for seen in told.after.values()])
    elb = models.model("elb")
    kinds = [kind for kind in elb.shape_for("ActionTypeEnum").enum if kind != "redirect"]
    kinds += ["path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip"]
    assert [kind for kind in kinds if f'"{kind}"' not in text] == []
    whole = told.after["whole"]["rules"][0]["Actions"]
    assert [action["Type"] for action in whole] == ["authenticate-oidc", "jwt-validation", "forward"]
    assert len(whole[-1]["ForwardConfig"]["TargetGroups"]) == 3
    assert whole[-1]["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 300}
    assert "ClientSecret" not in text
    report.count("routes read, written and read again", len(SHIFTED) + len(AS_BEFORE))


def plain(document):
    """A definition without what is a revision's own, and without the images."""
    definition = copy.deepcopy(document["taskDefinition"])
    for member in OWN:
        definition.pop(member, None)
    for container in definition["containerDefinitions"]:
        del container["image"]
    tags = [tag for tag in document["tags"] if tag["key"] != "flipback:rollout"]
    return definition, sorted(tags, key=lambda tag: tag["key"])


@pytest.mark.parametrize("name", ("good", "whole", "pool", "token", "back"))
def test_a_new_revision_keeps_everything_but_its_image(told, name):
    before, after = told.before[name]["definition"], told.after[name]["definition"]
    assert before["taskDefinition"]["revision"] < after["taskDefinition"]["revision"]
    assert same(plain(before), plain(after)), (plain(before), plain(after))
    for old, new in zip(before["taskDefinition"]["containerDefinitions"], after["taskDefinition"]["containerDefinitions"]):
        assert (old["image"] == new["image"]) == (old["name"] != "app"), (old["image"], new["image"])
        assert old["name"] != "app" or "@sha256:" in new["image"], new["image"]
    assert [tag for tag in after["tags"] if tag["key"] == "flipback:rollout"], after["tags"]


def test_every_member_of_the_model_and_some_of_no_model_went_through(told, report):
    shape = models.model("ecs").operation_model("RegisterTaskDefinition").input_shape
    every = set(generate.members(generate.whole(shape)))
    definition = told.after["whole"]["definition"]["taskDefinition"]
    there = set(generate.members(definition)) | {"tags", "tags[].key", "tags[].value"}
    assert every <= there, sorted(every - there)
    assert definition[FUTURE] == told.registered[FUTURE]
    for sent, read in zip(told.registered["containerDefinitions"], definition["containerDefinitions"]):
        for name, value in sent.items():
            assert name == "image" or covers(read[name], value), (name, value, read[name])
    report.count("members of a task definition that went through", len(every))


def covers(read, sent):
    """What was sent is there; AWS may have added defaults."""
    if isinstance(sent, dict):
        return all(name in read and covers(read[name], value) for name, value in sent.items())
    if isinstance(sent, list):
        return len(read) == len(sent) and all(covers(one, other) for one, other in zip(read, sent))
    return same(read, sent)
