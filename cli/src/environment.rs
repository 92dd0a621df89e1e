//! The environment, read once and passed on.

/// What this program takes from its environment besides its arguments. The AWS SDK reads its own part by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub(crate) region: Option<String>,
    /// `AWS_PROFILE`.
    pub(crate) profile: Option<String>,
    /// `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: Option<String>,
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
        Environment {
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            profile: get("AWS_PROFILE"),
            endpoint: get("AWS_ENDPOINT_URL"),
            user: get("USER").or_else(|| get("LOGNAME")),
            margins: get("FLIPBACK_MARGINS"),
        }
    }
}
