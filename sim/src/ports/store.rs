//! The store: one record, a version, and all or nothing.

use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::ports::{HistoryEntry, Record, Save, Store, StoreError};
use shared::rollout::{Intent, IntentKind};

use super::Port;
use crate::bugs::{self, Bug};
use crate::faults::Kind;
use crate::laws;

fn unavailable() -> StoreError {
    StoreError::Unavailable("DynamoDB: ServiceUnavailable".to_owned())
}

impl Port {
    fn refuses(&self, writes: bool) -> bool {
        let cloud = &mut *self.cloud.borrow_mut();
        cloud.steps += 1;
        let refused = cloud.strikes(Kind::StoreDown) || (writes && cloud.strikes(Kind::SaveFails));
        if refused {
            cloud.hit("fault", "store unavailable");
        }
        refused
    }
}

impl Store for Port {
    async fn load(&self, _: &ServiceName) -> Result<Record, StoreError> {
        self.travel().await;
        if self.refuses(false) {
            return Err(unavailable());
        }
        let mut record = self.cloud.borrow().record.clone();
        bugs::loaded(self.bug(), &mut record);
        let cloud = &mut *self.cloud.borrow_mut();
        if let Some(proc) = cloud.procs.get_mut(&self.pid) {
            proc.loaded = Some(record.clone());
            proc.status = Some(record.status.clone());
            proc.destructive.clear();
        }
        Ok(record)
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
            if cloud.record.version != save.version {
                cloud.hit("fault", "save lost to a rival");
                return Err(StoreError::Lost);
            }
            let before = cloud.record.status.clone();
            cloud.record.status = save.status.clone();
            cloud.record.version += 1;
            cloud.record.inbox.retain(|intent| !save.consumed.contains(&intent.id));
            if let Some(proc) = cloud.procs.get_mut(&self.pid) {
                proc.status = Some(save.status.clone());
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
        if !cloud.record.inbox.iter().any(|known| known.id == intent.id) {
            cloud.record.inbox.push(intent.clone());
            cloud.record.inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
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
