//! Views as text.

use super::view::{LastView, Moment, RolloutView, View, words};
use crate::output::{Paint, columns};
use shared::config::Mode;
use shared::ids::TargetGroupArn;
use shared::time::{Span, Time};
use shared::weights::Weights;

/// Every service, a line each.
pub(super) fn all(views: &[View], now: Time, paint: Paint) -> String {
    if views.is_empty() {
        return "no service is configured: write flipback.yaml (flipback init), then flipback apply".to_owned();
    }
    let rows: Vec<Vec<String>> = views.iter().map(|view| row(view, now)).collect();
    columns(paint, &["SERVICE", "ROLLOUT", "PHASE", "WEIGHT", "SINCE", "NEXT LOOK", "WAITS FOR"], &rows)
}

fn row(view: &View, now: Time) -> Vec<String> {
    let dash = || "-".to_owned();
    let rollout = view.rollout.as_ref().map(|rollout| rollout.id.clone());
    vec![
        view.service.clone(),
        rollout.unwrap_or_else(dash),
        phase(view),
        view.weight.map_or_else(dash, |weight| format!("{weight} %")),
        view.since.map_or_else(dash, |since| ago(since, now)),
        ahead(view, now).unwrap_or_else(dash),
        view.waiting.clone(),
    ]
}

fn phase(view: &View) -> String {
    let paused = view.rollout.as_ref().is_some_and(|rollout| rollout.paused.is_some());
    match (paused, view.mode) {
        (true, _) => format!("{} (paused)", view.phase),
        (false, Mode::Observe) => format!("{} (observe)", view.phase),
        (false, Mode::Act) => view.phase.to_owned(),
    }
}

/// One service, with everything.
pub(super) fn one(view: &View, now: Time, paint: Paint) -> String {
    let mut page = Page { paint, text: format!("{}  {}", paint.bold(&view.service), phase(view)) };
    if let Some(weight) = view.weight {
        page.text.push_str(&format!("  {weight} %"));
    }
    page.line("waits for", &view.waiting);
    if let Some(since) = view.since {
        page.line("since", &format!("{} ({})", since.0, ago(since, now)));
    }
    if let Some(ahead) = ahead(view, now) {
        page.line("next look", &ahead);
    }
    if let Some(rollout) = &view.rollout {
        running(&mut page, rollout);
    }
    if let Some(next) = &view.next {
        page.line("then", &format!("{} (wished {})", next.what, ago(next.at, now)));
    }
    if let Some(last) = &view.last {
        ended(&mut page, last, now);
    }
    if let Some(deployed) = &view.deployed {
        let before = deployed.before.as_deref().map_or_else(String::new, |before| format!(", before it {before}"));
        page.line("deployed", &format!("{}{before}", deployed.revision));
    }
    if let Some(settled) = &view.settled {
        page.line("live", &format!("{}, as read {}", settled.live, ago(settled.at, now)));
        for (route, weights) in &settled.weights {
            page.more(&format!("{}  {}", route.as_str().rsplit('/').next().unwrap_or_default(), list(weights)));
        }
        if let Some(since) = settled.differs_since {
            page.more(&paint.yellow(&format!("read otherwise since {}", since.0)));
        }
    }
    for (repository, image) in &view.taken_last {
        let completed = view.completed_last.get(repository).filter(|completed| *completed != image);
        let older = completed.map_or_else(String::new, |older| format!("; completed last: {older}"));
        let hurt = if view.hurt.contains(repository) { " (in quarantine)" } else { "" };
        page.line("taken last", &format!("{image}{hurt}{older}"));
    }
    for held in &view.quarantine {
        let digests: Vec<&str> = held.digests.iter().map(shared::ids::Digest::short).collect();
        page.line("quarantine", &format!("{}: {} ({})", digests.join(" + "), held.reason, ago(held.at, now)));
    }
    for intent in &view.inbox {
        page.line("inbox", &format!("{} by {} ({})", intent.id, intent.by, ago(intent.at, now)));
    }
    page.text
}

fn running(page: &mut Page, rollout: &RolloutView) {
    page.line("rollout", &format!("{}: {}, started {}", rollout.id, rollout.what, rollout.started_at.0));
    for image in &rollout.images {
        page.more(image);
    }
    if let Some(why) = &rollout.cause {
        page.line("goes back", &page.paint.red(why));
    }
    if let Some(what) = &rollout.ailing {
        page.line("ailing", &page.paint.yellow(what));
    }
    let side = |colour: Option<_>, revision: &Option<String>| {
        let revision = revision.as_deref().unwrap_or("not registered yet");
        colour.map_or_else(|| revision.to_owned(), |colour: shared::ids::Colour| format!("{colour}, {revision}"))
    };
    page.line("candidate", &side(rollout.candidate, &rollout.revision));
    if rollout.stable.is_some() {
        page.line("stable", &side(rollout.stable, &rollout.stable_revision));
    }
    page.line("steps", &rollout.steps.join(", "));
    if rollout.force {
        page.line("forced", "alarms that fired at the start, age and quarantine are no hindrance");
    }
    for route in &rollout.routes {
        page.line("expected", &list(&route.intended));
        if route.previous != route.intended {
            page.more(&format!("or still {}", list(&route.previous)));
        }
        page.more(&format!("on {}", route.route));
        if let Some(since) = route.foreign_since {
            page.more(&page.paint.yellow(&format!("something else is read there since {}", since.0)));
        }
    }
}

