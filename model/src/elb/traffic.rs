//! Requests: where they go, how they are counted.

use super::actions::{Gate, Last, Unauthenticated};
use super::{Elb, HealthState, Plan, Rule, Target, TargetGroup};
use crate::cloudwatch::Sample;
use crate::ecs::Ecs;
use crate::{Answered, Beliefs, Happening, Manners, Millis, RequestHead, Route, StickyCookie, World};

impl TargetGroup {
    /// Whose turn it is among those that may get a request.
    fn draw(&mut self, beliefs: &Beliefs) -> Option<(&str, u16)> {
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(1);
        let healthy = self.targets.values().filter(|target| target.state == HealthState::Healthy).count();
        let serves = |target: &Target| match target.state {
            HealthState::Healthy => true,
            // While it is being registered the load balancer does not know it yet.
            HealthState::Initial if target.registering() => false,
            HealthState::Unhealthy | HealthState::Initial => healthy == 0 && beliefs.unhealthy_group_fails_open,
            HealthState::Unused | HealthState::Draining => false,
        };
        let count = match healthy {
            0 => self.targets.values().filter(|target| serves(target)).count(),
            some => some,
        };
        let mut open = self.targets.iter().filter(|(_, target)| serves(target));
        let ((id, port), _) = open.nth(turn.checked_rem(count)?)?;
        Some((id.as_str(), *port))
    }

    fn has_targets(&self) -> bool {
        self.targets.values().any(|target| !matches!(target.state, HealthState::Unused | HealthState::Draining))
    }
}

/// What the nodes route by now.
fn in_force<'a>(plan: &'a Plan, before: &'a Option<(Millis, Plan)>, now: Millis) -> &'a Plan {
    match before {
        Some((until, before)) if *until > now => before,
        Some(_) | None => plan,
    }
}

impl Rule {
    fn in_force(&self, now: Millis) -> &Plan {
        in_force(&self.plan, &self.before, now)
    }
}

/// Smooth weighted round robin: over any `sum of weights` draws each group gets exactly its weight.
fn draw_group(weights: &[(String, u32)], owed: &mut Vec<i64>, usable: impl Fn(&str) -> bool) -> Option<usize> {
    owed.resize(weights.len(), 0);
    let mut total = 0;
    let mut best: Option<usize> = None;
    for (place, (arn, weight)) in weights.iter().enumerate() {
        if *weight == 0 || !usable(arn) {
            continue;
        }
        total += i64::from(*weight);
        owed[place] += i64::from(*weight);
        if best.is_none_or(|best| owed[place] > owed[best]) {
            best = Some(place);
        }
    }
    let best = best?;
    owed[best] -= total;
    Some(best)
}

/// Fills the placeholders of a redirect.
fn location(parts: [&str; 5], head: &RequestHead<'_>, secure: bool, listener_port: u16) -> String {
    let own_port = listener_port.to_string();
    let fill = |template: &str| {
        let host = head.host.split(':').next().unwrap_or_default();
        template
            .replace("#{protocol}", if secure { "HTTPS" } else { "HTTP" })
            .replace("#{host}", host)
            .replace("#{port}", &own_port)
            .replace("#{path}", head.path.trim_start_matches('/'))
            .replace("#{query}", head.query)
    };
    let [protocol, host, port, path, query] = parts.map(fill);
    let protocol = protocol.to_ascii_lowercase();
    let plain = matches!((protocol.as_str(), port.as_str()), ("http", "80") | ("https", "443"));
    let port = if plain { String::new() } else { format!(":{port}") };
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{protocol}://{host}{port}{path}{query}")
}

impl Elb {
    fn suffixes(&self, balancer: &str, group: Option<&str>) -> Option<(&str, Option<&str>)> {
        let balancer = self.load_balancers.get(balancer)?.suffix.as_str();
        let group = group.and_then(|arn| self.target_groups.get(arn)).map(|group| group.suffix.as_str());
        Some((balancer, group))
    }

