//! What goes over the wire: only what is meant to change, never late, and nothing lost.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use aws::World;
use common::{Answer, Endpoint, RULE, Sent, config};
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use shared::decision::{Action, Effect};
use shared::ids::{Colour, Digest, TargetGroupArn};
use shared::observation::{Ask, Reading};
use shared::ports::{Actuator, Clock, EffectError, Observer};
use shared::rollout::{ImageRef, Margins, ScalingWanted};
use shared::time::{Span, Time};

const BASE: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/shop:3";

fn rules(extra: &str) -> String {
    format!(
        "<DescribeRulesResponse><DescribeRulesResult><Rules><member><RuleArn>{RULE}</RuleArn><Priority>10</Priority>\
         <IsDefault>false</IsDefault><Conditions><member><Field>path-pattern</Field></member></Conditions><Actions>\
         <member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig><Issuer>https://i</Issuer>\
         <ClientId>c</ClientId></AuthenticateOidcConfig></member>\
         <member><Type>forward</Type><Order>2</Order><ForwardConfig><TargetGroups>\
         <member><TargetGroupArn>tg-blue</TargetGroupArn><Weight>100</Weight></member>\
         <member><TargetGroupArn>tg-green</TargetGroupArn><Weight>0</Weight></member></TargetGroups>{extra}\
         </ForwardConfig></member></Actions></member></Rules></DescribeRulesResult></DescribeRulesResponse>"
    )
}

fn error(code: &str) -> Answer {
    (400, format!("<ErrorResponse><Error><Code>{code}</Code><Message>as asked</Message></Error></ErrorResponse>"))
}

const MODIFIED: &str = "<ModifyRuleResponse><ModifyRuleResult><Rules/></ModifyRuleResult></ModifyRuleResponse>";

fn weights(action: &[(&str, u32)]) -> Action {
    let weights: BTreeMap<TargetGroupArn, u32> = action.iter().map(|&(group, weight)| (group.into(), weight)).collect();
    Action::Weights { route: RULE.into(), weights }
}

fn flip() -> Action {
    weights(&[("tg-blue", 90), ("tg-green", 10)])
}

fn soon() -> Option<Time> {
    Some(aws::SystemClock.now().plus(Span::secs(5)))
}

fn back(action: Action) -> Effect {
    Effect { action, deadline: None }
}

async fn world(endpoint: &Endpoint) -> World {
    World::new(endpoint.clients().await, Margins::quick())
}

fn shop() -> ServiceConfig {
    config("shop")
}

