"""Load balancers, target groups, listeners."""

from ..script import script


def balancer(s, name="shop"):
    answer = s.call("elbv2.CreateLoadBalancer", Name=name, Subnets=s.things["subnets"],
                    SecurityGroups=[s.things["security_group"]], Type="application", Scheme="internal")
    return answer["LoadBalancers"][0]["LoadBalancerArn"]


def group(s, name, **more):
    given = {"Protocol": "HTTP", "Port": 8080, "VpcId": s.things["vpc"], "TargetType": "ip", **more}
    return s.call("elbv2.CreateTargetGroup", Name=name, **given)["TargetGroups"][0]["TargetGroupArn"]


def forward(*weighted, sticky=None):
    """A forward action to `(ARN, weight)` pairs."""
    config = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weighted]}
    if sticky is not None:
        config["TargetGroupStickinessConfig"] = sticky
    return {"Type": "forward", "ForwardConfig": config}


def fixed(status="404", **more):
    return {"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": status, "ContentType": "text/plain", "MessageBody": "nothing here", **more}}


def redirect(**more):
    return {"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}",
        "StatusCode": "HTTP_301", **more}}


def listener(s, load_balancer, *actions, port=80, **more):
    given = {"Protocol": "HTTP", "Port": port, "DefaultActions": list(actions) or [fixed()], **more}
    return s.call("elbv2.CreateListener", LoadBalancerArn=load_balancer, **given)["Listeners"][0]["ListenerArn"]


def secure(s, load_balancer, *actions, port=443):
    return listener(s, load_balancer, *actions, port=port, Protocol="HTTPS", SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
                    Certificates=[{"CertificateArn": s.things["certificate"]}])


def nowhere(arn):
    """The ARN of something of the same kind that is not there."""
    head, last = arn.rsplit("/", 1)
    return f"{head}/{'0123456789abcdef'[:len(last)]}"


@script
def load_balancers_are_made_described_and_deleted(s):
    shop = balancer(s)
    s.ask("elbv2.CreateLoadBalancer", Name="api", Subnets=s.things["subnets"])
    s.call("elbv2.DescribeLoadBalancers", LoadBalancerArns=[shop])
    s.call("elbv2.DescribeLoadBalancers", Names=["api"])
    s.call("elbv2.DescribeLoadBalancers", Names=["shop", "api"])
    s.ask("elbv2.DescribeLoadBalancers", Names=["nobody"])
    s.ask("elbv2.DescribeLoadBalancers", LoadBalancerArns=[nowhere(shop)])
    s.ask("elbv2.CreateLoadBalancer", Name="bad_name", Subnets=s.things["subnets"])
    s.ask("elbv2.CreateLoadBalancer", Name="-bad", Subnets=s.things["subnets"])
    s.ask("elbv2.CreateLoadBalancer", Name="x" * 33, Subnets=s.things["subnets"])
    s.ask("elbv2.CreateLoadBalancer", _checked=False, Subnets=s.things["subnets"])
    s.ask("elbv2.CreateLoadBalancer", Name="alone")
    s.call("elbv2.DeleteLoadBalancer", LoadBalancerArn=shop)
    s.ask("elbv2.DescribeLoadBalancers", LoadBalancerArns=[shop])
    s.ask("elbv2.DeleteLoadBalancer", LoadBalancerArn=shop)


@script
def the_attributes_of_a_load_balancer(s):
    shop = balancer(s)
    s.call("elbv2.DescribeLoadBalancerAttributes", LoadBalancerArn=shop)
    s.call("elbv2.ModifyLoadBalancerAttributes", LoadBalancerArn=shop, Attributes=[
        {"Key": "idle_timeout.timeout_seconds", "Value": "120"}, {"Key": "routing.http2.enabled", "Value": "false"}])
    s.call("elbv2.DescribeLoadBalancerAttributes", LoadBalancerArn=shop)
    s.ask("elbv2.DescribeLoadBalancerAttributes", LoadBalancerArn=nowhere(shop))
    s.ask("elbv2.ModifyLoadBalancerAttributes", LoadBalancerArn=shop, Attributes=[{"Key": "no.such", "Value": "1"}])
    s.call("elbv2.ModifyLoadBalancerAttributes", LoadBalancerArn=shop, Attributes=[
        {"Key": "deletion_protection.enabled", "Value": "true"}])
    s.ask("elbv2.DeleteLoadBalancer", LoadBalancerArn=shop)


