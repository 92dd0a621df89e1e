//! The raw answer under a rule: the SDK drops elements it does not know, and a rule written back without them is another
//! rule. So every element name below the actions must be one that this release copies.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;

/// What is known below an action: parent and child. `entry`, `key` and `value` are the parameters of a login.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "member",
        &[
            "Type",
            "Order",
            "TargetGroupArn",
            "ForwardConfig",
            "AuthenticateOidcConfig",
            "AuthenticateCognitoConfig",
            "JwtValidationConfig",
            "RedirectConfig",
            "FixedResponseConfig",
        ],
    ),
    ("ForwardConfig", &["TargetGroups", "TargetGroupStickinessConfig"]),
    ("TargetGroupStickinessConfig", &["Enabled", "DurationSeconds"]),
    (
        "AuthenticateOidcConfig",
        &[
            "Issuer",
            "AuthorizationEndpoint",
            "TokenEndpoint",
            "UserInfoEndpoint",
            "ClientId",
            "SessionCookieName",
            "Scope",
            "SessionTimeout",
            "AuthenticationRequestExtraParams",
            "OnUnauthenticatedRequest",
            "UseExistingClientSecret",
        ],
    ),
    (
        "AuthenticateCognitoConfig",
        &[
            "UserPoolArn",
            "UserPoolClientId",
            "UserPoolDomain",
            "SessionCookieName",
            "Scope",
            "SessionTimeout",
            "AuthenticationRequestExtraParams",
            "OnUnauthenticatedRequest",
        ],
    ),
    ("AuthenticationRequestExtraParams", &["entry"]),
    ("entry", &["key", "value"]),
    ("JwtValidationConfig", &["JwksEndpoint", "Issuer", "AdditionalClaims"]),
    ("RedirectConfig", &["Protocol", "Port", "Host", "Path", "Query", "StatusCode"]),
    ("FixedResponseConfig", &["MessageBody", "StatusCode", "ContentType"]),
];

/// The lists whose `member` is not an action, and what such a member holds; empty: only text.
const LISTS: &[(&str, &[&str])] = &[
    ("TargetGroups", &["TargetGroupArn", "Weight"]),
    ("AdditionalClaims", &["Format", "Name", "Values"]),
    ("Values", &[]),
];

/// The names of unknown elements in the actions of every rule or listener in an answer, by ARN. A rule that is not in
/// the map has none.
///
/// # Errors
/// The answer is no XML.
pub(super) fn unknown_elements(xml: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut reader = Reader::from_reader(xml);
    let (mut path, mut found): (Vec<String>, BTreeMap<String, Vec<String>>) = (Vec::new(), BTreeMap::new());
    let (mut arn, mut unknown): (String, Vec<String>) = (String::new(), Vec::new());
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer).map_err(|error| format!("the answer is no XML: {error}"))? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                unknown.extend(stranger(&path));
            }
            Event::Empty(empty) => {
                path.push(empty.local_name().as_ref().to_owned());
                unknown.extend(stranger(&path));
                path.pop();
            }
            Event::Text(text) if is_arn(&path) => arn.push_str(text.trim()),
            Event::End(_) => {
                if is_item(&path) {
                    let (arn, unknown) = (std::mem::take(&mut arn), std::mem::take(&mut unknown));
                    if !unknown.is_empty() {
                        found.insert(arn, unknown);
                    }
                }
                path.pop();
            }
            Event::Eof => return Ok(found),
            _ => {}
        }
        buffer.clear();
    }
}

/// Depth of a rule or listener: answer, result, list, member.
const ITEM: usize = 4;

fn is_item(path: &[String]) -> bool {
    path.len() == ITEM && matches!(path[ITEM - 2].as_str(), "Rules" | "Listeners")
}

fn is_arn(path: &[String]) -> bool {
    path.len() == ITEM + 1 && is_item(&path[..ITEM]) && matches!(path[ITEM].as_str(), "RuleArn" | "ListenerArn")
}

