//! From what is written to what it means, with defaults in place and contradictions refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ServiceName;
use crate::strategy::{Step, steps};
use crate::time::Span;

use super::typed::{
    AlarmsTyped, EngineTyped, File, ImageTyped, ManagedTyped, PauseStage, ScalingTyped, ServiceTyped, TagRule,
};
use super::{Alarms, ConfigError, Engine, HttpCheck, ImageRule, Managed, Native, Plan, Scaling, ServiceConfig};

/// The standby of services that say nothing: long enough for people to notice what alarms did not.
const STANDBY: Span = Span::mins(10);
/// The quiet time of services with several images: builds of one commit end within it.
const QUIET: Span = Span::secs(30);
/// The longest time of anything: SQS keeps a queue's messages at most 14 days, and nobody bakes longer than a day.
const LONGEST: Span = Span::mins(24 * 60);
/// The longest pattern or range: ECR's tags have at most 128 characters. A matcher's size, and the depth to which the library
/// that builds it calls itself, grow with the pattern; both end the process when it has some ten thousand characters.
const LONGEST_PATTERN: usize = 256;

pub(super) fn check(file: &File) -> Result<Vec<ServiceConfig>, ConfigError> {
    if file.version != 1 {
        return Err(meaning("version", format!("version {} is not known to this release; write 1", file.version)));
    }
    if file.services.is_empty() {
        return Err(meaning("services", "there is none; add one, or let `flipback init` write the file"));
    }
    let mut owners: BTreeMap<String, ServiceName> = BTreeMap::new();
    let mut all = Vec::new();
    for typed in &file.services {
        let config = service(typed)?;
        if all.iter().any(|other: &ServiceConfig| other.name == config.name) {
            return Err(meaning(typed.name.as_str(), "two services have this name"));
        }
        for claim in config.claims() {
            if let Some(owner) = owners.insert(claim.clone(), config.name.clone()) {
                let place = format!("{}.engine", config.name);
                return Err(meaning(&place, format!("{claim} belongs to service {owner} already; each has one owner")));
            }
        }
        all.push(config);
    }
    Ok(all)
}

fn meaning(place: &str, message: impl Into<String>) -> ConfigError {
    ConfigError::Meaning { place: place.to_owned(), message: message.into() }
}

fn service(typed: &ServiceTyped) -> Result<ServiceConfig, ConfigError> {
    let name = typed.name.as_str();
    let at = |key: &str| format!("{name}.{key}");
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
        return Err(meaning("services.name", format!("`{name}` must have 1 to 100 letters, digits, dashes")));
    }
    if typed.cluster.is_empty() || typed.cluster.contains('/') || typed.cluster.contains(':') {
        return Err(meaning(&at("cluster"), "write the cluster's name, not its ARN"));
    }
    let images = images(typed, name)?;
    let (engine, steps) = engine(typed)?;
    let standby = typed.standby.unwrap_or(STANDBY);
    if standby > LONGEST {
        return Err(meaning(&at("standby"), format!("{standby} is longer than {LONGEST}")));
    }
    let keep_revisions = typed.keep_revisions.unwrap_or(20);
    if keep_revisions < 2 {
        return Err(meaning(&at("keepRevisions"), "at least 2: the live one and the one to go back to"));
    }
    Ok(ServiceConfig {
        name: typed.name.clone(),
        cluster: typed.cluster.clone(),
        quiet: typed.quiet.unwrap_or(if images.len() > 1 { QUIET } else { Span(0) }),
        images,
        engine,
        steps,
        alarms: alarms(&typed.alarms),
        scaling: scaling(typed.scaling.as_ref()).map_err(|why| meaning(&at("scaling"), why))?,
        accept_no_alarms: typed.without_alarms.is_some(),
        accept_stickiness: typed.stickiness.is_some(),
        no_traffic: typed.no_traffic,
        standby,
        on_new_push: typed.on_new_push,
        mode: typed.mode,
        keep_revisions,
        start_deadline: typed.start_deadline.unwrap_or(Span::mins(15)),
        hold_deadline: typed.hold_deadline.unwrap_or(Span::mins(60)),
        stall_deadline: typed.stall_deadline.unwrap_or(Span::mins(60)),
    })
}

