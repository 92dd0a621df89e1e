//! The weights of a route: exact percentages in whole numbers of 0 to 999, everything that is not ours left in its share.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::TargetGroupArn;

/// The weight of every target group in a route's forward action.
pub type Weights = BTreeMap<TargetGroupArn, u32>;

/// The largest weight ALB takes (ELBv2 API, TargetGroupTuple).
pub const MAX_WEIGHT: u32 = 999;

/// The most target groups in one forward action (ALB quota, not adjustable).
pub const MAX_TARGET_GROUPS: usize = 5;

/// The two sides' target groups within one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Target groups of the stable side.
    pub stable: BTreeSet<TargetGroupArn>,
    /// Target groups of the candidate's side.
    pub candidate: BTreeSet<TargetGroupArn>,
}

/// The weights that give the candidate `percent` of what both sides have together.
///
/// Target groups of neither side keep their share of the whole exactly. Several groups of one side share equally.
///
/// # Errors
/// A sentence: a side without a target group in the route, no weight on either, too many groups, or no whole numbers up
/// to 999 that express the shares.
pub fn split(current: &Weights, sides: &Sides, percent: u8) -> Result<Weights, String> {
    let ours_in =
        |side: &BTreeSet<TargetGroupArn>| current.keys().filter(|tg| side.contains(*tg)).cloned().collect::<Vec<_>>();
    let (stable, candidate) = (ours_in(&sides.stable), ours_in(&sides.candidate));
    if stable.is_empty() || candidate.is_empty() {
        return Err(
            "the route does not forward to a target group of each colour; add the missing one with weight 0".to_owned()
        );
    }
    if current.len() > MAX_TARGET_GROUPS {
        return Err(format!("the route has {} target groups; ALB takes {MAX_TARGET_GROUPS}", current.len()));
    }
    let is_ours = |tg: &TargetGroupArn| sides.stable.contains(tg) || sides.candidate.contains(tg);
    let ours: u64 = current.iter().filter(|(tg, _)| is_ours(tg)).map(|(_, &w)| u64::from(w)).sum();
    let others: u64 = current.iter().filter(|(tg, _)| !is_ours(tg)).map(|(_, &w)| u64::from(w)).sum();
    if ours == 0 {
        return Err("neither colour has any weight in the route".to_owned());
    }
    let percent = u64::from(percent.min(100));
    let (stable_n, candidate_n) = (stable.len() as u64, candidate.len() as u64);
    // Scaled so that every share is whole: `ours` becomes ours*100*stable_n*candidate_n.
    let ours_total = if others == 0 { 1 } else { ours };
    let mut scaled: BTreeMap<TargetGroupArn, u64> = BTreeMap::new();
    for (tg, &weight) in current {
        let value = if sides.stable.contains(tg) {
            ours_total * (100 - percent) * candidate_n
        } else if sides.candidate.contains(tg) {
            ours_total * percent * stable_n
        } else {
            u64::from(weight) * 100 * stable_n * candidate_n
        };
        scaled.insert(tg.clone(), value);
    }
    let plain = others == 0 && stable_n == 1 && candidate_n == 1;
    let divisor = if plain { 1 } else { scaled.values().copied().fold(0, gcd).max(1) };
    scaled
        .into_iter()
        .map(|(tg, value)| match u32::try_from(value / divisor) {
            Ok(weight) if weight <= MAX_WEIGHT => Ok((tg, weight)),
            Ok(_) | Err(_) => Err(format!(
                "{percent} % cannot be written exactly beside the other target groups of the route: it needs a weight \
                 above {MAX_WEIGHT}; choose rounder weights for them"
            )),
        })
        .collect()
}

/// Whether two sets of weights send the traffic the same way: same groups, same shares.
#[must_use]
pub fn same_shares(a: &Weights, b: &Weights) -> bool {
    normal(a) == normal(b)
}

/// Whether all of the two sides' weight is on the stable side.
#[must_use]
pub fn all_on_stable(weights: &Weights, sides: &Sides) -> bool {
    let sum = |side: &BTreeSet<TargetGroupArn>| -> u64 {
        weights.iter().filter(|(tg, _)| side.contains(*tg)).map(|(_, &w)| u64::from(w)).sum()
    };
    sum(&sides.stable) > 0 && sum(&sides.candidate) == 0
}

/// The candidate's share in percent of what both sides have together, rounded; none where neither has weight.
#[must_use]
pub fn candidate_percent(weights: &Weights, sides: &Sides) -> Option<u8> {
    let sum = |side: &BTreeSet<TargetGroupArn>| -> u64 {
        weights.iter().filter(|(tg, _)| side.contains(*tg)).map(|(_, &w)| u64::from(w)).sum()
    };
    let (stable, candidate) = (sum(&sides.stable), sum(&sides.candidate));
    let total = stable + candidate;
    (candidate * 100 + total / 2).checked_div(total).and_then(|percent| u8::try_from(percent).ok())
}

