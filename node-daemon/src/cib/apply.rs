//! Changes of a document: what each operation of the CIB manager does (spec 50 §12).

use cib_model::digest;
use cib_model::document::{NodeKind, is_name};
use cib_model::model::CibVersion;
use cib_model::patch::{AttributeOrder, Patch};
use cib_model::xpath::XPath;
use cib_model::{Document, Element, ElementId, Score};

use crate::subsystem::{CibError, CibUpdate, Scope};

/// Sections that stand in `configuration`.
const SECTIONS: [&str; 9] = [
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "op_defaults",
    "rsc_defaults",
    "acls",
    "fencing-topology",
    "alerts",
];

/// How versions follow from a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// They are raised as the changes demand.
    Raised,
    /// They are part of the change.
    Given,
}

/// The element of a section.
pub fn section<'d>(document: &'d Document, name: &str) -> Option<Element<'d>> {
    let root = document.root();
    match name {
        "cib" | "all" | "" => Some(root),
        "status" | "configuration" => root.child(name),
        "tags" => root.child("configuration")?.child(name),
        _ if SECTIONS.contains(&name) => root.child("configuration")?.child(name),
        _ => None,
    }
}

/// Whether a CIB holds what these changes make: making them changes nothing more.
pub(super) fn is_done(document: &Document, updates: &[CibUpdate]) -> bool {
    let mut changed = document.clone();
    updates.iter().all(|update| apply(&mut changed, update).is_ok())
        && Patch::between(document, &changed, AttributeOrder::Ignored).is_none()
}

/// The part of a document that a scope names, as a document of its own.
///
/// # Errors
/// When there is none.
pub fn query(document: &Document, scope: &Scope, children: bool) -> Result<Document, CibError> {
    let bare = |element: Element<'_>| {
        if children {
            return Document::from_subtree(element);
        }
        let mut copy = Document::new(element.name());
        for (name, value) in element.attributes() {
            copy.set_attribute(copy.root_id(), name, value);
        }
        copy
    };
    match scope {
        Scope::All => Ok(bare(document.root())),
        Scope::Section(name) => {
            section(document, name).map(bare).ok_or_else(|| CibError::NotFound(name.clone()))
        }
        Scope::XPath { expression, .. } => {
            let matches = select(document, expression)?;
            match matches[..] {
                [] => Err(CibError::NotFound(expression.clone())),
                [one] => Ok(bare(document.element(one))),
                _ => {
                    let mut all = Document::new("xpath-query");
                    for id in matches {
                        let part = bare(document.element(id));
                        all.copy_subtree(all.root_id(), part.root());
                    }
                    Ok(all)
                }
            }
        }
    }
}

fn select(document: &Document, expression: &str) -> Result<Vec<ElementId>, CibError> {
    let xpath = XPath::parse(expression).map_err(|_| CibError::NotFound(expression.to_owned()))?;
    let elements = xpath.elements(document).map_err(|e| CibError::Invalid(e.to_string()))?;
    Ok(elements.into_iter().map(Element::id).collect())
}

/// Applies one change.
///
/// # Errors
/// When it cannot be made. The document may be changed in part then.
pub fn apply(document: &mut Document, update: &CibUpdate) -> Result<Versioning, CibError> {
    match update {
        CibUpdate::Create { scope, content } => create(document, scope, content)?,
        CibUpdate::Modify { scope, content, create, scores } => {
            let merge = Merge { create: *create, scores: *scores };
            merge.modify(document, scope, content)?;
        }
        CibUpdate::Replace { scope, content, keep_version } => {
            return replace(document, scope, content, *keep_version);
        }
        CibUpdate::Delete { scope, content } => delete(document, scope, content.as_deref())?,
        CibUpdate::Erase => erase(document),
        CibUpdate::Bump => {
            let version = CibVersion::of(document.root(), 0);
            let root = document.root_id();
            document.set_attribute(root, "epoch", &version.epoch.saturating_add(1).to_string());
            return Ok(Versioning::Given);
        }
        CibUpdate::Patch(patch) => {
            let patched = patch.applied(document).map_err(|error| match error.failure() {
                cib_model::patch::PatchFailure::OldData => CibError::OldData {
                    have: CibVersion::of(document.root(), 0).to_string(),
                    offered: error.to_string(),
                },
                _ => CibError::PatchFailed(error.to_string()),
            })?;
            *document = patched;
            if patch.versions.is_some() {
                return Ok(Versioning::Given);
            }
        }
        CibUpdate::Upgrade => return upgrade(document),
    }
    Ok(Versioning::Raised)
}

fn upgrade(document: &mut Document) -> Result<Versioning, CibError> {
    let before = document.root().attribute("validate-with").map(str::to_owned);
    let outcome = cib_model::schema::upgrade(document);
    if document.root().attribute("validate-with") == before.as_deref() {
        return match outcome {
            Ok(_) => Err(CibError::SchemaUnchanged),
            Err(error) => Err(CibError::Schema(error.to_string())),
        };
    }
    let version = CibVersion::of(document.root(), 0);
    let root = document.root_id();
    document.set_attribute(root, "admin_epoch", &(version.admin_epoch + 1).to_string());
    document.set_attribute(root, "epoch", "1");
    document.set_attribute(root, "num_updates", "1");
    Ok(Versioning::Given)
}