#[tokio::test]
async fn a_flip_sends_the_actions_alone_and_keeps_the_login() {
    let endpoint = Endpoint::start(|sent| {
        (200, if sent.body.contains("DescribeRules") { rules("") } else { MODIFIED.to_owned() })
    })
    .await;
    let effect = Effect { action: flip(), deadline: soon() };
    world(&endpoint).await.apply(&shop(), &effect).await.unwrap();
    let sent = endpoint.sent("Action=ModifyRule");
    let [Sent { body, .. }] = sent.as_slice() else { panic!("{sent:?}") };
    for part in [
        "Actions.member.2.ForwardConfig.TargetGroups.member.1.Weight=90",
        "Actions.member.2.ForwardConfig.TargetGroups.member.2.Weight=10",
        "Actions.member.1.AuthenticateOidcConfig.UseExistingClientSecret=true",
        "Actions.member.2.Order=2",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    for part in ["Conditions", "Transforms", "ClientSecret=&", "Actions.member.2.TargetGroupArn"] {
        assert!(!body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn a_rule_with_something_newer_in_it_is_not_written() {
    let endpoint = Endpoint::start(|_| (200, rules("<Sparkle>1</Sparkle>"))).await;
    let world = world(&endpoint).await;
    let refused = world.apply(&shop(), &back(flip())).await;
    assert!(matches!(&refused, Err(EffectError::Permanent(why)) if why.contains("Sparkle")), "{refused:?}");
    let ask = Ask { routes: true, ..Ask::default() };
    let seen = world.observe(&shop(), &ask, aws::SystemClock.now()).await;
    let Some(Reading::Known(route)) = seen.routes.get(&RULE.into()) else { panic!("{:?}", seen.routes) };
    assert!(route.unwritable.as_ref().is_some_and(|why| why.contains("Sparkle")));
    assert!(endpoint.sent("Action=ModifyRule").is_empty());
}

#[tokio::test]
async fn a_throttled_flip_back_is_tried_again_and_a_forward_one_is_not() {
    let tries = AtomicU32::new(0);
    let endpoint = Endpoint::start(move |sent| match sent.body.contains("DescribeRules") {
        true => (200, rules("")),
        false if tries.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => error("Throttling"),
        false => (200, MODIFIED.to_owned()),
    })
    .await;
    let world = world(&endpoint).await;
    world.apply(&shop(), &back(flip())).await.unwrap();
    assert_eq!(endpoint.sent("Action=ModifyRule").len(), 2);
    let forward = world.apply(&shop(), &Effect { action: flip(), deadline: soon() }).await;
    assert!(matches!(forward, Err(EffectError::Transient(_))), "{forward:?}");
    assert_eq!(endpoint.sent("Action=ModifyRule").len(), 3);
}

#[tokio::test]
async fn nothing_forward_is_sent_past_its_deadline() {
    let endpoint = Endpoint::start(|_| (500, String::new())).await;
    let deadline = Some(aws::SystemClock.now().minus(Span(1)));
    let start = Action::Start { colour: Colour::Green, revision: BASE.into(), desired: 2 };
    for action in [flip(), start] {
        let effect = Effect { action, deadline };
        assert_eq!(world(&endpoint).await.apply(&shop(), &effect).await, Err(EffectError::TooLate));
    }
    assert!(endpoint.sent("").is_empty());
}

#[tokio::test]
async fn a_slow_read_cannot_carry_a_write_past_its_deadline() {
    let endpoint = Endpoint::start(|_| {
        std::thread::sleep(std::time::Duration::from_millis(400));
        (200, rules(""))
    })
    .await;
    let effect = Effect { action: flip(), deadline: Some(aws::SystemClock.now().plus(Span(200))) };
    let done = world(&endpoint).await.apply(&shop(), &effect).await;
    assert_eq!(done, Err(EffectError::TooLate));
    assert!(endpoint.sent("Action=ModifyRule").is_empty());
}

fn told(sent: &Sent, operation: &str) -> bool {
    sent.headers.contains(&format!(".{operation}\r\n").to_lowercase())
}

fn definition(revision: u32, rollout: Option<&str>) -> Value {
    let tags: Vec<Value> = rollout.iter().map(|id| json!({"key": "flipback:rollout", "value": id})).collect();
    json!({
        "taskDefinition": {
            "taskDefinitionArn": BASE.replace(":3", &format!(":{revision}")), "family": "shop", "revision": revision,
            "status": "ACTIVE", "newMember": {"kept": [1]},
            "containerDefinitions": [{"name": "api", "image": "old", "newToo": true}],
        },
        "tags": tags,
    })
}

fn register() -> Action {
    let image = ImageRef {
        registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
        repository: "shop".to_owned(),
        tag: "v2".to_owned(),
        digest: Digest(format!("sha256:{}", "ab".repeat(32))),
        pushed_at: Time(1),
    };
    Action::Register { base: BASE.into(), images: vec![(image, Some("api".to_owned()))], rollout: "shop-7".into() }
}

/// ECS and ECR with the revisions 1 to `newest`, of which the newest carries the rollout's tag or none.
async fn registry(newest: u32, tagged: bool, image_exists: bool) -> Endpoint {
    Endpoint::start(move |sent| {
        let json = |value: Value| (200, value.to_string());
        if told(sent, "ListTaskDefinitions") {
            let arn = |n: u32| BASE.replace(":3", &format!(":{n}"));
            json(json!({"taskDefinitionArns": (1..=newest).rev().map(arn).collect::<Vec<_>>()}))
        } else if told(sent, "DescribeTaskDefinition") {
            json(definition(newest, tagged.then_some("shop-7")))
        } else if told(sent, "DescribeImages") && !image_exists {
            (400, json!({"__type": "ImageNotFoundException", "message": "no"}).to_string())
        } else if told(sent, "DescribeImages") {
            json(json!({"imageDetails": [{"imageDigest": "sha256:ab", "imagePushedAt": 1}]}))
        } else {
            json(json!({"taskDefinition": {"taskDefinitionArn": "arn:new"}}))
        }
    })
    .await
}

#[tokio::test]
async fn a_new_revision_is_the_live_one_with_members_no_sdk_knows() {
    let endpoint = registry(3, false, true).await;
    let effect = Effect { action: register(), deadline: soon() };
    world(&endpoint).await.apply(&shop(), &effect).await.unwrap();
    let sent = endpoint.sent(".RegisterTaskDefinition");
    let body: Value = serde_json::from_str(&sent[0].body).unwrap();
    assert_eq!(body["newMember"], json!({"kept": [1]}));
    assert_eq!(body["containerDefinitions"][0]["newToo"], true);
    assert!(body["containerDefinitions"][0]["image"].as_str().unwrap().contains("/shop@sha256:abab"));
    assert_eq!(body.get("revision"), None);
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn a_repeated_registration_makes_no_second_revision() {
    let endpoint = registry(4, true, true).await;
    let world = world(&endpoint).await;
    world.apply(&shop(), &Effect { action: register(), deadline: soon() }).await.unwrap();
    assert!(endpoint.sent(".RegisterTaskDefinition").is_empty());
    let ask = Ask { registered: Some((BASE.into(), "shop-7".to_owned())), ..Ask::default() };
    let seen = world.observe(&shop(), &ask, aws::SystemClock.now()).await;
    assert_eq!(seen.registered, Reading::Known(Some(BASE.replace(":3", ":4").into())));
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_final() {
    let endpoint = registry(3, false, false).await;
    let done = world(&endpoint).await.apply(&shop(), &Effect { action: register(), deadline: soon() }).await;
    assert!(matches!(&done, Err(EffectError::Permanent(why)) if why.contains("does not exist in ECR")), "{done:?}");
    assert!(endpoint.sent(".RegisterTaskDefinition").is_empty());
}

#[tokio::test]
async fn a_missing_service_and_a_denied_call_are_not_the_same() {
    let endpoint = Endpoint::start(|sent| {
        let failures = json!({"services": [], "failures": [
            {"arn": "arn:aws:ecs:us-east-1:1:service/production/shop-blue", "reason": "MISSING"},
            {"arn": "arn:aws:ecs:us-east-1:1:service/production/shop-green", "reason": "MISSING"},
        ]});
        let denied = json!({"__type": "AccessDeniedException", "Message": "x is not authorized to perform: y"});
        if told(sent, "DescribeServices") { (200, failures.to_string()) } else { (400, denied.to_string()) }
    })
    .await;
    let ask = Ask { services: true, scaling: true, ..Ask::default() };
    let seen = world(&endpoint).await.observe(&shop(), &ask, aws::SystemClock.now()).await;
    let blue = &seen.colours[&Colour::Blue];
    assert_eq!(blue.service, Reading::Known(None));
    assert!(matches!(&blue.scaling, Reading::Unknown(why) if why.contains("not authorized to perform: y")), "{blue:?}");
}

#[tokio::test]
async fn a_scalable_target_that_is_gone_is_not_made_anew() {
    let endpoint = Endpoint::start(|_| (200, json!({"ScalableTargets": []}).to_string())).await;
    let wanted = ScalingWanted { bounds: Some((1, 4)), suspended: Default::default() };
    let effect = Effect { action: Action::Scaling { colour: Colour::Blue, wanted }, deadline: soon() };
    let done = world(&endpoint).await.apply(&shop(), &effect).await;
    assert!(matches!(done, Err(EffectError::Transient(_))), "{done:?}");
    assert!(endpoint.sent(".RegisterScalableTarget").is_empty());
}

#[tokio::test]
async fn slack_is_posted_to_the_secrets_url_and_asked_again_after_its_pause() {
    let tries = AtomicU32::new(0);
    let url = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let known = url.clone();
    let endpoint = Endpoint::start(move |sent| {
        if told(sent, "GetSecretValue") {
            let secret = json!({"url": format!("{}/hook", known.lock().unwrap())}).to_string();
            (200, json!({"SecretString": secret}).to_string())
        } else if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            (429, String::new())
        } else {
            (200, "ok".to_owned())
        }
    })
    .await;
    url.lock().unwrap().clone_from(&endpoint.url);
    let teller = aws::Teller::new(&endpoint.clients().await, None, Some("secret".to_owned()));
    teller.slack(&json!({"text": "hello"}), std::time::Duration::from_secs(3)).await.unwrap();
    teller.slack(&json!({"text": "again"}), std::time::Duration::from_secs(3)).await.unwrap();
    let posts = endpoint.sent("post /hook ");
    assert_eq!(
        posts.iter().map(|sent| sent.body.as_str()).collect::<Vec<_>>(),
        [r#"{"text":"hello"}"#, r#"{"text":"hello"}"#, r#"{"text":"again"}"#]
    );
    assert_eq!(endpoint.sent("GetSecretValue").len(), 1, "the URL is read once");
}
