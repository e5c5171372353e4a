//! The `resources` section (spec 50 §1.4).

use std::time::Duration;

use super::bundle::Bundle;
use super::keywords::{OnFail, ResourceClass, Role};
use super::reader::Reader;
use super::sets::ValueSet;
use crate::document::Element;

/// A resource at the top of the section.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource<'d> {
    /// One agent's resource.
    Primitive(Primitive<'d>),
    /// What several primitives have in common.
    Template(Template<'d>),
    /// Primitives that run together, in order.
    Group(Group<'d>),
    /// A primitive or group that runs several times.
    Clone(Clone<'d>),
    /// A container with what runs in it.
    Bundle(Box<Bundle<'d>>),
}

/// A `primitive`.
#[derive(Clone, Debug, PartialEq)]
pub struct Primitive<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What runs.
    pub agent: AgentSource<'d>,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Parameters of the agent.
    pub parameters: Vec<ValueSet<'d>>,
    /// Options of the resource.
    pub meta: Vec<ValueSet<'d>>,
    /// What it needs of a node.
    pub utilization: Vec<ValueSet<'d>>,
    /// How its operations are to be done.
    pub operations: Option<Operations<'d>>,
}

/// Where a primitive's agent is named.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentSource<'d> {
    /// Here.
    Agent(Agent<'d>),
    /// In the template with this id.
    Template(&'d str),
}

/// A resource agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent<'d> {
    /// Its standard.
    pub class: ResourceClass,
    /// Its provider, with the `ocf` standard only.
    pub provider: Option<&'d str>,
    /// Its name.
    pub name: &'d str,
}

/// A `template`.
#[derive(Clone, Debug, PartialEq)]
pub struct Template<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What runs.
    pub agent: Agent<'d>,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Parameters of the agent.
    pub parameters: Vec<ValueSet<'d>>,
    /// Options of the resources.
    pub meta: Vec<ValueSet<'d>>,
    /// What they need of a node.
    pub utilization: Vec<ValueSet<'d>>,
    /// How their operations are to be done.
    pub operations: Option<Operations<'d>>,
}

/// The `operations` of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Operations<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: Option<&'d str>,
    /// The `operations` whose content counts here.
    pub id_ref: Option<&'d str>,
    /// The operations in document order.
    pub operations: Vec<Operation<'d>>,
}

/// An `op`.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The name of the action.
    pub name: &'d str,
    /// How often it is repeated; zero for not.
    pub interval: Duration,
    /// Text for people.
    pub description: Option<&'d str>,
    /// How long to wait before it is done.
    pub start_delay: Option<Duration>,
    /// The instant from which intervals are counted, as written.
    pub interval_origin: Option<&'d str>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether it is done at all.
    pub enabled: Option<bool>,
    /// Whether its beginning is recorded.
    pub record_pending: Option<bool>,
    /// The role in which it is repeated.
    pub role: Option<Role>,
    /// What happens when it fails.
    pub on_fail: Option<OnFail>,
    /// Parameters of the agent for this operation.
    pub parameters: Vec<ValueSet<'d>>,
    /// More options.
    pub meta: Vec<ValueSet<'d>>,
}

/// A `group`.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Parameters of all members.
    pub parameters: Vec<ValueSet<'d>>,
    /// Options of all members.
    pub meta: Vec<ValueSet<'d>>,
    /// The members in order.
    pub members: Vec<Primitive<'d>>,
}

/// A `clone`, or a legacy `master`.
#[derive(Clone, Debug, PartialEq)]
pub struct Clone<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Whether it is written as a legacy `master`: it is promotable then.
    pub is_master: bool,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Parameters of what is cloned.
    pub parameters: Vec<ValueSet<'d>>,
    /// Options.
    pub meta: Vec<ValueSet<'d>>,
    /// What is cloned: a primitive or a group.
    pub child: Box<Resource<'d>>,
}

