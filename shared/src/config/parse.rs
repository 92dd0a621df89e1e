//! Reading the file: one clear error with line and key, and the nearest known key where one is unknown.

use super::{File, ServiceConfig, check};

/// What is wrong with the file, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not this kind of file.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong and what to do.
        message: String,
    },
    /// It reads, but does not make sense.
    #[error("{place}: {message}")]
    Meaning {
        /// The service and the key.
        place: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Reads and checks a whole file.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Vec<ServiceConfig>, ConfigError> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| syntax(&error))?;
    check::check(&file)
}

fn syntax(error: &serde_saphyr::Error) -> ConfigError {
    let at = error.location();
    let plain = error.without_snippet();
    let message = match plain {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => unknown_key(variant, expected),
        serde_saphyr::Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        other => other.to_string(),
    };
    match at {
        Some(at) => {
            let (line, column) = (at.line(), at.column());
            let message = message.trim_end_matches(&format!(" at line {line}, column {column}")).to_owned();
            ConfigError::Syntax { line, column, message }
        }
        None => ConfigError::Syntax { line: 1, column: 1, message },
    }
}

fn unknown_key(found: &str, expected: &[&'static str]) -> String {
    let nearest =
        expected.iter().max_by(|a, b| strsim::jaro_winkler(a, found).total_cmp(&strsim::jaro_winkler(b, found)));
    match nearest {
        Some(nearest) => {
            format!("unknown key `{found}`; did you mean `{nearest}`? Known here: {}", expected.join(", "))
        }
        None => format!("unknown key `{found}`"),
    }
}

/// The JSON Schema of the file, as text.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(File);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
