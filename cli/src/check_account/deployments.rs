//! Checks on service deployments, which the native engine follows. No task is started: what wants tasks can have them
//! nowhere, and what goes from stage to stage wants none.

use super::checks::{Finding, Found};
use super::definitions::register;
use super::lab::Lab;
use super::services::{self, LULL};
use aws::sdk::ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws::sdk::ecs::primitives::DateTime;
use aws::sdk::ecs::types::{
    DeploymentConfiguration, DeploymentLifecycleHook, DeploymentLifecycleHookAction, DeploymentLifecycleHookDetail,
    DeploymentLifecycleHookStage, DeploymentLifecycleHookStatus, DeploymentLifecycleHookTargetType,
    DeploymentLifecycleHookTimeoutConfiguration, DeploymentStrategy, ServiceDeployment, ServiceDeploymentBrief,
    ServiceDeploymentStatus as Status, StopServiceDeploymentStopType,
};
use aws::{During as _, Failure, Kind};
use shared::time::{Span, Time};

/// How long a way back without tasks may take.
const OVER: Span = Span::mins(3);

/// How far clocks may differ.
const SKEW: Span = Span::mins(2);

/// What ECS waits for an answer where nothing is said.
const DAY: Span = Span::mins(24 * 60);

/// An hour, for pauses that are not about their timeout.
const TIMEOUT: i32 = 60;

const UNREST: &str = "the deployment that came with the service was not seen to end";
const UNSEEN: &str = "the deployment was not listed";
const UNPAUSED: &str = "the deployment was not seen to pause";

async fn list(lab: &Lab, name: &str) -> Result<Vec<ServiceDeploymentBrief>, Failure> {
    let request = lab.clients.ecs.list_service_deployments().cluster(&lab.cluster).service(name);
    let answer = request.send().await.during("ecs:ListServiceDeployments")?;
    Ok(answer.service_deployments.unwrap_or_default())
}

async fn arns(lab: &Lab, name: &str) -> Result<Vec<String>, Failure> {
    Ok(list(lab, name).await?.into_iter().filter_map(|one| one.service_deployment_arn).collect())
}

async fn describe(lab: &Lab, arn: &str) -> Result<Option<ServiceDeployment>, Failure> {
    let answer = lab.clients.ecs.describe_service_deployments().service_deployment_arns(arn).send().await;
    let answer = answer.during("ecs:DescribeServiceDeployments")?;
    Ok(answer.service_deployments.unwrap_or_default().into_iter().next())
}

/// A service with two revisions, whose first deployment is over.
async fn at_rest(lab: &Lab, check: u32) -> Result<Option<String>, Failure> {
    let name = services::service(lab, check).await?;
    register(lab, &name, None).await?;
    let ended = |one: &ServiceDeploymentBrief| one.status() == Some(&Status::Successful);
    let look = async || Ok(list(lab, &name).await?.iter().any(ended).then_some(()));
    Ok(lab.wait(look).await?.0.map(|()| name))
}

fn update(lab: &Lab, name: &str) -> UpdateServiceFluentBuilder {
    lab.clients.ecs.update_service().cluster(&lab.cluster).service(name)
}

/// Sends an update that deploys; the ARN of what it started.
async fn deploy(lab: &Lab, name: &str, request: UpdateServiceFluentBuilder) -> Result<Option<String>, Failure> {
    let known = arns(lab, name).await?;
    request.task_definition(format!("{name}:2")).send().await.during("ecs:UpdateService")?;
    let look = async || Ok(arns(lab, name).await?.into_iter().find(|arn| !known.contains(arn)));
    Ok(lab.wait(look).await?.0)
}

/// A ROLLING deployment that wants a task, which can be placed nowhere: it runs until it is stopped.
async fn rolling(lab: &Lab, name: &str) -> Result<Option<String>, Failure> {
    deploy(lab, name, update(lab, name).desired_count(1).force_new_deployment(true)).await
}

