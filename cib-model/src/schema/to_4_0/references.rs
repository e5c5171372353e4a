//! What references refer to, and what becomes of them when that goes away.

use std::collections::{BTreeMap, BTreeSet};

use super::{configuration, ids_where};
use crate::document::{Document, Element, ElementId};

/// The elements that can be referred to, by name and id.
pub(super) struct Targets(BTreeMap<String, Vec<(String, ElementId)>>);

impl Targets {
    pub(super) fn collect(document: &Document) -> Targets {
        let mut targets: BTreeMap<String, Vec<(String, ElementId)>> = BTreeMap::new();
        let referred: BTreeSet<&str> =
            configuration(document).filter_map(|element| element.attribute("id-ref")).collect();
        for element in configuration(document) {
            if let Some(id) = element.xml_id().filter(|id| referred.contains(id)) {
                let known = targets.entry(id.to_owned()).or_default();
                known.push((element.name().to_owned(), element.id()));
            }
        }
        Targets(targets)
    }

    /// The element itself, or what its `id-ref` stands for.
    pub(super) fn resolve<'d>(&self, element: Element<'d>) -> Element<'d> {
        let Some(id_ref) = element.attribute("id-ref") else { return element };
        let named = |known: &&(String, ElementId)| known.0 == element.name();
        match self.0.get(id_ref).and_then(|known| known.iter().find(named)) {
            Some(&(_, target)) => element.document().element(target),
            None => element,
        }
    }
}

/// Removes subtrees. Where something in them is referred to from outside, the first referrer
/// becomes a copy of it.
pub(super) fn remove_rescuing(document: &mut Document, roots: &[ElementId]) {
    let going: BTreeSet<ElementId> = roots
        .iter()
        .flat_map(|&root| document.element(root).descendants())
        .map(|element| element.id())
        .collect();
    let mut first_referrer: BTreeMap<(String, String), ElementId> = BTreeMap::new();
    for element in configuration(document).filter(|element| !going.contains(&element.id())) {
        if let Some(id_ref) = element.attribute("id-ref") {
            let key = (element.name().to_owned(), id_ref.to_owned());
            first_referrer.entry(key).or_insert(element.id());
        }
    }
    let mut rescues: Vec<(ElementId, ElementId)> = Vec::new();
    let mut rescued: BTreeSet<ElementId> = BTreeSet::new();
    for &root in roots {
        for element in document.element(root).descendants() {
            let Some(id) = element.xml_id() else { continue };
            let key = (element.name().to_owned(), id.to_owned());
            let Some(&referrer) = first_referrer.get(&key) else { continue };
            // A copy of something around it brings this one along.
            if !element.ancestors().any(|above| rescued.contains(&above.id())) {
                rescued.insert(element.id());
                rescues.push((referrer, element.id()));
            }
        }
    }
    for (referrer, original) in rescues {
        become_copy(document, referrer, original);
    }
    for &root in roots {
        // A root within another one is gone with it.
        let outermost =
            !document.element(root).ancestors().skip(1).any(|above| going.contains(&above.id()));
        if outermost {
            document.remove(root);
        }
    }
}

fn become_copy(document: &mut Document, referrer: ElementId, original: ElementId) {
    document.remove_attribute(referrer, "id-ref");
    let attributes: Vec<(String, String)> = document
        .element(original)
        .attributes()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in attributes {
        if document.element(referrer).attribute(&name).is_none() {
            document.set_attribute(referrer, &name, &value);
        }
    }
    let children: Vec<ElementId> =
        document.element(original).children().map(|child| child.id()).collect();
    for child in children {
        document.move_child(child, referrer, usize::MAX);
    }
}

/// Drops references that name nothing any more; an access permission for something that is gone
/// becomes one for nothing.
pub(super) fn drop_dangling(document: &mut Document) {
    let known: BTreeSet<String> =
        configuration(document).filter_map(|element| element.xml_id()).map(str::to_owned).collect();
    let dangling = ids_where(document, |element| {
        element.attribute("id-ref").is_some_and(|target| !known.contains(target))
    });
    for element in dangling {
        if document.element(element).name() == "operations" {
            document.remove_attribute(element, "id-ref");
        } else {
            document.remove(element);
        }
    }
    let permissions = ids_where(document, |element| {
        element.name() == "acl_permission"
            && element.attribute("reference").is_some_and(|target| !known.contains(target))
    });
    for permission in permissions {
        document.remove_attribute(permission, "reference");
        document.set_attribute(permission, "xpath", "/*[false()]");
    }
}
