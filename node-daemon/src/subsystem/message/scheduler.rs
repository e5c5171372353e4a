//! The scheduler's messages.

use serde::{Deserialize, Serialize};

use crate::subsystem::{SharedDocument, SharedTransition};

/// A CIB to plan for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleRequest {
    /// Comes back with the answer.
    pub token: u64,
    /// The CIB.
    pub cib: SharedDocument,
}

/// A plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleAnswer {
    /// The request's token.
    pub token: u64,
    /// The transition, or why there is none.
    pub transition: Result<SharedTransition, String>,
    /// Where the input was saved.
    pub input: Option<String>,
}
