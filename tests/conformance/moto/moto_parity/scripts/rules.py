"""Listener rules: weights, stickiness, conditions, authentication, priorities."""

import itertools

from ..script import script
from .balancers import balancer, fixed, forward, group, listener, nowhere, redirect, secure

PATH = [{"Field": "path-pattern", "Values": ["/shop/*"]}]


def rule(s, web, priority, actions, conditions=PATH, **more):
    answer = s.call("elbv2.CreateRule", ListenerArn=web, Priority=priority, Conditions=conditions, Actions=actions, **more)
    return answer["Rules"][0]["RuleArn"]


@script
def the_weights_of_a_rule_are_moved(s):
    shop, blue, green = balancer(s), group(s, "blue"), group(s, "green")
    web = listener(s, shop)
    way = rule(s, web, 10, [forward((blue, 100), (green, 0))])
    for weight in (5, 25, 50, 100):
        s.call("elbv2.ModifyRule", RuleArn=way, Actions=[forward((blue, 100 - weight), (green, weight))])
        s.call("elbv2.DescribeRules", RuleArns=[way])
    s.call("elbv2.ModifyRule", RuleArn=way, Actions=[forward((blue, 0), (green, 0))])
    s.call("elbv2.ModifyRule", RuleArn=way, Conditions=[{"Field": "host-header", "Values": ["shop.example.com"]}])
    s.call("elbv2.DescribeRules", ListenerArn=web)
    s.call("elbv2.DescribeTargetGroups", TargetGroupArns=[blue, green])
    s.ask("elbv2.DeleteTargetGroup", TargetGroupArn=green)
    s.call("elbv2.DeleteRule", RuleArn=way)
    s.ask("elbv2.DescribeRules", RuleArns=[way])
    s.ask("elbv2.DeleteRule", RuleArn=way)
    s.call("elbv2.DeleteTargetGroup", TargetGroupArn=green)


