//! One scheduling run: the stages of spec 30 §2 in order.

use crate::model::cluster::{Cluster, Switches};
use crate::transition::Transition;
use crate::{actions, graph, history, input, ordering, placement};
use cib_model::{DateTime, Document};

/// Unpacks a document up to its status (stages 1 and 2): enough for status listings.
pub fn unpack<'d>(
    document: &'d Document,
    generated: &'d Document,
    now: DateTime,
    switches: Switches,
) -> Cluster<'d> {
    input::build(document, generated, now, switches)
}

/// Schedules an unpacked cluster and builds its transition (stages 3 to 17).
pub fn schedule(cluster: &mut Cluster<'_>, transition_id: u32) -> Transition {
    input::constraints(cluster);
    input::criteria(cluster);
    ordering::implicit::create(cluster);
    history::definition_changes(cluster);
    placement::assign(cluster);
    history::deferred_checks(cluster);
    if cluster.options.startup_probes {
        actions::probe(cluster);
    }
    actions::clear_removed_failcounts(cluster);
    actions::create(cluster);
    actions::remote::order_connections(cluster);
    actions::fence_and_shut_down(cluster);
    ordering::apply(cluster);
    actions::adopt_for_summary(cluster);
    graph::build(cluster, transition_id)
}
