//! CloudWatch: an alarm of any kind changed its state.

use serde_json::Value;

use crate::ids::{AlarmName, IntentId};
use crate::observation::AlarmState;
use crate::rollout::{Intent, IntentKind};
use crate::time::Time;

use super::{Envelope, Event};

/// An alarm's change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmChange {
    /// The alarm's name.
    pub alarm: AlarmName,
    /// Its new state.
    pub state: AlarmState,
    /// When it changed.
    pub at: Time,
    /// CloudWatch's words, with the numbers.
    pub reason: String,
    /// The region and account it is in.
    pub home: (String, String),
}

impl AlarmChange {
    /// The fact as an intent; none unless the alarm fires.
    #[must_use]
    pub fn intent(&self, event_id: &str) -> Option<Intent> {
        match self.state {
            AlarmState::Alarm => Some(Intent {
                id: IntentId(format!("alarm/{}/{}/{event_id}", self.alarm, self.at.0)),
                at: self.at,
                by: "CloudWatch".to_owned(),
                what: IntentKind::AlarmFired { alarm: self.alarm.0.clone(), at: self.at, reason: self.reason.clone() },
            }),
            AlarmState::Ok | AlarmState::InsufficientData => None,
        }
    }
}

pub(super) fn change(event: &Envelope<'_>) -> Result<Event, String> {
    let alarm = event.text("alarmName")?;
    let state = event.detail.get("state").filter(|s| s.is_object()).ok_or("detail.state is no object")?;
    let text = |member: &str| state.get(member).and_then(Value::as_str);
    let value = match text("value") {
        Some("OK") => AlarmState::Ok,
        Some("ALARM") => AlarmState::Alarm,
        Some("INSUFFICIENT_DATA") => AlarmState::InsufficientData,
        Some(other) => return Err(format!("detail.state.value {other:?} is no alarm state")),
        None => return Err("detail.state.value is missing or no text".to_owned()),
    };
    // Composite and anomaly alarms have other configurations; nothing of them is needed here. The time is CloudWatch's
    // own format; the envelope's is the fallback.
    let at = text("timestamp").and_then(Time::parse).unwrap_or(event.time);
    Ok(Event::Alarm(AlarmChange {
        alarm: alarm.into(),
        state: value,
        at,
        reason: text("reason").unwrap_or("no reason given").to_owned(),
        home: (event.region.to_owned(), event.account.to_owned()),
    }))
}
