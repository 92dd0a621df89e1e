use serde_json::{Value, json};

use super::{Stage, text, weights};
use crate::Service::{Ecs, Elb};
use crate::{Happening, RequestHead, Route};

/// Both colours running, blue and green.
fn both() -> Stage {
    let mut stage = Stage::new();
    let (blue, green) = (stage.blue.clone(), stage.green.clone());
    stage.service("blue", &blue, json!({}));
    stage.service("green", &green, json!({}));
    stage
}

fn head(path: &str) -> RequestHead<'_> {
    RequestHead { method: "GET", path, query: "", host: "shop", headers: &[], source_ip: "127.0.0.1", sticky: None }
}

fn drawn(stage: &mut Stage, requests: usize) -> (usize, usize) {
    let (listener, now) = (stage.listener.clone(), stage.now);
    let mut counts = (0, 0);
    for _ in 0..requests {
        match stage.world.route(&listener, &head("/"), now) {
            Route::Forward { target_group_arn, .. } if target_group_arn == stage.blue => counts.0 += 1,
            Route::Forward { target_group_arn, .. } if target_group_arn == stage.green => counts.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    counts
}

#[test]
fn weights_are_honoured_exactly_and_a_weight_of_zero_gets_no_request() {
    let mut stage = both();
    assert_eq!(drawn(&mut stage, 500), (500, 0));
    stage.set_weights(90, 10);
    assert_eq!(drawn(&mut stage, 100), (90, 10));
    assert_eq!(drawn(&mut stage, 1_000), (900, 100));
    stage.set_weights(0, 1);
    assert_eq!(drawn(&mut stage, 500), (0, 500));
}

#[test]
fn weights_that_are_all_zero_answer_503() {
    let mut stage = both();
    stage.set_weights(0, 0);
    let listener = stage.listener.clone();
    assert_eq!(stage.world.send_traffic(&listener, 3, stage.now), [503, 503, 503]);
}

#[test]
fn targets_take_turns() {
    let mut stage = both();
    let (listener, now) = (stage.listener.clone(), stage.now);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..10 {
        if let Route::Forward { target_id, .. } = stage.world.route(&listener, &head("/"), now) {
            *seen.entry(target_id).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.into_values().collect::<Vec<_>>(), [5, 5]);
}

#[test]
fn a_group_with_weight_and_no_target_answers_503_unless_believed_otherwise() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    stage.service("blue", &blue, json!({}));
    stage.set_weights(50, 50);
    let listener = stage.listener.clone();
    let statuses = stage.world.send_traffic(&listener, 100, stage.now);
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 50);
    stage.world.settings_mut().beliefs.empty_group_answers_503 = false;
    let statuses = stage.world.send_traffic(&listener, 100, stage.now);
    assert!(statuses.iter().all(|status| *status == 200));
}

#[test]
fn a_group_in_no_rule_is_unused_and_weight_zero_is_enough_to_be_checked() {
    let mut stage = both();
    let green = stage.green.clone();
    assert_eq!(stage.states(&green), ["healthy", "healthy"]);
    let only = json!([{ "Type": "forward", "TargetGroupArn": stage.blue }]);
    stage.ok(Elb, "ModifyRule", json!({ "RuleArn": stage.rule, "Actions": only }));
    assert_eq!(stage.states(&green), ["unused", "unused"]);
    let now = stage.now;
    assert!(stage.world.probes_due(now + 60_000).iter().all(|probe| probe.target_group_arn != green));
    stage.set_weights(1, 0);
    assert_eq!(stage.states(&green), ["initial", "initial"]);
    stage.pass(2_000);
    assert_eq!(stage.states(&green), ["healthy", "healthy"]);
}

#[test]
fn a_deregistered_target_drains_and_gets_nothing() {
    let mut stage = both();
    let blue = stage.blue.clone();
    let answer = stage.ok(Elb, "DescribeTargetHealth", json!({ "TargetGroupArn": blue }));
    let target = answer["TargetHealthDescriptions"][0]["Target"].clone();
    let id = text(&target["Id"]);
    let named = json!({ "TargetGroupArn": blue, "Targets": [{ "Id": id, "Port": 8080 }] });
    stage.ok(Elb, "DeregisterTargets", named);
    assert!(stage.states(&blue).contains(&"draining".to_owned()));
    let (listener, now) = (stage.listener.clone(), stage.now);
    for _ in 0..20 {
        match stage.world.route(&listener, &head("/"), now) {
            Route::Forward { target_id, .. } => assert_ne!(target_id, id),
            other => panic!("{other:?}"),
        }
    }
    stage.pass(3_500);
    assert!(!stage.states(&blue).contains(&"draining".to_owned()));
}

#[test]
fn modify_rule_replaces_what_is_named_and_keeps_the_rest() {
    let mut stage = Stage::new();
    let before = stage.ok(Elb, "DescribeRules", json!({ "RuleArns": [stage.rule] }));
    stage.set_weights(10, 90);
    let after = stage.ok(Elb, "DescribeRules", json!({ "RuleArns": [stage.rule] }));
    assert_eq!(after["Rules"][0]["Conditions"], before["Rules"][0]["Conditions"]);
    assert_eq!(after["Rules"][0]["Conditions"][0]["PathPatternConfig"]["Values"][0], "/*");
    let groups = &after["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"];
    assert_eq!((&groups[0]["Weight"], &groups[1]["Weight"]), (&json!(10), &json!(90)));
    assert!(after["Rules"][0]["Actions"][0].get("TargetGroupArn").is_none());
    let single = json!([{ "Type": "forward", "TargetGroupArn": stage.blue }]);
    let single = stage.ok(Elb, "ModifyRule", json!({ "RuleArn": stage.rule, "Actions": single }));
    assert_eq!(single["Rules"][0]["Actions"][0]["TargetGroupArn"], stage.blue.as_str());
    assert_eq!(single["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"], 1);
}

#[test]
fn the_default_rule_is_changed_through_its_listener_only() {
    let mut stage = Stage::new();
    let rules = stage.ok(Elb, "DescribeRules", json!({ "ListenerArn": stage.listener }));
    let default = rules["Rules"][1].clone();
    assert_eq!((&default["Priority"], &default["IsDefault"]), (&json!("default"), &json!(true)));
    let action = weights(&stage.blue, 3, &stage.green, 7);
    let input = json!({ "RuleArn": default["RuleArn"], "Actions": [action] });
    assert_eq!(stage.refused(Elb, "ModifyRule", input), "OperationNotPermitted");
    stage.ok(Elb, "ModifyListener", json!({ "ListenerArn": stage.listener, "DefaultActions": [action] }));
    let rules = stage.ok(Elb, "DescribeRules", json!({ "RuleArns": [default["RuleArn"]] }));
    assert_eq!(rules["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"][1]["Weight"], 7);
}

#[test]
fn actions_that_cannot_be_are_refused_with_the_services_code() {
    let mut stage = Stage::new();
    let (blue, rule) = (stage.blue.clone(), stage.rule.clone());
    let other = stage.ok(Elb, "CreateLoadBalancer", json!({ "Name": "other", "Subnets": ["a", "b"] }));
    let other = other["LoadBalancers"][0]["LoadBalancerArn"].clone();
    let forward = json!({ "Type": "forward", "TargetGroupArn": blue });
    let fixed = json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "200" } });
    let try_actions = |stage: &mut Stage, actions: Value| {
        stage.refused(Elb, "ModifyRule", json!({ "RuleArn": rule, "Actions": actions }))
    };
    let unknown = json!({ "Type": "forward", "TargetGroupArn": "arn:aws:elasticloadbalancing:x:1:targetgroup/no/1" });
    assert_eq!(try_actions(&mut stage, json!([unknown])), "TargetGroupNotFound");
    let heavy =
        json!({ "Type": "forward", "ForwardConfig": { "TargetGroups": [{ "TargetGroupArn": blue, "Weight": 1000 }] } });
    assert_eq!(try_actions(&mut stage, json!([heavy])), "ValidationError");
    let mut first = forward.clone();
    first["Order"] = json!(1);
    let mut second = fixed.clone();
    second["Order"] = json!(2);
    assert_eq!(try_actions(&mut stage, json!([first, second])), "InvalidLoadBalancerAction");
    assert_eq!(try_actions(&mut stage, json!([forward, fixed])), "InvalidLoadBalancerAction");
    let listener = json!({ "LoadBalancerArn": other, "Protocol": "HTTP", "Port": 80, "DefaultActions": [forward] });
    assert_eq!(stage.refused(Elb, "CreateListener", listener), "TargetGroupAssociationLimit");
    let none = json!({ "RuleArn": "arn:aws:elasticloadbalancing:x:1:listener-rule/a", "Actions": [forward] });
    assert_eq!(stage.refused(Elb, "ModifyRule", none), "RuleNotFound");
}