fn blue_green() -> aws::sdk::ecs::types::builders::DeploymentConfigurationBuilder {
    DeploymentConfiguration::builder().strategy(DeploymentStrategy::BlueGreen).bake_time_in_minutes(0)
}

/// A BLUE_GREEN deployment that waits at a pause before it scales anything up.
async fn paused(
    lab: &Lab,
    name: &str,
    timeout: Option<i32>,
) -> Result<Option<(String, DeploymentLifecycleHookDetail)>, Failure> {
    let timeout = timeout.map(|minutes| {
        let back = DeploymentLifecycleHookAction::Rollback;
        DeploymentLifecycleHookTimeoutConfiguration::builder().timeout_in_minutes(minutes).action(back).build()
    });
    let hook = DeploymentLifecycleHook::builder()
        .target_type(DeploymentLifecycleHookTargetType::Pause)
        .lifecycle_stages(DeploymentLifecycleHookStage::PreScaleUp)
        .set_timeout_configuration(timeout);
    let configuration = blue_green().lifecycle_hooks(hook.build()).build();
    let request = update(lab, name).deployment_configuration(configuration).force_new_deployment(true);
    let Some(arn) = deploy(lab, name, request).await? else { return Ok(None) };
    let look = async || {
        let hooks = describe(lab, &arn).await?.and_then(|one| one.lifecycle_hook_details).unwrap_or_default();
        Ok(hooks.into_iter().find(|hook| hook.status() == Some(&DeploymentLifecycleHookStatus::AwaitingAction)))
    };
    let hook = lab.wait(look).await?.0;
    Ok(hook.map(|hook| (arn, hook)))
}

async fn stop(lab: &Lab, arn: &str) -> Result<(), Failure> {
    let request = lab.clients.ecs.stop_service_deployment().service_deployment_arn(arn);
    let request = request.stop_type(StopServiceDeploymentStopType::Rollback);
    request.send().await.during("ecs:StopServiceDeployment").map(drop)
}

/// AWS understood and said no; anything else says nothing of the belief.
fn refused(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Invalid | Kind::Conflict)
}

fn code(failure: &Failure) -> &str {
    failure.code.as_deref().unwrap_or("no code")
}

fn time(at: &DateTime) -> Time {
    Time((at.as_secs_f64() * 1_000.0).round() as u64)
}

fn word(status: Option<&Status>) -> &str {
    status.map_or("no status", Status::as_str)
}

fn is_over(one: &ServiceDeployment) -> bool {
    let over = [Status::Successful, Status::Stopped, Status::RollbackSuccessful, Status::RollbackFailed];
    one.status().is_some_and(|status| over.contains(status))
}

/// 51: a new deployment is listed in time.
pub(super) async fn listed(lab: &Lab) -> Finding {
    let name = services::service(lab, 51).await?;
    register(lab, &name, None).await?;
    let request = update(lab, &name).task_definition(format!("{name}:2")).force_new_deployment(true);
    request.send().await.during("ecs:UpdateService")?;
    // The one that came with the service, and this one.
    let (seen, took) = lab.wait(async || Ok(Some(list(lab, &name).await?).filter(|all| all.len() >= 2))).await?;
    let Some(seen) = seen else { return Ok(Found::told(false, format!("not listed within {took}"))) };
    let created = |one: &ServiceDeploymentBrief| one.created_at().map(time);
    let place = (0..seen.len()).max_by_key(|place| created(&seen[*place])).unwrap_or(0) + 1;
    Ok(Found::told(true, format!("listed after {took}, at place {place} of {}", seen.len())))
}

