//! What a rule's actions say, and the same actions with other weights.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig, TargetGroupTuple,
};
use shared::ids::TargetGroupArn;
use shared::observation::RouteReading;
use shared::ports::EffectError;
use shared::time::Span;
use shared::weights::Weights;

/// The action types this release copies whole.
const KNOWN_TYPES: &[ActionTypeEnum] = &[
    ActionTypeEnum::Forward,
    ActionTypeEnum::AuthenticateOidc,
    ActionTypeEnum::AuthenticateCognito,
    ActionTypeEnum::JwtValidation,
    ActionTypeEnum::Redirect,
    ActionTypeEnum::FixedResponse,
];

/// The weight of a target group whose weight is not said, as in the shorthand for a single one.
const UNSAID_WEIGHT: u32 = 1;

/// The actions as a reading; `unknown` are names of elements that the SDK dropped.
pub(super) fn reading(actions: &[Action], is_default: bool, unknown: &[String]) -> RouteReading {
    let forward = only_forward(actions).ok();
    let weights = forward.map(weights_of).unwrap_or_default();
    let stickiness = forward
        .and_then(|action| action.forward_config()?.target_group_stickiness_config())
        .filter(|stickiness| stickiness.enabled() == Some(true))
        .map(|stickiness| Span::secs(u64::try_from(stickiness.duration_seconds().unwrap_or(0)).unwrap_or(0)));
    RouteReading { weights, stickiness, unwritable: unwritable(actions, is_default, unknown) }
}

/// Why these actions could not be written back exactly.
fn unwritable(actions: &[Action], is_default: bool, unknown: &[String]) -> Option<String> {
    if is_default {
        return Some(
            "it is a listener's default rule, which only the listener can change: name the listener's ARN".to_owned(),
        );
    }
    if let Some(action) = actions.iter().find(|action| !action.r#type().is_some_and(|kind| KNOWN_TYPES.contains(kind)))
    {
        let name = action.r#type().map_or("(none)", ActionTypeEnum::as_str);
        return Some(format!("it has an action of the type `{name}`, which this release does not know"));
    }
    if !unknown.is_empty() {
        return Some(format!("its actions hold what this release does not know: {}", unknown.join(", ")));
    }
    only_forward(actions).err()
}

fn only_forward(actions: &[Action]) -> Result<&Action, String> {
    let mut forwards = actions.iter().filter(|action| action.r#type() == Some(&ActionTypeEnum::Forward));
    match (forwards.next(), forwards.next()) {
        (Some(forward), None) if !weights_of(forward).is_empty() => Ok(forward),
        (Some(_), None) => Err("its forward action names no target group".to_owned()),
        (None, _) => Err("it has no forward action".to_owned()),
        (Some(_), Some(_)) => Err("it has more than one forward action".to_owned()),
    }
}

/// The target groups of a forward action in their order. The list wins over the shorthand, which only repeats it.
fn tuples(forward: &Action) -> Vec<(TargetGroupArn, u32)> {
    let list = forward.forward_config().map(ForwardActionConfig::target_groups).unwrap_or_default();
    if list.is_empty() {
        return forward.target_group_arn().map(|arn| (arn.into(), UNSAID_WEIGHT)).into_iter().collect();
    }
    list.iter()
        .filter_map(|tuple| {
            let weight = tuple.weight().map_or(UNSAID_WEIGHT, |weight| u32::try_from(weight).unwrap_or(0));
            Some((tuple.target_group_arn()?.into(), weight))
        })
        .collect()
}

fn weights_of(forward: &Action) -> Weights {
    tuples(forward).into_iter().collect()
}

/// The same actions with these weights: order, stickiness, logins and everything else as it was.
///
/// # Errors
/// Permanent where the actions could not be written back exactly, transient where the target groups are other ones than
/// the weights are for.
pub(super) fn with_weights(actions: &[Action], weights: &Weights) -> Result<Vec<Action>, EffectError> {
    let forward = only_forward(actions).map_err(EffectError::Permanent)?;
    let groups = tuples(forward);
    if weights_of(forward).keys().ne(weights.keys()) {
        return Err(EffectError::Transient(
            "not written: the rule's target groups changed since they were read".to_owned(),
        ));
    }
    actions
        .iter()
        .map(|action| match action.r#type() {
            Some(ActionTypeEnum::Forward) => forward_with(action, &groups, weights),
            Some(ActionTypeEnum::AuthenticateOidc) => Ok(with_kept_secret(action)),
            _ => Ok(action.clone()),
        })
        .collect()
}

fn forward_with(action: &Action, groups: &[(TargetGroupArn, u32)], weights: &Weights) -> Result<Action, EffectError> {
    let mut list = Vec::with_capacity(groups.len());
    for (group, _) in groups {
        let weight = weights.get(group).and_then(|&weight| i32::try_from(weight).ok());
        let weight = weight.ok_or_else(|| EffectError::Permanent(format!("no weight for {group}")))?;
        list.push(TargetGroupTuple::builder().target_group_arn(group.as_str()).weight(weight).build());
    }
    let stickiness = action.forward_config().and_then(|config| config.target_group_stickiness_config()).cloned();
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(list))
        .set_target_group_stickiness_config(stickiness)
        .build();
    let mut action = action.clone();
    action.forward_config = Some(config);
    // Beside a list the shorthand may only repeat its single entry; ELB refuses it next to two.
    action.target_group_arn = None;
    Ok(action)
}