    /// A refusal or a detour of the actions before the last one.
    fn gated(&self, plan: &Plan, head: &RequestHead<'_>, balancer: &str) -> Option<Route> {
        let gate = plan.gates.iter().find(|gate| !gate.passes(head))?;
        let fixed = |status: u16, body: &str| Route::Fixed {
            load_balancer_arn: balancer.to_owned(),
            status,
            content_type: "text/plain".to_owned(),
            body: body.to_owned(),
        };
        Some(match gate {
            Gate::Authenticate { otherwise: Unauthenticated::To(location), .. } => {
                Route::Redirect { load_balancer_arn: balancer.to_owned(), location: location.clone(), status: 302 }
            }
            Gate::Authenticate { .. } => fixed(401, "Authentication required"),
            Gate::Jwt => fixed(401, "Token required"),
        })
    }
}

/// Where a request goes, with the names still the load balancer's own.
enum Drawn<'a> {
    Target { balancer: &'a str, group: &'a str, id: &'a str, port: u16, cookie: Option<u64> },
    NoTarget { balancer: &'a str, group: &'a str },
    Other(Route),
}

impl Elb {
    fn drawn<'a>(
        &'a mut self,
        beliefs: &Beliefs,
        listener_arn: &str,
        head: &RequestHead<'_>,
        now: Millis,
    ) -> Drawn<'a> {
        let Some(listener) = self.listeners.get(listener_arn) else { return Drawn::Other(Route::NoListener) };
        let (secure, listener_port) = (listener.protocol == "HTTPS", listener.port);
        let rules = &self.rules;
        let holds = |arn: &&String| {
            let plan = rules.get(*arn).map(|rule| rule.in_force(now));
            plan.is_some_and(|plan| plan.conditions.iter().all(|condition| condition.holds(head)))
        };
        let Some(arn) = listener.order.iter().find(holds) else { return Drawn::Other(Route::NoListener) };
        let balancer = listener.load_balancer.as_str();
        if let Some(detour) = self.gated(self.rules[arn].in_force(now), head, balancer) {
            return Drawn::Other(detour);
        }
        let Elb { rules, target_groups, .. } = self;
        let Some(Rule { plan, before, owed, .. }) = rules.get_mut(arn) else { return Drawn::Other(Route::NoListener) };
        let plan = in_force(plan, before, now);
        let (groups, sticky) = match &plan.last {
            Last::Fixed { status, content_type, body } => {
                return Drawn::Other(Route::Fixed {
                    load_balancer_arn: balancer.to_owned(),
                    status: *status,
                    content_type: content_type.clone(),
                    body: body.clone(),
                });
            }
            Last::Redirect { status, protocol, host, port, path, query } => {
                let location = location([protocol, host, port, path, query], head, secure, listener_port);
                let load_balancer_arn = balancer.to_owned();
                return Drawn::Other(Route::Redirect { load_balancer_arn, location, status: *status });
            }
            Last::Forward { groups, sticky } => (groups, *sticky),
        };
        // A client that a cookie binds stays with its group, whatever the weights say now.
        let bound = head.sticky.filter(|_| sticky.is_some()).and_then(|arn| groups.iter().position(|(g, _)| g == arn));
        let drawn = bound.or_else(|| {
            let takes_part = |arn: &str| {
                beliefs.empty_group_answers_503 || target_groups.get(arn).is_some_and(TargetGroup::has_targets)
            };
            draw_group(groups, owed, takes_part)
        });
        let Some((group, _)) = groups.get(drawn.unwrap_or(0)) else { return Drawn::Other(Route::NoListener) };
        let target = match (drawn, target_groups.get_mut(group)) {
            (Some(_), Some(group)) => group.draw(beliefs),
            (None, _) | (_, None) => None,
        };
        match target {
            Some((id, port)) => Drawn::Target { balancer, group, id, port, cookie: sticky.filter(|_| bound.is_none()) },
            None => Drawn::NoTarget { balancer, group },
        }
    }
}

