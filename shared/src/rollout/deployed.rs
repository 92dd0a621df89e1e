//! What rollouts brought, for the way back after their end.

use serde::{Deserialize, Serialize};

use crate::ids::RevisionArn;

use super::{Outcome, Rollout, Status, Wish};

/// What the last rollout that completed brought, and what it took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The revision that went live.
    pub revision: RevisionArn,
    /// The one before it; none where that is not known, or is what a person rolled back from.
    pub before: Option<RevisionArn>,
}

impl Deployed {
    /// After a rollout completed. A redeploy of what was live changes nothing about what was before.
    pub(crate) fn after(rollout: &Rollout, earlier: Option<&Deployed>) -> Option<Deployed> {
        let revision = rollout.revision.clone()?;
        let before = if rollout.stable_revision.as_ref() == Some(&revision) {
            earlier.filter(|earlier| earlier.revision == revision).and_then(|earlier| earlier.before.clone())
        } else if rollout.candidate.wish == Wish::RollbackTo {
            None
        } else {
            rollout.stable_revision.clone()
        };
        Some(Deployed { revision, before })
    }
}

impl Status {
    /// The revision that a rollback without a name goes to after the end of a rollout. `foreign` is what is live by somebody
    /// else's doing, where that is known.
    #[must_use]
    pub fn before(&self, foreign: Option<&RevisionArn>) -> Option<&RevisionArn> {
        let last = self.last.as_ref();
        match last.map(|last| &last.outcome) {
            // It left what it found or what it brought: what it found is what a person can go back to.
            Some(Outcome::GivenUp(_)) => return last.and_then(|last| last.stable_revision.as_ref()),
            // It went back already: the one before that is nobody's wish without its name.
            Some(Outcome::RolledBack(_)) => return None,
            Some(
                Outcome::Completed
                | Outcome::Cancelled(_)
                | Outcome::Refused(_)
                | Outcome::Observed
                | Outcome::Superseded(_),
            )
            | None => {}
        }
        let Some(deployed) = &self.deployed else {
            // Saved before this was kept.
            let last = last.filter(|last| last.outcome == Outcome::Completed && last.stable_revision != last.revision);
            return last.and_then(|last| last.stable_revision.as_ref());
        };
        match foreign {
            Some(foreign) if *foreign != deployed.revision => Some(&deployed.revision),
            Some(_) | None => deployed.before.as_ref(),
        }
    }
}
