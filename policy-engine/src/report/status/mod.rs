//! The status listing: what runs where, and what is wrong (spec 41 §3).

mod attributes;
mod brief;
mod bundle;
mod clone;
mod failures;
mod group;
mod history;
mod nodes;
mod primitive;
mod probe;
mod resources;
mod tickets;

pub use attributes::{expected as expected_connectivity, is_shown as is_shown_attribute};
pub use failures::shown as shown_failures;
pub use history::recorded as recorded_operations;
pub use nodes::health as node_health;
pub use primitive::{agent_text, displayable_role, line as primitive_line, pending_word};
pub use resources::{active_all, active_any, description, disabled};

use super::selection::Selection;
use super::text::Entry;
use crate::model::cluster::Cluster;

/// What a listing shows (spec 41 §1.4).
#[derive(Debug, Clone, Copy)]
pub struct Display {
    /// Inactive resources too.
    pub inactive: bool,
    /// Operations under way.
    pub pending: bool,
    /// Failed operations in technical form.
    pub failed_detail: bool,
    /// Counts per agent instead of lines.
    pub brief: bool,
    /// One line per clone instance.
    pub clone_detail: bool,
    /// Node ids.
    pub node_id: bool,
    /// Implicit parts of bundles.
    pub implicit: bool,
    /// Feature set of nodes.
    pub feature_set: bool,
    /// Descriptions of resources.
    pub description: bool,
    /// Resources under their nodes.
    pub by_node: bool,
    /// No node names on resource lines.
    pub rsc_only: bool,
    /// Operation timing.
    pub timing: bool,
    /// Section: node attributes.
    pub attributes: bool,
    /// Section: fail counts, and with them failed operations.
    pub failcounts: bool,
    /// Section: operations.
    pub operations: bool,
    /// Section: failed operations.
    pub failures: bool,
    /// Section: tickets.
    pub tickets: bool,
    /// Section: negative location constraints.
    pub bans: bool,
}

impl Display {
    /// What the simulator shows; `pending` only before the transition.
    pub fn simulator(pending: bool) -> Display {
        Display {
            inactive: true,
            pending,
            failed_detail: true,
            brief: false,
            clone_detail: false,
            node_id: false,
            implicit: false,
            feature_set: false,
            description: false,
            by_node: false,
            rsc_only: false,
            timing: false,
            attributes: false,
            failcounts: false,
            operations: false,
            failures: false,
            tickets: false,
            bans: false,
        }
    }

    /// What a monitor shows by default.
    pub fn monitor() -> Display {
        Display {
            inactive: false,
            failed_detail: false,
            failures: true,
            ..Display::simulator(true)
        }
    }
}

/// The sections of a status listing, separated by empty lines.
pub fn listing(cluster: &mut Cluster<'_>, display: &Display) -> Vec<Entry> {
    selected(cluster, display, &Selection::default())
}

/// The sections of a status listing of a cluster that was narrowed to a selection.
pub fn selected(cluster: &mut Cluster<'_>, display: &Display, selection: &Selection) -> Vec<Entry> {
    let sections = [
        Some(nodes::section(cluster, display, selection)),
        Some(resources::section(cluster, display)),
        display.attributes.then(|| attributes::section(cluster, display)),
        (display.failcounts || display.operations)
            .then(|| history::section(cluster, display, selection)),
        display.failures.then(|| failures::section(cluster, display)),
        display.tickets.then(|| tickets::tickets(cluster)),
        display.bans.then(|| tickets::bans(cluster, display)),
    ];
    let mut out = Vec::new();
    for section in sections.into_iter().flatten().flatten() {
        if !out.is_empty() {
            out.push(Entry::Spacer);
        }
        out.push(section);
    }
    out
}
