//! Images in ECR: what a tag or a digest stands for, and what was pushed last.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::types::{ImageDetail, ImageIdentifier, ImageStatus};
use shared::ids::Digest;
use shared::rollout::ImageRef;
use shared::time::Time;

use crate::count::time;
use crate::errors::{During, Failure};

const CALL: &str = "ecr:DescribeImages";

/// An image as ECR describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is.
    pub digest: Digest,
    /// The tags it has now; none for an untagged one.
    pub tags: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Time,
    /// Whether it is archived: an archived image cannot be pulled.
    pub archived: bool,
}

/// Account and region of an ECR registry host (`ACCOUNT.dkr.ecr.REGION.amazonaws.com`); none for other hosts.
#[must_use]
pub fn registry_parts(host: &str) -> Option<(&str, &str)> {
    let mut labels = host.split('.');
    match (labels.next()?, labels.next()?, labels.next()?, labels.next()?) {
        (account, "dkr", "ecr" | "ecr-fips", region) if account.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((account, region))
        }
        _ => None,
    }
}

/// The image that a reference (`v1.4.0` or `sha256:...`) names in a repository; none: there is no such image.
///
/// `registry` is the registry's host, or empty for the caller's own.
///
/// # Errors
/// What AWS says; a repository that does not exist is one.
pub async fn describe(
    client: &Client,
    registry: &str,
    repository: &str,
    reference: &str,
) -> Result<Option<Image>, Failure> {
    let parts = registry_parts(registry);
    let id = if reference.starts_with("sha256:") {
        ImageIdentifier::builder().image_digest(reference).build()
    } else {
        ImageIdentifier::builder().image_tag(reference).build()
    };
    let request = client
        .describe_images()
        .set_registry_id(parts.map(|(account, _)| account.to_owned()))
        .repository_name(repository)
        .image_ids(id);
    let region = parts.map(|(_, region)| Region::new(region.to_owned()));
    let here = aws_sdk_ecr::config::Builder::new();
    let there = region.into_iter().fold(here, aws_sdk_ecr::config::Builder::region);
    match request.customize().config_override(there).send().await.during(CALL) {
        Ok(answer) => Ok(answer.image_details().first().and_then(image)),
        Err(failure) if failure.code.as_deref() == Some("ImageNotFoundException") => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The newest tagged images of a repository of the caller's own registry, newest first, `limit` at most.
///
/// ECR lists in no useful order, so everything is read, but never more than ten thousand images.
///
/// # Errors
/// What AWS says.
pub async fn newest(client: &Client, repository: &str, limit: usize) -> Result<Vec<Image>, Failure> {
    const PAGES: usize = 10;
    const PAGE: i32 = 1000;
    let (mut images, mut token) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request =
            client.describe_images().repository_name(repository).max_results(PAGE).set_next_token(token.take());
        let answer = request.send().await.during(CALL)?;
        images.extend(answer.image_details().iter().filter_map(image).filter(|image| !image.tags.is_empty()));
        token = answer.next_token;
        if token.is_none() {
            break;
        }
    }
    if token.is_some() {
        tracing::warn!(
            repository,
            "the repository has more images than the sweep reads; a lifecycle policy would help"
        );
    }
    images.sort_by(|a, b| b.pushed_at.cmp(&a.pushed_at).then_with(|| a.digest.cmp(&b.digest)));
    images.truncate(limit);
    Ok(images)
}

fn image(detail: &ImageDetail) -> Option<Image> {
    Some(Image {
        digest: Digest::from(detail.image_digest()?),
        tags: detail.image_tags().to_vec(),
        pushed_at: detail.image_pushed_at().and_then(time).unwrap_or_default(),
        archived: detail.image_status() == Some(&ImageStatus::Archived),
    })
}

/// Whether a pinned image can be pulled; the reason if it cannot.
pub(crate) async fn missing(client: &Client, image: &ImageRef) -> Result<Option<String>, Failure> {
    if registry_parts(&image.registry).is_none() {
        return Ok(None);
    }
    Ok(match describe(client, &image.registry, &image.repository, image.digest.as_str()).await? {
        None => Some(format!("{} does not exist in ECR (deleted, or another account or region)", image.pinned())),
        Some(found) if found.archived => Some(format!("{} is archived in ECR; restore it first", image.pinned())),
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_region_are_read_from_the_registry_host() {
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(registry_parts(host), Some(("123456789012", "eu-west-1")));
        assert_eq!(registry_parts("public.ecr.aws"), None);
        assert_eq!(registry_parts("docker.io"), None);
    }
}
