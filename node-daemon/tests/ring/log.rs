//! What a node writes into its log, and where.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::bed::{Bed, File, text};

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

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A `logging` section with these lines and no other destination than a file.
fn section(file: &Path, more: &str) -> String {
    let file = file.display();
    format!(
        "logging {{\n  to_syslog: no\n  to_stderr: no\n  to_logfile: yes\n  logfile: {file}\n{more}}}\n"
    )
}

#[test]
fn the_log_is_written_as_the_configuration_says_and_the_command_line_wins() {
    let bed = Bed::new();
    bed.write_key(1, 1);
    let place = |name: &str| bed.home(1).join(name);
    let (all, totem, given) = (place("corosync.log"), place("totem.log"), place("given"));
    let more = format!(
        "  timestamp: on\n  logger_subsys {{\n    subsys: TOTEM\n    debug: on\n    logfile: {}\n  }}\n",
        totem.display()
    );
    bed.write(1, &File { more: &section(&all, &more), ..File::default() });
    let node = bed.start_with(1, &["--single-process"]);
    bed.until("a ring", || bed.is(1, 1, 1));
    // Of the classic log: "Dec 01 05:24:36 [2526] node1 corosync info    [QUORUM] This node ..."
    let line = |log: &str, with: &str| -> String {
        log.lines().find(|line| line.ends_with(with)).map(str::to_owned).unwrap_or_default()
    };
    let primary = "This node is within the primary component and will provide service.";
    bed.until("it is quorate", || read(&all).contains(primary));
    let found = line(&read(&all), primary);
    let after = format!(" [{}] node1 corosync info    [QUORUM] {primary}", node.id());
    assert_eq!(found.get("Dec 01 05:24:36".len()..), Some(after.as_str()), "{found}");
    let gather = "debug   [TOTEM ] entering GATHER state from 15(interface change).";
    assert!(!line(&read(&totem), gather).is_empty(), "{}", read(&totem));
    assert!(!read(&all).contains("[TOTEM"), "they have a file of their own");
    assert!(!read(&all).contains(" debug "), "only one subsystem is debugged");
    drop(node);
    std::fs::remove_file(&all).unwrap();

    let options =
        ["--single-process", "--log-level", "warn", "--log-file", given.to_str().unwrap()];
    let _node = bed.start_with(1, &options);
    bed.until("a ring again", || bed.is(1, 1, 1));
    assert!(given.exists() && !all.exists(), "only the file of the command line is written");
    assert!(!read(&given).contains("info: "), "only warnings: {}", read(&given));
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_and_nothing_is_started() {
    let bed = Bed::new();
    bed.write_key(1, 1);
    let more = section(Path::new("/nowhere/log"), "");
    bed.write(1, &File { more: &more, ..File::default() });
    let home = bed.home(1);
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .args(["run", "--name", "node1", "--config"])
        .arg(&home)
        .arg("--state")
        .arg(home.join("state"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output.stderr);
    assert!(said.contains("Can't open logfile '/nowhere/log' for reason: No such file"), "{said}");
}

/// Each subsystem is a process of its own; all of them follow, and stop by one order.
#[test]
fn all_processes_of_a_node_follow_a_reload_of_the_log_and_open_rotated_files_anew() {
    let bed = Bed::new();
    bed.write_key(1, 1);
    let place = |name: &str| bed.home(1).join(name);
    let (before, after) = (place("before.log"), place("after.log"));
    bed.write(1, &File { more: &section(&before, ""), ..File::default() });
    let mut node = bed.start_with(1, &[]);
    bed.until("all run", || read(&before).contains("runs") && bed.is(1, 1, 1));
    bed.write(1, &File { more: &section(&after, ""), ..File::default() });
    let output = bed.ring(1, &["reload"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let followers = |log: &Path| -> BTreeSet<String> {
        let follows = "the log follows the configuration as it is now";
        let log = read(log);
        let lines = log.lines().filter(|line| line.ends_with(follows));
        let pid = |line: &str| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned());
        lines.filter_map(pid).collect()
    };
    // The supervisor, messaging, and the seven others.
    bed.until("all follow", || followers(&after).len() == 9);
    let rotated = place("after.log.1");
    std::fs::rename(&after, &rotated).unwrap();
    let told = Command::new("kill").args(["-HUP", &node.id().to_string()]).status().unwrap();
    assert!(told.success());
    bed.until("all open it anew", || followers(&after).len() == 9);
    assert!(bed.is(1, 1, 1), "the node goes on");
    assert!(bed.ring(1, &["shut-down"]).status.success());
    assert!(node.wait().success(), "it stopped in order");
    assert!(read(&after).contains("Node was shut down by a signal"));
}
