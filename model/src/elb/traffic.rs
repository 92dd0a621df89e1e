//! Requests: where they go, how they are counted.

use super::actions::{Gate, Last, Unauthenticated};
use super::{Elb, HealthState, Plan, TargetGroup};
use crate::cloudwatch::Sample;
use crate::{Answered, Beliefs, Happening, Manners, Millis, RequestHead, Route, StickyCookie, World};

impl TargetGroup {
    /// Whose turn it is among those that may get a request.
    fn draw(&mut self, beliefs: &Beliefs) -> Option<(&str, u16)> {
        let turn = self.turn;
        self.turn = self.turn.wrapping_add(1);
        let healthy = self.targets.values().filter(|target| target.state == HealthState::Healthy).count();
        let serves = |state: HealthState| match state {
            HealthState::Healthy => true,
            HealthState::Unhealthy | HealthState::Initial => healthy == 0 && beliefs.unhealthy_group_fails_open,
            HealthState::Unused | HealthState::Draining => false,
        };
        let count = match healthy {
            0 => self.targets.values().filter(|target| serves(target.state)).count(),
            some => some,
        };
        let mut open = self.targets.iter().filter(|(_, target)| serves(target.state));
        let ((id, port), _) = open.nth(turn.checked_rem(count)?)?;
        Some((id.as_str(), *port))
    }

