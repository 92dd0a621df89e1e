//! A configuration's images held against ECR and the live definition: a push that deploys nothing is silence.

use super::check::{Findings, service};
use aws::lookup::{self, Container};
use aws::{Clients, Failure};
use shared::config::ServiceConfig;
use shared::ids::Colour;
use shared::observation::{Observation, Reading};
use shared::revision::repository;
use std::collections::BTreeMap;

/// What there is of a service's images.
#[derive(Clone, Debug)]
pub(super) struct Images {
    /// Per repository whether ECR has it.
    repositories: BTreeMap<String, Reading<()>>,
    /// The live definition's name and its containers; none where no service could be read.
    live: Option<(String, Reading<Vec<Container>>)>,
}

/// Reads them. `seen` tells which side is live.
pub(super) async fn read(clients: &Clients, config: &ServiceConfig, seen: &Observation) -> Images {
    let mut repositories = BTreeMap::new();
    for image in &config.images {
        let answer = clients.ecr.describe_repositories().repository_names(&image.repository).send().await;
        let reading = match answer {
            Ok(_) => Reading::Known(()),
            Err(error) => Reading::Unknown(Failure::of("ecr:DescribeRepositories", &error).to_string()),
        };
        repositories.insert(image.repository.clone(), reading);
    }
    // The side that has tasks: a colour at rest may hold an old revision.
    let known = |colour| service(seen, colour).and_then(Reading::known).and_then(Option::as_ref);
    let services = [known(Colour::Green), known(Colour::Blue)].into_iter().flatten();
    let native = seen.native.known().and_then(Option::as_ref).map(|native| native.task_definition.clone());
    let live = services.max_by_key(|service| service.running).map(|service| service.task_definition.clone()).or(native);
    let live = match live {
        None => None,
        Some(revision) => {
            let containers = lookup::containers(clients, revision.as_str()).await;
            let reading = containers.map_or_else(|why| Reading::Unknown(why.to_string()), Reading::Known);
            Some((revision.short().to_owned(), reading))
        }
    };
    Images { repositories, live }
}

/// Checks them.
pub(super) fn check(config: &ServiceConfig, images: &Images, findings: &mut Findings) {
    for (name, reading) in &images.repositories {
        if let Reading::Unknown(why) = reading {
            findings.unread(&format!("the ECR repository {name}"), why);
        }
    }
    match &images.live {
        None => {}
        Some((revision, Reading::Unknown(why))) => findings.unread(&format!("the task definition {revision}"), why),
        Some((revision, Reading::Known(containers))) => {
            for image in &config.images {
                let takes = |container: &Container| match &image.container {
                    Some(name) => container.name == *name,
                    None => repository(&container.image) == image.repository,
                };
                if containers.iter().any(takes) {
                    continue;
                }
                let has: Vec<String> =
                    containers.iter().map(|container| format!("{} ({})", container.name, container.image)).collect();
                findings.problem(match &image.container {
                    Some(name) => {
                        format!("the live task definition {revision} has no container {name}; it has {}", has.join(", "))
                    }
                    None => format!(
                        "no container of the live task definition {revision} has an image from {}; name the one to replace with \
                         `container:`; it has {}",
                        image.repository,
                        has.join(", ")
                    ),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;

    fn good() -> Images {
        let image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shop-api:v1.0.0".to_owned();
        let containers = vec![Container { name: "api".to_owned(), image }];
        Images {
            repositories: BTreeMap::from([("shop-api".to_owned(), Reading::Known(()))]),
            live: Some(("shop-api:41".to_owned(), Reading::Known(containers))),
        }
    }

    fn told(config: &ServiceConfig, images: &Images) -> Findings {
        let mut findings = Findings::default();
        check(config, images, &mut findings);
        findings
    }

    #[test]
    fn images_that_a_push_can_replace_are_no_finding() {
        let mut config = fixture::config();
        assert_eq!(told(&config, &good()), Findings::default());
        config.images[0].container = Some("api".to_owned());
        assert_eq!(told(&config, &good()), Findings::default());
    }

    #[test]
    fn a_push_that_could_deploy_nothing_is_a_problem_before_it_comes() {
        let (mut config, mut images) = (fixture::config(), good());
        let gone = "ecr:DescribeRepositories failed: RepositoryNotFoundException: no".to_owned();
        images.repositories.insert("shop-api".to_owned(), Reading::Unknown(gone));
        assert!(told(&config, &images).problems[0].starts_with("the ECR repository shop-api does not exist"));
        config.images[0].container = Some("web".to_owned());
        assert!(told(&config, &good()).problems[0].contains("has no container web; it has api ("));
        (config.images[0].container, config.images[0].repository) = (None, "other".to_owned());
        assert!(told(&config, &good()).problems[0].contains("no container of the live task definition shop-api:41"));
    }

    #[test]
    fn what_may_not_be_read_is_a_warning() {
        let mut images = good();
        let denied = "ecr:DescribeRepositories failed: AccessDeniedException".to_owned();
        images.repositories.insert("shop-api".to_owned(), Reading::Unknown(denied));
        let findings = told(&fixture::config(), &images);
        assert!(findings.problems.is_empty() && findings.warnings[0].contains("could not be checked"), "{findings:?}");
    }
}
