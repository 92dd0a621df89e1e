//! The look at a native service, call by call as the real adapter makes it.

use model::Service;
use serde_json::{Value, json};
use shared::config::{Native, ServiceConfig};
use shared::ids::{RevisionArn, RouteArn};
use shared::observation::{GroupTraffic, NativeReading, Reading, ServiceDeployment, Traffic};
use shared::time::Time;

use super::view;
use crate::cloud::{route_ask, route_input};
use crate::faults::Part;
use crate::looks::Question;
use crate::ports::Port;
use crate::view::{count, text};

/// The newest service deployments that are described.
const DESCRIBED: usize = 10;

fn ecs<'a>(operation: &'static str, about: &'a str) -> Question<'a> {
    Question { part: Part::Services, service: Service::Ecs, operation, about }
}

impl Port {
    pub(crate) async fn native(
        &self,
        config: &ServiceConfig,
        native: &Native,
        since: Time,
        traffic: bool,
    ) -> Reading<Option<NativeReading>> {
        let read = self.native_service(config, native, since, traffic).await;
        if let Ok(Some(service)) = &read {
            let cloud = &mut *self.cloud.borrow_mut();
            for deployment in &service.deployments {
                if let Some(stage) = &deployment.stage {
                    cloud.hit("stage", stage.clone());
                }
                cloud.hit("status", status(deployment));
            }
        }
        read.map_or_else(Reading::Unknown, Reading::Known)
    }

    async fn native_service(
        &self,
        config: &ServiceConfig,
        native: &Native,
        since: Time,
        traffic: bool,
    ) -> Result<Option<NativeReading>, String> {
        let input = || json!({ "cluster": config.cluster, "services": [native.service] });
        let answer = self.describe(ecs("DescribeServices", &native.service), input).await?;
        let Some(doc) = view::list(&answer["services"]).find(|doc| doc["status"] == "ACTIVE").cloned() else {
            return Ok(None);
        };
        let deployments = self.deployments(config, native, since, doc["currentServiceDeployment"].as_str()).await?;
        let traffic = if traffic { self.traffic(&doc).await } else { Reading::not_asked() };
        Ok(Some(NativeReading {
            arn: text(&doc, "serviceArn").to_owned(),
            desired: count(&doc["desiredCount"]),
            running: count(&doc["runningCount"]),
            task_definition: RevisionArn::from(text(&doc, "taskDefinition")),
            configuration: doc["deploymentConfiguration"].clone(),
            undrivable: None,
            traffic,
            deployments,
        }))
    }

    async fn deployments(
        &self,
        config: &ServiceConfig,
        native: &Native,
        since: Time,
        current: Option<&str>,
    ) -> Result<Vec<ServiceDeployment>, String> {
        let input = || json!({ "cluster": config.cluster, "service": native.service, "maxResults": 100 });
        let listed = self.describe(ecs("ListServiceDeployments", &native.service), input).await?;
        let mut briefs: Vec<(Time, &str)> = view::list(&listed["serviceDeployments"])
            .filter_map(|one| Some((view::time(&one["createdAt"])?, one["serviceDeploymentArn"].as_str()?)))
            .collect();
        briefs.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        let recent = briefs.iter().filter(|(created, _)| *created >= since).count();
        briefs.truncate(recent.clamp(1, DESCRIBED));
        let mut arns: Vec<&str> = briefs.into_iter().map(|(_, arn)| arn).chain(current).collect();
        arns.sort_unstable();
        arns.dedup();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let about = arns.join(" ");
        let input = || json!({ "serviceDeploymentArns": arns });
        let shown = self.describe(ecs("DescribeServiceDeployments", &about), input).await?;
        let shown: Vec<&Value> = view::list(&shown["serviceDeployments"]).collect();
        let mut targets: Vec<&str> = shown.iter().map(|one| text(&one["targetServiceRevision"], "arn")).collect();
        targets.sort_unstable();
        targets.dedup();
        let about = targets.join(" ");
        let input = || json!({ "serviceRevisionArns": targets });
        let revisions = view::revisions(&*self.describe(ecs("DescribeServiceRevisions", &about), input).await?);
        let mut found: Vec<ServiceDeployment> = shown
            .into_iter()
            .filter_map(|one| {
                let (revision, groups) = revisions.get(text(&one["targetServiceRevision"], "arn"))?;
                Some(view::deployment(one, revision.clone(), groups.clone()))
            })
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.created));
        Ok(found)
    }

    /// The production rules' weights, and whether what they point at lives.
    async fn traffic(&self, doc: &Value) -> Reading<Traffic> {
        let mut traffic = Traffic::default();
        for balancer in view::list(&doc["loadBalancers"]) {
            let Some(rule) = balancer["advancedConfiguration"]["productionListenerRule"].as_str() else { continue };
            let rule = RouteArn::from(rule);
            let answer = match self.describe(route_ask(&rule), || route_input(&rule)).await {
                Ok(answer) => answer,
                Err(why) => return Reading::Unknown(why),
            };
            let weights = crate::view::weights(crate::view::actions(crate::view::route_of(&answer)));
            if weights.values().all(|&weight| weight == 0) {
                traffic.nowhere.insert(rule.clone());
            }
            for (group, share) in view::shares(&weights) {
                let about = group.0.as_str();
                let (part, service) = (Part::Targets, Service::Elb);
                let ask = Question { part, service, operation: "DescribeTargetHealth", about };
                match self.describe(ask, || json!({ "TargetGroupArn": about })).await {
                    Ok(answer) => {
                        let counts = crate::view::targets(&answer);
                        let group_traffic = GroupTraffic { share, healthy: counts.healthy, other: counts.other };
                        traffic.groups.insert(group, group_traffic);
                    }
                    Err(why) => return Reading::Unknown(why),
                }
            }
        }
        Reading::Known(traffic)
    }
}

/// A status under ECS's name.
fn status(deployment: &ServiceDeployment) -> String {
    serde_json::to_value(&deployment.status).map_or_else(|_| String::new(), |name| text_of(&name))
}

fn text_of(name: &Value) -> String {
    name.as_str().map_or_else(|| name.to_string(), str::to_owned)
}
