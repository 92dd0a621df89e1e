//! The observer: every read by itself, as the real adapter does it.

use std::collections::BTreeMap;
use std::rc::Rc;

use model::Service;
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use shared::ids::{AlarmName, Colour, RevisionArn, RouteArn, ServiceName, TargetGroupArn};
use shared::observation::{
    AlarmReading, Ask, ColourReading, Observation, Reading, RequestCount, RouteReading, ServiceReading,
};
use shared::ports::Observer;
use shared::revision::ROLLOUT_TAG;
use shared::rollout::ImageRef;
use shared::time::Time;

use super::Port;
use crate::bugs;
use crate::cloud::{route_ask, route_input};
use crate::faults::Part;
use crate::looks::Question;
use crate::native;
use crate::view::{self, text};

/// A reading of what a call answered.
fn reading<T>(answer: Result<T, String>) -> Reading<T> {
    answer.map_or_else(Reading::Unknown, Reading::Known)
}

impl Observer for Port {
    async fn observe(&self, config: &ServiceConfig, ask: &Ask, at: Time) -> Observation {
        let mut seen = Observation::nothing(at);
        for route in config.engine.routes() {
            let read = if ask.routes { self.route(route).await } else { Reading::not_asked() };
            seen.routes.insert(route.clone(), read);
        }
        seen.colours = Colour::BOTH.into_iter().map(|colour| (colour, ColourReading::nothing())).collect();
        let native = config.engine.native();
        if native.is_none() && (ask.services || ask.targets || ask.requests.is_some()) {
            self.services(config, &mut seen).await;
        }
        if let (Some(native), Some(since)) = (native, ask.native) {
            seen.native = self.native(config, native, since, ask.targets).await;
        }
        if ask.targets {
            for colour in seen.colours.values_mut() {
                self.targets(colour).await;
            }
        }
        let mut alarms = config.alarms.all();
        if let (true, true, Reading::Known(Some(service))) = (ask.alarms, ask.targets, &seen.native) {
            alarms.extend(config.unlisted_alarms(&service.configuration));
        }
        seen.alarms.extend(alarms.into_iter().map(|name| (name, Reading::not_asked())));
        if ask.alarms {
            self.alarms(&config.name, &mut seen.alarms).await;
        }
        if ask.scaling {
            self.scaling(config, &mut seen).await;
        }
        if let Some((base, rollout)) = &ask.registered {
            seen.registered = reading(self.registered(base, rollout).await);
        }
        if let Some((colours, since)) = &ask.requests {
            for colour in colours {
                if let Some(target) = seen.colours.get_mut(colour) {
                    target.requests = self.requests(target, *since, at).await;
                }
            }
        }
        let bug = self.bug();
        let cloud = &mut *self.cloud.borrow_mut();
        if let Some(proc) = cloud.procs.get_mut(&self.pid) {
            proc.honest = Some(Rc::new(seen.clone()));
        }
        if let Some(bug) = bug {
            bugs::seen(bug, &cloud.laws.memory, &cloud.record, &mut seen);
        }
        if let (Some(bug), Some(state)) = (cloud.native_bug(), &cloud.native) {
            native::bugs::seen(bug, state, &cloud.record, &mut seen);
        }
        seen
    }
}

impl Port {
    /// The answer to a description of a route.
    pub(super) async fn route_doc(&self, route: &RouteArn) -> Result<Rc<Value>, String> {
        self.describe(route_ask(route), || route_input(route)).await
    }

    async fn route(&self, route: &RouteArn) -> Reading<RouteReading> {
        reading(self.route_doc(route).await.map(|answer| view::route(view::actions(view::route_of(&answer)))))
    }

    async fn services(&self, config: &ServiceConfig, seen: &mut Observation) {
        let names = Colour::BOTH.map(|colour| config.engine.service(colour).to_owned());
        let (part, service, about) = (Part::Services, Service::Ecs, config.name.as_str());
        let ask = Question { part, service, operation: "DescribeServices", about };
        let answer = self.describe(ask, || json!({ "cluster": config.cluster, "services": names })).await;
        for (colour, name) in Colour::BOTH.into_iter().zip(names) {
            let one = |answer: &Value| -> Option<ServiceReading> {
                let mut all = answer["services"].as_array().into_iter().flatten();
                all.find(|doc| doc["serviceName"] == name.as_str() && doc["status"] == "ACTIVE").map(view::service)
            };
            if let Some(target) = seen.colours.get_mut(&colour) {
                target.service = reading(answer.as_deref().map(one).map_err(Clone::clone));
            }
        }
    }

    async fn targets(&self, colour: &mut ColourReading) {
        let Reading::Known(Some(service)) = &colour.service else { return };
        for group in service.target_groups.clone() {
            let (part, service, about) = (Part::Targets, Service::Elb, group.as_str());
            let ask = Question { part, service, operation: "DescribeTargetHealth", about };
            let answer = self.describe(ask, || json!({ "TargetGroupArn": group.0 })).await;
            colour.targets.insert(group, reading(answer.map(|answer| view::targets(&answer))));
        }
    }

