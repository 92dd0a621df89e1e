//! How large the tasks of a service are, as their definitions say.

use std::collections::{BTreeMap, BTreeSet};

use shared::observation::Reading;

use crate::errors::{During, Failure};
use crate::pace::Bucket;
use crate::world::World;

const CALL: &str = "ecs:DescribeTaskDefinition";

/// The sizes of these revisions; those that are not known yet are asked for, and the calls counted.
pub(super) async fn read(
    world: &World,
    definitions: &BTreeSet<&String>,
    calls: &mut usize,
) -> BTreeMap<String, Reading<u32>> {
    let mut found = BTreeMap::new();
    for &definition in definitions {
        let reading = match world.sizes.known(definition) {
            Some(units) => Reading::Known(units),
            None => match one(world, definition, calls).await {
                Ok(units) => {
                    world.sizes.learn(definition, units);
                    Reading::Known(units)
                }
                Err(failure) => Reading::Unknown(failure.to_string()),
            },
        };
        found.insert(definition.clone(), reading);
    }
    found
}

async fn one(world: &World, definition: &str, calls: &mut usize) -> Result<u32, Failure> {
    let request = world.clients.ecs.describe_task_definition().task_definition(definition);
    let ask = async || request.clone().send().await.during(CALL);
    let answer = world.pace.call(Bucket::Definitions, calls, ask).await?;
    let units = answer.task_definition().and_then(|definition| definition.cpu()?.parse().ok());
    units.ok_or_else(|| Failure::unreadable(CALL, format!("{definition} does not say how large its tasks are")))
}
