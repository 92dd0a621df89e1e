//! The stories, as data: what is pushed, by which strategy it is deployed, and how it has to end.

use serde::Serialize;
use serde_json::{Value, json};

/// Every listener gets this many requests a second during its story; at least [`LEAST_RATE`] must have been answered.
pub(crate) const RATE: u32 = 150;

/// The rate below which a story proves too little.
pub(crate) const LEAST_RATE: f64 = 100.0;

/// A story that has not ended after this long fails, and says what it waited for.
pub(crate) const DEADLINE_MS: u64 = 75_000;

/// The tag that is live before each story.
pub(crate) const BEFORE: &str = "1.0.0";

/// The tag that each story pushes.
pub(crate) const PUSHED: &str = "2.0.0";

/// How a story has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ending {
    /// The new image carries everything, and no request failed on the way.
    Completed,
    /// An alarm fired and the traffic is back.
    BackByAlarm,
    /// The new tasks turned unhealthy and the traffic is back; no alarm fired.
    BackWithoutAlarm,
}

impl Ending {
    /// The image tag that answers in the end.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Ending::Completed => PUSHED,
            Ending::BackByAlarm | Ending::BackWithoutAlarm => BEFORE,
        }
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Ending::Completed => "100 % on the new image, no failed request",
            Ending::BackByAlarm => "flipped back by the alarm",
            Ending::BackWithoutAlarm => "flipped back without any alarm",
        }
    }
}

/// What moves the traffic in a story.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    /// Flipback, by this strategy as it stands in flipback.yaml.
    Managed(&'static str),
    /// ECS's own blue/green, with a bake of so many of its minutes.
    Native(u32),
}

impl Engine {
    /// A native service's deployment configuration.
    pub(crate) fn declared(self) -> Option<Value> {
        match self {
            Engine::Managed(_) => None,
            Engine::Native(bake) => Some(json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": bake})),
        }
    }
}

/// One story.
#[derive(Debug)]
pub(crate) struct Story {
    /// For people.
    pub(crate) title: &'static str,
    /// The service in Flipback; its repository has the same name. Its ECS services end in `-blue` and `-green`, or there is one
    /// of this name.
    pub(crate) service: &'static str,
    /// What moves the traffic.
    pub(crate) engine: Engine,
    /// The manners of the pushed image.
    pub(crate) manners: &'static str,
    /// How it has to end.
    pub(crate) ending: Ending,
}

/// The stories in the order they are told.
pub(crate) const STORIES: [Story; 4] = [
    Story {
        title: "a good push",
        service: "web",
        engine: Engine::Managed("blueGreen: { bake: 5s }"),
        manners: "",
        ending: Ending::Completed,
    },
    Story {
        title: "a 5XX push under canary",
        service: "cart",
        // Longer than the alarm needs: a period of 10 s, then the metric's delay.
        engine: Engine::Managed("canary: { steps: [ { weight: 10, bake: 30s } ], bake: 10s }"),
        manners: "5xx=30",
        ending: Ending::BackByAlarm,
    },
    Story {
        title: "tasks turn unhealthy in the bake",
        service: "search",
        engine: Engine::Managed("blueGreen: { bake: 40s }"),
        // Counted from the task's start: by then it was healthy for a while and has all traffic.
        manners: "unhealthy after=10s",
        ending: Ending::BackWithoutAlarm,
    },
    Story {
        title: "a 5XX push under ECS's own blue/green",
        service: "pay",
        // Long enough for the alarm; a minute of ECS's is two seconds here.
        engine: Engine::Native(15),
        manners: "5xx=30",
        ending: Ending::BackByAlarm,
    },
];

/// The flipback.yaml of all stories; `routes` are the listener rules, in the stories' order.
pub(crate) fn flipback_yaml(routes: &[String]) -> String {
    let mut text = "version: 1\nservices:\n".to_owned();
    for (Story { service, engine, .. }, route) in STORIES.iter().zip(routes) {
        match engine {
            Engine::Managed(strategy) => {
                text.push_str(&service_yaml("demo", service, route, strategy));
                text.push_str("    standby: 5s\n");
            }
            Engine::Native(_) => text.push_str(&native_yaml("demo", service)),
        }
        text.push_str("    startDeadline: 1m\n");
    }
    text
}

/// One native service of a flipback.yaml, as [`local::example::one_service`] sets it up; keys with a default may follow.
pub(crate) fn native_yaml(cluster: &str, service: &str) -> String {
    format!(
        "  - name: {service}
    cluster: {cluster}
    image: {{ repository: {service}, tags: {{ semver: \">=1.0.0\" }} }}
    engine: {{ native: {{ service: {service} }} }}
    strategy: asDeclared
    alarms: [ {service}-blue-5xx, {service}-green-5xx ]
"
    )
}

/// One service of a flipback.yaml, as [`local::example::two_colours`] sets it up; keys with a default may follow.
pub(crate) fn service_yaml(cluster: &str, service: &str, route: &str, strategy: &str) -> String {
    format!(
        "  - name: {service}
    cluster: {cluster}
    image: {{ repository: {service}, tags: {{ semver: \">=1.0.0\" }} }}
    engine:
      managed:
        blue: {service}-blue
        green: {service}-green
        routes:
          - {route}
    strategy:
      {strategy}
    alarms: [ {service}-blue-5xx, {service}-green-5xx ]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_stories_is_a_valid_flipback_yaml() {
        let route = |n| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/a/b/c/{n}");
        let routes: Vec<String> = (0..STORIES.len()).map(route).collect();
        let configs = shared::config::parse(&flipback_yaml(&routes)).unwrap();
        let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
        assert_eq!(names, STORIES.map(|story| story.service));
        assert_eq!(configs[1].steps.iter().map(|step| step.weight).collect::<Vec<_>>(), [10, 100]);
    }
}
