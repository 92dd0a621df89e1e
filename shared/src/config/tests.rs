//! What the file accepts, and the one clear error for what it does not.

use super::{AlarmTiming, Plan, ServiceConfig, TagRule, advise, parse, schema};
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
fn what_is_just_within_a_limit_is_accepted_and_what_is_just_beyond_is_not() {
    let long = |n: usize| format!("name: {}\n", "a".repeat(n));
    let glob = |part: &str, times| {
        let end = if part.starts_with('{') { "}" } else { "" };
        format!("{{ glob: \"{}{}\" }}", part.repeat(times), end.repeat(times))
    };
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";
    let cases = [
        ("name: shop-api\n", long(100), long(101)),
        ("name: shop-api\n", "name: shop_api-2\n".to_owned(), "name: \"\"\n".to_owned()),
        ("cluster: production", "cluster: p".to_owned(), "cluster: \"\"".to_owned()),
        ("cluster: production", "cluster: p".to_owned(), "cluster: cluster/p".to_owned()),
        ("cluster: production", "cluster: p".to_owned(), "cluster: arn:p".to_owned()),
        ("bake: 5m", "bake: 24h".to_owned(), "bake: 24h1ms".to_owned()),
        ("standby: 10m", "standby: 24h".to_owned(), "standby: 24h1ms".to_owned()),
        ("standby: 10m", "keepRevisions: 2".to_owned(), "keepRevisions: 1".to_owned()),
        ("standby: 10m", "keepRevisions: 3".to_owned(), "keepRevisions: 0".to_owned()),
        (arn, arn.replace("listener-rule", "listener"), arn.replace("arn:", "")),
        (arn, arn.replace("/app/", "/app/a-"), arn.replace("/app/", "/net/")),
        ("repository: shop-api", "repository: shop/api".to_owned(), "repository: 1.dkr.amazonaws.com/x".to_owned()),
        (">=1.0.0", ">=1, <3".to_owned(), "one".to_owned()),
        ("{ semver: \">=1.0.0\" }", "{ glob: \"v*\" }".to_owned(), "{ glob: \"v[\" }".to_owned()),
        ("{ semver: \">=1.0.0\" }", glob("?", 256), glob("?", 257)),
        // Longer ones end the process: by the matcher's size, and by the depth of nested alternatives.
        ("{ semver: \">=1.0.0\" }", glob("{a,", 64), glob("?", 200_000)),
        ("{ semver: \">=1.0.0\" }", glob("[!a]", 64), glob("{a,", 40_000)),
        ("{ semver: \">=1.0.0\" }", "{ exact: x }".to_owned(), "{ exact: \"\" }".to_owned()),
    ];
    for (from, within, beyond) in cases {
        if let Err(why) = parse(&FILE.replacen(from, &within, 1)) {
            panic!("{within}: {why}");
        }
        assert!(!spoiled(from, &beyond).is_empty(), "{beyond}");
    }
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let mut config = parse(FILE).unwrap().remove(0);
    assert_eq!((config.quiet, config.keep_revisions), (Span(0), 20));
    assert_eq!(config.start_deadline, Span::mins(15));
    assert_eq!((config.hold_deadline, config.stall_deadline), (Span::mins(60), Span::mins(60)));
    assert!(!config.accept_no_alarms && !config.accept_stickiness);
    config = parse(&FILE.replace("    standby: 10m\n", "")).unwrap().remove(0);
    assert_eq!(config.standby, Span::mins(10));
    let second = "      - { repository: shop-proxy, tags: { exact: stable } }\n    engine:";
    config = parse(&FILE.replace("    engine:", second)).unwrap().remove(0);
    assert_eq!(config.quiet, Span::secs(30), "several images of one commit");
    assert_eq!(config.image("shop-proxy").unwrap().tags, TagRule::Exact("stable".to_owned()));
    assert_eq!(config.image("shop"), None);
}

