//! Our executor, in this process.

use super::agents::PROVIDER;
use super::{Fallible, Finished, PARAMETERS, Subject, TIMEOUT};
use lrm::driver::{AgentPaths, Driver, DriverConfig};
use lrm::executor::EventKind;
use lrm::operation::{Action, ClientId, Interval, Parameters, Request, Resource, ResourceId};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CLIENT: ClientId = ClientId(1);

/// A driver of its own, with a journal as the daemon has it.
pub struct Own {
    driver: Driver,
    resources: Vec<ResourceId>,
    numbers: HashMap<ResourceId, usize>,
}

impl Own {
    /// An executor of the agents below an OCF root.
    ///
    /// # Errors
    /// When the driver cannot be made.
    pub fn new(root: &Path) -> Fallible<Self> {
        let config = DriverConfig {
            paths: AgentPaths::below(root.into()),
            journal: Some(root.join("runs")),
            ..DriverConfig::default()
        };
        Ok(Self { driver: Driver::new(config)?, resources: Vec::new(), numbers: HashMap::new() })
    }
}

impl Subject for Own {
    fn register(&mut self, agent: &str, count: usize) -> Fallible {
        let agent = Arc::new(format!("ocf:{PROVIDER}:{agent}").parse()?);
        for number in 0..count {
            let id = ResourceId::new(&format!("r{number}"))?;
            let agent = Arc::clone(&agent);
            self.driver.register(Resource { id: id.clone(), agent, drop_recurring: true });
            self.numbers.insert(id.clone(), number);
            self.resources.push(id);
        }
        while self.driver.poll_event().is_some() {}
        Ok(())
    }

    fn monitor(&mut self, resource: usize, interval: Duration) -> Fallible {
        let id = self.resources[resource].clone();
        let mut request = Request::once(id, Action::new("monitor")?, TIMEOUT);
        // Each with parameters of its own, as a controller sends them.
        request.parameters = Arc::new(Parameters::from_pairs(PARAMETERS)?);
        if !interval.is_zero() {
            request = request.every(Interval::from_millis(interval.as_millis().try_into()?));
        }
        self.driver.execute(CLIENT, request)?;
        Ok(())
    }

    fn wait(&mut self, found: &mut Vec<Finished>) -> Fallible {
        self.driver.turn(Some(TIMEOUT))?;
        while let Some(event) = self.driver.poll_event() {
            if let EventKind::Completed(result) = event.kind {
                found.push(Finished {
                    resource: self.numbers[&result.resource],
                    ok: result.outcome.is_ok(),
                    output: result.output.unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    fn process(&self) -> u32 {
        std::process::id()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        for id in &self.resources {
            self.driver.unregister(id);
        }
        while self.driver.processes() > 0 && self.driver.turn(Some(TIMEOUT)).is_ok() {
            while self.driver.poll_event().is_some() {}
        }
    }
}
