//! The inbox: what people wish and what events told.

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, IntentId, RevisionArn, RolloutId};
use crate::scaling::Repair;
use crate::time::Time;

use super::ImageRef;

/// A wish or a fact for one service, recorded by whoever learned of it and consumed once by `decide`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The same wish told twice has the same id.
    pub id: IntentId,
    /// When it was recorded.
    pub at: Time,
    /// Who, for people (`arn:...`, `ECR push`).
    pub by: String,
    /// What.
    pub what: IntentKind,
}

/// What is wished or known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum IntentKind {
    /// An image that passed the policy.
    Push {
        /// The image.
        image: ImageRef,
    },
    /// Deploy these images.
    Deploy {
        /// The images.
        images: Vec<ImageRef>,
        /// See [`Candidate::force`](super::Candidate::force).
        force: bool,
    },
    /// The live revision again.
    Redeploy,
    /// Back: flip if a rollout can still be flipped, else redeploy the revision.
    Rollback {
        /// Bound to this rollout: it does nothing to another.
        rollout: Option<RolloutId>,
        /// The revision; none: the one before.
        to: Option<RevisionArn>,
    },
    /// End the present bake, or the standby, now.
    Promote {
        /// The rollout it is meant for.
        rollout: RolloutId,
        /// The step it is meant for.
        step: usize,
    },
    /// Stand still.
    Pause {
        /// The rollout it is meant for.
        rollout: RolloutId,
    },
    /// Go on; takes foreign weights as a new beginning.
    Resume {
        /// The rollout it is meant for.
        rollout: RolloutId,
    },
    /// Roll the running rollout back.
    Abort {
        /// The rollout it is meant for.
        rollout: RolloutId,
    },
    /// End a rollout that called a person as it stands, and write nothing more.
    GiveUp {
        /// The rollout it is meant for.
        rollout: RolloutId,
    },
    /// Lift the quarantine from sets with this digest.
    Release {
        /// The digest.
        digest: Digest,
    },
    /// An alarm changed to ALARM.
    AlarmFired {
        /// The alarm's name.
        alarm: String,
        /// When it did.
        at: Time,
        /// CloudWatch's words.
        reason: String,
    },
    /// The scaling check wants something put right.
    Repair {
        /// How it shall be.
        repair: Repair,
    },
}