@script
def forwards_of_every_form(s):
    shop = balancer(s)
    groups = [group(s, f"g{n}") for n in range(5)]
    web, blue, green = listener(s, shop), *groups[:2]
    for priority, action in enumerate((
        {"Type": "forward", "TargetGroupArn": blue},
        forward((blue, 7)),
        {**forward((blue, 1)), "TargetGroupArn": blue},
        {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": blue}, {"TargetGroupArn": green}]}},
        forward((blue, 80), (green, 20), sticky={"Enabled": True, "DurationSeconds": 120}),
        forward((blue, 80), (green, 20), sticky={"Enabled": False}),
        forward((blue, 80), (green, 20), sticky={"Enabled": False, "DurationSeconds": 60}),
        forward(*[(arn, 200) for arn in groups]),
        {**forward((green, 1)), "Order": 1}), 1):
        way = rule(s, web, priority, [action])
        s.call("elbv2.DescribeRules", RuleArns=[way])
    s.call("elbv2.DescribeRules", ListenerArn=web)


@script
def forwards_that_are_refused(s):
    shop = balancer(s)
    groups = [group(s, f"g{n}") for n in range(6)]
    web, blue, green = listener(s, shop), *groups[:2]
    # A priority of its own for each: one that is taken by mistake shall not hide the next.
    numbers = itertools.count(1)
    ask = lambda *actions: s.ask("elbv2.CreateRule", _checked=False, ListenerArn=web, Priority=next(numbers), Conditions=PATH,
                                 Actions=list(actions))
    ask(forward((blue, 1000)))
    ask(forward((blue, -1)))
    ask(forward((nowhere(blue), 1)))
    ask(forward((blue, 1), (blue, 2)))
    ask(forward(*[(arn, 1) for arn in groups]))
    ask({"Type": "forward"})
    ask({**forward((green, 1), (blue, 1)), "TargetGroupArn": blue})
    ask(forward((blue, 1), (green, 1), sticky={"Enabled": True}))
    ask(forward((blue, 1), (green, 1), sticky={"Enabled": True, "DurationSeconds": 604801}))
    ask({"Type": "teleport"})
    ask(forward((blue, 1)), fixed())
    ask({**forward((blue, 1)), "Order": 1}, {**fixed(), "Order": 2})
    ask(redirect(StatusCode="HTTP_308"))
    ask(fixed(status="999"))
    ask(fixed(ContentType="text/klingon"))
    ask()


@script
def one_target_group_serves_one_load_balancer(s):
    shop, other, blue = balancer(s), balancer(s, "other"), group(s, "blue")
    listener(s, shop, forward((blue, 1)))
    web = listener(s, other)
    s.ask("elbv2.CreateRule", ListenerArn=web, Priority=1, Conditions=PATH, Actions=[forward((blue, 1))])


CONDITIONS = {
    "path": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a", "/b/*", "/?.html"]}}],
    "path in short": [{"Field": "path-pattern", "Values": ["/short"]}],
    "host": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com", "example.org"]}}],
    "host in short": [{"Field": "host-header", "Values": ["a.example.com"]}],
    "header": [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Kind", "Values": ["beta*", "gamma"]}}],
    "method": [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}}],
    "query": [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}, {"Value": "x*"}]}}],
    "source": [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8", "192.168.1.1/32"]}}],
    "several": [
        {"Field": "path-pattern", "Values": ["/several"]},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["1"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}],
}


@script
def conditions_of_every_kind(s):
    web = listener(s, balancer(s))
    for priority, conditions in enumerate(CONDITIONS.values(), 1):
        way = rule(s, web, priority, [fixed()], conditions)
        s.call("elbv2.DescribeRules", RuleArns=[way])
        s.call("elbv2.ModifyRule", RuleArn=way, Conditions=conditions)
    s.call("elbv2.DescribeRules", ListenerArn=web)


@script
def conditions_that_are_refused(s):
    web = listener(s, balancer(s))
    for priority, conditions in enumerate((
        [{"Field": "moon-phase", "Values": ["full"]}],
        [{"Field": "path-pattern", "Values": []}],
        [{"Field": "path-pattern", "PathPatternConfig": {"Values": []}}],
        [{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/{n}" for n in range(6)]}}],
        [{"Field": "path-pattern", "Values": ["/" + "x" * 128]}],
        [{"Field": "host-header", "Values": ["x" * 129]}],
        [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": []}}],
        [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x" * 41, "Values": ["a"]}}],
        [{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["x" * 129]}}],
        [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": []}}],
        [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["get"]}}],
        [{"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["X" * 41]}}],
        [{"Field": "query-string", "QueryStringConfig": {"Values": []}}],
        [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v"}]}}],
        [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "k", "Value": "x" * 129}]}}],
        [{"Field": "source-ip", "SourceIpConfig": {"Values": []}}],
    ), 1):
        s.ask("elbv2.CreateRule", ListenerArn=web, Priority=priority, Conditions=conditions, Actions=[fixed()])


OIDC = {"Issuer": "https://id.example.com", "AuthorizationEndpoint": "https://id.example.com/auth",
        "TokenEndpoint": "https://id.example.com/token", "UserInfoEndpoint": "https://id.example.com/info",
        "ClientId": "shop", "ClientSecret": "hush"}
COGNITO = {"UserPoolArn": "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abc", "UserPoolClientId": "shop",
           "UserPoolDomain": "shop-login"}


@script
def logins_before_a_forward(s):
    shop, blue, green = balancer(s), group(s, "blue"), group(s, "green")
    web = secure(s, shop)
    way = [{**forward((blue, 90), (green, 10)), "Order": 2}]
    full = {**OIDC, "Scope": "openid email", "SessionCookieName": "Shop", "SessionTimeout": 3600,
            "OnUnauthenticatedRequest": "deny", "AuthenticationRequestExtraParams": {"prompt": "login", "a": "<&>"}}
    full_pool = {**COGNITO, "Scope": "openid", "SessionCookieName": "Shop", "SessionTimeout": 60,
                 "OnUnauthenticatedRequest": "allow", "AuthenticationRequestExtraParams": {"lang": "de"}}
    for priority, login in enumerate((
        {"Type": "authenticate-oidc", "AuthenticateOidcConfig": full},
        {"Type": "authenticate-oidc", "AuthenticateOidcConfig": OIDC},
        {"Type": "authenticate-cognito", "AuthenticateCognitoConfig": full_pool},
        {"Type": "authenticate-cognito", "AuthenticateCognitoConfig": COGNITO}), 1):
        arn = rule(s, web, priority, [{**login, "Order": 1}, *way])
        s.call("elbv2.DescribeRules", RuleArns=[arn])
    s.call("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[
        {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": COGNITO}, *way])
    s.call("elbv2.DescribeRules", ListenerArn=web)


@script
def a_secret_is_kept_by_the_writer_that_says_so(s):
    blue, web = group(s, "blue"), secure(s, balancer(s))
    way = [{**forward((blue, 1)), "Order": 2}]
    login = lambda config: {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config}
    arn = rule(s, web, 1, [login(OIDC), *way])
    again = {key: value for key, value in OIDC.items() if key != "ClientSecret"}
    s.call("elbv2.ModifyRule", RuleArn=arn, Actions=[login({**again, "UseExistingClientSecret": True}), *way])
    s.call("elbv2.DescribeRules", RuleArns=[arn])


@script
def tokens_before_a_forward(s):
    blue, web = group(s, "blue"), secure(s, balancer(s))
    jwt = {"JwksEndpoint": "https://id.example.com/jwks", "Issuer": "https://id.example.com"}
    claims = {**jwt, "AdditionalClaims": [{"Format": "single-string", "Name": "role", "Values": ["buyer"]}]}
    for priority, config in enumerate((jwt, claims), 1):
        s.ask("elbv2.CreateRule", ListenerArn=web, Priority=priority, Conditions=PATH, Actions=[
            {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": config}, {**forward((blue, 1)), "Order": 2}])
    s.call("elbv2.DescribeRules", ListenerArn=web)


@script
def logins_that_are_refused(s):
    shop, blue = balancer(s), group(s, "blue")
    web, plain = secure(s, shop), listener(s, shop)
    way = {**forward((blue, 1)), "Order": 2}
    login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": OIDC}
    numbers = itertools.count(1)
    ask = lambda listener, *actions: s.ask("elbv2.CreateRule", _checked=False, ListenerArn=listener, Priority=next(numbers),
                                           Conditions=PATH, Actions=list(actions))
    ask(plain, login, way)
    ask(web, login)
    ask(web, {**login, "Order": 3}, way)
    ask(web, {"Type": "authenticate-oidc", "Order": 1}, way)
    ask(web, {"Type": "authenticate-cognito", "Order": 1}, way)


@script
def priorities(s):
    web = listener(s, balancer(s))
    a, b, c = (rule(s, web, priority, [fixed()]) for priority in (30, 10, 20))
    s.call("elbv2.DescribeRules", ListenerArn=web)
    default = s.call("elbv2.DescribeRules", ListenerArn=web)["Rules"][-1]["RuleArn"]
    s.ask("elbv2.CreateRule", ListenerArn=web, Priority=10, Conditions=PATH, Actions=[fixed()])
    s.ask("elbv2.CreateRule", _checked=False, ListenerArn=web, Priority=0, Conditions=PATH, Actions=[fixed()])
    s.ask("elbv2.CreateRule", _checked=False, ListenerArn=web, Priority=50001, Conditions=PATH, Actions=[fixed()])
    s.call("elbv2.SetRulePriorities", RulePriorities=[{"RuleArn": a, "Priority": 5}])
    s.call("elbv2.DescribeRules", ListenerArn=web)
    s.ask("elbv2.SetRulePriorities", RulePriorities=[{"RuleArn": a, "Priority": 10}])
    s.ask("elbv2.SetRulePriorities", RulePriorities=[{"RuleArn": nowhere(c), "Priority": 7}])
    s.call("elbv2.DescribeRules", ListenerArn=web)
    # These two moto answers wrongly, so nothing is read behind them.
    s.ask("elbv2.SetRulePriorities", RulePriorities=[{"RuleArn": a, "Priority": 10}, {"RuleArn": b, "Priority": 5}])
    s.ask("elbv2.SetRulePriorities", RulePriorities=[{"RuleArn": default, "Priority": 7}])


@script
def rules_that_are_not_there_or_may_not_be_changed(s):
    web = listener(s, balancer(s))
    arn = rule(s, web, 1, [fixed()])
    default = s.call("elbv2.DescribeRules", ListenerArn=web)["Rules"][-1]["RuleArn"]
    s.ask("elbv2.DescribeRules", RuleArns=[default])
    s.ask("elbv2.ModifyRule", RuleArn=default, Actions=[fixed(status="503")])
    s.ask("elbv2.DeleteRule", RuleArn=default)
    s.ask("elbv2.ModifyRule", RuleArn=nowhere(arn), Actions=[fixed()])
    s.ask("elbv2.DeleteRule", RuleArn=nowhere(arn))
    s.ask("elbv2.DescribeRules", RuleArns=[nowhere(arn)])
    s.ask("elbv2.DescribeRules", ListenerArn=nowhere(web))
    s.ask("elbv2.CreateRule", ListenerArn=nowhere(web), Priority=2, Conditions=PATH, Actions=[fixed()])
    s.ask("elbv2.DescribeRules")
    s.ask("elbv2.DescribeRules", ListenerArn=web, RuleArns=[arn])
    s.ask("elbv2.ModifyRule", RuleArn=arn)


@script
def rules_come_in_pages(s):
    web = listener(s, balancer(s))
    for priority in range(1, 6):
        rule(s, web, priority, [fixed()])
    first = s.call("elbv2.DescribeRules", ListenerArn=web, PageSize=2)
    if "NextMarker" in first:
        second = s.call("elbv2.DescribeRules", ListenerArn=web, PageSize=2, Marker=first["NextMarker"])
        s.call("elbv2.DescribeRules", ListenerArn=web, PageSize=2, Marker=second["NextMarker"])
