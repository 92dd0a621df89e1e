//! The service deployments of a native service: all pages, never too many at once, and none left out in silence.

mod common;

use aws::{Clients, World};
use common::{Answer, Endpoint, Sent};
use serde_json::{Value, json};
use shared::config::ServiceConfig;
use shared::ids::AlarmName;
use shared::observation::{Ask, NativeReading, Reading};
use shared::ports::Observer;
use shared::rollout::Margins;
use shared::time::{Span, Time};

/// The oldest deployment is of this second; each one is a second younger than the one before.
const FIRST: u64 = 1_795_000_000;

const BLUE: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop-blue/1";

const FILE: &str = "
version: 1
services:
  - name: shop
    cluster: production
    image: { repository: shop, tags: { semver: '>=1.0.0' } }
    engine: { native: { service: shop } }
    strategy: asDeclared
    alarms: [ shop-5xx ]
    checks: { http: { listener: test } }
";

fn config() -> ServiceConfig {
    shared::config::parse(FILE).unwrap().remove(0)
}

/// A service as ECS has it.
#[derive(Clone, Default)]
struct Ecs {
    /// How many deployments are listed, and how many to a page.
    listed: usize,
    page: usize,
    newest_first: bool,
    current: Option<String>,
    /// `loadBalancers` of the service.
    balancers: Value,
    /// The status of those that are listed, where it is not SUCCESSFUL.
    status: Option<&'static str>,
    /// The status of those from a number on.
    since: Option<(u64, &'static str)>,
    /// `deploymentConfiguration` of the service.
    configuration: Value,
    /// The health of blue's one target, which has all production traffic.
    health: &'static str,
    /// What cannot be described, and why; without a reason it is just not in the answer.
    lost: Vec<(String, Option<&'static str>)>,
    /// Service revisions without a task definition.
    bare: Vec<String>,
}

fn arn(kind: &str, number: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:service-{kind}/production/shop/{number:04}")
}

impl Ecs {
    fn answer(&self, sent: &Sent) -> Answer {
        if sent.body.starts_with("Action=") {
            return (200, self.balancer(&sent.body));
        }
        if sent.headers.contains("graniteservice") {
            // The names that were asked for are what counts.
            return (400, String::new());
        }
        let asked: Value = serde_json::from_str(&sent.body).unwrap();
        let is = |operation: &str| sent.headers.contains(&format!("amazonec2containerservicev20141113.{operation}\r"));
        let answer = if is("describeservices") {
            json!({ "services": [{
                "serviceArn": "arn:aws:ecs:us-east-1:123456789012:service/production/shop", "status": "ACTIVE",
                "taskDefinition": "shop:1", "currentServiceDeployment": self.current, "loadBalancers": self.balancers,
                "deploymentConfiguration": self.configuration,
            }] })
        } else if is("listservicedeployments") {
            self.list(&asked)
        } else if is("describeservicedeployments") {
            self.describe(&asked["serviceDeploymentArns"], "serviceDeployments", |arn| self.deployment(arn))
        } else {
            self.describe(&asked["serviceRevisionArns"], "serviceRevisions", |arn| {
                let definition = (!self.bare.iter().any(|bare| bare == arn)).then_some("shop:1");
                json!({ "serviceRevisionArn": arn, "taskDefinition": definition })
            })
        };
        (200, answer.to_string())
    }

    fn deployment(&self, arn: &str) -> Value {
        let number: u64 = arn.rsplit('/').next().unwrap().parse().unwrap();
        let late = self.since.filter(|(from, _)| number >= *from).map(|(_, status)| status);
        let status = late.or(self.status).unwrap_or("SUCCESSFUL");
        json!({
            "serviceDeploymentArn": arn, "createdAt": FIRST + number, "status": status,
            "targetServiceRevision": { "arn": arn.replace("service-deployment", "service-revision") },
        })
    }

    /// A production rule with all weight on blue, and blue's target.
    fn balancer(&self, asked: &str) -> String {
        if asked.contains("DescribeTargetHealth") {
            let health = format!("<TargetHealth><State>{}</State></TargetHealth>", self.health);
            let one = format!("<member><Target><Id>10.0.0.1</Id></Target>{health}</member>");
            let all = format!("<TargetHealthDescriptions>{one}</TargetHealthDescriptions>");
            return format!(
                "<DescribeTargetHealthResponse><DescribeTargetHealthResult>{all}</DescribeTargetHealthResult>\
                 </DescribeTargetHealthResponse>"
            );
        }
        let group = format!("<member><TargetGroupArn>{BLUE}</TargetGroupArn><Weight>100</Weight></member>");
        format!(
            "<DescribeRulesResponse><DescribeRulesResult><Rules><member><RuleArn>{}</RuleArn><Priority>10</Priority>\
             <Actions><member><Type>forward</Type><ForwardConfig><TargetGroups>{group}</TargetGroups></ForwardConfig>\
             </member></Actions></member></Rules></DescribeRulesResult></DescribeRulesResponse>",
            common::RULE
        )
    }

    /// Nothing says in which order they come.
    fn list(&self, asked: &Value) -> Value {
        let from: usize = asked["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let to = (from + self.page).min(self.listed);
        let number = |place: usize| if self.newest_first { self.listed - 1 - place } else { place };
        let all: Vec<Value> = (from..to).map(|place| self.deployment(&arn("deployment", number(place)))).collect();
        json!({ "serviceDeployments": all, "nextToken": (to < self.listed).then(|| to.to_string()) })
    }

    fn describe(&self, asked: &Value, member: &str, shown: impl Fn(&str) -> Value) -> Value {
        let asked: Vec<&str> = asked.as_array().unwrap().iter().map(|arn| arn.as_str().unwrap()).collect();
        assert!((1..=20).contains(&asked.len()), "{} ARNs in one call", asked.len());
        let lost = |arn: &str| self.lost.iter().find(|(lost, _)| lost == arn);
        let there: Vec<Value> = asked.iter().filter(|arn| lost(arn).is_none()).map(|arn| shown(arn)).collect();
        let gone = asked.iter().filter_map(|arn| lost(arn)).filter_map(|(arn, reason)| Some((arn, (*reason)?)));
        let gone: Vec<Value> = gone.map(|(arn, reason)| json!({ "arn": arn, "reason": reason })).collect();
        json!({ member: there, "failures": gone })
    }
}

async fn clients(ecs: &Ecs) -> (Endpoint, Clients) {
    let ecs = ecs.clone();
    let endpoint = Endpoint::start(move |sent| ecs.answer(sent)).await;
    let clients = endpoint.clients().await;
    (endpoint, clients)
}

/// What is read of the deployments since that of a number.
async fn read(ecs: &Ecs, since: usize) -> (Endpoint, Reading<Option<NativeReading>>) {
    let (endpoint, clients) = clients(ecs).await;
    let since = Time(FIRST * 1_000).plus(Span::secs(since as u64));
    let ask = Ask { native: Some(since), ..Ask::default() };
    let seen = World::new(clients, Margins::quick()).observe(&config(), &ask, since).await;
    (endpoint, seen.native)
}

async fn numbers(ecs: &Ecs, since: usize) -> Vec<usize> {
    match read(ecs, since).await.1 {
        Reading::Known(Some(reading)) => {
            reading.deployments.iter().map(|one| one.arn.rsplit('/').next().unwrap().parse().unwrap()).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn unknown(ecs: &Ecs, since: usize) -> String {
    match read(ecs, since).await.1 {
        Reading::Unknown(why) => why,
        Reading::Known(known) => panic!("{known:?}"),
    }
}

fn shop(listed: usize) -> Ecs {
    Ecs { listed, page: 100, current: Some(arn("deployment", listed - 1)), ..Ecs::default() }
}

#[tokio::test]
async fn every_page_is_read_and_the_newest_are_described_by_twenties() {
    let ecs = shop(130);
    let (endpoint, _) = read(&ecs, 1_000).await;
    assert_eq!(endpoint.sent(".ListServiceDeployments").len(), 2);
    assert_eq!(numbers(&ecs, 1_000).await, [129], "the newest in any case");
    assert_eq!(numbers(&ecs, 75).await, (75..130).rev().collect::<Vec<_>>());
    assert_eq!(numbers(&ecs, 0).await.len(), 100);
}

#[tokio::test]
async fn more_pages_than_are_read_are_an_error_unless_the_rest_is_old() {
    let mut ecs = Ecs { page: 10, ..shop(55) };
    let (endpoint, _) = read(&ecs, 48).await;
    assert_eq!(endpoint.sent(".ListServiceDeployments").len(), 5);
    for since in [48, 1_000] {
        let why = unknown(&ecs, since).await;
        assert!(why.contains("ListServiceDeployments") && why.contains("more than 50"), "{why}");
    }
    ecs.newest_first = true;
    assert_eq!(numbers(&ecs, 48).await, [54, 53, 52, 51, 50, 49, 48]);
    assert_eq!(numbers(&ecs, 1_000).await, [54]);
    assert!(unknown(&ecs, 5).await.contains("more than 50"));
    assert_eq!(numbers(&ecs, 6).await.len(), 49);
}

#[tokio::test]
async fn a_long_history_is_left_unread_where_the_newest_comes_first_and_one_that_succeeded_was_seen() {
    let pages = async |ecs: &Ecs, since| read(ecs, since).await.0.sent(".ListServiceDeployments").len();
    let mut ecs = Ecs { page: 10, newest_first: true, ..shop(55) };
    assert_eq!(pages(&ecs, 1_000).await, 1);
    assert_eq!(pages(&ecs, 44).await, 2, "the last of a page must be older");
    ecs.since = Some((30, "ROLLBACK_FAILED"));
    assert_eq!(pages(&ecs, 1_000).await, 3);
    ecs.newest_first = false;
    assert_eq!(pages(&ecs, 1_000).await, 5, "nothing is left unread on trust");
}

#[tokio::test]
async fn the_last_that_succeeded_is_described_however_old_it_is() {
    for newest_first in [true, false] {
        let mut ecs = Ecs { newest_first, ..shop(6) };
        ecs.since = Some((3, "STOPPED"));
        assert_eq!(numbers(&ecs, 1_000).await, [5, 2]);
        assert_eq!(numbers(&ecs, 4).await, [5, 4, 2]);
        ecs.since = None;
        assert_eq!(numbers(&ecs, 4).await, [5, 4], "it is the newest");
        // It is long ago, and ECS keeps none for ever.
        ecs.since = Some((3, "STOPPED"));
        ecs.lost = vec![(arn("deployment", 2), Some("MISSING"))];
        assert_eq!(numbers(&ecs, 4).await, [5, 4]);
    }
}

#[tokio::test]
async fn a_target_whose_state_says_nothing_is_carried_and_makes_no_dead_group() {
    for (health, dead) in [("unavailable", false), ("unused", false), ("healthy", false), ("unhealthy", true)] {
        let balancers = json!([{ "advancedConfiguration": { "productionListenerRule": common::RULE } }]);
        let ecs = Ecs { balancers, health, ..shop(1) };
        let (_endpoint, clients) = clients(&ecs).await;
        let ask = Ask { native: Some(Time(FIRST * 1_000)), targets: true, ..Ask::default() };
        let seen = World::new(clients, Margins::quick()).observe(&config(), &ask, Time(FIRST * 1_000)).await;
        let Reading::Known(Some(NativeReading { traffic: Reading::Known(traffic), .. })) = seen.native else {
            panic!("{:?}", seen.native);
        };
        assert_eq!(traffic.groups.len(), 1);
        assert_eq!(traffic.dead().is_some(), dead, "{health}: {traffic:?}");
    }
}

#[tokio::test]
async fn the_alarms_that_only_ecs_listens_to_are_asked_for_with_the_others_in_one_call_before_a_start() {
    let alarms = json!({ "enable": true, "rollback": true, "alarmNames": ["shop-5xx", "shop-cpu"] });
    let ecs = Ecs { configuration: json!({ "alarms": alarms }), ..shop(1) };
    let at = Time(FIRST * 1_000);
    let names = |names: &[&str]| names.iter().map(|name| AlarmName::from(*name)).collect::<Vec<_>>();
    for (targets, wanted) in [(true, names(&["shop-5xx", "shop-cpu"])), (false, names(&["shop-5xx"]))] {
        let (endpoint, clients) = clients(&ecs).await;
        let ask = Ask { native: Some(at), alarms: true, targets, ..Ask::default() };
        let seen = World::new(clients, Margins::quick()).observe(&config(), &ask, at).await;
        assert_eq!(seen.alarms.into_keys().collect::<Vec<_>>(), wanted);
        let calls = endpoint.sent("GraniteService");
        assert_eq!(calls.len(), 1);
        assert!(calls[0].body.contains("shop-5xx"));
        assert_eq!(calls[0].body.contains("shop-cpu"), targets);
    }
}

#[tokio::test]
async fn a_recent_deployment_that_cannot_be_described_is_an_error() {
    for reason in [Some("MISSING"), Some("ACCESS_DENIED"), None] {
        let mut ecs = shop(4);
        ecs.lost = vec![(arn("deployment", 2), reason)];
        let why = unknown(&ecs, 2).await;
        assert!(why.contains("DescribeServiceDeployments") && why.contains(&arn("deployment", 2)), "{why}");
        assert!(why.contains(reason.unwrap_or("not in the answer")), "{why}");
        assert_eq!(numbers(&ecs, 3).await, [3], "it is not asked for");
    }
}

#[tokio::test]
async fn an_old_deployment_may_be_gone_unless_it_runs() {
    let mut ecs = shop(4);
    ecs.lost = vec![(arn("deployment", 3), Some("MISSING"))];
    assert_eq!(numbers(&ecs, 1_000).await, [0; 0]);
    ecs.status = Some("IN_PROGRESS");
    assert!(unknown(&ecs, 1_000).await.contains("MISSING"));
    // Neither listed nor kept: long ago. Any other reason says nothing of its age.
    let mut ecs = Ecs { current: Some(arn("deployment", 9)), ..shop(4) };
    ecs.lost = vec![(arn("deployment", 9), Some("MISSING"))];
    assert_eq!(numbers(&ecs, 3).await, [3]);
    ecs.lost = vec![(arn("deployment", 9), None)];
    assert!(unknown(&ecs, 3).await.contains("0009"));
}

#[tokio::test]
async fn a_recent_deployment_whose_revision_cannot_be_resolved_is_an_error() {
    let revision = arn("revision", 3);
    let (mut lost, mut bare) = (shop(4), shop(4));
    lost.lost = vec![(revision.clone(), Some("MISSING"))];
    bare.bare = vec![revision.clone()];
    for (mut ecs, says) in [(lost, "MISSING"), (bare, "no task definition")] {
        let why = unknown(&ecs, 2).await;
        assert!(why.contains("DescribeServiceRevisions") && why.contains(&revision) && why.contains(says), "{why}");
        assert_eq!(numbers(&ecs, 1_000).await, [0; 0], "old and over");
        ecs.status = Some("PENDING");
        unknown(&ecs, 1_000).await;
    }
}

#[tokio::test]
async fn a_check_through_a_test_listener_that_the_service_does_not_name_is_impossible() {
    let config = config();
    let check = config.engine.native().unwrap().check.clone().unwrap();
    let ecs = Ecs { balancers: json!([{ "targetGroupArn": "blue" }]), ..shop(1) };
    let (_endpoint, there) = clients(&ecs).await;
    let why = aws::check::impossible(&there, &config, &check).await.unwrap();
    assert!(why.unwrap().contains("names no testListenerRule"));
    // With a URL nothing is asked.
    let url = shared::config::HttpCheck { url: Some("https://test.example.com".to_owned()), ..check };
    assert_eq!(aws::check::impossible(&there, &config, &url).await.unwrap(), None);
}
