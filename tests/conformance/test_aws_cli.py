"""The AWS CLI against a local cloud: every operation's command prints JSON and exits with 0."""

import json
import subprocess
import sys

from conform import served
from conform.cloud import REGION, Cloud, environment


def test_every_command_of_an_operation_that_is_served_answers(aws_cli_calls):
    with Cloud("--bare") as cloud:
        offered = {f"{service}:{operation}" for service, list_ in served.operations(cloud).items() for operation in list_}
    answered = {call.name for call in aws_cli_calls if call.response.status < 300}
    assert offered <= answered, sorted(offered - answered)


def test_the_cli_as_a_program_reads_and_is_refused():
    with Cloud("--bare") as cloud:
        def aws(*line):
            return subprocess.run(
                [sys.executable, "-m", "awscli", *line, "--endpoint-url", cloud.endpoint, "--region", REGION],
                capture_output=True, text=True, timeout=60, env=environment("AWSCLI"), check=False)
        good = aws("ecs", "create-cluster", "--cluster-name", "shop", "--output", "json")
        assert good.returncode == 0, good.stderr
        assert json.loads(good.stdout)["cluster"]["clusterName"] == "shop"
        bad = aws("elbv2", "describe-load-balancers", "--names", "nobody")
        assert bad.returncode == 255, (bad.returncode, bad.stderr)
        assert "An error occurred (LoadBalancerNotFound) when calling the DescribeLoadBalancers operation" in bad.stderr
