//! The demo from set-up to document: each story is one push, steady traffic, and looking on until it ended.

use super::report::{Document, Evidence, Told};
use super::stage::{self, PUSH, Set, Stage};
use super::story::{DEADLINE_MS, Engine, PUSHED, STORIES};
use super::traffic::Traffic;
use super::view::{Scene, View};
use super::watch::{self, Look, Trouble};
use crate::output::Out;
use anyhow::Context as _;
use local::Cloud;
use model::Millis;
use std::time::Duration;

/// Traffic before the push, so that a story begins with a steady load.
const BEFORE_PUSH: Duration = Duration::from_millis(1_000);

/// Traffic after the end, which shows who answers then.
const AFTER_END: Duration = Duration::from_millis(1_000);

/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Sets up and tells all stories.
pub(crate) async fn all(cloud: &Cloud, out: Out) -> anyhow::Result<Document> {
    let began = cloud.now();
    let trouble = Trouble::watch(cloud);
    let mut view = View::new(out);
    view.tell("Setting up: four services, each with a load balancer, two target groups, alarms and an image ...");
    let stage = stage::build(cloud, || trouble.told(cloud)).await?;
    view.tell(&format!("Ready after {:.1} s. From here on only the functions act.", seconds(cloud.now() - began)));
    let mut stories = Vec::new();
    // The stories' parts of the journal follow each other without a gap.
    let mut since = stage.journal;
    for (place, set) in stage.sets.iter().enumerate() {
        let title = format!("Story {} of {}: {}", place + 1, STORIES.len(), set.story.title);
        let run = Run { cloud, stage: &stage, set, trouble: &trouble, title };
        let (evidence, entries) = run.play(&mut view, since).await?;
        since += entries;
        let told = Told::new(set.story, evidence);
        let result = if told.as_told { "as told" } else { "NOT AS TOLD" };
        view.tell(&format!("{}: {result} ({})", set.service, told.expected.words()));
        for difference in &told.differed {
            view.tell(&format!("  - {difference}"));
        }
        // With a broken function the next stories would only wait for their deadlines.
        let broken = trouble.told(cloud).is_some();
        stories.push(told);
        if broken {
            break;
        }
    }
    view.end();
    let ok = stories.len() == STORIES.len() && stories.iter().all(|told| told.as_told);
    Ok(Document { ok, seconds: seconds(cloud.now() - began), stories })
}

/// One story on its set.
struct Run<'a> {
    cloud: &'a Cloud,
    stage: &'a Stage,
    set: &'a Set,
    trouble: &'a Trouble,
    title: String,
}

impl Run<'_> {
    /// Plays the story; also tells how many entries the journal has got since entry `since`.
    async fn play(&self, view: &mut View, since: usize) -> anyhow::Result<(Evidence, usize)> {
        let Run { cloud, set, .. } = self;
        let slack_before = slack(cloud);
        let began_traffic = cloud.now();
        let traffic = Traffic::start(set.address, began_traffic);
        tokio::time::sleep(BEFORE_PUSH).await;
        view.tell(&format!("\n{}", self.title));
        let manners = if set.story.manners.is_empty() { "good" } else { set.story.manners };
        view.tell(&format!("Pushing {}:{PUSHED}, an image that is {manners}", set.service));
        let pushed = cloud.now();
        local::example::push(cloud, PUSH, set.story.service, PUSHED, set.story.manners)?;
        let (look, given_up) = self.follow(view, &traffic, pushed, slack_before).await?;
        let ended = cloud.now();
        traffic.begin_window();
        tokio::time::sleep(AFTER_END).await;
        let after = traffic.window();
        let counted = traffic.end().await;
        let traffic_seconds = seconds(cloud.now() - began_traffic);
        let served = cloud.lb_counts(&set.balancer);
        let journal = watch::journal(cloud, since);
        let (changes_by_functions, changes_by_others) = watch::changes(&journal);
        let evidence = Evidence {
            seconds: seconds(ended - pushed),
            given_up,
            outcome: look.ended,
            traffic: counted,
            traffic_seconds,
            balancer: served.iter().map(|line| line.requests).sum(),
            balancer_server_errors: served.iter().filter(|line| line.class == 5).map(|line| line.requests).sum(),
            after,
            weights: look.weights,
            alarm: watch::first_alarm(cloud, set.story.service, pushed),
            written_back: match set.story.engine {
                Engine::Managed(_) => watch::first_back(&journal, &set.rule, &set.green),
                Engine::Native(_) => watch::first_stop(&journal),
            },
            changes_by_functions,
            changes_by_others,
            slack_posts: slack(cloud) - slack_before,
        };
        Ok((evidence, journal.len()))
    }

    /// Looks on until the rollout ended and all is at rest, or it has to be given up.
    async fn follow(
        &self,
        view: &mut View,
        traffic: &Traffic,
        pushed: Millis,
        slack_before: usize,
    ) -> anyhow::Result<(Look, Option<String>)> {
        let Run { cloud, stage, set, .. } = self;
        let mut told = 0;
        loop {
            let look = watch::look(cloud, stage, set).await.with_context(|| format!("looking at {}", set.service))?;
            let notices: Vec<String> = look.notices.iter().map(watch::words).collect();
            for notice in notices.iter().skip(told) {
                view.tell(notice);
            }
            told = notices.len();
            let elapsed = cloud.now() - pushed;
            view.show(&Scene {
                title: self.title.clone(),
                service: set.service.to_string(),
                phase: look.phase.clone(),
                waiting: look.waiting.clone(),
                weights: look.weights,
                rates: traffic.rates(),
                elapsed,
                slack: slack(cloud) - slack_before,
                notices,
            });
            if look.ended.is_some() {
                return Ok((look, None));
            }
            if let Some(trouble) = self.trouble.told(cloud) {
                return Ok((look, Some(trouble)));
            }
            if elapsed >= DEADLINE_MS {
                let waits = if look.waiting.is_empty() { "nothing that it told" } else { &look.waiting };
                let why = format!("not ended after {} s: {}, it waited for {waits}", elapsed / 1000, look.phase);
                return Ok((look, Some(why)));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Posts that Slack took.
fn slack(cloud: &Cloud) -> usize {
    cloud.slack_posts().iter().filter(|post| post.status == 200).count()
}

fn seconds(millis: Millis) -> f64 {
    millis as f64 / 1000.0
}
