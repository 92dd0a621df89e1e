//! What Application Auto Scaling did of late, or did not do.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// One scaling activity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// When it began.
    pub at: Time,
    /// Why it failed, in AWS's words; none: it did not.
    pub failed: Option<String>,
    /// It was not carried out on purpose.
    #[serde(default)]
    pub refused: bool,
    /// It would have added tasks, and the count was its maximum already (`AlreadyAtMaxCapacity`).
    pub full: bool,
}
