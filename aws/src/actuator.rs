//! One change of the world at a time.

use shared::config::ServiceConfig;
use shared::decision::{Action, Effect};
use shared::ports::{Actuator, EffectError};
use shared::scaling::Mend;

use crate::world::World;
use crate::{native, revisions, routes, scaling, services};

impl Actuator for World {
    async fn apply(&self, config: &ServiceConfig, effect: &Effect) -> Result<(), EffectError> {
        let budget = self.anchors.budget(&config.name, effect.deadline);
        budget.left()?;
        let clients = &self.clients;
        let done = match &effect.action {
            Action::Register { base, images, rollout } => {
                revisions::register(clients, base, images, rollout, &budget).await
            }
            Action::Start { colour, revision, desired } => {
                services::start(&clients.ecs, config, *colour, revision, *desired, &budget).await
            }
            Action::Deploy { revision, configuration, force } => {
                native::deploy(&clients.ecs, config, revision, configuration.as_ref(), *force, &budget).await
            }
            Action::Stop { deployment } => native::stop(&clients.ecs, deployment, &budget).await,
            Action::Continue { deployment, hook } => native::go_on(&clients.ecs, deployment, hook, &budget).await,
            Action::Scale { colour, desired } => {
                services::scale(&clients.ecs, config, *colour, *desired, &budget).await
            }
            Action::Weights { route, weights } => routes::write(&clients.elb, route, weights, &budget).await,
            Action::Scaling { colour, wanted } => {
                scaling::set(&clients.scaling, config, *colour, wanted, &budget).await
            }
            Action::Mend { colour, what: Mend::Target { min, max, suspended } } => {
                scaling::mend(&clients.scaling, config, *colour, (*min, *max, *suspended), &budget).await
            }
            Action::Mend { colour, what: Mend::Policy { metric, target } } => {
                scaling::track(&clients.scaling, config, *colour, (*metric, *target), &budget).await
            }
            Action::Tidy { family, keep, in_use } => {
                revisions::tidy(&clients.ecs, family, *keep, in_use, &budget).await
            }
        };
        match &done {
            Ok(()) => tracing::info!(service = %config.name, %effect, "applied"),
            Err(error) => tracing::warn!(service = %config.name, %effect, %error, "not applied"),
        }
        done
    }
}
