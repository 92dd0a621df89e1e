//! The one place that says what an AWS error means: whether trying again can help, and what a person should do.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use shared::ports::{EffectError, StoreError};

/// What kind of failure a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AWS limits the rate of requests; nothing was done.
    Throttled,
    /// The role may not do this.
    Denied,
    /// The credentials themselves were not taken (expired, wrong, clock skew).
    Credentials,
    /// What was named does not exist.
    NotFound,
    /// Somebody else changes the same thing now.
    Conflict,
    /// No answer in time: a write may have taken effect.
    Timeout,
    /// The request never got an answer: no network, no such endpoint, no credentials.
    Unreachable,
    /// AWS's own error: a write may have taken effect.
    Server,
    /// AWS refused the request as it was written.
    Invalid,
    /// The answer could not be read: a write may have taken effect.
    Unreadable,
}

/// A failed AWS call, classified, with what AWS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// The call, as IAM names it (`ecs:UpdateService`).
    pub call: String,
    /// AWS's error code, where it gave one.
    pub code: Option<String>,
    /// AWS's message, or what happened on the way.
    pub message: String,
}

impl Failure {
    /// Classifies what the SDK says about one call.
    pub fn of<E>(call: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = error.meta().code().map(str::to_owned);
        let said = || error.meta().message().map_or_else(|| chain(error), str::to_owned);
        let (kind, message) = match error {
            SdkError::TimeoutError(_) => (Kind::Timeout, "no answer in time".to_owned()),
            SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => (Kind::Timeout, chain(error)),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => (Kind::Unreachable, chain(error)),
            SdkError::ResponseError(response) => {
                let kind = if response.raw().status().is_server_error() { Kind::Server } else { Kind::Unreadable };
                (kind, chain(error))
            }
            SdkError::ServiceError(service) => {
                let message = said();
                (kind_of(code.as_deref().unwrap_or(""), &message, service.raw().status().as_u16()), message)
            }
            _ => (Kind::Unreadable, chain(error)),
        };
        Failure { kind, call: call.to_owned(), code, message }
    }

    /// What a service said whose SDK is not linked.
    pub(crate) fn said(call: &str, code: &str, message: &str, status: u16) -> Failure {
        let kind = kind_of(code, message, status);
        let code = Some(code.to_owned()).filter(|code| !code.is_empty());
        let message = if message.is_empty() { format!("HTTP {status}") } else { message.to_owned() };
        Failure { kind, call: call.to_owned(), code, message }
    }

    /// A request that got no answer.
    pub(crate) fn unsent(call: &str, message: String) -> Failure {
        Failure { kind: Kind::Unreachable, call: call.to_owned(), code: None, message }
    }

    /// A failure that is no answer of AWS: what was read makes no sense.
    pub(crate) fn unreadable(call: &str, message: impl Into<String>) -> Failure {
        Failure { kind: Kind::Unreadable, call: call.to_owned(), code: None, message: message.into() }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn transient(&self) -> bool {
        match self.kind {
            Kind::Throttled
            | Kind::Credentials
            | Kind::Conflict
            | Kind::Timeout
            | Kind::Unreachable
            | Kind::Server
            | Kind::Unreadable => true,
            Kind::Denied | Kind::NotFound | Kind::Invalid => false,
        }
    }

    /// What a person can do about it, where there is something.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Throttled => Some("AWS limits the rate of requests in this account and region; it is tried again"),
            Kind::Denied => Some("add the permission to the role, or look for a policy that denies it"),
            Kind::Credentials => Some("check the credentials and the clock of the machine"),
            Kind::NotFound => Some("check the name, the region and the account"),
            Kind::Timeout => Some("a write may have taken effect"),
            Kind::Unreachable => {
                Some("check the network, AWS_REGION, the credentials and, where one is set, AWS_ENDPOINT_URL")
            }
            Kind::Conflict | Kind::Server | Kind::Invalid | Kind::Unreadable => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.call)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)?;
        match self.advice() {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

impl From<Failure> for EffectError {
    fn from(failure: Failure) -> EffectError {
        let text = failure.to_string();
        if failure.transient() { EffectError::Transient(text) } else { EffectError::Permanent(text) }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        StoreError::Unavailable(failure.to_string())
    }
}

/// Names the call a result belongs to, and classifies its error.
pub trait During<T> {
    /// `call` as IAM names it.
    ///
    /// # Errors
    /// The call's own, classified.
    fn during(self, call: &str) -> Result<T, Failure>;
}

impl<T, E> During<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    fn during(self, call: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::of(call, &error))
    }
}

