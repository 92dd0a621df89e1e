//! The world as the loop sees it: one observer and one actuator over all of AWS.

use std::sync::Arc;

use shared::rollout::Margins;

use crate::clients::Clients;
use crate::clock::Anchors;
use crate::pace::Pace;
use crate::requests::Balancers;
use crate::sizes::Sizes;

/// Reads and changes what belongs to a service. It decides nothing. Cheap to clone; clones share what they remember.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) clients: Clients,
    pub(crate) margins: Margins,
    pub(crate) anchors: Arc<Anchors>,
    pub(crate) balancers: Arc<Balancers>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) sizes: Arc<Sizes>,
}

impl World {
    /// A world read and changed through these clients.
    #[must_use]
    pub fn new(clients: Clients, margins: Margins) -> World {
        let (anchors, balancers, pace, sizes) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        World { clients, margins, anchors, balancers, pace, sizes }
    }

    /// As the only one that checks scaling now: it takes the whole share of AWS's rates that a round has.
    #[must_use]
    pub fn alone(mut self) -> World {
        self.pace = Arc::new(Pace::among(1));
        self
    }
}
