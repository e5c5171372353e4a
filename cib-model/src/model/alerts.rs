//! The `alerts` section.

use super::reader::Reader;
use super::sets::ValueSet;
use crate::document::Element;

/// An `alert`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The program to run.
    pub path: &'d str,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Options.
    pub meta: Vec<ValueSet<'d>>,
    /// What the program finds in its environment.
    pub parameters: Vec<ValueSet<'d>>,
    /// What it is told of; absent means everything but attributes.
    pub selection: Option<AlertSelection<'d>>,
    /// Who is told, each by a run of its own.
    pub recipients: Vec<Recipient<'d>>,
}

/// A `recipient`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipient<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What the program makes of it: an address, a file.
    pub value: &'d str,
    /// Text for people.
    pub description: Option<&'d str>,
    /// Options that come before those of the alert.
    pub meta: Vec<ValueSet<'d>>,
    /// Environment that comes before that of the alert.
    pub parameters: Vec<ValueSet<'d>>,
}

/// The `select` of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSelection<'d> {
    /// Fencing.
    pub fencing: bool,
    /// Nodes.
    pub nodes: bool,
    /// Resources.
    pub resources: bool,
    /// Node attributes: these, or all when the list is empty.
    pub attributes: Option<Vec<&'d str>>,
}

impl<'d> Alert<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Alert<'d> {
        Alert {
            element,
            id: reader.required(element, "id"),
            path: reader.required(element, "path"),
            description: element.attribute("description"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
            selection: element.child("select").map(|select| AlertSelection::read(reader, select)),
            recipients: element
                .children_named("recipient")
                .map(|recipient| Recipient::read(reader, recipient))
                .collect(),
        }
    }
}

impl<'d> Recipient<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Recipient<'d> {
        Recipient {
            element,
            id: reader.required(element, "id"),
            value: reader.required(element, "value"),
            description: element.attribute("description"),
            meta: ValueSet::read_all(reader, element, "meta_attributes"),
            parameters: ValueSet::read_all(reader, element, "instance_attributes"),
        }
    }
}

impl<'d> AlertSelection<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> AlertSelection<'d> {
        let attributes = element.child("select_attributes").map(|select| {
            select.children_named("attribute").map(|one| reader.required(one, "name")).collect()
        });
        AlertSelection {
            fencing: element.child("select_fencing").is_some(),
            nodes: element.child("select_nodes").is_some(),
            resources: element.child("select_resources").is_some(),
            attributes,
        }
    }
}