#[test]
fn a_client_secret_is_never_shown_and_survives_a_rewrite_only_when_asked_to() {
    let mut stage = Stage::new();
    let listeners = stage.ok(Elb, "DescribeListeners", json!({ "ListenerArns": [stage.listener] }));
    let oidc = |secret: Value| {
        let mut config = json!({
            "Issuer": "https://idp", "AuthorizationEndpoint": "https://idp/auth", "TokenEndpoint": "https://idp/token",
            "UserInfoEndpoint": "https://idp/user", "ClientId": "me",
        });
        for (member, value) in secret.as_object().into_iter().flatten() {
            config[member] = value.clone();
        }
        json!({ "Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config })
    };
    let mut forward = weights(&stage.blue, 1, &stage.green, 0);
    forward["Order"] = json!(2);
    let secure = json!({
        "LoadBalancerArn": listeners["Listeners"][0]["LoadBalancerArn"], "Protocol": "HTTPS", "Port": 443,
        "Certificates": [{ "CertificateArn": "arn:aws:acm:x:1:certificate/1" }],
        "DefaultActions": [oidc(json!({ "ClientSecret": "s3cret" })), forward],
    });
    let made = stage.ok(Elb, "CreateListener", secure);
    assert!(!made.to_string().contains("s3cret"));
    let arn = made["Listeners"][0]["ListenerArn"].clone();
    let write = |secret: Value| json!({ "ListenerArn": arn, "DefaultActions": [oidc(secret), forward] });
    assert_eq!(stage.refused(Elb, "ModifyListener", write(json!({}))), "InvalidLoadBalancerAction");
    stage.ok(Elb, "ModifyListener", write(json!({ "UseExistingClientSecret": true })));
    let now = stage.now;
    match stage.world.route(arn.as_str().unwrap_or_default(), &head("/"), now) {
        Route::Redirect { status, location, .. } => assert_eq!((status, location.as_str()), (302, "https://idp/auth")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_are_tried_by_priority_and_the_default_last() {
    let mut stage = Stage::new();
    let redirect =
        json!({ "Type": "redirect", "RedirectConfig": { "StatusCode": "HTTP_301", "Path": "/new/#{path}" } });
    let rule = json!({
        "ListenerArn": stage.listener, "Priority": "5", "Actions": [redirect],
        "Conditions": [{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/old*"] } }],
    });
    let arn = stage.ok(Elb, "CreateRule", rule.clone())["Rules"][0]["RuleArn"].clone();
    assert_eq!(stage.refused(Elb, "CreateRule", rule), "PriorityInUse");
    let (listener, now) = (stage.listener.clone(), stage.now);
    match stage.world.route(&listener, &head("/old/a"), now) {
        Route::Redirect { location, .. } => assert_eq!(location, "http://shop/new/old/a"),
        other => panic!("{other:?}"),
    }
    let later = json!({ "RulePriorities": [{ "RuleArn": arn, "Priority": 50 }] });
    stage.ok(Elb, "SetRulePriorities", later);
    assert!(matches!(stage.world.route(&listener, &head("/old/a"), now), Route::NoTarget { status: 503, .. }));
    stage.ok(Elb, "DeleteRule", json!({ "RuleArn": stage.rule }));
    assert!(matches!(stage.world.route(&listener, &head("/x"), now), Route::Fixed { status: 404, .. }));
}

#[test]
fn a_sticky_client_stays_with_its_group_after_the_weights_moved() {
    let mut stage = both();
    let mut action = weights(&stage.blue, 1, &stage.green, 0);
    action["ForwardConfig"]["TargetGroupStickinessConfig"] = json!({ "Enabled": true, "DurationSeconds": 60 });
    stage.ok(Elb, "ModifyRule", json!({ "RuleArn": stage.rule, "Actions": [action] }));
    let (listener, now, blue) = (stage.listener.clone(), stage.now, stage.blue.clone());
    match stage.world.route(&listener, &head("/"), now) {
        Route::Forward { sticky_cookie: Some(cookie), .. } => assert_eq!(cookie.target_group_arn, blue),
        other => panic!("{other:?}"),
    }
    action["ForwardConfig"]["TargetGroups"][0]["Weight"] = json!(0);
    action["ForwardConfig"]["TargetGroups"][1]["Weight"] = json!(1);
    stage.ok(Elb, "ModifyRule", json!({ "RuleArn": stage.rule, "Actions": [action] }));
    let bound = RequestHead { sticky: Some(&blue), ..head("/") };
    match stage.world.route(&listener, &bound, now) {
        Route::Forward { target_group_arn, .. } => assert_eq!(target_group_arn, blue),
        other => panic!("{other:?}"),
    }
}

#[test]
fn listeners_announce_themselves_and_their_end() {
    let mut stage = Stage::new();
    stage.pass(100);
    let up = |h: &Happening| matches!(h, Happening::ListenerUp { port: 80, .. });
    assert_eq!(stage.happened.iter().filter(|h| up(h)).count(), 1);
    stage.ok(Elb, "ModifyListener", json!({ "ListenerArn": stage.listener, "Port": 8000 }));
    stage.ok(Elb, "DeleteListener", json!({ "ListenerArn": stage.listener }));
    stage.happened.clear();
    stage.pass(100);
    let kind = |h: &Happening| match h {
        Happening::ListenerUp { port, .. } => Some(format!("up {port}")),
        Happening::ListenerDown { .. } => Some("down".to_owned()),
        Happening::Event(_)
        | Happening::StartTask(_)
        | Happening::StopTask { .. }
        | Happening::CallHook { .. }
        | Happening::SnsPublished { .. } => None,
    };
    let kinds: Vec<String> = stage.happened.iter().filter_map(kind).collect();
    assert_eq!(kinds, ["down", "up 8000", "down"]);
    assert_eq!(
        stage.refused(Elb, "DescribeListeners", json!({ "ListenerArns": [stage.listener] })),
        "ListenerNotFound"
    );
}

#[test]
fn a_written_weight_is_routed_by_only_after_it_has_reached_the_nodes() {
    let mut stage = both();
    stage.world.settings_mut().elb.propagation = 2_000;
    stage.set_weights(0, 1);
    assert_eq!(drawn(&mut stage, 10), (10, 0));
    stage.now += 2_000;
    assert_eq!(drawn(&mut stage, 10), (0, 10));
}

#[test]
fn a_group_that_is_used_cannot_be_deleted_and_tags_are_kept() {
    let mut stage = Stage::new();
    let blue = stage.blue.clone();
    assert_eq!(stage.refused(Elb, "DeleteTargetGroup", json!({ "TargetGroupArn": blue })), "ResourceInUse");
    stage.ok(Elb, "AddTags", json!({ "ResourceArns": [blue], "Tags": [{ "Key": "a", "Value": "b" }] }));
    let tags = stage.ok(Elb, "DescribeTags", json!({ "ResourceArns": [blue] }));
    assert_eq!(tags["TagDescriptions"][0]["Tags"][0]["Value"], "b");
    let list = stage.ok(Ecs, "ListClusters", json!({}));
    assert_eq!(list["clusterArns"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_group_without_a_healthy_target_routes_to_all_of_them_unless_believed_otherwise() {
    let mut stage = Stage::new();
    stage.push("v2", "unhealthy");
    stage.define("v2");
    stage.world.settings_mut().beliefs.unhealthy_tasks_are_replaced = false;
    let blue = stage.blue.clone();
    stage.service("blue", &blue, json!({ "taskDefinition": "api:2" }));
    assert_eq!(stage.states(&blue), ["unhealthy", "unhealthy"]);
    let (listener, now) = (stage.listener.clone(), stage.now);
    assert!(matches!(stage.world.route(&listener, &head("/"), now), Route::Forward { .. }));
    stage.world.settings_mut().beliefs.unhealthy_group_fails_open = false;
    assert!(matches!(stage.world.route(&listener, &head("/"), now), Route::NoTarget { status: 503, .. }));
}

#[test]
fn while_sick_tasks_are_replaced_users_meet_no_target_that_is_still_being_registered() {
    let failed = |waits: bool| {
        let mut stage = Stage::new();
        stage.world.settings_mut().beliefs.unhealthy_wait_for_healthy_ones = waits;
        stage.push("v2", "unhealthy after=6s");
        stage.define("v2");
        let blue = stage.blue.clone();
        stage.service("blue", &blue, json!({ "taskDefinition": "api:2" }));
        stage.pass_with(20_000, 3).into_iter().filter(|status| *status >= 500).count()
    };
    assert_eq!(failed(true), 0, "the sick ones stay until others are healthy");
    assert!(failed(false) > 0, "nobody can answer between the sick ones and the others");
}
