//! The store: one record, a version, and all or nothing.

use std::rc::Rc;

use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, Record, Save, Store, StoreError};
use shared::rollout::{Intent, IntentKind};

use super::Port;
use crate::bugs::{self, Bug};
use crate::faults::Kind;
use crate::{laws, names, native};

fn unavailable() -> StoreError {
    StoreError::Unavailable("DynamoDB: ServiceUnavailable".to_owned())
}

impl Port {
    fn refuses(&self, writes: bool) -> bool {
        let cloud = &mut *self.cloud.borrow_mut();
        cloud.steps += 1;
        let kinds = if writes { &[Kind::StoreDown, Kind::SaveFails][..] } else { &[Kind::StoreDown] };
        let struck = kinds.iter().find(|kind| cloud.strikes(**kind));
        if let Some(kind) = struck {
            cloud.hit("fault", names::fault(kind));
        }
        struck.is_some()
    }
}

impl Store for Port {
    // The laws look at statuses, not at the history.
    fn keeps_inputs(&self) -> bool {
        false
    }

    async fn load(&self, _: &ServiceName) -> Result<Record, StoreError> {
        self.travel().await;
        if self.refuses(false) {
            return Err(unavailable());
        }
        let bug = self.bug();
        let cloud = &mut *self.cloud.borrow_mut();
        let mut record = cloud.record_of(self.who).map(Rc::clone).ok_or(StoreError::NoSuchService)?;
        if bug.is_some() {
            bugs::loaded(bug, Rc::make_mut(&mut record));
        }
        if let Some(bug) = cloud.native_bug() {
            native::bugs::loaded(bug, Rc::make_mut(&mut record));
        }
        if let Some(proc) = cloud.procs.get_mut(&self.pid) {
            proc.loaded = Some(Rc::clone(&record));
            proc.acting = Some(Rc::clone(&record));
            proc.destructive.clear();
        }
        Ok(Record::clone(&record))
    }

    async fn save(&self, save: &Save<'_>) -> Result<(), StoreError> {
        self.pause().await;
        self.travel().await;
        if self.refuses(true) {
            laws::not_saved(&mut self.cloud.borrow_mut(), self.pid, save);
            return Err(unavailable());
        }
        let lost = {
            let cloud = &mut *self.cloud.borrow_mut();
            let before = cloud.record_of(self.who).map(Rc::clone).ok_or(StoreError::NoSuchService)?;
            if before.version != save.version {
                cloud.hit("fault", "save lost to a rival");
                return Err(StoreError::Lost);
            }
            let left = before.inbox.iter().filter(|intent| !save.consumed.contains(&intent.id));
            let after = Rc::new(Record {
                config: before.config.clone(),
                status: save.status.clone(),
                inbox: left.cloned().collect(),
                version: before.version + 1,
            });
            if let Some(record) = cloud.record_mut(self.who) {
                *record = Rc::clone(&after);
            }
            if let Some(proc) = cloud.procs.get_mut(&self.pid) {
                proc.acting = Some(after);
            }
            laws::saved(cloud, self.pid, &before, save);
            cloud.strikes(Kind::LostAnswer)
        };
        self.travel().await;
        if lost {
            self.cloud.borrow_mut().hit("fault", "answer lost after the effect");
            return Err(unavailable());
        }
        Ok(())
    }

    async fn record(&self, _: &ServiceName, intent: &Intent) -> Result<(), StoreError> {
        self.travel().await;
        if self.refuses(true) {
            return Err(unavailable());
        }
        if let (Some(Bug::DeafToAlarms), IntentKind::AlarmFired { .. }) = (self.bug(), &intent.what) {
            return Ok(());
        }
        let cloud = &mut *self.cloud.borrow_mut();
        let record = cloud.record_mut(self.who).ok_or(StoreError::NoSuchService)?;
        if !record.inbox.iter().any(|known| known.id == intent.id) {
            let inbox = &mut Rc::make_mut(record).inbox;
            inbox.push(intent.clone());
            inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        }
        Ok(())
    }

    async fn note(&self, _: &ServiceName, entry: &HistoryEntry, _: Option<&Notice>) -> Result<(), StoreError> {
        self.travel().await;
        if self.refuses(true) {
            return Err(unavailable());
        }
        self.cloud.borrow().say(|| format!("p{} notes: {}", self.pid, entry.line));
        Ok(())
    }
}
