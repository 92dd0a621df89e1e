//! Where the checks happen: the account, the cluster, the listener, and the names of what is made there.

use super::made::{Made, Thing};
use crate::errors::plain;
use crate::installation::now;
use aws::sdk::ecs::types as ecs;
use aws::sdk::elb::types as elb;
use aws::{Clients, During as _, Failure};
use shared::time::Span;
use std::time::Duration;

/// The tag that says a resource is ours to remove.
pub(super) const TAG: &str = "flipback:check-account";

/// How every name begins.
pub(super) const PREFIX: &str = "flipback-check-";

/// How every host name that a rule waits for ends; nothing resolves it (RFC 2606).
pub(super) const HOST: &str = ".flipback-check.invalid";

/// Between two looks at whether something has come about.
const PAUSE: Duration = Duration::from_millis(500);

/// The listener that rules are made on.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) arn: String,
    pub(super) https: bool,
    pub(super) vpc: String,
}

/// One run.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) clients: Clients,
    pub(super) cluster: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) listener: Option<Listener>,
    /// How long to wait until a read shows what was written.
    pub(super) patience: Span,
    /// Tells this run's resources from another's.
    pub(super) run: String,
    pub(super) made: Made,
}

impl Lab {
    /// Finds cluster and listener; nothing is made yet.
    pub(super) async fn open(
        clients: &Clients,
        cluster: &str,
        listener: Option<&str>,
        patience: Span,
    ) -> anyhow::Result<Lab> {
        let answer = clients.ecs.describe_clusters().clusters(cluster).send().await.during("ecs:DescribeClusters")?;
        let found = answer.clusters().iter().find(|found| found.status() == Some("ACTIVE"));
        let arn = found.and_then(ecs::Cluster::cluster_arn).unwrap_or_default();
        let Some((account, region)) = aws::lookup::account_and_region(arn) else {
            let todo = "check --cluster and --region; aws ecs list-clusters shows what there is";
            return Err(plain(format!("there is no ECS cluster `{cluster}`"), todo));
        };
        let listener = match listener {
            None => None,
            Some(arn) => Some(find(clients, arn).await?),
        };
        Ok(Lab {
            clients: clients.clone(),
            cluster: cluster.rsplit('/').next().unwrap_or(cluster).to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            listener,
            patience,
            run: format!("{:x}", now().0),
            made: Made::default(),
        })
    }

    /// The name of what one check makes: at most 32 characters, as target groups want it.
    pub(super) fn name(&self, check: u32, part: &str) -> String {
        format!("{PREFIX}{}-{check}{part}", self.run)
    }

    /// Looks again and again until something is seen, for as long as patience lasts. The second value is how long it took.
    pub(super) async fn wait<T>(
        &self,
        look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<(Option<T>, Span), Failure> {
        self.wait_up_to(self.patience, look).await
    }

    /// As `wait`, for what takes its own time.
    pub(super) async fn wait_up_to<T>(
        &self,
        limit: Span,
        mut look: impl AsyncFnMut() -> Result<Option<T>, Failure>,
    ) -> Result<(Option<T>, Span), Failure> {
        let began = now();
        loop {
            let seen = look().await?;
            let took = now().since(began);
            if seen.is_some() || took >= limit {
                return Ok((seen, took));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Notes a thing before it is made, so that it is removed even where the answer is lost.
    pub(super) fn note(&self, thing: Thing) {
        self.made.note(thing);
    }
}

async fn find(clients: &Clients, arn: &str) -> anyhow::Result<Listener> {
    let todo = "give the ARN of a listener of an Application Load Balancer that is there for tests";
    if !arn.contains(":listener/app/") {
        return Err(plain(format!("{arn} is no listener of an Application Load Balancer"), todo));
    }
    let call = "elasticloadbalancing:DescribeListeners";
    let answer = clients.elb.describe_listeners().listener_arns(arn).send().await.during(call)?;
    let listener = answer.listeners().first().ok_or_else(|| plain(format!("there is no listener {arn}"), todo))?;
    let balancer = listener.load_balancer_arn().unwrap_or_default();
    let call = "elasticloadbalancing:DescribeLoadBalancers";
    let answer = clients.elb.describe_load_balancers().load_balancer_arns(balancer).send().await.during(call)?;
    let vpc = answer.load_balancers().first().and_then(elb::LoadBalancer::vpc_id).unwrap_or_default();
    let https = listener.protocol() == Some(&elb::ProtocolEnum::Https);
    Ok(Listener { arn: arn.to_owned(), https, vpc: vpc.to_owned() })
}
