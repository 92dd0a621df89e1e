//! What the file accepts, and the one clear error for what it does not.

use super::{AlarmTiming, TagRule, advise, parse};
use crate::decide::fixture::FILE;
use crate::strategy::Step;
use crate::time::Span;

/// The file of the README and the issue, letter by letter.
const DOCUMENTED: &str = r#"
version: 1
services:
  - name: shop-api
    cluster: production
    images:                       # `image:` for a single one
      - repository: shop-api
        container: api            # optional: default is every container whose image comes from that repository
        tags: { semver: ">=1.0.0" } # or { glob: "release-*" } or { exact: stable }
    engine:
      managed:
        blue: shop-api-blue
        green: shop-api-green
        routes:                   # rule or listener ARNs
          - arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/0123456789abcdef/0123456789abcdef/0123456789abcdef
    strategy:
      canary:
        steps: [ { weight: 10, bake: 3m }, { weight: 50, bake: 3m } ]
        bake: 5m
      # or  blueGreen: { bake: 3m }   or  linear: { by: 20, every: 2m, bake: 3m }
    alarms: [ shop-api-5xx ]      # or { blue: [..], green: [..], both: [..] }
    standby: 10m
    onNewPush: supersede          # or queue
    mode: act                     # or observe: decides, records and tells, changes nothing
"#;

fn spoiled(from: &str, to: &str) -> String {
    assert!(FILE.contains(from), "{from}");
    parse(&FILE.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn the_documented_file_is_accepted_exactly_as_documented() {
    let config = parse(DOCUMENTED).unwrap().remove(0);
    assert_eq!(config.images[0].tags, TagRule::Semver(">=1.0.0".to_owned()));
    let bake = Span::mins(3);
    let last = Step { weight: 100, bake: Span::mins(5) };
    assert_eq!(config.steps, [Step { weight: 10, bake }, Step { weight: 50, bake }, last]);
    assert_eq!(config.alarms.by_dimension, ["shop-api-5xx".into()]);
    assert_eq!(config.standby, Span::mins(10));
}

#[test]
fn every_documented_alternative_is_accepted() {
    let other = DOCUMENTED
        .replace(r#"{ semver: ">=1.0.0" }"#, r#"{ glob: "release-*" }"#)
        .replace("[ shop-api-5xx ]", "{ blue: [a], green: [b], both: [c] }")
        .replace("supersede", "queue")
        .replace("mode: act", "mode: observe");
    let (head, _) = other.split_once("    strategy:").unwrap();
    for strategy in ["blueGreen: { bake: 3m }", "linear: { by: 20, every: 2m, bake: 3m }"] {
        parse(&format!("{head}    strategy:\n      {strategy}\n")).unwrap();
    }
    let single = other.replace("images:  ", "image:  ").replace("      - repository", "        repository");
    parse(&single).unwrap();
    parse(&DOCUMENTED.replace(r#"{ semver: ">=1.0.0" }"#, "{ exact: stable }")).unwrap();
}

#[test]
fn every_error_says_where_and_what_to_do() {
    let errors = [
        spoiled("cluster: production", "clutser: production"),
        spoiled("semver:", "semvar:"),
        spoiled("canary:", "cannary:"),
        spoiled("bake: 3m", "bake: 3 minutes"),
        spoiled("    standby: 10m", "    standby: 10"),
        spoiled("version: 1", "version: 2"),
        spoiled("blue: shop-api-blue", "blue: shop-api-green"),
        spoiled("weight: 10", "weight: 60"),
        spoiled(">=1.0.0", "newest"),
        spoiled("repository: shop-api", "repository: shop-api:v1"),
        spoiled("semver: \">=1.0.0\"", "exact: latest"),
        spoiled("arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3", "shop-rule"),
        spoiled("    cluster: production\n", ""),
        spoiled("name: shop-api\n", "name: shop api\n"),
        parse("").unwrap_err().to_string(),
        parse("services: []\nversion: 1").unwrap_err().to_string(),
        parse("version: 1\nservices:\n  - [").unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn two_services_cannot_own_one_thing() {
    let (head, service) = FILE.split_once("services:").unwrap();
    let twice = format!("{head}services:{service}{}", service.replace("name: shop-api\n", "name: shop-web\n"));
    let error = parse(&twice).unwrap_err().to_string();
    assert!(error.contains("belongs to service shop-api already"), "{error}");
}

#[test]
fn a_bake_shorter_than_its_alarm_needs_is_warned_of_with_the_numbers() {
    let config = parse(FILE).unwrap().remove(0);
    let alarm = |minutes, quiet| AlarmTiming {
        name: "green-5xx".into(),
        fires_after: Some(Span::mins(minutes)),
        missing_is_quiet: quiet,
    };
    assert_eq!(advise(&config, &[alarm(1, true)]), []);
    let warnings: Vec<String> = advise(&config, &[alarm(2, false)]).into_iter().map(|advice| advice.0).collect();
    insta::assert_snapshot!(warnings.join("\n"));
}