fn scaling(typed: Option<&ScalingTyped>) -> Result<Scaling, String> {
    let Some(ScalingTyped { min, max, cpu_target, memory_target, requests_per_target, ignore, enforce }) =
        typed.cloned()
    else {
        return Ok(Scaling::default());
    };
    for (key, percent) in [("cpuTarget", cpu_target), ("memoryTarget", memory_target)] {
        if let Some(level) = percent.filter(|level| f64::from(*level) > 100.0) {
            return Err(format!("{key} {level} is more than 100 percent"));
        }
    }
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(format!("min {min} is more than max {max}")),
        (_, Some(0)) => Err("max 0 lets nothing run".to_owned()),
        (_, _) => Ok(Scaling {
            min,
            max,
            cpu_target,
            memory_target,
            requests_per_target,
            ignore: ignore.into_iter().collect(),
            enforce,
        }),
    }
}

/// The engine and the steps that Flipback goes through itself.
fn engine(typed: &ServiceTyped) -> Result<(Engine, Vec<Step>), ConfigError> {
    match &typed.engine {
        EngineTyped::Managed(managed) => {
            check_managed(typed.name.as_str(), managed)?;
            for (key, given) in [("hooks", typed.hooks.is_some()), ("checks", typed.checks.is_some())] {
                if given {
                    let why =
                        "only with the native engine: Flipback takes its own steps here; flipback pause holds one";
                    return Err(meaning(&format!("{}.{key}", typed.name), why));
                }
            }
            let steps = steps(&typed.strategy).map_err(|why| meaning(&format!("{}.strategy", typed.name), why))?;
            if let Some(long) = steps.iter().find(|step| step.bake > LONGEST) {
                let why = format!("a bake of {} is longer than {LONGEST}", long.bake);
                return Err(meaning(&format!("{}.strategy", typed.name), why));
            }
            let ManagedTyped { blue, green, routes } = managed.clone();
            Ok((Engine::Managed(Managed { blue, green, routes }), steps))
        }
        EngineTyped::Native(native) => {
            let at = |key: &str| format!("{}.{key}", typed.name);
            if native.service.is_empty() || native.service.contains('/') || native.service.contains(':') {
                return Err(meaning(&at("engine.native.service"), "write the ECS service's name, not its ARN"));
            }
            let plan = Plan::of(&typed.strategy).map_err(|why| meaning(&at("strategy"), why))?;
            for (key, given, why) in [
                ("standby", typed.standby.is_some(), "ECS stops the old tasks when its bake is over; there is none"),
                ("stickiness", typed.stickiness.is_some(), "Flipback writes no rule of a native service"),
            ] {
                if given {
                    return Err(meaning(&at(key), format!("not with the native engine: {why}")));
                }
            }
            if let AlarmsTyped::Sides(sides) = &typed.alarms
                && !(sides.blue.is_empty() && sides.green.is_empty())
            {
                let why = "a native service has no blue and green alarms: the groups take turns; write a list, or both";
                return Err(meaning(&at("alarms"), why));
            }
            let pauses: Option<BTreeSet<PauseStage>> =
                typed.hooks.as_ref().map(|hooks| hooks.pause.iter().copied().collect());
            if pauses.is_some() && plan == Plan::AsDeclared {
                let why = "the service's own configuration counts with asDeclared; declare the PAUSE hooks there, or write \
                           a strategy for Flipback to send";
                return Err(meaning(&at("hooks.pause"), why));
            }
            let check = typed.checks.as_ref().and_then(|checks| checks.http.as_ref());
            let check = check.map(HttpCheck::of).transpose().map_err(|why| meaning(typed.name.as_str(), why))?;
            let service = native.service.clone();
            Ok((Engine::Native(Native { service, plan, pauses, check, arn: None }), Vec::new()))
        }
    }
}

