//! The native service as it truly is, whatever the product was answered.

use model::Service;
use serde_json::{Value, json};
use shared::observation::DeploymentStatus;
use shared::time::Time;

use super::setup::SERVICE;
use super::view;
use crate::cloud::Cloud;
use crate::faults::Part;
use crate::looks::Question;
use crate::setup::CLUSTER;
use crate::view::text;

/// A service deployment as it is.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) arn: String,
    /// Its task definition.
    pub(super) revision: String,
    pub(super) created: Time,
    pub(super) status: DeploymentStatus,
    pub(super) weight: f64,
}

fn ask<'a>(operation: &'static str, about: &'a str) -> Question<'a> {
    Question { part: Part::Services, service: Service::Ecs, operation, about }
}

/// The service's document.
pub(super) fn service(cloud: &mut Cloud) -> Value {
    let input = || json!({ "cluster": CLUSTER, "services": [SERVICE] });
    cloud.truly(ask("DescribeServices", SERVICE), input)["services"][0].clone()
}

/// Every service deployment, the newest first; at most 20.
pub(super) fn deployments(cloud: &mut Cloud) -> Vec<Deployment> {
    let input = || json!({ "cluster": CLUSTER, "service": SERVICE, "maxResults": 100 });
    let listed = cloud.truly(ask("ListServiceDeployments", SERVICE), input);
    let mut arns: Vec<&str> =
        view::list(&listed["serviceDeployments"]).map(|one| text(one, "serviceDeploymentArn")).take(20).collect();
    arns.sort_unstable();
    if arns.is_empty() {
        return Vec::new();
    }
    let about = arns.join(" ");
    let input = || json!({ "serviceDeploymentArns": arns });
    let shown = cloud.truly(ask("DescribeServiceDeployments", &about), input);
    let mut targets: Vec<&str> =
        view::list(&shown["serviceDeployments"]).map(|one| text(&one["targetServiceRevision"], "arn")).collect();
    targets.sort_unstable();
    targets.dedup();
    let about = targets.join(" ");
    let input = || json!({ "serviceRevisionArns": targets });
    let revisions = view::revisions(&cloud.truly(ask("DescribeServiceRevisions", &about), input));
    let mut found: Vec<Deployment> = view::list(&shown["serviceDeployments"])
        .map(|one| {
            let target = &one["targetServiceRevision"];
            let revision = revisions.get(text(target, "arn")).map(|(revision, _)| revision.0.clone());
            Deployment {
                arn: text(one, "serviceDeploymentArn").to_owned(),
                revision: revision.unwrap_or_default(),
                created: view::time(&one["createdAt"]).unwrap_or_default(),
                status: DeploymentStatus::of(text(one, "status")),
                weight: target["requestedProductionTrafficWeight"].as_f64().unwrap_or(0.0),
            }
        })
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.created));
    found
}

/// One of them.
pub(super) fn deployment(cloud: &mut Cloud, arn: &str) -> Option<Deployment> {
    deployments(cloud).into_iter().find(|one| one.arn == arn)
}

/// Whether a firing alarm is among these.
pub(super) fn firing(cloud: &mut Cloud, forgiven: impl Fn(&str) -> bool) -> Option<String> {
    let ask = Question {
        part: Part::Alarms,
        service: Service::CloudWatch,
        operation: "DescribeAlarms",
        about: "every alarm",
    };
    let names: Vec<&str> = cloud.place.alarms.iter().map(|(name, _)| name.as_str()).collect();
    let at = cloud.looks.place(ask, || json!({ "AlarmNames": names }));
    let answer = cloud.described(at, true).unwrap_or_default();
    let mut alarms = view::list(&answer["MetricAlarms"]);
    alarms
        .find(|alarm| alarm["StateValue"] == "ALARM" && !forgiven(text(alarm, "AlarmName")))
        .map(|alarm| text(alarm, "AlarmName").to_owned())
}