/// 52: a ROLLING deployment is stopped where nothing is configured about going back.
pub(super) async fn rolling_stop(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 52).await? else { return Ok(Found::unknown(UNREST)) };
    let Some(arn) = rolling(lab, &name).await? else { return Ok(Found::unknown(UNSEEN)) };
    match stop(lab, &arn).await {
        Err(failure) if refused(&failure) => Ok(Found::told(false, failure.to_string())),
        Err(failure) => Err(failure),
        Ok(()) => {
            let seen = describe(lab, &arn).await?;
            Ok(Found::told(true, format!("accepted; then {}", word(seen.as_ref().and_then(ServiceDeployment::status)))))
        }
    }
}

/// 53: a deployment is stopped while a pause waits, and no more once it is over.
pub(super) async fn paused_stop(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 53).await? else { return Ok(Found::unknown(UNREST)) };
    let Some((arn, _)) = paused(lab, &name, Some(TIMEOUT)).await? else { return Ok(Found::unknown(UNPAUSED)) };
    match stop(lab, &arn).await {
        Err(failure) if refused(&failure) => {
            return Ok(Found::told(false, format!("while a pause waits: {failure}")));
        }
        other => other?,
    }
    let look = async || Ok(describe(lab, &arn).await?.filter(is_over));
    let Some(seen) = lab.wait_up_to(OVER, look).await?.0 else {
        return Ok(Found::unknown(format!("accepted while a pause waits; not over within {OVER}")));
    };
    let (holds, answer) = match stop(lab, &arn).await {
        Err(failure) if refused(&failure) => (failure.kind == Kind::Conflict, code(&failure).to_owned()),
        Err(failure) => return Err(failure),
        Ok(()) => (false, "accepted".to_owned()),
    };
    let status = word(seen.status());
    Ok(Found::told(holds, format!("accepted while a pause waits; after {status} once more: {answer}")))
}

/// 54: another revision starts a deployment by itself.
pub(super) async fn another(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 54).await? else { return Ok(Found::unknown(UNREST)) };
    let began = deploy(lab, &name, update(lab, &name)).await?;
    let evidence = if began.is_some() { "a deployment was started" } else { "no deployment was listed in time" };
    Ok(Found::told(began.is_some(), evidence.to_owned()))
}

/// 55: the same update again starts nothing beside a deployment that runs.
pub(super) async fn repeated(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 55).await? else { return Ok(Found::unknown(UNREST)) };
    if paused(lab, &name, Some(TIMEOUT)).await?.is_none() {
        return Ok(Found::unknown(UNPAUSED));
    }
    let before = arns(lab, &name).await?;
    update(lab, &name).task_definition(format!("{name}:2")).send().await.during("ecs:UpdateService")?;
    tokio::time::sleep(LULL).await;
    let new = arns(lab, &name).await?.iter().filter(|arn| !before.contains(arn)).count();
    Ok(Found::told(new == 0, format!("{new} new deployments within {} s of the second update", LULL.as_secs())))
}

/// 56: what is described is taken back.
pub(super) async fn taken_back(lab: &Lab) -> Finding {
    let name = services::service(lab, 56).await?;
    let request = update(lab, &name).deployment_configuration(blue_green().build());
    request.send().await.during("ecs:UpdateService")?;
    let look = async || {
        let configuration = services::describe(lab, &name).await?.and_then(|service| service.deployment_configuration);
        Ok(configuration.filter(|all| all.strategy() == Some(&DeploymentStrategy::BlueGreen)))
    };
    let Some(shown) = lab.wait(look).await?.0 else { return Ok(Found::unknown("the update was not read back")) };
    match update(lab, &name).deployment_configuration(shown).send().await.during("ecs:UpdateService") {
        Err(failure) if refused(&failure) => Ok(Found::told(false, failure.to_string())),
        Err(failure) => Err(failure),
        Ok(_) => Ok(Found::told(true, "a BLUE_GREEN configuration was sent back as it was shown".to_owned())),
    }
}

