//! Fence devices that a node may use, and with which parameters (spec 81 §2.4).

use crate::input;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::Variant;
use cib_model::{DateTime, Document, Score};
use std::fmt;

/// A fence device as it is configured for one node.
#[derive(Clone, PartialEq, Eq)]
pub struct FenceDevice {
    /// Id of its resource; of the first instance for a unique clone.
    pub id: String,
    /// Its agent's name.
    pub agent: String,
    /// Parameters as they are on the node. There may be secrets among them.
    pub parameters: Vec<(String, String)>,
    /// What it `provides` by its meta-attributes.
    pub provides: Option<String>,
}

/// Values may be secrets: only names are shown.
impl fmt::Debug for FenceDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("FenceDevice")
            .field("id", &self.id)
            .field("agent", &self.agent)
            .field("parameters", &names)
            .field("provides", &self.provides)
            .finish()
    }
}

/// All fence devices that a node may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FenceDevices {
    /// The devices, in the order in which resources are scheduled.
    pub devices: Vec<FenceDevice>,
    /// Epoch seconds at which rules may give another answer.
    pub recheck_by: Option<i64>,
}

/// Which fence devices the node of this name may use: those not disabled whose score there is not
/// negative by location constraints and node health.
///
/// Pure, like [`plan`](crate::plan()), and as forgiving of what it reads. It reads the configuration alone:
/// `document` may be a CIB or its `configuration`. Whether the resource runs, and where, does not matter. A
/// node that is not configured has no devices.
///
/// ```
/// use cib_model::{DateTime, Document};
///
/// let configuration = Document::parse(r#"<configuration><crm_config/>
///   <nodes><node id="1" uname="alpha"/><node id="2" uname="beta"/></nodes>
///   <resources><primitive id="power-alpha" class="stonith" type="fence_ipmilan"/></resources>
///   <constraints><rsc_location id="l" rsc="power-alpha" node="alpha" score="-INFINITY"/></constraints>
/// </configuration>"#)?;
/// let now = DateTime::from_epoch(1_790_000_000, 0);
/// let usable = |node| policy_engine::fence_devices(&configuration, node, now).devices.len();
/// assert_eq!((usable("alpha"), usable("beta")), (0, 1));
/// # Ok::<(), cib_model::ParseError>(())
/// ```
pub fn fence_devices(document: &Document, node: &str, now: DateTime) -> FenceDevices {
    let generated = input::generate(document);
    let mut cluster = input::locations(document, &generated, now);
    let Some(node) = cluster.find_node(None, Some(node)) else { return FenceDevices::default() };
    let mut candidates = Vec::new();
    for top in cluster.order.clone() {
        collect(&cluster, top, &mut candidates);
    }
    let mut devices = Vec::new();
    for id in candidates {
        if !cluster.is_disabled(id) && is_allowed(&cluster, id, node) {
            devices.push(describe(&mut cluster, id, node));
        }
    }
    FenceDevices { devices, recheck_by: cluster.recheck_by }
}

/// The fence devices at or below a resource; of a clone, those of the first instance.
fn collect(cluster: &Cluster<'_>, id: ResourceId, out: &mut Vec<ResourceId>) {
    let resource = cluster.resource(id);
    match &resource.variant {
        Variant::Primitive if resource.flags.fence_device => out.push(id),
        Variant::Primitive | Variant::Bundle(_) => {}
        Variant::Group(_) => resource.children.iter().for_each(|m| collect(cluster, *m, out)),
        Variant::Clone(_) => {
            resource.children.iter().take(1).for_each(|i| collect(cluster, *i, out))
        }
    }
}

/// May the device be used on the node, as far as it and its group are concerned?
fn is_allowed(cluster: &Cluster<'_>, id: ResourceId, node: NodeId) -> bool {
    let allows = |id: ResourceId| {
        let entry = cluster.resource(id).table.get(node);
        entry.is_some_and(|entry| entry.score >= Score::ZERO)
    };
    let group = cluster.resource(id).parent.filter(|parent| cluster.resource(*parent).is_group());
    allows(id) && group.is_none_or(allows)
}