/// The data for a section: themselves, or that section within a whole CIB.
fn narrowed<'d>(scope: &Scope, content: &'d Document) -> Element<'d> {
    let root = content.root();
    match scope {
        Scope::Section(name) if root.name() == "cib" => section(content, name).unwrap_or(root),
        _ => root,
    }
}

fn create(document: &mut Document, scope: &Scope, content: &Document) -> Result<(), CibError> {
    let data = narrowed(scope, content);
    let name = match scope {
        Scope::XPath { .. } => return Err(CibError::Invalid("create takes no XPath".to_owned())),
        Scope::Section(name) if data.name() != "cib" => name,
        _ => {
            let merge = Merge { create: true, scores: false };
            return merge.modify(document, scope, content);
        }
    };
    let target = section(document, name)
        .map(Element::id)
        .ok_or_else(|| CibError::Invalid(format!("no section {name}")))?;
    let objects: Vec<Element<'_>> =
        if data.name() == name { data.children().collect() } else { vec![data] };
    for object in objects {
        let twin = document
            .element(target)
            .children_named(object.name())
            .any(|other| object.xml_id().is_none() || other.xml_id() == object.xml_id());
        if twin {
            let id = object.xml_id().unwrap_or(object.name());
            return Err(CibError::Exists(id.to_owned()));
        }
        document.copy_subtree(target, object);
    }
    Ok(())
}

/// A merge of data into a document.
struct Merge {
    create: bool,
    scores: bool,
}

impl Merge {
    fn modify(
        &self,
        document: &mut Document,
        scope: &Scope,
        content: &Document,
    ) -> Result<(), CibError> {
        let data = narrowed(scope, content);
        match scope {
            Scope::XPath { expression, multiple } => {
                let mut found = false;
                for id in select(document, expression)? {
                    if let Some(target) = counterpart(document.element(id), data) {
                        found = true;
                        self.merge(document, target, data);
                        if !multiple {
                            break;
                        }
                    }
                }
                if found { Ok(()) } else { Err(CibError::NotFound(expression.clone())) }
            }
            Scope::All | Scope::Section(_) => {
                let name = if let Scope::Section(name) = scope { name.as_str() } else { "cib" };
                let top = match section(document, name) {
                    Some(element) => element.id(),
                    None => missing_section(document, name)?,
                };
                match counterpart(document.element(top), data) {
                    Some(target) => self.merge(document, target, data),
                    None if self.create => {
                        let made = document.copy_subtree(top, data);
                        document.remove_attribute(made, "replace");
                    }
                    None => {
                        let id = data.xml_id().unwrap_or_default();
                        return Err(CibError::NotFound(format!("{} {id}", data.name())));
                    }
                }
                Ok(())
            }
        }
    }

    fn merge(&self, document: &mut Document, target: ElementId, data: Element<'_>) {
        for (name, value) in data.attributes() {
            let old = document.element(target).attribute(name);
            match old.filter(|_| self.scores).and_then(|old| scored(name, value, old)) {
                Some(number) => document.set_attribute(target, name, &number),
                None => document.set_attribute(target, name, value),
            }
        }
        for child in data.child_nodes() {
            let Some(child) = child.as_element() else {
                let known = document
                    .element(target)
                    .child_nodes()
                    .any(|node| node.kind() == NodeKind::Comment && node.text() == child.text());
                if !known && child.kind() == NodeKind::Comment {
                    document.append_comment(target, child.text());
                }
                continue;
            };
            let twin = document
                .element(target)
                .children_named(child.name())
                .find(|other| match (child.xml_id(), child.attribute("id-ref")) {
                    (Some(id), _) => other.xml_id() == Some(id),
                    (None, Some(reference)) => other.attribute("id-ref") == Some(reference),
                    (None, None) => true,
                })
                .map(Element::id);
            match twin {
                Some(twin) => self.merge(document, twin, child),
                None => {
                    document.copy_subtree(target, child);
                }
            }
        }
    }
}

/// The first element at or below `top` of the same name and id.
fn counterpart(top: Element<'_>, data: Element<'_>) -> Option<ElementId> {
    let same =
        |element: &Element<'_>| element.name() == data.name() && element.xml_id() == data.xml_id();
    top.descendants().find(same).map(Element::id)
}

fn missing_section(document: &mut Document, name: &str) -> Result<ElementId, CibError> {
    let root = document.root_id();
    if matches!(name, "status" | "configuration") {
        return Ok(document.append_element(root, name));
    }
    if !SECTIONS.contains(&name) && name != "tags" {
        return Err(CibError::Invalid(format!("no section {name}")));
    }
    let configuration = match document.root().child("configuration") {
        Some(element) => element.id(),
        None => document.append_element(root, "configuration"),
    };
    Ok(document.append_element(configuration, name))
}