/// ELB never tells a client secret; a login written back without saying "keep the one you have" would lose it.
fn with_kept_secret(action: &Action) -> Action {
    let mut action = action.clone();
    if let Some(AuthenticateOidcActionConfig { client_secret, use_existing_client_secret, .. }) =
        &mut action.authenticate_oidc_config
    {
        *client_secret = None;
        *use_existing_client_secret = Some(true);
    }
    action
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_elasticloadbalancingv2::types::{
        JwtValidationActionConfig, RedirectActionConfig, RedirectActionStatusCodeEnum, TargetGroupStickinessConfig,
    };
    use std::slice;

    fn forward(groups: &[(&str, i32)], shorthand: Option<&str>) -> Action {
        let list = groups.iter().map(|(arn, w)| TargetGroupTuple::builder().target_group_arn(*arn).weight(*w).build());
        let config = ForwardActionConfig::builder()
            .set_target_groups((!groups.is_empty()).then(|| list.collect()))
            .target_group_stickiness_config(
                TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(60).build(),
            )
            .build();
        Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .order(3)
            .set_target_group_arn(shorthand.map(str::to_owned))
            .set_forward_config((!groups.is_empty()).then_some(config))
            .build()
    }

    fn oidc() -> Action {
        let login = AuthenticateOidcActionConfig::builder()
            .issuer("https://login")
            .client_id("id")
            .session_timeout(600)
            .authentication_request_extra_params("prompt", "login")
            .build();
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(login).build()
    }

    fn weights(list: &[(&str, u32)]) -> Weights {
        list.iter().map(|&(group, weight)| (group.into(), weight)).collect()
    }

    #[test]
    fn only_the_weights_of_a_rule_change() {
        let jwt = Action::builder()
            .r#type(ActionTypeEnum::JwtValidation)
            .order(2)
            .jwt_validation_config(JwtValidationActionConfig::builder().issuer("https://i").build())
            .build();
        let before = [oidc(), jwt.clone(), forward(&[("green", 0), ("blue", 100), ("other", 7)], None)];
        let after = with_weights(&before, &weights(&[("blue", 90), ("green", 10), ("other", 7)])).unwrap();
        assert_eq!(after[1], jwt);
        assert_eq!(after[2], forward(&[("green", 10), ("blue", 90), ("other", 7)], None));
        assert_eq!(after.iter().map(|action| action.order).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_login_keeps_its_client_secret() {
        let after =
            with_weights(&[oidc(), forward(&[("b", 1), ("g", 0)], None)], &weights(&[("b", 0), ("g", 1)])).unwrap();
        let mut expected = oidc().authenticate_oidc_config.unwrap();
        expected.use_existing_client_secret = Some(true);
        assert_eq!(after[0].authenticate_oidc_config, Some(expected));
    }

    #[test]
    fn the_shorthand_for_one_target_group_is_read_and_not_written_beside_a_list() {
        let echoed = forward(&[("b", 1)], Some("b"));
        assert_eq!(reading(slice::from_ref(&echoed), false, &[]).weights, weights(&[("b", 1)]));
        assert_eq!(with_weights(&[echoed], &weights(&[("b", 5)])).unwrap()[0].target_group_arn, None);
        assert_eq!(reading(&[forward(&[], Some("b"))], false, &[]).weights, weights(&[("b", 1)]));
    }

    #[test]
    fn other_target_groups_than_the_weights_are_for_are_not_written() {
        let changed = forward(&[("b", 1), ("new", 1)], None);
        let refused = with_weights(&[changed], &weights(&[("b", 1), ("g", 0)]));
        assert!(matches!(refused, Err(EffectError::Transient(_))), "{refused:?}");
        let more = with_weights(&[forward(&[("b", 1), ("g", 1), ("x", 1)], None)], &weights(&[("b", 1), ("g", 0)]));
        assert!(matches!(more, Err(EffectError::Transient(_))), "{more:?}");
    }

    #[test]
    fn what_cannot_be_written_back_exactly_is_said() {
        let unwritable =
            |actions: &[Action], is_default, unknown: &[String]| reading(actions, is_default, unknown).unwritable;
        let good = forward(&[("b", 1), ("g", 0)], None);
        assert_eq!(unwritable(slice::from_ref(&good), false, &[]), None);
        assert!(unwritable(slice::from_ref(&good), true, &[]).unwrap().contains("listener's ARN"));
        assert!(unwritable(slice::from_ref(&good), false, &["Sparkle".to_owned()]).unwrap().contains("Sparkle"));
        assert!(unwritable(&[good.clone(), good.clone()], false, &[]).unwrap().contains("more than one"));
        let strange = Action::builder().r#type(ActionTypeEnum::from("teleport")).build();
        assert!(unwritable(&[strange, good], false, &[]).unwrap().contains("teleport"));
        let redirect = RedirectActionConfig::builder().status_code(RedirectActionStatusCodeEnum::Http302).build();
        let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(redirect).build();
        assert!(unwritable(&[redirect], false, &[]).unwrap().contains("no forward"));
    }

    #[test]
    fn stickiness_is_told_only_where_it_is_on() {
        assert_eq!(reading(&[forward(&[("b", 1)], None)], false, &[]).stickiness, Some(Span::secs(60)));
        let mut off = forward(&[("b", 1)], None);
        if let Some(stickiness) = off.forward_config.as_mut().and_then(|c| c.target_group_stickiness_config.as_mut()) {
            stickiness.enabled = Some(false);
        }
        assert_eq!(reading(&[off], false, &[]).stickiness, None);
    }
}