impl<'d> Resource<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Option<Resource<'d>> {
        match element.name() {
            "primitive" => Primitive::read(reader, element).map(Resource::Primitive),
            "template" => Template::read(reader, element).map(Resource::Template),
            "group" => Some(Resource::Group(Group::read(reader, element))),
            "clone" | "master" => Clone::read(reader, element).map(Resource::Clone),
            "bundle" => {
                Bundle::read(reader, element).map(|bundle| Resource::Bundle(Box::new(bundle)))
            }
            _ => {
                reader.unknown(element, "primitive, template, group, clone and bundle");
                None
            }
        }
    }

    /// The id.
    pub fn id(&self) -> &'d str {
        match self {
            Resource::Primitive(primitive) => primitive.id,
            Resource::Template(template) => template.id,
            Resource::Group(group) => group.id,
            Resource::Clone(clone) => clone.id,
            Resource::Bundle(bundle) => bundle.id,
        }
    }
}

impl<'d> Agent<'d> {
    /// Reads `class`, `provider` and `type`; nothing when the class is absent or not understood.
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Agent<'d>> {
        reader.required(element, "class");
        let class = reader.value(element, "class")?;
        let name = reader.required(element, "type");
        let provider = match class {
            ResourceClass::Ocf => Some(reader.required(element, "provider")),
            _ => element.attribute("provider"),
        };
        Some(Agent { class, provider, name })
    }
}

impl<'d> Primitive<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Option<Primitive<'d>> {
        let agent = match element.attribute("template") {
            Some(template) => AgentSource::Template(template),
            None => AgentSource::Agent(Agent::read(reader, element)?),
        };
        Some(Primitive {
            element,
            id: reader.required(element, "id"),
            agent,
            description: element.attribute("description"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            utilization: ValueSet::read_all(reader, element, "utilization"),
            operations: element.child("operations").map(|child| Operations::read(reader, child)),
        })
    }
}

impl<'d> Template<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Template<'d>> {
        Some(Template {
            element,
            id: reader.required(element, "id"),
            agent: Agent::read(reader, element)?,
            description: element.attribute("description"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            utilization: ValueSet::read_all(reader, element, "utilization"),
            operations: element.child("operations").map(|child| Operations::read(reader, child)),
        })
    }
}

impl<'d> Operations<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Operations<'d> {
        Operations {
            element,
            id: element.attribute("id"),
            id_ref: element.attribute("id-ref"),
            operations: element
                .children_named("op")
                .map(|op| Operation::read(reader, op))
                .collect(),
        }
    }
}

impl<'d> Operation<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Operation<'d> {
        Operation {
            element,
            id: reader.required(element, "id"),
            name: reader.required(element, "name"),
            interval: reader.required_value(element, "interval"),
            description: element.attribute("description"),
            start_delay: reader.value(element, "start-delay"),
            interval_origin: element.attribute("interval-origin"),
            timeout: reader.value(element, "timeout"),
            enabled: reader.value(element, "enabled"),
            record_pending: reader.value(element, "record-pending"),
            role: reader.value(element, "role"),
            on_fail: reader.value(element, "on-fail"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
        }
    }
}

impl<'d> Group<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Group<'d> {
        let id = reader.required(element, "id");
        let mut members = Vec::new();
        for member in element.children_named("primitive") {
            members.extend(Primitive::read(reader, member));
        }
        if element.child("primitive").is_none() {
            reader.form(element, "at least one primitive in the group");
        }
        Group {
            element,
            id,
            description: element.attribute("description"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            members,
        }
    }
}

impl<'d> Clone<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Clone<'d>> {
        let id = reader.required(element, "id");
        let mut children =
            element.children().filter(|child| matches!(child.name(), "primitive" | "group"));
        let (Some(child), None) = (children.next(), children.next()) else {
            reader.form(element, "exactly one primitive or group in the clone");
            return None;
        };
        Some(Clone {
            element,
            id,
            is_master: element.name() == "master",
            description: element.attribute("description"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            child: Box::new(Resource::read(reader, child)?),
        })
    }
}
