//! The image policy: which pushes are deployed, and what is said of those that are not.

use globset::Glob;
use semver::{Version, VersionReq};

use crate::config::{ImageRule, ServiceConfig, TagRule};
use crate::rollout::{ImageRef, Status};

/// A push that is not deployed: why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// What a person can do; empty where nothing is wrong.
    pub advice: String,
    /// Whether a person should hear of it: a duplicate or an old push that came late is only written down.
    pub loud: bool,
}

impl Refusal {
    fn loud(reason: impl Into<String>, advice: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), advice: advice.into(), loud: true }
    }

    fn silent(reason: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), advice: String::new(), loud: false }
    }
}

/// Whether a push is deployed by a service.
///
/// # Errors
/// Why it is not.
pub fn judge(config: &ServiceConfig, status: &Status, image: &ImageRef) -> Result<(), Refusal> {
    let Some(rule) = config.image(&image.repository) else {
        return Err(Refusal::loud(
            format!("service {} has no image from repository {}", config.name, image.repository),
            "add it under `images:` in flipback.yaml and apply that",
        ));
    };
    at_home(config, image)?;
    tag_fits(rule, image)?;
    if let Some(why) = status.stale(image) {
        return Err(Refusal::silent(why));
    }
    if let Some(floor) = status.floor(&image.repository)
        && let (TagRule::Semver(_), Some(new), Some(old)) = (&rule.tags, version(&image.tag), version(&floor.tag))
        && new < old
    {
        return Err(Refusal::loud(
            format!("version {new} is older than {old}, the last one that was taken and did not hurt"),
            format!("to go back: flipback deploy {} --image {}:{}", config.name, image.repository, image.tag),
        ));
    }
    if let Some(held) =
        status.quarantine.iter().find(|held| held.digests.len() == 1 && held.digests.contains(&image.digest))
    {
        return Err(Refusal::loud(
            format!("the image is in quarantine: {}", held.reason),
            format!(
                "if it is good after all: flipback release {} {}, then flipback deploy {} --image {}:{}",
                config.name, image.digest, config.name, image.repository, image.tag
            ),
        ));
    }
    Ok(())
}

/// Of the images in a repository the newest that no event told of. Only images pushed after the one that was taken last
/// count: what was there before Flipback came is not deployed by itself.
#[must_use]
pub fn missed<'a>(config: &ServiceConfig, status: &Status, pushed: &'a [ImageRef]) -> Option<&'a ImageRef> {
    let newer = |image: &&ImageRef| {
        let seen = status.seen.get(&image.repository);
        seen.is_some_and(|seen| image.pushed_at > seen.at && !seen.digests.contains(&image.digest))
            && judge(config, status, image).is_ok()
    };
    pushed.iter().filter(newer).max_by_key(|image| image.pushed_at)
}

/// A push to a repository that no service names.
#[must_use]
pub fn not_configured(image: &ImageRef) -> Refusal {
    let repository = &image.repository;
    Refusal::loud(
        format!("no service is deployed from repository {repository}"),
        "name it under `images:` of a service in flipback.yaml and apply that, or leave it: this is told once",
    )
}

/// The registry of the account and region in which the service's load balancer is. Pushes elsewhere reach this
/// installation only by a forwarded event; ECS may not be permitted to pull from there.
fn at_home(config: &ServiceConfig, image: &ImageRef) -> Result<(), Refusal> {
    let Some((region, account)) = config.home() else { return Ok(()) };
    if image.registry.starts_with(&format!("{account}.dkr.ecr.{region}.")) {
        return Ok(());
    }
    Err(Refusal::loud(
        format!("it was pushed to {}, but the service is in account {account}, region {region}", image.registry),
        "push there, or let ECR replicate the repository: the replicated image deploys by itself",
    ))
}

