//! `flipback local up --example`: services with two colours to play with, and their flipback.yaml.

use crate::args::{LocalUp, Pace};
use crate::demo;
use crate::errors::plain;
use crate::output::{print, remark};
use local::Cloud;
use local::example::{Plan, TwoColours, two_colours};
use std::collections::BTreeSet;

/// The examples' cluster.
const CLUSTER: &str = "example";

/// Who sets them up, in the journal.
const CALLER: &str = "local:example";

/// The first example's listener; the others follow.
const FIRST_PORT: u16 = 8080;

/// Two steps, long enough for the examples' alarms (a period of 10 s and the metric's delay in the quick world).
const STRATEGY: &str = "canary: { steps: [ { weight: 10, bake: 30s } ], bake: 30s }";

/// Names that cannot be set up, and a file that cannot be written, are told before anything is started.
pub(super) fn writable(args: &LocalUp) -> anyhow::Result<()> {
    let mut names = BTreeSet::new();
    for name in &args.example {
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
    if args.example.is_empty() {
        return Ok(());
    }
    let mut made: Vec<(&str, TwoColours)> = Vec::new();
    for (place, name) in (0_u16..).zip(&args.example) {
        let plan = Plan {
            name: name.clone(),
            cluster: CLUSTER.to_owned(),
            tasks: demo::TASKS,
            port: FIRST_PORT.saturating_add(place),
            tag: "1.0.0".to_owned(),
        };
        made.push((name, two_colours(cloud, CALLER, &plan)?));
    }
    let blues: Vec<(&str, &str)> = made.iter().map(|(name, colours)| (*name, colours.blue.as_str())).collect();
    // Without functions nobody tells anything.
    let pushes = if args.bare { 0 } else { made.len() };
    let limit = match args.pace {
        Pace::Quick => 30_000,
        Pace::Aws => 600_000,
    };
    demo::ready(cloud, &blues, pushes, limit, || None).await?;
    let routes: Vec<(&str, &str)> = made.iter().map(|(name, colours)| (*name, colours.rule.as_str())).collect();
    let text = yaml(&routes);
    for (name, colours) in &made {
        print(&format!("{name}  http://{}/  {name}-blue serves {name}:1.0.0, {name}-green rests", colours.address));
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
    let file = args.write.as_ref().map_or_else(|| "flipback.yaml".to_owned(), |path| path.display().to_string());
    let first = made.first().map_or("shop", |(name, _)| name);
    remark(&next(&cloud.endpoint(), &file, first));
    Ok(())
}

/// The examples' flipback.yaml.
fn yaml(routes: &[(&str, &str)]) -> String {
    let mut text = "\
# Examples of a local cloud. The bakes are short, so that a story takes seconds: `apply` warns that alarms on AWS need longer.
version: 1
services:
"
    .to_owned();
    for (name, route) in routes {
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
  export AWS_ENDPOINT_URL={endpoint} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
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
        let configs = shared::config::parse(&yaml(&[("shop", &route(1)), ("cart", &route(2))])).unwrap();
        assert_eq!(configs.len(), 2);
        assert_eq!(configs[0].alarms.all().len(), 2);
    }

    #[test]
    fn a_name_that_aws_would_refuse_is_refused_before_anything_starts() {
        assert!(writable(&args("flipback local up --example shop --example cart")).is_ok());
        for names in ["Shop", "a_b", "x-", "shop --example shop", "abcdefghijklmnopqrstuvwxyz0"] {
            assert!(writable(&args(&format!("flipback local up --example {names}"))).is_err(), "{names}");
        }
    }
}
