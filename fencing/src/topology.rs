//! Fencing topology: levels of devices by node name, pattern or attribute (spec 81 §5).

use std::collections::BTreeMap;

use regex::Regex;

use crate::name::{DeviceId, NodeName};
use crate::outcome::{Outcome, exit};

/// Highest level.
pub const MAX_LEVEL: u8 = 9;

/// Longest pattern accepted, in bytes.
pub const MAX_PATTERN: usize = 1024;

/// Permanent attributes of the nodes, as far as they are known.
pub type NodeAttributes = BTreeMap<NodeName, BTreeMap<String, String>>;

/// Which nodes a topology entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelTarget {
    /// The node of this name.
    Name(NodeName),
    /// Nodes in whose name this regular expression finds a match anywhere.
    Pattern(String),
    /// Nodes with a permanent attribute of exactly this value.
    Attribute {
        /// Name of the attribute.
        name: String,
        /// Its value.
        value: String,
    },
}

impl LevelTarget {
    /// The key under which levels of the same target are collected.
    pub fn key(&self) -> String {
        match self {
            Self::Name(name) => name.as_str().to_owned(),
            Self::Pattern(pattern) => pattern.clone(),
            Self::Attribute { name, value } => format!("{name}={value}"),
        }
    }
}

/// One level as it is configured or registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelDefinition {
    /// Its id.
    pub id: String,
    /// For which nodes.
    pub target: Option<LevelTarget>,
    /// Its index, 1 to 9.
    pub index: u32,
    /// Its devices, in the order in which they must succeed.
    pub devices: Vec<DeviceId>,
}

#[derive(Debug, Clone)]
struct Entry {
    target: LevelTarget,
    pattern: Option<Regex>,
    slots: [Vec<DeviceId>; MAX_LEVEL as usize],
}

impl Entry {
    fn new(target: LevelTarget) -> Self {
        let pattern = match &target {
            LevelTarget::Pattern(text) if text.len() <= MAX_PATTERN => {
                regex::RegexBuilder::new(text).size_limit(1 << 20).build().ok()
            }
            _ => None,
        };
        Self { target, pattern, slots: Default::default() }
    }

    fn matches(&self, node: &NodeName, attributes: &NodeAttributes) -> bool {
        match &self.target {
            LevelTarget::Name(name) => name == node,
            LevelTarget::Pattern(_) => {
                self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(node.as_str()))
            }
            LevelTarget::Attribute { name, value } => {
                attributes.get(node).and_then(|set| set.get(name)).is_some_and(|own| own == value)
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }
}

/// The levels of one target in ascending order; empty slots are left out.
pub type Levels = Vec<(u8, Vec<DeviceId>)>;

/// The topology table of one fencer, in order of first appearance.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    entries: Vec<Entry>,
}

impl Topology {
    /// Adds the devices of a level to its slot. On error nothing changes.
    pub fn register(&mut self, level: &LevelDefinition) -> Result<(), Outcome> {
        let invalid = |reason: String| Outcome::invalid(exit::INVALID_PARAMETER, reason);
        if level.id.is_empty() {
            return Err(invalid("Topology level is invalid without ID".into()));
        }
        let Some(target) = &level.target else {
            return Err(invalid(format!("Invalid target for topology level '{}'", level.id)));
        };
        let slot = slot(level.index).ok_or_else(|| {
            invalid(format!(
                "Invalid level number '{}' for topology level '{}'",
                level.index, level.id
            ))
        })?;
        let entry = match self.position(target) {
            Some(at) => &mut self.entries[at],
            None => {
                self.entries.push(Entry::new(target.clone()));
                self.entries.last_mut().expect("an entry was just pushed")
            }
        };
        entry.slots[slot].extend(level.devices.iter().cloned());
        Ok(())
    }

