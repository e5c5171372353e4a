//! Votes are changed while nodes run, with the refusals of the classic quorum tool.

use crate::bed::{Bed, File, text};

/// A line of the votes, as the node sees them.
fn votes(bed: &Bed, n: u32, line: &str) -> bool {
    bed.status(n).is_some_and(|ring| ring["votes"].as_str().is_some_and(|text| text.contains(line)))
}

/// What it says when it refuses.
fn refused(bed: &Bed, words: &[&str]) -> String {
    let output = bed.ring(1, words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output.stderr));
    text(&output.stderr)
}

fn done(bed: &Bed, words: &[&str]) {
    let output = bed.ring(1, words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
}

/// The rows on the administrator's changes of spec 71 §13.2.
#[test]
fn expected_votes_and_the_votes_of_a_node_change_where_quorum_allows_it() {
    let bed = Bed::new();
    for n in 1..=3 {
        bed.configure(n, 3, 1, "");
    }
    let _nodes = [bed.start(1), bed.start(2), bed.start(3)];
    bed.until("a ring of three", || (1..=3).all(|n| bed.is(n, 3, 3)));
    let ring = bed.status(1).unwrap()["ring"].clone();

    let said = refused(&bed, &["expected", "2"]);
    assert!(said.starts_with("Unable to set expected votes: CS_ERR_INVALID_PARAM\n"), "{said}");
    assert!(said.contains("2 are fewer than the 3 votes present"), "{said}");
    done(&bed, &["expected", "5"]);
    bed.until("all expect five", || (1..=3).all(|n| bed.is(n, 3, 5)));
    let said = refused(&bed, &["expected", "6"]);
    assert!(said.contains("quorum would be 4 where 3 votes are present"), "{said}");

    done(&bed, &["votes", "2", "2"]);
    bed.until("four votes", || (1..=3).all(|n| votes(&bed, n, "Total votes:      4\n")));
    done(&bed, &["votes", "node2", "9"]);
    bed.until("expected votes follow", || (1..=3).all(|n| bed.is(n, 3, 11)));
    let said = refused(&bed, &["votes", "2", "0"]);
    assert!(
        said.starts_with("Unable to set votes 0 for nodeid: 2: CS_ERR_INVALID_PARAM\n"),
        "{said}"
    );
    for nobody in ["9", "nobody"] {
        let said = refused(&bed, &["votes", nobody, "1"]);
        let expected =
            format!("Unable to set votes 1 for nodeid: {nobody}: CS_ERR_NAME_NOT_FOUND\n");
        assert!(said.starts_with(&expected), "{said}");
    }
    for (words, expected) in [
        (["expected", "0", ""], "New expected votes value was not valid, try a positive number"),
        (["expected", "many", ""], "New expected votes value was not valid"),
        (["votes", "2", "-1"], "New votes value was not valid, try a positive number or zero"),
        (["votes", "0", "1"], "The nodeid was not valid, try a positive number"),
    ] {
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let output = bed.ring(1, &words);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{words:?}: {said}");
    }
    assert!((1..=3).all(|n| bed.is(n, 3, 11)), "what was refused changed nothing");
    assert_eq!(bed.status(1).unwrap()["ring"], ring, "nobody was disturbed");
    assert_eq!(bed.ring(7, &["expected", "3"]).status.code(), Some(1), "no such node runs");
}

#[test]
fn waiting_for_all_ends_by_order() {
    let bed = Bed::new();
    for n in 1..=2 {
        bed.write_key(n, 1);
        bed.write(n, &File { nodes: 3, quorum: "  wait_for_all: 1\n", ..File::default() });
    }
    let _nodes = [bed.start(1), bed.start(2)];
    let waits = "Waiting for all cluster members. Current votes: 2 expected_votes: 3";
    bed.until("both wait", || (1..=2).all(|n| bed.log(n).contains(waits)));
    assert_eq!(bed.ring(1, &["status"]).status.code(), Some(2), "not quorate");
    done(&bed, &["cancel-wait-for-all"]);
    bed.until("both are quorate", || (1..=2).all(|n| bed.is(n, 2, 3)));
    assert_eq!(bed.ring(2, &["status"]).status.code(), Some(0), "quorate");
    let by = "wait_for_all_status reset by user on node 1.";
    assert!((1..=2).all(|n| bed.log(n).contains(by)), "operators look for it");
}
