//! The fencing part of a CIB, as one node sees it (spec 81 §2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use cib_model::document::References;
use cib_model::nvpair::{Blocks, NameValues};
use cib_model::rule::{NextChange, RuleInput};
use cib_model::{DateTime, Document, Element};
use fencing::device::DeviceDefinition;
use fencing::fencer::Configuration;
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::secret::Parameters;
use fencing::topology::read_levels;
use fencing::watchdog::WatchdogOption;
use policy_engine::fence_devices::FenceDevice;

/// What a CIB says at some time.
pub struct Reading {
    /// The fencing part.
    pub configuration: Configuration,
    /// Epoch seconds at which rules may give another answer.
    pub recheck_by: Option<i64>,
}

/// Reads a CIB, or its `configuration`, for the node of this name. `own_watchdog` is the time after which
/// its watchdog resets it, if it has one.
pub fn read(
    document: &Document,
    node: &str,
    own_watchdog: Option<Duration>,
    now: DateTime,
) -> Reading {
    let usable = policy_engine::fence_devices(document, node, now);
    let root = document.root();
    let own = (root.name() == "configuration").then_some(root);
    let reader = own.or_else(|| root.child("configuration")).map(|configuration| Reader {
        configuration,
        references: References::new(document),
        now,
    });
    let (attributes, node_ids) = reader.as_ref().map(Reader::nodes).unwrap_or_default();
    let configuration = Configuration {
        devices: usable.devices.into_iter().filter_map(definition).collect(),
        levels: reader.as_ref().map(Reader::levels).unwrap_or_default(),
        attributes,
        node_ids,
        watchdog_timeout: WatchdogOption::parse(watchdog_option(document)).effective(own_watchdog),
    };
    Reading { configuration, recheck_by: usable.recheck_by }
}

fn definition(device: FenceDevice) -> Option<DeviceDefinition> {
    let mut parameters = Parameters::new();
    for (name, value) in device.parameters {
        parameters.set(name, value);
    }
    Some(DeviceDefinition {
        id: DeviceId::new(&device.id).ok()?,
        agent: AgentName::new(&device.agent).ok()?,
        parameters,
        provides_unfencing: device.provides.as_deref() == Some("unfencing"),
    })
}

/// The time for watchdog fencing as it is configured: the first value of that name, whatever rules say
/// (spec 81 §10.1).
pub fn watchdog_option(document: &Document) -> Option<&str> {
    ["fencing-watchdog-timeout", "stonith-watchdog-timeout"].iter().find_map(|name| {
        let mut pairs = document.root().descendants().filter(|pair| pair.name() == "nvpair");
        pairs.find(|pair| pair.attribute("name") == Some(name))?.attribute("value")
    })
}

struct Reader<'d> {
    configuration: Element<'d>,
    references: References<'d>,
    now: DateTime,
}

type Nodes = (BTreeMap<NodeName, BTreeMap<String, String>>, BTreeMap<u32, NodeName>);

impl<'d> Reader<'d> {
    fn values(&self, owner: Element<'d>, block: &str) -> NameValues<'d> {
        let mut values = NameValues::default();
        let blocks = Blocks::read(owner, block, None, &self.references, self.now);
        blocks.fill(&RuleInput::at(self.now), &mut values, &mut NextChange::default());
        values
    }

    fn nodes(&self) -> Nodes {
        let (mut attributes, mut ids) = Nodes::default();
        for element in
            self.configuration.child("nodes").into_iter().flat_map(|n| n.children_named("node"))
        {
            let Some(Ok(name)) = element.attribute("uname").map(NodeName::new) else { continue };
            if let Some(id) = element.xml_id().and_then(|id| id.parse().ok()) {
                ids.insert(id, name.clone());
            }
            let values = self.values(element, "instance_attributes");
            let own = values.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            attributes.insert(name, own);
        }
        (attributes, ids)
    }

    fn levels(&self) -> Vec<fencing::topology::LevelDefinition> {
        let Some(section) = self.configuration.child("fencing-topology") else { return Vec::new() };
        let text = section.to_xml_compact();
        match roxmltree::Document::parse(&text) {
            Ok(parsed) => {
                let (levels, warnings) = read_levels(parsed.root_element());
                warnings.iter().for_each(|warning| log::warn!("fencer: {warning}"));
                levels
            }
            Err(error) => {
                log::error!("fencer: fencing-topology: {error}");
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_follow_templates_roles_and_locations() {
        let document = Document::parse(
            r#"<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/>
               <node id="2" uname="n2"/></nodes><resources>
               <template id="t" class="stonith" type="fence_a">
                 <instance_attributes id="ti"><nvpair id="ti1" name="ip" value="x"/>
                 <nvpair id="ti2" name="port" value="1"/></instance_attributes></template>
               <primitive id="a" template="t"><instance_attributes id="ai">
                 <nvpair id="ai1" name="port" value="2"/></instance_attributes></primitive>
               <primitive id="b" class="stonith" type="fence_b"/>
               <primitive id="c" class="stonith" type="fence_c"><meta_attributes id="cm">
                 <nvpair id="cm1" name="target-role" value="Stopped"/></meta_attributes></primitive>
               <primitive id="d" class="ocf" provider="p" type="D"/></resources>
               <constraints><rsc_location id="l" rsc="b" node="n1" score="-5"/></constraints>
               <fencing-topology><fencing-level id="f1" target="n1" index="1" devices="a"/></fencing-topology>
               </configuration></cib>"#,
        )
        .unwrap();
        let ids = |node| {
            let read = read(&document, node, None, DateTime::from_epoch(0, 0)).configuration;
            read.devices.iter().map(|device| device.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids("n1"), ["a"]);
        assert_eq!(ids("n2"), ["a", "b"]);
        let configuration = read(&document, "n1", None, DateTime::from_epoch(0, 0)).configuration;
        let a = &configuration.devices[0];
        let own: Vec<_> = a.parameters.iter().map(|(n, v)| format!("{n}={}", v.expose())).collect();
        assert_eq!(
            (a.agent.as_str(), own),
            ("fence_a", vec!["ip=x".to_owned(), "port=2".to_owned()])
        );
        assert_eq!(configuration.levels.len(), 1);
        assert_eq!(configuration.node_ids.len(), 2);
    }
}
