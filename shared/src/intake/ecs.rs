//! ECS: a deployment, a task or a lifecycle hook of a service changed. Only a hint to look; what is true is read from ECS.

use serde_json::Value;

use super::{Envelope, Event};

/// The service an ECS event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsHint {
    /// The cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub service: String,
}

pub(super) fn deployment(event: &Envelope<'_>) -> Result<Event, String> {
    // deploymentId is ecs-svc/N, which names nothing else: the service's ARN is what correlates.
    let arn = event.resources.first().and_then(Value::as_str).ok_or("resources[0] is missing or no text")?;
    service(arn).map_err(|why| format!("resources[0] {arn:?} {why}"))
}

/// A pause begins or ends, or a hook of a Lambda. The resources name the service deployment, where they are there at all.
pub(super) fn hook(event: &Envelope<'_>) -> Result<Event, String> {
    let arn = event.text("serviceArn")?;
    service(arn).map_err(|why| format!("detail.serviceArn {arn:?} {why}"))
}

fn service(arn: &str) -> Result<Event, &'static str> {
    let path = arn.split(":service/").nth(1).ok_or("is not a service's ARN")?;
    let (cluster, service) = path.split_once('/').ok_or("is an ARN in the short form, without the cluster")?;
    Ok(Event::Ecs(EcsHint { cluster: cluster.to_owned(), service: service.to_owned() }))
}

pub(super) fn task(event: &Envelope<'_>) -> Result<Event, String> {
    let group = event.detail.get("group").and_then(Value::as_str).unwrap_or_default();
    let Some(service) = group.strip_prefix("service:") else {
        return Ok(Event::Ignored("a task that belongs to no service".to_owned()));
    };
    let cluster = event.text("clusterArn")?;
    let cluster = cluster.rsplit('/').next().unwrap_or(cluster);
    Ok(Event::Ecs(EcsHint { cluster: cluster.to_owned(), service: service.to_owned() }))
}