/// The new value of a score, for `name++` and `name+=n`.
fn scored(name: &str, value: &str, old: &str) -> Option<String> {
    let rest = value.strip_prefix(name)?;
    let add = if rest == "++" {
        Score::from(1)
    } else {
        Score::parse(rest.strip_prefix("+=")?).unwrap_or_default()
    };
    let sum = Score::parse(old).unwrap_or_default() + add;
    Some(sum.value().to_string())
}

fn replace(
    document: &mut Document,
    scope: &Scope,
    content: &Document,
    keep_version: bool,
) -> Result<Versioning, CibError> {
    if let Scope::XPath { expression, multiple } = scope {
        let mut matches = select(document, expression)?;
        if matches.is_empty() {
            return Err(CibError::NotFound(expression.clone()));
        }
        if !multiple {
            matches.truncate(1);
        }
        for id in matches {
            match document.element(id).parent().map(Element::id) {
                None => return replace_all(document, content, keep_version),
                Some(parent) => {
                    document.remove(id);
                    document.copy_subtree(parent, content.root());
                }
            }
        }
        return Ok(Versioning::Raised);
    }
    if content.root().name() == "cib" && matches!(scope, Scope::All) {
        return replace_all(document, content, keep_version);
    }
    let data = narrowed(scope, content);
    let top = match scope {
        Scope::Section(name) if data.name() != name => {
            section(document, name).ok_or_else(|| CibError::NotFound(name.clone()))?
        }
        _ => document.root(),
    };
    let matching = |element: &Element<'_>| {
        element.id() != top.id()
            && element.name() == data.name()
            && (data.xml_id().is_none() || element.xml_id() == data.xml_id())
    };
    let found =
        top.descendants().find(matching).map(|e| (e.id(), e.as_node().position(), e.parent()));
    let Some((id, position, Some(parent))) = found else {
        return Err(CibError::NotFound(data.name().to_owned()));
    };
    let parent = parent.id();
    document.remove(id);
    document.copy_node_at(parent, position, data.as_node());
    Ok(Versioning::Raised)
}

fn replace_all(
    document: &mut Document,
    content: &Document,
    keep_version: bool,
) -> Result<Versioning, CibError> {
    let (have, offered) = (CibVersion::of(document.root(), 0), CibVersion::of(content.root(), 0));
    if offered < have {
        return Err(CibError::OldData { have: have.to_string(), offered: offered.to_string() });
    }
    *document = content.clone();
    if document.root().child("status").is_none() {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    Ok(if keep_version { Versioning::Given } else { Versioning::Raised })
}

fn delete(
    document: &mut Document,
    scope: &Scope,
    content: Option<&Document>,
) -> Result<(), CibError> {
    if let Scope::XPath { expression, multiple } = scope {
        let mut matches = select(document, expression)?;
        if !multiple {
            matches.truncate(1);
        }
        for id in matches.into_iter().rev() {
            if id == document.root_id() {
                return Err(CibError::Invalid("the root cannot be deleted".to_owned()));
            }
            document.remove(id);
        }
        return Ok(());
    }
    let Some(content) = content else {
        return Err(CibError::Invalid("delete needs an element to match".to_owned()));
    };
    let data = narrowed(scope, content);
    let name = if let Scope::Section(name) = scope { name.as_str() } else { "cib" };
    let Some(top) = section(document, name).map(Element::id) else { return Ok(()) };
    let patterns: Vec<Element<'_>> =
        if data.name() == name { data.children().collect() } else { vec![data] };
    for pattern in patterns {
        let matching = |element: &Element<'_>| {
            element.id() != top
                && element.name() == pattern.name()
                && pattern.attributes().all(|(name, value)| {
                    element.attribute(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
                })
        };
        let found = document.element(top).descendants().find(matching).map(Element::id);
        if let Some(id) = found {
            document.remove(id);
        }
    }
    Ok(())
}

fn erase(document: &mut Document) {
    let root = document.root_id();
    document.remove_children(root);
    let configuration = document.append_element(root, "configuration");
    for name in ["crm_config", "nodes", "resources", "constraints"] {
        document.append_element(configuration, name);
    }
    document.append_element(root, "status");
    let version = CibVersion::of(document.root(), 0);
    document.set_attribute(root, "admin_epoch", &version.admin_epoch.saturating_add(1).to_string());
}

/// A CIB with nothing in it.
pub fn empty(schema: &str) -> Document {
    let mut document = Document::new("cib");
    let root = document.root_id();
    for (name, value) in [
        ("crm_feature_set", policy_engine::transition::FEATURE_SET),
        ("validate-with", schema),
        ("admin_epoch", "0"),
        ("epoch", "0"),
        ("num_updates", "0"),
    ] {
        document.set_attribute(root, name, value);
    }
    let configuration = document.append_element(root, "configuration");
    for name in ["crm_config", "nodes", "resources", "constraints"] {
        document.append_element(configuration, name);
    }
    document.append_element(root, "status");
    document
}

/// The digest by which replicas are compared.
pub fn digest_of(document: &Document) -> String {
    digest::on_wire(document.root())
}

/// Whether a name can be a section's, an element's or an attribute's.
pub fn is_valid_name(name: &str) -> bool {
    is_name(name)
}
