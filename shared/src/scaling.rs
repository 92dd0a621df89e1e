//! The scheduled check: can a service still scale?

use std::fmt;

use crate::ids::Colour;
use crate::observation::{Observation, Reading};
use crate::rollout::{Phase, Status};

/// What was found on one colour.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Finding {
    /// Nothing scales the live side.
    NoScalableTarget {
        /// Which colour.
        colour: Colour,
    },
    /// It can neither grow nor shrink.
    MinIsMax {
        /// Which colour.
        colour: Colour,
        /// Both bounds.
        bound: u32,
    },
    /// It cannot grow any more.
    AtMax {
        /// Which colour.
        colour: Colour,
        /// The highest count.
        max: u32,
    },
    /// The desired count lies outside the bounds.
    DesiredOutside {
        /// Which colour.
        colour: Colour,
        /// The desired count.
        desired: u32,
        /// The lowest count.
        min: u32,
        /// The highest count.
        max: u32,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoScalableTarget { colour } => {
                write!(f, "{colour} has no scalable target: it cannot scale; register one with Application Auto Scaling")
            }
            Finding::MinIsMax { colour, bound } => {
                write!(f, "{colour} has min = max = {bound}: it cannot scale; raise the maximum")
            }
            Finding::AtMax { colour, max } => {
                write!(f, "{colour} is at its maximum of {max} tasks: it cannot grow any more; raise the maximum")
            }
            Finding::DesiredOutside { colour, desired, min, max } => write!(
                f,
                "{colour} wants {desired} tasks, outside its bounds of {min} to {max}; scaling will move it there"
            ),
        }
    }
}

/// What is wrong with the live side's scaling. The idle side rests by design, and during a rollout Flipback itself
/// changes both: then nothing is found.
#[must_use]
pub fn check(status: &Status, live: Option<Colour>, seen: &Observation) -> Vec<Finding> {
    let in_motion = status.rollout.as_ref().is_some_and(|rollout| rollout.phase != Phase::Holding);
    let Some(colour) = live.filter(|_| !in_motion) else { return Vec::new() };
    let Some(reading) = seen.colours.get(&colour) else { return Vec::new() };
    let Some(Some(service)) = reading.service.known() else { return Vec::new() };
    match &reading.scaling {
        Reading::Unknown(_) => Vec::new(),
        Reading::Known(None) => vec![Finding::NoScalableTarget { colour }],
        Reading::Known(Some(target)) => {
            let desired = service.desired;
            let mut found = Vec::new();
            if target.min == target.max {
                found.push(Finding::MinIsMax { colour, bound: target.max });
            } else if desired == target.max {
                found.push(Finding::AtMax { colour, max: target.max });
            }
            if desired < target.min || desired > target.max {
                found.push(Finding::DesiredOutside { colour, desired, min: target.min, max: target.max });
            }
            found
        }
    }
}
