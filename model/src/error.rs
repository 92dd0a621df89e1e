//! What a refused call answers.

use std::fmt;

/// An error as an AWS service answers it: code, message, HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The error code in the service's own spelling, such as `ServiceNotFoundException` or `RuleNotFound`.
    pub code: String,
    /// The sentence beside it.
    pub message: String,
    /// 400 means the sender is at fault, 5xx the receiver.
    pub status: u16,
}

impl AwsError {
    /// A sender error (HTTP 400).
    pub fn new(code: &str, message: impl Into<String>) -> AwsError {
        AwsError { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// A receiver error (HTTP 500).
    pub fn server(code: &str, message: impl Into<String>) -> AwsError {
        AwsError { status: 500, ..AwsError::new(code, message) }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

/// The answer of one operation.
pub(crate) type Answer = Result<serde_json::Value, AwsError>;
