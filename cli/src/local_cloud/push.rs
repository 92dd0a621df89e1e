//! `flipback local push`: what `docker push` does to ECR, without Docker.

use super::{ask, text};
use crate::args::LocalPush;
use crate::errors::plain;
use crate::output::Out;
use crate::run::Exit;
use hyper::Request;
use serde_json::json;

/// Puts an image with these manners.
pub(crate) async fn push(args: &LocalPush, out: Out) -> anyhow::Result<Exit> {
    let LocalPush { repository, tag, manners, at } = args;
    let request = Request::builder()
        .method("POST")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.PutImage")
        // A local cloud reads the key for its journal, and checks no signature.
        .header("authorization", "AWS4-HMAC-SHA256 Credential=flipback-local-push");
    let (pushed, answer) = ask(at, "", request, local::example::image(repository, tag, manners).to_string()).await?;
    if !pushed {
        let (code, said) = (text(&answer, "__type"), text(&answer, "message"));
        let todo = if code.ends_with("RepositoryNotFoundException") {
            format!(
                "flipback local up --example {repository} sets a service up with one, aws ecr create-repository makes one alone"
            )
        } else if said.contains("manners") {
            "manners are such as 5xx=30, unhealthy, crash, slow=800ms, start=20s; with after=20s behind the first two"
                .to_owned()
        } else {
            "push another tag, or what the error asks for".to_owned()
        };
        return Err(plain(format!("{repository}:{tag} was not pushed: {said}"), todo));
    }
    let digest = answer["image"]["imageId"]["imageDigest"].as_str().unwrap_or_default();
    let document = json!({"repository": repository, "tag": tag, "digest": digest, "manners": manners});
    out.document(&document, |_| format!("pushed {repository}:{tag} ({digest})"));
    Ok(Exit::Done)
}
