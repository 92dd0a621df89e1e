//! Clusters.

use serde_json::{Map, Value, json};

use super::{Cluster, ServiceStatus, TaskStatus, invalid, short};
use crate::error::Answer;
use crate::input::{In, page};
use crate::{AwsError, Call, World};

fn not_found() -> AwsError {
    AwsError::new("ClusterNotFoundException", "Cluster not found.")
}

impl World {
    /// The name of an active cluster; absent means `default`.
    pub(super) fn cluster_name(&self, reference: Option<&str>) -> Result<String, AwsError> {
        let name = short(reference.unwrap_or("default"));
        match self.ecs.clusters.get(name) {
            Some(cluster) if cluster.active => Ok(name.to_owned()),
            Some(_) | None => Err(not_found()),
        }
    }

    pub(super) fn cluster_arn(&self, name: &str) -> String {
        self.ecs.clusters.get(name).map(|cluster| cluster.arn.clone()).unwrap_or_default()
    }

    pub(super) fn create_cluster(&mut self, call: &Call<'_>, input: In<'_>) -> Answer {
        let name = input.opt_str("clusterName").unwrap_or("default").to_owned();
        let arn = format!("arn:aws:ecs:{}:{}:cluster/{name}", call.region, self.core.settings.account);
        if !self.ecs.clusters.get(&name).is_some_and(|cluster| cluster.active) {
            let mut doc = Map::new();
            for member in ["settings", "configuration", "capacityProviders", "defaultCapacityProviderStrategy"] {
                doc.insert(member.to_owned(), input.get(member).cloned().unwrap_or_else(|| json!([])));
            }
            if doc["configuration"].is_array() {
                doc.remove("configuration");
            }
            if input.list("settings").is_empty() {
                doc.insert("settings".into(), json!([{ "name": "containerInsights", "value": "disabled" }]));
            }
            self.ecs_set_tags(&arn, input.list("tags"))?;
            self.ecs.clusters.insert(name.clone(), Cluster { arn, active: true, doc });
        }
        Ok(json!({ "cluster": self.cluster_doc(&name, true) }))
    }

    /// Whether Container Insights are on in a cluster.
    pub(crate) fn has_insights(&self, name: &str) -> bool {
        let Some(cluster) = self.ecs.clusters.get(name) else { return false };
        let mut settings = cluster.doc["settings"].as_array().into_iter().flatten();
        let on = |value: &Value| value == "enabled" || value == "enhanced";
        settings.any(|setting| setting["name"] == "containerInsights" && on(&setting["value"]))
    }

    fn cluster_doc(&self, name: &str, tags: bool) -> Value {
        let cluster = &self.ecs.clusters[name];
        let count = |status: TaskStatus| {
            let of_this = |task: &&super::Task| task.service.0 == name && task.status == status;
            self.ecs.tasks.values().filter(of_this).count()
        };
        let services = self.ecs.services.values();
        let active = services.filter(|s| s.cluster == name && s.status == ServiceStatus::Active).count();
        let mut doc = cluster.doc.clone();
        doc.insert("clusterArn".into(), json!(cluster.arn));
        doc.insert("clusterName".into(), json!(name));
        doc.insert("status".into(), json!(if cluster.active { "ACTIVE" } else { "INACTIVE" }));
        doc.insert("registeredContainerInstancesCount".into(), json!(0));
        doc.insert("runningTasksCount".into(), json!(count(TaskStatus::Running)));
        doc.insert("pendingTasksCount".into(), json!(count(TaskStatus::Pending) + count(TaskStatus::Provisioning)));
        doc.insert("activeServicesCount".into(), json!(active));
        doc.insert("statistics".into(), json!([]));
        doc.insert("tags".into(), if tags { self.ecs_tag_list(&cluster.arn) } else { json!([]) });
        Value::Object(doc)
    }

    pub(super) fn describe_clusters(&self, input: In<'_>) -> Answer {
        let mut names = input.strs("clusters");
        if names.is_empty() {
            names.push("default");
        }
        if names.len() > 100 {
            return Err(invalid("Clusters cannot have more than 100 elements."));
        }
        let tags = input.strs("include").contains(&"TAGS");
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in names {
            match self.ecs.clusters.contains_key(short(name)) {
                true => found.push(self.cluster_doc(short(name), tags)),
                false => failures.push(json!({ "arn": self.missing_arn("cluster", name), "reason": "MISSING" })),
            }
        }
        Ok(json!({ "clusters": found, "failures": failures }))
    }

    /// The ARN that a failure names for a reference that was not found.
    pub(super) fn missing_arn(&self, kind: &str, reference: &str) -> String {
        if reference.starts_with("arn:") {
            return reference.to_owned();
        }
        format!("arn:aws:ecs:{}:{}:{kind}/{reference}", self.core.settings.region, self.core.settings.account)
    }

    pub(super) fn list_clusters(&self, input: In<'_>) -> Answer {
        let arns: Vec<&str> = self.ecs.clusters.values().filter(|c| c.active).map(|c| c.arn.as_str()).collect();
        let size = input.opt_u64("maxResults")?.unwrap_or(100) as usize;
        let (arns, next) = page(&arns, input.opt_str("nextToken"), size).ok_or_else(|| input.invalid("nextToken"))?;
        let mut answer = json!({ "clusterArns": arns });
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn delete_cluster(&mut self, input: In<'_>) -> Answer {
        let name = self.cluster_name(Some(input.str("cluster")?))?;
        if self.ecs.services.values().any(|s| s.cluster == name && s.status != ServiceStatus::Inactive) {
            return Err(AwsError::new(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            ));
        }
        if self.ecs.tasks.values().any(|task| task.service.0 == name && task.status != TaskStatus::Stopped) {
            return Err(AwsError::new(
                "ClusterContainsTasksException",
                "The Cluster cannot be deleted while Tasks are active.",
            ));
        }
        self.ecs.clusters.get_mut(&name).ok_or_else(not_found)?.active = false;
        Ok(json!({ "cluster": self.cluster_doc(&name, false) }))
    }
}