fn ended(page: &mut Page, last: &LastView, now: Time) {
    let tone = |text: &str| if last.outcome == "completed" { page.paint.green(text) } else { page.paint.red(text) };
    page.line("last", &format!("{} {} ({})", last.rollout, tone(words(last.outcome)), ago(last.at, now)));
    if let Some(reason) = &last.reason {
        page.more(reason);
    }
    if let Some(revision) = &last.revision {
        let from = last.stable_revision.as_deref().filter(|from| from != revision);
        page.more(&from.map_or_else(|| revision.clone(), |from| format!("{revision}, over {from}")));
    }
}

struct Page {
    paint: Paint,
    text: String,
}

impl Page {
    fn line(&mut self, title: &str, text: &str) {
        self.text.push_str(&format!("\n  {title:<11} {text}"));
    }

    fn more(&mut self, text: &str) {
        self.text.push_str(&format!("\n  {:<11} {text}", ""));
    }
}

/// Weights with the names of their target groups.
fn list(weights: &Weights) -> String {
    let name = |group: &TargetGroupArn| group.as_str().rsplit('/').nth(1).unwrap_or(group.as_str()).to_owned();
    weights.iter().map(|(group, weight)| format!("{}={weight}", name(group))).collect::<Vec<_>>().join(" ")
}

fn ago(moment: Moment, now: Time) -> String {
    format!("{} ago", whole(now.since(moment.0)))
}

/// When it is looked at next. A look that changes nothing saves nothing, so a time in the past tells only that the sweep
/// is the latest; of a service at rest it tells nothing.
fn ahead(view: &View, now: Time) -> Option<String> {
    let left = view.wake_due.map_or(Span(0), |due| due.0.since(now));
    let at_work = view.rollout.is_some() || view.next.is_some() || !view.inbox.is_empty();
    match (left >= Span::secs(1), at_work) {
        (true, _) => Some(format!("in {}", whole(left))),
        (false, true) => Some("within 1m".to_owned()),
        (false, false) => None,
    }
}

/// A span without what nobody reads: milliseconds, and seconds beside hours.
fn whole(span: Span) -> Span {
    let unit = if span >= Span::mins(60) { Span::mins(1) } else { Span::secs(1) };
    Span(span.0 / unit.0 * unit.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::fixture;
    use shared::rollout::{Cause, ImageRef, Outcome, Phase};

    const NOW: Time = Time(1_760_000_130_000);

    #[test]
    fn a_running_rollout_shows_what_it_is_and_waits_for() {
        let mut record = fixture::record();
        record.status.rollout = Some(fixture::rollout(17, Phase::Baking { step: 0, promoted: false }));
        record.status.waiting = "the bake at 10 % to end at 2025-10-09T08:56:40Z".to_owned();
        record.status.quarantine.push(fixture::quarantined());
        record.inbox.push(fixture::intent("cli/pause/shop-api-17/0"));
        let view = View::of(&record);
        insta::assert_snapshot!("one", one(&view, NOW, Paint(false)));
        let mut idle = fixture::record();
        idle.config.name = "billing".into();
        idle.status.last = Some(fixture::ended(3, Outcome::RolledBack(Cause::Unhealthy("2 of 3 targets".to_owned()))));
        let good = fixture::image();
        idle.status.taken.insert(good.repository.clone(), ImageRef { tag: "v1.5.0".to_owned(), ..good.clone() });
        idle.status.good.insert(good.repository.clone(), good);
        idle.status.quarantine.push(fixture::quarantined());
        let revision =
            |number: u32| format!("arn:aws:ecs:us-east-1:123456789012:task-definition/billing:{number}").into();
        idle.status.deployed = Some(shared::rollout::Deployed { revision: revision(6), before: Some(revision(5)) });
        let views = [View::of(&idle), view];
        insta::assert_snapshot!("all", all(&views, NOW, Paint(false)));
        insta::assert_snapshot!("idle", one(&views[0], NOW, Paint(false)));
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&views[1]).unwrap());
    }

    #[test]
    fn nothing_configured_is_said_with_what_to_do() {
        assert!(all(&[], NOW, Paint(false)).contains("flipback init"));
    }

    #[test]
    fn a_look_in_the_past_is_none_and_a_span_is_whole() {
        let mut view = View::of(&fixture::record());
        view.wake_due = Some(Moment(Time(9_900)));
        assert_eq!(ahead(&view, Time(0)).as_deref(), Some("in 9s"));
        assert_eq!(ahead(&view, Time(60_000)), None, "it is at rest");
        let mut record = fixture::record();
        record.inbox.push(fixture::intent("cli/redeploy/live/0"));
        assert_eq!(ahead(&View::of(&record), Time(60_000)).as_deref(), Some("within 1m"));
        assert_eq!(ago(Moment(Time(0)), Time(3_600_000 + 61_500)), "1h1m ago");
    }
}
