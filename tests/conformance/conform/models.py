"""botocore's service models, and which of their operations a raw request is for.

Told from the request alone, as AWS's front doors do, so that the local cloud's own opinion can be compared with it.
"""

import functools

import botocore.session

# The local cloud's word for a service, and botocore's.
SERVICES = {
    "ecs": "ecs",
    "elb": "elbv2",
    "cloudwatch": "cloudwatch",
    "autoscaling": "application-autoscaling",
    "ecr": "ecr",
    "sqs": "sqs",
    "sns": "sns",
    "secretsmanager": "secretsmanager",
    "sts": "sts",
    "ec2": "ec2",
    "dynamodb": "dynamodb",
}

CBOR_PREFIX = "/service/GraniteServiceVersion20100801/operation/"


@functools.cache
def session():
    return botocore.session.Session()


@functools.cache
def model(service):
    """The service model by the local cloud's word."""
    return session().get_service_model(SERVICES[service])


@functools.cache
def _targets():
    return {model(service).metadata.get("targetPrefix"): service for service in SERVICES}


@functools.cache
def _signing_names():
    return {model(service).signing_name: service for service in SERVICES}


def tell(request):
    """(service, operation, protocol) of a raw request, or None."""
    if request.path.startswith(CBOR_PREFIX):
        return "cloudwatch", request.path.removeprefix(CBOR_PREFIX), "smithy-rpc-v2-cbor"
    target = request.header("x-amz-target")
    if target:
        prefix, _, operation = target.partition(".")
        return (_targets()[prefix], operation, "json") if prefix in _targets() else None
    fields = dict(request.fields())
    scope = (request.header("authorization") or "").partition("Credential=")[2].split("/")
    service = _signing_names().get(scope[3]) if len(scope) > 3 else None
    if service and fields.get("Version") == model(service).api_version and "Action" in fields:
        return service, fields["Action"], "ec2" if service == "ec2" else "query"
    return None