#[test]
fn a_service_owns_its_colours_and_routes_and_is_where_its_route_is() {
    let config = parse(FILE).unwrap().remove(0);
    let route = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/shop/1/2/3";
    let services = ["ecs-service/production/shop-api-blue", "ecs-service/production/shop-api-green"];
    assert_eq!(config.claims(), [route, services[0], services[1]]);
    assert_eq!(config.home(), Some(("us-east-1", "123456789012")));
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
    assert_eq!(advise(&config, &[alarm(1, true)], None), [], "a bake as long as the alarm needs is long enough");
    let standby = |config: &ServiceConfig, minutes| {
        advise(config, &[alarm(minutes, true)], None)
            .iter()
            .filter(|advice| advice.0.contains("the standby of"))
            .count()
    };
    assert_eq!((standby(&config, 8), standby(&config, 9)), (0, 1), "10m beside 8m or 9m, and 2m of delay");
    let warnings: Vec<String> = advise(&config, &[alarm(2, false)], None).into_iter().map(|advice| advice.0).collect();
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn the_schema_names_every_key_of_a_service_and_allows_no_other() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let service = &schema["$defs"]["ServiceTyped"];
    assert_eq!(service["additionalProperties"], false);
    let mut keys: Vec<&str> = service["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let error = spoiled("cluster: production", "clutser: production");
    let (_, known) = error.split_once("Known here: ").unwrap();
    let mut known: Vec<&str> = known.trim().split(", ").collect();
    known.sort_unstable();
    assert_eq!(keys, known);
}

#[test]
fn a_strategy_or_an_engine_without_its_keys_is_told_where_it_stands_and_how_it_is_written() {
    for (line, column, said) in [
        ("strategy: blueGreen", 15, "blueGreen: { bake: 3m }"),
        ("strategy: blueGreen   # at once\n", 15, "blueGreen: { bake: 3m }"),
        ("strategy: { canary: 3m }", 17, "canary: { steps:"),
        ("engine: native", 13, "native: { service: SERVICE }"),
        ("engine: { native: shop }", 15, "native: { service: SERVICE }"),
    ] {
        let text = format!("version: 1\nservices:\n  - name: shop-api\n    cluster: production\n    {line}\n");
        let error = parse(&text).unwrap_err();
        let at = format!("line 5, column {column}: ");
        assert!(error.to_string().starts_with(&at) && error.to_string().contains(said), "{line}: {error}");
    }
}

#[test]
fn limits_of_the_native_engine_are_taken_and_what_is_beyond_is_not() {
    use crate::decide::fixture::NATIVE;
    let http = |key: &str, value: &str| {
        let check = format!("    checks: {{ http: {{ listener: test, {key}: {value} }} }}\n");
        parse(&format!("{NATIVE}{check}")).map(|_| ()).map_err(|error| error.to_string())
    };
    for (key, good, bad) in [
        ("times", ["1", "100"], ["0", "101"]),
        ("within", ["1s", "60m"], ["999ms", "3600001ms"]),
        ("expect", ["100", "599"], ["99", "600"]),
    ] {
        for value in good {
            assert_eq!(http(key, value), Ok(()), "{key} {value}");
        }
        for value in bad {
            assert!(http(key, value).is_err_and(|why| why.contains(key)), "{key} {value}");
        }
    }
    let strategy = |text: &str| {
        parse(&NATIVE.replace("asDeclared", text)).map(|mut all| all.remove(0)).map_err(|error| error.to_string())
    };
    assert!(strategy("{ blueGreen: { bake: 1440m } }").is_ok());
    assert!(strategy("{ blueGreen: { bake: 1441m } }").is_err_and(|why| why.contains("1440 minutes")));
    let canary =
        |weight: &str| strategy(&format!("{{ canary: {{ steps: [ {{ weight: {weight}, bake: 1m }} ], bake: 1m }} }}"));
    assert!(canary("100").is_ok() && canary("0.1").is_ok());
    assert!(canary("100.1").is_err() && canary("0").is_err());
    let linear = |by: &str| strategy(&format!("{{ linear: {{ by: {by}, every: 1m, bake: 1m }} }}"));
    assert!(linear("3").is_ok() && linear("100").is_ok());
    assert!(linear("2.9").is_err() && linear("100.1").is_err());
}

#[test]
fn bakes_are_those_that_are_sent_or_declared_and_ecs_own_where_nothing_is() {
    use crate::strategy::Share;
    use serde_json::json;
    let declared = |value: serde_json::Value| Plan::AsDeclared.bakes(&value);
    let mins = |minutes: u64| crate::time::Span::mins(minutes);
    assert_eq!(declared(json!({})), []);
    assert_eq!(declared(json!({ "strategy": "ROLLING" })), []);
    assert_eq!(declared(json!({ "strategy": "ROLLING", "bakeTimeInMinutes": 5 })), [(Share::ALL, mins(5))]);
    assert_eq!(declared(json!({ "strategy": "BLUE_GREEN" })), [(Share::ALL, mins(15))]);
    assert_eq!(
        declared(json!({ "strategy": "CANARY", "bakeTimeInMinutes": 3 })),
        [(Share::from(5), mins(10)), (Share::ALL, mins(3))]
    );
    let linear =
        json!({ "strategy": "LINEAR", "linearConfiguration": { "stepPercent": 25.0, "stepBakeTimeInMinutes": 2 } });
    assert_eq!(declared(linear), [(Share::from(25), mins(2)), (Share::ALL, mins(15))]);
    let sent = Plan::BlueGreen { bake: 7 }.bakes(&json!({ "strategy": "ROLLING" }));
    assert_eq!(sent, [(Share::ALL, mins(7))]);
}

#[test]
fn a_kind_that_only_a_later_release_knows_is_not_ignored_and_no_reason_to_stop() {
    let config = parse(&format!("{}    scaling: {{ ignore: [atMax] }}\n", crate::decide::fixture::NATIVE))
        .expect("it parses")
        .remove(0);
    let mut saved = serde_json::to_value(&config).expect("it is written");
    saved["scaling"]["ignore"].as_array_mut().expect("a list").push("ofTomorrow".into());
    assert_eq!(serde_json::from_value::<ServiceConfig>(saved).expect("it is read"), config);
    let typed = parse(&format!("{}    scaling: {{ ignore: [ofTomorrow] }}\n", crate::decide::fixture::NATIVE));
    assert!(typed.is_err(), "in flipback.yaml it is a mistake");
}
