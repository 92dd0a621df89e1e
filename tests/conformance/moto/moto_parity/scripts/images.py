"""ECR: repositories and images."""

import hashlib
import json

from ..script import script


def sha256(text):
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def manifest(text):
    return json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{'a' * 64}"},
        # moto makes an image's digest from its layers' digests alone.
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 40, "digest": sha256(text)}],
        "annotations": {"text": text}})


def put(s, text, tag=None, repository="shop", **more):
    given = {"imageTag": tag} if tag else {}
    return s.call("ecr.PutImage", repositoryName=repository, imageManifest=manifest(text), **given, **more)["image"]["imageId"]


@script
def repositories(s):
    s.call("ecr.CreateRepository", repositoryName="shop")
    s.call("ecr.CreateRepository", repositoryName="team/api", imageTagMutability="IMMUTABLE")
    s.ask("ecr.CreateRepository", repositoryName="shop")
    s.call("ecr.DescribeRepositories", repositoryNames=["shop", "team/api"])
    s.ask("ecr.DescribeRepositories", repositoryNames=["nobody"])
    put(s, "one", "1.0.0")
    s.ask("ecr.DeleteRepository", repositoryName="shop")
    s.call("ecr.DeleteRepository", repositoryName="shop", force=True)
    s.ask("ecr.DeleteRepository", repositoryName="shop")


@script
def images_are_pushed_and_read(s):
    s.call("ecr.CreateRepository", repositoryName="shop")
    one = put(s, "one", "1.0.0")
    s.note("ecr.Digest", {"is that of the manifest": one["imageDigest"] == sha256(manifest("one"))})
    two = put(s, "two", "2.0.0", imageManifestMediaType="application/vnd.oci.image.manifest.v1+json")
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "1.0.0"}])
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageDigest": two["imageDigest"]}])
    s.call("ecr.BatchGetImage", repositoryName="shop", imageIds=[{"imageTag": "1.0.0"}, {"imageTag": "nope"}])
    s.call("ecr.BatchGetImage", repositoryName="shop", imageIds=[{"imageDigest": one["imageDigest"]}])
    s.call("ecr.ListImages", repositoryName="shop")
    # A tag moves on; what it left stays without one.
    put(s, "three", "2.0.0")
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "2.0.0"}])
    s.ask("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageDigest": two["imageDigest"]}])
    s.call("ecr.ListImages", repositoryName="shop", filter={"tagStatus": "UNTAGGED"})
    # A second tag on the same image.
    put(s, "three", "latest")
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "latest"}])
    s.call("ecr.BatchDeleteImage", repositoryName="shop", imageIds=[{"imageTag": "latest"}])
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "2.0.0"}])
    s.call("ecr.BatchDeleteImage", repositoryName="shop", imageIds=[{"imageTag": "1.0.0"}, {"imageTag": "nope"}])
    s.ask("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "1.0.0"}])


@script
def pushes_that_are_refused(s):
    s.call("ecr.CreateRepository", repositoryName="fixed", imageTagMutability="IMMUTABLE")
    s.call("ecr.CreateRepository", repositoryName="shop")
    put(s, "one", "1.0.0")
    s.ask("ecr.PutImage", repositoryName="shop", imageManifest=manifest("one"), imageTag="1.0.0")
    s.ask("ecr.PutImage", repositoryName="nobody", imageManifest=manifest("one"), imageTag="1.0.0")
    put(s, "one", "1.0.0", "fixed")
    s.ask("ecr.PutImage", repositoryName="fixed", imageManifest=manifest("two"), imageTag="1.0.0")
    s.ask("ecr.PutImage", repositoryName="shop", imageManifest=manifest("two"), imageDigest=f"sha256:{'0' * 64}", imageTag="2")
    s.ask("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageTag": "nope"}])
    s.ask("ecr.DescribeImages", repositoryName="nobody")
    s.ask("ecr.BatchGetImage", repositoryName="nobody", imageIds=[{"imageTag": "a"}])
    s.ask("ecr.ListImages", repositoryName="nobody")
    s.ask("ecr.BatchDeleteImage", repositoryName="nobody", imageIds=[{"imageTag": "a"}])


@script
def an_image_without_a_tag(s):
    s.call("ecr.CreateRepository", repositoryName="shop")
    digest = put(s, "bare")["imageDigest"]
    s.call("ecr.DescribeImages", repositoryName="shop", imageIds=[{"imageDigest": digest}])
    s.call("ecr.ListImages", repositoryName="shop")
    s.call("ecr.DescribeImages", repositoryName="shop", filter={"tagStatus": "TAGGED"})
    s.call("ecr.BatchDeleteImage", repositoryName="shop", imageIds=[{"imageDigest": digest}])
    s.call("ecr.ListImages", repositoryName="shop")
