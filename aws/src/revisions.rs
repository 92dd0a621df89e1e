//! Task definition revisions: found by their tag, registered from the live one's JSON, deregistered when old.
//!
//! The definition is copied as raw JSON, so members newer than the SDK are not lost (design: law 12).

use std::collections::BTreeSet;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionField, TaskDefinitionStatus};
use serde_json::Value;
use shared::ids::{RevisionArn, RolloutId};
use shared::observation::Reading;
use shared::ports::EffectError;
use shared::revision::ROLLOUT_TAG;
use shared::rollout::ImageRef;

use crate::clients::Clients;
use crate::clock::{Budget, once};
use crate::errors::{During, Failure};
use crate::images;
use crate::raw::{KeepBody, SwapBody};

/// How many of the newest revisions are searched: between a registration and the search for it, others may register too.
const SEARCHED: usize = 10;

const DESCRIBE: &str = "ecs:DescribeTaskDefinition";

/// The newest ACTIVE revisions of a family, newest first, one page of up to a hundred.
async fn newest(
    client: &Client,
    family: &str,
    limit: usize,
    token: Option<String>,
) -> Result<(Vec<RevisionArn>, Option<String>), Failure> {
    let request = client
        .list_task_definitions()
        .family_prefix(family)
        .status(TaskDefinitionStatus::Active)
        .sort(SortOrder::Desc)
        .max_results(i32::try_from(limit.clamp(1, 100)).unwrap_or(100))
        .set_next_token(token);
    let answer = request.send().await.during("ecs:ListTaskDefinitions")?;
    let arns = answer.task_definition_arns().iter().map(|arn| RevisionArn::from(arn.as_str()));
    // The filter is a family by name; compared again, since the parameter is called a prefix.
    Ok((arns.filter(|arn| arn.family() == family).collect(), answer.next_token.clone()))
}

/// The whole answer of DescribeTaskDefinition, tags included, as JSON.
async fn document(client: &Client, revision: &str) -> Result<Value, Failure> {
    let keep = KeepBody::default();
    let request = client.describe_task_definition().task_definition(revision).include(TaskDefinitionField::Tags);
    request.customize().interceptor(keep.clone()).send().await.during(DESCRIBE)?;
    serde_json::from_slice(&keep.take()).map_err(|error| Failure::unreadable(DESCRIBE, format!("no JSON: {error}")))
}

/// The rollout a definition was registered for.
fn rollout_of(document: &Value) -> Option<&str> {
    let tags = document.get("tags")?.as_array()?;
    tags.iter().find(|tag| tag["key"] == ROLLOUT_TAG)?["value"].as_str()
}

fn number(revision: &RevisionArn) -> Option<u64> {
    revision.short().rsplit_once(':')?.1.parse().ok()
}

/// The revision that was registered for a rollout from `base`, if one was. Numbers of a family only grow, so what was
/// made from `base` is newer than it.
async fn find(client: &Client, base: &RevisionArn, rollout: &str) -> Result<Option<RevisionArn>, Failure> {
    let (revisions, _) = newest(client, base.family(), SEARCHED, None).await?;
    for revision in revisions.into_iter().filter(|revision| number(revision) > number(base)) {
        if rollout_of(&document(client, revision.as_str()).await?) == Some(rollout) {
            return Ok(Some(revision));
        }
    }
    Ok(None)
}

/// Looks for the revision that was registered for a rollout.
pub(crate) async fn registered(client: &Client, base: &RevisionArn, rollout: &str) -> Reading<Option<RevisionArn>> {
    find(client, base, rollout).await.map_or_else(|failure| Reading::Unknown(failure.to_string()), Reading::Known)
}

