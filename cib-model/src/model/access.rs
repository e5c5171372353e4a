//! The `acls` section as it is written. For deciding access see [`crate::acl`].

use super::keywords::Access;
use super::reader::Reader;
use crate::document::Element;

/// The `acls` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessControl<'d> {
    /// Users.
    pub targets: Vec<Subject<'d>>,
    /// Groups of the operating system.
    pub groups: Vec<Subject<'d>>,
    /// Roles.
    pub roles: Vec<PermissionRole<'d>>,
}

/// An `acl_target` or `acl_group`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The name of the user or group, if that is not the id.
    pub name: Option<&'d str>,
    /// The ids of its roles.
    pub roles: Vec<&'d str>,
}

/// An `acl_role`.
#[derive(Clone, Debug, PartialEq)]
pub struct PermissionRole<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Text for people.
    pub description: Option<&'d str>,
    /// What it permits.
    pub permissions: Vec<Permission<'d>>,
}

/// An `acl_permission`.
#[derive(Clone, Debug, PartialEq)]
pub struct Permission<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What may be done.
    pub access: Access,
    /// With what.
    pub selector: Selector<'d>,
    /// Text for people.
    pub description: Option<&'d str>,
}

/// What a permission is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Selector<'d> {
    /// What an XPath expression matches.
    XPath(&'d str),
    /// The element with this id.
    Reference(&'d str),
    /// Elements of this name, with this attribute if one is given.
    ObjectType {
        /// The name.
        name: &'d str,
        /// The attribute.
        attribute: Option<&'d str>,
    },
}

impl<'d> Subject<'d> {
    /// The name of the user or group.
    pub fn name(&self) -> &'d str {
        self.name.unwrap_or(self.id)
    }

    fn read(reader: &mut Reader, element: Element<'d>) -> Subject<'d> {
        Subject {
            element,
            id: reader.required(element, "id"),
            name: element.attribute("name"),
            roles: element.children_named("role").map(|r| reader.required(r, "id")).collect(),
        }
    }
}

impl<'d> AccessControl<'d> {
    pub(super) fn read(reader: &mut Reader, section: Element<'d>) -> AccessControl<'d> {
        let mut acls = AccessControl::default();
        for element in section.children() {
            match element.name() {
                "acl_target" => acls.targets.push(Subject::read(reader, element)),
                "acl_group" => acls.groups.push(Subject::read(reader, element)),
                "acl_role" => acls.roles.push(PermissionRole::read(reader, element)),
                _ => reader.unknown(element, "acl_target, acl_group and acl_role"),
            }
        }
        acls
    }
}

impl<'d> PermissionRole<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> PermissionRole<'d> {
        PermissionRole {
            element,
            id: reader.required(element, "id"),
            description: element.attribute("description"),
            permissions: element
                .children_named("acl_permission")
                .filter_map(|permission| Permission::read(reader, permission))
                .collect(),
        }
    }
}

impl<'d> Permission<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Permission<'d>> {
        let id = reader.required(element, "id");
        reader.required(element, "kind");
        let access = reader.value(element, "kind")?;
        let named = ["xpath", "reference", "object-type"].map(|name| element.attribute(name));
        let selector = match named {
            [Some(xpath), None, None] => Selector::XPath(xpath),
            [None, Some(reference), None] => Selector::Reference(reference),
            [None, None, Some(name)] => {
                Selector::ObjectType { name, attribute: element.attribute("attribute") }
            }
            _ => {
                reader.form(element, "exactly one of xpath, reference and object-type");
                return None;
            }
        };
        Some(Permission {
            element,
            id,
            access,
            selector,
            description: element.attribute("description"),
        })
    }
}
