//! `flipback init`: a commented flipback.yaml from the services of a cluster.

mod file;

use crate::args;
use crate::errors::plain;
use crate::installation::Installation;
use crate::output::{Out, print};
use crate::run::Exit;
use aws::lookup::{self, Container};
use file::{Found, Pair};
use shared::ids::TargetGroupArn;
use shared::observation::{Reading, ServiceReading};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Runs the command.
pub(crate) async fn run(args: &args::Init, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    if !args.stdout && !args.force && args.output.exists() {
        return Err(exists(&args.output));
    }
    let cluster = match &args.cluster {
        Some(cluster) => short(cluster).to_owned(),
        None => only_cluster(installation).await?,
    };
    let found = find(installation, cluster).await?;
    if found.pairs.is_empty() {
        return Err(no_pair(&found));
    }
    let text = file::text(&found);
    if args.stdout {
        if out.json {
            out.document(&serde_json::json!({"yaml": text}), |_| String::new());
        } else {
            print(&text);
        }
        return Ok(Exit::Done);
    }
    let name = args.output.display().to_string();
    std::fs::write(&args.output, &text).map_err(|error| {
        plain(format!("{name} cannot be written: {error}"), "name another with --output, or use --stdout")
    })?;
    let services: Vec<&str> = found.pairs.iter().map(|pair| pair.name.as_str()).collect();
    let document = serde_json::json!({"file": name, "services": services, "alone": found.alone});
    out.document(&document, |_| {
        format!("wrote {name} with {}; look it over, then: flipback apply -f {name} --dry-run", services.join(", "))
    });
    Ok(Exit::Done)
}

fn exists(path: &Path) -> anyhow::Error {
    plain(
        format!("{} exists already", path.display()),
        "name another with --output, print with --stdout, or overwrite with --force",
    )
}

fn no_pair(found: &Found) -> anyhow::Error {
    let cluster = &found.cluster;
    let what = format!("cluster {cluster} has no pair of ECS services: NAME-blue or NAME, and NAME-green");
    match found.alone.first() {
        Some(first) => plain(
            what,
            format!(
                "services there: {}; flipback adopt {first} --cluster {cluster} prints what to add to make one a pair",
                found.alone.join(", ")
            ),
        ),
        None => plain(what, "it has no service at all: check --cluster and --region"),
    }
}

async fn only_cluster(installation: &Installation) -> anyhow::Result<String> {
    let arns = lookup::list_clusters(&installation.clients).await?;
    let names: Vec<&str> = arns.iter().map(|arn| short(arn)).collect();
    match names.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(plain("there is no ECS cluster here", "check --region and --profile")),
        many => Err(plain("there are several ECS clusters", format!("choose one with --cluster: {}", many.join(", ")))),
    }
}

/// The name at the end of an ARN.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

async fn find(installation: &Installation, cluster: String) -> anyhow::Result<Found> {
    let clients = &installation.clients;
    let names: Vec<String> =
        lookup::list_services(clients, &cluster).await?.iter().map(|arn| short(arn).to_owned()).collect();
    let mut readings: BTreeMap<String, ServiceReading> = BTreeMap::new();
    for (name, reading) in lookup::describe_services(clients, &cluster, &names).await? {
        if let Reading::Known(Some(service)) = reading {
            readings.insert(name, service);
        }
    }
    let mut found = Found { cluster, pairs: Vec::new(), alone: Vec::new() };
    let names: BTreeSet<&str> = readings.keys().map(String::as_str).collect();
    let pairs = pairs(&names);
    for (name, blue, green) in &pairs {
        if let (Some(blue), Some(green)) = (readings.get_key_value(blue), readings.get_key_value(green)) {
            found.pairs.push(look(installation, name, blue, green).await?);
        }
    }
    let paired = |name: &&str| pairs.iter().any(|(_, blue, green)| name == blue || name == green);
    found.alone = names.into_iter().filter(|name| !paired(name)).map(str::to_owned).collect();
    Ok(found)
}

/// The name, blue and green of every pair: `NAME-blue` and `NAME-green`; or, as `adopt` leaves it, `NAME` and `NAME-green`.
fn pairs(names: &BTreeSet<&str>) -> Vec<(String, String, String)> {
    let of = |green: &&str| {
        let base = green.strip_suffix("-green").filter(|base| !base.is_empty())?;
        let coloured = format!("{base}-blue");
        let blue = if names.contains(coloured.as_str()) { coloured } else { base.to_owned() };
        names.contains(blue.as_str()).then(|| (base.to_owned(), blue, (*green).to_owned()))
    };
    names.iter().filter_map(of).collect()
}

async fn look(
    installation: &Installation,
    name: &str,
    (blue_name, blue): (&String, &ServiceReading),
    (green_name, green): (&String, &ServiceReading),
) -> anyhow::Result<Pair> {
    let clients = &installation.clients;
    let groups = |service: &ServiceReading| service.target_groups.iter().cloned().collect::<BTreeSet<TargetGroupArn>>();
    let (blues, greens) = (groups(blue), groups(green));
    let both: BTreeSet<TargetGroupArn> = blues.union(&greens).cloned().collect();
    // The side that has tasks runs what people mean; a colour at rest may hold an old revision.
    let live = if blue.running >= green.running { blue } else { green };
    let (routes, alarms, containers) = tokio::join!(
        lookup::routes_to(clients, &both),
        lookup::alarms_watching(clients, &both),
        lookup::containers(clients, live.task_definition.as_str())
    );
    let containers: Vec<Container> = containers?;
    let notes = [("blue", blue), ("green", green)].into_iter().flat_map(|(colour, service)| {
        let texts = [&service.undrivable, &service.reverts_by_itself].into_iter().flatten();
        texts.map(move |why| format!("{colour}: {why}"))
    });
    Ok(Pair {
        name: name.to_owned(),
        blue: blue_name.clone(),
        green: green_name.clone(),
        notes: notes.collect(),
        routes: routes?
            .into_iter()
            .map(|route| {
                let whole = !route.target_groups.is_disjoint(&blues) && !route.target_groups.is_disjoint(&greens);
                (route, whole)
            })
            .collect(),
        alarms: alarms?,
        images: containers.into_iter().map(|container| (container.name, container.image)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_adopt_leaves_is_a_pair_too() {
        let names = BTreeSet::from(["shop", "shop-green", "cart-blue", "cart-green", "cart", "side", "lone-green"]);
        let found = pairs(&names);
        let found: Vec<[&str; 3]> = found.iter().map(|(name, blue, green)| [&**name, &**blue, &**green]).collect();
        assert_eq!(found, [["cart", "cart-blue", "cart-green"], ["shop", "shop", "shop-green"]]);
    }
}