    /// Reads the whole topology from the configuration, in place of what was there. A level that
    /// appears twice replaces its first appearance. Levels that are refused are returned.
    pub fn replace(&mut self, levels: &[LevelDefinition]) -> Vec<Outcome> {
        self.entries.clear();
        let mut refused = Vec::new();
        for level in levels {
            if let (Some(target), Some(slot)) = (&level.target, slot(level.index))
                && let Some(at) = self.position(target)
            {
                self.entries[at].slots[slot].clear();
            }
            refused.extend(self.register(level).err());
        }
        refused
    }

    /// Empties a slot, or removes the whole entry at index 0; unknown ones are a success.
    pub fn unregister(&mut self, target: &LevelTarget, index: u32) -> Result<(), Outcome> {
        let Some(at) = self.position(target) else {
            return Ok(());
        };
        match (index, slot(index)) {
            (0, _) => {
                self.entries.remove(at);
            }
            (_, Some(slot)) => {
                self.entries[at].slots[slot].clear();
                if self.entries[at].is_empty() {
                    self.entries.remove(at);
                }
            }
            (_, None) => {
                let reason =
                    format!("Invalid level number '{index}' for topology level '{}'", target.key());
                return Err(Outcome::invalid(exit::INVALID_PARAMETER, reason));
            }
        }
        Ok(())
    }

    fn position(&self, target: &LevelTarget) -> Option<usize> {
        let key = target.key();
        self.entries.iter().position(|entry| entry.target.key() == key)
    }

    /// The levels for a node; none if it has no topology (spec 81 §5.2).
    pub fn levels(&self, node: &NodeName, attributes: &NodeAttributes) -> Option<Levels> {
        let exact = self.entries.iter().find(|entry| entry.target.key() == node.as_str());
        let entry =
            exact.or_else(|| self.entries.iter().find(|entry| entry.matches(node, attributes)))?;
        let levels: Levels = (1..)
            .zip(&entry.slots)
            .filter(|(_, devices)| !devices.is_empty())
            .map(|(index, devices)| (index, devices.clone()))
            .collect();
        (!levels.is_empty()).then_some(levels)
    }

    /// How many targets have an entry.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn slot(index: u32) -> Option<usize> {
    (1..=u32::from(MAX_LEVEL)).contains(&index).then(|| index as usize - 1)
}

/// Reads the `fencing-level` children of a `fencing-topology` element; a level whose parts are no
/// names is returned as an error line.
pub fn read_levels(section: roxmltree::Node<'_, '_>) -> (Vec<LevelDefinition>, Vec<String>) {
    let (mut levels, mut refused) = (Vec::new(), Vec::new());
    for node in section.children().filter(|node| node.has_tag_name("fencing-level")) {
        match read_level(node) {
            Ok(level) => levels.push(level),
            Err(error) => refused.push(error),
        }
    }
    (levels, refused)
}

