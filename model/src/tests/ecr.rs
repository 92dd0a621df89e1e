use serde_json::json;

use super::{Stage, text};
use crate::Service::Ecr;

#[test]
fn a_push_is_told_with_its_tag_and_digest() {
    let mut stage = Stage::new();
    stage.pass(100);
    stage.happened.clear();
    let digest = stage.push("v2", "");
    stage.pass(100);
    let told = stage.events("ECR Image Action");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["image-digest"], digest.as_str());
    assert_eq!((&told[0]["image-tag"], &told[0]["action-type"]), (&json!("v2"), &json!("PUSH")));
    assert_eq!((&told[0]["result"], &told[0]["repository-name"]), (&json!("SUCCESS"), &json!("api")));
}

#[test]
fn the_digest_is_that_of_the_manifest_and_a_tag_moves() {
    let mut stage = Stage::new();
    let manifest = "{\"schemaVersion\":2}";
    let put = json!({ "repositoryName": "api", "imageManifest": manifest, "imageTag": "stable" });
    let image = stage.ok(Ecr, "PutImage", put.clone());
    let known = "sha256:8ecdb1f57fc5ad5b4d35f5dbf74d1c5ec25056a3a3a87c3b1a4b5d0f7c4b3e1e";
    assert_eq!(text(&image["image"]["imageId"]["imageDigest"]).len(), known.len());
    assert_eq!(stage.refused(Ecr, "PutImage", put), "ImageAlreadyExistsException");
    let first = text(&image["image"]["imageId"]["imageDigest"]);
    let second = stage.push("stable", "");
    assert_ne!(first, second);
    let by_tag = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "stable" }] });
    let shown = stage.ok(Ecr, "DescribeImages", by_tag.clone());
    assert_eq!(shown["imageDetails"][0]["imageDigest"], second.as_str());
    assert_eq!(shown["imageDetails"][0]["imagePushedAt"], json!(stage.now as f64 / 1_000.0));
    let by_digest = json!({ "repositoryName": "api", "imageIds": [{ "imageDigest": first }] });
    let shown = stage.ok(Ecr, "DescribeImages", by_digest);
    assert!(shown["imageDetails"][0].get("imageTags").is_none());
    let gotten = stage.ok(Ecr, "BatchGetImage", by_tag);
    assert!(text(&gotten["images"][0]["imageManifest"]).contains("flipback.manners"));
}

#[test]
fn what_is_not_there_is_said_as_ecr_says_it() {
    let mut stage = Stage::new();
    let none = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v9" }] });
    assert_eq!(stage.refused(Ecr, "DescribeImages", none.clone()), "ImageNotFoundException");
    let failures = stage.ok(Ecr, "BatchGetImage", none);
    assert_eq!(failures["failures"][0]["failureCode"], "ImageNotFound");
    assert_eq!(stage.refused(Ecr, "DescribeImages", json!({ "repositoryName": "no" })), "RepositoryNotFoundException");
    let bad = json!({ "repositoryName": "api", "imageManifest": "{\"annotations\":{\"flipback.manners\":\"sulk\"}}" });
    assert_eq!(stage.refused(Ecr, "PutImage", bad), "InvalidParameterException");
}

#[test]
fn deleting_the_last_tag_deletes_the_image() {
    let mut stage = Stage::new();
    let delete = json!({ "repositoryName": "api", "imageIds": [{ "imageTag": "v1" }] });
    stage.ok(Ecr, "BatchDeleteImage", delete);
    let list = stage.ok(Ecr, "ListImages", json!({ "repositoryName": "api" }));
    assert_eq!(list["imageIds"].as_array().map(Vec::len), Some(0));
}
