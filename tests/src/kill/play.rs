//! Playing a story: with one fault, or with none.

use super::check::{self, Before, End};
use super::{Called, Case, Story};
use crate::traffic::Traffic;
use crate::{SERVICE, Scene, options};
use local::{CallSeen, Moment, Options};
use model::{Service, Settings};
use serde_json::json;
use shared::rollout::IntentKind;
use shared::time::Time;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// As `quick`, with a shorter deadline for writes, and shorter periods of the metrics that a side must be without requests for.
/// Where an alarm fires, advance looks seldom: it is on-alarm's to be first.
fn margins(story: Story) -> String {
    let look = if story.hurts() { "4s" } else { "1s" };
    json!({ "forward": "3s", "effectLifetime": "2s", "drain": "1s", "look": look, "confirm": "1s", "replace": "10s",
        "metricPeriod": "1s", "metricDelay": "2s", "settledLook": "30s" })
    .to_string()
}

/// A story that has not ended after this long never will. A notice whose channel failed is sent again after a minute.
const LIMIT: Duration = Duration::from_secs(150);

/// Between two looks at the story.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// How a story went.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// Everything that is not right, in words.
    pub wrong: Vec<String>,
    /// How many calls the fault struck.
    pub struck: u64,
    /// The machine was too busy for the story: neither right nor wrong says anything.
    pub starved: bool,
    /// The calls of each kind that were made.
    pub calls: BTreeMap<Called, u64>,
    /// From the push until everything was at rest.
    pub seconds: f64,
    /// From the alarm until the weights were back, or ECS was asked to go back, where there was one.
    pub back_seconds: Option<f64>,
}

/// The cloud of a case: the sweep every eight seconds, and what a dead invocation held comes back after two seconds instead
/// of thirty.
fn cloud(story: Story, functions: &Path) -> Options {
    let mut settings = Settings::quick();
    // Real health checks with a timeout that a busy machine keeps.
    settings.elb.health_check_divisor = 3;
    Options {
        settings,
        function_env: [("FLIPBACK_MARGINS".to_owned(), margins(story))].into(),
        schedule_speed: 8,
        redelivery: Some(Duration::from_secs(2)),
        ..options(functions.to_owned())
    }
}

/// Plays a story through; with a case, its fault strikes. What went wrong is in the answer.
pub async fn play(story: Story, case: Option<&Case>, functions: &Path) -> Played {
    play_and(story, case, functions, |_| Ok(())).await
}

/// The same, and somebody meddles before the end is looked at: so that it can be seen what the checks find.
pub async fn play_and(
    story: Story,
    case: Option<&Case>,
    functions: &Path,
    meddle: fn(&Scene) -> anyhow::Result<()>,
) -> Played {
    let mut played = Played::default();
    if let Err(error) = Box::pin(attempt(story, case, functions, meddle, &mut played)).await {
        played.wrong.push(format!("{error:#}"));
    }
    played
}

async fn attempt(
    story: Story,
    case: Option<&Case>,
    functions: &Path,
    meddle: fn(&Scene) -> anyhow::Result<()>,
    played: &mut Played,
) -> anyhow::Result<()> {
    let mut lines = story.lines().to_vec();
    lines.push(("startDeadline", "1m"));
    let scene = match story.declared() {
        None => Scene::open(cloud(story, functions), &lines).await?,
        Some(declared) => {
            // Declared later: the first deployment of all would bake as long as the push.
            let scene = Scene::open_native(cloud(story, functions), json!({ "strategy": "ROLLING" }), &lines).await?;
            let declares = json!({ "cluster": "tests", "service": SERVICE, "deploymentConfiguration": declared });
            scene.call(Service::Ecs, "UpdateService", declares)?;
            scene
        }
    };
    let before = Before::of(&scene, story).await?;
    let traffic = Traffic::start(scene.colours.address);
    let calls: Arc<Mutex<BTreeMap<Called, u64>>> = Arc::default();
    count(&scene, calls.clone());
    if let Some(case) = case {
        scene.cloud.add_fault(case.fault())?;
    }
    let pushed = Instant::now();
    let digest = scene.push("2.0.0", story.manners())?;
    let (rest, ()) = tokio::join!(follow(&scene, story), check_scaling(&scene));
    played.seconds = pushed.elapsed().as_secs_f64();
    if let Err(waits) = rest {
        played.wrong.push(waits);
        let log = scene.cloud.function_log();
        let last = log.iter().rev().take(12).map(|line| format!("{}: {}", line.function, line.line));
        played
            .wrong
            .push(format!("the last lines, newest first:\n      {}", last.collect::<Vec<_>>().join("\n      ")));
    }
    // What is late must not undo it either.
    tokio::time::sleep(Duration::from_secs(1)).await;
    played.struck = scene.cloud.faults().iter().map(|fault| fault.struck).sum();
    scene.cloud.clear_faults();
    meddle(&scene)?;
    played.calls.clone_from(&calls.lock().unwrap_or_else(PoisonError::into_inner));
    let users = traffic.end();
    played.starved = users.starved(pushed.elapsed());
    let end = End { scene: &scene, story, before: &before, digest: &digest, users, case };
    played.wrong.extend(check::all(&end).await?);
    played.back_seconds = check::back_seconds(&scene);
    scene.end().await
}

