//! One look at the world: what was asked for, all at once.

use std::collections::{BTreeMap, BTreeSet};

use shared::config::ServiceConfig;
use shared::ids::{AlarmName, Colour, TargetGroupArn};
use shared::observation::{
    AlarmReading, Ask, ColourReading, NativeReading, Observation, Reading, RequestCount, ServiceReading, TargetCounts,
};
use shared::ports::Observer;
use shared::time::Time;

use crate::world::World;
use crate::{alarms, native, policies, requests, revisions, routes, scaling, services, targets};

type Alarms = BTreeMap<AlarmName, Reading<Option<AlarmReading>>>;
type Services = BTreeMap<Colour, Reading<Option<ServiceReading>>>;
type Targets = BTreeMap<TargetGroupArn, Reading<TargetCounts>>;
type Requests = BTreeMap<Colour, Reading<RequestCount>>;

impl Observer for World {
    async fn observe(&self, config: &ServiceConfig, ask: &Ask, at: Time) -> Observation {
        self.anchors.look(&config.name, at);
        let routes = async {
            if ask.routes {
                routes::read(&self.clients.elb, config.engine.routes()).await
            } else {
                config.engine.routes().iter().map(|route| (route.clone(), Reading::not_asked())).collect()
            }
        };
        let scaling =
            async { if ask.scaling { scaling::read(&self.clients.scaling, config).await } else { BTreeMap::new() } };
        let registered = async {
            match &ask.registered {
                Some((base, rollout)) => revisions::registered(&self.clients.ecs, base, rollout).await,
                None => Reading::not_asked(),
            }
        };
        let policies = async {
            match ask.policies {
                Some(colour) => policies::of(&self.clients.scaling, &scaling::resource_id(config, colour)).await,
                None => Reading::not_asked(),
            }
        };
        let (routes, (services, targets, requests), (native, alarms), mut scaling, policies, registered) = tokio::join!(
            routes,
            self.inside(config, ask, at),
            self.native_and_alarms(config, ask),
            scaling,
            policies,
            registered
        );
        let colours = Colour::BOTH.into_iter().map(|colour| {
            let mut reading = ColourReading::nothing();
            if let Some(service) = services.get(&colour) {
                let groups = groups_of(service);
                reading.targets = targets
                    .iter()
                    .filter(|(group, _)| groups.contains(*group))
                    .map(|(g, r)| (g.clone(), r.clone()))
                    .collect();
                reading.service = service.clone();
            }
            if let Some(requests) = requests.get(&colour) {
                reading.requests = requests.clone();
            }
            if let Some(scaling) = scaling.remove(&colour) {
                reading.scaling = scaling;
            }
            (colour, reading)
        });
        let (colours, failures) = (colours.collect(), Vec::new());
        Observation { at, routes, colours, alarms, policies, registered, native, failures }
    }
}

impl World {
    /// The native service and the alarms, in one DescribeAlarms. With the targets (before a start, at pauses) those that only
    /// ECS listens to are among them, and the service says which.
    async fn native_and_alarms(&self, config: &ServiceConfig, ask: &Ask) -> (Reading<Option<NativeReading>>, Alarms) {
        let native = async {
            match (config.engine.native(), ask.native) {
                (Some(native), Some(since)) => native::read(&self.clients, config, native, since, ask.targets).await,
                (None, _) | (_, None) => Reading::not_asked(),
            }
        };
        let read = async |names: &[AlarmName]| alarms::read(&self.clients.cloudwatch, &config.cluster, names).await;
        let mut names = config.alarms.all();
        if !ask.alarms {
            return (native.await, names.into_iter().map(|name| (name, Reading::not_asked())).collect());
        }
        if config.engine.native().is_none() || !ask.targets {
            return tokio::join!(native, read(&names));
        }
        let native = native.await;
        if let Reading::Known(Some(service)) = &native {
            names.extend(config.unlisted_alarms(&service.configuration));
        }
        let alarms = read(&names).await;
        (native, alarms)
    }

    /// The services, and what hangs on their target groups.
    async fn inside(&self, config: &ServiceConfig, ask: &Ask, at: Time) -> (Services, Targets, Requests) {
        let wanted = ask.services || ask.targets || ask.requests.is_some();
        if !wanted || config.engine.native().is_some() {
            return (Services::new(), Targets::new(), Requests::new());
        }
        let services = services::read(&self.clients.ecs, config).await;
        let targets = async {
            if !ask.targets {
                return Targets::new();
            }
            targets::read(&self.clients.elb, services.values().flat_map(groups_of).collect()).await
        };
        let requests = async {
            let Some((colours, since)) = &ask.requests else { return Requests::new() };
            self.requests(&services, colours, *since, at).await
        };
        let (targets, requests) = tokio::join!(targets, requests);
        (services, targets, requests)
    }

    async fn requests(&self, services: &Services, colours: &BTreeSet<Colour>, since: Time, at: Time) -> Requests {
        let mut readings = Requests::new();
        let mut groups = BTreeMap::new();
        for colour in colours {
            match services.get(colour) {
                Some(Reading::Known(Some(service))) => {
                    groups.insert(*colour, service.target_groups.iter().cloned().collect());
                }
                Some(Reading::Known(None)) => {
                    readings
                        .insert(*colour, Reading::Unknown("there is no service whose requests to count".to_owned()));
                }
                Some(Reading::Unknown(why)) => {
                    readings.insert(*colour, Reading::Unknown(why.clone()));
                }
                None => {}
            }
        }
        if !groups.is_empty() {
            readings.extend(requests::read(&self.clients, &self.balancers, &groups, since, at, &self.margins).await);
        }
        readings
    }
}

fn groups_of(service: &Reading<Option<ServiceReading>>) -> BTreeSet<TargetGroupArn> {
    match service {
        Reading::Known(Some(service)) => service.target_groups.iter().cloned().collect(),
        Reading::Known(None) | Reading::Unknown(_) => BTreeSet::new(),
    }
}
