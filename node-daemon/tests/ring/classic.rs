//! The classic tools of the messaging layer, by link name, on a running node.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use crate::bed::{Bed, text};

fn members(bed: &Bed, n: u32) -> Vec<u64> {
    let ring = bed.status(n).unwrap_or_default();
    let members = ring["ring"]["members"].as_array().cloned().unwrap_or_default();
    members.iter().filter_map(serde_json::Value::as_u64).collect()
}

#[test]
fn the_classic_tools_look_at_a_running_node_and_change_it() {
    let bed = Bed::new();
    for n in 1..=2 {
        bed.configure(n, 2, 1, "  token: 4000\n");
    }
    let [mut first, _second] = [bed.start(1), bed.start(2)];
    bed.until("a ring of two", || (1..=2).all(|n| bed.is(n, 2, 2)));
    let tool = |line: &str| -> Output {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let link = bed.home(1).join(name);
        let _ = symlink(env!("CARGO_BIN_EXE_node-daemon"), &link); // it may be there already
        let mut command = Command::new(link);
        command.args(words).env("UNDERSTUDY_STATE_DIRECTORY", bed.home(1).join("state"));
        command.output().unwrap()
    };
    let said = |line: &str| {
        let output = tool(line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(
        said("corosync-cfgtool -s"),
        "Local node ID 1, transport knet\nLINK ID 0 udp\n\taddr\t= 127.0.0.1\n\tstatus:\n\t\tnodeid:          \
         1:\tlocalhost\n\t\tnodeid:          2:\tconnected\n"
    );
    assert_eq!(said("corosync-cfgtool -a 2"), "127.0.0.2\n");
    let groups = said("corosync-cpgtool");
    assert!(groups.starts_with("Group Name\t       PID\t   Node ID\n"), "{groups}");
    assert!(groups.contains("\nvotes\n\t\t         1\t         1 (127.0.0.1)\n"), "{groups}");
    for (key, value) in [
        ("totem.token", "(u32) = 4000"),
        ("runtime.config.totem.consensus", "(u32) = 4800"),
        ("nodelist.node.1.ring0_addr", "(str) = 127.0.0.2"),
        ("runtime.members.2.status", "(str) = joined"),
        ("runtime.votequorum.ev_barrier", "(u32) = 2"),
    ] {
        assert_eq!(said(&format!("corosync-cmapctl -g {key}")), format!("{key} {value}\n"));
    }
    assert!(
        said("corosync-cmapctl -m stats stats.srp").contains("stats.srp.orf_token_rx (u64) = ")
    );
    assert_eq!(
        said("corosync-quorumtool -lH"),
        "\nMembership information\n----------------------\n    Nodeid      Votes Name\n0x00000001          1 \
         node1 (local)\n0x00000002          1 node2\n"
    );
    assert!(
        said("corosync-quorumtool")
            .contains("\nQuorum:           2  \nFlags:            Quorate \n")
    );
    let refused = tool("corosync-quorumtool -e 1");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).starts_with("Unable to set expected votes: CS_ERR_INVALID_PARAM\n")
    );
    said("corosync-quorumtool -v 2 -n 2");
    bed.until("its votes count", || said("corosync-quorumtool").contains("Total votes:      3\n"));
    assert_eq!(said("corosync-cfgtool -R"), "Reloading corosync.conf...\nDone\n");
    assert_eq!(said("corosync-cfgtool -H"), "Shutting down corosync\n");
    assert!(first.wait().success(), "it stopped in order");
    bed.until("the other one has heard of it", || {
        !bed.log(2).contains("Failed to receive the leave message") && members(&bed, 2) == [2]
    });
    assert_eq!(tool("corosync-cfgtool -s").status.code(), Some(1), "nobody is there");
}
