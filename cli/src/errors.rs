//! Errors as people need them: what, where, and what to do.

use aws::{Failure, Kind};
use serde_json::json;
use std::fmt;

/// An error of the command line's own: what is wrong, and what to do.
#[derive(Debug)]
struct Plain {
    what: String,
    todo: String,
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Plain {}

/// An error with what to do about it.
pub(crate) fn plain(what: impl Into<String>, todo: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Plain { what: what.into(), todo: todo.into() })
}

/// Where commands of this invocation happen.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The table's name.
    pub(crate) table: String,
    /// The region, where it was given or is in the environment.
    pub(crate) region: Option<String>,
    /// The profile, likewise.
    pub(crate) profile: Option<String>,
    /// `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: Option<String>,
}

/// An error, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    /// What is wrong, and where.
    pub(crate) what: String,
    /// What to do; none where nothing is known.
    pub(crate) todo: Option<String>,
}

/// Tells an error on stderr.
pub(crate) fn tell(error: &anyhow::Error, place: &Place, json: bool) {
    let Explained { what, todo } = explain(error, place);
    if json {
        crate::output::remark(&json!({"error": what, "todo": todo}).to_string());
        return;
    }
    crate::output::remark(&format!("error: {what}"));
    if let Some(todo) = todo {
        crate::output::remark(&format!("what to do: {todo}"));
    }
}

/// Explains an error.
pub(crate) fn explain(error: &anyhow::Error, place: &Place) -> Explained {
    let text = chain(error);
    if let Some(Plain { todo, .. }) = error.downcast_ref() {
        return Explained { what: text, todo: Some(todo.clone()) };
    }
    match todo(&text, place) {
        Some(todo) => {
            // The SDK lists every provider it has tried, a line each; the advice says what to do about that.
            let what = without_advice(&text).lines().next().unwrap_or_default();
            Explained { what: without_innards(what).trim_end_matches(" Attempted:").to_owned(), todo: Some(todo) }
        }
        None => Explained { what: text, todo: None },
    }
}

/// The error and its causes, each once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    text
}

/// The adapters append short advice for logs; where there is better advice here, theirs goes.
fn without_advice(text: &str) -> &str {
    let kinds = [Kind::Throttled, Kind::Denied, Kind::Credentials, Kind::NotFound, Kind::Timeout, Kind::Unreachable];
    let advice = kinds
        .into_iter()
        .filter_map(|kind| Failure { kind, call: String::new(), code: None, message: String::new() }.advice());
    advice.filter_map(|advice| text.strip_suffix(&format!(" ({advice})"))).next().unwrap_or(text)
}

/// Some of the SDK's errors print the whole request; what is wrong stands before that.
fn without_innards(text: &str) -> &str {
    [" to request `", "SdkBody", "Request {", "request: Request"]
        .into_iter()
        .filter_map(|innards| text.find(innards))
        .min()
        .map_or(text, |at| text[..at].trim_end_matches([' ', ':', '(', '{']))
}