@script
def tags_of_load_balancing(s):
    shop, blue = balancer(s), group(s, "blue", Tags=[{"Key": "made", "Value": "here"}])
    web = listener(s, shop, Tags=[{"Key": "of", "Value": "listener"}])
    s.call("elbv2.AddTags", ResourceArns=[shop, blue], Tags=[{"Key": "team", "Value": "shop"}, {"Key": "empty", "Value": ""}])
    s.call("elbv2.AddTags", ResourceArns=[shop], Tags=[{"Key": "team", "Value": "other"}])
    s.call("elbv2.DescribeTags", ResourceArns=[shop, blue, web])
    s.call("elbv2.RemoveTags", ResourceArns=[shop], TagKeys=["team", "never"])
    s.call("elbv2.DescribeTags", ResourceArns=[shop])
    s.ask("elbv2.DescribeTags", ResourceArns=[nowhere(shop)])
    s.ask("elbv2.AddTags", ResourceArns=[nowhere(blue)], Tags=[{"Key": "a", "Value": "b"}])
    s.ask("elbv2.AddTags", ResourceArns=[shop], Tags=[{"Key": "aws:a", "Value": "b"}])
    rule = s.call("elbv2.CreateRule", ListenerArn=web, Priority=1, Actions=[fixed()], Conditions=[
        {"Field": "path-pattern", "Values": ["/a"]}], Tags=[{"Key": "of", "Value": "rule"}])["Rules"][0]["RuleArn"]
    s.call("elbv2.DescribeTags", ResourceArns=[rule])


@script
def target_groups_are_made_modified_and_deleted(s):
    blue = group(s, "blue", HealthCheckPath="/health", HealthCheckIntervalSeconds=15, HealthCheckTimeoutSeconds=3,
                 HealthyThresholdCount=3, UnhealthyThresholdCount=4, Matcher={"HttpCode": "200-299"},
                 HealthCheckPort="9090", HealthCheckProtocol="HTTP")
    green = group(s, "green")
    s.call("elbv2.DescribeTargetGroups", TargetGroupArns=[blue])
    s.call("elbv2.DescribeTargetGroups", Names=["green"])
    s.call("elbv2.DescribeTargetGroups", TargetGroupArns=[blue, green])
    s.ask("elbv2.DescribeTargetGroups", Names=["nobody"])
    s.ask("elbv2.DescribeTargetGroups", TargetGroupArns=[nowhere(blue)])
    # The same again is the same group, another one of its name is refused.
    s.ask("elbv2.CreateTargetGroup", Name="green", Protocol="HTTP", Port=8080, VpcId=s.things["vpc"], TargetType="ip")
    s.ask("elbv2.CreateTargetGroup", Name="green", Protocol="HTTP", Port=9999, VpcId=s.things["vpc"], TargetType="ip")
    s.call("elbv2.ModifyTargetGroup", TargetGroupArn=blue, HealthCheckPath="/live", HealthyThresholdCount=2,
           HealthCheckIntervalSeconds=20, Matcher={"HttpCode": "200,204"})
    s.call("elbv2.DescribeTargetGroups", TargetGroupArns=[blue])
    s.ask("elbv2.ModifyTargetGroup", TargetGroupArn=nowhere(blue), HealthCheckPath="/live")
    s.call("elbv2.DeleteTargetGroup", TargetGroupArn=blue)
    s.ask("elbv2.DescribeTargetGroups", TargetGroupArns=[blue])
    s.ask("elbv2.DeleteTargetGroup", TargetGroupArn=blue)


@script
def target_groups_that_are_refused(s):
    for name in ("bad_name", "-bad", "bad-", "x" * 33):
        s.ask("elbv2.CreateTargetGroup", _checked=False, Name=name, Protocol="HTTP", Port=80, VpcId=s.things["vpc"], TargetType="ip")
    given = {"Protocol": "HTTP", "Port": 80, "VpcId": s.things["vpc"], "TargetType": "ip"}
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="a", **{**given, "Port": 0})
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="b", **{**given, "Port": 70000})
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="c", **given, HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=5)
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="d", **given, HealthCheckIntervalSeconds=301)
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="e", **given, HealthyThresholdCount=11)
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="f", **given, HealthCheckTimeoutSeconds=121)
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="g", **given, UnhealthyThresholdCount=1)
    s.ask("elbv2.CreateTargetGroup", _checked=False, Name="h", **{**given, "Protocol": "GOPHER"})


@script
def the_attributes_of_a_target_group(s):
    blue = group(s, "blue")
    s.call("elbv2.DescribeTargetGroupAttributes", TargetGroupArn=blue)
    s.call("elbv2.ModifyTargetGroupAttributes", TargetGroupArn=blue, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "15"}, {"Key": "stickiness.enabled", "Value": "true"},
        {"Key": "stickiness.type", "Value": "lb_cookie"}, {"Key": "stickiness.lb_cookie.duration_seconds", "Value": "60"}])
    s.call("elbv2.DescribeTargetGroupAttributes", TargetGroupArn=blue)
    s.ask("elbv2.DescribeTargetGroupAttributes", TargetGroupArn=nowhere(blue))
    s.ask("elbv2.ModifyTargetGroupAttributes", TargetGroupArn=nowhere(blue), Attributes=[
        {"Key": "stickiness.enabled", "Value": "true"}])
    s.ask("elbv2.ModifyTargetGroupAttributes", TargetGroupArn=blue, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "3601"}])
    s.ask("elbv2.ModifyTargetGroupAttributes", TargetGroupArn=blue, Attributes=[{"Key": "no.such", "Value": "1"}])


