//! The fencing part of a CIB, as one node sees it (spec 81 §2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use cib_model::document::References;
use cib_model::nvpair::{BOOTSTRAP_OPTIONS, Blocks, NameValues};
use cib_model::rule::{NextChange, RuleInput};
use cib_model::{DateTime, Document, Element, Score};
use fencing::device::DeviceDefinition;
use fencing::fencer::Configuration;
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::secret::Parameters;
use fencing::topology::read_levels;
use fencing::watchdog::WatchdogOption;

/// Reads a CIB, or its `configuration`, for the node of this name. `own_watchdog` is the time after which
/// its watchdog resets it, if it has one.
pub fn read(
    document: &Document,
    node: &str,
    own_watchdog: Option<Duration>,
    epoch: i64,
) -> Configuration {
    let root = document.root();
    let Some(configuration) =
        (root.name() == "configuration").then_some(root).or_else(|| root.child("configuration"))
    else {
        return Configuration::default();
    };
    let reader = Reader {
        configuration,
        references: References::new(document),
        now: DateTime::from_epoch(epoch, 0),
        node,
    };
    let (attributes, node_ids) = reader.nodes();
    Configuration {
        devices: reader.devices(),
        levels: reader.levels(),
        attributes,
        node_ids,
        watchdog_timeout: WatchdogOption::parse(watchdog_option(document)).effective(own_watchdog),
    }
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
    node: &'d str,
}

type Nodes = (BTreeMap<NodeName, BTreeMap<String, String>>, BTreeMap<u32, NodeName>);

impl<'d> Reader<'d> {
    fn values(&self, owner: Element<'d>, block: &str, first: Option<&str>) -> NameValues<'d> {
        let mut values = NameValues::default();
        let blocks = Blocks::read(owner, block, first, &self.references, self.now);
        blocks.fill(&RuleInput::at(self.now), &mut values, &mut NextChange::default());
        values
    }

    fn option(&self, names: [&str; 2]) -> Option<&'d str> {
        let crm_config = self.configuration.child("crm_config")?;
        let options = self.values(crm_config, "cluster_property_set", Some(BOOTSTRAP_OPTIONS));
        names.iter().find_map(|name| options.get(name))
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
            let values = self.values(element, "instance_attributes", None);
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

    fn devices(&self) -> Vec<DeviceDefinition> {
        let Some(resources) = self.configuration.child("resources") else { return Vec::new() };
        let primitives = resources.descendants().filter(|element| element.name() == "primitive");
        primitives.filter_map(|primitive| self.device(primitive)).collect()
    }

    fn template(&self, primitive: Element<'d>) -> Option<Element<'d>> {
        let name = primitive.attribute("template")?;
        let resources = self.configuration.child("resources")?;
        resources.children_named("template").find(|template| template.xml_id() == Some(name))
    }

    fn device(&self, primitive: Element<'d>) -> Option<DeviceDefinition> {
        let template = self.template(primitive);
        let from = template.unwrap_or(primitive);
        if !matches!(from.attribute("class"), Some("stonith")) {
            return None;
        }
        let layered = |block| {
            let mut values = self.values(primitive, block, None);
            if let Some(template) = template {
                for (name, value) in self.values(template, block, None).iter() {
                    if values.get(name).is_none() {
                        values.insert(name, value);
                    }
                }
            }
            values
        };
        let meta = layered("meta_attributes");
        let stopped =
            meta.get("target-role").is_some_and(|role| role.eq_ignore_ascii_case("stopped"));
        if stopped || !self.allowed(primitive) {
            return None;
        }
        let mut parameters = Parameters::new();
        for (name, value) in layered("instance_attributes").iter() {
            parameters.set(name, value);
        }
        Some(DeviceDefinition {
            id: DeviceId::new(primitive.xml_id()?).ok()?,
            agent: AgentName::new(from.attribute("type")?).ok()?,
            parameters,
            provides_unfencing: meta.get("provides") == Some("unfencing"),
        })
    }

    /// Whether location constraints let this node use the device.
    fn allowed(&self, primitive: Element<'d>) -> bool {
        let names: Vec<&str> = primitive.ancestors().filter_map(Element::xml_id).collect();
        let symmetric = self
            .option(["symmetric-cluster", "symmetric-cluster"])
            .and_then(cib_model::scalar::parse_boolean)
            .unwrap_or(true);
        let mut score = if symmetric { Score::ZERO } else { Score::MINUS_INFINITY };
        let constraints = self.configuration.child("constraints");
        let locations = constraints.into_iter().flat_map(|c| c.children_named("rsc_location"));
        for location in locations {
            let ours = location.attribute("rsc").is_some_and(|rsc| names.contains(&rsc));
            let here =
                location.attribute("node").is_some_and(|n| n.eq_ignore_ascii_case(self.node));
            if let (true, true, Some(text)) = (ours, here, location.attribute("score")) {
                let given = Score::parse(text).unwrap_or_default();
                score = if score == Score::MINUS_INFINITY && !symmetric {
                    given
                } else {
                    score + given
                };
            }
        }
        score >= Score::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_follow_templates_roles_and_locations() {
        let document = Document::parse(
            r#"<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes><resources>
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
            let read = read(&document, node, None, 0);
            read.devices.iter().map(|device| device.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids("n1"), ["a"]);
        assert_eq!(ids("n2"), ["a", "b"]);
        let configuration = read(&document, "n1", None, 0);
        let a = &configuration.devices[0];
        let own: Vec<_> = a.parameters.iter().map(|(n, v)| format!("{n}={}", v.expose())).collect();
        assert_eq!(
            (a.agent.as_str(), own),
            ("fence_a", vec!["ip=x".to_owned(), "port=2".to_owned()])
        );
        assert_eq!(configuration.levels.len(), 1);
        assert_eq!(configuration.node_ids.len(), 1);
    }
}
