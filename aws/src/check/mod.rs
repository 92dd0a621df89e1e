//! The HTTP check of a native service: which listener leads to the new tasks, and requests to it.

mod conditions;

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{Listener, ProtocolEnum};
use serde_json::Value;
use shared::config::{HttpCheck, ServiceConfig};
use shared::hook::Tried;
use tokio::time::Instant;

use crate::clients::Clients;
use crate::errors::{During, Failure};
use crate::native;
use crate::web::Web;
use conditions::Conditions;

/// One request may take this long.
const ONE: Duration = Duration::from_secs(2);

/// A round of requests begins none after this.
const ROUND: Duration = Duration::from_secs(7);

/// Between two requests, so that a round is no burst.
const PAUSE: Duration = Duration::from_millis(200);

/// Where requests go, and how.
struct Way {
    web: Web,
    url: String,
    headers: Vec<(String, String)>,
}

/// Why there is no way.
enum NoWay {
    /// What was read says so: the reason, and what to change.
    Never(String),
    /// Something could not be read.
    Unread(Failure),
}

impl From<Failure> for NoWay {
    fn from(failure: Failure) -> NoWay {
        NoWay::Unread(failure)
    }
}

/// One round of the check: requests until `needed` of them were right, until the first wrong one, or until some seconds
/// are over. Never fails: what went wrong is a wrong answer.
pub async fn round(clients: &Clients, config: &ServiceConfig, check: &HttpCheck, needed: u32) -> Vec<Tried> {
    let began = Instant::now();
    let way = match way(clients, config, check).await {
        Ok(way) => way,
        Err(NoWay::Never(why)) => return vec![Tried::Never(why)],
        Err(NoWay::Unread(failure)) => return vec![Tried::Wrong(failure.to_string())],
    };
    let mut tries = Vec::new();
    while tries.len() < needed as usize && began.elapsed() < ROUND {
        if !tries.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        let tried = match way.web.get(&way.url, &way.headers, ONE).await {
            Ok(answer) => Tried::of(check, answer.status, &answer.body),
            Err(why) => Tried::Wrong(format!("{}: {why}", way.url)),
        };
        let right = tried == Tried::Right;
        tries.push(tried);
        if !right {
            break;
        }
    }
    tries
}

/// Why no request of the check can ever be right, and what to change; none where one can. Nothing is requested.
///
/// # Errors
/// What could not be read.
pub async fn impossible(
    clients: &Clients,
    config: &ServiceConfig,
    check: &HttpCheck,
) -> Result<Option<String>, Failure> {
    match way(clients, config, check).await {
        Ok(_) => Ok(None),
        Err(NoWay::Never(why)) => Ok(Some(why)),
        Err(NoWay::Unread(failure)) => Err(failure),
    }
}

async fn way(clients: &Clients, config: &ServiceConfig, check: &HttpCheck) -> Result<Way, NoWay> {
    if let Some(base) = &check.url {
        let url = format!("{base}{}", check.path);
        return Ok(Way { web: clients.web_to_listeners(None), url, headers: Vec::new() });
    }
    let never = |why: &str| NoWay::Never(format!("checks.http: {why}"));
    let Some(native) = config.engine.native() else { return Err(never("the service is not a native one")) };
    let service = native::document(&clients.ecs, &config.cluster, &native.service).await?;
    let service = service.ok_or_else(|| never("the ECS service does not exist"))?;
    let Some(rule) = test_rule(&service) else {
        return Err(never(
            "the service's load balancer names no testListenerRule; name one there, or write a URL for `listener`",
        ));
    };
    let (conditions, listener) = if rule.contains(":listener/") {
        (Conditions::default(), rule.to_owned())
    } else {
        let request = clients.elb.describe_rules().rule_arns(rule);
        let answer = request.send().await.during("elasticloadbalancing:DescribeRules")?;
        let found = answer.rules().first().ok_or_else(|| never("the test listener rule does not exist"))?;
        let conditions = Conditions::of(found.conditions(), &check.path);
        let conditions =
            conditions.map_err(|why| never(&format!("the test listener rule {why}; no plain GET fits")))?;
        (conditions, listener_of(rule).ok_or_else(|| never("the test listener rule has no ARN of one"))?)
    };
    let request = clients.elb.describe_listeners().listener_arns(&listener);
    let answer = request.send().await.during("elasticloadbalancing:DescribeListeners")?;
    let found = answer.listeners().first().ok_or_else(|| never("the test listener does not exist"))?;
    let balancer = found.load_balancer_arn().unwrap_or_default();
    let request = clients.elb.describe_load_balancers().load_balancer_arns(balancer);
    let answer = request.send().await.during("elasticloadbalancing:DescribeLoadBalancers")?;
    let name = answer.load_balancers().first().and_then(|balancer| balancer.dns_name());
    let name = name.ok_or_else(|| never("the test listener's load balancer has no DNS name"))?;
    let scheme = scheme(found).ok_or_else(|| never("the test listener speaks neither HTTP nor TCP"))?;
    let port = found.port().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let query = conditions.query;
    // TLS asks for the host by name, and the certificate is for that; plain HTTP only names it in a header.
    let (host, at) = match &conditions.host {
        Some(host) if scheme == "https" => (host.as_str(), Some(name.to_owned())),
        Some(_) | None => (name, None),
    };
    let mut headers = conditions.headers;
    headers.extend(conditions.host.iter().map(|host| ("host".to_owned(), host.clone())));
    let url = format!("{scheme}://{host}:{port}{}{query}", check.path);
    Ok(Way { web: clients.web_to_listeners(at), url, headers })
}

fn test_rule(service: &Value) -> Option<&str> {
    let balancers = service["loadBalancers"].as_array()?;
    balancers.iter().find_map(|balancer| balancer["advancedConfiguration"]["testListenerRule"].as_str())
}

/// The listener's ARN is in the rule's: `listener-rule/app/NAME/ID/LISTENER/RULE`.
fn listener_of(rule: &str) -> Option<String> {
    let (listener, _) = rule.rsplit_once('/')?;
    Some(listener.replacen(":listener-rule/", ":listener/", 1)).filter(|arn| arn != listener)
}

fn scheme(listener: &Listener) -> Option<&'static str> {
    match listener.protocol()? {
        ProtocolEnum::Http | ProtocolEnum::Tcp => Some("http"),
        ProtocolEnum::Https | ProtocolEnum::Tls => Some("https"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_listener_is_in_the_arn_of_its_rule() {
        let rule = "arn:aws:elasticloadbalancing:us-east-1:1:listener-rule/app/shop/b/l/r";
        let listener = "arn:aws:elasticloadbalancing:us-east-1:1:listener/app/shop/b/l";
        assert_eq!(listener_of(rule).as_deref(), Some(listener));
        assert_eq!(listener_of("listener/app/shop/b/l"), None);
    }

    #[test]
    fn the_test_rule_is_that_of_the_first_load_balancer_that_names_one() {
        let balancers = json!([{ "targetGroupArn": "a" }, { "advancedConfiguration": { "testListenerRule": "r" } }]);
        assert_eq!(test_rule(&json!({ "loadBalancers": balancers })), Some("r"));
        assert_eq!(test_rule(&json!({ "loadBalancers": [] })), None);
        assert_eq!(test_rule(&json!({})), None);
    }
}
