//! `ring reload`: the configuration is read again while nodes run.

use std::path::Path;

use crate::bed::{Bed, File, text};

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
        assert_eq!(output.status.code(), Some(7), "as corosync-cfgtool ends");
        assert!(
            said.starts_with("Could not reload configuration. Error CS_ERR_INVALID_PARAM\n")
                && said.contains(expected),
            "{totem}: {said}"
        );
    }
    bed.configure(1, 2, 1, "");
    let moved = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1\n", "127.0.0.9\n");
    std::fs::write(&file, moved).unwrap();
    let said = text(&bed.ring(1, &["reload"]).stderr);
    assert!(said.contains("must be deleted and recreated"), "{said}");
    bed.write(1, &File { links: &[1], ..File::default() });
    let said = text(&bed.ring(1, &["reload"]).stderr);
    assert!(said.contains("must be deleted and recreated"), "{said}");
    assert!(bed.is(1, 1, 1), "nothing changed");
    std::fs::remove_file(&file).unwrap();
    assert!(!bed.ring(1, &["reload"]).status.success());
    let nobody = bed.home(7);
    assert!(!Path::new(&nobody).exists() && !bed.ring(7, &["reload"]).status.success());
}

/// Links that node 1 has to node 2, as `(link, address, connected)`.
fn links(bed: &Bed) -> Vec<(u64, String, bool)> {
    let ring = bed.status(1).unwrap_or_default();
    let known = ring["links"].as_array().cloned().unwrap_or_default();
    known
        .iter()
        .map(|link| {
            let address = link["address"].as_str().unwrap_or_default();
            let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip).to_owned();
            (link["link"].as_u64().unwrap(), ip, link["connected"] == true)
        })
        .collect()
}

#[test]
fn links_come_move_and_go_while_one_stays() {
    let bed = Bed::new();
    for n in 1..=2 {
        bed.configure(n, 2, 1, "");
    }
    let _nodes = [bed.start(1), bed.start(2)];
    bed.until("a ring of two", || (1..=2).all(|n| bed.is(n, 2, 2)));
    let ring = bed.status(1).unwrap()["ring"].clone();
    let reload = |file: &File, moved: &[(&str, &str)]| {
        for n in 1..=2 {
            bed.write(n, file);
            let path = bed.home(n).join("corosync.conf");
            let text = std::fs::read_to_string(&path).unwrap();
            let text = moved.iter().fold(text, |text, (old, new)| text.replace(old, new));
            std::fs::write(path, text).unwrap();
        }
        bed.ring(1, &["reload"])
    };
    let expect = |what: &str, expected: &[(u64, &str)]| {
        let all: Vec<(u64, String, bool)> =
            expected.iter().map(|(link, ip)| (*link, (*ip).to_owned(), true)).collect();
        bed.until(what, || links(&bed) == all);
    };
    let two = File { nodes: 2, links: &[0, 1], ..File::default() };

    let output = reload(&two, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    expect("a second link", &[(0, "127.0.0.2"), (1, "127.0.1.2")]);

    // The second link of node 2 moves; the first stays.
    let output = reload(&two, &[("127.0.1.2", "127.0.9.2")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    expect("its new address", &[(0, "127.0.0.2"), (1, "127.0.9.2")]);

    // Then the first goes, and the second carries the ring.
    let output = reload(&File { links: &[1], ..two }, &[("127.0.1.2", "127.0.9.2")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    expect("only the second link", &[(1, "127.0.9.2")]);

    for line in [
        "rx: host: 2 link: 1 is up",
        "host: host: 2 (passive) best link: 0 (pri: 1)",
        "host: host: 2 (passive) best link: 1 (pri: 1)",
        "pmtud: PMTUD link change for host: 2 link: 1 from 1452 to ",
    ] {
        bed.until(line, || bed.log(1).contains(line));
    }

    // It is the only one now: it can neither move nor be replaced at once.
    for (file, moved) in
        [(File { links: &[1], ..two }, &[][..]), (File { links: &[0], ..two }, &[][..])]
    {
        let output = reload(&file, moved);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(said.contains("A working interface needs to be available"), "{said}");
    }
    expect("no other link", &[(1, "127.0.9.2")]);

    // An address that is not of this machine: the link stays down here, the ring goes on.
    let moved = &[("127.0.1.2", "127.0.9.2"), ("127.0.0.1", "192.0.2.1")];
    let output = reload(&two, moved);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ERROR from reload: link 0: cannot listen on 192.0.2.1"), "{said}");
    // The one that works must not go while the other does not.
    let output = reload(&File { links: &[0], ..two }, &moved[1..]);
    let said = text(&output.stderr);
    assert!(said.contains("node 2 is reached over link [1] only"), "{said}");
    assert_eq!(bed.status(1).unwrap()["ring"], ring, "nobody was disturbed");
    assert!((1..=2).all(|n| bed.is(n, 2, 2)));
}
