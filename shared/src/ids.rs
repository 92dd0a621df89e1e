//! Names that must not be mixed up, each its own type.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a service in Flipback's configuration; unique in one installation.
    ServiceName
);
name!(
    /// One rollout, unique in one installation: the service's name and a running number (`shop-api-17`).
    RolloutId
);
name!(
    /// An image digest, `sha256:` and 64 hexadecimal digits.
    Digest
);
name!(
    /// A production route: the ARN of a listener rule, or of a listener whose default action is meant.
    RouteArn
);
name!(
    /// The ARN of an ALB target group.
    TargetGroupArn
);
name!(
    /// The ARN of a task definition revision.
    RevisionArn
);
name!(
    /// The name of a CloudWatch alarm.
    AlarmName
);
name!(
    /// One entry of a service's inbox; the same wish told twice has the same id.
    IntentId
);

impl RouteArn {
    /// Whether this is a listener (its default action) rather than a listener rule.
    #[must_use]
    pub fn is_listener(&self) -> bool {
        self.0.contains(":listener/")
    }
}

impl Digest {
    /// The first twelve hexadecimal digits: enough to tell images apart in a sentence.
    #[must_use]
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        hex.get(..12).unwrap_or(hex)
    }
}

impl TargetGroupArn {
    /// The target group's name, the part of the ARN that people use.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or(&self.0)
    }
}

impl RevisionArn {
    /// `family:revision`, the part of the ARN that people use.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The family of the task definition.
    #[must_use]
    pub fn family(&self) -> &str {
        self.short().rsplit_once(':').map_or(self.short(), |(family, _)| family)
    }
}

/// One of the two slots of a service under the managed engine. Which of them is live is observed, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// The first slot.
    Blue,
    /// The second slot.
    Green,
}

impl Colour {
    /// Both slots, blue first.
    pub const BOTH: [Colour; 2] = [Colour::Blue, Colour::Green];

    /// The other slot.
    #[must_use]
    pub fn other(self) -> Colour {
        match self {
            Colour::Blue => Colour::Green,
            Colour::Green => Colour::Blue,
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Colour::Blue => "blue",
            Colour::Green => "green",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_arn_is_shortened_to_family_and_number() {
        let arn = RevisionArn::from("arn:aws:ecs:eu-west-1:123456789012:task-definition/shop-api:42");
        assert_eq!((arn.short(), arn.family()), ("shop-api:42", "shop-api"));
    }

    #[test]
    fn a_listener_is_told_from_a_rule() {
        assert!(RouteArn::from("arn:aws:elasticloadbalancing:r:1:listener/app/a/b/c").is_listener());
        assert!(!RouteArn::from("arn:aws:elasticloadbalancing:r:1:listener-rule/app/a/b/c/d").is_listener());
    }
}
