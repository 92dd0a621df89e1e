//! A round over many services in parts: each is one message, small enough to be done in one invocation, and done again where
//! that ends early.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::{Deserialize, Serialize};
use shared::ids::ServiceName;
use shared::observation::Reading;
use shared::time::Time;

use crate::errors::{During, Failure};
use crate::policies;
use crate::room;
use crate::round::Known;
use crate::schedules;
use crate::store::Listed;
use crate::world::World;

/// So many services are looked at together: a full DescribeScalableTargets for those with two colours, ten DescribeServices.
pub const TOGETHER: usize = 100;

/// The most bytes of a message's body; SQS takes 256 KiB of body and attributes, in every region.
const BYTES: usize = 200_000;

/// So many late target groups are told to each part: a third of a message at most.
const LATE: usize = 400;

/// What one message asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The round's time: a message that comes again, or late, is that look and no other.
    pub at: Time,
    /// The services to look at.
    pub services: Vec<ServiceName>,
    /// What is known of their ECS services.
    #[serde(flatten)]
    pub known: Known,
}

impl Part {
    /// Reads a message's body.
    ///
    /// # Errors
    /// It is not one of ours.
    pub fn parse(body: &str) -> Result<Part, String> {
        serde_json::from_str(body).map_err(|error| format!("not a part of a round: {error}"))
    }

    fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The parts of a round over these services, and how many calls took what is listed for all of them.
pub async fn parts(world: &World, listed: &[Listed], at: Time) -> (Vec<Part>, usize) {
    let resources = listed.iter().flat_map(resources).collect();
    // Nothing comes after it but sending.
    world.pace.begin(Duration::from_secs(140));
    let (none, mut more) = (BTreeMap::new(), 0);
    let ((policies, calls), scheduled, (late, vcpus, of_account)) = tokio::join!(
        policies::read(world, &resources, &none),
        schedules::read(world, &mut more),
        room::of_account(world, at)
    );
    let known = Known { policies, scheduled: Some(scheduled), late: Some(late), vcpus: Some(vcpus) };
    let calls = calls + more + of_account;
    (listed.chunks(TOGETHER).flat_map(|some| fitting(some, &known, at)).collect(), calls)
}

fn resources(listed: &Listed) -> impl Iterator<Item = String> {
    listed.ecs.iter().flatten().map(|(cluster, service)| crate::scaling::resource(cluster, service))
}

/// These services in one part, or in halves that fit into a message.
fn fitting(some: &[Listed], known: &Known, at: Time) -> Vec<Part> {
    let own: BTreeSet<String> = some.iter().flat_map(resources).collect();
    let mut part =
        Part { at, services: some.iter().map(|listed| listed.name.clone()).collect(), known: Known::default() };
    let policies = own.iter().filter_map(|resource| Some((resource.clone(), known.policies.get(resource)?.clone())));
    part.known.policies = policies.collect();
    part.known.scheduled = known.scheduled.as_ref().map(|all| match all {
        Reading::Known(all) => {
            // With those that have none: what is not there was not looked for.
            let of = |resource: &String| (resource.clone(), all.get(resource).cloned().unwrap_or_default());
            Reading::Known(own.iter().map(of).collect())
        }
        Reading::Unknown(why) => Reading::Unknown(why.clone()),
    });
    // Whose target groups they are only the services tell. Where a message cannot hold them, each part lists them itself.
    let few = |late: &&Reading<_>| late.known().is_none_or(|late: &BTreeMap<_, _>| late.len() <= LATE);
    part.known.late = known.late.as_ref().filter(few).cloned();
    part.known.vcpus.clone_from(&known.vcpus);
    if some.len() < 2 || part.body().len() <= BYTES {
        return vec![part];
    }
    let (first, rest) = some.split_at(some.len() / 2);
    fitting(first, known, at).into_iter().chain(fitting(rest, known, at)).collect()
}

/// The queue of parts.
#[derive(Clone, Debug)]
pub struct Parts {
    client: Client,
    url: String,
}

impl Parts {
    /// The queue by its URL.
    #[must_use]
    pub fn new(client: Client, url: impl Into<String>) -> Parts {
        Parts { client, url: url.into() }
    }

    /// Whether parts of the last round still wait, or are at work: roughly, as SQS counts.
    ///
    /// # Errors
    /// SQS did not say.
    pub async fn waiting(&self) -> Result<bool, Failure> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let request = request.set_attribute_names(Some(counts.to_vec()));
        let answer = request.send().await.during("sqs:GetQueueAttributes")?;
        let some = |name: &QueueAttributeName| answer.attributes()?.get(name).map(|count| count != "0");
        Ok(counts.iter().any(|name| some(name) == Some(true)))
    }

    /// Sends a part.
    ///
    /// # Errors
    /// SQS did not take it.
    pub async fn send(&self, part: &Part) -> Result<(), Failure> {
        let request = self.client.send_message().queue_url(&self.url).message_body(part.body());
        request.send().await.during("sqs:SendMessage")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::scaling::{Moves, Policy, Scheduled};

    fn parts(services: usize, alarm: usize) -> Vec<Part> {
        let one = |n: usize| {
            let policy = Policy { name: format!("policy-{n}"), moves: Moves::Steps, alarms: vec!["a".repeat(alarm)] };
            (format!("service/production/shop-{n}"), Reading::Known(vec![policy]))
        };
        let ecs = |n: usize| Some(vec![("production".to_owned(), format!("shop-{n}"))]);
        let listed = |n: usize| Listed { name: format!("shop-{n}").as_str().into(), ecs: ecs(n) };
        let all: Vec<Listed> = (0..services).map(listed).collect();
        let scheduled = (0..services).map(|n| (format!("service/production/shop-{n}"), vec![Scheduled::default()]));
        let scheduled = Some(Reading::Known(scheduled.collect()));
        fitting(&all, &Known { policies: (0..services).map(one).collect(), scheduled, ..Known::default() }, Time(7))
    }

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let mut part = parts(3, 10).remove(0);
        part.known.policies.insert("service/production/x".to_owned(), Reading::Unknown("throttled".to_owned()));
        assert_eq!(Part::parse(&part.body()), Ok(part));
        assert!(Part::parse("{}").unwrap_err().contains("not a part of a round"));
    }

    #[test]
    fn a_part_that_is_too_long_for_a_message_is_halved() {
        assert_eq!(parts(TOGETHER, 200).len(), 1);
        let halves = parts(TOGETHER, 3_000);
        assert!(halves.len() == 2 && halves.iter().all(|part| part.body().len() <= BYTES));
        for half in &halves {
            let scheduled = half.known.scheduled.as_ref().and_then(Reading::known).map(BTreeMap::len);
            let known = (half.known.policies.len(), scheduled);
            assert_eq!(
                (half.services.len(), known),
                (TOGETHER / 2, (TOGETHER / 2, Some(TOGETHER / 2))),
                "each its own"
            );
        }
        assert_eq!(parts(1, 300_000).len(), 1, "one service is not cut");
    }
}
