//! The command lines on files, as sessions: what is typed, and what comes back.
//!
//! Each `*.session` beside this file is a list of sessions. A session starts with a line `= TITLE` and a
//! fresh copy of `shop.xml`, which `CIB_file` names. Then come commands with what they print:
//!
//! ```text
//! # a remark about what follows
//! $ a command of which the classic tool prints the same, with the same exit code
//! | a line of its output
//! ! a line of its errors
//! ? 105                                      (its exit code, if not 0)
//! % a command of which the classic tool words its errors otherwise
//! ~ a command of which the classic tool prints something else, as the remark above it says
//! ```
//!
//! The sessions `live_*` run on a node of their own instead, without a file; what differs from run to run is
//! masked there.
//!
//! Beside the sessions, [`secrets`] looks for a secret in all that a node shows, and [`surroundings`] at what
//! agents find around them.
//!
//! Where the classic tools 2.1.5 are installed, they run beside ours on a copy of the same file. With
//! `RECORD_SESSIONS=1` the sessions are written anew from what our tools print.

mod classic;
mod live;
mod secrets;
mod session;
mod surroundings;

use std::path::{Path, PathBuf};

use live::LiveNode;
use session::{Command, Ended, Kind, Workplace};

/// Runs every command of a file of sessions.
fn check(name: &str) {
    let own = Workplace::own(name);
    let theirs = classic::directory().map(|tools| Workplace::classic(name, tools));
    compare(name, &own, theirs.as_ref());
}

/// Runs every command of a file of sessions on a node that runs; the classic tools on another one.
fn check_live(name: &str) {
    let own = Workplace::own(name).live();
    let tools = classic::directory().filter(|_| live::can_be_entered());
    let theirs = tools.map(|tools| Workplace::classic(name, tools).live());
    compare(name, &own, theirs.as_ref());
}

fn compare(name: &str, own: &Workplace, theirs: Option<&Workplace>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let record = std::env::var_os("RECORD_SESSIONS").is_some();
    let mut differences = String::new();
    let mut recorded = String::new();
    for part in session::read(&text) {
        if part.begins {
            own.begin();
            theirs.into_iter().for_each(Workplace::begin);
        }
        recorded.push_str(&part.before);
        let Some(command) = &part.command else { continue };
        let ended = own.run(command);
        recorded.push_str(&command.with(&ended));
        if !record && ended != command.expected {
            differences.push_str(&difference("expected", command, &command.expected, &ended));
        }
        let Some(theirs) = theirs else { continue };
        let said = theirs.run(command);
        let same = match command.kind {
            Kind::Same => classic::same(&ended, &said, true),
            Kind::SameOutput => classic::same(&ended, &said, false),
            Kind::Own => true,
        };
        if !same {
            differences.push_str(&difference("the classic tool", command, &said, &ended));
        }
    }
    if record {
        std::fs::write(&path, recorded).unwrap();
    }
    assert!(differences.is_empty(), "{name}:\n{differences}");
}

/// Two outcomes, line by line.
fn difference(other: &str, command: &Command, wanted: &Ended, got: &Ended) -> String {
    let mut text = format!("\n{}\n", command.line);
    let (wanted, got) = (wanted.lines(), got.lines());
    for line in wanted.iter().filter(|line| !got.contains(line)) {
        text.push_str(&format!("  {other}: {line}\n"));
    }
    for line in got.iter().filter(|line| !wanted.contains(line)) {
        text.push_str(&format!("  got: {line}\n"));
    }
    if wanted.len() == got.len() && wanted.iter().all(|line| got.contains(line)) {
        text.push_str(&format!("  the order of lines differs from {other}\n"));
    }
    text
}

#[test]
fn cibadmin_reads_and_changes() {
    check("cibadmin.session");
}

#[test]
fn options_and_attributes_of_nodes() {
    check("crm_attribute.session");
}

#[test]
fn resources_where_they_are_and_shall_be() {
    check("crm_resource.session");
}

#[test]
fn the_status_in_all_its_forms() {
    check("crm_mon.session");
}

#[test]
fn what_is_wrong_with_a_configuration_and_what_needs_a_cluster() {
    check("others.session");
}

#[test]
fn fencing_by_hand_on_a_live_node() {
    check_live("live_fencing.session");
}

#[test]
fn resources_nodes_and_attributes_of_a_live_node() {
    check_live("live_resources.session");
}

#[test]
fn of_a_node_whose_supervisor_is_killed_nothing_goes_on_beside_the_next() {
    let home = directory("killed");
    let node = LiveNode::start(&home);
    let subsystems = node.subsystems();
    assert_eq!(subsystems.len(), 8, "{subsystems:?}");
    // There is no second one at the same time, in whatever network.
    let second = live::run(&home, live::network()).status().unwrap();
    assert_eq!(second.code(), Some(100));
    // A killed supervisor says good-bye to nobody.
    drop(node);
    let next = LiveNode::start(&home);
    for pid in subsystems {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains("subsystem"), "process {pid} goes on: {line}");
    }
    assert_eq!(next.subsystems().len(), 8);
    drop(next);
    let _ = std::fs::remove_dir_all(&home);
}

/// A directory of its own for a test.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("commands-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