fn normal(weights: &Weights) -> BTreeMap<&TargetGroupArn, u64> {
    let divisor = weights.values().map(|&w| u64::from(w)).fold(0, gcd).max(1);
    weights.iter().map(|(tg, &w)| (tg, u64::from(w) / divisor)).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights(list: &[(&str, u32)]) -> Weights {
        list.iter().map(|&(tg, w)| (TargetGroupArn::from(tg), w)).collect()
    }

    fn sides(stable: &[&str], candidate: &[&str]) -> Sides {
        let set = |list: &[&str]| list.iter().map(|&tg| TargetGroupArn::from(tg)).collect();
        Sides { stable: set(stable), candidate: set(candidate) }
    }

    #[test]
    fn a_plain_route_gets_percentages_as_weights() {
        let now = weights(&[("b", 1), ("g", 0)]);
        assert_eq!(split(&now, &sides(&["b"], &["g"]), 10).unwrap(), weights(&[("b", 90), ("g", 10)]));
        assert_eq!(split(&now, &sides(&["b"], &["g"]), 0).unwrap(), weights(&[("b", 100), ("g", 0)]));
    }

    #[test]
    fn another_target_group_keeps_its_share() {
        let now = weights(&[("b", 90), ("g", 0), ("legacy", 10)]);
        let got = split(&now, &sides(&["b"], &["g"]), 50).unwrap();
        assert_eq!(got, weights(&[("b", 9), ("g", 9), ("legacy", 2)]));
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        let now = weights(&[("b", 997), ("g", 0), ("legacy", 991)]);
        assert!(split(&now, &sides(&["b"], &["g"]), 7).unwrap_err().contains("exactly"));
        assert!(split(&weights(&[("b", 1)]), &sides(&["b"], &["g"]), 7).is_err());
        assert!(split(&weights(&[("b", 0), ("g", 0)]), &sides(&["b"], &["g"]), 7).is_err());
    }

    #[test]
    fn weights_of_the_same_ratio_are_the_same() {
        assert!(same_shares(&weights(&[("b", 1), ("g", 0)]), &weights(&[("b", 100), ("g", 0)])));
        assert!(!same_shares(&weights(&[("b", 99), ("g", 1)]), &weights(&[("b", 100), ("g", 0)])));
        assert!(!same_shares(&weights(&[("b", 1)]), &weights(&[("b", 1), ("g", 0)])));
    }

    #[test]
    fn a_sum_of_weights_beyond_what_alb_takes_is_no_zero() {
        let all = weights(&[("b1", 1 << 31), ("b2", 1 << 31), ("g", 0)]);
        assert!(all_on_stable(&all, &sides(&["b1", "b2"], &["g"])));
        assert_eq!(candidate_percent(&all, &sides(&["g"], &["b1", "b2"])), Some(100));
    }

    proptest! {
        #[test]
        fn the_candidate_has_exactly_its_percentage_and_the_others_theirs(
            percent in 0_u8..=100, ours in 1_u32..50, other in 0_u32..10, stable_n in 1_usize..=2, candidate_n in 1_usize..=2,
        ) {
            let stable: Vec<String> = (0..stable_n).map(|n| format!("s{n}")).collect();
            let candidate: Vec<String> = (0..candidate_n).map(|n| format!("c{n}")).collect();
            let mut now: Weights = stable.iter().map(|tg| (tg.as_str().into(), ours)).collect();
            now.extend(candidate.iter().map(|tg| (TargetGroupArn::from(tg.as_str()), 0)));
            now.insert("other".into(), other);
            let set = |list: &[String]| list.iter().map(|tg| TargetGroupArn::from(tg.as_str())).collect();
            let sides = Sides { stable: set(&stable), candidate: set(&candidate) };
            if let Ok(new) = split(&now, &sides, percent) {
                let sum = |w: &Weights| w.values().map(|&v| u64::from(v)).sum::<u64>();
                let side: u64 = new.iter().filter(|(tg, _)| sides.candidate.contains(*tg)).map(|(_, &v)| u64::from(v)).sum();
                let ours_new = sum(&new) - u64::from(new[&TargetGroupArn::from("other")]);
                prop_assert_eq!(side * 100, ours_new * u64::from(percent));
                prop_assert_eq!(u64::from(new[&TargetGroupArn::from("other")]) * sum(&now), u64::from(other) * sum(&new));
            }
        }
    }
}
