//! Measuring executors of resource agents: ours and, beside it, the reference's.
//!
//! [`agents`] are what is run, a [`Subject`] is what runs them: [`own`] is the library in this process,
//! [`mod@reference`] is `pacemaker-execd` spoken with over its socket. [`measure`] holds the measurements,
//! each of which takes any subject; [`load`] keeps the processors busy; a [`report`] sets the figures
//! side by side with what is wanted of them.

pub mod agents;
pub mod load;
pub mod measure;
pub mod own;
pub mod reference;
pub mod report;

use std::error::Error;
use std::time::Duration;

/// A result, or what stands in its way.
pub type Fallible<T = ()> = Result<T, Box<dyn Error>>;

/// The timeout of every operation.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// What a controller sends along with an operation.
pub const PARAMETERS: [(&str, &str); 5] = [
    ("state", "/run/state"),
    ("CRM_meta_timeout", "20000"),
    ("CRM_meta_interval", "10000"),
    ("CRM_meta_name", "monitor"),
    ("crm_feature_set", "3.20.5"),
];

/// The end of an operation, as its requester is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Number of the resource, as registered.
    pub resource: usize,
    /// The agent did what was asked.
    pub ok: bool,
    /// What it wrote.
    pub output: String,
}

/// An executor to be measured.
pub trait Subject {
    /// Registers resources of an agent, numbered from 0.
    ///
    /// # Errors
    /// When the executor refuses.
    fn register(&mut self, agent: &str, count: usize) -> Fallible;

    /// Asks for a monitor; with an interval that is not zero, again and again.
    ///
    /// # Errors
    /// When the executor refuses.
    fn monitor(&mut self, resource: usize, interval: Duration) -> Fallible;

    /// Waits for results, and adds them to `found`.
    ///
    /// # Errors
    /// When none comes for a long time, or the executor is gone.
    fn wait(&mut self, found: &mut Vec<Finished>) -> Fallible;

    /// The process it lives in.
    fn process(&self) -> u32;
}

/// Makes subjects, each with nothing registered.
pub type Maker<'m> = &'m dyn Fn() -> Fallible<Box<dyn Subject>>;
