//! The service deployments of a native service, as read: as raw JSON where the service is (see `native`). None is left out
//! in silence, since what is not in the reading never was.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{Failure as Refused, ServiceDeploymentBrief, ServiceRevision};
use serde_json::Value;
use shared::ids::{RevisionArn, TargetGroupArn};
use shared::observation::{DeploymentStatus, Hook, ServiceDeployment};
use shared::strategy::Share;
use shared::time::Time;

use crate::errors::{During, Failure};
use crate::native::{list, parse, text};
use crate::raw::KeepBody;

const LIST: &str = "ecs:ListServiceDeployments";
const DEPLOYMENTS: &str = "ecs:DescribeServiceDeployments";
const REVISIONS: &str = "ecs:DescribeServiceRevisions";

/// A page of ListServiceDeployments.
const LISTED: i32 = 100;

/// So many pages are read.
const PAGES: usize = 5;

/// So many of the newest service deployments are described, and the current one.
const DESCRIBED: usize = 100;

/// Both Describe calls take so many ARNs.
const AT_ONCE: usize = 20;

/// ECS's reason for what does not exist.
const GONE: &str = "MISSING";

/// The deployments created since a time, and the newest, the newest that succeeded and the current one in any case; the
/// newest first. One that was created since, or runs, and cannot be read is an error; what is older and over may be gone.
pub(crate) async fn read(
    client: &Client,
    cluster: &str,
    service: &str,
    since: Time,
    current: Option<String>,
) -> Result<Vec<ServiceDeployment>, Failure> {
    let listed = listed(client, cluster, service, since).await?;
    let recent = listed.iter().filter(|brief| brief.created >= since).count();
    let newest = listed.iter().take(recent.clamp(1, DESCRIBED)).map(|brief| brief.arn.clone());
    // After a deployment that failed, it is what the service goes back to.
    let good = listed.iter().find(|brief| brief.succeeded).map(|brief| brief.arn.clone());
    let shown = described(client, newest.chain(good).chain(current).collect(), &listed, since).await?;
    let targets = shown.iter().map(|one| text(&one["targetServiceRevision"]["arn"])).collect();
    let definitions = definitions(client, targets).await?;
    let mut found = Vec::new();
    for one in &shown {
        match definitions.of(&text(&one["targetServiceRevision"]["arn"])) {
            Ok((revision, groups)) => found.push(deployment(one, revision.clone(), groups.clone())),
            Err(why) => {
                let created = time(&one["createdAt"]).unwrap_or(since);
                if created >= since || DeploymentStatus::of(one["status"].as_str().unwrap_or_default()).running() {
                    let arn = text(&one["serviceDeploymentArn"]);
                    return Err(Failure::unreadable(REVISIONS, format!("{arn}: {why}")));
                }
            }
        }
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.created));
    Ok(found)
}

/// A service deployment as listed.
struct Brief {
    arn: String,
    created: Time,
    runs: bool,
    succeeded: bool,
}

/// All that are listed and matter, the newest first. In which order they come is not documented: only where they were seen
/// to come newest first is the rest of a long history left unread.
async fn listed(client: &Client, cluster: &str, service: &str, since: Time) -> Result<Vec<Brief>, Failure> {
    let brief = |one: &ServiceDeploymentBrief| {
        let created = Time((one.created_at()?.as_secs_f64() * 1_000.0).round() as u64);
        let status = one.status().map(|status| DeploymentStatus::of(status.as_str()));
        let runs = status.as_ref().is_none_or(DeploymentStatus::running);
        let succeeded = status == Some(DeploymentStatus::Successful);
        Some(Brief { arn: one.service_deployment_arn()?.to_owned(), created, runs, succeeded })
    };
    // Whether what is left is older than was asked.
    let rest_is_old = |all: &[Brief]| match all {
        [first, .., last] => {
            all.is_sorted_by_key(|brief| std::cmp::Reverse(brief.created)) && last.created < since.min(first.created)
        }
        [] | [_] => false,
    };
    let (mut all, mut token): (Vec<Brief>, Option<String>) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request = client.list_service_deployments().cluster(cluster).service(service).max_results(LISTED);
        let page = request.set_next_token(token).send().await.during(LIST)?;
        all.extend(page.service_deployments().iter().filter_map(brief));
        token = page.next_token().map(str::to_owned);
        if token.is_none() || rest_is_old(&all) && all.iter().any(|brief| brief.succeeded) {
            break;
        }
    }
    if token.is_some() && !rest_is_old(&all) {
        let why = format!("more than {} service deployments are listed; recent ones may be among the rest", all.len());
        return Err(Failure::unreadable(LIST, why));
    }
    all.sort_by_key(|brief| std::cmp::Reverse(brief.created));
    Ok(all)
}

