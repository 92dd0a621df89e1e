//! The environment, read once and passed on.

use std::collections::BTreeMap;

/// What this program takes from its environment besides its arguments. The AWS SDK reads its own part by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub(crate) region: Option<String>,
    /// `AWS_PROFILE`.
    pub(crate) profile: Option<String>,
    /// `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_SERVICE` as they are set, empty ones too.
    pub(crate) endpoints: BTreeMap<String, String>,
    /// `USER`, or `LOGNAME`.
    pub(crate) user: Option<String>,
    /// `FLIPBACK_MARGINS`, for the functions of a local cloud.
    pub(crate) margins: Option<String>,
}

impl Environment {
    /// The environment of this process; an empty variable is none.
    pub(crate) fn read() -> Environment {
        #[allow(clippy::disallowed_methods, reason = "this is the edge")]
        let get = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoints = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("AWS_ENDPOINT_URL"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Environment {
            endpoints: endpoints.collect(),
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            profile: get("AWS_PROFILE"),
            endpoint: get("AWS_ENDPOINT_URL"),
            user: get("USER").or_else(|| get("LOGNAME")),
            margins: get("FLIPBACK_MARGINS"),
        }
    }
}
