//! A service at rest, and what is put right there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{Colour, RouteArn};
use crate::observation::ScalingReading;
use crate::time::Time;
use crate::weights::Weights;

/// The routes as last seen at rest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// The colour that holds all weight.
    pub live: Colour,
    /// The weights of every route.
    pub weights: BTreeMap<RouteArn, Weights>,
    /// When they were read.
    pub at: Time,
    /// Since when they read otherwise, if they do.
    #[serde(default)]
    pub differs_since: Option<Time>,
    /// Whether Flipback has put them right once since then; it does so once only.
    #[serde(default)]
    pub corrected: bool,
    /// They are being put right.
    #[serde(default)]
    pub correcting: Option<Correcting>,
    /// The side that was put to rest last.
    #[serde(default)]
    pub rested: Option<Rested>,
}

/// A side that was put to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rested {
    /// Which.
    pub colour: Colour,
    /// What the scalable target of the live side had then: what this one would get if it became live.
    pub had: ScalingReading,
}

/// Weights on a dead side that are being put right: written at each look until they are read so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Correcting {
    /// What was found, for people.
    pub found: String,
    /// How often it was written.
    pub writes: u32,
}

impl Correcting {
    /// More writes than this without reading them back: somebody else writes as well.
    const MOST: u32 = 5;

    /// One more write, if there may be one.
    pub fn write(slot: &mut Option<Correcting>, found: &str) -> bool {
        let correcting = slot.get_or_insert_with(|| Correcting { found: found.to_owned(), writes: 0 });
        correcting.writes = correcting.writes.saturating_add(1);
        correcting.writes <= Self::MOST
    }
}
