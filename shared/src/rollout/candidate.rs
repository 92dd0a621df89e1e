//! What shall run, and who wished it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, RevisionArn};
use crate::time::Time;

/// What shall run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Which images or which revision.
    pub target: Target,
    /// Who wished it.
    pub wish: Wish,
    /// When it was first wished.
    pub at: Time,
    /// It starts nothing before this time: later pushes may join it.
    pub quiet_until: Time,
    /// `--force`: alarms that fire already are no hindrance, nor are older versions and quarantine.
    pub force: bool,
}

/// Which images or which revision shall run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The live revision with these images, by repository.
    Images(BTreeMap<String, ImageRef>),
    /// A revision that exists already (rollback to).
    Revision(RevisionArn),
    /// The live revision again (redeploy).
    Live,
}

impl Target {
    /// The digests of the images; empty for a revision.
    #[must_use]
    pub fn digests(&self) -> BTreeSet<Digest> {
        match self {
            Target::Images(images) => images.values().map(|image| image.digest.clone()).collect(),
            Target::Revision(_) | Target::Live => BTreeSet::new(),
        }
    }
}

/// Where a wish came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wish {
    /// An image was pushed.
    Push,
    /// `flipback deploy`.
    Deploy,
    /// `flipback redeploy`.
    Redeploy,
    /// `flipback rollback` to a revision.
    RollbackTo,
}

/// One image, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRef {
    /// The registry's host (`ACCOUNT.dkr.ecr.REGION.amazonaws.com`).
    pub registry: String,
    /// The repository's name.
    pub repository: String,
    /// The tag it was pushed with, for people.
    pub tag: String,
    /// What is deployed.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed_at: Time,
}

impl ImageRef {
    /// `registry/repository@digest`, as it stands in the task definition.
    #[must_use]
    pub fn pinned(&self) -> String {
        format!("{}/{}@{}", self.registry, self.repository, self.digest)
    }
}
