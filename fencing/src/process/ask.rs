//! One question to one agent, for tools: metadata, validation.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::agent::StdinScript;
use crate::executor::AgentReport;
use crate::name::AgentName;
use crate::outcome::{ExecutionStatus, Outcome, exit};
use crate::process::agents::{report, start_failure};
use crate::process::child::{Ended, RunningAgent};
use crate::secret::Parameters;

/// Runs an agent of a directory with these parameters, the action among them, and waits for its
/// end. Nothing is tried twice. Its whole output is in the report, secrets stripped.
pub fn ask_agent(
    directory: &Path,
    agent: &AgentName,
    parameters: &Parameters,
    timeout: Duration,
) -> AgentReport {
    let path = directory.join(agent.as_str());
    let script = match StdinScript::new(parameters) {
        Ok(script) => script,
        Err(error) => return Outcome::invalid(exit::INVALID_PARAMETER, error.to_string()).into(),
    };
    let failed = |error: io::Error| {
        Outcome::failed(ExecutionStatus::Error, exit::ERROR, error.to_string()).into()
    };
    let mut poll = match Poll::new() {
        Ok(poll) => poll,
        Err(error) => return failed(error),
    };
    let child = match RunningAgent::start(poll.registry(), &path, script, 0, timeout) {
        Ok(child) => child,
        Err(error) => return start_failure(&path, &error).into(),
    };
    let pid = child.pid();
    match wait(&mut poll, child) {
        Ok(ended) => report(pid, ended, &parameters.redactor(), timeout),
        Err(error) => failed(error),
    }
}

fn wait(poll: &mut Poll, mut child: RunningAgent) -> io::Result<Ended> {
    let (mut events, started) = (Events::with_capacity(8), Instant::now());
    loop {
        let left = match child.has_more() {
            true => Duration::ZERO,
            false => child.deadline.saturating_sub(started.elapsed()).min(Duration::from_secs(60)),
        };
        match poll.poll(&mut events, Some(left)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        for event in &events {
            if child.ready(poll.registry(), event.token().0)? {
                return child.finish(poll.registry());
            }
        }
        if child.has_more() {
            child.read_more(poll.registry());
        }
        if child.deadline <= started.elapsed() {
            child.time_over();
        }
    }
}
