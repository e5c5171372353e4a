//! Since when a resource has been active, and which monitors run since then (spec 11 §5.2).

use super::entry::Entry;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};

/// Positions in a sorted list; `None` stands before every position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The latest start, or what implies one.
    pub start: Option<usize>,
    /// The latest successful stop.
    pub stop: Option<usize>,
}

impl Window {
    /// Finds both positions in one scan.
    pub fn of(sorted: &[Entry<'_>]) -> Window {
        let mut window = Window::default();
        let (mut monitor, mut role) = (None, None);
        for (i, entry) in sorted.iter().enumerate() {
            match entry.task {
                "stop" if entry.status_text == Some("0") => window.stop = Some(i),
                "start" | "migrate_from" => window.start = Some(i),
                "monitor" if monitor <= window.stop && matches!(entry.rc_text, Some("0" | "8")) => {
                    monitor = Some(i);
                }
                "promote" | "demote" => role = Some(i),
                _ => {}
            }
        }
        window.start = window.start.or(role).or(monitor);
        window
    }

    /// Has it been stopped since it was started?
    pub fn is_closed(self) -> bool {
        self.start < self.stop
    }

    /// Does the entry at this position belong to what is active now?
    pub fn contains(self, index: usize) -> bool {
        let index = Some(index);
        index >= self.start && !(self.is_closed() && index <= self.stop)
    }
}

/// Carries recurring operations that run already forward as optional actions.
pub fn note_running_monitors(
    cluster: &mut Cluster<'_>,
    resource: ResourceId,
    node: NodeId,
    sorted: &[Entry<'_>],
) {
    if !cluster.node(node).online || sorted.iter().all(|e| e.interval_ms == 0) {
        return;
    }
    let window = Window::of(sorted);
    for (i, entry) in sorted.iter().enumerate() {
        if window.contains(i) && entry.interval_ms > 0 && entry.status_text != Some("-1") {
            let task = cluster.actions.task(entry.task);
            cluster.request(resource, task, entry.interval_ms, Some(node), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::Document;

    #[test]
    fn the_window_opens_at_what_made_the_resource_active() {
        let cases = [
            ("start,0 monitor,0 stop,0", Some(0), Some(2)),
            ("stop,0 start,0 monitor,0", Some(1), Some(0)),
            ("monitor,0 monitor,0", Some(0), None),
            ("monitor,7 stop,0 monitor,0 monitor,0", Some(2), Some(1)),
            ("monitor,8 promote,0 monitor,8", Some(1), None),
            ("stop,1", None, None),
        ];
        for (ops, start, stop) in cases {
            let ops: String = ops
                .split(' ')
                .enumerate()
                .map(|(i, op)| {
                    let (task, rc) = op.split_once(',').unwrap();
                    let status = if rc == "1" { "4" } else { "0" };
                    format!(
                        "<lrm_rsc_op id=\"{i}\" operation=\"{task}\" rc-code=\"{rc}\" \
                         op-status=\"{status}\"/>"
                    )
                })
                .collect();
            let document = Document::parse(&format!("<r>{ops}</r>")).unwrap();
            let window = Window::of(&Entry::all(document.root()));
            assert_eq!(window, Window { start, stop }, "{ops}");
        }
    }
}
