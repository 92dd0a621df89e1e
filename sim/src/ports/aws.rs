//! Calls to AWS, with what goes wrong on their way.

use std::rc::Rc;

use model::{AwsError, Service};
use serde_json::Value;
use shared::decision::{Action, Effect};
use shared::ports::{Clock, EffectError};
use shared::time::Time;

use super::Port;
use crate::bugs::Bug;
use crate::cloud::{Cloud, Event, Landing};
use crate::faults::{Kind, Part};
use crate::looks::Question;
use crate::{laws, names, native};

/// One attempt of a write that brings traffic back, as in the real adapter.
const BACK_ATTEMPT: u64 = 2_000;

fn failed(operation: &str, error: &AwsError) -> EffectError {
    let text = format!("{operation}: {}: {}", error.code, error.message);
    let transient = error.status >= 500 || error.code.contains("Throttl") || error.code == "ConcurrentUpdateException";
    if transient { EffectError::Transient(text) } else { EffectError::Permanent(text) }
}

impl Port {
    /// Reads; what went wrong is a sentence.
    pub(super) async fn read(
        &self,
        part: Part,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, String> {
        self.reads(part, operation, |cloud| cloud.call(service, operation, input, "flipback")).await
    }

    /// Describes, from what is remembered, or as it was when reads of the part became stale.
    pub(crate) async fn describe(&self, ask: Question<'_>, input: impl FnOnce() -> Value) -> Result<Rc<Value>, String> {
        let seen = |cloud: &mut Cloud| {
            let place = cloud.looks.place(ask, input);
            let now = cloud.now;
            let frozen = cloud.stale.get(&ask.part).filter(|(until, _)| *until > now);
            let old = frozen.and_then(|(_, all)| all.iter().find(|(at, _)| *at == place));
            match old.map(|(_, answer)| Rc::clone(answer)) {
                Some(answer) => {
                    cloud.hit("fault", names::fault(&Kind::Stale(ask.part)));
                    cloud.last_fault = now;
                    Ok(answer)
                }
                None => cloud.described(place, false),
            }
        };
        self.reads(ask.part, ask.operation, seen).await
    }

    async fn reads<T>(
        &self,
        part: Part,
        operation: &str,
        answer: impl FnOnce(&mut Cloud) -> Result<T, AwsError>,
    ) -> Result<T, String> {
        self.pause().await;
        self.travel().await;
        let answer = {
            let cloud = &mut *self.cloud.borrow_mut();
            cloud.steps += 1;
            if cloud.strikes(Kind::Error) {
                cloud.hit("fault", "error before the call");
                Err(format!("{operation}: InternalFailure"))
            } else if cloud.strikes(Kind::Unread(part)) {
                cloud.hit("fault", names::fault(&Kind::Unread(part)));
                Err(format!("{operation}: ServiceUnavailable"))
            } else if cloud.strikes(Kind::Throttle) {
                cloud.hit("fault", "throttled before the call");
                Err(format!("{operation}: Throttling: Rate exceeded"))
            } else {
                answer(cloud).map_err(|error| format!("{operation}: {}: {}", error.code, error.message))
            }
        };
        self.travel().await;
        answer
    }

    /// Sends one write, within its deadline or one attempt's time.
    pub(crate) async fn write(
        &self,
        effect: &Effect,
        service: Service,
        operation: &'static str,
        input: Value,
    ) -> Result<Value, EffectError> {
        self.pause().await;
        let left = match effect.deadline {
            None => BACK_ATTEMPT,
            Some(deadline) => match deadline.since(self.now()).0 {
                0 if self.bug() == Some(Bug::ForgetsDeadline) => 1_000,
                0 => return Err(EffectError::TooLate),
                left => left,
            },
        };
        let (landing, fault) = {
            let cloud = &mut *self.cloud.borrow_mut();
            cloud.steps += 1;
            laws::sent(cloud, self.pid, effect, &input);
            let rollout = cloud
                .procs
                .get(&self.pid)
                .and_then(|proc| Some(proc.acting.as_ref()?.status.rollout.as_ref()?.id.clone()));
            let landing =
                Landing { who: self.who, pid: self.pid, service, operation, input, effect: effect.clone(), rollout };
            let routes = cloud.place.config.engine.routes();
            let route = match &effect.action {
                Action::Weights { route, .. } => routes.iter().position(|known| known == route),
                Action::Register { .. }
                | Action::Deploy { .. }
                | Action::Stop { .. }
                | Action::Continue { .. }
                | Action::Start { .. }
                | Action::Scale { .. }
                | Action::Scaling { .. }
                | Action::Mend { .. }
                | Action::Tidy { .. } => None,
            };
            let fault = [Kind::Error, Kind::Throttle, Kind::LostAnswer, Kind::Late]
                .into_iter()
                .chain(route.map(Kind::RouteFails))
                .find(|kind| cloud.strikes(*kind));
            (landing, fault)
        };
        match fault {
            Some(kind @ (Kind::Error | Kind::Throttle | Kind::RouteFails(_))) => {
                self.cloud.borrow_mut().hit("fault", names::fault(&kind));
                self.travel().await;
                Err(EffectError::Transient(format!("{operation}: ThrottlingException: Rate exceeded")))
            }
            Some(Kind::Late) => {
                {
                    let cloud = &mut *self.cloud.borrow_mut();
                    cloud.hit("fault", "landed late");
                    let mut most = cloud.schedule.pace.late;
                    if native::laws::lands_late(cloud) && matches!(effect.action, Action::Deploy { .. }) {
                        cloud.hit("fault", "landed after its time");
                        most += cloud.schedule.pace.margins.effect_lifetime.0 * 4;
                    }
                    // Forward: after its deadline. Back: at any time within its life.
                    let after = match effect.deadline {
                        Some(_) => left + cloud.draw(0, most),
                        None => cloud.draw(0, most),
                    };
                    cloud.at(cloud.now + after, Event::Land(Box::new(landing)));
                }
                self.sleep(left).await;
                Err(EffectError::Transient(format!("{operation}: timed out")))
            }
            Some(Kind::LostAnswer) => {
                self.travel().await;
                {
                    let cloud = &mut *self.cloud.borrow_mut();
                    cloud.hit("fault", "answer lost after the effect");
                    drop(cloud.land(&landing));
                }
                self.sleep(left).await;
                Err(EffectError::Transient(format!("{operation}: timed out")))
            }
            Some(_) | None => {
                self.travel().await;
                let answer = self.cloud.borrow_mut().land(&landing);
                self.travel().await;
                answer.map_err(|error| failed(operation, &error))
            }
        }
    }

    /// Whether a process may still begin a write.
    pub(super) fn in_time(&self, deadline: Option<Time>) -> bool {
        deadline.is_none_or(|deadline| self.now() < deadline) || self.bug() == Some(Bug::ForgetsDeadline)
    }
}

#[cfg(test)]
mod tests {
    use super::failed;
    use model::AwsError;
    use shared::ports::EffectError;

    #[test]
    fn a_refusal_is_permanent_and_a_server_error_is_not() {
        let error = |code: &str, status| AwsError { code: code.to_owned(), message: String::new(), status };
        assert!(matches!(failed("X", &error("ClientException", 400)), EffectError::Permanent(_)));
        assert!(matches!(failed("X", &error("InternalFailure", 500)), EffectError::Transient(_)));
        assert!(matches!(failed("X", &error("ThrottlingException", 400)), EffectError::Transient(_)));
    }
}