/// The element at the end of the path, if it stands below an action and is not known there.
fn stranger(path: &[String]) -> Option<String> {
    let inside =
        path.len() > ITEM + 1 && is_item(&path[..ITEM]) && matches!(path[ITEM].as_str(), "Actions" | "DefaultActions");
    if !inside {
        return None;
    }
    let below = &path[ITEM + 1..];
    let name = below.last()?.as_str();
    let parent = below.len().checked_sub(2).map(|at| below[at].as_str());
    let grandparent = below.len().checked_sub(3).map(|at| below[at].as_str());
    let children = |table: &'static [(&str, &[&str])], of: &str| {
        table.iter().find(|(parent, _)| *parent == of).map(|(_, children)| *children)
    };
    let known = match (grandparent, parent) {
        (_, None) => name == "member",
        // A member of a list below an action, and the list itself.
        (_, Some(list)) if children(LISTS, list).is_some() => name == "member",
        (Some(list), Some("member")) if children(LISTS, list).is_some() => {
            children(LISTS, list).is_some_and(|known| known.contains(&name))
        }
        (_, Some(parent)) => children(KNOWN, parent).is_some_and(|known| known.contains(&name)),
    };
    if known { None } else { Some(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(actions: &str) -> Vec<u8> {
        format!(
            "<DescribeRulesResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\
             <DescribeRulesResult><Rules>\n <member><RuleArn>arn:r1</RuleArn><Priority>10</Priority>\
             <Conditions><member><Field>path-pattern</Field><NewThing>x</NewThing></member></Conditions>\
             <Actions>{actions}</Actions></member></Rules></DescribeRulesResult></DescribeRulesResponse>"
        )
        .into_bytes()
    }

    const FORWARD: &str = "<member><Type>forward</Type><Order>2</Order><TargetGroupArn>arn:b</TargetGroupArn><ForwardConfig>\
        <TargetGroups><member><TargetGroupArn>arn:b</TargetGroupArn><Weight>90</Weight></member></TargetGroups>\
        <TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig></ForwardConfig></member>";

    #[test]
    fn what_this_release_copies_is_known_and_conditions_are_not_looked_at() {
        let login = "<member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig><Issuer>i</Issuer>\
            <AuthenticationRequestExtraParams><entry><key>k</key><value>v</value></entry></AuthenticationRequestExtraParams>\
            </AuthenticateOidcConfig></member>";
        let token = "<member><Type>jwt-validation</Type><JwtValidationConfig><Issuer>i</Issuer><AdditionalClaims><member>\
            <Format>single-string</Format><Name>n</Name><Values><member>v</member></Values></member></AdditionalClaims>\
            </JwtValidationConfig></member>";
        assert_eq!(unknown_elements(&rule(&format!("{login}{token}{FORWARD}"))), Ok(BTreeMap::new()));
    }

    #[test]
    fn an_element_newer_than_this_release_is_named_wherever_it_stands() {
        for (place, with) in [
            ("</Weight>", "</Weight><Sparkle>1</Sparkle>"),
            ("</TargetGroups>", "</TargetGroups><Sparkle/>"),
            ("<Order>2</Order>", "<Order>2</Order><Sparkle><Deep>1</Deep></Sparkle>"),
        ] {
            let found = unknown_elements(&rule(&FORWARD.replace(place, with))).unwrap();
            assert_eq!(found["arn:r1"][0], "Sparkle", "{with}");
        }
    }

    #[test]
    fn a_listener_is_read_like_a_rule() {
        let xml = String::from_utf8(rule(&FORWARD.replace("</Weight>", "</Weight><Sparkle>1</Sparkle>"))).unwrap();
        let xml = xml
            .replace("Rules>", "Listeners>")
            .replace("RuleArn", "ListenerArn")
            .replace("Actions>", "DefaultActions>");
        assert!(unknown_elements(xml.as_bytes()).unwrap().contains_key("arn:r1"));
    }
}
