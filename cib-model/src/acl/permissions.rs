//! Collecting what a user is permitted.

use std::collections::BTreeMap;

use crate::date::DateTime;
use crate::document::{Document, Element, References};
use crate::model::Access;
use crate::nvpair::{BOOTSTRAP_OPTIONS, Blocks, NameValues};
use crate::rule::{NextChange, RuleInput};
use crate::scalar::is_true;
use crate::xpath::XPath;

/// Who asks.
#[derive(Copy, Clone, Debug)]
pub struct User<'u> {
    /// The name of the user.
    pub name: &'u str,
    /// The names of the operating system's groups the user belongs to.
    pub groups: &'u [&'u str],
}

/// What a user is permitted, in the order in which it is said.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    pub(super) rules: Vec<(Access, XPath)>,
}

/// Whether access control never applies to a user: the superuser, the cluster's own, and requests
/// without a user.
pub fn is_exempt(user: &str) -> bool {
    matches!(user, "" | "root" | "hacluster")
}

/// Whether a CIB has access control switched on (cluster option `enable-acl`).
pub fn is_enabled(document: &Document, now: DateTime) -> bool {
    let crm_config =
        document.root().child("configuration").and_then(|element| element.child("crm_config"));
    let Some(crm_config) = crm_config else { return false };
    let references = References::new(document);
    let first = Some(BOOTSTRAP_OPTIONS);
    let blocks = Blocks::read(crm_config, "cluster_property_set", first, &references, now);
    let mut options = NameValues::default();
    blocks.fill(&RuleInput::at(now), &mut options, &mut NextChange::default());
    is_true(options.get("enable-acl"))
}

impl Permissions {
    /// The permissions of a user. None at all when the CIB does not have exactly one `acls` section,
    /// or says nothing of the user.
    pub fn of(document: &Document, user: &User<'_>) -> Permissions {
        let mut sections = document
            .root()
            .children_named("configuration")
            .flat_map(|configuration| configuration.children_named("acls"));
        let mut permissions = Permissions::default();
        let (Some(acls), None) = (sections.next(), sections.next()) else { return permissions };
        let mut roles: BTreeMap<&str, Element<'_>> = BTreeMap::new();
        for role in acls.children_named("acl_role") {
            roles.entry(role.xml_id().unwrap_or_default()).or_insert(role);
        }
        for subject in acls.children() {
            let name = subject.attribute("name").or(subject.xml_id()).unwrap_or_default();
            let applies = match subject.name() {
                "acl_target" => name == user.name,
                "acl_group" => user.groups.contains(&name),
                _ => false,
            };
            if applies {
                permissions.add_subject(&roles, subject);
            }
        }
        permissions
    }

    /// Whether nothing is said of the user: everything is refused then.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn add_subject(&mut self, roles: &BTreeMap<&str, Element<'_>>, subject: Element<'_>) {
        for child in subject.children() {
            match child.name() {
                "role" => {
                    if let Some(role) = roles.get(child.xml_id().unwrap_or_default()) {
                        for permission in role.children_named("acl_permission") {
                            self.add(permission);
                        }
                    }
                }
                "acl_permission" => {
                    log::warn!("line {}: permissions belong in a role", child.line());
                    self.add(child);
                }
                _ => {}
            }
        }
    }

    /// Adds what one permission says; what is no permission is left out.
    fn add(&mut self, permission: Element<'_>) {
        let line = permission.line();
        let access = permission.attribute("kind").and_then(Access::parse);
        let (Some(access), Some(selector)) = (access, selector(permission)) else {
            log::warn!("line {line}: a permission needs a kind and a selector: ignored");
            return;
        };
        match XPath::parse(&selector) {
            Ok(selector) => self.rules.push((access, selector)),
            Err(error) => {
                log::warn!("line {line}: permission for {selector:?}, {error}: matches nothing");
            }
        }
    }
}

/// The expression for what a permission is about.
fn selector(permission: Element<'_>) -> Option<String> {
    if let Some(xpath) = permission.attribute("xpath") {
        return Some(xpath.to_owned());
    }
    let reference = permission.attribute("reference");
    let attribute = permission.attribute("attribute");
    let name = permission.attribute("object-type");
    if reference.is_none() && attribute.is_none() && name.is_none() {
        return None;
    }
    let condition = match (reference, attribute) {
        (Some(id), Some(attribute)) => format!("[@id='{id}' and @{attribute}]"),
        (Some(id), None) => format!("[@id='{id}']"),
        (None, Some(attribute)) => format!("[@{attribute}]"),
        (None, None) => String::new(),
    };
    Some(format!("//{}{condition}", name.unwrap_or("*")))
}
