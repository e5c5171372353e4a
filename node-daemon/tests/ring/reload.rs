//! `ring reload`: the configuration is read again while nodes run.

use std::path::Path;

use crate::bed::{Bed, text};

#[test]
fn a_node_is_added_and_the_key_changed_without_a_new_ring() {
    let bed = Bed::new();
    for n in 1..=2 {
        bed.configure(n, 2, 1, "  config_version: 1\n");
    }
    let _nodes = [bed.start(1), bed.start(2)];
    bed.until("a ring of two", || (1..=2).all(|n| bed.is(n, 2, 2)));
    let primary = "This node is within the primary component and will provide service.";
    assert!(bed.log(1).contains(primary), "operators look for it");
    let ring = bed.status(1).unwrap()["ring"].clone();
    for n in 1..=3 {
        bed.configure(n, 3, 2, "  config_version: 2\n  token: 4000\n  cluster_name: other\n");
    }

    let output = bed.ring(1, &["reload"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(
        said.contains("changed: totem.token\n")
            && said.contains("changed: nodelist.node.2.nodeid\n"),
        "{said}"
    );
    assert!(
        said.contains("'totem.cluster_name' in corosync.conf cannot be changed at run-time"),
        "{said}"
    );
    bed.until("both expect three votes", || (1..=2).all(|n| bed.is(n, 2, 3)));
    let new_key = "crypto reconfigured: the new key is in use";
    bed.until("both have the new key", || (1..=2).all(|n| bed.log(n).contains(new_key)));
    assert_eq!(bed.status(1).unwrap()["ring"], ring, "nobody was disturbed");
    // A third that knows only the new key, and has the new version of the configuration.
    bed.configure(3, 3, 2, "  config_version: 2\n  token: 4000\n");
    let _third = bed.start(3);
    bed.until("a ring of three", || (1..=3).all(|n| bed.is(n, 3, 3)));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_is_refused_with_its_place() {
    let bed = Bed::new();
    bed.configure(1, 1, 1, "");
    let _node = bed.start(1);
    bed.until("a ring", || bed.is(1, 1, 1));
    let file = bed.home(1).join("corosync.conf");
    for (totem, expected) in [
        ("  token: soon\n", ":5: Value of key \"totem.token\" is expected to be integer"),
        ("  token: 20\n", "The token timeout parameter (20 ms) may not be less than (30 ms)."),
        ("  keyfile: /nowhere/authkey\n", "Could not open /nowhere/authkey"),
    ] {
        bed.configure(1, 2, 1, totem);
        let output = bed.ring(1, &["reload"]);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{totem}: {said}");
    }
    bed.configure(1, 2, 1, "");
    let moved = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1\n", "127.0.0.9\n");
    std::fs::write(&file, moved).unwrap();
    let said = text(&bed.ring(1, &["reload"]).stderr);
    assert!(said.contains("must be deleted and recreated"), "{said}");
    assert!(bed.is(1, 1, 1), "nothing changed");
    std::fs::remove_file(&file).unwrap();
    assert!(!bed.ring(1, &["reload"]).status.success());
    let nobody = bed.home(7);
    assert!(!Path::new(&nobody).exists() && !bed.ring(7, &["reload"]).status.success());
}
