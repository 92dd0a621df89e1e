//! What a long run of native schedules must reach. What the table shows and no list here names is told as well.

use crate::counts::Counts;

/// What is expected, by kind.
pub const EXPECTED: &[(&str, &[&str])] = &[
    ("phase", &["holding", "registering", "deploying", "stopping"]),
    (
        "transition",
        &[
            "idle -> holding",
            // What took the place of a held push, and began in the same look.
            "idle -> registering",
            "idle -> deploying",
            "holding -> registering",
            "holding -> deploying",
            "holding -> idle",
            "registering -> deploying",
            "registering -> stopping",
            "registering -> idle",
            "deploying -> stopping",
            "deploying -> idle",
            "stopping -> idle",
        ],
    ),
    (
        "stage",
        &[
            "RECONCILE_SERVICE",
            "PRE_SCALE_UP",
            "SCALE_UP",
            "POST_SCALE_UP",
            "TEST_TRAFFIC_SHIFT",
            "POST_TEST_TRAFFIC_SHIFT",
            "PRE_PRODUCTION_TRAFFIC_SHIFT",
            "PRODUCTION_TRAFFIC_SHIFT",
            "POST_PRODUCTION_TRAFFIC_SHIFT",
            "BAKE_TIME",
            "CLEAN_UP",
        ],
    ),
    // STOP_REQUESTED is shown with belief 64 turned over only: when ECS shows it is not documented.
    (
        "status",
        &[
            "PENDING",
            "IN_PROGRESS",
            "SUCCESSFUL",
            "STOPPED",
            "ROLLBACK_REQUESTED",
            "ROLLBACK_IN_PROGRESS",
            "ROLLBACK_SUCCESSFUL",
            "ROLLBACK_FAILED",
        ],
    ),
    (
        "strategy",
        &["ROLLING", "BLUE_GREEN", "CANARY", "LINEAR", "ROLLING sent", "BLUE_GREEN sent", "CANARY sent", "LINEAR sent"],
    ),
    ("hook", &["SUCCEEDED", "FAILED", "IN_PROGRESS"]),
    ("cause", &["alarm", "unhealthy", "not healthy in time", "deadline", "person", "superseded", "failed"]),
    ("outcome", &["completed", "rolled back", "cancelled", "refused", "given up", "observed", "superseded"]),
    (
        "notice",
        &[
            "deploying",
            "completed",
            "going back",
            "cancelled",
            "rolled back",
            "refused",
            "held",
            "observed",
            "call",
            "declined",
            "gate",
            "foreign",
            "superseded",
        ],
    ),
    (
        "fault",
        &[
            "error before the call",
            "throttled before the call",
            "routes unreadable",
            "services unreadable",
            "targets unreadable",
            "alarms unreadable",
            "definitions unreadable",
            "answer lost after the effect",
            "landed late",
            "landed after its time",
            "landed late after its process died",
            "routes read stale",
            "services read stale",
            "targets read stale",
            "alarms read stale",
            "process crashed",
            "process paused",
            "function timed out",
            "store unavailable",
            "store does not save",
            "save lost to a rival",
            "event lost",
            "event doubled",
            "event delayed",
            "wake lost",
            "wake doubled",
            "two advances at once",
            "clock skewed",
        ],
    ),
    (
        "plot",
        &[
            "push",
            "push of the second image",
            "old push",
            "same push",
            "promote",
            "pause",
            "resume",
            "abort",
            "give up",
            "rollback",
            "redeploy",
            "release",
            "force",
            "weights moved",
            "colour updated",
            "count changed",
            "tasks killed",
            "one task killed",
            "one task sick",
            "no capacity",
            "capacity again",
            "alarm set",
            "alarm quiet",
            "alarm without data",
            "alarm flaps",
            "traffic stopped",
            "traffic again",
            "another release takes over",
            "stopped by hand",
            "pause continued by hand",
            "pause rolled back by hand",
            "rule without the second group",
        ],
    ),
    ("end", &["settled", "a person was called"]),
];

/// What was expected and not reached, and what was reached and is in no list.
#[must_use]
pub fn missing(counts: &Counts) -> Vec<String> {
    let never = EXPECTED.iter().flat_map(|(kind, names)| {
        names.iter().filter(|name| counts.of(kind, name) == 0).map(move |name| format!("{kind}: {name}"))
    });
    let unknown = EXPECTED.iter().flat_map(|(kind, names)| {
        let seen = counts.names(kind).filter(|name| !names.contains(name));
        seen.map(move |name| format!("{kind}: {name} in any list"))
    });
    never.chain(unknown).collect()
}