/// One run of the scaling check in the midst of it, with the retries that Lambda gives a schedule's event.
async fn check_scaling(scene: &Scene) {
    tokio::time::sleep(Duration::from_secs(4)).await;
    let event = json!({ "version": "0", "id": "11111111-1111-4111-8111-111111111111", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": Time(scene.cloud.now()).to_string(),
        "region": "us-east-1", "resources": ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/round"],
        "detail": "{}" });
    for pause in 1..=3 {
        if scene.cloud.invoke("check-scaling", event.clone()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// Counts the functions' calls from now on. A webhook's posts are notify's.
fn count(scene: &Scene, calls: Arc<Mutex<BTreeMap<Called, u64>>>) {
    scene.cloud.on_call(Arc::new(move |call: &CallSeen<'_>| {
        let function = match (call.service, call.caller.strip_prefix("function:")) {
            ("slack", _) => "notify",
            (_, Some(function)) => function,
            (_, None) => return,
        };
        if call.moment == Moment::Before {
            let called = Called {
                function: function.to_owned(),
                service: call.service.to_owned(),
                operation: call.operation.to_owned(),
            };
            *calls.lock().unwrap_or_else(PoisonError::into_inner).entry(called).or_default() += 1;
        }
    }));
}

/// Follows the story to its end; else what it still waits for.
async fn follow(scene: &Scene, story: Story) -> Result<(), String> {
    let until = Instant::now() + LIMIT;
    loop {
        let waits = match waits(scene).await {
            Ok(None) => return Ok(()),
            Ok(Some(waits)) => waits,
            Err(error) => format!("{error:#}"),
        };
        person(scene, story).await.map_err(|error| format!("{error:#}"))?;
        if Instant::now() > until {
            return Err(format!("after {} s it waits for {waits}", LIMIT.as_secs()));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// A person aborts once the first step bakes, or promotes what waits for it, and wakes the loop, as the command does.
async fn person(scene: &Scene, story: Story) -> anyhow::Result<()> {
    let record = scene.record().await?;
    let Some(rollout) = record.status.rollout.as_ref().filter(|_| record.inbox.is_empty()) else { return Ok(()) };
    let (phase, native) = (rollout.phase.name(), &rollout.native);
    let wish = match story {
        Story::Abort if phase == "baking" => IntentKind::Abort { rollout: rollout.id.clone() },
        Story::NativeAbort if phase == "deploying" && rollout.first_shift.is_some() => {
            IntentKind::Abort { rollout: rollout.id.clone() }
        }
        Story::NativeGood if native.paused && native.promoted.is_none() && native.asked.is_none() => {
            IntentKind::Promote { rollout: rollout.id.clone(), step: native.gates }
        }
        Story::Good
        | Story::Alarm
        | Story::Unhealthy
        | Story::Abort
        | Story::NativeGood
        | Story::NativeAlarm
        | Story::NativeCrash
        | Story::NativeAbort => return Ok(()),
    };
    scene.wish(wish).await?;
    scene.wake().await
}

/// What is not at rest yet.
async fn waits(scene: &Scene) -> anyhow::Result<Option<String>> {
    let record = scene.record().await?;
    let status = &record.status;
    if let Some(rollout) = &status.rollout {
        return Ok(Some(format!("{} in {}", status.waiting, rollout.phase.name())));
    }
    if status.last.is_none() {
        return Ok(Some("the rollout to begin".to_owned()));
    }
    if status.next.is_some() || !record.inbox.is_empty() {
        return Ok(Some("the inbox to be empty".to_owned()));
    }
    if !scene.table.unsettled().await?.is_empty() {
        return Ok(Some("the sweep to take it off its list".to_owned()));
    }
    let stored = scene.table.notices(&SERVICE.into(), 100).await?;
    let left = stored.iter().filter(|stored| stored.delivered_at.is_none()).count();
    Ok((left > 0).then(|| format!("{left} notices to be delivered")))
}
