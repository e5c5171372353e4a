//! The root, and the sections of the configuration that are small.

use super::access::AccessControl;
use super::alerts::Alert;
use super::constraints::Constraint;
use super::error::ModelError;
use super::keywords::NodeKind;
use super::reader::Reader;
use super::resources::Resource;
use super::sets::ValueSet;
use super::status::Status;
use super::version::CibVersion;
use crate::document::{Document, Element};
use crate::scalar::{Score, Version};
use crate::schema::Schema;

/// A CIB as it was read, and what in it was not understood.
#[derive(Clone, Debug)]
pub struct Reading<'d> {
    /// The CIB.
    pub cib: Cib<'d>,
    /// What was left out, in the order of reading.
    pub errors: Vec<ModelError>,
}

/// The root element.
#[derive(Clone, Debug)]
pub struct Cib<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its version; what is absent is 0.
    pub version: CibVersion,
    /// The schema it claims; nothing when it claims none that is known.
    pub schema: Option<Schema>,
    /// The feature set of the cluster that wrote it last.
    pub feature_set: Option<Version<'d>>,
    /// Whether the partition that wrote it had quorum.
    pub have_quorum: Option<bool>,
    /// The id of the node that was the designated controller.
    pub dc_uuid: Option<&'d str>,
    /// When the configuration was changed last, as local time for people.
    pub last_written: Option<&'d str>,
    /// On which node the configuration was changed last.
    pub update_origin: Option<&'d str>,
    /// By which program.
    pub update_client: Option<&'d str>,
    /// By which user.
    pub update_user: Option<&'d str>,
    /// The time a scheduler is to take for now, in seconds since the epoch.
    pub execution_date: Option<i64>,
    /// Legacy: panic when quorum is lost.
    pub no_quorum_panic: Option<bool>,
    /// Where remote clients connect with encryption; 0 for nowhere.
    pub remote_tls_port: Option<u16>,
    /// Where remote clients connect without encryption; 0 for nowhere.
    pub remote_clear_port: Option<u16>,
    /// The configuration.
    pub configuration: Configuration<'d>,
    /// The status.
    pub status: Status<'d>,
}

/// The `configuration`.
#[derive(Clone, Debug, Default)]
pub struct Configuration<'d> {
    /// Options of the cluster.
    pub options: Vec<ValueSet<'d>>,
    /// Nodes.
    pub nodes: Vec<Node<'d>>,
    /// Resources.
    pub resources: Vec<Resource<'d>>,
    /// Constraints.
    pub constraints: Vec<Constraint<'d>>,
    /// Meta-attributes of resources that do not set them.
    pub resource_defaults: Vec<ValueSet<'d>>,
    /// Meta-attributes of operations that do not set them.
    pub operation_defaults: Vec<ValueSet<'d>>,
    /// Which devices fence which nodes, and in which order.
    pub fencing_levels: Vec<FencingLevel<'d>>,
    /// Who may see and change what; absent when there is no such section.
    pub acls: Option<AccessControl<'d>>,
    /// Names for several objects.
    pub tags: Vec<Tag<'d>>,
    /// Programs that are told of events.
    pub alerts: Vec<Alert<'d>>,
}

/// A `node`.
#[derive(Clone, Debug)]
pub struct Node<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Its name.
    pub uname: &'d str,
    /// What it is.
    pub kind: NodeKind,
    /// Text for people.
    pub description: Option<&'d str>,
    /// How much every resource wants to run on it.
    pub score: Option<Score>,
    /// Its permanent attributes.
    pub attributes: Vec<ValueSet<'d>>,
    /// Its capacity.
    pub utilization: Vec<ValueSet<'d>>,
}

/// A `fencing-level`.
#[derive(Clone, Debug)]
pub struct FencingLevel<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The nodes it is about.
    pub target: FencingTarget<'d>,
    /// Its place among the levels of a node, from 1.
    pub index: u32,
    /// The ids of its devices, all of which must succeed.
    pub devices: Vec<&'d str>,
}

/// The nodes a fencing level is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FencingTarget<'d> {
    /// The node of this name.
    Node(&'d str),
    /// Nodes whose name matches this regular expression.
    Pattern(&'d str),
    /// Nodes with this attribute.
    Attribute {
        /// The name of the attribute.
        name: &'d str,
        /// Its value.
        value: &'d str,
    },
}

/// A `tag`.
#[derive(Clone, Debug)]
pub struct Tag<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The ids of what it names.
    pub objects: Vec<&'d str>,
}