@script
def targets_are_registered_and_read(s):
    blue = group(s, "blue")
    s.call("elbv2.DescribeTargetHealth", TargetGroupArn=blue)
    s.call("elbv2.RegisterTargets", TargetGroupArn=blue, Targets=[{"Id": "10.0.0.1"}, {"Id": "10.0.0.2", "Port": 9090}])
    s.call("elbv2.DescribeTargetHealth", TargetGroupArn=blue)
    s.ask("elbv2.DescribeTargetHealth", TargetGroupArn=blue, Targets=[{"Id": "10.0.0.2", "Port": 9090}])
    s.ask("elbv2.DescribeTargetHealth", TargetGroupArn=blue, Targets=[{"Id": "10.0.0.9", "Port": 9090}])
    s.call("elbv2.DeregisterTargets", TargetGroupArn=blue, Targets=[{"Id": "10.0.0.2", "Port": 9090}])
    s.ask("elbv2.DeregisterTargets", TargetGroupArn=blue, Targets=[{"Id": "10.0.0.77"}])
    s.call("elbv2.DescribeTargetHealth", TargetGroupArn=blue)
    for operation in ("DescribeTargetHealth", "RegisterTargets", "DeregisterTargets"):
        s.ask(f"elbv2.{operation}", TargetGroupArn=nowhere(blue), Targets=[{"Id": "10.0.0.1"}])


@script
def listeners_are_made_modified_and_deleted(s):
    shop, blue, green = balancer(s), group(s, "blue"), group(s, "green")
    web = listener(s, shop, forward((blue, 100), (green, 0)))
    s.call("elbv2.DescribeListeners", ListenerArns=[web])
    s.call("elbv2.DescribeListeners", LoadBalancerArn=shop)
    s.call("elbv2.DescribeRules", ListenerArn=web)
    s.call("elbv2.DescribeTargetGroups", LoadBalancerArn=shop)
    s.ask("elbv2.DeleteTargetGroup", TargetGroupArn=blue)
    s.ask("elbv2.CreateListener", LoadBalancerArn=shop, Protocol="HTTP", Port=80, DefaultActions=[fixed()])
    s.call("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[forward((blue, 90), (green, 10))])
    s.call("elbv2.ModifyListener", ListenerArn=web, Port=8081)
    s.call("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[redirect()])
    s.call("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[fixed()])
    s.call("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[{"Type": "forward", "TargetGroupArn": blue}])
    s.call("elbv2.DescribeListeners", ListenerArns=[web])
    s.call("elbv2.DescribeRules", ListenerArn=web)
    s.ask("elbv2.DescribeListeners", ListenerArns=[nowhere(web)])
    s.ask("elbv2.DescribeListeners", LoadBalancerArn=nowhere(shop))
    s.ask("elbv2.ModifyListener", ListenerArn=nowhere(web), Port=81)
    s.ask("elbv2.ModifyListener", ListenerArn=web, DefaultActions=[forward((nowhere(blue), 1))])
    s.ask("elbv2.CreateListener", LoadBalancerArn=nowhere(shop), Protocol="HTTP", Port=82, DefaultActions=[fixed()])
    s.ask("elbv2.CreateListener", LoadBalancerArn=shop, Protocol="GOPHER", Port=82, DefaultActions=[fixed()])
    s.ask("elbv2.CreateListener", LoadBalancerArn=shop, Protocol="HTTPS", Port=82, DefaultActions=[fixed()])
    s.call("elbv2.DeleteListener", ListenerArn=web)
    s.ask("elbv2.DescribeListeners", ListenerArns=[web])
    s.ask("elbv2.DeleteListener", ListenerArn=web)
    s.call("elbv2.DeleteTargetGroup", TargetGroupArn=blue)


@script
def default_actions_of_every_kind(s):
    shop, blue, green = balancer(s), group(s, "blue"), group(s, "green")
    for port, action in enumerate((
        {"Type": "forward", "TargetGroupArn": blue},
        forward((blue, 1)),
        forward((blue, 999), (green, 0), sticky={"Enabled": True, "DurationSeconds": 3600}),
        forward((blue, 1), (green, 1), sticky={"Enabled": False}),
        redirect(), redirect(StatusCode="HTTP_302", Host="other.example.com"),
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}},
        fixed(), {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}},
        {**fixed(), "Order": 1}), 9001):
        arn = listener(s, shop, action, port=port)
        s.call("elbv2.DescribeListeners", ListenerArns=[arn])
        s.call("elbv2.DescribeRules", ListenerArn=arn)


@script
def a_secure_listener(s):
    shop, blue = balancer(s), group(s, "blue")
    web = secure(s, shop, forward((blue, 1)))
    s.call("elbv2.DescribeListeners", ListenerArns=[web])
    s.call("elbv2.ModifyListener", ListenerArn=web, SslPolicy="ELBSecurityPolicy-2016-08")
    # Without a policy the API takes its own.
    plain = listener(s, shop, port=8443, Protocol="HTTPS", Certificates=[{"CertificateArn": s.things["certificate"]}])
    s.call("elbv2.DescribeListeners", ListenerArns=[plain])
    s.ask("elbv2.CreateListener", LoadBalancerArn=shop, Protocol="HTTPS", Port=444, DefaultActions=[fixed()], Certificates=[])
