//! Primitives and groups (spec 20 §11).

use super::{Example, THREE, TWO, check, group, location, primitive, with};

#[test]
fn stickiness_against_location() {
    let example = Example {
        resources: primitive("A", "resource-stickiness=100"),
        constraints: location("A", "n2", "150"),
        active: &[("n1", "A")],
        ..TWO
    };
    check("example 1", &example, &["Primitive A: n1 100, n2 150", "A -> n2"]);
}

#[test]
fn optional_colocation_acts_in_both_directions() {
    let example = Example {
        resources: primitive("A", "") + &primitive("B", ""),
        constraints: location("B", "n2", "200") + &with("B", "A", "1000", ""),
        ..TWO
    };
    let expected = ["Primitive A: n1 0, n2 1", "Primitive B: n1 0, n2 1200", "A -> n2", "B -> n2"];
    check("example 2", &example, &expected);
}

#[test]
fn a_group_stays_by_the_stickiness_of_all_members() {
    let members: Vec<String> =
        ["a", "b", "c"].iter().map(|m| primitive(m, "resource-stickiness=100")).collect();
    let example = Example {
        resources: group("g", "", &members),
        constraints: location("g", "n2", "250"),
        active: &[("n1", "a"), ("n1", "b"), ("n1", "c")],
        ..TWO
    };
    let expected = [
        "Group g: n1 0, n2 250",
        "Group a: n1 100, n2 250",
        "Group b: n1 100, n2 0",
        "Group c: n1 100, n2 0",
        "Primitive a: n1 300, n2 250",
        "Primitive b: n1 200, n2 -INFINITY",
        "Primitive c: n1 100, n2 -INFINITY",
        "a -> n1",
        "b -> n1",
        "c -> n1",
    ];
    check("example 3", &example, &expected);
}

#[test]
fn anti_colocation_seen_by_the_primary() {
    let cases: [(&str, String, &str, &[&str]); 3] = [
        (
            "mandatory",
            location("B", "n1", "100") + &with("B", "A", "-INFINITY", ""),
            "",
            &[
                "Primitive A: n1 -100, n2 0",
                "Primitive B: n1 100, n2 -INFINITY",
                "A -> n2",
                "B -> n1",
            ],
        ),
        (
            "the dependent has one node only",
            location("B", "n1", "-INFINITY")
                + &location("A", "n2", "10")
                + &with("B", "A", "-INFINITY", ""),
            "resource-stickiness=10",
            &[
                "Primitive A: n1 INFINITY, n2 10",
                "Primitive B: n1 -INFINITY, n2 0",
                "A -> n1",
                "B -> n2",
            ],
        ),
        (
            "optional",
            location("B", "n1", "100") + &location("A", "n1", "1000") + &with("B", "A", "-500", ""),
            "",
            &["Primitive A: n1 999, n2 0", "Primitive B: n1 -400, n2 0", "A -> n1", "B -> n2"],
        ),
    ];
    for (name, constraints, words, expected) in cases {
        let resources = primitive("A", words) + &primitive("B", "");
        check(name, &Example { resources, constraints, ..TWO }, expected);
    }
}

#[test]
fn a_dependent_that_leaves_no_node_is_not_counted() {
    let bans: String = [("B", "n1"), ("D", "n1"), ("D", "n2"), ("D", "n3")]
        .iter()
        .map(|(r, n)| location(r, n, "-INFINITY"))
        .collect();
    let example = Example {
        resources: ["A", "B", "D"].iter().map(|r| primitive(r, "")).collect(),
        constraints: bans + &with("B", "A", "INFINITY", "") + &with("D", "A", "INFINITY", ""),
        ..THREE
    };
    let expected = [
        "Primitive A: n1 -INFINITY, n2 0, n3 0",
        "Primitive B: n1 -INFINITY, n2 0, n3 -INFINITY",
        "Primitive D: n1 -INFINITY, n2 -INFINITY, n3 -INFINITY",
        "A -> n2",
        "B -> n2",
    ];
    check("example 5", &example, &expected);
}