impl Ecs {
    /// Status and delay of the task behind a target; `None` when no task listens there.
    fn answer_from_manners(&mut self, target_id: &str, now: Millis) -> Option<(u16, Millis)> {
        let id = self.by_ip.get(target_id)?;
        let task = self.tasks.get_mut(id)?;
        let started = task.started?;
        let n = task.answered;
        task.answered += 1;
        let answer = Manners::answer(&task.manners, now.saturating_sub(started), n);
        Some((answer.status, answer.delay))
    }
}

/// Equal answers to requests of the same moment.
struct Tally {
    answered: Answered,
    times: u32,
}

impl World {
    /// Draws where a request goes. Weights are honoured exactly over time; weight 0 is never drawn.
    pub fn route(&mut self, listener_arn: &str, head: &RequestHead<'_>, now: Millis) -> Route {
        match self.elb.drawn(&self.core.settings.beliefs, listener_arn, head, now) {
            Drawn::Target { balancer, group, id, port, cookie } => Route::Forward {
                load_balancer_arn: balancer.to_owned(),
                target_group_arn: group.to_owned(),
                target_id: id.to_owned(),
                port,
                sticky_cookie: cookie
                    .map(|seconds| StickyCookie { target_group_arn: group.to_owned(), duration_seconds: seconds }),
            },
            Drawn::NoTarget { balancer, group } => Route::NoTarget {
                status: 503,
                load_balancer_arn: balancer.to_owned(),
                target_group_arn: group.to_owned(),
            },
            Drawn::Other(route) => route,
        }
    }

    /// Counts an answered request into the AWS/ApplicationELB metrics.
    pub fn record(&mut self, answered: Answered, now: Millis) {
        self.record_all(&Tally { answered, times: 1 }, now);
    }

    fn record_all(&mut self, tally: &Tally, now: Millis) {
        let answered = &tally.answered;
        let group = answered.target_group_arn.as_deref();
        let Some((balancer, group)) = self.elb.suffixes(&answered.load_balancer_arn, group) else { return };
        let metrics = &mut self.cloudwatch;
        let one = Sample::one().times(tally.times);
        let mut count = |name: &str, group: Option<&str>| metrics.alb(balancer, group, name, now, one);
        let class = match answered.status {
            200..=299 => "2XX",
            300..=399 => "3XX",
            400..=499 => "4XX",
            _ => "5XX",
        };
        count("RequestCount", None);
        if answered.elb_generated {
            // Answers of the load balancer itself are counted per load balancer only.
            match class {
                "5XX" => {
                    count("HTTPCode_ELB_5XX_Count", None);
                    if matches!(answered.status, 500 | 502 | 503 | 504) {
                        count(&format!("HTTPCode_ELB_{}_Count", answered.status), None);
                    }
                }
                other => count(&format!("HTTPCode_ELB_{other}_Count"), None),
            }
        }
        if answered.connection_error {
            count("TargetConnectionErrorCount", None);
            if group.is_some() {
                count("TargetConnectionErrorCount", group);
            }
        }
        if group.is_some() && answered.target_id.is_some() {
            count("RequestCount", group);
        }
        if !answered.elb_generated {
            let name = match class {
                "2XX" => "HTTPCode_Target_2XX_Count",
                "3XX" => "HTTPCode_Target_3XX_Count",
                "4XX" => "HTTPCode_Target_4XX_Count",
                _ => "HTTPCode_Target_5XX_Count",
            };
            let time = Sample::of(answered.latency_ms as f64 / 1_000.0).times(tally.times);
            for dimension in [None, group] {
                metrics.alb(balancer, dimension, name, now, one);
                metrics.alb(balancer, dimension, "TargetResponseTime", now, time);
                if group.is_none() {
                    break;
                }
            }
        }
        if let (false, Some(target)) = (answered.elb_generated, &answered.target_id) {
            self.note_served(target, tally.times);
        }
    }

    /// Sends requests (GET /) without a network, answers them from the tasks' manners, counts them, and returns the statuses.
    pub fn send_traffic(&mut self, listener_arn: &str, requests: u32, now: Millis) -> Vec<u16> {
        let head = RequestHead {
            method: "GET",
            path: "/",
            query: "",
            host: "localhost",
            headers: &[],
            source_ip: "127.0.0.1",
            sticky: None,
        };
        let mut tallies = Vec::new();
        let statuses = (0..requests).map(|_| self.send_one(listener_arn, &head, now, &mut tallies)).collect();
        for tally in &tallies {
            self.record_all(tally, now);
        }
        statuses
    }

