//! What a node writes into its log, and where.

use std::process::Command;
use std::time::Duration;

use crate::bed::Bed;

/// The lines that operators look for when a node does not run, and when it is shut down.
#[test]
fn a_node_that_did_not_run_and_one_that_is_shut_down_say_so() {
    let bed = Bed::new();
    bed.configure(1, 1, 1, "  token: 500\n");
    let mut node = bed.start(1);
    bed.until("a ring", || bed.is(1, 1, 1));
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &node.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    std::thread::sleep(Duration::from_secs(1)); // longer than four fifths of the token time-out
    signal("-CONT");
    bed.until("it says that it did not run", || {
        let log = bed.log(1);
        log.contains("Corosync main process was not scheduled (@")
            && log.contains("ms (threshold is 400.0000 ms). Consider token timeout increase.")
    });
    let counters = bed.status(1).unwrap()["counters"].to_string();
    assert!(counters.contains("stats.schedmiss.0.delay"), "{counters}");
    signal("-TERM");
    assert!(node.wait().success());
    assert!(bed.log(1).contains("Node was shut down by a signal"));
}
