//! Checks on task definitions: registered, listed, described; no task is ever started from one.

use super::checks::{Finding, Found};
use super::lab::{Lab, TAG};
use super::made::Thing;
use aws::sdk::ecs::types::{Compatibility, ContainerDefinition, SortOrder, Tag, TaskDefinitionField};
use aws::{During as _, Failure, Kind};

/// An image by its digest, as Flipback writes them; nothing pulls it.
const IMAGE: &str = "public.ecr.aws/docker/library/busybox@sha256:\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Registers a revision; returns its ARN.
pub(super) async fn register(lab: &Lab, family: &str, image: Option<&str>) -> Result<String, Failure> {
    lab.note(Thing::Family(family.to_owned()));
    let image = image.unwrap_or("public.ecr.aws/docker/library/busybox:stable");
    let container = ContainerDefinition::builder().name("nothing").image(image).memory(16).essential(true).build();
    let request = lab.clients.ecs.register_task_definition().family(family).container_definitions(container);
    let request = request.requires_compatibilities(Compatibility::Ec2);
    let request = request.tags(Tag::builder().key(TAG).value(&lab.run).build());
    let answer = request.send().await.during("ecs:RegisterTaskDefinition")?;
    let arn = answer.task_definition().and_then(|definition| definition.task_definition_arn());
    Ok(arn.unwrap_or_default().to_owned())
}

async fn list(lab: &Lab, family: &str) -> Result<Vec<String>, Failure> {
    let request = lab.clients.ecs.list_task_definitions().family_prefix(family).sort(SortOrder::Desc);
    let answer = request.send().await.during("ecs:ListTaskDefinitions")?;
    Ok(answer.task_definition_arns.unwrap_or_default())
}

/// 9: a revision is listed in time.
pub(super) async fn listed(lab: &Lab) -> Finding {
    let name = lab.name(9, "");
    let arn = register(lab, &name, None).await?;
    let (seen, took) = lab.wait(async || Ok(list(lab, &name).await?.contains(&arn).then_some(()))).await?;
    let verb = if seen.is_some() { "listed after" } else { "not listed within" };
    Ok(Found::told(seen.is_some(), format!("{verb} {took}")))
}

/// 10: a revision is described with its tags at once.
pub(super) async fn tagged(lab: &Lab) -> Finding {
    let arn = register(lab, &lab.name(10, ""), None).await?;
    let request = lab.clients.ecs.describe_task_definition().task_definition(&arn).include(TaskDefinitionField::Tags);
    let answer = request.send().await.during("ecs:DescribeTaskDefinition")?;
    let tagged = answer.tags().iter().any(|tag| tag.key() == Some(TAG));
    Ok(Found::told(tagged, format!("{} tags in the first description", answer.tags().len())))
}

/// 21: an image by digest is taken and stays as written.
pub(super) async fn digest(lab: &Lab) -> Finding {
    let arn = match register(lab, &lab.name(21, ""), Some(IMAGE)).await {
        Err(failure) if failure.kind == Kind::Invalid => return Ok(Found::told(false, failure.to_string())),
        other => other?,
    };
    let answer = lab.clients.ecs.describe_task_definition().task_definition(&arn).send().await;
    let answer = answer.during("ecs:DescribeTaskDefinition")?;
    let containers = answer.task_definition().map(|definition| definition.container_definitions()).unwrap_or_default();
    let image = containers.first().and_then(ContainerDefinition::image).unwrap_or("none");
    Ok(Found::told(image == IMAGE, format!("the image is described as {image}")))
}

/// 24: the newest revision comes first.
pub(super) async fn newest(lab: &Lab) -> Finding {
    let name = lab.name(24, "");
    let arns = [register(lab, &name, None).await?, register(lab, &name, None).await?];
    let (seen, _) = lab.wait(async || Ok(Some(list(lab, &name).await?).filter(|all| all.len() == 2))).await?;
    let Some(seen) = seen else { return Ok(Found::unknown("two revisions were registered and not both listed")) };
    let first = seen.first().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
    Ok(Found::told(seen.first() == arns.last(), format!("revision {first} of 2 is listed first")))
}