fn check_managed(name: &str, managed: &ManagedTyped) -> Result<(), ConfigError> {
    let at = |key: &str| format!("{name}.{key}");
    if managed.blue == managed.green {
        return Err(meaning(&at("engine.managed"), "blue and green are the same ECS service; the engine needs two"));
    }
    if managed.routes.is_empty() {
        return Err(meaning(&at("engine.managed.routes"), "there is none; name a listener rule's or a listener's ARN"));
    }
    let unique: BTreeSet<_> = managed.routes.iter().collect();
    if unique.len() != managed.routes.len() {
        return Err(meaning(&at("engine.managed.routes"), "one route is named twice"));
    }
    for route in &managed.routes {
        let arn = route.as_str();
        let fits = arn.starts_with("arn:") && (arn.contains(":listener-rule/app/") || arn.contains(":listener/app/"));
        if !fits {
            return Err(meaning(
                &at("engine.managed.routes"),
                format!("`{arn}` is not the ARN of an ALB listener rule (…:listener-rule/app/…) or listener"),
            ));
        }
    }
    Ok(())
}

fn images(typed: &ServiceTyped, name: &str) -> Result<Vec<ImageRule>, ConfigError> {
    let list: Vec<&ImageTyped> = typed.image.iter().chain(&typed.images).collect();
    if typed.image.is_some() && !typed.images.is_empty() {
        return Err(meaning(&format!("{name}.image"), "write `image:` or `images:`, not both"));
    }
    if list.is_empty() {
        return Err(meaning(
            &format!("{name}.images"),
            "there is none; name the ECR repository whose pushes deploy it",
        ));
    }
    let mut seen = BTreeSet::new();
    list.into_iter()
        .map(|image| {
            let place = format!("{name}.images.{}", image.repository);
            if image.repository.contains(':') || image.repository.contains(".amazonaws.com") {
                return Err(meaning(&place, "write the repository's name only, without registry and tag"));
            }
            if !seen.insert(&image.repository) {
                return Err(meaning(
                    &place,
                    "two images come from this repository; one entry replaces all its containers",
                ));
            }
            match &image.tags {
                TagRule::Semver(pattern) | TagRule::Glob(pattern) if pattern.len() > LONGEST_PATTERN => {
                    let long = pattern.len();
                    return Err(meaning(
                        &place,
                        format!("a pattern of {long} bytes is longer than {LONGEST_PATTERN}; tags have at most 128"),
                    ));
                }
                TagRule::Semver(range) => {
                    semver::VersionReq::parse(range).map(drop).map_err(|why| {
                        meaning(&place, format!("`{range}` is not a range of versions ({why}); write >=1.0.0"))
                    })?;
                }
                TagRule::Glob(pattern) => {
                    globset::Glob::new(pattern)
                        .map(drop)
                        .map_err(|why| meaning(&place, format!("`{pattern}` is not a pattern: {why}")))?;
                }
                TagRule::Exact(tag) if tag == "latest" => {
                    return Err(meaning(
                        &place,
                        "`latest` says nothing about what it is and is never deployed; move a tag such as `stable`",
                    ));
                }
                TagRule::Exact(tag) if tag.is_empty() => return Err(meaning(&place, "the exact tag is empty")),
                TagRule::Exact(_) => {}
            }
            Ok(ImageRule {
                repository: image.repository.clone(),
                container: image.container.clone(),
                tags: image.tags.clone(),
            })
        })
        .collect()
}

fn alarms(typed: &AlarmsTyped) -> Alarms {
    match typed {
        AlarmsTyped::List(list) => Alarms { by_dimension: list.clone(), ..Alarms::default() },
        AlarmsTyped::Sides(sides) => Alarms {
            blue: sides.blue.clone(),
            green: sides.green.clone(),
            both: sides.both.clone(),
            by_dimension: Vec::new(),
        },
    }
}
