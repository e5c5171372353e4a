//! Keeping the version of a CIB with its content (spec 50 §9).

use super::{AttributeOrder, Patch, Versions};
use crate::document::Document;
use crate::model::CibVersion;

/// Raises the version for a change: `epoch` (and `num_updates` from 0 again) when the configuration
/// changed, else `num_updates`.
pub fn bump(document: &mut Document, configuration_changed: bool) {
    let version = CibVersion::of(document.root(), 0);
    let root = document.root_id();
    if configuration_changed {
        let epoch = version.epoch.saturating_add(1);
        document.set_attribute(root, "epoch", &epoch.to_string());
        document.set_attribute(root, "num_updates", "0");
    } else {
        let num_updates = version.num_updates.saturating_add(1);
        document.set_attribute(root, "num_updates", &num_updates.to_string());
    }
}

/// The patch from `old` to `new`, with the version of `new` raised as its changes demand. Nothing, and
/// no raised version, when there is no change.
pub fn record(old: &Document, new: &mut Document) -> Option<Patch> {
    complete(Patch::between(old, new, AttributeOrder::Significant)?, old, new)
}

/// The same for a patch between them that is known, but for changes of the root's attributes, which are
/// looked for.
pub fn complete(mut patch: Patch, old: &Document, new: &mut Document) -> Option<Patch> {
    bump(new, patch.touches_configuration());
    // The version is part of the root's attributes, which come right behind what is deleted.
    let is_root = |change: &super::Change| matches!(change, super::Change::Modify { path, .. } if *path == super::path::of(new.root()));
    let change = Patch::of_root(old, new)?;
    match patch.changes.iter().position(is_root) {
        Some(index) => patch.changes[index] = change,
        None => {
            let deletes = |change: &super::Change| matches!(change, super::Change::Delete { .. });
            let index = patch.changes.iter().take_while(|change| deletes(change)).count();
            patch.changes.insert(index, change);
        }
    }
    patch.versions = Some(Versions {
        source: Some(CibVersion::of(old.root(), 1)),
        target: Some(CibVersion::of(new.root(), 1)),
    });
    Some(patch)
}