async fn described(
    client: &Client,
    arns: BTreeSet<String>,
    listed: &[Brief],
    since: Time,
) -> Result<Vec<Value>, Failure> {
    let arns: Vec<String> = arns.into_iter().collect();
    let mut shown = Vec::new();
    for some in arns.chunks(AT_ONCE) {
        let keep = KeepBody::default();
        let request = client.describe_service_deployments().set_service_deployment_arns(Some(some.to_vec()));
        request.customize().interceptor(keep.clone()).send().await.during(DEPLOYMENTS)?;
        let answer = parse(DEPLOYMENTS, &keep.take())?;
        for arn in some {
            if let Some(one) = list(&answer["serviceDeployments"]).find(|one| one["serviceDeploymentArn"] == **arn) {
                shown.push(one.clone());
                continue;
            }
            let failure = list(&answer["failures"]).find(|failure| failure["arn"] == **arn);
            let why = failure.map_or_else(|| "it is not in the answer".to_owned(), |one| text(&one["reason"]));
            let gone = match listed.iter().find(|brief| brief.arn == *arn) {
                Some(brief) => brief.created < since && !brief.runs,
                // The current one of a service that was quiet for long is neither listed nor kept.
                None => why == GONE,
            };
            if !gone {
                return Err(Failure::unreadable(DEPLOYMENTS, format!("{arn}: {why}")));
            }
        }
    }
    Ok(shown)
}

/// What service revisions came to.
#[derive(Default)]
struct Definitions {
    /// The task definition, and the target groups it was given.
    known: BTreeMap<String, (RevisionArn, Vec<TargetGroupArn>)>,
    /// Why it is not among them.
    failed: BTreeMap<String, String>,
}

impl Definitions {
    fn of(&self, revision: &str) -> Result<&(RevisionArn, Vec<TargetGroupArn>), String> {
        self.known.get(revision).ok_or_else(|| {
            let why = self.failed.get(revision).map_or("no task definition is known of it", String::as_str);
            format!("the service revision {revision}: {why}")
        })
    }
}

async fn definitions(client: &Client, arns: BTreeSet<String>) -> Result<Definitions, Failure> {
    let known = |one: &ServiceRevision| {
        let resolved = one.resolved_configuration().map(|resolved| resolved.load_balancers()).unwrap_or_default();
        let groups = resolved.iter().filter_map(|balancer| balancer.target_group_arn()).map(Into::into).collect();
        Some((one.service_revision_arn()?.to_owned(), (RevisionArn::from(one.task_definition()?), groups)))
    };
    let failed = |one: &Refused| Some((one.arn()?.to_owned(), one.reason().unwrap_or_default().to_owned()));
    let mut all = Definitions::default();
    let arns: Vec<String> = arns.into_iter().filter(|arn| !arn.is_empty()).collect();
    for some in arns.chunks(AT_ONCE) {
        let request = client.describe_service_revisions().set_service_revision_arns(Some(some.to_vec()));
        let answer = request.send().await.during(REVISIONS)?;
        all.known.extend(answer.service_revisions().iter().filter_map(known));
        all.failed.extend(answer.failures().iter().filter_map(failed));
    }
    Ok(all)
}