/// Reads one `fencing-level` element.
pub fn read_level(node: roxmltree::Node<'_, '_>) -> Result<LevelDefinition, String> {
    let id = node.attribute("id").unwrap_or_default().to_owned();
    let at = |what: &str, error: &dyn std::fmt::Display| {
        format!("fencing-level '{id}': {what}: {error}")
    };
    let pair = node.attribute("target-attribute").zip(node.attribute("target-value"));
    let target = match (node.attribute("target"), node.attribute("target-pattern"), pair) {
        (Some(name), _, _) => {
            Some(LevelTarget::Name(NodeName::new(name).map_err(|e| at("target", &e))?))
        }
        (None, Some(pattern), _) => Some(LevelTarget::Pattern(pattern.to_owned())),
        (None, None, Some((name, value))) => {
            Some(LevelTarget::Attribute { name: name.to_owned(), value: value.to_owned() })
        }
        (None, None, None) => None,
    };
    let devices = node.attribute("devices").unwrap_or_default().split(',').map(str::trim);
    Ok(LevelDefinition {
        target,
        index: node.attribute("index").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        devices: devices
            .filter(|device| !device.is_empty())
            .map(|device| DeviceId::new(device).map_err(|e| at("devices", &e)))
            .collect::<Result<_, _>>()?,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn level(target: LevelTarget, index: u32, devices: &[&str]) -> LevelDefinition {
        LevelDefinition {
            id: "l".into(),
            target: Some(target),
            index,
            devices: devices.iter().map(|id| DeviceId::new(id).unwrap()).collect(),
        }
    }

    fn found(topology: &Topology, name: &str, attributes: &NodeAttributes) -> Vec<String> {
        let levels = topology.levels(&node(name), attributes).unwrap_or_default();
        levels
            .iter()
            .map(|(index, devices)| {
                let ids: Vec<_> = devices.iter().map(DeviceId::as_str).collect();
                format!("{index}:{}", ids.join(","))
            })
            .collect()
    }

    #[test]
    fn levels_append_by_registration_and_replace_by_configuration() {
        let target = LevelTarget::Name(node("n1"));
        let levels = [level(target.clone(), 2, &["b"]), level(target.clone(), 2, &["c"])];
        let mut topology = Topology::default();
        levels.iter().for_each(|level| topology.register(level).unwrap());
        assert_eq!(found(&topology, "n1", &NodeAttributes::new()), ["2:b,c"]);
        topology.replace(&levels);
        assert_eq!(found(&topology, "N1", &NodeAttributes::new()), ["2:c"]);
        topology.unregister(&target, 2).unwrap();
        assert!(topology.levels(&node("n1"), &NodeAttributes::new()).is_none());
    }

    #[test]
    fn lookup_by_name_pattern_and_attribute() {
        let mut topology = Topology::default();
        let pattern = |text: &str| LevelTarget::Pattern(text.into());
        let rack = LevelTarget::Attribute { name: "rack".into(), value: "1".into() };
        for (target, device) in [
            (pattern("("), "broken"),
            (pattern("ode1"), "pattern"),
            (rack, "rack"),
            (LevelTarget::Name(node("node1")), "name"),
        ] {
            topology.register(&level(target, 1, &[device])).unwrap();
        }
        let set = |value: &str| BTreeMap::from([("rack".to_owned(), value.to_owned())]);
        let attributes = NodeAttributes::from([(node("b"), set("1")), (node("c"), set("11"))]);
        for (name, levels) in [
            ("node1", vec!["1:name"]),
            ("node10", vec!["1:pattern"]),
            ("NODE10", vec![]),
            ("b", vec!["1:rack"]),
            ("c", vec![]),
        ] {
            assert_eq!(found(&topology, name, &attributes), levels, "{name}");
        }
    }

    #[test]
    fn refusals() {
        let mut topology = Topology::default();
        let target = LevelTarget::Name(node("n1"));
        let reason = |outcome: Result<(), Outcome>| outcome.unwrap_err().reason.unwrap();
        assert_eq!(
            reason(topology.register(&level(target.clone(), 10, &["a"]))),
            "Invalid level number '10' for topology level 'l'"
        );
        let nobody = LevelDefinition { target: None, ..level(target.clone(), 1, &["a"]) };
        assert_eq!(reason(topology.register(&nobody)), "Invalid target for topology level 'l'");
        let nameless = LevelDefinition { id: String::new(), ..level(target, 1, &["a"]) };
        assert_eq!(reason(topology.register(&nameless)), "Topology level is invalid without ID");
        assert!(topology.is_empty());
    }

    #[test]
    fn levels_from_the_configuration() {
        let text = "<fencing-topology>
            <fencing-level id='a' target='n1' index='1' devices='x, y'/>
            <fencing-level id='b' target-pattern='n.*' target='n2' index='2' devices='z'/>
            <fencing-level id='c' target-attribute='rack' target-value='1' index='3' devices='z'/>
            <fencing-level id='d' target='' index='1' devices='z'/>
        </fencing-topology>";
        let document = roxmltree::Document::parse(text).unwrap();
        let (levels, refused) = read_levels(document.root_element());
        assert_eq!(levels.len(), 3);
        assert_eq!(levels[0].devices.len(), 2);
        assert_eq!(levels[1].target, Some(LevelTarget::Name(node("n2"))), "name goes first");
        assert_eq!(refused.len(), 1);
    }
}
