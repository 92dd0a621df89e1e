//! What there is room for around the live side.

use std::collections::BTreeSet;

use serde::Serialize;
use shared::observation::Reading;
use shared::scaling::{Counts, Sight, Subject, VCPU};

/// What is left where the service may grow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Room {
    /// IPv4 addresses left in its subnets; none: not known, or it has no subnets, or one that has none at all.
    pub(super) addresses: Option<u32>,
    /// The subnets' zones.
    pub(super) zones: Vec<String>,
    /// The account's use of Fargate on demand; none: not known, or the service does not run there.
    pub(super) vcpus_used: Option<f64>,
    /// The quota of that.
    pub(super) vcpus_allowed: Option<f64>,
}

/// Of a service that was looked at; none: nothing is known of it.
pub(super) fn of(subject: &Subject, counts: &Counts, sight: &Sight) -> Option<Room> {
    let known = |id: &String| sight.subnets.get(id).and_then(Reading::known);
    let subnets: Option<Vec<_>> = counts.subnets.iter().map(known).collect();
    let subnets: Vec<_> = subnets.unwrap_or_default().into_iter().flatten().collect();
    let zones: BTreeSet<&String> = subnets.iter().map(|subnet| &subnet.zone).collect();
    let quota = sight.vcpus.as_ref().and_then(Reading::known).and_then(Option::as_ref).filter(|_| counts.fargate);
    let vcpus = |units: u64| units as f64 / VCPU as f64;
    let room = Room {
        addresses: subnets.iter().map(|subnet| subnet.free).sum::<Option<u32>>().filter(|_| !subnets.is_empty()),
        zones: zones.into_iter().cloned().collect(),
        vcpus_used: quota.map(|quota| vcpus(quota.used)),
        vcpus_allowed: quota.map(|quota| vcpus(quota.limit)),
    };
    let live = subject.role == shared::scaling::Role::Live;
    (live && (room.addresses.is_some() || quota.is_some())).then_some(room)
}

impl Room {
    /// In a line.
    pub(super) fn words(&self) -> String {
        let addresses = self.addresses.map(|free| format!("{free} addresses left in {}", self.zones.join(", ")));
        let vcpus = self.vcpus_used.zip(self.vcpus_allowed);
        let vcpus = vcpus.map(|(used, allowed)| format!("the account uses {used} of {allowed} Fargate vCPUs"));
        let both: Vec<String> = addresses.into_iter().chain(vcpus).collect();
        both.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::scaling::{Quota, Role, Subnet};

    #[test]
    fn what_is_left_is_told_in_a_line_as_far_as_it_is_known() {
        let subnet = |zone: &str, free: u32| Reading::Known(Some(Subnet { zone: zone.to_owned(), free: Some(free) }));
        let ids = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let mut sight = Sight {
            subnets: [("s-1".to_owned(), subnet("b", 7)), ("s-2".to_owned(), subnet("a", 5))].into(),
            vcpus: Some(Reading::Known(Some(Quota { limit: 100 * VCPU, used: 4_608 }))),
            ..Sight::default()
        };
        let subject = |role: Role| Subject { service: "shop".to_owned(), role };
        let counts = Counts { subnets: ids(&["s-1", "s-2"]), fargate: true, ..Counts::default() };
        let words = |sight: &Sight, counts: &Counts| of(&subject(Role::Live), counts, sight).map(|room| room.words());
        let all = "12 addresses left in a, b; the account uses 4.5 of 100 Fargate vCPUs";
        assert_eq!(words(&sight, &counts).as_deref(), Some(all));
        assert_eq!(of(&subject(Role::Idle), &counts, &sight), None, "it grows nowhere");
        let spot = Counts { fargate: false, ..counts.clone() };
        assert_eq!(words(&sight, &spot).as_deref(), Some("12 addresses left in a, b"));
        sight.subnets.remove("s-1");
        let half = "the account uses 4.5 of 100 Fargate vCPUs";
        assert_eq!(words(&sight, &counts).as_deref(), Some(half), "half of them is no number");
        sight.vcpus = Some(Reading::Unknown("denied".to_owned()));
        assert_eq!(words(&sight, &counts), None);
    }
}
