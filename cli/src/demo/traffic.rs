//! Steady traffic: real requests over connections that are kept, each sent once, each counted.

use super::story::RATE;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use model::Millis;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Clients; each sends one request at a time, so that a slow answer does not stop the others.
const CLIENTS: u32 = 10;

/// The rates shown are over this long.
const SHOWN: Millis = 2_000;

/// What the clients counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counted {
    /// Requests sent.
    pub(crate) sent: u64,
    /// Requests answered.
    pub(crate) answered: u64,
    /// Answers by the tag of the image that gave them; `-` is the load balancer itself.
    pub(crate) by_tag: BTreeMap<String, u64>,
    /// Answers with 5XX.
    pub(crate) server_errors: u64,
    /// Answers with neither 2XX nor 5XX.
    pub(crate) other: u64,
    /// Requests without an answer.
    pub(crate) connection_errors: u64,
    /// When the first 5XX came.
    pub(crate) first_server_error: Option<Millis>,
}

#[derive(Debug, Default)]
struct Tally {
    all: Counted,
    /// Answers by tag since the last [`Traffic::begin_window`].
    window: BTreeMap<String, u64>,
    /// When the last answers came, and whether they were 5XX.
    recent: VecDeque<(Millis, bool)>,
}

/// The clients of one listener. Dropped, they end at once; [`end`](Traffic::end) lets them finish what they sent.
#[derive(Debug)]
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
    clock: Clock,
}

/// The cloud's time, carried on without asking the cloud.
#[derive(Debug, Clone, Copy)]
struct Clock {
    base: Millis,
    from: Instant,
}

impl Clock {
    fn now(self) -> Millis {
        self.base + u64::try_from(self.from.elapsed().as_millis()).unwrap_or(0)
    }
}

impl Traffic {
    /// Starts [`RATE`] requests a second; `now` is the cloud's time.
    pub(crate) fn start(address: SocketAddr, now: Millis) -> Traffic {
        let (stop, tally) = (watch::Sender::new(false), Arc::new(Mutex::new(Tally::default())));
        let clock = Clock { base: now, from: Instant::now() };
        let mut clients = JoinSet::new();
        let between = Duration::from_secs(1) * CLIENTS / RATE;
        for place in 0..CLIENTS {
            let first = clock.from + between * place / CLIENTS;
            clients.spawn(client(address, first, between, stop.subscribe(), tally.clone(), clock));
        }
        Traffic { clients, stop, tally, clock }
    }

    /// The counts so far.
    pub(crate) fn counted(&self) -> Counted {
        lock(&self.tally).all.clone()
    }

    /// Answers and 5XX answers per second, of late.
    pub(crate) fn rates(&self) -> (f64, f64) {
        let since = self.clock.now().saturating_sub(SHOWN);
        let tally = lock(&self.tally);
        let recent = tally.recent.iter().filter(|(at, _)| *at >= since);
        let (all, bad) = recent.fold((0_u32, 0_u32), |(all, bad), (_, failed)| (all + 1, bad + u32::from(*failed)));
        let second = |count: u32| f64::from(count) * 1000.0 / SHOWN as f64;
        (second(all), second(bad))
    }

    /// Starts counting tags anew.
    pub(crate) fn begin_window(&self) {
        lock(&self.tally).window.clear();
    }

    /// Answers by tag since then.
    pub(crate) fn window(&self) -> BTreeMap<String, u64> {
        lock(&self.tally).window.clone()
    }

    /// Stops sending, waits for the answers that are still out, and tells the totals.
    pub(crate) async fn end(mut self) -> Counted {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
        self.counted()
    }
}

async fn client(
    address: SocketAddr,
    first: Instant,
    between: Duration,
    stop: watch::Receiver<bool>,
    tally: Arc<Mutex<Tally>>,
    clock: Clock,
) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).retry_canceled_requests(false).pool_max_idle_per_host(1).build(connector);
    sleep_until(first).await;
    let mut times = interval(between);
    // What could not be sent in time is made up for, so that the rate stands.
    times.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !*stop.borrow() {
        times.tick().await;
        let Ok(request) = Request::get(format!("http://{address}/")).body(Empty::new()) else { return };
        lock(&tally).all.sent += 1;
        let answer = match client.request(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let tag = parts.headers.get("x-image-tag").and_then(|tag| tag.to_str().ok()).unwrap_or("-").to_owned();
                // An answer whose body breaks off is no answer.
                body.collect().await.ok().map(|_| (parts.status.as_u16(), tag))
            }
            Err(_) => None,
        };
        lock(&tally).add(answer, clock.now());
    }
}

impl Tally {
    fn add(&mut self, answer: Option<(u16, String)>, now: Millis) {
        let Some((status, tag)) = answer else {
            self.all.connection_errors += 1;
            return;
        };
        self.all.answered += 1;
        *self.all.by_tag.entry(tag.clone()).or_default() += 1;
        *self.window.entry(tag).or_default() += 1;
        let failed = status / 100 == 5;
        if failed {
            self.all.server_errors += 1;
            self.all.first_server_error.get_or_insert(now);
        } else if status / 100 != 2 {
            self.all.other += 1;
        }
        self.recent.push_back((now, failed));
        while self.recent.front().is_some_and(|(at, _)| at + SHOWN < now) {
            self.recent.pop_front();
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_counted_once_and_by_its_kind() {
        let mut tally = Tally::default();
        for (now, answer) in [(1, Some(200)), (2, Some(503)), (3, Some(404)), (4, None), (5, Some(500))] {
            tally.all.sent += 1;
            tally.add(answer.map(|status| (status, "2.0.0".to_owned())), now);
        }
        let Counted { sent, answered, by_tag, server_errors, other, connection_errors, first_server_error } = tally.all;
        assert_eq!((sent, answered, server_errors, other, connection_errors), (5, 4, 2, 1, 1));
        assert_eq!((first_server_error, by_tag), (Some(2), BTreeMap::from([("2.0.0".to_owned(), 4)])));
    }

    #[test]
    fn old_answers_leave_the_shown_rate() {
        let mut tally = Tally::default();
        tally.add(Some((200, "1".to_owned())), 0);
        tally.add(Some((200, "1".to_owned())), SHOWN + 1);
        assert_eq!(tally.recent.len(), 1);
    }
}
