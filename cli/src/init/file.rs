//! The file that `init` writes, as text.

use aws::images::registry_parts;
use aws::lookup::FoundRoute;
use shared::ids::AlarmName;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What was found in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The cluster's name.
    pub(super) cluster: String,
    /// The pairs.
    pub(super) pairs: Vec<Pair>,
    /// Services that are half of no pair.
    pub(super) alone: Vec<String>,
}

/// Two ECS services `NAME-blue` and `NAME-green`, or `NAME` and `NAME-green`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The name without colour.
    pub(super) name: String,
    /// The ECS service in the blue slot.
    pub(super) blue: String,
    /// The ECS service in the green slot.
    pub(super) green: String,
    /// What stands in the way of a rollout.
    pub(super) notes: Vec<String>,
    /// The routes that lead to either; whether they lead to both.
    pub(super) routes: Vec<(FoundRoute, bool)>,
    /// The alarms that watch either.
    pub(super) alarms: Vec<AlarmName>,
    /// Containers and their images.
    pub(super) images: Vec<(String, String)>,
}

const HEAD: &str = "\
# Flipback's configuration, written by `flipback init` from what runs now. Look it over, then:
#   flipback apply -f flipback.yaml --dry-run    checks it and shows what would change
#   flipback apply -f flipback.yaml              makes it the configuration
# Durations: 30s, 3m, 1h. Editors complete the keys with flipback.schema.json.
version: 1
services:
";

/// The file.
pub(super) fn text(found: &Found) -> String {
    let mut text = HEAD.to_owned();
    for pair in &found.pairs {
        service(&mut text, &found.cluster, pair);
    }
    if !found.alone.is_empty() {
        text.push_str("\n# These services have no second colour; this prints what to add:\n");
        for name in &found.alone {
            line(&mut text, &format!("#   flipback adopt {name} --cluster {}", found.cluster));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _always = writeln!(text, "{line}");
}

fn service(text: &mut String, cluster: &str, pair: &Pair) {
    let Pair { name, .. } = pair;
    for note in &pair.notes {
        line(text, &format!("  # To be mended first, or rollouts are refused: {note}"));
    }
    line(text, &format!("  - name: {}", quoted(name)));
    line(text, &format!("    cluster: {}", quoted(cluster)));
    images(text, pair);
    line(text, "    engine:");
    line(text, "      managed:                    # Flipback moves the weights between two ECS services");
    line(text, &format!("        blue: {}", quoted(&pair.blue)));
    line(text, &format!("        green: {}", quoted(&pair.green)));
    routes(text, pair);
    line(text, "    strategy:");
    line(
        text,
        "      canary:                     # or  blueGreen: { bake: 3m }   or  linear: { by: 20, every: 2m, bake: 3m }",
    );
    line(text, "        steps: [ { weight: 10, bake: 5m }, { weight: 50, bake: 5m } ]");
    line(text, "        bake: 5m                  # how long 100 % is watched");
    alarms(text, pair);
    line(text, "    standby: 10m                  # how long the old side is kept warm after the last bake");
    line(text, "    onNewPush: supersede          # or queue: the running rollout ends first");
    line(text, "    mode: observe                 # decides, records and tells, changes nothing; `act` lets it deploy");
}

fn images(text: &mut String, pair: &Pair) {
    let mut by_repository: BTreeMap<&str, (Vec<&str>, Option<&str>)> = BTreeMap::new();
    let mut foreign = Vec::new();
    for (container, image) in &pair.images {
        match ecr(image) {
            Some((repository, tag)) => {
                let entry = by_repository.entry(repository).or_default();
                entry.0.push(container);
                entry.1 = entry.1.or(tag);
            }
            None => foreign.push(format!("{container} ({image})")),
        }
    }
    line(text, "    images:                       # a push of one of these, with a tag that fits, deploys the service");
    for (repository, (containers, tag)) in by_repository {
        line(
            text,
            &format!(
                "      - repository: {:<22}# container{} {}",
                quoted(repository),
                plural(&containers),
                containers.join(", ")
            ),
        );
        line(
            text,
            &format!(
                "        tags: {{ semver: \"{}\" }}  # or {{ glob: \"release-*\" }} or {{ exact: stable }}",
                range(tag)
            ),
        );
    }
    for other in foreign {
        line(text, &format!("      # not from ECR, never replaced: {other}"));
    }
}

fn routes(text: &mut String, pair: &Pair) {
    line(text, "        routes:                   # their weights move together");
    for (route, _) in pair.routes.iter().filter(|(_, both)| *both) {
        line(text, &format!("          - {}  # {}", route.arn, place(route)));
    }
    for (route, _) in pair.routes.iter().filter(|(_, both)| !*both) {
        line(
            text,
            &format!("          # leads to one colour only; add the other's target group with weight 0: {}", route.arn),
        );
    }
    if !pair.routes.iter().any(|(_, both)| *both) {
        line(
            text,
            "          # None was found that forwards to both colours. Name the ARN of a listener rule, or of a listener:",
        );
        line(text, "          - arn:aws:elasticloadbalancing:REGION:ACCOUNT:listener-rule/app/NAME/LB/LISTENER/RULE");
    }
}

fn place(route: &FoundRoute) -> String {
    let port = route.port.map_or_else(String::new, |port| format!("port {port}, "));
    match &route.priority {
        Some(priority) => format!("{port}priority {priority}"),
        None => format!("{port}default action"),
    }
}

fn alarms(text: &mut String, pair: &Pair) {
    if pair.alarms.is_empty() {
        line(
            text,
            "    # No alarm watches these target groups. Without one a rollout is refused; name alarms that roll it back:",
        );
        line(
            text,
            &format!("    # alarms: [ {}-5xx ]          # or {{ blue: [..], green: [..], both: [..] }}", pair.name),
        );
    } else {
        let names: Vec<String> = pair.alarms.iter().map(|name| quoted(name.as_str())).collect();
        line(
            text,
            &format!("    alarms: [ {} ]  # whose side each is on is told from its dimensions", names.join(", ")),
        );
    }
}

fn plural(list: &[&str]) -> &'static str {
    if list.len() == 1 { "" } else { "s" }
}

/// Repository and tag of an image from ECR.
fn ecr(image: &str) -> Option<(&str, Option<&str>)> {
    let (registry, rest) = image.split_once('/')?;
    registry_parts(registry)?;
    let name = rest.split_once('@').map_or(rest, |(name, _)| name);
    Some(match name.rsplit_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    })
}

