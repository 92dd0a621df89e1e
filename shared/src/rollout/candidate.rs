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
    /// Of a deploy: the repositories whose images a person named; the others were pushed, and go along. Empty: all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub named: BTreeSet<String>,
    /// Of what is forced: the repositories whose images a person forced; the others go along, and quarantine holds them. Empty:
    /// all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub forced: BTreeSet<String>,
}

/// Images by repository.
pub type Images = BTreeMap<String, ImageRef>;

impl Candidate {
    /// The repositories whose images a person named: none of a push's.
    fn by_person(&self) -> BTreeSet<String> {
        match (&self.target, self.wish) {
            (Target::Images(images), Wish::Deploy) if self.named.is_empty() => images.keys().cloned().collect(),
            (Target::Images(_), Wish::Deploy) => self.named.clone(),
            (Target::Images(_), Wish::Push | Wish::Redeploy | Wish::RollbackTo)
            | (Target::Revision(_) | Target::Live, _) => BTreeSet::new(),
        }
    }

    /// The repositories whose images a person forced.
    fn by_force(&self) -> BTreeSet<String> {
        match &self.target {
            Target::Images(images) => images.keys().filter(|name| self.forces(name)).cloned().collect(),
            Target::Revision(_) | Target::Live => BTreeSet::new(),
        }
    }

    /// Whether a person named the image of this repository.
    #[must_use]
    pub fn names(&self, repository: &str) -> bool {
        self.by_person().contains(repository)
    }

    /// Whether a person forced the image of this repository.
    #[must_use]
    pub fn forces(&self, repository: &str) -> bool {
        self.force && (self.forced.is_empty() || self.forced.contains(repository))
    }

    /// The images that newer ones take the place of: others of the same repositories. None: it lives on beside them.
    #[must_use]
    pub fn replaced(&self, newer: &Images) -> Vec<ImageRef> {
        let Target::Images(images) = &self.target else { return Vec::new() };
        let other = |old: &&ImageRef| newer.get(&old.repository).is_some_and(|new| new.digest != old.digest);
        images.values().filter(other).cloned().collect()
    }

    /// Takes newer images in, and leaves those behind whose place they take. What a person named and nothing replaces goes on as
    /// a person's deploy; force goes on only where nothing is replaced of what was forced.
    pub fn take_in(&mut self, newer: &Candidate) {
        let (mut named, by_person) = (self.by_person(), newer.by_person());
        let Target::Images(new) = &newer.target else { return };
        let replaced = self.replaced(new);
        let mut forced = newer.by_force();
        if replaced.is_empty() {
            forced.extend(self.by_force());
        }
        (self.force, self.forced) = (!forced.is_empty(), forced);
        let Target::Images(images) = &mut self.target else { return };
        named.retain(|repository| replaced.iter().all(|old| old.repository != *repository));
        named.extend(by_person);
        images.extend(new.clone());
        self.now_named(named);
    }

    /// Takes the images of one that gives way along, where it has none of the same repository; a person's stay a person's.
    pub fn inherit(&mut self, gives_way: &Candidate) {
        let (mut named, by_person) = (self.by_person(), gives_way.by_person());
        self.forced = self.by_force();
        let (Target::Images(images), Target::Images(old)) = (&mut self.target, &gives_way.target) else { return };
        for (repository, image) in old {
            if !images.contains_key(repository) {
                images.insert(repository.clone(), image.clone());
                named.extend(by_person.get(repository).cloned());
            }
        }
        self.now_named(named);
    }

    /// Leaves an image behind.
    pub fn leave(&mut self, repository: &str) {
        let mut named = self.by_person();
        let Target::Images(images) = &mut self.target else { return };
        images.remove(repository);
        named.remove(repository);
        // None is left of what was forced: empty would mean all.
        if self.forced.remove(repository) && self.forced.is_empty() {
            self.force = false;
        }
        self.now_named(named);
    }

    fn now_named(&mut self, named: BTreeSet<String>) {
        self.wish = if named.is_empty() { Wish::Push } else { Wish::Deploy };
        self.named = named;
    }
}

/// Which images or which revision shall run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The live revision with these images, by repository.
    Images(Images),
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
