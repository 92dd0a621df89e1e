//! Actions of rules and listeners: checked as AWS checks them, kept as documents, compiled for routing.

use serde_json::{Map, Value, json};

use super::{Elb, validation};
use crate::input::{as_bool, as_u64};
use crate::{AwsError, Beliefs, RequestHead};

/// An action before the last one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Gate {
    /// authenticate-oidc and authenticate-cognito: passes with the session cookie.
    Authenticate { cookie: String, otherwise: Unauthenticated },
    /// jwt-validation: passes with a bearer token, which is not verified here.
    Jwt,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unauthenticated {
    Deny,
    Allow,
    To(String),
}

/// The action that ends a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Last {
    Forward { groups: Vec<(String, u32)>, sticky: Option<u64> },
    Fixed { status: u16, content_type: String, body: String },
    Redirect { status: u16, protocol: String, host: String, port: String, path: String, query: String },
}

impl Default for Last {
    fn default() -> Last {
        Last::Forward { groups: Vec::new(), sticky: None }
    }
}

impl Last {
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        let groups = match self {
            Last::Forward { groups, .. } => groups.as_slice(),
            Last::Fixed { .. } | Last::Redirect { .. } => &[],
        };
        groups.iter().map(|(arn, _)| arn.as_str())
    }

    pub(super) fn weight_of(&self, group: &str) -> u32 {
        match self {
            Last::Forward { groups, .. } => {
                groups.iter().filter(|(arn, _)| arn == group).map(|(_, weight)| weight).sum()
            }
            Last::Fixed { .. } | Last::Redirect { .. } => 0,
        }
    }
}

impl Gate {
    pub(super) fn passes(&self, head: &RequestHead<'_>) -> bool {
        let header = |name: &str| head.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        match self {
            Gate::Authenticate { cookie, otherwise } => {
                *otherwise == Unauthenticated::Allow
                    || header("cookie").is_some_and(|(_, value)| value.contains(cookie))
            }
            Gate::Jwt => header("authorization").is_some_and(|(_, value)| value.starts_with("Bearer ")),
        }
    }
}

/// Actions as they are kept, and whether a client secret lies with them.
pub(super) struct Checked {
    pub(super) actions: Vec<Value>,
    pub(super) gates: Vec<Gate>,
    pub(super) last: Last,
    pub(super) secret: bool,
}

fn refused(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidLoadBalancerAction", message)
}

fn config<'a>(action: &'a Value, name: &str) -> Result<&'a Map<String, Value>, AwsError> {
    action[name].as_object().ok_or_else(|| refused(format!("An action of this type must contain {name}")))
}

fn text(config: &Map<String, Value>, name: &str, default: &str) -> String {
    config.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
}

/// The numbers and booleans of a config as such, whatever the wire sent.
fn typed(config: &mut Map<String, Value>) {
    for (name, value) in config.iter_mut() {
        let coerced = match name.as_str() {
            "SessionTimeout" => as_u64(value).map(Value::from),
            "UseExistingClientSecret" => as_bool(value).map(Value::from),
            _ => None,
        };
        if let Some(coerced) = coerced {
            *value = coerced;
        }
    }
}

