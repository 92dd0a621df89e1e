"""A script is a function that makes calls; what each call answered is its transcript."""

from dataclasses import dataclass, field

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

SCRIPTS = {}


def script(function):
    """Registers a script by its name."""
    name = function.__name__
    if name in SCRIPTS:
        raise ValueError(f"two scripts are called {name}")
    SCRIPTS[name] = function
    return function


class Stopped(Exception):
    """A call that had to succeed was refused: the rest of the script makes no sense in this world."""


@dataclass
class Step:
    """One call: `document` is the answer, or `{"error": {...}}`."""

    operation: str
    document: dict
    given: dict


@dataclass
class Play:
    """A script's run in one world."""

    world: object
    things: object
    steps: list = field(default_factory=list)

    def call(self, operation, **given):
        """A call that must succeed: `elbv2.CreateRule` and its members."""
        answer = self.ask(operation, **given)
        if "error" in answer:
            raise Stopped
        return answer

    def ask(self, operation, _checked=True, **given):
        """A call that may be refused. `_checked=False` sends what the SDK itself would refuse."""
        service, name = operation.split(".")
        client = self.world.client(service, _checked)
        method = next(method for method, known in client.meta.method_to_api_mapping.items() if known == name)
        try:
            answer = getattr(client, method)(**given)
            status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
            document = {"status": status, **{key: value for key, value in answer.items()}}
        except ResponseParserError:
            document = {"error": {"Code": "(no SDK can read the answer)"}}
        except ClientError as error:
            said = error.response
            document = {"error": {
                "Code": said["Error"].get("Code"), "status": said["ResponseMetadata"]["HTTPStatusCode"]}}
            # Only XML carries it.
            if "Type" in said["Error"] and service in ("elbv2", "sns"):
                document["error"]["Type"] = said["Error"]["Type"]
        self.steps.append(Step(operation, document, given))
        return document

    def hidden(self, operation, **given):
        """A call whose answer is not compared as such: the script notes the parts of it that can be."""
        answer = self.call(operation, **given)
        self.steps.pop()
        return answer

    def note(self, what, document):
        """Something read inside an answer, compared as an answer of its own."""
        self.steps.append(Step(what, document, {}))

    def raw(self, service, target, document):
        """A request that no SDK makes."""
        status, answer = self.world.raw(service, target, document)
        self.steps.append(Step(f"{service}.{target.split('.')[1]}", {"status": status, **answer}, document))
        return answer


def play(name, world, things):
    """Runs a script in a world and returns its steps."""
    run = Play(world, things)
    try:
        SCRIPTS[name](run)
    except Stopped:
        pass
    return run.steps
