//! The configuration becomes the device table and the topology (spec 81 §2.4).

use log::Level;

use crate::clock::Moment;
use crate::device::{DeviceDefinition, Source};
use crate::fencer::{Configuration, Fencer};
use crate::name::{AgentName, DeviceId};
use crate::secret::Parameters;

impl Fencer {
    /// Takes a whole configuration. Devices that are as before keep their state and their work;
    /// those no longer configured lose this source.
    pub(super) fn configure(&mut self, now: Moment, configuration: Configuration) {
        let Configuration { devices, levels, attributes, node_ids, watchdog_timeout } =
            configuration;
        self.attributes = attributes;
        self.node_ids = node_ids;
        for refused in self.topology.replace(&levels) {
            self.log(Level::Error, refused.reason.unwrap_or_default());
        }
        self.executor.registry.mark_dirty();
        self.executor.watchdog.timeout = watchdog_timeout;
        self.executor.watchdog.targets.clear();
        let explicit = devices.iter().any(|device| device.id.is_watchdog());
        for definition in devices {
            if let Err(refusal) = self.executor.register(now.elapsed, definition, Source::Cib) {
                self.log(Level::Error, refusal.to_string());
            }
        }
        if watchdog_timeout.is_some() && !explicit {
            let implicit = DeviceDefinition {
                id: DeviceId::watchdog(),
                agent: AgentName::watchdog_internal(),
                parameters: Parameters::new(),
                provides_unfencing: false,
            };
            if let Err(refusal) = self.executor.register(now.elapsed, implicit, Source::Cib) {
                self.log(Level::Error, refusal.to_string());
            }
        }
        for id in self.executor.registry.still_dirty() {
            self.executor.remove(now.elapsed, &id, Source::Cib);
        }
    }
}
