//! ECR: an image was pushed, or replicated into this region.

use crate::ids::{Digest, IntentId};
use crate::rollout::ImageRef;

use super::{Envelope, Event};

/// An image that is in a repository with a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePush {
    /// The image, pinned. Its time is the event's.
    pub image: ImageRef,
    /// The registry's account.
    pub account: String,
    /// The registry's region.
    pub region: String,
}

impl ImagePush {
    /// The id of the wish to deploy it: the same push told twice, or by push and replication, is one.
    #[must_use]
    pub fn intent(&self) -> IntentId {
        intent(&self.image)
    }
}

/// The id of the wish to deploy a pushed image, whoever found it.
#[must_use]
pub fn intent(image: &ImageRef) -> IntentId {
    IntentId(format!("push/{}/{}/{}", image.repository, image.tag, image.digest.short()))
}

pub(super) fn push(event: &Envelope<'_>) -> Result<Event, String> {
    let action = event.text("action-type")?;
    if action != "PUSH" {
        return Ok(Event::Ignored(format!("an image action other than PUSH: {action}")));
    }
    image(event)
}

pub(super) fn replication(event: &Envelope<'_>) -> Result<Event, String> {
    let action = event.text("action-type")?;
    if action != "REPLICATE" {
        return Ok(Event::Ignored(format!("a replication action other than REPLICATE: {action}")));
    }
    image(event)
}

fn image(event: &Envelope<'_>) -> Result<Event, String> {
    let result = event.text("result")?;
    if result != "SUCCESS" {
        return Ok(Event::Ignored(format!("the push did not succeed: {result}")));
    }
    let repository = event.text("repository-name")?;
    let digest = event.text("image-digest")?;
    let hex =
        digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()));
    if hex.is_none() {
        return Err(format!("detail.image-digest {digest:?} is not sha256: and 64 hexadecimal digits"));
    }
    // One event per tag; manifests of a multi-architecture push come untagged beside it.
    let tag = event.detail.get("image-tag").and_then(serde_json::Value::as_str).unwrap_or_default();
    if tag.is_empty() {
        return Ok(Event::Ignored(format!("untagged push to {repository}")));
    }
    let (account, region) = (event.account, event.region);
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Ok(Event::Push(ImagePush {
        image: ImageRef {
            registry: format!("{account}.dkr.ecr.{region}.{suffix}"),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: Digest(digest.to_owned()),
            pushed_at: event.time,
        },
        account: account.to_owned(),
        region: region.to_owned(),
    }))
}
