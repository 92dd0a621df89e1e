//! `flipback remove`: takes a service out of the configuration.

use crate::args;
use crate::errors::plain;
use crate::installation::Installation;
use crate::output::Out;
use crate::run::Exit;
use aws::store::ApplyError;
use serde_json::json;
use shared::ids::ServiceName;
use shared::ports::Record;

/// Runs the command. Without `--yes` it says what it would do, and does nothing.
pub(crate) async fn run(args: &args::Remove, installation: &Installation, out: Out) -> anyhow::Result<Exit> {
    let service = ServiceName::from(args.service.as_str());
    let record = installation.record(&service).await?;
    idle(&record)?;
    if !args.yes {
        return Err(plain(format!("{service} was not removed: {}", would(&record)), "say so with --yes"));
    }
    match installation.table.remove_config(&service).await {
        Ok(()) => {}
        Err(error @ (ApplyError::Busy(_) | ApplyError::Running(_))) => {
            return Err(busy(&service, &error.to_string()));
        }
        Err(error @ (ApplyError::Taken { .. } | ApplyError::TooMany(_) | ApplyError::Store(_))) => {
            return Err(anyhow::Error::from(error).context(service.to_string()));
        }
    }
    let released = record.config.claims();
    out.document(&json!({"service": service, "removed": true, "released": released}), |_| {
        format!("{service}: removed; take it out of flipback.yaml too, or the next apply brings it back")
    });
    Ok(Exit::Done)
}

/// Nothing is taken away under a rollout, nor a wish that nobody has looked at yet.
fn idle(record: &Record) -> anyhow::Result<()> {
    let name = &record.config.name;
    match (&record.status.rollout, &record.status.next, record.inbox.is_empty()) {
        (Some(rollout), _, _) => Err(busy(name, &format!("{} is {}", rollout.id, rollout.phase.name()))),
        (None, Some(next), _) => Err(busy(name, &format!("{} waits to start", crate::status::what(next)))),
        (None, None, false) => Err(busy(name, "something was recorded that is not looked at yet")),
        (None, None, true) => Ok(()),
    }
}

fn busy(service: &ServiceName, why: &str) -> anyhow::Error {
    plain(
        format!("{service} cannot be removed now: {why}"),
        format!("flipback wait {service}, or flipback abort {service}, then remove it"),
    )
}

fn would(record: &Record) -> String {
    let repositories: Vec<&str> = record.config.images.iter().map(|image| image.repository.as_str()).collect();
    format!(
        "that would end deployments by pushes to {} and free {} for other services; its ECS services, weights and tasks stay \
         as they are, its history stays until it expires, and its quarantine is forgotten",
        repositories.join(", "),
        record.config.claims().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;
    use shared::rollout::Phase;

    #[test]
    fn a_service_with_something_under_way_is_not_removed() {
        let mut record = fixture::record();
        assert!(idle(&record).is_ok());
        record.inbox.push(fixture::intent("cli/redeploy/live/0"));
        assert!(idle(&record).is_err());
        record.inbox.clear();
        record.status.next = Some(fixture::candidate());
        assert!(idle(&record).unwrap_err().to_string().contains("waits to start"));
        record.status.next = None;
        record.status.rollout = Some(fixture::rollout(7, Phase::Starting));
        assert!(idle(&record).unwrap_err().to_string().contains("shop-api-7 is starting"));
    }

    #[test]
    fn what_would_be_freed_is_told() {
        let said = would(&fixture::record());
        assert!(said.contains("pushes to shop-api") && said.contains("ecs-service/production/shop-api-blue"), "{said}");
    }
}
