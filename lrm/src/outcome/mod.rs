//! Results: OCF exit codes, execution status, and how the end of a run becomes them
//! (spec 80 §3, §4).

mod codes;
mod interpret;

pub use codes::{ExecStatus, NoSuchCode, OcfExit, exit_status_text};
pub use interpret::{
    Outcome, ProcessEnd, ProcessKind, StartError, StartErrorKind, duration_text, exit_reason,
    ocf_exit_of, signal_text,
};
