//! Real requests through a load balancer to real tasks.

mod common;

use common::{Shop, bare, call, client, get, until};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use local::Served;
use model::Service;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::time::Instant;

fn count(counts: &[Served], group: Option<&str>, class: u16) -> u64 {
    let of = counts.iter().filter(|line| line.target_group_arn.as_deref() == group && line.class == class);
    of.map(|line| line.requests).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_healthy_tasks_in_turn_and_are_counted() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 2).await;
    let mut tasks = BTreeMap::<String, u32>::new();
    for _ in 0..10 {
        let answer = get(&shop.url, &[]).await;
        assert_eq!((answer.status, answer.header("x-image-tag")), (200, "1.0.0"));
        assert!(answer.header("x-image-digest").starts_with("sha256:"));
        *tasks.entry(answer.header("x-task-id").to_owned()).or_default() += 1;
    }
    assert_eq!(tasks.values().copied().collect::<Vec<_>>(), [5, 5]);
    assert_eq!(count(&cloud.lb_counts(&shop.balancer), Some(&shop.blue), 2), 10);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_wants_gets_the_default_action() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 0).await;
    let answer = get(&shop.url.replace("/shop", "/elsewhere"), &[]).await;
    assert_eq!((answer.status, answer.text().as_str()), (404, "nothing here"));
    assert_eq!(answer.header("server"), "awselb/2.0");
    assert_eq!(count(&cloud.lb_counts(&shop.balancer), None, 4), 1);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_decide_and_a_group_with_weight_zero_gets_no_request() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 1).await;
    shop.serve(&cloud, "green", &shop.green, "2.0.0", "", 1).await;
    let tags = async |requests: u32| {
        let mut tags = BTreeMap::<String, u32>::new();
        for _ in 0..requests {
            *tags.entry(get(&shop.url, &[]).await.header("x-image-tag").to_owned()).or_default() += 1;
        }
        tags
    };
    assert_eq!(tags(20).await, BTreeMap::from([("1.0.0".to_owned(), 20)]));
    shop.weigh(&cloud, 90, 10);
    assert_eq!(tags(100).await, BTreeMap::from([("1.0.0".to_owned(), 90), ("2.0.0".to_owned(), 10)]));
    shop.weigh(&cloud, 0, 100);
    assert_eq!(tags(20).await, BTreeMap::from([("2.0.0".to_owned(), 20)]));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_group_with_weight_answers_503_itself() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 1).await;
    shop.weigh(&cloud, 0, 100);
    assert_eq!(get(&shop.url, &[]).await.status, 503);
    let counts = cloud.lb_counts(&shop.balancer);
    assert!(counts.iter().all(|line| line.elb_generated), "{counts:?}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_image_fails_exactly_its_share() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "5xx=30", 1).await;
    for _ in 0..100 {
        get(&shop.url, &[]).await;
    }
    let counts = cloud.lb_counts(&shop.balancer);
    assert_eq!((count(&counts, Some(&shop.blue), 2), count(&counts, Some(&shop.blue), 5)), (70, 30));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_turns_unhealthy_is_seen_by_real_health_checks() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "unhealthy after=4s", 1).await;
    assert_eq!(get(&shop.url, &[]).await.status, 200);
    until("the target turns unhealthy", || {
        let health = call(&cloud, Service::Elb, "DescribeTargetHealth", json!({"TargetGroupArn": shop.blue}));
        let states = health["TargetHealthDescriptions"].as_array().unwrap();
        states.iter().any(|target| target["TargetHealth"]["State"] != "healthy").then_some(())
    })
    .await;
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_a_service_is_replaced() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 2).await;
    let input = json!({"cluster": "c", "service": "blue", "forceNewDeployment": true});
    call(&cloud, Service::Ecs, "UpdateService", input);
    let client = client();
    let began = Instant::now();
    let mut tasks = BTreeMap::<String, u32>::new();
    loop {
        let request = Request::get(&shop.url).body(Full::new(Bytes::new())).unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 200, "after {:?}", began.elapsed());
        let task = response.headers()["x-task-id"].to_str().unwrap().to_owned();
        *tasks.entry(task).or_default() += 1;
        response.into_body().collect().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        assert!(began.elapsed().as_secs() < 20, "the deployment did not end");
        let described = call(&cloud, Service::Ecs, "DescribeServices", json!({"cluster": "c", "services": ["blue"]}));
        let deployments = described["services"][0]["deployments"].as_array().unwrap();
        if deployments.len() == 1 && deployments[0]["rolloutState"] == "COMPLETED" && tasks.len() >= 4 {
            break;
        }
    }
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_sees_who_asked() {
    let cloud = bare().await;
    let shop = Shop::open(&cloud, "", 0).await;
    // A target of our own: it answers with the request it got.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let head = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 4096];
            let length = stream.read(&mut bytes).await.unwrap();
            let head = String::from_utf8_lossy(&bytes[..length]).to_lowercase();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            if !head.contains("elb-healthchecker") {
                return head;
            }
        }
    });
    let input = json!({"TargetGroupArn": shop.blue, "Targets": [{"Id": "127.0.0.1", "Port": port}]});
    call(&cloud, Service::Elb, "RegisterTargets", input);
    until("the target is healthy", || {
        let health = call(&cloud, Service::Elb, "DescribeTargetHealth", json!({"TargetGroupArn": shop.blue}));
        (health["TargetHealthDescriptions"][0]["TargetHealth"]["State"] == "healthy").then_some(())
    })
    .await;
    get(&shop.url, &[("x-forwarded-for", "203.0.113.9"), ("connection", "keep-alive"), ("te", "trailers")]).await;
    let head = head.await.unwrap();
    assert!(head.starts_with("get /shop http/1.1"), "{head}");
    assert!(
        head.contains("x-forwarded-for: 203.0.113.9, 127.0.0.1") && head.contains("x-forwarded-proto: http"),
        "{head}"
    );
    assert!(!head.contains("te: trailers"), "{head}");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_falls_to_a_free_one_that_is_listed() {
    let cloud = bare().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = taken.local_addr().unwrap().port();
    let made = call(&cloud, Service::Elb, "CreateLoadBalancer", json!({"Name": "other", "Subnets": ["a", "b"]}));
    let fixed = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]);
    let input = json!({"LoadBalancerArn": made["LoadBalancers"][0]["LoadBalancerArn"], "Protocol": "HTTP", "Port": asked,
        "DefaultActions": fixed});
    let listener = call(&cloud, Service::Elb, "CreateListener", input)["Listeners"][0]["ListenerArn"].clone();
    let port = cloud.ports().into_iter().find(|port| json!(port.listener_arn) == listener).unwrap();
    assert_eq!(port.asked, asked);
    assert_ne!(port.real.port(), asked);
    assert_eq!(get(&format!("http://{}/", port.real), &[]).await.status, 200);
    call(&cloud, Service::Elb, "DeleteListener", json!({"ListenerArn": listener}));
    assert!(cloud.ports().is_empty());
    cloud.stop().await;
}
