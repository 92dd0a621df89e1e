//! The ports of one process over the shared cloud. Every call sleeps in virtual time before and after its effect, so that
//! processes interleave at each of them, and a process can die at each of them.

mod actuator;
mod aws;
mod observer;
mod store;

pub(crate) use actuator::BACK_PAUSES;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use model::Millis;
use shared::ids::ServiceName;
use shared::intake::MessageKind;
use shared::ports::{Clock, Waker};
use shared::time::{Span, Time};

use crate::bugs::Bug;
use crate::cloud::{Cloud, Event, Pid};
use crate::faults::Kind;
use crate::next_door::Who;

pub(crate) type Shared = Rc<RefCell<Cloud>>;

/// All ports of one process.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) cloud: Shared,
    pub(crate) pid: Pid,
    pub(crate) who: Who,
}

/// Some virtual time; the process may die instead of waking up.
struct Sleep<'a> {
    port: &'a Port,
    length: Millis,
    until: Option<Millis>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let port = self.port;
        let mut cloud = port.cloud.borrow_mut();
        if let Some(until) = self.until {
            return if cloud.now >= until { Poll::Ready(()) } else { Poll::Pending };
        }
        let until = cloud.now + self.length;
        if let Some(proc) = cloud.procs.get_mut(&port.pid) {
            proc.calls += 1;
            if proc.crash_at == Some(proc.calls) {
                proc.dead = true;
                return Poll::Pending;
            }
        }
        cloud.at(until, Event::Resume(port.pid));
        self.until = Some(until);
        Poll::Pending
    }
}

impl Port {
    pub(crate) async fn sleep(&self, length: Millis) {
        Sleep { port: self, length, until: None }.await;
    }

    /// The way of a call to AWS or back.
    pub(crate) async fn travel(&self) {
        let length = self.cloud.borrow_mut().rng.between(2, 40);
        self.sleep(length).await;
    }

    /// The process may stand still for some seconds: a frozen sandbox, a garbage-collected neighbour.
    pub(crate) async fn pause(&self) {
        let length = {
            let mut cloud = self.cloud.borrow_mut();
            if !cloud.strikes(Kind::Pause) {
                return;
            }
            cloud.hit("fault", "process paused");
            let most = cloud.schedule.pace.margins.forward.0 * 3 / 2;
            cloud.draw(500, most)
        };
        self.sleep(length).await;
    }

    /// The planted bug; there is none next door.
    pub(crate) fn bug(&self) -> Option<Bug> {
        self.cloud.borrow().bug.filter(|_| self.who == Who::Shop)
    }
}

impl Clock for Port {
    fn now(&self) -> Time {
        self.cloud.borrow().clock(self.pid)
    }
}

impl Waker for Port {
    async fn poke(&self, _: &ServiceName) -> Result<(), String> {
        self.travel().await;
        let mut cloud = self.cloud.borrow_mut();
        if cloud.strikes(Kind::Error) {
            cloud.hit("fault", "error before the call");
            return Err("SQS: InternalFailure".to_owned());
        }
        cloud.enqueue(self.who, MessageKind::Poke, 0);
        Ok(())
    }

    async fn after(&self, _: &ServiceName, delay: Span, token: u64) -> Result<(), String> {
        self.travel().await;
        let mut cloud = self.cloud.borrow_mut();
        if cloud.bug == Some(Bug::NeverWakes) {
            return Ok(());
        }
        if cloud.strikes(Kind::Error) {
            cloud.hit("fault", "error before the call");
            return Err("SQS: InternalFailure".to_owned());
        }
        // SQS delays whole seconds, 15 minutes at most.
        let delay = delay.ceil_secs().min(900) * 1_000;
        cloud.enqueue(self.who, MessageKind::Timer { token }, delay);
        Ok(())
    }
}
