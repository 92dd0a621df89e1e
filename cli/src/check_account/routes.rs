//! Checks on rules of the listener. Every rule waits for a host name that nothing resolves, and forwards to target groups
//! without targets.

use super::checks::{Finding, Found};
use super::lab::{HOST, Lab, Listener, TAG};
use super::made::{Thing, all_rules};
use aws::sdk::elb::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConditionalBehaviorEnum, AuthenticateOidcActionConfig,
    ForwardActionConfig, HostHeaderConditionConfig, ProtocolEnum, Rule, RuleCondition, Tag, TargetDescription,
    TargetGroup, TargetGroupTuple, TargetHealthStateEnum, TargetTypeEnum,
};
use aws::{During as _, Failure, Kind};

/// A private address that is hardly anybody's; nothing but health checks would ever go there.
const ADDRESS: &str = "10.255.255.254";

fn tag(value: &str) -> Tag {
    Tag::builder().key(TAG).value(value).build()
}

async fn group(lab: &Lab, listener: &Listener, check: u32, part: &str) -> Result<String, Failure> {
    let name = lab.name(check, part);
    lab.note(Thing::TargetGroup(name.clone()));
    let request = lab.clients.elb.create_target_group().name(name).protocol(ProtocolEnum::Http).port(80);
    let request = request.vpc_id(&listener.vpc).target_type(TargetTypeEnum::Ip).tags(tag(&lab.run));
    let answer = request.send().await.during("elasticloadbalancing:CreateTargetGroup")?;
    let group = answer.target_groups().first().and_then(TargetGroup::target_group_arn);
    Ok(group.unwrap_or_default().to_owned())
}

fn tuple(group: &str, weight: Option<i32>) -> TargetGroupTuple {
    TargetGroupTuple::builder().target_group_arn(group).set_weight(weight).build()
}

fn forward(tuples: Vec<TargetGroupTuple>) -> Action {
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples)).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

/// A rule at the lowest priority that is free: every other rule of the listener goes before it.
async fn rule(lab: &Lab, listener: &Listener, check: u32, actions: Vec<Action>) -> Result<String, Failure> {
    let taken: Vec<String> =
        all_rules(lab, &listener.arn).await?.iter().filter_map(|rule| rule.priority().map(str::to_owned)).collect();
    let free = (1..=50_000).rev().find(|priority: &i32| !taken.contains(&priority.to_string()));
    let host = format!("{check}.{}{HOST}", lab.run);
    lab.note(Thing::Rule(host.clone()));
    let hosts = HostHeaderConditionConfig::builder().values(&host).build();
    let condition = RuleCondition::builder().field("host-header").host_header_config(hosts).build();
    let request = lab.clients.elb.create_rule().listener_arn(&listener.arn).conditions(condition).tags(tag(&host));
    let answer = request.set_priority(free).set_actions(Some(actions)).send().await;
    let answer = answer.during("elasticloadbalancing:CreateRule")?;
    Ok(answer.rules().first().and_then(Rule::rule_arn).unwrap_or_default().to_owned())
}

async fn read(lab: &Lab, arn: &str) -> Result<Option<Rule>, Failure> {
    let answer = lab.clients.elb.describe_rules().rule_arns(arn).send().await;
    Ok(answer.during("elasticloadbalancing:DescribeRules")?.rules.unwrap_or_default().into_iter().next())
}

async fn write(lab: &Lab, arn: &str, actions: Vec<Action>) -> Result<(), Failure> {
    let request = lab.clients.elb.modify_rule().rule_arn(arn).set_actions(Some(actions));
    request.send().await.during("elasticloadbalancing:ModifyRule").map(drop)
}

fn weights(rule: &Rule) -> Vec<Option<i32>> {
    let configs = rule.actions().iter().filter_map(Action::forward_config);
    configs.flat_map(ForwardActionConfig::target_groups).map(TargetGroupTuple::weight).collect()
}

