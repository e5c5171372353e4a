//! Devices come and go, and with them the knowledge about their agents.

use std::sync::Arc;
use std::time::Duration;

use log::Level;

use crate::agent::{Action, Metadata};
use crate::device::{AgentKnowledge, DeviceDefinition, Registration, Source};
use crate::executor::{Effect, Executor, ExecutorTimer};
use crate::name::{AgentName, DeviceId};
use crate::outcome::{Outcome, exit};
use crate::watchdog::WatchdogRefusal;

/// Pause before an agent that gave no metadata is asked again; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The pause is not doubled any more once it is this long.
const LONGEST_PAUSE: Duration = Duration::from_secs(160);

impl Executor {
    /// Registers a device (spec 81 §2.5). A device that poses as the watchdog is refused.
    pub(crate) fn register(
        &mut self,
        now: Duration,
        mut definition: DeviceDefinition,
        source: Source,
    ) -> Result<(), WatchdogRefusal> {
        self.watchdog.check(&definition.id, &definition.agent)?;
        if definition.agent.is_watchdog() {
            match self.take_watchdog_targets(definition) {
                Some(own) => definition = own,
                None => return Ok(()),
            }
        }
        let (id, agent) = (definition.id.clone(), definition.agent.clone());
        let (registration, warnings) = self.registry.register(definition, source);
        for warning in warnings {
            self.log(Level::Error, format!("{id}: {warning}"));
        }
        match registration {
            Registration::Unchanged => {
                self.log(
                    Level::Info,
                    format!(
                        "Device '{id}' already in device list ({} active devices)",
                        self.registry.len()
                    ),
                );
                return Ok(());
            }
            Registration::Replaced { keeps_commands: false } => self.drop_commands(now, &id),
            Registration::Added | Registration::Replaced { keeps_commands: true } => {}
        }
        let count = self.registry.len();
        let plural = if count == 1 { "" } else { "s" };
        self.log(
            Level::Info,
            format!("Added '{id}' to device list ({count} active device{plural})"),
        );
        self.learn_agent(now, &id, agent);
        Ok(())
    }

    /// The configured watchdog device names the nodes that do watchdog fencing. Its registration
    /// here is for the local node alone, and there is none if the local node is not among them.
    fn take_watchdog_targets(
        &mut self,
        mut definition: DeviceDefinition,
    ) -> Option<DeviceDefinition> {
        if definition.agent == AgentName::watchdog() {
            let (device, _) = crate::device::Device::new(definition.clone());
            let names = device.targets.unwrap_or_default();
            self.watchdog.targets =
                names.iter().filter_map(|name| crate::name::NodeName::new(name).ok()).collect();
        }
        if !self.watchdog.covers(&self.local) {
            return None;
        }
        definition.parameters.set("pcmk_host_list", self.local.as_str());
        Some(definition)
    }

    /// Takes one source of a device away; its commands end if that was the last.
    pub(crate) fn remove(&mut self, now: Duration, id: &DeviceId, source: Source) {
        if self.registry.remove(id, source).is_some() {
            let count = self.registry.len();
            self.log(
                Level::Info,
                format!("Removed '{id}' from device list ({count} active devices)"),
            );
            self.drop_commands(now, id);
            self.answer_searches_without(now, id);
        }
    }

    fn learn_agent(&mut self, now: Duration, id: &DeviceId, agent: AgentName) {
        let Some(device) = self.registry.get_mut(id) else {
            return;
        };
        if device.knowledge != AgentKnowledge::Asked {
            return;
        }
        match self.metadata.get(&agent) {
            Some(metadata) => {
                device.knowledge = AgentKnowledge::Known(metadata.clone());
                self.agent_learned(now, id);
            }
            None => self.ask_metadata(agent),
        }
    }

    pub(super) fn ask_metadata(&mut self, agent: AgentName) {
        let wanted = self.registry.iter().any(|device| device.definition.agent == agent);
        if wanted && self.asked.insert(agent.clone()) {
            self.timers.cancel(&ExecutorTimer::Metadata(agent.clone()));
            self.effects.push_back(Effect::ReadMetadata(agent));
        }
    }

    /// Takes the answer of an agent that was asked for its metadata.
    pub fn metadata_read(
        &mut self,
        now: Duration,
        agent: &AgentName,
        answer: Result<Metadata, String>,
    ) {
        self.asked.remove(agent);
        let ids: Vec<DeviceId> = self
            .registry
            .iter()
            .filter(|device| device.definition.agent == *agent)
            .map(|device| device.id().clone())
            .collect();
        match answer {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                self.metadata.insert(agent.clone(), metadata.clone());
                for id in &ids {
                    if let Some(device) = self.registry.get_mut(id) {
                        device.knowledge = AgentKnowledge::Known(metadata.clone());
                    }
                }
            }
            Err(error) => self.metadata_failed(now, agent, &ids, &error),
        }
        for id in &ids {
            self.agent_learned(now, id);
        }
    }

    fn metadata_failed(&mut self, now: Duration, agent: &AgentName, ids: &[DeviceId], error: &str) {
        let mut pause = FIRST_PAUSE;
        for id in ids {
            if let Some(device) = self.registry.get_mut(id)
                && let AgentKnowledge::Failed { pause: last } = device.knowledge
            {
                pause = pause.max(if last < LONGEST_PAUSE { last * 2 } else { last });
            }
        }
        for id in ids {
            if let Some(device) = self.registry.get_mut(id) {
                device.knowledge = AgentKnowledge::Failed { pause };
            }
        }
        self.log(
            Level::Error,
            format!("Could not retrieve metadata for fencing agent {agent}: {error}; asking again in {}s", pause.as_secs()),
        );
        if !ids.is_empty() {
            self.timers.arm(ExecutorTimer::Metadata(agent.clone()), now + pause);
        }
    }

    /// What waited for the knowledge about a device's agent goes on.
    fn agent_learned(&mut self, now: Duration, id: &DeviceId) {
        let on_target: Vec<&str> = match self.registry.get(id) {
            Some(device) => {
                let marked =
                    Action::ALL.into_iter().filter(|action| device.runs_on_target(*action));
                marked.map(Action::as_str).collect()
            }
            None => return,
        };
        if !on_target.is_empty() {
            let actions = on_target.join(" ");
            self.log(
                Level::Info,
                format!("Device '{id}' requires actions ({actions}) to be executed on target"),
            );
        }
        self.resume_searches(now, id);
        self.start_ready(now, id);
    }

    /// Ends the commands of a device that have not started.
    fn drop_commands(&mut self, now: Duration, id: &DeviceId) {
        let outcome = Outcome::failed(
            crate::outcome::ExecutionStatus::NoFenceDevice,
            exit::ERROR,
            "Device was removed before action could be executed",
        );
        for command in self.not_started(id) {
            self.finish(now, command, outcome.clone().into());
        }
    }
}
