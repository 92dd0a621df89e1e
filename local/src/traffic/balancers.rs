//! The listeners of the load balancers, and what the load balancers themselves counted.

use super::{bind, proxy};
use crate::http;
use crate::inner::Inner;
use crate::lock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Where a listener can really be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The listener's ARN.
    pub listener_arn: String,
    /// Its load balancer's ARN.
    pub load_balancer_arn: String,
    /// The port it was created with.
    pub asked: u16,
    /// The address it is served on: the asked port on 127.0.0.1, or a free one where that is taken or privileged.
    pub real: SocketAddr,
}

/// One line of a load balancer's own count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The target group that was drawn; `None` for redirects and fixed responses.
    pub target_group_arn: Option<String>,
    /// The first digit of the status: 2 for 2XX.
    pub class: u16,
    /// The load balancer made the answer itself.
    pub elb_generated: bool,
    /// How many requests ended this way.
    pub requests: u64,
}

type Kind = (Option<String>, u16, bool);

struct Listening {
    port: Port,
    stop: watch::Sender<bool>,
}

/// All listeners that are up.
#[derive(Default)]
pub(crate) struct Balancers {
    listeners: Mutex<BTreeMap<String, Listening>>,
    counts: Mutex<BTreeMap<String, BTreeMap<Kind, u64>>>,
}

impl Balancers {
    pub(crate) fn up(&self, inner: &Arc<Inner>, listener_arn: String, load_balancer_arn: String, asked: u16) {
        let Some((listener, real)) = bind("127.0.0.1", asked) else {
            inner.remark(format!("no port at all for {listener_arn}"));
            return;
        };
        let _context = inner.tasks.handle().enter();
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let stop = watch::Sender::new(false);
        let handler = {
            let (inner, arn) = (inner.clone(), Arc::<str>::from(listener_arn.as_str()));
            move |request, peer| proxy::forward(inner.clone(), arn.clone(), asked, request, peer)
        };
        inner.tasks.spawn(http::serve(listener, stop.subscribe(), inner.tasks.clone(), handler));
        let port = Port { listener_arn: listener_arn.clone(), load_balancer_arn, asked, real };
        if let Some(before) = lock(&self.listeners).insert(listener_arn, Listening { port, stop }) {
            before.stop.send_replace(true);
        }
    }

    pub(crate) fn down(&self, listener_arn: &str) {
        if let Some(listening) = lock(&self.listeners).remove(listener_arn) {
            listening.stop.send_replace(true);
        }
    }

    pub(crate) fn ports(&self) -> Vec<Port> {
        lock(&self.listeners).values().map(|listening| listening.port.clone()).collect()
    }

    pub(crate) fn count(
        &self,
        load_balancer_arn: &str,
        target_group_arn: Option<&str>,
        status: u16,
        elb_generated: bool,
    ) {
        let mut counts = lock(&self.counts);
        if !counts.contains_key(load_balancer_arn) {
            counts.insert(load_balancer_arn.to_owned(), BTreeMap::new());
        }
        if let Some(counts) = counts.get_mut(load_balancer_arn) {
            *counts.entry((target_group_arn.map(str::to_owned), status / 100, elb_generated)).or_default() += 1;
        }
    }

    pub(crate) fn served(&self, load_balancer_arn: &str) -> Vec<Served> {
        let counts = lock(&self.counts);
        let lines = counts.get(load_balancer_arn).into_iter().flatten();
        lines
            .map(|((target_group_arn, class, elb_generated), requests)| Served {
                target_group_arn: target_group_arn.clone(),
                class: *class,
                elb_generated: *elb_generated,
                requests: *requests,
            })
            .collect()
    }
}
