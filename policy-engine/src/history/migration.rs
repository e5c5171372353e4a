//! Recorded live migrations: complete, under way, or failed (spec 11 §7).
//!
//! A complete one is a `migrate_to` on the source, a `migrate_from` on the target and a stop on the
//! source. Where the sequence ends, the other node's history tells what became of it.

use super::entry::{Entry, rc, status};
use super::state::Reading;
use super::{active, sort, status as document};
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::NodeId;
use crate::model::role::Role;
use std::cmp::Ordering;

/// Names of the ends of a migration as an entry gives them.
#[derive(Debug, Clone, Copy)]
struct Ends<'d> {
    source: &'d str,
    target: &'d str,
}

impl<'d> Ends<'d> {
    /// Reads both; the one for the entry's own side must name its node.
    fn read(cluster: &mut Cluster<'d>, reading: &Reading<'d>, entry: &Entry<'d>) -> Option<Self> {
        let ends = entry.migrate_source.zip(entry.migrate_target);
        let own = |(source, target)| if entry.task == "migrate_to" { source } else { target };
        let name = &cluster.node(reading.node).name;
        match ends {
            Some(pair) if own(pair).eq_ignore_ascii_case(name) => {
                Some(Ends { source: pair.0, target: pair.1 })
            }
            _ => {
                let text = format!(
                    "Ignoring resource history entry {} (line {}): migrate_source and \
                     migrate_target must be set and one of them name {name}",
                    entry.id,
                    entry.element.line()
                );
                cluster.message(Level::Error, text);
                None
            }
        }
    }
}

/// Questions about the resource's history on other nodes, asked by node name and by the resource's
/// own id.
struct Past<'c, 'd> {
    cluster: &'c Cluster<'d>,
    resource: &'c str,
}

