//! What the nodes log, with the virtual time and the node it is logged at.

use std::cell::Cell;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use node_daemon::subsystem::NodeId;

thread_local! {
    static NOW: Cell<(Duration, u32)> = const { Cell::new((Duration::ZERO, 0)) };
}

/// From now on this node acts, at this time.
pub fn at(now: Duration, node: NodeId) {
    NOW.set((now, node.get()));
}

struct Chronicle;

impl Log for Chronicle {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (now, node) = NOW.get();
        println!("{:12.6} node{node} {}", now.as_secs_f64(), record.args());
    }

    fn flush(&self) {}
}

/// Prints everything logged from now on.
pub fn start() {
    if log::set_logger(&Chronicle).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}
