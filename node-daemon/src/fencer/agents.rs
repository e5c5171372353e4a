//! What runs fence agents: processes, or in a simulation something that stands for them.

use std::io;
use std::time::Duration;

use fencing::executor::AgentRun;
use fencing::name::AgentName;
use fencing::process::{Finished, ProcessDriver};
use mio::event::Event;
use mio::{Registry, Token};

use crate::subsystem::Now;

/// Runs fence agents.
pub trait FenceAgents {
    /// Starts an agent.
    fn run(&mut self, now: Now, run: AgentRun);

    /// Asks an agent about itself.
    fn read_metadata(&mut self, now: Now, agent: AgentName);

    /// Does what is due.
    fn turn(&mut self, now: Now);

    /// What has ended.
    fn take_finished(&mut self) -> Vec<Finished>;

    /// When to call [`FenceAgents::turn`] at the latest.
    fn poll_timeout(&self) -> Option<Duration>;
}

/// Fence agents as processes.
pub struct RealAgents {
    processes: ProcessDriver,
    registry: Registry,
    first_token: usize,
}

impl RealAgents {
    /// A driver whose descriptors are registered, from `first_token` up, with the loop around it.
    ///
    /// # Errors
    /// When the registry cannot be shared.
    pub fn new(
        processes: ProcessDriver,
        registry: &Registry,
        first_token: usize,
    ) -> io::Result<RealAgents> {
        Ok(RealAgents { processes, registry: registry.try_clone()?, first_token })
    }

    /// Whether an event is about an agent.
    pub fn owns(&self, token: Token) -> bool {
        token.0 >= self.first_token
    }

    /// Takes an event about an agent.
    pub fn ready(&mut self, event: &Event) {
        self.processes.handle_event(&self.registry, event);
    }
}

impl FenceAgents for RealAgents {
    fn run(&mut self, now: Now, run: AgentRun) {
        self.processes.run(&self.registry, now.elapsed, run);
    }

    fn read_metadata(&mut self, now: Now, agent: AgentName) {
        self.processes.read_metadata(&self.registry, now.elapsed, agent);
    }

    fn turn(&mut self, now: Now) {
        self.processes.handle_time(&self.registry, now.elapsed);
    }

    fn take_finished(&mut self) -> Vec<Finished> {
        self.processes.take_finished()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.processes.poll_timeout()
    }
}
