//! Sets used in two places by `id-ref`, where the two places are converted differently.

use std::collections::{BTreeMap, BTreeSet};

use super::super::upgrade::TooLarge;
use super::{Place, configuration, ids_where};
use crate::document::{Document, ElementId};

const SETS: [&str; 3] = ["cluster_property_set", "instance_attributes", "meta_attributes"];

/// How many pairs may be copied in all. A configuration that needs more is refused.
const LARGEST_EXPANSION: usize = 500_000;

/// Replaces references by copies where the conversion would treat referrer and original differently.
pub(super) fn expand(document: &mut Document) -> Result<(), TooLarge> {
    let mut originals: BTreeMap<(String, String), ElementId> = BTreeMap::new();
    for set in configuration(document).filter(|set| SETS.contains(&set.name())) {
        if let Some(id) = set.xml_id() {
            originals.entry((set.name().to_owned(), id.to_owned())).or_insert(set.id());
        }
    }
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    let mut copied = 0;
    for reference in ids_where(document, |set| SETS.contains(&set.name())) {
        let set = document.element(reference);
        let Some(id_ref) = set.attribute("id-ref").map(str::to_owned) else { continue };
        let Some(&original) = originals.get(&(set.name().to_owned(), id_ref.clone())) else {
            continue;
        };
        let (here, there) = (Place::of(set), Place::of(document.element(original)));
        let per_operation = matches!(here, Place::OpParameter | Place::OpMeta);
        let needed = document.element(original).children_named("nvpair").any(|pair| {
            let name = pair.attribute("name").unwrap_or_default();
            (here != there || per_operation) && (here.touches(name) || there.touches(name))
        });
        if needed {
            copied += document.element(original).children().count();
            if copied > LARGEST_EXPANSION {
                return Err(TooLarge);
            }
            let count = copies.entry(id_ref.clone()).or_default();
            *count += 1;
            copy(document, reference, original, &id_ref, *count);
        }
    }
    Ok(())
}

/// Turns a reference into a copy of what it refers to, with ids of its own.
fn copy(
    document: &mut Document,
    reference: ElementId,
    original: ElementId,
    id: &str,
    count: usize,
) {
    let mark = if count == 1 { "_cibtr-2_".to_owned() } else { format!("_cibtr-2-{count}_") };
    document.remove_attribute(reference, "id-ref");
    document.set_attribute(reference, "id", &format!("{mark}{id}"));
    if let Some(score) = document.element(original).attribute("score").map(str::to_owned) {
        document.set_attribute(reference, "score", &score);
    }
    let children: Vec<ElementId> =
        document.element(original).children().map(|child| child.id()).collect();
    for child in children {
        let child_id = document.element(child).xml_id().map(str::to_owned);
        let (name, child_id) = (document.element(child).name().to_owned(), child_id);
        match child_id {
            Some(child_id) if name == "nvpair" => {
                let pair = document.duplicate(reference, child);
                document.set_attribute(pair, "id", &format!("_{mark}{id}__{child_id}"));
            }
            Some(child_id) => {
                let rule = document.append_element(reference, &name);
                document.set_attribute(rule, "id-ref", &child_id);
            }
            None => {
                document.duplicate(reference, child);
            }
        }
    }
}

/// Drops references to sets that the conversion removed.
pub(super) fn drop_dangling(document: &mut Document) {
    let known: BTreeSet<String> =
        configuration(document).filter_map(|element| element.xml_id()).map(str::to_owned).collect();
    let dangling = ids_where(document, |set| {
        SETS.contains(&set.name())
            && set.attribute("id-ref").is_some_and(|target| !known.contains(target))
    });
    for set in dangling {
        document.remove(set);
    }
}
