//! `flipback local up --example`: services with two colours to play with, and their flipback.yaml.

use crate::args::{LocalUp, Pace};
use crate::demo;
use crate::errors::plain;
use crate::output::{print, remark};
use local::Cloud;
use local::example::{Plan, TwoColours, one_service, two_colours};
use serde_json::json;
use std::collections::BTreeSet;

/// The examples' cluster.
const CLUSTER: &str = "example";

/// Who sets them up, in the journal.
const CALLER: &str = "local:example";

/// The first example's listener; the others follow.
const FIRST_PORT: u16 = 8080;

/// Two steps, long enough for the examples' alarms (a period of 10 s and the metric's delay in the quick world).
const STRATEGY: &str = "canary: { steps: [ { weight: 10, bake: 30s } ], bake: 30s }";

/// ECS's minutes of bake: with two seconds each long enough for the examples' alarms.
const BAKE: u32 = 15;

/// Names that cannot be set up, and a file that cannot be written, are told before anything is started.
pub(super) fn writable(args: &LocalUp) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    if args.write.is_some() && args.example.is_empty() && args.native.is_empty() {
        return Err(plain("--write has no example to write", "name one with --example or --native"));
    }
    if args.minute.is_some_and(|minute| minute.0 == 0) {
        return Err(plain("--minute 0s: what ECS counts in minutes must take some time", "take 1s or more"));
    }
    for name in args.example.iter().chain(&args.native) {
        // Load balancers have the strictest names (32 characters, ELBv2 API); target groups add a colour to theirs.
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let whole = !name.is_empty() && name.len() <= 26 && name.chars().all(fits) && !name.starts_with('-');
        if !whole || name.ends_with('-') || name.starts_with("internal-") {
            return Err(plain(
                format!("`{name}` cannot be an example's name"),
                "take up to 26 lower-case letters, digits and dashes, such as shop",
            ));
        }
        if !names.insert(name) {
            return Err(plain(format!("two examples are named {name}"), "give each another name"));
        }
    }
    if let Some(path) = &args.write {
        std::fs::OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
            plain(format!("{} cannot be written: {error}", path.display()), "name another file with --write")
        })?;
    }
    Ok(())
}

/// Sets the examples up, waits until they serve, and says what can be done with them.
pub(super) async fn set_up(args: &LocalUp, cloud: &Cloud) -> anyhow::Result<()> {
    let mut made: Vec<Made<'_>> = Vec::new();
    let colours = args.example.iter().map(|name| (name, false));
    let native = args.native.iter().map(|name| (name, true));
    for (place, (name, native)) in (0_u16..).zip(colours.chain(native)) {
        let plan = Plan {
            name: name.clone(),
            cluster: CLUSTER.to_owned(),
            tasks: demo::TASKS,
            port: FIRST_PORT.saturating_add(place),
            tag: "1.0.0".to_owned(),
        };
        let declared = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": BAKE });
        let front = match native {
            false => two_colours(cloud, CALLER, &plan)?,
            true => one_service(cloud, CALLER, &plan, &declared)?.front,
        };
        made.push(Made { name, native, front });
    }
    if made.is_empty() {
        return Ok(());
    }
    let blues: Vec<(&str, &str)> = made.iter().map(|one| (one.name, one.front.blue.as_str())).collect();
    // Without functions nobody tells anything.
    let pushes = if args.bare { 0 } else { made.len() };
    let limit = match args.pace {
        Pace::Quick => 30_000,
        Pace::Aws => 600_000,
    };
    demo::ready(cloud, &blues, pushes, limit, || None).await?;
    let routes: Vec<(&str, Option<&str>)> = made.iter().map(Made::route).collect();
    let text = yaml(&routes);
    for Made { name, native, front } in &made {
        let what = match native {
            false => format!("{name}-blue serves {name}:1.0.0, {name}-green rests"),
            true => format!("the ECS service {name} serves {name}:1.0.0; ECS's own blue/green deploys it"),
        };
        print(&format!("{name}  http://{}/  {what}", front.address));
    }
    match &args.write {
        Some(path) => {
            let name = path.display();
            std::fs::write(path, &text).map_err(|error| {
                plain(format!("{name} cannot be written: {error}"), "name another file with --write")
            })?;
            print(&format!("wrote {name}"));
        }
        None => {
            print(&text);
            remark("save the YAML above as flipback.yaml (--write FILE does)");
        }
    }
    let hook = cloud.outputs().get("LifecycleHookArn").filter(|_| !args.bare && !args.native.is_empty());
    if let Some(hook) = hook {
        remark(&format!("to try checks and gates declare this function as a lifecycle hook of the service: {hook}"));
    }
    let file = args.write.as_ref().map_or_else(|| "flipback.yaml".to_owned(), |path| path.display().to_string());
    let first = made.first().map_or("shop", |one| one.name);
    remark(&next(&cloud.endpoint(), &file, first));
    Ok(())
}

/// One example that was set up.
struct Made<'a> {
    name: &'a str,
    native: bool,
    front: TwoColours,
}

impl Made<'_> {
    /// Its name, and the rule that Flipback writes.
    fn route(&self) -> (&str, Option<&str>) {
        (self.name, (!self.native).then_some(self.front.rule.as_str()))
    }
}

/// The examples' flipback.yaml; one without a route is native.
fn yaml(routes: &[(&str, Option<&str>)]) -> String {
    let mut text = "\
# Examples of a local cloud. Bakes are short there, so that a story takes seconds: `apply` warns where alarms on AWS need longer.
version: 1
services:
"
    .to_owned();
    for (name, route) in routes {
        let Some(route) = route else {
            text.push_str(&demo::native_yaml(CLUSTER, name));
            continue;
        };
        text.push_str(&demo::service_yaml(CLUSTER, name, route, STRATEGY));
        text.push_str(
            "    standby: 1m\n    noTraffic: proceed     # without it, a bake that nobody sends a request to is held\n",
        );
    }
    text
}

fn next(endpoint: &str, file: &str, name: &str) -> String {
    format!(
        "\
next, in another terminal:
  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  flipback apply -f {file}
  flipback local push {name} 1.1.0
  flipback status {name} --watch
then a bad one, with traffic: flipback local push {name} 1.2.0 --manners 5xx=30"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command, Local};
    use clap::Parser as _;

    fn args(line: &str) -> LocalUp {
        match Args::try_parse_from(line.split(' ')).unwrap().command {
            Command::Local(Local::Up(up)) => up,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_examples_file_is_a_valid_flipback_yaml() {
        let route = |n| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/a/b/c/{n}");
        let (one, two) = (route(1), route(2));
        let all = [("shop", Some(one.as_str())), ("cart", Some(two.as_str())), ("pay", None)];
        let configs = shared::config::parse(&yaml(&all)).unwrap();
        assert_eq!((configs.len(), configs[2].engine.native().is_some()), (3, true));
        assert_eq!(configs[0].alarms.all().len(), 2);
    }

    #[test]
    fn a_name_that_aws_would_refuse_is_refused_before_anything_starts() {
        assert!(writable(&args("flipback local up --example shop --example cart")).is_ok());
        for names in [
            "Shop",
            "a_b",
            "x-",
            "shop --example shop",
            "abcdefghijklmnopqrstuvwxyz0",
            "shop --native shop",
            "shop --minute 0s",
        ] {
            assert!(writable(&args(&format!("flipback local up --example {names}"))).is_err(), "{names}");
        }
    }
}
