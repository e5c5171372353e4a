//! Fail counts kept in node attributes (spec 11 §10.1, §10.2).

use super::entry::Entry;
use super::matching::without_number;
use super::status;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use cib_model::scalar::{ms_to_seconds, parse_integer};
use cib_model::{Element, Score};
use std::ops::Bound;

/// Failures of a resource on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailCount {
    /// How many; INFINITY for what is not to be tried again.
    pub count: Score,
    /// Epoch of the last one; 0 if there is none.
    pub last_failure: i64,
}

impl<'d> Cluster<'d> {
    /// Failures of a resource on a node. `effective`: none once they are older than the failure
    /// timeout. `with_launched`: those of what it launches added. `entry`: the history entry for which
    /// the question is asked, if for one. Finding that failures are to block the resource ends its
    /// failure timeout for good.
    pub fn fail_count(
        &mut self,
        resource: ResourceId,
        node: NodeId,
        effective: bool,
        with_launched: bool,
        entry: Option<Element<'d>>,
    ) -> FailCount {
        let mut out = FailCount {
            count: sum_attributes(self, resource, node, "fail-count-"),
            last_failure: 0,
        };
        let mut time = 0;
        if out.count != Score::ZERO {
            time = latest_attribute(self, resource, node);
        }
        if out.count > Score::ZERO && self.resource(resource).failure_timeout_ms > 0 {
            if blocks(self, resource, node, entry) {
                let text = format!(
                    "Ignoring failure timeout ({} ms) for {} because it conflicts with \
                     on-fail=block",
                    self.resource(resource).failure_timeout_ms,
                    self.resource(resource).id
                );
                self.message(Level::Warning, text);
                self.resource_mut(resource).failure_timeout_ms = 0;
            }
            let timeout = ms_to_seconds(self.resource(resource).failure_timeout_ms) as i64;
            if effective && time > 0 && timeout > 0 && self.now_epoch() > time + timeout {
                out.count = Score::ZERO;
            }
        }
        if with_launched && !self.resource(resource).flags.in_bundle {
            for i in 0..self.resource(resource).launched.len() {
                let launched = self.resource(resource).launched[i];
                out.count += self.fail_count(launched, node, effective, false, None).count;
            }
        }
        if out.count > Score::ZERO && time > 0 {
            out.last_failure = time;
        }
        out
    }

    /// Has the resource failed on the node as often as its migration threshold allows (spec 20 §3.6)?
    pub fn reached_migration_threshold(&mut self, resource: ResourceId, node: NodeId) -> bool {
        let r = self.resource(resource);
        let threshold = r.migration_threshold;
        if threshold == Score::ZERO || r.flags.ignoring_failures {
            return false;
        }
        let count = self.fail_count(resource, node, true, true, None).count;
        count > Score::ZERO && count >= threshold
    }
}

/// Values of the attributes `PREFIX-RSC#TASK_INTERVAL` of one resource.
fn attributes<'c>(
    cluster: &'c Cluster<'_>,
    resource: ResourceId,
    node: NodeId,
    prefix: &'static str,
) -> impl Iterator<Item = &'c str> {
    let r = cluster.resource(resource);
    let unique = r.flags.unique;
    let name = if unique { r.history_name() } else { without_number(r.history_name()) };
    cluster
        .node(node)
        .attributes
        .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
        .map_while(move |(key, value)| Some((key.strip_prefix(prefix)?, &**value)))
        .filter(move |(key, _)| names(key, name, unique))
        .map(|(_, value)| value)
}

/// Does `RSC(:[0-9]+)?#.+_[0-9]+` match all of the text? A `.` in RSC stands for any character; the
/// instance number only for resources that are not unique.
fn names(text: &str, resource: &str, unique: bool) -> bool {
    let (text, resource) = (text.as_bytes(), resource.as_bytes());
    if text.len() <= resource.len() {
        return false;
    }
    let (head, mut rest) = text.split_at(resource.len());
    if !head.iter().zip(resource).all(|(t, r)| t == r || *r == b'.') {
        return false;
    }
    if !unique && rest[0] == b':' {
        let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = &rest[1 + digits..];
    }
    let Some(operation) = rest.strip_prefix(b"#") else { return false };
    let digits = operation.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let task = &operation[..operation.len() - digits];
    digits > 0 && task.len() > 1 && task.ends_with(b"_")
}

fn sum_attributes(
    cluster: &Cluster<'_>,
    resource: ResourceId,
    node: NodeId,
    prefix: &'static str,
) -> Score {
    attributes(cluster, resource, node, prefix).filter_map(|v| Score::parse(v).ok()).sum()
}

fn latest_attribute(cluster: &Cluster<'_>, resource: ResourceId, node: NodeId) -> i64 {
    attributes(cluster, resource, node, "last-failure-")
        .filter_map(parse_integer)
        .max()
        .unwrap_or(0)
}

/// Does a recorded failure belong to an operation that blocks the resource?
fn blocks<'d>(
    cluster: &Cluster<'d>,
    resource: ResourceId,
    node: NodeId,
    entry: Option<Element<'d>>,
) -> bool {
    let r = cluster.resource(resource);
    let definition = &cluster.definitions[r.definition.index()];
    let mut blocking = definition
        .operations
        .iter()
        .filter(|op| op.element.attribute("on-fail") == Some("block"))
        .peekable();
    if blocking.peek().is_none() {
        return false;
    }
    let base = &*r.base_id;
    let candidates = match entry {
        Some(entry) => vec![Entry::read(entry)],
        None => status::find_entries(cluster.document, &cluster.node(node).name, base),
    };
    blocking.any(|op| {
        candidates.iter().any(|e| {
            e.task == op.name
                && e.interval_ms == op.interval_ms
                && (e.id.eq_ignore_ascii_case(&format!("{base}_last_failure_0"))
                    || (e
                        .id
                        .eq_ignore_ascii_case(&format!("{base}_{}_{}", op.name, op.interval_ms))
                        && e.rc != Some(e.expected_rc)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn attribute_names_match_like_the_anchored_expression() {
        let cases = [
            ("r#monitor_10000", "r", true, true),
            ("r:1#monitor_10000", "r", true, false),
            ("r:1#monitor_10000", "r", false, true),
            ("r:x#monitor_10000", "r", false, false),
            ("r:1#start_0", "r:1", true, true),
            ("rr#start_0", "r", true, false),
            ("r#start", "r", true, false),
            ("r#_0", "r", true, false),
            ("r#a_0", "r", true, true),
            ("aXb#start_0", "a.b", true, true),
            ("r", "r", true, false),
        ];
        for (text, resource, unique, expected) in cases {
            assert_eq!(names(text, resource, unique), expected, "{text} for {resource}");
        }
    }
}
