//! Cluster options: old spellings, and defaults that have a section of their own now.

use super::{PREFIX, ids_where, is_bare, pairs};
use crate::document::{Document, Element, ElementId};

/// What becomes of a legacy cluster option.
#[derive(Copy, Clone)]
enum Fate {
    Rename(&'static str),
    Move(&'static str, &'static str),
    /// `-INFINITY` becomes a `migration-threshold` of 1, anything else is dropped.
    FailureStickiness,
    Drop,
    /// Dropped for the messaging layers that are gone.
    Infrastructure,
}

fn fate(name: &str) -> Option<Fate> {
    use Fate::*;
    Some(match name {
        "cluster-infrastructure" => Infrastructure,
        "cluster_recheck_interval" => Rename("cluster-recheck-interval"),
        "dc_deadtime" => Rename("dc-deadtime"),
        "election_timeout" => Rename("election-timeout"),
        "no_quorum_policy" => Rename("no-quorum-policy"),
        "remove_after_stop" => Rename("remove-after-stop"),
        "shutdown_escalation" => Rename("shutdown-escalation"),
        "startup_fencing" => Rename("startup-fencing"),
        "stonith_action" => Rename("stonith-action"),
        "stonith_enabled" => Rename("stonith-enabled"),
        "stop_orphan_actions" => Rename("stop-orphan-actions"),
        "stop_orphan_resources" => Rename("stop-orphan-resources"),
        "symmetric_cluster" => Rename("symmetric-cluster"),
        "transition_idle_timeout" => Rename("cluster-delay"),
        "default-action-timeout" | "default_action_timeout" => Move("op_defaults", "timeout"),
        "default-resource-stickiness" | "default_resource_stickiness" => {
            Move("rsc_defaults", "resource-stickiness")
        }
        "is-managed-default" | "is_managed_default" => Move("rsc_defaults", "is-managed"),
        "default-resource-failure-stickiness" | "default_resource_failure_stickiness" => {
            FailureStickiness
        }
        "default-migration-threshold"
        | "default_migration_threshold"
        | "expected-quorum-votes"
        | "notification-agent"
        | "notification-recipient" => Drop,
        _ => return None,
    })
}

pub(super) fn is_legacy(name: &str) -> bool {
    fate(name).is_some()
}

const GONE_INFRASTRUCTURE: [&str; 5] =
    ["heartbeat", "openais", "classic openais", "classic openais (with plugin)", "cman"];

pub(super) fn convert(document: &mut Document, notes: &mut Vec<String>) {
    let mut moves: Vec<(&str, ElementId)> = Vec::new();
    let sets = ids_where(document, |set| set.name() == "cluster_property_set");
    for &set in &sets {
        let ruled = document.element(set).child("rule").is_some();
        for pair in pairs(document, set) {
            let element = document.element(pair);
            let name = element.attribute("name").unwrap_or_default().to_owned();
            let value = element.attribute("value").map(str::to_owned);
            match fate(&name) {
                None => {}
                Some(Fate::Infrastructure)
                    if value.as_deref().is_some_and(|v| !GONE_INFRASTRUCTURE.contains(&v)) => {}
                Some(Fate::Rename(new)) => document.set_attribute(pair, "name", new),
                Some(Fate::Move(section, new)) if !ruled => {
                    document.set_attribute(pair, "name", new);
                    moves.push((section, pair));
                }
                Some(Fate::FailureStickiness)
                    if !ruled && value.as_deref() == Some("-INFINITY") =>
                {
                    document.set_attribute(pair, "name", "migration-threshold");
                    document.set_attribute(pair, "value", "1");
                    moves.push(("rsc_defaults", pair));
                }
                Some(_) => {
                    notes.push(format!("cluster option {name} is dropped"));
                    document.remove(pair);
                }
            }
        }
    }
    for section in ["op_defaults", "rsc_defaults"] {
        let pairs: Vec<ElementId> =
            moves.iter().filter(|(to, _)| *to == section).map(|&(_, pair)| pair).collect();
        if !pairs.is_empty() {
            move_to(document, section, &pairs, notes);
        }
    }
    for set in sets {
        if is_bare(document.element(set)) {
            document.remove(set);
        }
    }
}

/// Moves pairs to the first set without a rule of a defaults section, unless their name is taken.
fn move_to(document: &mut Document, section: &str, pairs: &[ElementId], notes: &mut Vec<String>) {
    let Some(configuration) = document.root().child("configuration").map(Element::id) else {
        return;
    };
    let found = document.element(configuration).child(section).map(Element::id);
    let home = found.unwrap_or_else(|| document.append_element(configuration, section));
    let open = |set: &Element<'_>| set.child("rule").is_none() && set.attribute("id-ref").is_none();
    let found =
        document.element(home).children_named("meta_attributes").find(open).map(Element::id);
    let set = found.unwrap_or_else(|| {
        let set = document.append_element(home, "meta_attributes");
        let id = format!("{PREFIX}-{}", section.replace('_', "-"));
        document.set_attribute(set, "id", &id);
        set
    });
    let taken: Vec<String> = document
        .element(set)
        .children_named("nvpair")
        .filter_map(|pair| pair.attribute("name"))
        .map(str::to_owned)
        .collect();
    for &pair in pairs {
        let name = document.element(pair).attribute("name").unwrap_or_default().to_owned();
        if taken.contains(&name) {
            notes.push(format!("{section} already defines {name}: the cluster option is dropped"));
            document.remove(pair);
        } else {
            document.move_child(pair, set, usize::MAX);
        }
    }
}
