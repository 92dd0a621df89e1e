"""SQS: standard and FIFO queues."""

import json
import time

from ..script import script

FIFO = {"FifoQueue": "true"}


def queue(s, name="wakes", **attributes):
    given = {"Attributes": attributes} if attributes else {}
    return s.call("sqs.CreateQueue", QueueName=name, **given)["QueueUrl"]


def receive(s, url, **more):
    answer = s.call("sqs.ReceiveMessage", QueueUrl=url, **more)
    return answer.get("Messages", [])


@script
def queues_are_made_and_deleted(s):
    url = queue(s, VisibilityTimeout="40")
    s.call("sqs.GetQueueUrl", QueueName="wakes")
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["VisibilityTimeout", "QueueArn"])
    s.call("sqs.GetQueueAttributes", QueueUrl=url)
    s.call("sqs.SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "50", "DelaySeconds": "1"})
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    s.call("sqs.CreateQueue", QueueName="wakes")
    s.ask("sqs.CreateQueue", QueueName="wakes", Attributes={"VisibilityTimeout": "7"})
    s.call("sqs.ListQueues", QueueNamePrefix="wa")
    s.call("sqs.ListQueues", QueueNamePrefix="zz")
    s.call("sqs.DeleteQueue", QueueUrl=url)
    s.ask("sqs.GetQueueUrl", QueueName="wakes")
    s.ask("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    s.ask("sqs.DeleteQueue", QueueUrl=url)


@script
def a_fifo_queue(s):
    url = queue(s, "wakes.fifo", **FIFO)
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="one", MessageGroupId="a", MessageDeduplicationId="1")
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="two", MessageGroupId="a", MessageDeduplicationId="2")
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="three", MessageGroupId="b", MessageDeduplicationId="3")
    # The same again is accepted and not delivered twice.
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="one", MessageGroupId="a", MessageDeduplicationId="1")
    first = receive(s, url, AttributeNames=["All"])
    # While one of its group is in flight only the other group is served.
    other = receive(s, url, MaxNumberOfMessages=10, AttributeNames=["All"])
    receive(s, url, MaxNumberOfMessages=10)
    s.call("sqs.DeleteMessage", QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    receive(s, url, MaxNumberOfMessages=10, AttributeNames=["All"])
    s.call("sqs.DeleteMessage", QueueUrl=url, ReceiptHandle=other[0]["ReceiptHandle"])
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=[
        "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"])


@script
def the_body_can_be_the_deduplication(s):
    url = queue(s, "wakes.fifo", ContentBasedDeduplication="true", **FIFO)
    for body in ("same", "same", "other"):
        s.call("sqs.SendMessage", QueueUrl=url, MessageBody=body, MessageGroupId="a")
    receive(s, url, MaxNumberOfMessages=10, AttributeNames=["All"])


@script
def messages_are_sent_hidden_and_deleted(s):
    url = queue(s)
    attributes = {"kind": {"DataType": "String", "StringValue": "wake"}, "n": {"DataType": "Number", "StringValue": "7"},
                  "raw": {"DataType": "Binary", "BinaryValue": b"\x01\x02"}}
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="one", MessageAttributes=attributes)
    held = receive(s, url, AttributeNames=["All"], MessageAttributeNames=["All"], VisibilityTimeout=30)
    receive(s, url)
    handle = held[0]["ReceiptHandle"]
    s.call("sqs.ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    again = receive(s, url, AttributeNames=["ApproximateReceiveCount"], MessageAttributeNames=["kind"], VisibilityTimeout=1)
    time.sleep(1.3)
    third = receive(s, url, AttributeNames=["ApproximateReceiveCount"])
    s.call("sqs.DeleteMessage", QueueUrl=url, ReceiptHandle=third[0]["ReceiptHandle"])
    s.ask("sqs.ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=again[0]["ReceiptHandle"], VisibilityTimeout=5)
    s.ask("sqs.DeleteMessage", QueueUrl=url, ReceiptHandle=third[0]["ReceiptHandle"])
    receive(s, url)
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="gone soon")
    s.call("sqs.PurgeQueue", QueueUrl=url)
    receive(s, url)


@script
def a_delayed_message_comes_later(s):
    url = queue(s)
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="later", DelaySeconds=1)
    receive(s, url)
    s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    receive(s, url, WaitTimeSeconds=3)


