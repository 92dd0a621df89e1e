//! Checks on ECS services and their scalable targets. Every service has the placement constraint of an attribute that no
//! instance has: it can want tasks, and none is ever started.

use super::checks::{Finding, Found};
use super::definitions::register;
use super::lab::{Lab, TAG};
use super::made::Thing;
use aws::sdk::ecs::types::{
    DeploymentConfiguration, LaunchType, PlacementConstraint, PlacementConstraintType, Service, Tag,
};
use aws::sdk::scaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace, SuspendedState};
use aws::{During as _, Failure};
use std::time::Duration;

/// How long a deployment that should not start is waited for.
pub(super) const LULL: Duration = Duration::from_secs(3);

/// A service without tasks, and the name of its family, of which there is one revision.
pub(super) async fn service(lab: &Lab, check: u32) -> Result<String, Failure> {
    let name = lab.name(check, "");
    register(lab, &name, None).await?;
    lab.note(Thing::Service(name.clone()));
    let nowhere = PlacementConstraint::builder()
        .r#type(PlacementConstraintType::MemberOf)
        .expression("attribute:flipback.check-account == never")
        .build();
    let configuration = DeploymentConfiguration::builder().maximum_percent(200).minimum_healthy_percent(50).build();
    let request = lab.clients.ecs.create_service().cluster(&lab.cluster).service_name(&name).desired_count(0);
    let request = request.task_definition(format!("{name}:1")).launch_type(LaunchType::Ec2);
    let request = request.placement_constraints(nowhere).deployment_configuration(configuration);
    request.tags(Tag::builder().key(TAG).value(&lab.run).build()).send().await.during("ecs:CreateService")?;
    Ok(name)
}

pub(super) async fn describe(lab: &Lab, name: &str) -> Result<Option<Service>, Failure> {
    let answer = lab.clients.ecs.describe_services().cluster(&lab.cluster).services(name).send().await;
    Ok(answer.during("ecs:DescribeServices")?.services.unwrap_or_default().into_iter().next())
}

fn runs(service: &Service, revision: &str) -> bool {
    service.task_definition().is_some_and(|arn| arn.ends_with(&format!("/{revision}")))
}

fn deployments(service: &Service) -> Vec<String> {
    service.deployments().iter().filter_map(|deployment| deployment.id().map(str::to_owned)).collect()
}

/// 7: a service that is not there is told among the failures.
pub(super) async fn missing(lab: &Lab) -> Finding {
    let name = lab.name(7, "");
    let request = lab.clients.ecs.describe_services().cluster(&lab.cluster).services(name);
    match request.send().await.during("ecs:DescribeServices") {
        Ok(answer) => {
            let reason = answer.failures().first().and_then(|failure| failure.reason()).unwrap_or("none");
            let services = answer.services().len();
            Ok(Found::told(reason == "MISSING" && services == 0, format!("{services} services, failure: {reason}")))
        }
        Err(failure) if failure.code.as_deref().is_some_and(|code| code.contains("NotFound")) => {
            Ok(Found::told(false, failure.to_string()))
        }
        Err(failure) => Err(failure),
    }
}

/// 8: an UpdateService that changes nothing starts no deployment.
pub(super) async fn repeated(lab: &Lab) -> Finding {
    let name = service(lab, 8).await?;
    register(lab, &name, None).await?;
    let update = async || {
        let request = lab.clients.ecs.update_service().cluster(&lab.cluster).service(&name).desired_count(0);
        request.task_definition(format!("{name}:2")).send().await.during("ecs:UpdateService")
    };
    update().await?;
    let look = async || Ok(describe(lab, &name).await?.filter(|service| runs(service, &format!("{name}:2"))));
    let Some(before) = lab.wait(look).await?.0 else { return Ok(Found::unknown("the update was not read back")) };
    update().await?;
    tokio::time::sleep(LULL).await;
    let after = describe(lab, &name).await?.map(|service| deployments(&service)).unwrap_or_default();
    let before = deployments(&before);
    let new = after.iter().filter(|id| !before.contains(id)).count();
    Ok(Found::told(new == 0, format!("{new} new deployments within {} s of the second update", LULL.as_secs())))
}

