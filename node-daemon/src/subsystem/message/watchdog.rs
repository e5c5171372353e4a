//! What is said between the watchdog's feeder and the subsystems it looks after.

use serde::{Deserialize, Serialize};

/// Asks a subsystem of the own node how it is. Its loop answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthQuestion {
    /// Given back in the answer.
    pub round: u64,
}

/// How a subsystem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthAnswer {
    /// That of the question.
    pub round: u64,
    /// Whether the node may go on. One that may not is no longer fed.
    pub is_fit: bool,
}
