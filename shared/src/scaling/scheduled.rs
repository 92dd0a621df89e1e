//! Scheduled actions: they move the bounds at a time that a team chose.

use serde::{Deserialize, Serialize};

/// What a scheduled action sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// The lowest count from then on; none: it stays.
    pub min: Option<u32>,
    /// The highest.
    pub max: Option<u32>,
}

/// What a service's scheduled actions may have made of its bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule<'a>(pub(super) &'a [Scheduled]);

impl Schedule<'_> {
    /// Whether these bounds are those that are wanted, or some of the actions' own.
    pub(super) fn explains(&self, (min, max): (u32, u32), (wanted_min, wanted_max): (u32, u32)) -> bool {
        let some = |set: fn(&Scheduled) -> Option<u32>, is: u32| self.0.iter().any(|action| set(action) == Some(is));
        (min == wanted_min || some(|action| action.min, min)) && (max == wanted_max || some(|action| action.max, max))
    }

    /// Whether an action moves the lowest count.
    pub(super) fn moves_min(&self) -> bool {
        self.0.iter().any(|action| action.min.is_some())
    }

    /// Whether an action moves a bound.
    pub(super) fn moves(&self) -> bool {
        self.moves_min() || self.0.iter().any(|action| action.max.is_some())
    }
}