/// 2: a forward to one group is described with the shorthand beside the whole form.
pub(super) async fn echo(lab: &Lab, listener: &Listener) -> Finding {
    let group = group(lab, listener, 2, "").await?;
    let arn = rule(lab, listener, 2, vec![forward(vec![tuple(&group, Some(1))])]).await?;
    let Some(rule) = read(lab, &arn).await? else { return Ok(Found::unknown("the rule is not described")) };
    let action = rule.actions().first();
    let shorthand = action.and_then(Action::target_group_arn).is_some();
    let whole = action.and_then(Action::forward_config).is_some();
    let evidence = format!("TargetGroupArn {}, ForwardConfig {}", there(shorthand), there(whole));
    Ok(Found::told(shorthand && whole, evidence))
}

fn there(is: bool) -> &'static str {
    if is { "is there" } else { "is missing" }
}

/// 3: what ModifyRule does not name stays.
pub(super) async fn conditions(lab: &Lab, listener: &Listener) -> Finding {
    let groups = [group(lab, listener, 3, "a").await?, group(lab, listener, 3, "b").await?];
    let actions = |a, b| vec![forward(vec![tuple(&groups[0], Some(a)), tuple(&groups[1], Some(b))])];
    let arn = rule(lab, listener, 3, actions(1, 0)).await?;
    let before = read(lab, &arn).await?.map(|rule| rule.conditions().to_vec()).unwrap_or_default();
    write(lab, &arn, actions(0, 1)).await?;
    let (after, _) = lab.wait(async || Ok(read(lab, &arn).await?.filter(|rule| weights(rule)[0] == Some(0)))).await?;
    let Some(after) = after else { return Ok(Found::unknown("the written weights were not read back")) };
    let kept = !before.is_empty() && after.conditions() == before;
    Ok(Found::told(kept, format!("{} conditions before, {} after", before.len(), after.conditions().len())))
}

/// 4: a secret that cannot be read is kept when a rule is written back.
pub(super) async fn secret(lab: &Lab, listener: &Listener) -> Finding {
    if !listener.https {
        return Ok(Found::unknown("needs a listener with HTTPS"));
    }
    let group = group(lab, listener, 4, "").await?;
    let login = |secret: Option<&str>| {
        let endpoint = |part: &str| format!("https://login{HOST}/{part}");
        let config = AuthenticateOidcActionConfig::builder()
            .issuer(format!("https://login{HOST}"))
            .authorization_endpoint(endpoint("authorize"))
            .token_endpoint(endpoint("token"))
            .user_info_endpoint(endpoint("userinfo"))
            .client_id("flipback")
            .on_unauthenticated_request(AuthenticateOidcActionConditionalBehaviorEnum::Deny);
        let config = match secret {
            Some(secret) => config.client_secret(secret),
            None => config.use_existing_client_secret(true),
        };
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(config.build())
    };
    let last = |weight| {
        let config = ForwardActionConfig::builder().target_groups(tuple(&group, Some(weight))).build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).order(2);
        action.target_group_arn(&group).forward_config(config).build()
    };
    let arn = rule(lab, listener, 4, vec![login(Some("not-a-secret")).build(), last(1)]).await?;
    refusal(write(lab, &arn, vec![login(None).build(), last(2)]).await, "the write with UseExistingClientSecret")
}

/// What a refusal says of a belief that a write is accepted; another failure says nothing.
fn refusal(result: Result<(), Failure>, what: &str) -> Result<Found, Failure> {
    match result {
        Ok(()) => Ok(Found::told(true, format!("{what} was accepted"))),
        Err(failure) if failure.kind == Kind::Invalid => {
            Ok(Found::told(false, format!("{what} was refused: {failure}")))
        }
        Err(failure) => Err(failure),
    }
}

/// 5: the default rule is the listener's. It is given back what it has.
pub(super) async fn default_rule(lab: &Lab, listener: &Listener) -> Finding {
    let rules = all_rules(lab, &listener.arn).await?;
    let Some(rule) = rules.iter().find(|rule| rule.is_default() == Some(true)) else {
        return Ok(Found::unknown("no default rule is described"));
    };
    let plain = [ActionTypeEnum::Forward, ActionTypeEnum::FixedResponse, ActionTypeEnum::Redirect];
    if !rule.actions().iter().all(|action| action.r#type().is_some_and(|kind| plain.contains(kind))) {
        return Ok(Found::unknown("the default action logs people in, and is left alone"));
    }
    match write(lab, rule.rule_arn().unwrap_or_default(), rule.actions().to_vec()).await {
        Ok(()) => Ok(Found::told(false, "ModifyRule with what the default rule has was accepted".to_owned())),
        Err(failure) if failure.code.as_deref() == Some("OperationNotPermitted") => {
            Ok(Found::told(true, "ModifyRule was refused with OperationNotPermitted".to_owned()))
        }
        Err(failure) => Err(failure),
    }
}