/// Registers the base revision with new images, unless that was done before.
///
/// # Errors
/// Permanent where the definition cannot carry the images, or an image does not exist.
pub(crate) async fn register(
    clients: &Clients,
    base: &RevisionArn,
    images: &[(ImageRef, Option<String>)],
    rollout: &RolloutId,
    budget: &Budget,
) -> Result<(), EffectError> {
    if budget.read(find(&clients.ecs, base, rollout.as_str())).await?.is_some() {
        return Ok(());
    }
    for (image, _) in images {
        if let Some(why) = budget.read(images::missing(&clients.ecr, image)).await? {
            return Err(EffectError::Permanent(why));
        }
    }
    let document = budget.read(document(&clients.ecs, base.as_str())).await?;
    let next = shared::revision::next(document, images, rollout).map_err(EffectError::Permanent)?;
    let body = serde_json::to_vec(&next).map_err(|error| EffectError::Permanent(error.to_string()))?;
    // Registering is not repeatable, so there is one attempt even without a deadline; the next look finds it by its tag.
    let once = once!(aws_sdk_ecs, budget.left()?);
    let request = clients.ecs.register_task_definition().customize().config_override(once).interceptor(SwapBody(body));
    request.send().await.during("ecs:RegisterTaskDefinition")?;
    Ok(())
}

/// The most revisions one tidying deregisters: the bucket (20 at once, 1 per second) is shared with registrations.
const TIDY_AT_ONCE: usize = 5;

/// The most revisions one tidying looks at.
const TIDY_LOOKS: usize = 20;

/// The most pages of a hundred that one tidying lists.
const TIDY_PAGES: usize = 5;

/// Deregisters ACTIVE revisions of a family beyond the newest `keep`: only ones that Flipback registered, never one in
/// use, the older ones first, a few at a time. Repeated, it comes to an end.
pub(crate) async fn tidy(
    client: &Client,
    family: &RevisionArn,
    keep: u32,
    in_use: &[RevisionArn],
    budget: &Budget,
) -> Result<(), EffectError> {
    let in_use: BTreeSet<&str> = in_use.iter().map(RevisionArn::short).collect();
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let (mut revisions, mut token) = (Vec::new(), None);
    for _ in 0..TIDY_PAGES {
        let (page, next) = budget.read(newest(client, family.family(), 100, token)).await?;
        revisions.extend(page);
        token = next;
        if token.is_none() || revisions.len() >= keep.saturating_add(TIDY_LOOKS) {
            break;
        }
    }
    let mut old = Vec::new();
    for revision in beyond(revisions, keep, &in_use) {
        if rollout_of(&budget.read(document(client, revision.as_str())).await?).is_some() {
            old.push(revision);
        }
    }
    for revision in old.iter().rev().take(TIDY_AT_ONCE) {
        let once = once!(aws_sdk_ecs, budget.left()?);
        let request = client.deregister_task_definition().task_definition(revision.as_str());
        request.customize().config_override(once).send().await.during("ecs:DeregisterTaskDefinition")?;
    }
    Ok(())
}

/// Of revisions newest first, those beyond `keep` that nothing uses; the newest of them only, so that revisions of
/// others far below do not block the way.
fn beyond(revisions: Vec<RevisionArn>, keep: usize, in_use: &BTreeSet<&str>) -> Vec<RevisionArn> {
    revisions.into_iter().skip(keep).filter(|revision| !in_use.contains(revision.short())).take(TIDY_LOOKS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_revision_tells_its_rollout_by_its_tag() {
        let document = json!({"taskDefinition": {}, "tags": [{"key": "team", "value": "shop"}, {"key": ROLLOUT_TAG, "value": "shop-7"}]});
        assert_eq!(rollout_of(&document), Some("shop-7"));
        assert_eq!(rollout_of(&json!({"taskDefinition": {}})), None);
    }

    #[test]
    fn a_later_revision_has_a_greater_number() {
        let arn = |n: u32| RevisionArn::from(format!("arn:aws:ecs:r:1:task-definition/shop:{n}"));
        assert!(number(&arn(10)) > number(&arn(9)));
    }

    #[test]
    fn the_newest_revisions_and_those_in_use_are_kept() {
        let revisions: Vec<RevisionArn> = (1..=6).rev().map(|n| RevisionArn::from(format!("shop:{n}"))).collect();
        let kept = beyond(revisions, 2, &["shop:3"].into());
        assert_eq!(kept.iter().map(RevisionArn::short).collect::<Vec<_>>(), ["shop:4", "shop:2", "shop:1"]);
    }
}