/// 57: a deployment's time is ours.
pub(super) async fn clocks(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 57).await? else { return Ok(Found::unknown(UNREST)) };
    let sent = crate::installation::now();
    let Some(arn) = rolling(lab, &name).await? else { return Ok(Found::unknown(UNSEEN)) };
    let seen = crate::installation::now();
    let created = describe(lab, &arn).await?.and_then(|one| one.created_at.as_ref().map(time));
    let Some(created) = created else { return Ok(Found::unknown("the deployment shows no createdAt")) };
    let holds = created >= sent.minus(SKEW) && created <= seen.plus(SKEW);
    let (off, way) = if created < sent { (sent.since(created), "before") } else { (created.since(sent), "after") };
    Ok(Found::told(holds, format!("created {off} {way} it was sent, by the two clocks")))
}

/// 60: a pause without a timeout waits a day, and goes back.
pub(super) async fn pause(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 60).await? else { return Ok(Found::unknown(UNREST)) };
    let (arn, hook) = match paused(lab, &name, None).await {
        Err(failure) if refused(&failure) => return Ok(Found::told(false, failure.to_string())),
        Err(failure) => return Err(failure),
        Ok(None) => return Ok(Found::unknown(UNPAUSED)),
        Ok(Some(paused)) => paused,
    };
    // What a person's late answer comes to; nothing rests on its code.
    let request = lab.clients.ecs.continue_service_deployment().service_deployment_arn(&arn);
    let unknown = request.hook_id(format!("{}0", hook.hook_id().unwrap_or_default()));
    let answer = match unknown.send().await.during("ecs:ContinueServiceDeployment") {
        Err(failure) => code(&failure).to_owned(),
        Ok(_) => "accepted".to_owned(),
    };
    let Some(expires) = hook.expires_at().map(time) else { return Ok(Found::unknown("the pause shows no expiresAt")) };
    let left = expires.since(crate::installation::now());
    let action = hook.timeout_action().map_or("no action", DeploymentLifecycleHookAction::as_str);
    let holds = left.0.abs_diff(DAY.0) < Span::mins(5).0 && action == "ROLLBACK";
    let evidence = format!("it ends in {left} with {action}; an answer to a pause that is not there: {answer}");
    Ok(Found::told(holds, evidence))
}

/// 62: a ROLLING deployment has no stages.
pub(super) async fn stageless(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 62).await? else { return Ok(Found::unknown(UNREST)) };
    let Some(arn) = rolling(lab, &name).await? else { return Ok(Found::unknown(UNSEEN)) };
    let running = |one: &ServiceDeployment| one.status() == Some(&Status::InProgress);
    let look = async || Ok(describe(lab, &arn).await?.filter(running));
    let Some(seen) = lab.wait(look).await?.0 else { return Ok(Found::unknown("it was not seen IN_PROGRESS")) };
    let stage = seen.lifecycle_stage().map(|stage| stage.as_str().to_owned());
    let said = stage.as_deref().unwrap_or("none");
    Ok(Found::told(stage.is_none(), format!("lifecycleStage of an IN_PROGRESS one: {said}")))
}

/// 64: a stop is seen as the way back at once.
pub(super) async fn stopping(lab: &Lab) -> Finding {
    let Some(name) = at_rest(lab, 64).await? else { return Ok(Found::unknown(UNREST)) };
    let Some((arn, _)) = paused(lab, &name, Some(TIMEOUT)).await? else { return Ok(Found::unknown(UNPAUSED)) };
    stop(lab, &arn).await?;
    let mut seen: Vec<String> = Vec::new();
    let look = async || {
        let Some(one) = describe(lab, &arn).await? else { return Ok(None) };
        let status = word(one.status()).to_owned();
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        Ok((is_over(&one) || one.status() == Some(&Status::StopRequested)).then_some(()))
    };
    lab.wait_up_to(OVER, look).await?;
    let holds = seen.iter().all(|status| status != Status::StopRequested.as_str());
    Ok(Found::told(holds, format!("seen after the stop: {}", seen.join(", "))))
}
