//! Strategies: each is a list of steps, and the last step is 100 %.
//!
//! A new strategy is a variant of [`StrategyTyped`] and one arm in [`steps`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::StrategyTyped;
use crate::time::Span;

/// A share of the traffic in tenths of a percent, written as a number of percent (`10`, `2.5`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const ALL: Share = Share(1_000);

    /// In tenths of a percent.
    #[must_use]
    pub fn tenths(self) -> u16 {
        self.0
    }

    /// In percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// In whole percent, rounded up: a tenth of a percent is not nothing.
    #[must_use]
    pub fn ceil(self) -> u8 {
        u8::try_from(self.0.div_ceil(10)).unwrap_or(100)
    }

    /// In percent, where it is a whole number of them.
    #[must_use]
    pub fn whole(self) -> Option<u8> {
        if self.0.is_multiple_of(10) { u8::try_from(self.0 / 10).ok() } else { None }
    }
}

impl From<u8> for Share {
    fn from(percent: u8) -> Share {
        Share(u16::from(percent) * 10)
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(percent: f64) -> Result<Share, String> {
        let tenths = percent * 10.0;
        if !(0.0..=10_000.0).contains(&tenths) || (tenths - tenths.round()).abs() > 1e-6 {
            return Err(format!("{percent} is not a share in steps of 0.1 percent"));
        }
        Ok(Share(tenths.round() as u16))
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        share.percent()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.percent())
    }
}

/// One weight and how long it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The candidate's share of the traffic in percent, 1 to 100.
    pub weight: u8,
    /// How long it is watched before the next step.
    pub bake: Span,
}

/// The steps of a strategy: rising weights, the last 100.
///
/// # Errors
/// A sentence that names the key and says what would be accepted.
pub fn steps(strategy: &StrategyTyped) -> Result<Vec<Step>, String> {
    match strategy {
        StrategyTyped::BlueGreen { bake } => Ok(vec![Step { weight: 100, bake: *bake }]),
        StrategyTyped::Canary { steps, bake } => {
            let mut all = Vec::new();
            let mut last = 0;
            for step in steps {
                let weight = step.weight.whole().unwrap_or(0);
                if weight <= last || weight > 99 {
                    return Err(format!(
                        "canary.steps: weight {} must be a whole number between 1 and 99 and above the step before it \
                         ({last}); 100 comes by itself at the end",
                        step.weight
                    ));
                }
                last = weight;
                all.push(Step { weight, bake: step.bake });
            }
            if all.is_empty() {
                return Err("canary.steps is empty; give at least one step, or use blueGreen".to_owned());
            }
            all.push(Step { weight: 100, bake: *bake });
            Ok(all)
        }
        StrategyTyped::Linear { by, every, bake } => {
            let each = by.whole().filter(|each| (1..=99).contains(each));
            let each =
                each.ok_or_else(|| format!("linear.by: {by} must be a whole number between 1 and 99 percent"))?;
            let mut all: Vec<Step> = (1..)
                .map(|n: u16| n * u16::from(each))
                .take_while(|&weight| weight < 100)
                .filter_map(|weight| u8::try_from(weight).ok())
                .map(|weight| Step { weight, bake: *every })
                .collect();
            all.push(Step { weight: 100, bake: *bake });
            Ok(all)
        }
        StrategyTyped::AsDeclared => Err("asDeclared is for the native engine: the managed one moves the weights \
                                          itself and has to know them"
            .to_owned()),
        StrategyTyped::Rolling { .. } => Err("rolling is for the native engine: two colours are never mixed; \
                                              write blueGreen, canary or linear"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CanaryStep;

    fn weights(strategy: &StrategyTyped) -> Vec<u8> {
        steps(strategy).unwrap().iter().map(|step| step.weight).collect()
    }

    #[test]
    fn a_share_has_steps_of_a_tenth_of_a_percent() {
        let share = |percent: f64| Share::try_from(percent).map(f64::from);
        for percent in [0.0, 0.1, 12.5, 100.0] {
            assert_eq!(share(percent), Ok(percent));
        }
        for percent in [-0.1, 12.55, 0.05, 1_000.1, f64::NAN, f64::INFINITY] {
            assert!(share(percent).is_err(), "{percent}");
        }
        // What floating point leaves of a sum is no step of its own.
        assert_eq!(share(0.1 + 0.2), Ok(0.3));
        assert_eq!(share(1e-7), Ok(0.0));
    }

    #[test]
    fn every_strategy_ends_at_100_percent() {
        let bake = Span::mins(3);
        assert_eq!(weights(&StrategyTyped::BlueGreen { bake }), [100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 20.into(), every: bake, bake }), [20, 40, 60, 80, 100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 30.into(), every: bake, bake }), [30, 60, 90, 100]);
        let steps = vec![CanaryStep { weight: 10.into(), bake }, CanaryStep { weight: 50.into(), bake }];
        assert_eq!(weights(&StrategyTyped::Canary { steps, bake }), [10, 50, 100]);
    }

    #[test]
    fn the_largest_step_before_100_is_99() {
        let bake = Span::mins(3);
        let steps = vec![CanaryStep { weight: 1.into(), bake }, CanaryStep { weight: 99.into(), bake }];
        assert_eq!(weights(&StrategyTyped::Canary { steps, bake }), [1, 99, 100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 99.into(), every: bake, bake }), [99, 100]);
    }

    #[test]
    fn a_falling_or_full_canary_step_is_refused() {
        let bake = Span::mins(3);
        for list in [vec![0], vec![50, 10], vec![10, 10], vec![100], vec![]] {
            let steps_typed = list.iter().map(|&weight: &u8| CanaryStep { weight: weight.into(), bake }).collect();
            assert!(steps(&StrategyTyped::Canary { steps: steps_typed, bake }).is_err(), "{list:?}");
        }
        assert!(steps(&StrategyTyped::Linear { by: 0.into(), every: bake, bake }).is_err());
        assert!(steps(&StrategyTyped::Linear { by: 100.into(), every: bake, bake }).is_err());
    }
}
