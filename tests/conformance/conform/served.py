"""Which operations of AWS's models a local cloud serves: asked one by one."""

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from . import models

# What the local cloud answers to an operation that it has not.
ABSENT = b"is not in this local cloud"

# DynamoDB is an embedded database with a model of its own; what is used of it is told by the record.
OWN = [service for service in models.SERVICES if service != "dynamodb"]


def operations(cloud):
    """{service: [operation]} of what is served."""
    every = [(service, operation) for service in OWN for operation in models.model(service).operation_names]
    with ThreadPoolExecutor(8) as threads:
        served = list(threads.map(lambda each: _serves(cloud, *each), every))
    found = {service: [] for service in OWN}
    for (service, operation), yes in zip(every, served):
        if yes:
            found[service].append(operation)
    return found


def _serves(cloud, service, operation):
    model = models.model(service)
    scope = f"AWS4-HMAC-SHA256 Credential=PROBE/20261120/us-east-1/{model.signing_name}/aws4_request, SignedHeaders=h, Signature=0"
    headers = {"Authorization": scope}
    if "json" in model.protocols:
        body = b"{}"
        headers |= {"X-Amz-Target": f"{model.metadata['targetPrefix']}.{operation}",
                    "Content-Type": f"application/x-amz-json-{model.metadata['jsonVersion']}"}
    else:
        body = f"Action={operation}&Version={model.api_version}".encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    request = urllib.request.Request(cloud.endpoint + "/", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return ABSENT not in answer.read()
    except urllib.error.HTTPError as error:
        return ABSENT not in error.read()
