//! What was made, and how it is removed. Things are known by name: a name is there before the thing, so even a thing whose
//! making was never answered is removed.

use super::lab::{HOST, Lab, PREFIX, TAG};
use aws::sdk::ecs::types as ecs;
use aws::sdk::elb::types as elb;
use aws::sdk::scaling::types::{ScalableDimension, ServiceNamespace};
use aws::{During as _, Failure, Kind};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a removal is tried: a target group is in use for a moment after its rule is gone, and ECS limits the rate.
const TRIES: u32 = 8;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// No check registers more revisions of a family.
const REVISIONS: u32 = 2;

/// One throw-away resource. Their order is the one in which they can be removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// A rule of the listener, by the host name it waits for.
    Rule(String),
    /// A target group.
    TargetGroup(String),
    /// The scalable target of a service.
    ScalableTarget(String),
    /// An ECS service of the cluster.
    Service(String),
    /// A task definition family.
    Family(String),
    /// A queue.
    Queue(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Rule(host) => write!(f, "rule for {host}"),
            Thing::TargetGroup(name) => write!(f, "target group {name}"),
            Thing::ScalableTarget(name) => write!(f, "scalable target of {name}"),
            Thing::Service(name) => write!(f, "ECS service {name}"),
            Thing::Family(name) => write!(f, "task definition family {name}"),
            Thing::Queue(name) => write!(f, "queue {name}"),
        }
    }
}

/// What this run has made so far.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Vec<Thing>>);

impl Made {
    pub(super) fn note(&self, thing: Thing) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
    }

    /// All of it, in the order of removal.
    pub(super) fn all(&self) -> Vec<Thing> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort();
        all.dedup();
        all
    }
}

/// Removes things; returns those that stayed, with why.
pub(super) async fn remove(lab: &Lab, things: &[Thing]) -> Vec<(Thing, String)> {
    let mut stayed = Vec::new();
    for thing in things {
        if let Err(failure) = patiently(lab, thing).await {
            stayed.push((thing.clone(), failure.to_string()));
        }
    }
    stayed
}

