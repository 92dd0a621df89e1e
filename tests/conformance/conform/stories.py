"""Short stories through the real functions and the real command, with every call recorded.

The services live in one local cloud and their stories are told at the same time, a thread each: a good push, a 5XX push that
the alarm takes back, one whose tasks turn unhealthy, one that a person steers and aborts, one that is refused, one deployed
by hand and rolled back, one deployed again, one whose traffic ECS moves itself; and three whose rules and definitions have everything that must survive a
rewrite.
"""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from . import generate, models
from .cloud import ACCOUNT, OUT, Cloud, environment, flipback, until
from .stage import CLUSTER, Service

# No SDK knows these; nothing may be lost all the same.
FUTURE = "conformanceFuture"

OIDC = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
    "Issuer": "https://login.example.com", "AuthorizationEndpoint": "https://login.example.com/authorize",
    "TokenEndpoint": "https://login.example.com/token", "UserInfoEndpoint": "https://login.example.com/user",
    "ClientId": "shop", "ClientSecret": "never told again", "SessionCookieName": "ShopSession", "Scope": "openid email",
    "SessionTimeout": 3600, "AuthenticationRequestExtraParams": {"prompt": "login", "display": "page"},
    "OnUnauthenticatedRequest": "deny"}}
COGNITO = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {
    "UserPoolArn": f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_Shop", "UserPoolClientId": "shop",
    "UserPoolDomain": "shop", "SessionCookieName": "PoolSession", "Scope": "openid", "SessionTimeout": 600,
    "AuthenticationRequestExtraParams": {"lang": "en"}, "OnUnauthenticatedRequest": "allow"}}
JWT = {"Type": "jwt-validation", "Order": 2, "JwtValidationConfig": {
    "JwksEndpoint": "https://login.example.com/jwks", "Issuer": "https://login.example.com", "AdditionalClaims": [
        {"Format": "string-array", "Name": "aud", "Values": ["shop", "cart"]},
        {"Format": "single-string", "Name": "tier", "Values": ["gold"]}]}}

CONDITIONS = [
    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}},
    {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com"]}},
    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Shop", "Values": ["a*"]}},
    {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
    {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
]
METHODS = [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "POST"]}}]


@dataclass
class Told:
    """What the stories leave: the record, and documents as read before and after."""

    record: object
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)
    registered: dict = field(default_factory=dict)
    ended: dict = field(default_factory=dict)