fn gate(kind: &str, action: &mut Map<String, Value>, kept_secret: bool) -> Result<(Gate, bool), AwsError> {
    let name = match kind {
        "authenticate-oidc" => "AuthenticateOidcConfig",
        "authenticate-cognito" => "AuthenticateCognitoConfig",
        _ => "JwtValidationConfig",
    };
    let Some(config) = action.get_mut(name).and_then(Value::as_object_mut) else {
        return Err(refused(format!("An action of type {kind} must contain {name}")));
    };
    typed(config);
    let needed: &[&str] = match kind {
        "authenticate-oidc" => &["Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "ClientId"],
        "authenticate-cognito" => &["UserPoolArn", "UserPoolClientId", "UserPoolDomain"],
        _ => &["JwksEndpoint", "Issuer"],
    };
    if let Some(missing) = needed.iter().find(|member| !config.get(**member).is_some_and(Value::is_string)) {
        return Err(refused(format!("{name} must contain {missing}")));
    }
    if kind == "jwt-validation" {
        return Ok((Gate::Jwt, false));
    }
    let mut secret = false;
    if kind == "authenticate-oidc" {
        // The secret is never shown again; a writer says that it shall stay.
        let given = config.remove("ClientSecret").is_some();
        let existing = config.remove("UseExistingClientSecret") == Some(Value::Bool(true));
        if given && existing {
            return Err(refused("Specify either ClientSecret or UseExistingClientSecret"));
        }
        if !(given || existing && kept_secret) {
            return Err(refused("An action of type authenticate-oidc must contain a client secret"));
        }
        secret = true;
    }
    for (member, default) in [
        ("SessionCookieName", json!("AWSELBAuthSessionCookie")),
        ("Scope", json!("openid")),
        ("SessionTimeout", json!(604_800)),
        ("OnUnauthenticatedRequest", json!("authenticate")),
    ] {
        config.entry(member).or_insert(default);
    }
    let otherwise = match config["OnUnauthenticatedRequest"].as_str() {
        Some("deny") => Unauthenticated::Deny,
        Some("allow") => Unauthenticated::Allow,
        Some(_) | None => Unauthenticated::To(match kind {
            "authenticate-oidc" => text(config, "AuthorizationEndpoint", ""),
            _ => format!("https://{}/oauth2/authorize", text(config, "UserPoolDomain", "")),
        }),
    };
    Ok((Gate::Authenticate { cookie: text(config, "SessionCookieName", ""), otherwise }, secret))
}

/// A forward action, completed as AWS shows it.
fn forward(elb: &Elb, action: &mut Map<String, Value>, balancer: &str, beliefs: &Beliefs) -> Result<Last, AwsError> {
    let shorthand = action.get("TargetGroupArn").and_then(Value::as_str).map(str::to_owned);
    let mut groups: Vec<(String, u32)> = Vec::new();
    let given = action.get("ForwardConfig").and_then(|config| config["TargetGroups"].as_array()).cloned();
    for tuple in given.unwrap_or_default() {
        let arn = tuple["TargetGroupArn"].as_str().ok_or_else(|| validation("A target group tuple needs its ARN"))?;
        let weight = match &tuple["Weight"] {
            Value::Null => u64::from(beliefs.missing_weight_means_one),
            value => as_u64(value)
                .filter(|weight| *weight <= 999)
                .ok_or_else(|| validation(format!("Weight '{value}' must be an integer between 0 and 999")))?,
        };
        groups.push((arn.to_owned(), weight as u32));
    }
    match shorthand {
        Some(arn) if groups.is_empty() => groups.push((arn, 1)),
        Some(arn) if groups.len() == 1 && groups[0].0 == arn => {}
        None if groups.len() == 1 && !beliefs.forward_config_alone_is_accepted => {
            return Err(validation("A forward to one target group must name it as TargetGroupArn"));
        }
        Some(_) => {
            return Err(validation("TargetGroupArn and ForwardConfig may only be given together for one target group"));
        }
        None => {}
    }
    if groups.is_empty() {
        return Err(refused("A forward action must name a target group"));
    }
    if groups.len() > 5 {
        return Err(AwsError::new("TooManyTargetGroups", "A forward action can have at most 5 target groups"));
    }
    for (place, (arn, _)) in groups.iter().enumerate() {
        if groups[..place].iter().any(|(earlier, _)| earlier == arn) {
            return Err(validation(format!("Target group '{arn}' is named twice")));
        }
        if !elb.target_groups.contains_key(arn) {
            return Err(AwsError::new("TargetGroupNotFound", format!("Target groups '{arn}' not found")));
        }
        if elb.used.get(arn).is_some_and(|used| used.iter().any(|other| other != balancer)) {
            return Err(AwsError::new(
                "TargetGroupAssociationLimit",
                format!("The following target groups cannot be associated with more than one load balancer: {arn}"),
            ));
        }
    }
    let sticky = action.get("ForwardConfig").map(|config| config["TargetGroupStickinessConfig"].clone());
    let sticky = sticky.unwrap_or_default();
    let enabled = as_bool(&sticky["Enabled"]).unwrap_or(false);
    let duration = as_u64(&sticky["DurationSeconds"]);
    if enabled && !duration.is_some_and(|seconds| (1..=604_800).contains(&seconds)) {
        return Err(validation("DurationSeconds must be between 1 and 604800 when stickiness is enabled"));
    }
    let mut shown = json!({ "Enabled": enabled });
    if let Some(seconds) = duration {
        shown["DurationSeconds"] = json!(seconds);
    }
    let tuples: Vec<Value> =
        groups.iter().map(|(arn, weight)| json!({ "TargetGroupArn": arn, "Weight": weight })).collect();
    if beliefs.single_target_group_is_echoed && groups.len() == 1 {
        action.insert("TargetGroupArn".into(), json!(groups[0].0));
    }
    action.insert("ForwardConfig".into(), json!({ "TargetGroups": tuples, "TargetGroupStickinessConfig": shown }));
    Ok(Last::Forward { groups, sticky: duration.filter(|_| enabled) })
}

fn redirect(action: &Value) -> Result<Last, AwsError> {
    let config = config(action, "RedirectConfig")?;
    let status = match config.get("StatusCode").and_then(Value::as_str) {
        Some("HTTP_301") => 301,
        Some("HTTP_302") => 302,
        Some(_) | None => return Err(validation("StatusCode must be HTTP_301 or HTTP_302")),
    };
    Ok(Last::Redirect {
        status,
        protocol: text(config, "Protocol", "#{protocol}"),
        host: text(config, "Host", "#{host}"),
        port: text(config, "Port", "#{port}"),
        path: text(config, "Path", "/#{path}"),
        query: text(config, "Query", "#{query}"),
    })
}

fn fixed(action: &Value) -> Result<Last, AwsError> {
    let config = config(action, "FixedResponseConfig")?;
    let status = config.get("StatusCode").and_then(as_u64).filter(|code| matches!(code, 200..=299 | 400..=599));
    let content_type = text(config, "ContentType", "text/plain");
    if !["text/plain", "text/css", "text/html", "application/javascript", "application/json"]
        .contains(&content_type.as_str())
    {
        return Err(refused(format!("The content type '{content_type}' is not one that a fixed response can have")));
    }
    Ok(Last::Fixed {
        status: status.ok_or_else(|| validation("StatusCode must be 2XX, 4XX or 5XX"))? as u16,
        content_type,
        body: text(config, "MessageBody", ""),
    })
}

impl Elb {
    /// Checks the actions of a rule or listener of `balancer` and brings them into the form that is shown.
    pub(super) fn check_actions(
        &self,
        given: &[Value],
        balancer: &str,
        secure: bool,
        had_secret: bool,
        beliefs: &Beliefs,
    ) -> Result<Checked, AwsError> {
        let mut actions: Vec<Map<String, Value>> = Vec::new();
        for action in given {
            let mut action = action.as_object().cloned().ok_or_else(|| validation("An action must be a structure"))?;
            if let Some(order) = action.get("Order").filter(|order| !order.is_null()) {
                let order = as_u64(order).filter(|order| (1..=50_000).contains(order));
                let order = order.ok_or_else(|| validation("Order must be between 1 and 50000"))?;
                action.insert("Order".into(), json!(order));
            }
            actions.push(action);
        }
        if actions.is_empty() {
            return Err(validation("At least one action must be specified"));
        }
        let order = |action: &Map<String, Value>| action.get("Order").and_then(Value::as_u64);
        if actions.len() > 1 {
            let orders: std::collections::BTreeSet<_> = actions.iter().filter_map(order).collect();
            if orders.len() != actions.len() {
                return Err(refused("Every action needs an Order of its own when there is more than one"));
            }
            actions.sort_by_key(order);
        }
        let (mut gates, mut last, mut secret) = (Vec::new(), None, false);
        let count = actions.len();
        for (place, action) in actions.iter_mut().enumerate() {
            let kind = action.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
            let final_place = place + 1 == count;
            match kind.as_str() {
                "forward" | "redirect" | "fixed-response" if !final_place => {
                    return Err(refused(format!("An action of type {kind} must be the last one")));
                }
                "forward" => last = Some(forward(self, action, balancer, beliefs)?),
                "redirect" => last = Some(redirect(&Value::Object(action.clone()))?),
                "fixed-response" => last = Some(fixed(&Value::Object(action.clone()))?),
                "authenticate-oidc" | "authenticate-cognito" | "jwt-validation" => {
                    if final_place {
                        return Err(refused("The last action must be forward, redirect or fixed-response"));
                    }
                    if !secure {
                        return Err(refused(format!("Actions of type {kind} are only supported on HTTPS listeners")));
                    }
                    let kept = had_secret && beliefs.existing_client_secret_is_kept;
                    let (gate, with_secret) = gate(&kind, action, kept)?;
                    gates.push(gate);
                    secret |= with_secret;
                }
                other => return Err(validation(format!("Action type '{other}' is not valid"))),
            }
        }
        Ok(Checked {
            actions: actions.into_iter().map(Value::Object).collect(),
            gates,
            last: last.ok_or_else(|| refused("The last action must be forward, redirect or fixed-response"))?,
            secret,
        })
    }
}