/// 25: a group without a weight has weight 1.
pub(super) async fn weight(lab: &Lab, listener: &Listener) -> Finding {
    let groups = [group(lab, listener, 25, "a").await?, group(lab, listener, 25, "b").await?];
    let arn = rule(lab, listener, 25, vec![forward(groups.iter().map(|group| tuple(group, None)).collect())]).await?;
    let Some(rule) = read(lab, &arn).await? else { return Ok(Found::unknown("the rule is not described")) };
    let weights = weights(&rule);
    if weights.iter().any(Option::is_none) {
        return Ok(Found::unknown("no weight is described where none was given"));
    }
    Ok(Found::told(weights == [Some(1), Some(1)], format!("the weights are described as {weights:?}")))
}

/// 27: the whole form alone is taken for one group.
pub(super) async fn whole_form(lab: &Lab, listener: &Listener) -> Finding {
    let group = group(lab, listener, 27, "").await?;
    let both = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group);
    let arn = rule(lab, listener, 27, vec![both.build()]).await?;
    refusal(write(lab, &arn, vec![forward(vec![tuple(&group, Some(5))])]).await, "ForwardConfig alone")
}

/// 33: a group with weight 0 is health-checked all the same.
pub(super) async fn idle_group(lab: &Lab, listener: &Listener) -> Finding {
    let groups = [group(lab, listener, 33, "a").await?, group(lab, listener, 33, "b").await?];
    rule(lab, listener, 33, vec![forward(vec![tuple(&groups[0], Some(1)), tuple(&groups[1], Some(0))])]).await?;
    register(lab, &groups[1]).await?;
    // A target that is registered is `initial` with this reason before it is anything else.
    let (state, took) = lab
        .wait(async || {
            let request = lab.clients.elb.describe_target_health().target_group_arn(&groups[1]);
            let answer = request.send().await.during("elasticloadbalancing:DescribeTargetHealth")?;
            let health = answer.target_health_descriptions().first().and_then(|target| target.target_health());
            Ok(health
                .and_then(|health| health.state().cloned())
                .filter(|state| *state != TargetHealthStateEnum::Unused))
        })
        .await?;
    let said = state.as_ref().map_or("unused", TargetHealthStateEnum::as_str);
    Ok(Found::told(state.is_some(), format!("its target is `{said}` after {took}")))
}

/// An address inside the load balancer's network takes no zone, one outside takes `all`.
async fn register(lab: &Lab, group: &str) -> Result<(), Failure> {
    let call = "elasticloadbalancing:RegisterTargets";
    let target = TargetDescription::builder().id(ADDRESS).port(80);
    let request = lab.clients.elb.register_targets().target_group_arn(group);
    match request.clone().targets(target.clone().availability_zone("all").build()).send().await.during(call) {
        Err(failure) if failure.kind == Kind::Invalid => {
            request.targets(target.build()).send().await.during(call).map(drop)
        }
        done => done.map(drop),
    }
}

/// 39: what was written is read at once.
pub(super) async fn read_back(lab: &Lab, listener: &Listener) -> Finding {
    let groups = [group(lab, listener, 39, "a").await?, group(lab, listener, 39, "b").await?];
    let actions = |a, b| vec![forward(vec![tuple(&groups[0], Some(a)), tuple(&groups[1], Some(b))])];
    let arn = rule(lab, listener, 39, actions(100, 0)).await?;
    write(lab, &arn, actions(0, 100)).await?;
    let mut looks = 0;
    let (seen, took) = lab
        .wait(async || {
            looks += 1;
            Ok(read(lab, &arn).await?.filter(|rule| weights(rule) == [Some(0), Some(100)]))
        })
        .await?;
    let evidence = match seen {
        Some(_) => format!("read back after {took}, at look {looks}"),
        None => format!("not read back within {took}"),
    };
    Ok(Found::told(seen.is_some() && looks == 1, evidence))
}