@script
def batches(s):
    url = queue(s)
    s.call("sqs.SendMessageBatch", QueueUrl=url, Entries=[
        {"Id": "a", "MessageBody": "one"}, {"Id": "b", "MessageBody": "two", "DelaySeconds": 0}])
    s.ask("sqs.SendMessageBatch", QueueUrl=url, Entries=[])
    s.ask("sqs.SendMessageBatch", QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)])
    s.ask("sqs.SendMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}])
    s.ask("sqs.SendMessageBatch", QueueUrl=url, Entries=[{"Id": "no id!", "MessageBody": "x"}])
    held = receive(s, url, MaxNumberOfMessages=10)
    handles = [message["ReceiptHandle"] for message in held]
    s.call("sqs.ChangeMessageVisibilityBatch", QueueUrl=url, Entries=[
        {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": 60} for n, handle in enumerate(handles)])
    s.call("sqs.DeleteMessageBatch", QueueUrl=url, Entries=[
        {"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)])
    receive(s, url)


@script
def what_is_received_too_often_goes_aside(s):
    dead = queue(s, "dead")
    arn = s.call("sqs.GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = queue(s, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2}))
    s.call("sqs.SendMessage", QueueUrl=url, MessageBody="poison")
    for _ in range(3):
        receive(s, url, VisibilityTimeout=0, AttributeNames=["ApproximateReceiveCount"])
    receive(s, dead, AttributeNames=["ApproximateReceiveCount", "SentTimestamp"])


@script
def queue_calls_that_are_refused(s):
    url, ordered = queue(s), queue(s, "wakes.fifo", **FIFO)
    missing = url + "-not"
    s.ask("sqs.SendMessage", QueueUrl=missing, MessageBody="x")
    s.ask("sqs.ReceiveMessage", QueueUrl=missing)
    s.ask("sqs.PurgeQueue", QueueUrl=missing)
    s.ask("sqs.SetQueueAttributes", QueueUrl=missing, Attributes={"DelaySeconds": "1"})
    s.ask("sqs.CreateQueue", QueueName="bad name")
    s.ask("sqs.CreateQueue", QueueName="x" * 81)
    s.ask("sqs.CreateQueue", QueueName="plain", Attributes=FIFO)
    s.ask("sqs.CreateQueue", QueueName="late", Attributes={"DelaySeconds": "901"})
    s.ask("sqs.CreateQueue", QueueName="short", Attributes={"MessageRetentionPeriod": "59"})
    s.ask("sqs.SendMessage", QueueUrl=url, MessageBody="")
    s.ask("sqs.SendMessage", QueueUrl=url, MessageBody="x", DelaySeconds=901)
    s.ask("sqs.SendMessage", QueueUrl=ordered, MessageBody="x")
    s.ask("sqs.SendMessage", QueueUrl=ordered, MessageBody="x", MessageGroupId="a")
    s.ask("sqs.SendMessage", QueueUrl=ordered, MessageBody="x", MessageGroupId="a", MessageDeduplicationId="1", DelaySeconds=5)
    s.ask("sqs.SendMessage", QueueUrl=url, MessageBody="x", MessageDeduplicationId="1")
    s.ask("sqs.ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=11)
    s.ask("sqs.ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=0)
    s.ask("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=21)
    s.ask("sqs.DeleteMessage", QueueUrl=url, ReceiptHandle="nonsense")
    s.ask("sqs.ChangeMessageVisibility", QueueUrl=url, ReceiptHandle="nonsense", VisibilityTimeout=5)
    s.ask("sqs.ChangeMessageVisibility", QueueUrl=url, ReceiptHandle="nonsense", VisibilityTimeout=43201)
    s.ask("sqs.SendMessage", QueueUrl=url, MessageBody="x" * (1024 * 1024 + 1))
    s.ask("sqs.SendMessage", QueueUrl=url, MessageBody="bad \x01 character")
