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
    let file: File = serde_saphyr::from_str(text).map_err(|error| syntax(&error, text))?;
    check::check(&file)
}

fn syntax(error: &serde_saphyr::Error, text: &str) -> ConfigError {
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
            bare(text, line, column, &message).unwrap_or(ConfigError::Syntax { line, column, message })
        }
        None => ConfigError::Syntax { line: 1, column: 1, message },
    }
}

/// Keys that have keys of their own, and how they are written.
const NESTED: [(&str, &str); 8] = [
    ("blueGreen", "blueGreen: { bake: 3m }"),
    ("canary", "canary: { steps: [ { weight: 10, bake: 3m } ], bake: 3m }"),
    ("linear", "linear: { by: 20, every: 2m, bake: 3m }"),
    ("rolling", "rolling: {}"),
    ("native", "native: { service: SERVICE }"),
    ("managed", "managed: { blue: SERVICE, green: SERVICE, routes: [ RULE ] }"),
    ("http", "http: { listener: test, path: /health }"),
    ("hooks", "hooks: { pause: [ PRE_PRODUCTION_TRAFFIC_SHIFT ] }"),
];

/// One of these that stands alone, or with a single value. The parser's place is behind it.
fn bare(text: &str, line: u64, column: u64, message: &str) -> Option<ConfigError> {
    if message != "expected mapping start" {
        return None;
    }
    let line_at = |line: u64| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?);
    let before: String =
        line_at(line).unwrap_or("").chars().take(usize::try_from(column).ok()?.checked_sub(1)?).collect();
    let earlier = |line: u64| Some((line, line_at(line)?.to_owned()));
    let filled = |(_, text): &(u64, String)| !text.trim().is_empty() && !text.trim_start().starts_with('#');
    let mut lines = std::iter::once((line, before)).chain((1..line).rev().filter_map(earlier));
    let (line, found) = lines.find(filled)?;
    let found = found.split(" #").next().unwrap_or("").trim_end().trim_end_matches(':');
    let start = found.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    let (name, how) = NESTED.iter().find(|(name, _)| *name == &found[start..])?;
    let column = u64::try_from(found[..start].chars().count()).ok()? + 1;
    let message = format!("`{name}` wants keys of its own: {how}");
    Some(ConfigError::Syntax { line, column, message })
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