fn describe(cluster: &mut Cluster<'_>, id: ResourceId, node: NodeId) -> FenceDevice {
    let parameters = cluster.parameters(id, Some(node));
    let resource = cluster.resource(id);
    FenceDevice {
        id: resource.printable_id().to_owned(),
        agent: resource.agent.to_string(),
        parameters: parameters.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        provides: resource.meta("provides").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000;

    const DEVICE: &str = "<primitive id='d' class='stonith' type='fence_x'/>";

    fn configuration(options: &str, resources: &str, constraints: &str) -> Document {
        let text = format!(
            "<configuration><crm_config><cluster_property_set id='o'>{options}\
             </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/>\
             <node id='2' uname='n2'><instance_attributes id='a'>\
             <nvpair id='a1' name='rack' value='west'/></instance_attributes></node></nodes>\
             <resources>{resources}</resources><constraints>{constraints}</constraints>\
             </configuration>"
        );
        Document::parse(&text).unwrap()
    }

    fn usable(document: &Document, node: &str) -> FenceDevices {
        fence_devices(document, node, DateTime::from_epoch(NOON, 0))
    }

    fn ids(document: &Document, node: &str) -> String {
        let devices = usable(document, node).devices;
        devices.iter().map(|device| device.id.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_location_counts() {
        let rule = |text: &str| {
            format!(
                "<rsc_location id='l' rsc='d'><rule id='r' score='-INFINITY'>{text}</rule>\
                 </rsc_location>"
            )
        };
        let banned_on_n2 = [
            "<rsc_location id='l' rsc='d' node='n2' score='-1'/>".to_owned(),
            "<rsc_location id='l' rsc-pattern='^.$' node='n2' score='-1'/>".to_owned(),
            "<rsc_location id='l' node='n2' score='-1'><resource_set id='s'>\
             <resource_ref id='d'/></resource_set></rsc_location>"
                .to_owned(),
            rule("<expression id='e' attribute='#uname' operation='eq' value='n2'/>"),
            rule("<expression id='e' attribute='rack' operation='eq' value='west'/>"),
            "<rsc_location id='l' rsc='d' node='n2' score='5'/>\
             <rsc_location id='m' rsc='d' node='n2' score='-6'/>"
                .to_owned(),
            "<rsc_location id='l' rsc='d' node='n1' score='0' resource-discovery='exclusive'/>"
                .to_owned(),
        ];
        for constraint in banned_on_n2 {
            let document = configuration("", DEVICE, &constraint);
            assert_eq!((ids(&document, "N1").as_str(), ids(&document, "n2").as_str()), ("d", ""));
        }
        let other = "<rsc_location id='l' rsc='d' node='n2' score='0'/>\
            <rsc_ticket id='t' rsc='d' ticket='x' loss-policy='stop'/>\
            <rsc_colocation id='c' rsc='d' with-rsc='missing' score='INFINITY'/>";
        assert_eq!(ids(&configuration("", DEVICE, other), "n2"), "d", "no other constraint counts");
        assert_eq!(ids(&configuration("", DEVICE, ""), "n3"), "", "not a node");
    }

    #[test]
    fn an_asymmetric_cluster_names_the_nodes() {
        let option = "<nvpair id='s' name='symmetric-cluster' value='false'/>";
        let constraint = "<rsc_location id='l' rsc='d' node='n2' score='0'/>";
        let document = configuration(option, DEVICE, constraint);
        assert_eq!((ids(&document, "n1").as_str(), ids(&document, "n2").as_str()), ("", "d"));
    }

    #[test]
    fn a_date_rule_counts_until_it_ends() {
        let until = DateTime::from_epoch(NOON + 60, 0);
        let constraint = format!(
            "<rsc_location id='l' rsc='d'><rule id='r' score='-INFINITY'>\
             <date_expression id='e' operation='lt' end='{until}'/></rule></rsc_location>"
        );
        let document = configuration("", DEVICE, &constraint);
        let now = usable(&document, "n1");
        assert_eq!((now.devices, now.recheck_by), (Vec::new(), Some(NOON + 60)));
        let later = fence_devices(&document, "n1", DateTime::from_epoch(NOON + 61, 0));
        assert_eq!(later.devices.len(), 1);
    }

    #[test]
    fn members_of_groups_and_the_first_instance_of_a_clone_are_devices() {
        let unique = "<meta_attributes id='m'>\
            <nvpair id='u' name='globally-unique' value='true'/></meta_attributes>";
        let device = |id: &str| format!("<primitive id='{id}' class='stonith' type='fence_x'/>");
        let resources = format!(
            "<group id='g'>{}{}</group><clone id='c'>{}</clone><clone id='k'>{unique}{}</clone>\
             <primitive id='p' class='ocf' provider='p' type='t'/>",
            device("a"),
            device("b"),
            device("d"),
            device("e"),
        );
        let ban = "<rsc_location id='l' rsc='g' node='n1' score='-1'/>\
            <rsc_location id='m' rsc='c' node='n2' score='-1'/>";
        let document = configuration("", &resources, ban);
        assert_eq!(ids(&document, "n1"), "d e:0");
        assert_eq!(ids(&document, "n2"), "a b e:0");
    }

    #[test]
    fn disabled_devices_are_none_and_defaults_and_templates_count() {
        let resources = "<template id='t' class='stonith' type='fence_x'><instance_attributes id='ti'>\
            <nvpair id='ti1' name='ip' value='x'/><nvpair id='ti2' name='port' value='1'/>\
            </instance_attributes></template>\
            <primitive id='a' template='t'><instance_attributes id='ai' score='1'>\
            <rule id='r' score='0'><expression id='e' attribute='#uname' operation='eq' value='n2'/>\
            </rule><nvpair id='ai1' name='port' value='2'/></instance_attributes>\
            <meta_attributes id='am'><nvpair id='am1' name='target-role' value='Started'/>\
            <nvpair id='am2' name='provides' value='unfencing'/></meta_attributes></primitive>\
            <primitive id='b' template='t'/>";
        let text = configuration("", resources, "").root().to_xml_compact();
        let defaults = "<rsc_defaults><meta_attributes id='rd'>\
            <nvpair id='rd1' name='target-role' value='stopped'/></meta_attributes></rsc_defaults>";
        let text = text.replace("</configuration>", &format!("{defaults}</configuration>"));
        let document = Document::parse(&text).unwrap();
        for (node, port) in [("n1", "1"), ("n2", "2")] {
            let [device] = &usable(&document, node).devices[..] else { panic!("one device") };
            let find = |name: &str| {
                let mut found = device.parameters.iter().filter(|(n, _)| n == name);
                found.next().map(|(_, value)| value.as_str())
            };
            assert_eq!((find("ip"), find("port")), (Some("x"), Some(port)));
            assert_eq!(device.provides.as_deref(), Some("unfencing"));
            assert!(!format!("{device:?}").contains("\"x\""), "values are not shown");
        }
    }
}