impl<'d> Cib<'d> {
    /// Reads a document. What is not understood is left out and reported.
    pub fn read(document: &'d Document) -> Reading<'d> {
        let element = document.root();
        let mut reader = Reader::default();
        if element.name() != "cib" {
            reader.form(element, "a <cib> as the root element");
        }
        let r = &mut reader;
        for name in CibVersion::ATTRIBUTES {
            r.required_value::<i64>(element, name);
        }
        let cib = Cib {
            element,
            version: CibVersion::of(element, 0),
            schema: element.attribute("validate-with").and_then(|name| name.parse().ok()),
            feature_set: element.attribute("crm_feature_set").map(Version),
            have_quorum: r.value(element, "have-quorum"),
            dc_uuid: element.attribute("dc-uuid"),
            last_written: element.attribute("cib-last-written"),
            update_origin: element.attribute("update-origin"),
            update_client: element.attribute("update-client"),
            update_user: element.attribute("update-user"),
            execution_date: r.value(element, "execution-date"),
            no_quorum_panic: r.value(element, "no-quorum-panic"),
            remote_tls_port: r.value(element, "remote-tls-port"),
            remote_clear_port: r.value(element, "remote-clear-port"),
            configuration: element
                .child("configuration")
                .map(|configuration| Configuration::read(r, configuration))
                .unwrap_or_default(),
            status: element
                .child("status")
                .map(|status| Status::read(r, status))
                .unwrap_or_default(),
        };
        Reading { cib, errors: reader.errors }
    }
}

impl<'d> Configuration<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Configuration<'d> {
        let mut configuration = Configuration::default();
        for section in element.children() {
            configuration.section(reader, section);
        }
        configuration
    }

    fn section(&mut self, reader: &mut Reader, section: Element<'d>) {
        match section.name() {
            "crm_config" => {
                self.options = ValueSet::read_all(reader, section, "cluster_property_set");
            }
            "nodes" => self.nodes = section.children().map(|e| Node::read(reader, e)).collect(),
            "resources" => {
                self.resources =
                    section.children().filter_map(|e| Resource::read(reader, e)).collect();
            }
            "constraints" => {
                self.constraints =
                    section.children().filter_map(|e| Constraint::read(reader, e)).collect();
            }
            "rsc_defaults" => {
                self.resource_defaults = ValueSet::read_all(reader, section, "meta_attributes");
            }
            "op_defaults" => {
                self.operation_defaults = ValueSet::read_all(reader, section, "meta_attributes");
            }
            "fencing-topology" => {
                self.fencing_levels =
                    section.children().filter_map(|e| FencingLevel::read(reader, e)).collect();
            }
            "acls" => self.acls = Some(AccessControl::read(reader, section)),
            "tags" => self.tags = section.children().map(|e| Tag::read(reader, e)).collect(),
            "alerts" => self.alerts = section.children().map(|e| Alert::read(reader, e)).collect(),
            _ => reader.unknown(
                section,
                "crm_config, nodes, resources, constraints, rsc_defaults, op_defaults, \
                 fencing-topology, acls, tags and alerts",
            ),
        }
    }
}

impl<'d> Node<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Node<'d> {
        Node {
            element,
            id: reader.required(element, "id"),
            uname: reader.required(element, "uname"),
            kind: reader.value(element, "type").unwrap_or(NodeKind::Member),
            description: element.attribute("description"),
            score: reader.value(element, "score"),
            attributes: ValueSet::read_all(reader, element, "instance_attributes"),
            utilization: ValueSet::read_all(reader, element, "utilization"),
        }
    }
}

impl<'d> FencingLevel<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<FencingLevel<'d>> {
        let named = ["target", "target-pattern", "target-attribute"];
        let target = match named.map(|name| element.attribute(name)) {
            [Some(node), None, None] => FencingTarget::Node(node),
            [None, Some(pattern), None] => FencingTarget::Pattern(pattern),
            [None, None, Some(name)] => {
                FencingTarget::Attribute { name, value: reader.required(element, "target-value") }
            }
            _ => {
                reader.form(
                    element,
                    "exactly one of target, target-pattern and target-attribute with target-value",
                );
                return None;
            }
        };
        let devices = reader.required(element, "devices").split(',');
        Some(FencingLevel {
            element,
            id: reader.required(element, "id"),
            target,
            index: reader.required_value(element, "index"),
            devices: devices.map(str::trim).filter(|device| !device.is_empty()).collect(),
        })
    }
}

impl<'d> Tag<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Tag<'d> {
        Tag {
            element,
            id: reader.required(element, "id"),
            objects: element
                .children_named("obj_ref")
                .map(|object| reader.required(object, "id"))
                .collect(),
        }
    }
}