async fn patiently(lab: &Lab, thing: &Thing) -> Result<(), Failure> {
    let mut tries = 1;
    loop {
        match one(lab, thing).await {
            Err(failure) if gone(&failure) => return Ok(()),
            Err(failure) if tries < TRIES && failure.kind != Kind::Denied => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Nothing to remove: ECS says that of a revision or a service in words only.
fn gone(failure: &Failure) -> bool {
    let code = failure.code.as_deref().unwrap_or_default();
    let words = ["does not exist", "Unable to describe", "was not ACTIVE"];
    failure.kind == Kind::NotFound
        || code.ends_with("NotFound")
        || code.contains("NonExistentQueue")
        || code == "QueueDoesNotExist"
        || code == "ServiceNotActiveException"
        || words.iter().any(|words| failure.message.contains(words))
}

async fn one(lab: &Lab, thing: &Thing) -> Result<(), Failure> {
    let (clients, cluster) = (&lab.clients, &lab.cluster);
    match thing {
        Thing::Rule(host) => {
            for (arn, waits_for) in rules(lab).await? {
                if waits_for == *host {
                    let request = clients.elb.delete_rule().rule_arn(arn);
                    request.send().await.during("elasticloadbalancing:DeleteRule")?;
                }
            }
        }
        Thing::TargetGroup(name) => {
            let call = "elasticloadbalancing:DescribeTargetGroups";
            let answer = clients.elb.describe_target_groups().names(name).send().await.during(call)?;
            for arn in answer.target_groups().iter().filter_map(elb::TargetGroup::target_group_arn) {
                let request = clients.elb.delete_target_group().target_group_arn(arn);
                request.send().await.during("elasticloadbalancing:DeleteTargetGroup")?;
            }
        }
        Thing::ScalableTarget(name) => {
            let request = clients
                .scaling
                .deregister_scalable_target()
                .service_namespace(ServiceNamespace::Ecs)
                .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
                .resource_id(format!("service/{cluster}/{name}"));
            request.send().await.during("application-autoscaling:DeregisterScalableTarget")?;
        }
        Thing::Service(name) => {
            let request = clients.ecs.delete_service().cluster(cluster).service(name).force(true);
            request.send().await.during("ecs:DeleteService")?;
        }
        Thing::Family(name) => {
            for number in 1..=REVISIONS {
                let revision = format!("{name}:{number}");
                let request = clients.ecs.deregister_task_definition().task_definition(&revision);
                match request.send().await.during("ecs:DeregisterTaskDefinition") {
                    Err(failure) if gone(&failure) => {}
                    Err(failure) => return Err(failure),
                    Ok(_) => {
                        let request = clients.ecs.delete_task_definitions().task_definitions(&revision);
                        request.send().await.during("ecs:DeleteTaskDefinitions")?;
                    }
                }
            }
        }
        Thing::Queue(name) => {
            let url = clients.sqs.get_queue_url().queue_name(name).send().await.during("sqs:GetQueueUrl")?;
            let request = clients.sqs.delete_queue().set_queue_url(url.queue_url);
            request.send().await.during("sqs:DeleteQueue")?;
        }
    }
    Ok(())
}

/// The rules of the listener that are checks' rules, with the host name each waits for.
async fn rules(lab: &Lab) -> Result<Vec<(String, String)>, Failure> {
    let Some(listener) = &lab.listener else { return Ok(Vec::new()) };
    let rules = all_rules(lab, &listener.arn).await?;
    let ours = rules.iter().filter_map(|rule| {
        let conditions = rule.conditions().iter();
        let configured = conditions.clone().filter_map(|condition| condition.host_header_config());
        let configured = configured.flat_map(elb::HostHeaderConditionConfig::values);
        let mut hosts = conditions.flat_map(elb::RuleCondition::values).chain(configured);
        let host = hosts.find(|host| host.ends_with(HOST))?;
        Some((rule.rule_arn()?.to_owned(), host.clone()))
    });
    let mut ours: Vec<(String, String)> = ours.collect();
    // A rule that has lost its conditions (belief 3) tells by its tag what it waited for.
    for rule in rules.iter().filter(|rule| rule.is_default() != Some(true) && rule.conditions().is_empty()) {
        if let Some(arn) = rule.rule_arn()
            && let Some(host) = elb_tag(lab, arn).await?
        {
            ours.push((arn.to_owned(), host));
        }
    }
    Ok(ours)
}

/// Every rule of a listener.
pub(super) async fn all_rules(lab: &Lab, listener: &str) -> Result<Vec<elb::Rule>, Failure> {
    let (mut rules, mut marker) = (Vec::new(), None);
    loop {
        let request = lab.clients.elb.describe_rules().listener_arn(listener).set_marker(marker);
        let answer = request.send().await.during("elasticloadbalancing:DescribeRules")?;
        rules.extend(answer.rules.unwrap_or_default());
        marker = answer.next_marker;
        if marker.is_none() {
            return Ok(rules);
        }
    }
}

/// The value of our tag on a rule or a target group.
async fn elb_tag(lab: &Lab, arn: &str) -> Result<Option<String>, Failure> {
    let answer = lab.clients.elb.describe_tags().resource_arns(arn).send().await;
    let answer = answer.during("elasticloadbalancing:DescribeTags")?;
    let mut tags = answer.tag_descriptions().iter().flat_map(elb::TagDescription::tags);
    Ok(tags.find(|tag| tag.key() == Some(TAG)).map(|tag| tag.value().unwrap_or_default().to_owned()))
}

/// What earlier runs left behind: what has both the name and the tag. Rules are found with --listener only.
pub(super) async fn leftovers(lab: &Lab) -> Result<Vec<Thing>, Failure> {
    let mut found = Vec::new();
    for (arn, host) in rules(lab).await? {
        if elb_tag(lab, &arn).await?.is_some() {
            found.push(Thing::Rule(host));
        }
    }
    groups(lab, &mut found).await?;
    services(lab, &mut found).await?;
    families(lab, &mut found).await?;
    queues(lab, &mut found).await?;
    found.sort();
    Ok(found)
}

async fn groups(lab: &Lab, found: &mut Vec<Thing>) -> Result<(), Failure> {
    let mut marker = None;
    loop {
        let request = lab.clients.elb.describe_target_groups().set_marker(marker);
        let answer = request.send().await.during("elasticloadbalancing:DescribeTargetGroups")?;
        for group in answer.target_groups() {
            if let (Some(name), Some(arn)) = (group.target_group_name(), group.target_group_arn())
                && name.starts_with(PREFIX)
                && elb_tag(lab, arn).await?.is_some()
            {
                found.push(Thing::TargetGroup(name.to_owned()));
            }
        }
        marker = answer.next_marker.clone();
        if marker.is_none() {
            return Ok(());
        }
    }
}

async fn services(lab: &Lab, found: &mut Vec<Thing>) -> Result<(), Failure> {
    let mut token = None;
    loop {
        let request = lab.clients.ecs.list_services().cluster(&lab.cluster).max_results(100).set_next_token(token);
        let answer = request.send().await.during("ecs:ListServices")?;
        let names = answer.service_arns().iter().filter_map(|arn| arn.rsplit('/').next());
        let ours: Vec<String> = names.filter(|name| name.starts_with(PREFIX)).map(str::to_owned).collect();
        for ten in ours.chunks(10) {
            let request = lab.clients.ecs.describe_services().cluster(&lab.cluster).include(ecs::ServiceField::Tags);
            let answer = request.set_services(Some(ten.to_vec())).send().await.during("ecs:DescribeServices")?;
            for service in answer.services().iter().filter(|service| tagged(service.tags())) {
                let name = service.service_name().unwrap_or_default().to_owned();
                found.extend([Thing::ScalableTarget(name.clone()), Thing::Service(name)]);
            }
        }
        token = answer.next_token;
        if token.is_none() {
            return Ok(());
        }
    }
}

fn tagged(tags: &[ecs::Tag]) -> bool {
    tags.iter().any(|tag| tag.key() == Some(TAG))
}

async fn families(lab: &Lab, found: &mut Vec<Thing>) -> Result<(), Failure> {
    let mut token = None;
    loop {
        let request = lab.clients.ecs.list_task_definition_families().family_prefix(PREFIX).set_next_token(token);
        let request = request.status(ecs::TaskDefinitionFamilyStatus::Active);
        let answer = request.send().await.during("ecs:ListTaskDefinitionFamilies")?;
        for family in answer.families() {
            let request = lab.clients.ecs.describe_task_definition().task_definition(family);
            let answer = request.include(ecs::TaskDefinitionField::Tags).send().await;
            if tagged(answer.during("ecs:DescribeTaskDefinition")?.tags()) {
                found.push(Thing::Family(family.clone()));
            }
        }
        token = answer.next_token.clone();
        if token.is_none() {
            return Ok(());
        }
    }
}

async fn queues(lab: &Lab, found: &mut Vec<Thing>) -> Result<(), Failure> {
    // Without max_results there is one page of up to a thousand.
    let answer = lab.clients.sqs.list_queues().queue_name_prefix(PREFIX).send().await.during("sqs:ListQueues")?;
    for url in answer.queue_urls() {
        let tags = lab.clients.sqs.list_queue_tags().queue_url(url).send().await.during("sqs:ListQueueTags")?;
        if let Some(name) = url.rsplit('/').next()
            && tags.tags().is_some_and(|tags| tags.contains_key(TAG))
        {
            found.push(Thing::Queue(name.to_owned()));
        }
    }
    Ok(())
}