/// 31: what an update does not say of the deployment configuration stays.
pub(super) async fn merged(lab: &Lab) -> Finding {
    let name = service(lab, 31).await?;
    let configuration = DeploymentConfiguration::builder().maximum_percent(150).build();
    let request = lab.clients.ecs.update_service().cluster(&lab.cluster).service(&name);
    request.deployment_configuration(configuration).send().await.during("ecs:UpdateService")?;
    let look = async || {
        let service = describe(lab, &name).await?;
        let configuration = service.and_then(|service| service.deployment_configuration);
        Ok(configuration.filter(|configuration| configuration.maximum_percent() == Some(150)))
    };
    let Some(seen) = lab.wait(look).await?.0 else { return Ok(Found::unknown("the update was not read back")) };
    let kept = seen.minimum_healthy_percent();
    let said = kept.map_or_else(|| "not there".to_owned(), |percent| format!("{percent}"));
    Ok(Found::told(kept == Some(50), format!("minimumHealthyPercent was 50 and not sent; it is {said}")))
}

/// 40: what was written is read at once.
pub(super) async fn read_back(lab: &Lab) -> Finding {
    let name = service(lab, 40).await?;
    register(lab, &name, None).await?;
    let request = lab.clients.ecs.update_service().cluster(&lab.cluster).service(&name);
    request.task_definition(format!("{name}:2")).send().await.during("ecs:UpdateService")?;
    let mut looks = 0;
    let (seen, took) = lab
        .wait(async || {
            looks += 1;
            Ok(describe(lab, &name).await?.filter(|service| runs(service, &format!("{name}:2"))))
        })
        .await?;
    let evidence = match seen {
        Some(_) => format!("read back after {took}, at look {looks}"),
        None => format!("not read back within {took}"),
    };
    Ok(Found::told(seen.is_some() && looks == 1, evidence))
}

async fn scalable(
    lab: &Lab,
    name: &str,
    bounds: Option<(i32, i32)>,
    suspended: Option<SuspendedState>,
) -> Result<(), Failure> {
    lab.note(Thing::ScalableTarget(name.to_owned()));
    let request = lab
        .clients
        .scaling
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_id(format!("service/{}/{name}", lab.cluster))
        .set_min_capacity(bounds.map(|(min, _)| min))
        .set_max_capacity(bounds.map(|(_, max)| max))
        .set_suspended_state(suspended);
    request.send().await.during("application-autoscaling:RegisterScalableTarget").map(drop)
}

async fn described(lab: &Lab, name: &str) -> Result<Option<ScalableTarget>, Failure> {
    let request = lab
        .clients
        .scaling
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Ecs)
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .resource_ids(format!("service/{}/{name}", lab.cluster));
    let answer = request.send().await.during("application-autoscaling:DescribeScalableTargets")?;
    Ok(answer.scalable_targets.unwrap_or_default().into_iter().next())
}

/// 12: a suspension alone leaves the bounds.
pub(super) async fn suspension(lab: &Lab) -> Finding {
    let name = service(lab, 12).await?;
    scalable(lab, &name, Some((0, 4)), None).await?;
    let suspended = SuspendedState::builder().dynamic_scaling_in_suspended(true).build();
    scalable(lab, &name, None, Some(suspended)).await?;
    let look = async || {
        let suspended = |target: &ScalableTarget| {
            target.suspended_state().and_then(SuspendedState::dynamic_scaling_in_suspended) == Some(true)
        };
        Ok(described(lab, &name).await?.filter(suspended))
    };
    let Some(seen) = lab.wait(look).await?.0 else { return Ok(Found::unknown("the suspension was not read back")) };
    let bounds = (seen.min_capacity(), seen.max_capacity());
    Ok(Found::told(bounds == (0, 4), format!("the bounds were 0 to 4, they are {bounds:?}")))
}

/// 13: a count outside the bounds is moved into them.
pub(super) async fn moved(lab: &Lab) -> Finding {
    let name = service(lab, 13).await?;
    scalable(lab, &name, Some((2, 4)), None).await?;
    let look = async || Ok(describe(lab, &name).await?.filter(|service| service.desired_count() == 2));
    let (seen, took) = lab.wait(look).await?;
    let evidence = match seen {
        Some(_) => format!("the count was 0, at least 2 were asked for, it was 2 after {took}"),
        None => format!("the count was 0, at least 2 were asked for, it was not 2 within {took}"),
    };
    Ok(Found::told(seen.is_some(), evidence))
}