/// AWS's codes by their meaning. The services spell the same thing in many ways, and ECS hides some of them in messages.
fn kind_of(code: &str, message: &str, status: u16) -> Kind {
    // ECS tells a race for the next revision number of a family as a ClientException, which else means "your fault".
    if code == "ClientException" && message.contains("Too many concurrent attempts") {
        return Kind::Throttled;
    }
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "ThrottlingError"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "ProvisionedThroughputExceeded"
        | "ProvisionedThroughputExceededException"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete" => Kind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "BlockedException" => Kind::Denied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "RequestTimeTooSkewed" => Kind::Credentials,
        "ConcurrentUpdateException"
        | "ConflictException"
        | "UpdateInProgressException"
        | "TransactionConflict"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ResourceInUse"
        | "ResourceInUseException" => Kind::Conflict,
        "ServiceNotActiveException" | "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue" => Kind::NotFound,
        _ if code.ends_with("NotFound") || code.ends_with("NotFoundException") => Kind::NotFound,
        _ if status == 429 => Kind::Throttled,
        _ if status >= 500 => Kind::Server,
        "ServerException"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "InternalServiceException" => Kind::Server,
        _ => Kind::Invalid,
    }
}

/// An error with its causes, outermost first; the SDK's outer messages alone say nothing.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    #[derive(Debug)]
    struct Said(ErrorMetadata);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("said")
        }
    }

    impl Error for Said {}

    impl ProvideErrorMetadata for Said {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    fn said(code: &str, message: &str, status: u16) -> Failure {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
        Failure::of("ecs:UpdateService", &SdkError::service_error(Said(meta), raw))
    }

    #[test]
    fn throttling_is_worth_another_try_whatever_it_is_called() {
        for code in ["Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"] {
            assert_eq!(said(code, "Rate exceeded", 400).kind, Kind::Throttled, "{code}");
        }
        assert!(matches!(said("Throttling", "Rate exceeded", 400).into(), EffectError::Transient(_)));
    }

    #[test]
    fn a_denial_names_the_missing_permission_and_is_final() {
        let message =
            "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecs:UpdateService on resource: y";
        let failure = said("AccessDeniedException", message, 400);
        assert!(failure.to_string().contains("not authorized to perform: ecs:UpdateService"), "{failure}");
        assert!(failure.to_string().contains("add the permission"), "{failure}");
        assert!(matches!(EffectError::from(failure), EffectError::Permanent(_)));
    }

    #[test]
    fn a_race_for_a_revision_number_is_not_taken_for_a_wrong_request() {
        let race = said(
            "ClientException",
            "Too many concurrent attempts to create a new revision of the specified family.",
            400,
        );
        assert!(race.transient());
        assert!(!said("ClientException", "No container named api", 400).transient());
    }

    #[test]
    fn what_is_missing_and_what_is_broken_are_told_apart() {
        assert_eq!(said("RuleNotFound", "", 400).kind, Kind::NotFound);
        assert_eq!(said("ServiceNotFoundException", "", 400).kind, Kind::NotFound);
        assert_eq!(said("SomethingNew", "", 503).kind, Kind::Server);
        assert_eq!(said("SomethingNew", "", 400).kind, Kind::Invalid);
    }

    #[test]
    fn a_timeout_says_that_the_write_may_have_taken_effect() {
        let failure = Failure::of::<Said>("ecs:UpdateService", &SdkError::timeout_error("slow"));
        assert!(failure.to_string().contains("may have taken effect"), "{failure}");
        assert!(failure.transient());
    }
}
