//! The ECS services of both colours: described in one call, started and scaled.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    Deployment, DeploymentControllerType, DeploymentRolloutState, DeploymentStrategy, SchedulingStrategy, Service,
};
use shared::config::ServiceConfig;
use shared::ids::{Colour, RevisionArn};
use shared::observation::{DeploymentReading, Reading, RolloutState, ServiceReading};
use shared::ports::EffectError;

use crate::clock::{Budget, once};
use crate::count::{count, number};
use crate::errors::{During, Failure};

const DESCRIBE: &str = "ecs:DescribeServices";
const UPDATE: &str = "ecs:UpdateService";

/// Reads both colours in one call.
pub(crate) async fn read(client: &Client, config: &ServiceConfig) -> BTreeMap<Colour, Reading<Option<ServiceReading>>> {
    let names: Vec<String> = Colour::BOTH.iter().map(|&colour| config.engine.service(colour).to_owned()).collect();
    let readings = match describe(client, &config.cluster, &names).await {
        Ok(readings) => readings,
        // No cluster, no service: waiting for an answer would not help.
        Err(failure) if failure.code.as_deref() == Some("ClusterNotFoundException") => {
            names.iter().map(|_| Reading::Known(None)).collect()
        }
        Err(failure) => names.iter().map(|_| Reading::Unknown(failure.to_string())).collect(),
    };
    Colour::BOTH.into_iter().zip(readings).collect()
}

/// Reads services of one cluster, ten at most, in the order of the names.
///
/// # Errors
/// What AWS says of the whole call; of single services it says it in their readings.
pub(crate) async fn describe(
    client: &Client,
    cluster: &str,
    names: &[String],
) -> Result<Vec<Reading<Option<ServiceReading>>>, Failure> {
    described(client, cluster, names, reading).await
}

/// As [`describe`], and reads of each service what is asked for.
///
/// # Errors
/// As there.
pub(crate) async fn described<T>(
    client: &Client,
    cluster: &str,
    names: &[String],
    reading: impl Fn(&Service) -> T,
) -> Result<Vec<Reading<Option<T>>>, Failure> {
    let request = client.describe_services().cluster(cluster).set_services(Some(names.to_vec()));
    let answer = request.send().await.during(DESCRIBE)?;
    let reading_of = |name: &String| {
        if let Some(service) = answer.services().iter().find(|service| is(service, name)) {
            return Reading::Known(active(service).then(|| reading(service)));
        }
        let failure = answer.failures().iter().find(|failure| failure.arn().is_some_and(|arn| last(arn) == last(name)));
        match failure.and_then(|failure| failure.reason()) {
            Some("MISSING") => Reading::Known(None),
            Some(reason) => Reading::Unknown(format!("{DESCRIBE} says of {name}: {reason}")),
            None => Reading::Unknown(format!("{name} is not in the answer of {DESCRIBE}")),
        }
    };
    Ok(names.iter().map(reading_of).collect())
}

