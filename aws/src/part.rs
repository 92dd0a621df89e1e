//! A round over many services in parts: each is one message, small enough to be done in one invocation, and done again where
//! that ends early.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use serde::{Deserialize, Serialize};
use shared::ids::ServiceName;
use shared::observation::Reading;
use shared::scaling::Policy;
use shared::time::Time;

use crate::errors::{During, Failure};
use crate::policies::{self, Policies};
use crate::store::Listed;
use crate::world::World;

/// So many services are looked at together: a full DescribeScalableTargets for those with two colours, ten DescribeServices.
pub const TOGETHER: usize = 100;

/// The most bytes of a message's body; SQS takes 256 KiB of body and attributes, in every region.
const BYTES: usize = 200_000;

/// What one message asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The round's time: a message that comes again, or late, is that look and no other.
    pub at: Time,
    /// The services to look at.
    pub services: Vec<ServiceName>,
    /// The scaling policies of their ECS services by resource: a page of them takes no list of resources, so they are listed once
    /// for all parts.
    pub policies: BTreeMap<String, Reading<Vec<Policy>>>,
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

/// The parts of a round over these services, and how many calls listing their policies took.
pub async fn parts(world: &World, listed: &[Listed], at: Time) -> (Vec<Part>, usize) {
    let resources = listed.iter().flat_map(resources).collect();
    let (known, calls) = policies::read(&world.clients, &resources, &BTreeMap::new()).await;
    (listed.chunks(TOGETHER).flat_map(|some| fitting(some, &known, at)).collect(), calls)
}

fn resources(listed: &Listed) -> impl Iterator<Item = String> {
    listed.ecs.iter().flatten().map(|(cluster, service)| crate::scaling::resource(cluster, service))
}

/// These services in one part, or in halves that fit into a message.
fn fitting(some: &[Listed], known: &Policies, at: Time) -> Vec<Part> {
    let own = some.iter().flat_map(resources);
    let policies = own.filter_map(|resource| Some((resource.clone(), known.get(&resource)?.clone()))).collect();
    let part = Part { at, services: some.iter().map(|listed| listed.name.clone()).collect(), policies };
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
    use shared::scaling::Moves;

    fn parts(services: usize, alarm: usize) -> Vec<Part> {
        let one = |n: usize| {
            let policy = Policy { name: format!("policy-{n}"), moves: Moves::Steps, alarms: vec!["a".repeat(alarm)] };
            (format!("service/production/shop-{n}"), Reading::Known(vec![policy]))
        };
        let ecs = |n: usize| Some(vec![("production".to_owned(), format!("shop-{n}"))]);
        let listed = |n: usize| Listed { name: format!("shop-{n}").as_str().into(), ecs: ecs(n) };
        let all: Vec<Listed> = (0..services).map(listed).collect();
        fitting(&all, &(0..services).map(one).collect(), Time(7))
    }

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let mut part = parts(3, 10).remove(0);
        part.policies.insert("service/production/x".to_owned(), Reading::Unknown("throttled".to_owned()));
        assert_eq!(Part::parse(&part.body()), Ok(part));
        assert!(Part::parse("{}").unwrap_err().contains("not a part of a round"));
    }

    #[test]
    fn a_part_that_is_too_long_for_a_message_is_halved() {
        assert_eq!(parts(TOGETHER, 200).len(), 1);
        let halves = parts(TOGETHER, 3_000);
        assert!(halves.len() == 2 && halves.iter().all(|part| part.body().len() <= BYTES));
        for half in &halves {
            assert_eq!((half.services.len(), half.policies.len()), (TOGETHER / 2, TOGETHER / 2), "each its own");
        }
        assert_eq!(parts(1, 300_000).len(), 1, "one service is not cut");
    }
}