    /// Sends one request without a network, as [`World::send_traffic`] does.
    pub fn send(&mut self, listener_arn: &str, head: &RequestHead<'_>, now: Millis) -> u16 {
        let mut tallies = Vec::new();
        let status = self.send_one(listener_arn, head, now, &mut tallies);
        for tally in &tallies {
            self.record_all(tally, now);
        }
        status
    }

    /// One request: its status; it is added to the tallies.
    fn send_one(&mut self, listener_arn: &str, head: &RequestHead<'_>, now: Millis, tallies: &mut Vec<Tally>) -> u16 {
        let ecs = &mut self.ecs;
        let mut detour = String::new();
        let (balancer, group, target, status, latency_ms, own, lost) =
            match self.elb.drawn(&self.core.settings.beliefs, listener_arn, head, now) {
                Drawn::Target { balancer, group, id, .. } => {
                    let answer = ecs.answer_from_manners(id, now);
                    let (status, delay) = answer.unwrap_or((502, 0));
                    (balancer, Some(group), Some(id), status, delay, answer.is_none(), answer.is_none())
                }
                Drawn::NoTarget { balancer, group } => (balancer, Some(group), None, 503, 0, true, false),
                Drawn::Other(
                    Route::Fixed { load_balancer_arn, status, .. } | Route::Redirect { load_balancer_arn, status, .. },
                ) => {
                    detour = load_balancer_arn;
                    (detour.as_str(), None, None, status, 0, true, false)
                }
                Drawn::Other(Route::NoListener | Route::Forward { .. } | Route::NoTarget { .. }) => return 0,
            };
        // Which target of a group answered is not counted.
        let same = |tally: &&mut Tally| {
            let known = &tally.answered;
            known.target_group_arn.as_deref() == group
                && (known.status, known.latency_ms) == (status, latency_ms)
                && (known.elb_generated, known.connection_error) == (own, lost)
                && known.load_balancer_arn == balancer
                && known.target_id.is_some() == target.is_some()
        };
        match tallies.iter_mut().find(same) {
            Some(tally) => tally.times += 1,
            None => tallies.push(Tally {
                times: 1,
                answered: Answered {
                    load_balancer_arn: balancer.to_owned(),
                    target_group_arn: group.map(str::to_owned),
                    target_id: target.map(str::to_owned),
                    status,
                    latency_ms,
                    elb_generated: own,
                    connection_error: lost,
                },
            }),
        }
        drop(detour);
        status
    }

    /// Publishes the host counts of every group in use, each ten seconds.
    pub(crate) fn publish_host_counts(&mut self, now: Millis) {
        self.elb.next_gauge = Some((now / 10_000 + 1) * 10_000);
        let used: Vec<(String, Vec<String>)> = self
            .elb
            .used
            .iter()
            .map(|(group, balancers)| (group.clone(), balancers.iter().cloned().collect()))
            .collect();
        for (group, balancers) in used {
            let (healthy, unhealthy) = self.elb.host_counts(&group);
            for balancer in balancers {
                let Some((balancer, group)) = self.elb.suffixes(&balancer, Some(&group)) else { continue };
                for (name, hosts) in [("HealthyHostCount", healthy), ("UnHealthyHostCount", unhealthy)] {
                    self.cloudwatch.alb(balancer, group, name, now, Sample::of(hosts as f64));
                }
            }
        }
    }

    /// Every listener there is, as the `ListenerUp` it was announced with.
    pub fn listeners_up(&self) -> Vec<Happening> {
        let up = |(arn, listener): (&String, &super::Listener)| Happening::ListenerUp {
            listener_arn: arn.clone(),
            load_balancer_arn: listener.load_balancer.clone(),
            port: listener.port,
        };
        self.elb.listeners.iter().map(up).collect()
    }
}
