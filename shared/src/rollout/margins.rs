//! The pace of an installation.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Margins of one installation. The defaults are AWS's pace; the local cloud uses shorter ones so that a story takes
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Margins {
    /// A forward write is not sent later than this after its decision. Shorter than every function's timeout.
    pub forward: Span,
    /// A write that was sent has taken effect, and is visible to reads, after this at the latest.
    pub effect_lifetime: Span,
    /// Between the first read of weight 0 and any shrinking of that side (design: 60 s).
    pub drain: Span,
    /// Between looks while something is in motion.
    pub look: Span,
    /// A reading that would make Flipback act against the world must be seen again after this.
    pub confirm: Span,
    /// How long ECS may take to replace a lost task of the candidate before that counts as an ailment.
    pub replace: Span,
    /// The period of ALB metrics (60 s on AWS).
    pub metric_period: Span,
    /// After this CloudWatch has a period's datapoints (up to 2 minutes on AWS).
    pub metric_delay: Span,
    /// Between looks at a settled service.
    pub settled_look: Span,
}

impl Default for Margins {
    fn default() -> Self {
        Margins {
            forward: Span::secs(10),
            effect_lifetime: Span::secs(30),
            drain: Span::secs(60),
            look: Span::secs(15),
            confirm: Span::secs(10),
            replace: Span::secs(120),
            metric_period: Span::secs(60),
            metric_delay: Span::secs(120),
            settled_look: Span::mins(15),
        }
    }
}

impl Margins {
    /// The margins of the local cloud: the same rules, a faster world.
    #[must_use]
    pub fn quick() -> Margins {
        Margins {
            forward: Span::secs(5),
            effect_lifetime: Span::secs(2),
            drain: Span::secs(3),
            look: Span::secs(1),
            confirm: Span::secs(1),
            replace: Span::secs(10),
            metric_period: Span::secs(10),
            metric_delay: Span::secs(2),
            settled_look: Span::secs(30),
        }
    }
}
