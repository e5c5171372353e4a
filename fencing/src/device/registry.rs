//! The device table of one fencer and its two sources (spec 81 §2.1, §2.5).

use std::collections::BTreeMap;

use crate::device::{Device, DeviceDefinition};
use crate::name::DeviceId;

/// Who registered a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The cluster configuration.
    Cib,
    /// A client.
    Api,
}

/// What a registration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// A new device.
    Added,
    /// Nothing but the source flag changed; pending work, cached targets and the verified flag
    /// stay.
    Unchanged,
    /// Another definition took the place of the old one.
    Replaced {
        /// Whether pending commands go on with the new definition; otherwise they end.
        keeps_commands: bool,
    },
}

/// Devices by ascending id, which is also the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    devices: BTreeMap<DeviceId, Device>,
}

impl Registry {
    /// Registers a device; the warnings are about malformed options.
    pub fn register(
        &mut self,
        definition: DeviceDefinition,
        source: Source,
    ) -> (Registration, Vec<String>) {
        if let Some(old) = self.devices.get_mut(&definition.id)
            && old.definition.is_duplicate_of(&definition)
        {
            old.dirty = false;
            set_source(old, source);
            return (Registration::Unchanged, Vec::new());
        }
        let id = definition.id.clone();
        let (mut device, warnings) = Device::new(definition);
        set_source(&mut device, source);
        let registration = match self.devices.get(&id) {
            None => Registration::Added,
            Some(old) => {
                let keeps_commands = source == Source::Cib && old.api_registered;
                device.api_registered |= keeps_commands;
                Registration::Replaced { keeps_commands }
            }
        };
        self.devices.insert(id, device);
        (registration, warnings)
    }

    /// Takes one source away. Returns the device if that was the last one, so that it is gone.
    pub fn remove(&mut self, id: &DeviceId, source: Source) -> Option<Device> {
        let device = self.devices.get_mut(id)?;
        match source {
            Source::Cib => device.cib_registered = false,
            Source::Api => {
                device.api_registered = false;
                device.verified = false;
            }
        }
        if device.cib_registered || device.api_registered {
            return None;
        }
        self.devices.remove(id)
    }

    /// Begins a configuration pass: every device of the configuration must be confirmed.
    pub fn mark_dirty(&mut self) {
        for device in self.devices.values_mut().filter(|device| device.cib_registered) {
            device.dirty = true;
        }
    }

    /// Ends a configuration pass: the ids that were not confirmed.
    pub fn still_dirty(&self) -> Vec<DeviceId> {
        self.devices.values().filter(|device| device.dirty).map(|d| d.id().clone()).collect()
    }

    /// The device of that id.
    pub fn get(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// The device of that id, to be changed.
    pub fn get_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.devices.get_mut(id)
    }

    /// All devices in ascending order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// All devices, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Device> {
        self.devices.values_mut()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

fn set_source(device: &mut Device, source: Source) {
    match source {
        Source::Cib => device.cib_registered = true,
        Source::Api => device.api_registered = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::AgentName;
    use crate::secret::Parameters;

    fn definition(value: &str) -> DeviceDefinition {
        DeviceDefinition {
            id: DeviceId::new("d").unwrap(),
            agent: AgentName::new("fence_test").unwrap(),
            parameters: Parameters::new().with("ip", value),
            provides_unfencing: false,
        }
    }

    #[test]
    fn a_device_stays_until_both_sources_are_gone() {
        let mut registry = Registry::default();
        let id = DeviceId::new("d").unwrap();
        assert_eq!(registry.register(definition("a"), Source::Api).0, Registration::Added);
        assert_eq!(registry.register(definition("A"), Source::Cib).0, Registration::Unchanged);
        registry.get_mut(&id).unwrap().verified = true;
        assert!(registry.remove(&id, Source::Api).is_none());
        assert!(!registry.get(&id).unwrap().verified);
        assert!(registry.remove(&id, Source::Cib).is_some());
        assert!(registry.remove(&id, Source::Cib).is_none());
        assert!(registry.is_empty());
    }

    #[test]
    fn the_configuration_takes_over_what_a_client_registered() {
        let mut registry = Registry::default();
        registry.register(definition("a"), Source::Api);
        let (registration, _) = registry.register(definition("b"), Source::Cib);
        assert_eq!(registration, Registration::Replaced { keeps_commands: true });
        assert!(registry.iter().next().unwrap().api_registered);
        let (registration, _) = registry.register(definition("c"), Source::Api);
        assert_eq!(registration, Registration::Replaced { keeps_commands: false });
    }

    #[test]
    fn what_a_configuration_pass_does_not_confirm_is_told() {
        let mut registry = Registry::default();
        registry.register(definition("a"), Source::Cib);
        registry.mark_dirty();
        assert_eq!(registry.still_dirty().len(), 1);
        registry.register(definition("a"), Source::Cib);
        assert_eq!(registry.still_dirty().len(), 0);
    }
}