/// Versions from the one that runs now on, where that is one.
fn range(tag: Option<&str>) -> String {
    let version = tag.and_then(shared::image::version);
    version.map_or_else(
        || ">=1.0.0".to_owned(),
        |version| format!(">={}.{}.{}", version.major, version.minor, version.patch),
    )
}

/// A YAML scalar; quoted where plain text could be read as something else.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";
    const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

    fn route(arn: &str, priority: Option<&str>) -> FoundRoute {
        FoundRoute {
            arn: arn.into(),
            priority: priority.map(str::to_owned),
            port: Some(443),
            target_groups: std::collections::BTreeSet::new(),
        }
    }

    fn pair(name: &str) -> Pair {
        let image = |container: &str, image: String| (container.to_owned(), image);
        Pair {
            name: name.to_owned(),
            blue: format!("{name}-blue"),
            green: format!("{name}-green"),
            notes: Vec::new(),
            routes: vec![(route(RULE, Some("10")), true), (route(&RULE.replace("/3", "/4"), None), false)],
            alarms: vec!["shop-api-5xx".into(), "5xx: all".into()],
            images: vec![
                image("api", format!("{ECR}/shop-api:v1.4.0")),
                image("worker", format!("{ECR}/shop-api:v1.4.0@sha256:{}", "a".repeat(64))),
                image("envoy", "public.ecr.aws/envoy:v1".to_owned()),
            ],
        }
    }

    #[test]
    fn the_file_is_commented_and_reads_back() {
        let found = Found {
            cluster: "production".to_owned(),
            pairs: vec![pair("shop-api")],
            alone: vec!["billing".to_owned()],
        };
        let text = text(&found);
        let read = shared::config::parse(&text).unwrap();
        assert_eq!(read[0].alarms.all().len(), 2);
        assert_eq!(read[0].engine.routes().len(), 1);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_was_not_found_is_said_in_the_file() {
        let poor = Pair {
            routes: Vec::new(),
            alarms: Vec::new(),
            notes: vec!["blue: its strategy is CANARY".to_owned()],
            ..pair("1shop")
        };
        let text = text(&Found { cluster: "production".to_owned(), pairs: vec![poor], alone: Vec::new() });
        for said in ["None was found", "No alarm watches", "To be mended first", "name: \"1shop\""] {
            assert!(text.contains(said), "{said}\n{text}");
        }
    }

    #[test]
    fn only_images_of_ecr_have_a_repository() {
        assert_eq!(ecr(&format!("{ECR}/team/shop:v1")), Some(("team/shop", Some("v1"))));
        assert_eq!(ecr(&format!("{ECR}/shop@sha256:00")), Some(("shop", None)));
        assert_eq!(ecr("nginx:1"), None);
        assert_eq!(ecr("docker.io/library/nginx:1"), None);
    }
}