fn is(service: &Service, name: &str) -> bool {
    service.service_name() == Some(name) || service.service_arn() == Some(name)
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// DRAINING and INACTIVE services are on their way out: they cannot be deployed to.
fn active(service: &Service) -> bool {
    service.status() == Some("ACTIVE")
}

fn reading(service: &Service) -> ServiceReading {
    let mut deployments: Vec<DeploymentReading> = service
        .deployments()
        .iter()
        .filter(|deployment| deployment.status() != Some("INACTIVE"))
        .map(deployment)
        .collect();
    deployments.sort_by_key(|deployment| !deployment.primary);
    ServiceReading {
        arn: service.service_arn().unwrap_or_default().to_owned(),
        desired: count(service.desired_count()),
        running: count(service.running_count()),
        pending: count(service.pending_count()),
        task_definition: RevisionArn::from(service.task_definition().unwrap_or_default()),
        deployments,
        target_groups: service.load_balancers().iter().filter_map(|lb| lb.target_group_arn()).map(Into::into).collect(),
        undrivable: undrivable(service),
        reverts_by_itself: reverts_by_itself(service),
    }
}

fn deployment(deployment: &Deployment) -> DeploymentReading {
    DeploymentReading {
        id: deployment.id().unwrap_or_default().to_owned(),
        primary: deployment.status() == Some("PRIMARY"),
        task_definition: RevisionArn::from(deployment.task_definition().unwrap_or_default()),
        state: match deployment.rollout_state() {
            Some(DeploymentRolloutState::Completed) => RolloutState::Completed,
            Some(DeploymentRolloutState::InProgress) => RolloutState::InProgress,
            Some(DeploymentRolloutState::Failed) => RolloutState::Failed,
            Some(_) | None => RolloutState::Other,
        },
        failed: count(deployment.failed_tasks()),
        reason: deployment.rollout_state_reason().unwrap_or_default().to_owned(),
    }
}

fn undrivable(service: &Service) -> Option<String> {
    let controller = service.deployment_controller().map(|controller| controller.r#type());
    if let Some(other) = controller.filter(|&controller| *controller != DeploymentControllerType::Ecs) {
        return Some(format!("its deployment controller is {}; the managed engine needs ECS", other.as_str()));
    }
    let strategy = service.deployment_configuration().and_then(|deployment| deployment.strategy());
    if let Some(other) = strategy.filter(|&strategy| *strategy != DeploymentStrategy::Rolling) {
        return Some(format!("its deployment strategy is {}; the managed engine needs ROLLING", other.as_str()));
    }
    let scheduling = service.scheduling_strategy();
    scheduling
        .filter(|&scheduling| *scheduling != SchedulingStrategy::Replica)
        .map(|other| format!("its scheduling strategy is {}; the managed engine needs REPLICA", other.as_str()))
}

/// ECS's own rollback would bring the old image and look healthy (design: law 5).
fn reverts_by_itself(service: &Service) -> Option<String> {
    let deployment = service.deployment_configuration()?;
    if deployment.deployment_circuit_breaker().is_some_and(|breaker| breaker.enable() && breaker.rollback()) {
        return Some("its deployment circuit breaker has rollback on".to_owned());
    }
    deployment
        .alarms()
        .filter(|alarms| alarms.enable() && alarms.rollback())
        .map(|_| "its deployment alarms have rollback on".to_owned())
}

/// One UpdateService: this revision, this many tasks, nothing else. Repeated, it starts no second deployment.
pub(crate) async fn start(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
    revision: &RevisionArn,
    desired: u32,
    budget: &Budget,
) -> Result<(), EffectError> {
    budget
        .run(async || {
            let request =
                update(client, config, colour).task_definition(revision.as_str()).desired_count(number(desired));
            let once = once!(aws_sdk_ecs, budget.left()?);
            request.customize().config_override(once).send().await.during(UPDATE)?;
            Ok(())
        })
        .await
}

/// Only the number of tasks.
pub(crate) async fn scale(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
    desired: u32,
    budget: &Budget,
) -> Result<(), EffectError> {
    budget
        .run(async || {
            let request = update(client, config, colour).desired_count(number(desired));
            let once = once!(aws_sdk_ecs, budget.left()?);
            request.customize().config_override(once).send().await.during(UPDATE)?;
            Ok(())
        })
        .await
}

fn update(
    client: &Client,
    config: &ServiceConfig,
    colour: Colour,
) -> aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder {
    client.update_service().cluster(&config.cluster).service(config.engine.service(colour))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{
        DeploymentAlarms, DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentController,
    };

    fn configured(deployment: DeploymentConfiguration) -> Service {
        Service::builder().deployment_configuration(deployment).build()
    }

    #[test]
    fn a_service_of_another_controller_or_strategy_is_not_driven() {
        let controller = DeploymentController::builder().r#type(DeploymentControllerType::CodeDeploy).build().unwrap();
        let code_deploy = Service::builder().deployment_controller(controller).build();
        assert!(undrivable(&code_deploy).unwrap().contains("CODE_DEPLOY"));
        let canary = configured(DeploymentConfiguration::builder().strategy(DeploymentStrategy::Canary).build());
        assert!(undrivable(&canary).unwrap().contains("CANARY"));
        let daemon = Service::builder().scheduling_strategy(SchedulingStrategy::Daemon).build();
        assert!(undrivable(&daemon).unwrap().contains("DAEMON"));
        assert_eq!(undrivable(&configured(DeploymentConfiguration::builder().build())), None);
    }

    #[test]
    fn a_service_that_ecs_would_roll_back_is_told() {
        let breaker = |rollback| DeploymentCircuitBreaker::builder().enable(true).rollback(rollback).build();
        let with = |rollback| {
            configured(DeploymentConfiguration::builder().deployment_circuit_breaker(breaker(rollback)).build())
        };
        assert!(reverts_by_itself(&with(true)).unwrap().contains("circuit breaker"));
        assert_eq!(reverts_by_itself(&with(false)), None);
        let alarms = DeploymentAlarms::builder().set_alarm_names(Some(vec!["a".into()])).enable(true).rollback(true);
        let alarms = configured(DeploymentConfiguration::builder().alarms(alarms.build().unwrap()).build());
        assert!(reverts_by_itself(&alarms).unwrap().contains("alarms"));
    }

    #[test]
    fn the_primary_deployment_comes_first_and_inactive_ones_are_gone() {
        let deployment = |id: &str, status: &str| Deployment::builder().id(id).status(status).build();
        let service = Service::builder()
            .deployments(deployment("old", "ACTIVE"))
            .deployments(deployment("gone", "INACTIVE"))
            .deployments(deployment("new", "PRIMARY"))
            .build();
        let ids: Vec<String> = reading(&service).deployments.into_iter().map(|deployment| deployment.id).collect();
        assert_eq!(ids, ["new", "old"]);
    }
}