    async fn alarms(&self, about: &ServiceName, alarms: &mut BTreeMap<AlarmName, Reading<Option<AlarmReading>>>) {
        let names: Vec<&str> = alarms.keys().map(AlarmName::as_str).collect();
        let (part, service, about) = (Part::Alarms, Service::CloudWatch, about.as_str());
        let ask = Question { part, service, operation: "DescribeAlarms", about };
        let input = || json!({ "AlarmNames": names, "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
        let answer = self.describe(ask, input).await;
        for (name, target) in alarms {
            *target = reading(answer.as_ref().map_err(Clone::clone).map(|answer| {
                let mut all = answer["MetricAlarms"].as_array().into_iter().flatten();
                all.find(|doc| doc["AlarmName"] == name.as_str()).map(view::alarm)
            }));
        }
    }

    pub(super) async fn scalable(&self, config: &ServiceConfig) -> Result<BTreeMap<Colour, Value>, String> {
        let id = |colour| format!("service/{}/{}", config.cluster, config.engine.service(colour));
        let input = || {
            json!({ "ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount",
                "ResourceIds": Colour::BOTH.map(id) })
        };
        let (part, service, about) = (Part::Scaling, Service::AutoScaling, config.name.as_str());
        let ask = Question { part, service, operation: "DescribeScalableTargets", about };
        let answer = self.describe(ask, input).await?;
        let find = |colour| {
            let mut all = answer["ScalableTargets"].as_array().into_iter().flatten();
            Some((colour, all.find(|doc| text(doc, "ResourceId") == id(colour))?.clone()))
        };
        Ok(Colour::BOTH.into_iter().filter_map(find).collect())
    }

    async fn scaling(&self, config: &ServiceConfig, seen: &mut Observation) {
        let answer = self.scalable(config).await;
        for (colour, target) in &mut seen.colours {
            let one = |docs: &BTreeMap<Colour, Value>| docs.get(colour).map(view::scaling);
            target.scaling = reading(answer.as_ref().map(one).map_err(Clone::clone));
        }
    }

    /// The revision that carries a rollout's tag: among the newest of the family, newer than its base.
    pub(super) async fn registered(&self, base: &RevisionArn, rollout: &str) -> Result<Option<RevisionArn>, String> {
        let number = |arn: &str| arn.rsplit(':').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let (part, service, about) = (Part::Definitions, Service::Ecs, base.family());
        let ask = Question { part, service, operation: "ListTaskDefinitions", about };
        let input = || json!({ "familyPrefix": about, "status": "ACTIVE", "sort": "DESC", "maxResults": 10 });
        let list = self.describe(ask, input).await?;
        let arns: Vec<String> = list["taskDefinitionArns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|arn| number(arn) > number(base.as_str()))
            .map(str::to_owned)
            .collect();
        for arn in arns {
            let document = self.definition(&arn).await?;
            let mut tags = document["tags"].as_array().into_iter().flatten();
            if tags.any(|tag| tag["key"] == ROLLOUT_TAG && tag["value"] == rollout) {
                return Ok(Some(RevisionArn(arn)));
            }
        }
        Ok(None)
    }

    /// Every tagged image of the repository of an image.
    pub(crate) async fn pushed(&self, like: &ImageRef) -> Result<Vec<ImageRef>, String> {
        let input = json!({ "repositoryName": like.repository, "maxResults": 1000 });
        let answer = self.read(Part::Definitions, Service::Ecr, "DescribeImages", &input).await?;
        let details = answer["imageDetails"].as_array().cloned().unwrap_or_default();
        let images = details.iter().flat_map(|detail| {
            let tags = detail["imageTags"].as_array().into_iter().flatten().filter_map(Value::as_str);
            tags.map(|tag| ImageRef {
                tag: tag.to_owned(),
                digest: text(detail, "imageDigest").into(),
                pushed_at: Time((detail["imagePushedAt"].as_f64().unwrap_or(0.0) * 1_000.0) as u64),
                ..like.clone()
            })
        });
        Ok(images.collect())
    }

    pub(super) async fn definition(&self, arn: &str) -> Result<Value, String> {
        let (part, service) = (Part::Definitions, Service::Ecs);
        let ask = Question { part, service, operation: "DescribeTaskDefinition", about: arn };
        let input = || json!({ "taskDefinition": arn, "include": ["TAGS"] });
        self.describe(ask, input).await.map(|answer| Value::clone(&answer))
    }

    async fn requests(&self, colour: &ColourReading, since: Time, at: Time) -> Reading<RequestCount> {
        let groups: Vec<TargetGroupArn> = match &colour.service {
            Reading::Known(Some(service)) => service.target_groups.clone(),
            Reading::Known(None) => return Reading::Unknown("there is no service".to_owned()),
            Reading::Unknown(why) => return Reading::Unknown(why.clone()),
        };
        let margins = self.cloud.borrow().schedule.pace.margins;
        let until = at.minus(margins.metric_delay).floor(margins.metric_period).max(since);
        if until <= since {
            return Reading::Known(RequestCount { count: 0, complete_until: until });
        }
        let balancer = self.cloud.borrow().place.listeners[0].clone();
        let balancer =
            balancer.split(":listener/").nth(1).and_then(|path| path.rsplit_once('/')).map_or("", |(path, _)| path);
        let queries: Vec<Value> = groups
            .iter()
            .enumerate()
            .map(|(n, group)| {
                let suffix = group.0.find("targetgroup/").map_or("", |at| &group.0[at..]);
                json!({ "Id": format!("m{n}"), "ReturnData": true, "MetricStat": {
                    "Period": margins.metric_period.ceil_secs(), "Stat": "Sum",
                    "Metric": { "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": [
                        { "Name": "LoadBalancer", "Value": balancer }, { "Name": "TargetGroup", "Value": suffix } ] },
                }})
            })
            .collect();
        let seconds = |time: Time| time.0 as f64 / 1_000.0;
        let input = json!({ "MetricDataQueries": queries, "StartTime": seconds(since), "EndTime": seconds(until) });
        let answer = self.read(Part::Metrics, Service::CloudWatch, "GetMetricData", &input).await;
        reading(answer.map(|answer| RequestCount { count: view::sum(&answer), complete_until: until }))
    }
}
