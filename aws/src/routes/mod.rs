//! Routes: the weights of listener rules and of listeners' default actions, read and written.
//!
//! Writing replaces the whole list of actions (ELBv2 API, ModifyRule), so the rule is read again just before and given
//! back as it was, with other weights. Conditions and transforms are not sent and stay.

mod rewrite;
mod xml;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::Action;
use shared::ids::RouteArn;
use shared::observation::{Reading, RouteReading};
use shared::ports::EffectError;
use shared::weights::Weights;

use crate::clock::{Budget, once};
use crate::errors::{During, Failure, Kind};
use crate::raw::KeepBody;

/// One route as read: its actions, and what the SDK dropped of them.
struct Read {
    actions: Vec<Action>,
    is_default: bool,
    unknown: Vec<String>,
}

impl Read {
    fn reading(&self) -> RouteReading {
        rewrite::reading(&self.actions, self.is_default, &self.unknown)
    }
}

/// Reads every route, all rules in one call and all listeners in another.
pub(crate) async fn read(client: &Client, routes: &[RouteArn]) -> BTreeMap<RouteArn, Reading<RouteReading>> {
    let (listeners, rules): (Vec<RouteArn>, Vec<RouteArn>) = routes.iter().cloned().partition(RouteArn::is_listener);
    let (rules, listeners) = tokio::join!(read_group(client, &rules), read_group(client, &listeners));
    rules.into_iter().chain(listeners).collect()
}

/// One kind of route. A missing one fails the call for all, so then each is read by itself.
async fn read_group(client: &Client, routes: &[RouteArn]) -> BTreeMap<RouteArn, Reading<RouteReading>> {
    let mut readings = BTreeMap::new();
    match describe(client, routes).await {
        Ok(found) => take(&mut readings, routes, &found),
        Err(failure) if failure.kind == Kind::NotFound && routes.len() > 1 => {
            for route in routes {
                match describe(client, std::slice::from_ref(route)).await {
                    Ok(found) => take(&mut readings, std::slice::from_ref(route), &found),
                    Err(failure) => {
                        readings.insert(route.clone(), failed(&failure));
                    }
                }
            }
        }
        Err(failure) => {
            readings.extend(routes.iter().map(|route| (route.clone(), failed(&failure))));
        }
    }
    readings
}

/// A route that is not there is known to send nothing anywhere, and cannot be written.
fn failed(failure: &Failure) -> Reading<RouteReading> {
    if failure.kind == Kind::NotFound {
        let unwritable = Some(format!("there is no such rule or listener ({failure})"));
        return Reading::Known(RouteReading { weights: Weights::new(), stickiness: None, unwritable });
    }
    Reading::Unknown(failure.to_string())
}

fn take(into: &mut BTreeMap<RouteArn, Reading<RouteReading>>, routes: &[RouteArn], found: &BTreeMap<RouteArn, Read>) {
    for route in routes {
        let reading = match found.get(route) {
            Some(read) => Reading::Known(read.reading()),
            None => Reading::Unknown(format!("{route} is not in the answer")),
        };
        into.insert(route.clone(), reading);
    }
}

/// Routes of one kind as they are; empty for none.
async fn describe(client: &Client, routes: &[RouteArn]) -> Result<BTreeMap<RouteArn, Read>, Failure> {
    let Some(first) = routes.first() else { return Ok(BTreeMap::new()) };
    let (keep, arns) = (KeepBody::default(), routes.iter().map(|route| route.0.clone()).collect());
    let mut found: BTreeMap<RouteArn, Read> = BTreeMap::new();
    let call = if first.is_listener() {
        let call = "elasticloadbalancing:DescribeListeners";
        let request = client.describe_listeners().set_listener_arns(Some(arns));
        let answer = request.customize().interceptor(keep.clone()).send().await.during(call)?;
        for listener in answer.listeners.unwrap_or_default() {
            let actions = listener.default_actions.unwrap_or_default();
            let read = Read { actions, is_default: false, unknown: Vec::new() };
            found.insert(listener.listener_arn.unwrap_or_default().into(), read);
        }
        call
    } else {
        let call = "elasticloadbalancing:DescribeRules";
        let request = client.describe_rules().set_rule_arns(Some(arns));
        let answer = request.customize().interceptor(keep.clone()).send().await.during(call)?;
        for rule in answer.rules.unwrap_or_default() {
            let is_default = rule.is_default == Some(true);
            let read = Read { actions: rule.actions.unwrap_or_default(), is_default, unknown: Vec::new() };
            found.insert(rule.rule_arn.unwrap_or_default().into(), read);
        }
        call
    };
    for (arn, unknown) in xml::unknown_elements(&keep.take()).map_err(|why| Failure::unreadable(call, why))? {
        // An element that cannot be given to its rule taints all: better refused than written back with a loss.
        match found.get_mut(&RouteArn::from(arn.as_str())) {
            Some(read) => read.unknown = unknown,
            None => found.values_mut().for_each(|read| read.unknown.extend(unknown.iter().cloned())),
        }
    }
    Ok(found)
}

/// Writes the weights of one route: read again just before, nothing but the weights changed.
///
/// # Errors
/// See [`rewrite::with_weights`]; and what AWS says.
pub(crate) async fn write(
    client: &Client,
    route: &RouteArn,
    weights: &Weights,
    budget: &Budget,
) -> Result<(), EffectError> {
    budget
        .run(async || {
            let mut found = budget.read(describe(client, std::slice::from_ref(route))).await?;
            let read =
                found.remove(route).ok_or_else(|| EffectError::Transient(format!("{route} is not in the answer")))?;
            let now = read.reading();
            if let Some(why) = now.unwritable {
                return Err(EffectError::Permanent(format!("{route} cannot be written back exactly: {why}")));
            }
            let actions = rewrite::with_weights(&read.actions, weights)?;
            if now.weights == *weights {
                return Ok(());
            }
            Ok(modify(client, route, actions, budget.left()?).await?)
        })
        .await
}

async fn modify(client: &Client, route: &RouteArn, actions: Vec<Action>, left: Duration) -> Result<(), Failure> {
    let once = once!(aws_sdk_elasticloadbalancingv2, left);
    if route.is_listener() {
        let request = client.modify_listener().listener_arn(route.as_str()).set_default_actions(Some(actions));
        request.customize().config_override(once).send().await.during("elasticloadbalancing:ModifyListener")?;
    } else {
        let request = client.modify_rule().rule_arn(route.as_str()).set_actions(Some(actions));
        request.customize().config_override(once).send().await.during("elasticloadbalancing:ModifyRule")?;
    }
    Ok(())
}