impl<'d> Past<'_, 'd> {
    fn entries(&self, node: &str) -> Vec<Entry<'d>> {
        document::find_entries(self.cluster.document, node, self.resource)
    }

    /// The only entry that fits; several count as none.
    fn only(&self, node: &str, fits: impl Fn(&Entry<'d>) -> bool) -> Option<Entry<'d>> {
        let mut found = self.entries(node).into_iter().filter(fits);
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    fn migrate_from(&self, ends: Ends<'d>) -> Option<Entry<'d>> {
        self.only(ends.target, |e| {
            e.task == "migrate_from" && e.migrate_source == Some(ends.source)
        })
    }

    fn migrate_to(&self, ends: Ends<'d>) -> Option<Entry<'d>> {
        self.only(ends.source, |e| e.task == "migrate_to" && e.migrate_target == Some(ends.target))
    }

    /// Something that changes the state there is newer.
    fn has_newer_operation(&self, node: &str, than: &Entry<'d>) -> bool {
        let document = self.cluster.document;
        document::find(document, node, self.resource).len() == 1
            && self.entries(node).iter().any(|e| {
                matches!(e.task, "start" | "stop" | "migrate_to" | "migrate_from")
                    && e.element != than.element
                    && sort::compare(e, than) == Ordering::Greater
            })
    }

    /// A newer monitor found it not running there.
    fn is_known_stopped(&self, node: &str, than: &Entry<'d>) -> bool {
        self.only(node, |e| e.task == "monitor").is_some_and(|e| {
            e.rc == Some(rc::NOT_RUNNING)
                && e.status == Some(status::DONE)
                && sort::compare(&e, than) == Ordering::Greater
        })
    }

    fn is_unknown(&self, node: &str) -> bool {
        !self.entries(node).iter().any(|e| e.rc_text.is_some_and(|rc| rc != "193"))
    }

    /// The state there is newer than the migration.
    fn has_newer_state(
        &self,
        node: &str,
        to: Option<&Entry<'d>>,
        from: Option<&Entry<'d>>,
    ) -> bool {
        let mut than = from.or(to);
        if let (Some(to), Some(from)) = (to, from)
            && from.migrate_source == Some(node)
        {
            than = Some(to);
        }
        than.is_some_and(|t| self.has_newer_operation(node, t) || self.is_known_stopped(node, t))
    }
}

fn past<'c, 'd>(cluster: &'c Cluster<'d>, reading: &Reading<'_>) -> Past<'c, 'd> {
    Past { cluster, resource: &cluster.resource(reading.resource).id }
}

fn online(cluster: &Cluster<'_>, node: Option<NodeId>) -> Option<NodeId> {
    node.filter(|n| cluster.node(*n).online)
}

/// The resource failed in a way that rules out migrating it.
fn fail_for_good(cluster: &mut Cluster<'_>, reading: &Reading<'_>) {
    let flags = &mut cluster.resource_mut(reading.resource).flags;
    (flags.failed, flags.stop_if_failed, flags.migratable) = (true, true, false);
}

/// `migrate_to` succeeded on its source (spec 11 §7.1).
pub(super) fn to_succeeded<'d>(
    cluster: &mut Cluster<'d>,
    reading: &Reading<'d>,
    entry: &Entry<'d>,
) {
    let Some(ends) = Ends::read(cluster, reading, entry) else { return };
    let (r, here) = (reading.resource, reading.node);
    let past = past(cluster, reading);
    let source_newer = past.has_newer_operation(ends.source, entry);
    let from = past.migrate_from(ends);
    if from.is_some() && source_newer {
        return;
    }
    let target_newer = past.has_newer_state(ends.target, Some(entry), from.as_ref());
    if source_newer && target_newer {
        return;
    }
    let target_unknown = past.is_unknown(ends.target);
    if from.is_some_and(|f| f.succeeded()) {
        let resource = cluster.resource_mut(r);
        resource.current_role = Role::Stopped;
        resource.dangling_sources.insert(0, here);
        return;
    }
    cluster.resource_mut(r).current_role = Role::Started;
    let target_node = cluster.find_node(None, Some(ends.target));
    let target = online(cluster, target_node);
    let active_target = target.filter(|_| !target_newer);
    if from.is_some_and(|f| f.status != Some(status::PENDING)) {
        match active_target {
            Some(target) => active::add(cluster, r, target, true),
            None => fail_for_good(cluster, reading),
        }
        return;
    }
    if target.is_some() && target_unknown {
        return;
    }
    if let Some(target) = active_target {
        active::add(cluster, r, target, false);
        let source_node = cluster.find_node(None, Some(ends.source));
        if let Some(source) = online(cluster, source_node) {
            let resource = cluster.resource_mut(r);
            resource.partial_migration_source = Some(source);
            resource.partial_migration_target = Some(target);
        }
    } else if !source_newer {
        fail_for_good(cluster, reading);
    }
}

/// `migrate_to` failed on its source (spec 11 §7.2).
pub(super) fn to_failed<'d>(cluster: &mut Cluster<'d>, reading: &Reading<'d>, entry: &Entry<'d>) {
    let Some(ends) = Ends::read(cluster, reading, entry) else { return };
    let r = reading.resource;
    let past = past(cluster, reading);
    let from = past.migrate_from(ends).filter(Entry::succeeded);
    let at_target = !past.is_unknown(ends.target)
        && !past.has_newer_state(ends.target, Some(entry), from.as_ref());
    let source_newer = past.has_newer_operation(ends.source, entry);
    cluster.resource_mut(r).current_role = Role::Started;
    if at_target {
        let target = cluster.find_node(None, Some(ends.target));
        if let Some(target) = online(cluster, target) {
            active::add(cluster, r, target, false);
        }
    } else if !source_newer {
        cluster.resource_mut(r).dangling_sources.insert(0, reading.node);
    }
}

/// `migrate_from` failed on its target (spec 11 §7.3).
pub(super) fn from_failed<'d>(cluster: &mut Cluster<'d>, reading: &Reading<'d>, entry: &Entry<'d>) {
    let Some(ends) = Ends::read(cluster, reading, entry) else { return };
    let r = reading.resource;
    let past = past(cluster, reading);
    let to = past.migrate_to(ends).filter(Entry::succeeded);
    let at_source = !past.is_unknown(ends.source)
        && !past.has_newer_state(ends.source, to.as_ref(), Some(entry));
    cluster.resource_mut(r).current_role = Role::Started;
    if at_source {
        let source = cluster.find_node(None, Some(ends.source));
        if let Some(source) = online(cluster, source) {
            active::add(cluster, r, source, true);
        }
    }
}