#[test]
fn joining_inherited_colocations_repeats_the_first() {
    let homes: String =
        [("P", "n1"), ("Q", "n2"), ("R", "n3")].map(|(r, n)| location(r, n, "1000")).concat();
    let inherited = with("g", "Q", "10", "") + &with("g", "R", "1", "");
    let run = |own: &str| {
        let example = Example {
            resources: ["P", "Q", "R"].map(|r| primitive(r, "")).concat()
                + &group("g", "", &[primitive("a", ""), primitive("b", "")]),
            constraints: format!("{homes}{own}{inherited}"),
            ..THREE
        };
        example.run().into_iter().find(|l| l.starts_with("Primitive a:"))
    };
    let own = with("a", "P", "100", "");
    assert_eq!(run(&own).as_deref(), Some("Primitive a: n1 100, n2 20, n3 0"));
    assert_eq!(run("").as_deref(), Some("Primitive a: n1 0, n2 10, n3 1"));
}

#[test]
fn colocation_by_node_attribute() {
    let example = Example {
        nodes: &["n1 site=x", "n2 site=x", "n3 site=y"],
        resources: primitive("A", "") + &primitive("B", ""),
        constraints: location("A", "n1", "10")
            + &location("B", "n2", "5")
            + &with("B", "A", "INFINITY", "node-attribute='site'"),
        ..TWO
    };
    let expected = [
        "Primitive A: n1 15, n2 5, n3 0",
        "Primitive B: n1 0, n2 5, n3 -INFINITY",
        "A -> n1",
        "B -> n2",
    ];
    check("example 7", &example, &expected);
}

#[test]
fn a_primary_without_node() {
    let cases = [
        ("500", "100", "Primitive B: n1 100, n2 0"),
        ("50", "100", "Primitive B: n1 50, n2 -50"),
        ("INFINITY", "100", "Primitive B: n1 -INFINITY, n2 -INFINITY"),
    ];
    for (score, preference, expected) in cases {
        let example = Example {
            resources: primitive("A", "target-role=Stopped") + &primitive("B", ""),
            constraints: location("B", "n1", preference) + &with("B", "A", score, ""),
            ..TWO
        };
        let lines = example.run();
        assert_eq!(lines[0], "Primitive A: n1 -INFINITY, n2 -INFINITY");
        assert_eq!(lines[1], expected, "score {score}");
    }
}

#[test]
fn influence_of_a_dependent_on_an_active_primary() {
    let run = |influence: &str| {
        let example = Example {
            resources: primitive("A", "resource-stickiness=10")
                + &primitive("B", "resource-stickiness=1"),
            constraints: location("B", "n2", "1000")
                + &with("B", "A", "INFINITY", &format!("influence='{influence}'")),
            active: &[("n1", "A"), ("n1", "B")],
            ..TWO
        };
        example.run()
    };
    let without =
        ["Primitive A: n1 10, n2 0", "Primitive B: n1 1, n2 -INFINITY", "A -> n1", "B -> n1"];
    assert_eq!(run("false"), without);
    assert_eq!(run("true")[2..], ["A -> n2", "B -> n2"]);
}

#[test]
fn utilization_bans_after_the_report() {
    /// Name, options, nodes, needs of A, B and D, result.
    type Case =
        (&'static str, &'static str, [&'static str; 2], [&'static str; 3], &'static [&'static str]);
    let cases: [Case; 3] = [
        (
            "together on the only node with room for both",
            "placement-strategy=utilization",
            ["n1 %cpu=3", "n2 %cpu=4"],
            ["%cpu=2", "%cpu=2", ""],
            &["Primitive A: n1 0, n2 0", "Primitive B: n1 -INFINITY, n2 0", "A -> n2", "B -> n2"],
        ),
        (
            "no node has room for both: the most capable one",
            "placement-strategy=utilization",
            ["n1 %cpu=3", "n2 %cpu=4"],
            ["%cpu=2", "%cpu=3", ""],
            &["Primitive A: n1 0, n2 0", "Primitive B: n1 -INFINITY, n2 0", "A -> n2"],
        ),
        (
            "balanced",
            "placement-strategy=balanced",
            ["n1 %cpu=4", "n2 %cpu=3"],
            ["%cpu=2", "%cpu=2 priority=10", "%cpu=1"],
            &[
                "Primitive B: n1 0, n2 0",
                "Primitive A: n1 0, n2 0",
                "Primitive D: n1 0, n2 0",
                "B -> n1",
                "A -> n2",
                "D -> n1",
            ],
        ),
    ];
    for (name, options, nodes, [a, b, d], expected) in cases {
        let mut resources = primitive("A", a) + &primitive("B", b);
        let mut constraints = with("B", "A", "INFINITY", "");
        if !d.is_empty() {
            resources += &primitive("D", d);
            constraints.clear();
        }
        check(
            name,
            &Example { nodes: &nodes, options, resources, constraints, active: &[] },
            expected,
        );
    }
}