    fn has_targets(&self) -> bool {
        self.targets.values().any(|target| !matches!(target.state, HealthState::Unused | HealthState::Draining))
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
    fn suffixes(&self, balancer: &str, group: Option<&str>) -> Option<(String, Option<String>)> {
        let balancer = self.load_balancers.get(balancer)?.suffix.clone();
        let group = group.and_then(|arn| self.target_groups.get(arn)).map(|group| group.suffix.clone());
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

impl World {
    /// Draws where a request goes. Weights are honoured exactly over time; weight 0 is never drawn.
    pub fn route(&mut self, listener_arn: &str, head: &RequestHead<'_>, now: Millis) -> Route {
        let elb = &mut self.elb;
        let beliefs = &self.core.settings.beliefs;
        let Some(listener) = elb.listeners.get(listener_arn) else { return Route::NoListener };
        let balancer = listener.load_balancer.clone();
        let (secure, listener_port) = (listener.protocol == "HTTPS", listener.port);
        let in_force = |arn: &String| {
            let rule = elb.rules.get(arn)?;
            Some(match &rule.before {
                Some((until, plan)) if *until > now => plan,
                Some(_) | None => &rule.plan,
            })
        };
        let matches = |plan: &&Plan| plan.conditions.iter().all(|condition| condition.holds(head));
        let found = listener.order.iter().find_map(|arn| Some((arn, in_force(arn).filter(matches)?)));
        let Some((rule, plan)) = found else { return Route::NoListener };
        if let Some(detour) = elb.gated(plan, head, &balancer) {
            return detour;
        }
        let (groups, sticky) = match &plan.last {
            Last::Fixed { status, content_type, body } => {
                return Route::Fixed {
                    load_balancer_arn: balancer,
                    status: *status,
                    content_type: content_type.clone(),
                    body: body.clone(),
                };
            }
            Last::Redirect { status, protocol, host, port, path, query } => {
                let location = location([protocol, host, port, path, query], head, secure, listener_port);
                return Route::Redirect { load_balancer_arn: balancer, location, status: *status };
            }
            Last::Forward { groups, sticky } => (groups.clone(), *sticky),
        };
        let rule = rule.clone();
        // A client that a cookie binds stays with its group, whatever the weights say now.
        let bound = head.sticky.filter(|_| sticky.is_some()).and_then(|arn| groups.iter().position(|(g, _)| g == arn));
        let Elb { rules, target_groups, .. } = elb;
        let drawn = bound.or_else(|| {
            let owed = &mut rules.get_mut(&rule)?.owed;
            let takes_part = |arn: &str| {
                beliefs.empty_group_answers_503 || target_groups.get(arn).is_some_and(TargetGroup::has_targets)
            };
            draw_group(&groups, owed, takes_part)
        });
        let place = drawn.unwrap_or(0);
        let Some((group_arn, _)) = groups.get(place) else { return Route::NoListener };
        let target = match (drawn, target_groups.get_mut(group_arn)) {
            (Some(_), Some(group)) => group.draw(beliefs),
            (None, _) | (_, None) => None,
        };
        match target {
            Some((id, port)) => Route::Forward {
                load_balancer_arn: balancer,
                target_group_arn: group_arn.clone(),
                target_id: id.to_owned(),
                port,
                sticky_cookie: sticky
                    .filter(|_| bound.is_none())
                    .map(|seconds| StickyCookie { target_group_arn: group_arn.clone(), duration_seconds: seconds }),
            },
            None => Route::NoTarget { status: 503, load_balancer_arn: balancer, target_group_arn: group_arn.clone() },
        }
    }

    /// Counts an answered request into the AWS/ApplicationELB metrics.
    pub fn record(&mut self, answered: Answered, now: Millis) {
        let group = answered.target_group_arn.as_deref();
        let Some((balancer, group)) = self.elb.suffixes(&answered.load_balancer_arn, group) else { return };
        let group = group.as_deref();
        let metrics = &mut self.cloudwatch;
        let mut count = |name: &str, group: Option<&str>| metrics.alb(&balancer, group, name, now, Sample::one());
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
            let name = format!("HTTPCode_Target_{class}_Count");
            let seconds = answered.latency_ms as f64 / 1_000.0;
            for dimension in [None, group] {
                metrics.alb(&balancer, dimension, &name, now, Sample::one());
                metrics.alb(&balancer, dimension, "TargetResponseTime", now, Sample::of(seconds));
                if group.is_none() {
                    break;
                }
            }
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
        (0..requests).map(|_| self.send(listener_arn, &head, now)).collect()
    }

    /// Sends one request without a network, as [`World::send_traffic`] does.
    pub fn send(&mut self, listener_arn: &str, head: &RequestHead<'_>, now: Millis) -> u16 {
        let (balancer, group, target, answer, own, connection_error) = match self.route(listener_arn, head, now) {
            Route::Forward { load_balancer_arn, target_group_arn, target_id, .. } => {
                let answer = self.answer_from_manners(&target_id, now);
                let lost = answer.is_none();
                let (status, delay) = answer.unwrap_or((502, 0));
                (load_balancer_arn, Some(target_group_arn), Some(target_id), (status, delay), lost, lost)
            }
            Route::NoTarget { status, load_balancer_arn, target_group_arn } => {
                (load_balancer_arn, Some(target_group_arn), None, (status, 0), true, false)
            }
            Route::Fixed { load_balancer_arn, status, .. } | Route::Redirect { load_balancer_arn, status, .. } => {
                (load_balancer_arn, None, None, (status, 0), true, false)
            }
            Route::NoListener => return 0,
        };
        self.record(
            Answered {
                load_balancer_arn: balancer,
                target_group_arn: group,
                target_id: target,
                status: answer.0,
                latency_ms: answer.1,
                elb_generated: own,
                connection_error,
            },
            now,
        );
        answer.0
    }

    /// Status and delay of the task behind a target; `None` when no task listens there.
    fn answer_from_manners(&mut self, target_id: &str, now: Millis) -> Option<(u16, Millis)> {
        let id = self.ecs.by_ip.get(target_id)?;
        let task = self.ecs.tasks.get_mut(id)?;
        let started = task.started?;
        let n = task.answered;
        task.answered += 1;
        let answer = Manners::answer(&task.manners, now.saturating_sub(started), n);
        Some((answer.status, answer.delay))
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
                    self.cloudwatch.alb(&balancer, group.as_deref(), name, now, Sample::of(hosts as f64));
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
