//! The keys of the one table. Everything of a service lies under `service#NAME`; what is looked up by something else has
//! an item under that; nothing is ever scanned for.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `service#NAME` | `state` | status, version, inbox |
//! | | `config` | the configuration of today |
//! | | `scaling` | what the scaling check found and has told |
//! | | `history#TIME#ROLLOUT#VERSION` | one line of history |
//! | | `notice#NUMBER` | one notice; the table's stream delivers it |
//! | `unsettled#0..15` | NAME | the sweep must look at this service |
//! | `directory#0..15` | NAME | every configured service |
//! | `repo#REPOSITORY` | `service#NAME` | who is deployed by its pushes |
//! | | `history#...`, `notice#unconfigured` | pushes that nobody is configured for |
//! | `alarm#ALARM` | `service#NAME` | whom this alarm rolls back |
//! | `ecs#CLUSTER/SERVICE` | `service#NAME` | whose colour this ECS service is |
//! | `claim#THING` | `claim` | who owns the thing |

use shared::ids::ServiceName;
use shared::notice::Notice;
use shared::time::{Span, Time};

/// A partition and a sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Key {
        Key { pk: pk.into(), sk: sk.into() }
    }
}

/// Over how many partitions the lists of services are spread: ten thousand services stay far below one partition's rate.
pub(super) const SHARDS: u64 = 16;

pub(super) fn service(name: &ServiceName) -> String {
    format!("service#{name}")
}

pub(super) fn state(name: &ServiceName) -> Key {
    Key::new(service(name), "state")
}

pub(super) fn config(name: &ServiceName) -> Key {
    Key::new(service(name), "config")
}

pub(super) fn scaling(name: &ServiceName) -> Key {
    Key::new(service(name), "scaling")
}

/// The notice of a look of the scaling check. Its time is in it: a service that is applied anew counts its memory anew.
pub(super) fn scaling_notice(name: &ServiceName, at: Time, version: u64) -> Key {
    Key::new(service(name), format!("{NOTICE}{:010}#scaling#{:013}#{version}", 0, at.0))
}

pub(super) fn unsettled_shard(shard: u64) -> String {
    format!("unsettled#{shard}")
}

pub(super) fn unsettled(name: &ServiceName) -> Key {
    Key::new(unsettled_shard(shard(name)), name.as_str())
}

pub(super) fn directory_shard(shard: u64) -> String {
    format!("directory#{shard}")
}

pub(super) fn directory(name: &ServiceName) -> Key {
    Key::new(directory_shard(shard(name)), name.as_str())
}

pub(super) fn claim(thing: &str) -> Key {
    Key::new(format!("claim#{thing}"), "claim")
}

pub(super) fn repository(repository: &str) -> String {
    format!("repo#{repository}")
}

pub(super) fn alarm(name: &str) -> String {
    format!("alarm#{name}")
}

/// The partition of an ECS service: its ARN, or cluster and name; a cluster's ARN is as good as its name.
pub(super) fn ecs(cluster_and_service: &str) -> String {
    let mut parts = cluster_and_service.rsplit('/');
    let service = parts.next().unwrap_or_default();
    format!("ecs#{}/{service}", parts.next().unwrap_or_default())
}

/// The sort key of a service among others that share a repository or an alarm.
pub(super) const MEMBER: &str = "service#";

pub(super) fn member(of: String, name: &ServiceName) -> Key {
    Key::new(of, format!("{MEMBER}{name}"))
}

pub(super) const HISTORY: &str = "history#";

/// The start of the sort keys of history at `at`; they order by time.
pub(super) fn history_at(at: Time) -> String {
    format!("{HISTORY}{:013}", at.0)
}

pub(super) fn history(pk: String, at: Time, rollout: Option<&str>, version: &str) -> Key {
    Key::new(pk, format!("{}#{}#{version}", history_at(at), rollout.unwrap_or("-")))
}

pub(super) const NOTICE: &str = "notice#";

/// A decision's notice has a number of its own. One that no decision made is told by what it says and its day: what is
/// found again and again, as a full scaling target is, is told once a day.
pub(super) fn notice(notice: &Notice) -> Key {
    if notice.number > 0 {
        return Key::new(service(&notice.service), format!("{NOTICE}{:010}", notice.number));
    }
    let day = notice.at.floor(Span::mins(24 * 60)).0;
    let content = serde_json::to_string(&notice.milestone).unwrap_or_default();
    Key::new(service(&notice.service), format!("{NOTICE}{:010}#{day:013}#{:016x}", 0, fnv(&content)))
}

/// The notice about pushes to a repository that nobody is configured for.
pub(super) fn unconfigured(name: &str) -> Key {
    Key::new(repository(name), format!("{NOTICE}unconfigured"))
}

fn shard(name: &ServiceName) -> u64 {
    fnv(name.as_str()) % SHARDS
}

/// FNV-1a with 64 bits: the same in every release, since it is part of stored keys.
pub fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::notice::Milestone;

    #[test]
    fn a_stored_hash_never_changes() {
        assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv("a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn an_ecs_service_is_the_same_by_arn_and_by_name() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:service/production/shop-blue";
        assert_eq!(ecs(arn), "ecs#production/shop-blue");
        assert_eq!(ecs("production/shop-blue"), "ecs#production/shop-blue");
        assert_eq!(ecs("arn:aws:ecs:eu-west-1:1:cluster/production/shop-blue"), "ecs#production/shop-blue");
    }

    #[test]
    fn history_orders_by_time() {
        let key = |at| history("service#a".to_owned(), Time(at), None, "1").sk;
        assert!(key(999) < key(1_000) && key(1_000) < key(1_760_000_000_000));
    }

    #[test]
    fn a_finding_is_told_once_a_day_and_a_decision_by_its_number() {
        let notice_at = |number, at| {
            let milestone = Milestone::Scaling { findings: vec!["at max".to_owned()], closed: Vec::new() };
            notice(&Notice { service: "a".into(), rollout: None, number, at: Time(at), milestone }).sk
        };
        let day = 24 * 3_600_000;
        assert_eq!(notice_at(0, day + 1), notice_at(0, day + 5));
        assert_ne!(notice_at(0, day + 1), notice_at(0, 2 * day));
        assert_eq!(notice_at(7, 1), "notice#0000000007");
    }
}