#[test]
fn load_and_name_decide_ties() {
    let resources: String = ["A", "B", "D"].map(|r| primitive(r, "")).concat();
    let spread =
        Example { resources: resources.clone(), active: &[("n2", "A"), ("n1", "B")], ..TWO };
    assert_eq!(spread.run()[3..], ["A -> n2", "B -> n1", "D -> n1"]);
    let minimal = Example {
        options: "placement-strategy=minimal",
        resources: primitive("A", "") + &primitive("B", ""),
        active: &[("n2", "B")],
        ..TWO
    };
    assert_eq!(minimal.run()[2..], ["B -> n1", "A -> n1"]);
}

#[test]
fn asymmetric_cluster_and_exclusive_discovery() {
    let asymmetric = Example {
        options: "symmetric-cluster=false",
        resources: primitive("A", "")
            + &group("g", "", &[primitive("a", ""), primitive("b", "")])
            + &primitive("Z", "target-role=Stopped"),
        constraints: location("A", "n1", "0") + &location("g", "n2", "7"),
        ..TWO
    };
    let expected = [
        "Primitive A: n1 0",
        "Group g: n2 7",
        "Group a: n2 7",
        "Group b: n2 0",
        "Primitive a: n2 7",
        "Primitive b: n2 0",
        "Primitive Z: n1 -INFINITY, n2 -INFINITY",
        "A -> n1",
        "a -> n2",
        "b -> n2",
    ];
    check("asymmetric", &asymmetric, &expected);
    let exclusive = Example {
        resources: primitive("A", ""),
        constraints: location("A", "n1", "10").replace("/>", " resource-discovery='exclusive'/>")
            + &location("A", "n2", "20"),
        ..THREE
    };
    let expected = ["Primitive A: n1 10, n2 -INFINITY, n3 -INFINITY", "A -> n1"];
    check("exclusive", &exclusive, &expected);
}

#[test]
fn a_group_as_primary() {
    let example = Example {
        resources: group("g", "", &[primitive("a", ""), primitive("b", "target-role=Stopped")])
            + &primitive("X", "")
            + &primitive("Y", ""),
        constraints: with("X", "g", "INFINITY", "") + &with("Y", "g", "20", ""),
        ..TWO
    };
    let lines = example.run();
    let expected = [
        "Primitive a: n1 0, n2 0",
        "Primitive b: n1 -INFINITY, n2 -INFINITY",
        "Primitive X: n1 -INFINITY, n2 -INFINITY",
        "Primitive Y: n1 20, n2 0",
        "a -> n1",
        "Y -> n1",
    ];
    assert_eq!(lines[3..], expected);
}

#[test]
fn the_first_member_sees_the_locations_of_later_ones() {
    let example = Example {
        resources: group("g", "", &[primitive("a", ""), primitive("b", "")]),
        constraints: location("b", "n2", "30") + &location("g", "n1", "20"),
        ..TWO
    };
    let expected = ["Primitive a: n1 20, n2 30", "Primitive b: n1 -INFINITY, n2 30"];
    let lines = example.run();
    assert_eq!(lines[3..5], expected);
    assert_eq!(lines[5..], ["a -> n2", "b -> n2"]);
}

#[test]
fn a_long_chain_of_colocations_does_not_exhaust_the_stack() {
    let run = || {
        let names: Vec<String> = (0..600).map(|i| format!("r{i}")).collect();
        let example = Example {
            resources: names.iter().map(|r| primitive(r, "")).collect(),
            constraints: names.windows(2).map(|w| with(&w[0], &w[1], "INFINITY", "")).collect(),
            ..TWO
        };
        example.run().iter().filter(|l| l.ends_with("-> n1")).count()
    };
    let thread = std::thread::Builder::new().stack_size(384 * 1024).spawn(run);
    assert_eq!(thread.expect("a thread").join().ok(), Some(600));
}

#[test]
fn an_attribute_the_node_lacks_starts_at_zero() {
    let run = |needs: &[&str]| {
        let resources = needs
            .iter()
            .enumerate()
            .map(|(i, need)| primitive(&format!("r{i}"), &format!("%cpu={need}")))
            .collect();
        let example = Example { nodes: &["n1"], resources, ..TWO };
        example.capacities("Remaining")
    };
    assert_eq!(run(&["5"]), ["n1 cpu=0"]);
    assert_eq!(run(&["5", "3"]), ["n1 cpu=-3"]);
    assert_eq!(run(&["5", "x"]), ["n1 cpu=2147483647"]);
}
