"""SNS: topics, subscriptions, what arrives in a queue."""

import json

from ..script import script


@script
def topics_are_made_and_deleted(s):
    arn = s.call("sns.CreateTopic", Name="notices")["TopicArn"]
    s.call("sns.CreateTopic", Name="notices")
    s.call("sns.CreateTopic", Name="other", Attributes={"DisplayName": "Other"})
    s.call("sns.ListTopics")
    s.call("sns.GetTopicAttributes", TopicArn=arn)
    s.call("sns.SetTopicAttributes", TopicArn=arn, AttributeName="DisplayName", AttributeValue="Notices")
    s.call("sns.GetTopicAttributes", TopicArn=arn)
    s.ask("sns.GetTopicAttributes", TopicArn=arn + "-not")
    s.ask("sns.SetTopicAttributes", TopicArn=arn + "-not", AttributeName="DisplayName", AttributeValue="x")
    s.ask("sns.CreateTopic", Name="bad name!")
    s.ask("sns.CreateTopic", Name="")
    s.call("sns.DeleteTopic", TopicArn=arn)
    s.ask("sns.GetTopicAttributes", TopicArn=arn)
    s.ask("sns.DeleteTopic", TopicArn=arn)


def wired(s, **attributes):
    """A topic that a queue listens to."""
    topic = s.call("sns.CreateTopic", Name="notices")["TopicArn"]
    url = s.call("sqs.CreateQueue", QueueName="inbox")["QueueUrl"]
    queue = s.call("sqs.GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    given = {"Attributes": attributes} if attributes else {}
    arn = s.call("sns.Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue, **given)["SubscriptionArn"]
    return topic, url, queue, arn


@script
def subscriptions(s):
    topic, _, queue, arn = wired(s)
    s.call("sns.Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=queue)
    s.call("sns.Subscribe", TopicArn=topic, Protocol="email", Endpoint="team@example.com")
    s.call("sns.Subscribe", TopicArn=topic, Protocol="email", Endpoint="team@example.com", ReturnSubscriptionArn=True)
    s.call("sns.ListSubscriptionsByTopic", TopicArn=topic)
    s.call("sns.ListSubscriptions")
    s.call("sns.GetTopicAttributes", TopicArn=topic)
    s.ask("sns.Subscribe", TopicArn=topic + "-not", Protocol="sqs", Endpoint=queue)
    s.ask("sns.ListSubscriptionsByTopic", TopicArn=topic + "-not")
    s.call("sns.Unsubscribe", SubscriptionArn=arn)
    s.call("sns.ListSubscriptionsByTopic", TopicArn=topic)


@script
def a_message_reaches_a_queue(s):
    topic, url, _, _ = wired(s)
    s.call("sns.Publish", TopicArn=topic, Subject="Deployed", Message="shop runs 2.0.0")
    told = s.hidden("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)["Messages"][0]["Body"]
    envelope = json.loads(told)
    # What is in the envelope is compared like an answer, but for what is signed with AWS's own key and address.
    for signed in ("Signature", "SigningCertURL", "UnsubscribeURL"):
        envelope.pop(signed)
    s.note("sns.Envelope", envelope)
    body = json.dumps({"default": "for all", "sqs": "for queues"})
    s.call("sns.Publish", TopicArn=topic, MessageStructure="json", Message=body)
    answer = s.hidden("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
    s.note("sns.Envelope", {"Message": json.loads(answer["Messages"][0]["Body"])["Message"]})


@script
def the_attributes_of_a_message_stand_in_the_envelope(s):
    topic, url, _, _ = wired(s)
    attributes = {"kind": {"DataType": "String", "StringValue": "rollback"}, "n": {"DataType": "Number", "StringValue": "7"}}
    s.call("sns.Publish", TopicArn=topic, Message="with attributes", MessageAttributes=attributes)
    answer = s.hidden("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
    s.note("sns.Envelope", {"MessageAttributes": json.loads(answer["Messages"][0]["Body"]).get("MessageAttributes")})


@script
def a_raw_message_reaches_a_queue(s):
    topic, url, _, _ = wired(s, RawMessageDelivery="true")
    s.call("sns.Publish", TopicArn=topic, Message="raw text")
    s.call("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
    attributes = {"kind": {"DataType": "String", "StringValue": "rollback"}}
    s.call("sns.Publish", TopicArn=topic, Message="with attributes", MessageAttributes=attributes)
    s.call("sqs.ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"])


@script
def publishing_that_is_refused(s):
    topic = s.call("sns.CreateTopic", Name="notices")["TopicArn"]
    s.ask("sns.Publish", TopicArn=topic + "-not", Message="lost")
    s.ask("sns.Publish", TopicArn=topic, Message="long subject", Subject="x" * 101)
    s.ask("sns.Publish", TopicArn=topic, Message="two lines", Subject="a\nb")
    s.ask("sns.Publish", TopicArn=topic, Message="")
    s.ask("sns.Publish", TopicArn=topic, Message="not json", MessageStructure="json")
    s.ask("sns.Publish", TopicArn=topic, Message='{"sqs":"a"}', MessageStructure="json")
    s.ask("sns.Publish", TopicArn=topic, Message="x" * (256 * 1024 + 1))
