//! Strategies: each is a list of steps, and the last step is 100 %.
//!
//! A new strategy is a variant of [`StrategyTyped`] and one arm in [`steps`].

use serde::{Deserialize, Serialize};

use crate::config::StrategyTyped;
use crate::time::Span;

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
                if step.weight <= last || step.weight > 99 {
                    return Err(format!(
                        "canary.steps: weight {} must lie between 1 and 99 and above the step before it ({last}); \
                         100 comes by itself at the end",
                        step.weight
                    ));
                }
                last = step.weight;
                all.push(Step { weight: step.weight, bake: step.bake });
            }
            if all.is_empty() {
                return Err("canary.steps is empty; give at least one step, or use blueGreen".to_owned());
            }
            all.push(Step { weight: 100, bake: *bake });
            Ok(all)
        }
        StrategyTyped::Linear { by, every, bake } => {
            if *by == 0 || *by > 99 {
                return Err(format!("linear.by: {by} must lie between 1 and 99 percent"));
            }
            let mut all: Vec<Step> = (1..)
                .map(|n: u16| n * u16::from(*by))
                .take_while(|&weight| weight < 100)
                .filter_map(|weight| u8::try_from(weight).ok())
                .map(|weight| Step { weight, bake: *every })
                .collect();
            all.push(Step { weight: 100, bake: *bake });
            Ok(all)
        }
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
    fn every_strategy_ends_at_100_percent() {
        let bake = Span::mins(3);
        assert_eq!(weights(&StrategyTyped::BlueGreen { bake }), [100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 20, every: bake, bake }), [20, 40, 60, 80, 100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 30, every: bake, bake }), [30, 60, 90, 100]);
        let steps = vec![CanaryStep { weight: 10, bake }, CanaryStep { weight: 50, bake }];
        assert_eq!(weights(&StrategyTyped::Canary { steps, bake }), [10, 50, 100]);
    }

    #[test]
    fn the_largest_step_before_100_is_99() {
        let bake = Span::mins(3);
        let steps = vec![CanaryStep { weight: 1, bake }, CanaryStep { weight: 99, bake }];
        assert_eq!(weights(&StrategyTyped::Canary { steps, bake }), [1, 99, 100]);
        assert_eq!(weights(&StrategyTyped::Linear { by: 99, every: bake, bake }), [99, 100]);
    }

    #[test]
    fn a_falling_or_full_canary_step_is_refused() {
        let bake = Span::mins(3);
        for list in [vec![0], vec![50, 10], vec![10, 10], vec![100], vec![]] {
            let steps_typed = list.iter().map(|&weight| CanaryStep { weight, bake }).collect();
            assert!(steps(&StrategyTyped::Canary { steps: steps_typed, bake }).is_err(), "{list:?}");
        }
        assert!(steps(&StrategyTyped::Linear { by: 0, every: bake, bake }).is_err());
        assert!(steps(&StrategyTyped::Linear { by: 100, every: bake, bake }).is_err());
    }
}