/// Seconds since the epoch, as AWS JSON writes times.
fn time(value: &Value) -> Option<Time> {
    value.as_f64().map(|seconds| Time((seconds * 1_000.0).round() as u64))
}

fn deployment(one: &Value, revision: RevisionArn, groups: Vec<TargetGroupArn>) -> ServiceDeployment {
    let target = &one["targetServiceRevision"];
    // A weight in finer steps than tenths is rounded: it is for people, and for telling some from none.
    let weight = target["requestedProductionTrafficWeight"].as_f64().unwrap_or(0.0);
    let weight = Share::try_from((weight * 10.0).ceil() / 10.0).unwrap_or_default();
    let source = list(&one["sourceServiceRevisions"]).next().is_some();
    ServiceDeployment {
        arn: text(&one["serviceDeploymentArn"]),
        revision,
        created: time(&one["createdAt"]).unwrap_or_default(),
        status: DeploymentStatus::of(one["status"].as_str().unwrap_or_default()),
        reason: one["statusReason"].as_str().or(one["rollback"]["reason"].as_str()).unwrap_or_default().to_owned(),
        stage: one["lifecycleStage"].as_str().map(str::to_owned),
        strategy: one["deploymentConfiguration"]["strategy"].as_str().map(str::to_owned),
        weight,
        running: target["runningTaskCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        groups,
        has_source: source,
        hooks: list(&one["lifecycleHookDetails"]).map(hook).collect(),
        triggered: list(&one["alarms"]["triggeredAlarmNames"]).map(text).collect(),
        broken: one["deploymentCircuitBreaker"]["status"] == "TRIGGERED",
        back_since: time(&one["rollback"]["startedAt"]),
    }
}

fn hook(one: &Value) -> Hook {
    Hook {
        id: text(&one["hookId"]),
        waits: one["targetType"] == "PAUSE" && one["status"] == "AWAITING_ACTION",
        running: one["targetArn"].as_str().filter(|_| one["status"] == "IN_PROGRESS").map(str::to_owned),
        expires: time(&one["expiresAt"]),
        times_out_back: one["timeoutAction"] != "CONTINUE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stage_the_sdk_does_not_know_a_fraction_and_a_pause_are_read() {
        let one = json!({
            "serviceDeploymentArn": "d", "createdAt": 1_795_166_140.5, "status": "IN_PROGRESS",
            "lifecycleStage": "PRE_PRODUCTION_TRAFFIC_SHIFT", "sourceServiceRevisions": [{ "arn": "r1" }],
            "targetServiceRevision": { "arn": "r2", "requestedProductionTrafficWeight": 2.5, "runningTaskCount": 3 },
            "lifecycleHookDetails": [{ "hookId": "h", "targetType": "PAUSE", "status": "AWAITING_ACTION",
                "expiresAt": 1_795_170_000, "timeoutAction": "ROLLBACK" },
                { "hookId": "f", "targetType": "AWS_LAMBDA", "targetArn": "check", "status": "IN_PROGRESS" },
                { "hookId": "g", "targetType": "AWS_LAMBDA", "targetArn": "check", "status": "SUCCEEDED" }],
        });
        let read = deployment(&one, RevisionArn::from("shop:2"), Vec::new());
        assert_eq!(read.stage.as_deref(), Some("PRE_PRODUCTION_TRAFFIC_SHIFT"));
        assert_eq!((read.weight.tenths(), read.running, read.has_source), (25, 3, true));
        assert_eq!(read.created, Time(1_795_166_140_500));
        assert!(read.hooks[0].waits && read.hooks[0].times_out_back);
        let running: Vec<Option<&str>> = read.hooks.iter().map(|hook| hook.running.as_deref()).collect();
        assert_eq!(running, [None, Some("check"), None]);
        let strange = deployment(&json!({ "status": "SOMETHING_NEW" }), RevisionArn::from("shop:2"), Vec::new());
        assert_eq!(strange.status, DeploymentStatus::Other("SOMETHING_NEW".to_owned()));
    }
}
