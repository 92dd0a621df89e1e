//! The scheduled check: can a service still scale?

use std::collections::BTreeSet;
use std::fmt;

use crate::ids::{Colour, TargetGroupArn};
use crate::observation::{Observation, Reading};
use crate::rollout::{Phase, Status};
use crate::weights::{Sides, all_on_stable};

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
                write!(
                    f,
                    "{colour} has no scalable target: it cannot scale; register one with Application Auto Scaling"
                )
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

/// The colour that holds all weight on every route, if both services and every route were read and there is one.
#[must_use]
pub fn live(seen: &Observation) -> Option<Colour> {
    let groups = |colour: Colour| -> Option<BTreeSet<TargetGroupArn>> {
        let service = seen.colours.get(&colour)?.service.known()?.as_ref()?;
        Some(service.target_groups.iter().cloned().collect())
    };
    let routes: Option<Vec<_>> = seen.routes.values().map(Reading::known).collect();
    let routes = routes.filter(|routes| !routes.is_empty())?;
    Colour::BOTH.into_iter().find(|&colour| {
        groups(colour).zip(groups(colour.other())).is_some_and(|(stable, candidate)| {
            let sides = Sides { stable, candidate };
            routes.iter().all(|route| all_on_stable(&route.weights, &sides))
        })
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::Scene;
    use crate::observation::{ScalingReading, Suspended};

    fn findings(scaling: Option<(u32, u32)>) -> Vec<Finding> {
        let mut scene = Scene::new();
        let reading = scaling.map(|(min, max)| ScalingReading { min, max, suspended: Suspended::default() });
        for colour in scene.seen.colours.values_mut() {
            colour.scaling = Reading::Known(reading);
        }
        check(&scene.status, live(&scene.seen), &scene.seen)
    }

    #[test]
    fn each_of_the_four_findings_is_found_on_the_live_side_only() {
        let colour = Colour::Blue;
        assert_eq!(findings(None), [Finding::NoScalableTarget { colour }]);
        assert_eq!(findings(Some((2, 2))), [Finding::MinIsMax { colour, bound: 2 }]);
        assert_eq!(findings(Some((1, 2))), [Finding::AtMax { colour, max: 2 }]);
        assert_eq!(findings(Some((3, 8))), [Finding::DesiredOutside { colour, desired: 2, min: 3, max: 8 }]);
        assert_eq!(findings(Some((1, 8))), []);
    }

    #[test]
    fn nothing_is_found_while_a_rollout_changes_both_sides() {
        let scene = Scene::pushed_until("baking");
        assert_eq!(check(&scene.status, Some(Colour::Blue), &scene.seen), []);
    }
}