fn tag_fits(rule: &ImageRule, image: &ImageRef) -> Result<(), Refusal> {
    let tag = image.tag.as_str();
    if tag == "latest" {
        return Err(Refusal::loud(
            "the tag `latest` says nothing about what it is and is not deployed",
            retag(image, "v1.2.3"),
        ));
    }
    match &rule.tags {
        TagRule::Semver(range) => {
            let Some(version) = version(tag) else {
                return Err(Refusal::loud(format!("tag {tag} is not a version"), retag(image, "v1.2.3")));
            };
            let fits = VersionReq::parse(range).is_ok_and(|range| range.matches(&version));
            if fits {
                return Ok(());
            }
            let why = if version.pre.is_empty() {
                format!("version {version} is not in {range}")
            } else {
                format!("version {version} is a pre-release, and {range} does not ask for those of this version")
            };
            Err(Refusal::loud(why, "widen `tags: { semver: ... }` in flipback.yaml if it should be deployed"))
        }
        TagRule::Glob(pattern) => {
            let fits = Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(tag));
            if fits {
                return Ok(());
            }
            let reason = format!("tag {tag} does not match {pattern}");
            Err(Refusal::loud(reason, "change `tags: { glob: ... }` in flipback.yaml if it should be deployed"))
        }
        TagRule::Exact(exact) => {
            if tag == exact {
                return Ok(());
            }
            Err(Refusal::loud(format!("only tag {exact} is deployed, this is {tag}"), retag(image, exact)))
        }
    }
}

/// The command that gives the image another tag, without pulling it.
fn retag(image: &ImageRef, tag: &str) -> String {
    let ImageRef { repository, digest, .. } = image;
    format!(
        "give it one: aws ecr put-image --repository-name {repository} --image-tag {tag} --image-manifest \"$(aws ecr \
         batch-get-image --repository-name {repository} --image-ids imageDigest={digest} --query \
         'images[0].imageManifest' --output text)\""
    )
}

