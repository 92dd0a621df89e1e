//! What never changes in the small world: names, the configuration, the pace.

use shared::config::{ServiceConfig, parse};
use shared::ids::{Colour, Digest, RevisionArn, RouteArn, TargetGroupArn};
use shared::rollout::{ImageRef, Margins};
use shared::strategy::Step;
use shared::time::{Span, Time};
use shared::weights::Weights;

/// Now, always. A whole number of metric periods since the epoch.
pub const NOW: Time = Time(1_800_000_000_000);

/// The unit of all lengths of time.
pub const TICK: Span = Span::secs(10);

/// So many ticks.
#[must_use]
pub const fn ticks(count: u64) -> Span {
    Span(TICK.0 * count)
}

/// Everything longer ago than this is as long ago as this. Longer than every deadline.
pub const HORIZON: Span = ticks(60);

/// The sweep looks at whatever is unsettled this often.
pub const SWEEP: Span = ticks(6);

/// A function is ended by Lambda after this.
pub const TIMEOUT: Span = ticks(2);

/// The pace: the proportions of AWS's margins in ticks, none of them nothing.
#[must_use]
pub fn margins() -> Margins {
    Margins {
        forward: ticks(2),
        effect_lifetime: ticks(2),
        drain: ticks(2),
        look: ticks(1),
        confirm: ticks(1),
        replace: ticks(2),
        metric_period: ticks(1),
        metric_delay: ticks(1),
        settled_look: ticks(6),
    }
}

/// The name of the one alarm.
pub const ALARM: &str = "errors";

const ROUTE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";

const FILE: &str = r#"
version: 1
services:
  - name: shop
    cluster: c
    images: [ { repository: shop, tags: { semver: ">=1.0.0" } } ]
    engine:
      managed:
        blue: shop-blue
        green: shop-green
        routes: [ "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3" ]
    strategy: { blueGreen: { bake: 3m } }
    alarms: { both: [ errors ] }
"#;

/// The configuration: half the traffic for two ticks, all of it for two, standby for two.
///
/// # Panics
/// Where the file above is not a configuration.
#[must_use]
#[allow(clippy::expect_used)]
pub fn config() -> ServiceConfig {
    let mut config = parse(FILE).expect("the small world's file is a configuration").remove(0);
    config.steps = vec![Step { weight: 50, bake: ticks(2) }, Step { weight: 100, bake: ticks(2) }];
    config.standby = ticks(2);
    config.quiet = Span(0);
    config.start_deadline = ticks(4);
    config.hold_deadline = ticks(4);
    config.stall_deadline = ticks(8);
    config
}

/// The one route.
#[must_use]
pub fn route() -> RouteArn {
    ROUTE.into()
}

/// A colour's target group.
#[must_use]
pub fn group(colour: Colour) -> TargetGroupArn {
    TargetGroupArn(format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-{colour}/0123"))
}

/// The weights of both colours on the route.
#[must_use]
pub fn weights(blue: u32, green: u32) -> Weights {
    [(group(Colour::Blue), blue), (group(Colour::Green), green)].into_iter().collect()
}

/// The revision of a version; version 1 runs when the world begins.
#[must_use]
pub fn revision(version: u8) -> RevisionArn {
    RevisionArn(format!("arn:aws:ecs:us-east-1:123456789012:task-definition/shop:{version}"))
}

/// The version that a revision runs.
#[must_use]
pub fn version(revision: &RevisionArn) -> u8 {
    revision.short().rsplit(':').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The image of a version.
#[must_use]
pub fn image(version: u8) -> ImageRef {
    ImageRef {
        registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
        repository: "shop".to_owned(),
        tag: format!("v{version}.0.0"),
        digest: Digest(format!("sha256:{}", format!("{version:02x}").repeat(32))),
        // Only the order counts, and it never grows old.
        pushed_at: Time(u64::from(version)),
    }
}