class Stories:
    """The world of the stories."""

    def __init__(self, cloud, directory):
        self.cloud, self.directory, self.services = cloud, directory, {}
        self.told = Told(record=directory / "calls.jsonl")

    def command(self, line, code=0):
        """Runs `flipback LINE`; its output."""
        run = subprocess.run(
            [flipback(), *line.split()], cwd=self.directory, capture_output=True, text=True, timeout=300,
            env=environment("COMMAND", self.cloud.endpoint), check=False)
        if run.returncode != code:
            raise AssertionError(f"flipback {line}: exit code {run.returncode}, not {code}\n{run.stdout}\n{run.stderr}")
        return run.stdout

    # ---- set-up

    def set_up(self):
        self.cloud.client("ecs").create_cluster(clusterName=CLUSTER)
        slow = {"strategy": "{ canary: { steps: [ { weight: 20, bake: 60s } ], bake: 60s } }"}
        sticky = {"Enabled": True, "DurationSeconds": 300}

        def add(name, **how):
            self.services[name] = Service(self.cloud, name, **how)

        add("good")
        add("again")
        add("back", lines={"standby": "2m"})
        add("alarmed", lines=slow)
        # Tasks that turn unhealthy before they were healthy, as on a busy machine, end it too.
        add("sick", lines=slow | {"startDeadline": "1m"})
        add("steered", lines=slow)
        add("refused", lines={"image": '{ repository: refused, container: web, tags: { semver: ">=1.0.0" } }'})
        add("whole", secure=True, third=True, sticky=sticky, conditions=CONDITIONS, definition=self.whole_definition,
            actions=lambda forward: [OIDC, JWT, forward | {"Order": 3}], lines={"stickiness": "accept"})
        add("pool", secure=True, conditions=METHODS, actions=lambda forward: [COGNITO, forward | {"Order": 9}])
        add("token", secure=True, on_listener=True, actions=lambda forward: [JWT, forward | {"Order": 3}])
        add("alone", alone=True)
        add("native", native=True, lines={"hooks": "{ pause: [ PRE_PRODUCTION_TRAFFIC_SHIFT ] }"})
        healthy = lambda service: sum(  # noqa: E731
            target["TargetHealth"]["State"] == "healthy" for target in self.cloud.client("elbv2").describe_target_health(
                TargetGroupArn=service.groups["blue"])["TargetHealthDescriptions"])
        for service in self.services.values():
            until(f"{service.name} serves", lambda: healthy(service) == 2)  # noqa: B023
        # The first pushes are told as ones that nobody is configured for: configured earlier, they would be candidates.
        until("the first pushes are told", lambda: len(self.cloud.page("slack")) >= len(self.services))
        text = "version: 1\nservices:\n" + "".join(
            service.yaml() for service in self.services.values() if service.configured)
        (self.directory / "flipback.yaml").write_text(text)

    def whole_definition(self, service):
        """Every member of the model at every depth, and some that no model has yet, as raw JSON."""
        shape = models.model("ecs").operation_model("RegisterTaskDefinition").input_shape
        document = generate.whole(shape)
        document |= {"family": service.name, "cpu": "256", "memory": "512", "networkMode": "awsvpc",
                     "requiresCompatibilities": ["FARGATE"], FUTURE: {"shade": ["teal", 1, True, None, {"deep": 1.25}]}}
        app = document["containerDefinitions"][0]
        app |= {"name": "app", "image": f"{service.repository}:1.0.0", "essential": True, FUTURE: "of a container"}
        app["portMappings"][0] |= {"containerPort": 8080, "hostPort": 8080, "protocol": "tcp", FUTURE: 3}
        del app["portMappings"][0]["containerPortRange"]
        beside = json.loads(json.dumps(app)) | {"name": "beside", "image": "other.example.com/log:2", "essential": False}
        beside["portMappings"] = [{"containerPortRange": "8000-8010", "protocol": "udp"}]
        document["containerDefinitions"].append(beside)
        document["tags"] = [{"key": "team", "value": "shop"}, {"key": "empty", "value": ""}]
        self.told.registered = document
        self.raw("RegisterTaskDefinition", document)

    def raw(self, operation, document):
        """One ECS call as JSON, past any SDK; the answer's JSON."""
        request = urllib.request.Request(self.cloud.endpoint + "/", data=json.dumps(document).encode(), headers={
            "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}", "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=SETUP/20261120/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    # ---- what is read before and after

    def look(self):
        """Every route with its rule or listener, and every live definition, as AWS tells them."""
        elb, seen = self.cloud.client("elbv2"), {}
        for name, service in self.services.items():
            rules = elb.describe_rules(ListenerArn=service.listener)["Rules"]
            listener = elb.describe_listeners(ListenerArns=[service.listener])["Listeners"][0]
            definition = self.raw("DescribeTaskDefinition", {"taskDefinition": name, "include": ["TAGS"]})
            seen[name] = {"rules": rules, "listener": listener, "definition": definition, "groups": service.groups}
        return seen

    # ---- the stories

    def status(self, name):
        return json.loads(self.command(f"status {name} --json"))

    def ends(self, name, outcome):
        """Waits until the service's last rollout ended so."""
        def ended():
            last = self.last(name)
            return last if last and not self.running(name) else None
        last = until(f"a rollout of {name} ends", ended, seconds=240, every=1.5)
        self.told.ended[name] = last
        if last["outcome"] != outcome:
            raise AssertionError(f"{name} ended otherwise than {outcome}: {last}")

    def push(self, name, tag="1.1.0", manners=""):
        return self.services[name].push(tag, manners)

    def phase(self, name, wanted):
        until(f"{name} is {wanted}", lambda: self._service(name)["phase"] == wanted, seconds=180, every=1.5)

    def good(self):
        self.push("good")
        self.ends("good", "completed")
        self.command("history good -n 50 --json --inputs")
        self.command("remove good --yes")

    def again(self):
        self.command("redeploy again --wait --timeout 4m")

    def back(self):
        # Not a tag that is deployed by itself.
        self.push("back", tag="fix")
        self.command("deploy back --image back:fix --force")
        self.phase("back", "standby")
        self.command("rollback back --wait --timeout 4m")

    def alarmed(self):
        digest = self.push("alarmed", manners="5xx=60")
        over = threading.Event()
        traffic = threading.Thread(target=self.traffic, args=("alarmed", over), daemon=True)
        traffic.start()
        try:
            self.ends("alarmed", "rolledBack")
        finally:
            over.set()
            traffic.join()
        self.command("wait alarmed --timeout 1m", code=3)
        self.command("why alarmed")
        self.command(f"release alarmed {digest}")

    def traffic(self, name, over):
        url = f"http://{self.services[name].address()}/"
        while not over.wait(0.04):
            try:
                urllib.request.urlopen(url, timeout=5).read()
            except (urllib.error.HTTPError, OSError):
                continue

    def sick(self):
        self.push("sick", manners="unhealthy after=20s")
        self.ends("sick", "rolledBack")

    def steered(self):
        self.push("steered")
        self.phase("steered", "baking")
        self.command("pause steered")
        until("steered is paused", lambda: (self.running("steered") or {}).get("paused"), every=1)
        self.command("why steered")
        self.command("resume steered")
        until("steered goes on", lambda: not self.running("steered").get("paused"), every=1)
        self.command("promote steered")
        until("the first step is over", lambda: self._service("steered")["weight"] == 100, every=1)
        self.command("abort steered --wait --timeout 4m")

    def refused(self):
        self.push("refused")
        self.ends("refused", "refused")

    def native(self):
        waits = lambda: "waits for you" in json.dumps(self.cloud.page("slack")) and (self.running("native") or {})  # noqa: E731
        self.push("native")
        until("the pause of native is told", waits, seconds=180, every=1.5)
        self.command("promote native --wait --timeout 4m")
        self.push("native", tag="1.2.0")
        paused = lambda: (self.running("native") or {}).get("what", "").endswith("1.2.0") and (  # noqa: E731
            "PRE_PRODUCTION" in self._service("native")["waiting"])
        until("the second pause of native", paused, seconds=180, every=1.5)
        self.command("abort native --wait --timeout 4m")

    def completes(self, name):
        self.push(name)
        self.ends(name, "completed")

    def last(self, name):
        return self._service(name).get("last")

    def running(self, name):
        return self._service(name).get("rollout")

    def _service(self, name):
        document = self.status(name)
        return document[0] if isinstance(document, list) else document

    def play(self):
        """All of it."""
        self.set_up()
        self.command("init --stdout")
        self.command(f"adopt alone-blue --cluster {CLUSTER}")
        self.command("apply --dry-run", code=1)
        self.command("apply --unchecked")
        self.command("status")
        self.told.before = self.look()
        stories = [self.good, self.again, self.back, self.alarmed, self.sick, self.steered, self.refused, self.native]
        stories += [lambda name=name: self.completes(name) for name in ("whole", "pool", "token")]
        with ThreadPoolExecutor(len(stories)) as threads:
            running = [threads.submit(story) for story in stories]
        for story in running:
            story.result()
        # The check of the scaling runs every 15 s here.
        until("the scaling was checked", lambda: any(
            function["name"] == "check-scaling" and function["invocations"] >= 2
            for function in self.cloud.page("functions")["functions"]))
        self.told.after = self.look()


def play():
    """Plays every story once; what they left."""
    directory = OUT / "stories"
    directory.mkdir(parents=True, exist_ok=True)
    with Cloud("--schedule-speed", "20", record=directory) as cloud:
        stories = Stories(cloud, directory)
        stories.play()
    return stories.told
