//! Views of events: what happened to services and machines, and when.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// What sort of thing a mark on a chart's time axis says.
    MarkKind,
    /// A deployment.
    Deployment = "deployment",
    /// A task was started again.
    Restart = "restart",
    /// A task was killed for want of memory.
    OutOfMemory = "out_of_memory",
    /// A task's health check failed.
    Unhealthy = "unhealthy",
    /// An alert.
    Alert = "alert",
}

/// Something that happened while a chart's figures were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkView {
    /// When, in milliseconds since the epoch.
    pub ms: i64,
    /// What sort of thing.
    pub kind: MarkKind,
    /// What happened, in a few words.
    pub text: String,
    /// The page that tells more.
    pub link: Option<String>,
}