/// What to do about what AWS or the SDK said. The SDK has no types for most of this, only words.
fn todo(text: &str, place: &Place) -> Option<String> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let profile = place.profile.as_deref();
    let who = profile
        .map_or_else(|| "the credentials in use".to_owned(), |name| format!("the credentials of profile {name}"));
    let here = place.region.as_ref().map_or_else(String::new, |region| format!(" in {region}"));
    if let Some(action) = denied_action(text) {
        return Some(format!(
            "allow the action {action} to {who} (aws sts get-caller-identity shows whose they are), or use others with --profile"
        ));
    }
    if has(&["Missing Region", "MissingRegion", "region must be set", "region is missing"]) {
        return Some("give --region, or set AWS_REGION, or a region in the AWS profile".to_owned());
    }
    if has(&["could not find profile", "profile was not defined", "ProfileFile", "no profile", "unknown profile"]) {
        return Some(format!(
            "profile {} is not in the AWS configuration; aws configure list-profiles shows which are",
            profile.unwrap_or("default")
        ));
    }
    if has(&["ExpiredToken", "token has expired", "token included in the request is expired", "session has expired"]) {
        return Some(format!("{who} have expired; sign in again (aws sso login) or renew them"));
    }
    if has(&[
        "CredentialsNotLoaded",
        "no providers in chain provided credentials",
        "no credentials found in chain",
        "error occurred while loading credentials",
        "failed to load credentials",
        "credentials provider was not enabled",
    ]) {
        return Some(match profile {
            Some(name) => format!("no credentials were found for profile {name}; aws configure list-profiles shows which profiles there are"),
            None => "no AWS credentials were found; give --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with aws sso login".to_owned(),
        });
    }
    if has(&[
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignature",
        "RequestTimeTooSkewed",
    ]) {
        return Some(format!("AWS does not take {who}: check key, secret and the clock of this machine"));
    }
    if text.contains("table ") && has(&["ResourceNotFoundException"]) {
        let Place { table, .. } = place;
        return Some(format!(
            "there is no table {table}{here}; check --stack or FLIPBACK_TABLE, and --region; or deploy template.yaml as stack {table}"
        ));
    }
    if has(&["QueueDoesNotExist", "NonExistentQueue"]) {
        return Some(format!(
            "check --stack and --region: there is no such queue{here}, and queues are named after the stack"
        ));
    }
    if has(&["ClusterNotFoundException"]) {
        return Some(format!("check --cluster and --region; aws ecs list-clusters shows what there is{here}"));
    }
    if has(&["endpoint must contain scheme", "failed to apply endpoint"]) {
        return Some(
            "an endpoint_url in the AWS configuration is not a URL: write it with its scheme, such as http://127.0.0.1:4566"
                .to_owned(),
        );
    }
    if has(&[
        "DispatchFailure",
        "dispatch failure",
        "dns error",
        "Connection refused",
        "error trying to connect",
        "no answer in time",
        "timed out",
    ]) {
        return Some(match &place.endpoint {
            Some(endpoint) => {
                format!(
                    "nothing answers at AWS_ENDPOINT_URL={endpoint}; is it running (flipback local up)? Without it, unset the variable"
                )
            }
            None => format!("AWS was not reached{here}: check the network, and that the region is spelled right"),
        });
    }
    if has(&["Throttling", "ThrottlingException", "Rate exceeded"]) {
        return Some("AWS limits the rate of requests; try again in a minute".to_owned());
    }
    None
}

/// The action in IAM's sentence `... is not authorized to perform: ecs:ListServices on resource: ...`.
fn denied_action(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("not authorized to perform: ")?;
    let action = after.split_whitespace().next()?;
    Some(action.trim_end_matches([',', '.', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ports::StoreError;

    fn place() -> Place {
        Place { table: "flipback".to_owned(), region: Some("eu-west-1".to_owned()), profile: None, endpoint: None }
    }

    fn told(text: &str, place: &Place) -> String {
        let Explained { what, todo } = explain(&StoreError::Unavailable(text.to_owned()).into(), place);
        format!("{what}\n=> {}", todo.unwrap_or_default())
    }

    #[test]
    fn what_aws_says_comes_with_what_to_do() {
        let local = Place { endpoint: Some("http://127.0.0.1:4566".to_owned()), ..place() };
        let named = Place { profile: Some("prod".to_owned()), ..place() };
        let all = [
            told(
                "table flipback: dynamodb:GetItem failed: AccessDeniedException: User: arn:aws:iam::1:user/a is not authorized to perform: dynamodb:GetItem on resource: t (add the permission to the role, or look for a policy that denies it)",
                &place(),
            ),
            told(
                "table flipback: dynamodb:GetItem failed: ResourceNotFoundException: Requested resource not found (check the name, the region and the account)",
                &place(),
            ),
            told(
                "table flipback: dynamodb:Query failed: dispatch failure: io error: error trying to connect: dns error (check the network, AWS_REGION, the credentials and, where one is set, AWS_ENDPOINT_URL)",
                &place(),
            ),
            told("table flipback: dynamodb:Query failed: dispatch failure: Connection refused", &local),
            told(
                "table flipback: dynamodb:Query failed: dispatch failure: no providers in chain provided credentials",
                &place(),
            ),
            told(
                "table flipback: dynamodb:Query failed: ExpiredTokenException: The security token included in the request is expired",
                &named,
            ),
            told(
                "sqs:GetQueueUrl failed: QueueDoesNotExist: queue flipback-work.fifo: The specified queue does not exist.",
                &place(),
            ),
            told("ecs:ListServices failed: ClusterNotFoundException: Cluster not found.", &place()),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }

    #[test]
    fn an_own_error_keeps_its_advice_under_a_context() {
        let explained = explain(&plain("no such thing", "make it").context("reading x"), &place());
        assert_eq!(
            explained,
            Explained { what: "reading x: no such thing".to_owned(), todo: Some("make it".to_owned()) }
        );
    }

    #[test]
    fn the_denied_action_is_named() {
        assert_eq!(
            denied_action("x is not authorized to perform: ecs:ListServices on resource: y"),
            Some("ecs:ListServices")
        );
        assert_eq!(denied_action("denied"), None);
    }
}
