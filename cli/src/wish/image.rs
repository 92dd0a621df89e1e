//! From what a person calls an image to the pinned image that is deployed.

use crate::errors::plain;
use crate::installation::Installation;
use aws::Kind;
use aws::images::{Image, describe};
use aws::lookup::account_and_region;
use shared::config::ServiceConfig;
use shared::ports::Record;
use shared::rollout::ImageRef;

/// `[REGISTRY/]REPOSITORY:TAG` or `[REGISTRY/]REPOSITORY@DIGEST`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference<'a> {
    registry: Option<&'a str>,
    repository: &'a str,
    /// A tag, or a digest.
    version: &'a str,
}

fn parse(text: &str) -> anyhow::Result<Reference<'_>> {
    let wrong = || {
        plain(
            format!("`{text}` is not an image reference"),
            "write REPOSITORY:TAG or REPOSITORY@sha256:DIGEST, such as shop-api:v1.4.0",
        )
    };
    let (name, version) = match text.split_once('@') {
        Some((name, digest)) => {
            (name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(n, _)| n), digest)
        }
        None => text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).ok_or_else(wrong)?,
    };
    // A registry is a host: it has a dot or a port, which a repository's first part has not.
    let (registry, repository) = match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) => (Some(host), rest),
        _ => (None, name),
    };
    let digest = version.strip_prefix("sha256:");
    let fits =
        digest.map_or(!version.contains(':'), |hex| hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit()));
    if repository.is_empty() || version.is_empty() || !fits {
        return Err(wrong());
    }
    Ok(Reference { registry, repository, version })
}

/// The image in ECR that a reference names, as one of the service's images.
pub(super) async fn resolve(installation: &Installation, record: &Record, text: &str) -> anyhow::Result<ImageRef> {
    let config = &record.config;
    let reference = parse(text)?;
    let Reference { repository, version, .. } = reference;
    if config.image(repository).is_none() {
        let known: Vec<&str> = config.images.iter().map(|image| image.repository.as_str()).collect();
        return Err(plain(
            format!("service {} has no image from repository {repository}", config.name),
            format!("its repositories are: {}; others are added under `images:` in flipback.yaml", known.join(", ")),
        ));
    }
    let registry = match (reference.registry, record.status.taken.get(repository)) {
        (Some(registry), _) => registry.to_owned(),
        (None, Some(taken)) => taken.registry.clone(),
        (None, None) => home_registry(config).unwrap_or_default(),
    };
    let found = match describe(&installation.clients.ecr, &registry, repository, version).await {
        Err(failure) if failure.kind == Kind::NotFound => return Err(no_repository(&registry, repository)),
        result => result?,
    };
    let image = found.ok_or_else(|| {
        plain(
            format!(
                "there is no image {repository}{}{version} in {registry}",
                if version.contains(':') { "@" } else { ":" }
            ),
            format!("aws ecr describe-images --repository-name {repository} shows those there are"),
        )
    })?;
    if image.archived {
        return Err(plain(format!("{text} is archived in ECR and cannot be pulled"), "restore it in ECR first"));
    }
    Ok(pinned(&reference, registry, image))
}

fn pinned(reference: &Reference<'_>, registry: String, image: Image) -> ImageRef {
    let Reference { repository, version, .. } = *reference;
    let tag = if version.starts_with("sha256:") {
        image.tags.first().cloned().unwrap_or_else(|| image.digest.short().to_owned())
    } else {
        version.to_owned()
    };
    ImageRef { registry, repository: repository.to_owned(), tag, digest: image.digest, pushed_at: image.pushed_at }
}

fn no_repository(registry: &str, repository: &str) -> anyhow::Error {
    plain(
        format!("there is no repository {repository} in {registry}"),
        "check the name, --region and --profile, or write the registry before it: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG",
    )
}

/// The registry of the account and region that the service's routes are in.
fn home_registry(config: &ServiceConfig) -> Option<String> {
    let arn = config.engine.arn()?;
    let (account, region) = account_and_region(arn)?;
    let suffix = if arn.starts_with("arn:aws-cn:") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Some(format!("{account}.dkr.ecr.{region}.{suffix}"))
}

/// Refuses here what the loop would decline: the person learns of it at once.
pub(super) fn not_in_quarantine(record: &Record, images: &[ImageRef]) -> anyhow::Result<()> {
    let name = &record.config.name;
    let held = record.status.quarantine.iter().find(|held| {
        !held.digests.is_empty() && held.digests.iter().all(|digest| images.iter().any(|image| image.digest == *digest))
    });
    match held {
        None => Ok(()),
        Some(held) => {
            let digest = held.digests.first().map_or("DIGEST", shared::ids::Digest::short);
            Err(plain(
                format!("{name}: the image is in quarantine: {}", held.reason),
                format!("if it is good after all: flipback release {name} {digest}; or deploy it with --force"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;

    #[test]
    fn a_reference_names_repository_and_tag_or_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let named = |text: &str| {
            let Reference { registry, repository, version } = parse(text).unwrap();
            (registry.map(str::to_owned), repository.to_owned(), version.to_owned())
        };
        assert_eq!(named("shop-api:v1"), (None, "shop-api".into(), "v1".into()));
        assert_eq!(named("team/shop-api:v1"), (None, "team/shop-api".into(), "v1".into()));
        assert_eq!(named(&format!("shop-api@{digest}")), (None, "shop-api".into(), digest.clone()));
        assert_eq!(named(&format!("shop-api:v1@{digest}")), (None, "shop-api".into(), digest.clone()));
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        assert_eq!(named(&format!("{host}/team/shop:v1")), (Some(host.into()), "team/shop".into(), "v1".into()));
        assert_eq!(named("localhost:5000/shop:v1"), (Some("localhost:5000".into()), "shop".into(), "v1".into()));
    }

    #[test]
    fn a_reference_without_tag_or_with_half_a_digest_is_refused() {
        for text in ["shop-api", "shop-api:", ":v1", "shop-api@sha256:abc", "shop-api@v1:x", "", "localhost:5000/shop"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_registry_is_that_of_the_routes() {
        assert_eq!(home_registry(&fixture::config()).unwrap(), "123456789012.dkr.ecr.us-east-1.amazonaws.com");
    }

    #[test]
    fn an_image_in_quarantine_is_refused_with_the_command_that_helps() {
        let mut record = fixture::record();
        assert!(not_in_quarantine(&record, &[fixture::image()]).is_ok());
        record.status.quarantine.push(fixture::quarantined());
        assert!(not_in_quarantine(&record, &[fixture::image()]).unwrap_err().to_string().contains("in quarantine"));
    }
}
