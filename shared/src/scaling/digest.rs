//! What is open over all services, in one message: for those who want to be told once a day.

use super::{Memory, Severity};
use crate::ids::ServiceName;
use crate::notice::{Milestone, Notice};
use crate::time::{Span, Time};

/// Under this name a digest is kept and sent: no service has it, since a name has no blank.
pub const DIGEST: &str = "all services";

/// So many findings are told; of more only their number.
const MOST: usize = 12;

/// The digest of what is open and was told, the worst first, then what lasts longest.
#[must_use]
pub fn digest(all: &[(ServiceName, Memory)], now: Time) -> Notice {
    let open = all.iter().flat_map(|(service, memory)| memory.told(now).into_iter().map(move |open| (service, open)));
    let mut open: Vec<_> = open.map(|(service, open)| (open.severity(now), open.since, service, open)).collect();
    open.sort_by_key(|(severity, since, service, _)| (std::cmp::Reverse(*severity), *since, (*service).clone()));
    let services: std::collections::BTreeSet<_> = open.iter().map(|(_, _, service, _)| *service).collect();
    let count = |wanted: Severity| open.iter().filter(|(severity, ..)| *severity == wanted).count();
    let lines = open.iter().take(MOST).map(|(severity, since, _, open)| {
        // In hours: a digest that is asked for twice is the same, and told once.
        let hours = now.since(*since).0 / 3_600_000;
        let lasts = if hours == 0 { String::new() } else { format!(", for {}", Span::mins(hours * 60)) };
        format!("{severity}: {}{lasts}", open.finding)
    });
    let milestone = Milestone::ScalingDigest {
        services: all.len(),
        unseen: all.iter().filter(|(_, memory)| *memory == Memory::default()).count(),
        affected: services.len(),
        critical: count(Severity::Critical),
        findings: lines.collect(),
        more: open.len().saturating_sub(MOST),
    };
    Notice { service: DIGEST.into(), rollout: None, number: 0, at: now, milestone }
}