/// The version in a tag, with or without a leading `v`.
#[must_use]
pub fn version(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;
    use crate::time::Time;
    use proptest::prelude::*;

    fn judge_tag(rule: TagRule, tag: &str) -> Result<(), Refusal> {
        let mut config = fixture::config();
        config.images[0].tags = rule;
        judge(&config, &Status::default(), &fixture::image(tag, 1, Time(1)))
    }

    #[test]
    fn a_version_in_the_range_is_deployed_with_or_without_v() {
        let rule = || TagRule::Semver(">=1.0.0".to_owned());
        assert_eq!(judge_tag(rule(), "v1.4.0"), Ok(()));
        assert_eq!(judge_tag(rule(), "1.4.0"), Ok(()));
        assert!(judge_tag(rule(), "v0.9.0").unwrap_err().reason.contains("not in >=1.0.0"));
        assert!(judge_tag(rule(), "main").unwrap_err().reason.contains("not a version"));
    }

    #[test]
    fn a_pre_release_is_deployed_only_when_the_range_names_one() {
        assert!(
            judge_tag(TagRule::Semver(">=1.0.0".to_owned()), "v1.5.0-rc.1").unwrap_err().reason.contains("pre-release")
        );
        assert_eq!(judge_tag(TagRule::Semver(">=1.5.0-rc.0".to_owned()), "v1.5.0-rc.1"), Ok(()));
    }

    #[test]
    fn latest_is_refused_with_the_command_that_helps() {
        let refusal = judge_tag(TagRule::Glob("*".to_owned()), "latest").unwrap_err();
        assert!(refusal.advice.contains("aws ecr put-image"), "{}", refusal.advice);
    }

    #[test]
    fn an_image_in_another_region_or_account_is_refused_with_both_named() {
        let mut image = fixture::image("v1.0.0", 1, Time(1));
        image.registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com".to_owned();
        let refusal = judge(&fixture::config(), &Status::default(), &image).unwrap_err();
        assert!(refusal.reason.contains("eu-west-1") && refusal.reason.contains("us-east-1"), "{}", refusal.reason);
    }

    #[test]
    fn after_a_rollback_the_version_floor_is_the_last_good_one() {
        let config = fixture::config();
        let mut status = Status::default();
        status.good.insert("shop-api".to_owned(), fixture::image("v1.0.0", 1, Time(1)));
        status.take(&fixture::image("v1.2.0", 2, Time(2)));
        let push = fixture::image("v1.1.5", 3, Time(3));
        assert!(judge(&config, &status, &push).is_err());
        status.quarantine.push(crate::rollout::Quarantined {
            digests: [fixture::image("v1.2.0", 2, Time(2)).digest].into(),
            rollout: "shop-api-1".into(),
            reason: "an alarm".to_owned(),
            at: Time(2),
        });
        assert_eq!(judge(&config, &status, &push), Ok(()));
        assert!(judge(&config, &status, &fixture::image("v0.9.9", 4, Time(4))).is_err());
    }

    #[test]
    fn a_push_that_no_event_told_of_is_found_and_what_was_there_before_is_not() {
        let config = fixture::config();
        let mut status = Status::default();
        let pushed = [1, 2, 3].map(|n| fixture::image(&format!("v{n}.0.0"), n, Time(100 * u64::from(n))));
        assert_eq!(missed(&config, &status, &pushed), None);
        status.take(&pushed[0]);
        assert_eq!(missed(&config, &status, &pushed), Some(&pushed[2]));
        status.take(&pushed[2]);
        assert_eq!(missed(&config, &status, &pushed), None);
        // A person went back to an older image: what was seen before is not found again.
        status.take(&pushed[0]);
        assert_eq!(missed(&config, &status, &pushed), None);
        assert!(!judge(&config, &status, &pushed[2]).unwrap_err().loud);
    }

    #[test]
    fn a_glob_and_an_exact_tag_take_what_they_say() {
        assert_eq!(judge_tag(TagRule::Glob("release-*".to_owned()), "release-7"), Ok(()));
        assert!(judge_tag(TagRule::Glob("release-*".to_owned()), "main-7").is_err());
        assert_eq!(judge_tag(TagRule::Exact("stable".to_owned()), "stable"), Ok(()));
        assert!(judge_tag(TagRule::Exact("stable".to_owned()), "edge").is_err());
    }

    #[test]
    fn an_older_push_and_a_duplicate_are_refused_silently() {
        let config = fixture::config();
        let mut status = Status::default();
        status.take(&fixture::image("v2.0.0", 2, Time(100)));
        assert!(!judge(&config, &status, &fixture::image("v2.0.0", 2, Time(200))).unwrap_err().loud);
        assert!(!judge(&config, &status, &fixture::image("v1.0.0", 1, Time(50))).unwrap_err().loud);
        assert!(judge(&config, &status, &fixture::image("v1.0.0", 1, Time(150))).unwrap_err().loud);
        assert_eq!(judge(&config, &status, &fixture::image("v2.0.1", 3, Time(150))), Ok(()));
    }

    #[test]
    fn a_version_built_anew_is_deployed_and_one_image_of_a_quarantined_pair_too() {
        let config = fixture::config();
        let mut status = Status::default();
        status.take(&fixture::image("v2.0.0", 2, Time(2)));
        let again = fixture::image("v2.0.0", 3, Time(3));
        assert_eq!(judge(&config, &status, &again), Ok(()));
        let held = |digests: &[u8]| crate::rollout::Quarantined {
            digests: digests.iter().map(|&n| fixture::image("", n, Time(0)).digest).collect(),
            rollout: "shop-api-1".into(),
            reason: "an alarm".to_owned(),
            at: Time(2),
        };
        status.quarantine = vec![held(&[9]), held(&[3, 9])];
        assert_eq!(judge(&config, &status, &again), Ok(()));
        status.quarantine.push(held(&[3]));
        let refusal = judge(&config, &status, &again).unwrap_err();
        assert!(refusal.loud && refusal.advice.contains(&format!("flipback release shop-api {}", again.digest)));
    }

    #[test]
    fn only_a_later_push_is_found_as_missed() {
        let config = fixture::config();
        let mut status = Status::default();
        status.take(&fixture::image("v2.0.0", 2, Time(200)));
        assert_eq!(missed(&config, &status, &[fixture::image("v3.0.0", 3, Time(200))]), None);
        let later = [fixture::image("v3.0.0", 3, Time(201))];
        assert_eq!(missed(&config, &status, &later), Some(&later[0]));
    }

    proptest! {
        #[test]
        fn no_tag_makes_the_policy_panic(tag in ".{0,200}", pattern in ".{0,50}") {
            let _ = judge_tag(TagRule::Semver(pattern.clone()), &tag);
            let _ = judge_tag(TagRule::Glob(pattern.clone()), &tag);
            let _ = judge_tag(TagRule::Exact(pattern), &tag);
        }
    }
}
