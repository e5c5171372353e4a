//! Clones, roles and bundles (spec 21 §8).

use super::{Example, THREE, TWO, check, clone, location, primitive, with};

#[test]
fn an_instance_gives_way_where_others_are_better_placed() {
    let example = Example {
        resources: clone("cl", "clone-max=2", &primitive("a", "")),
        constraints: location("cl", "n3", "100"),
        active: &[("n1", "a"), ("n2", "a")],
        ..THREE
    };
    let expected = [
        "Clone cl: n1 0, n2 0, n3 100",
        "Clone a:0: n1 1, n2 0, n3 100",
        "Clone a:1: n1 0, n2 1, n3 100",
        "Primitive a:0: n1 1, n2 0, n3 100",
        "Primitive a:0: n1 1, n2 0, n3 -INFINITY",
        "Primitive a:1: n1 -INFINITY, n2 1, n3 100",
        "Primitive a:1: n1 -INFINITY, n2 1, n3 100",
        "a:0 -> n1",
        "a:1 -> n3",
    ];
    check("example 1", &example, &expected);
}

#[test]
fn unique_instances_are_spread_over_the_nodes() {
    let words = "clone-max=4 clone-node-max=2 globally-unique=true";
    let example = Example {
        resources: clone("cl", words, &primitive("a", "")),
        active: &[("n1", "a:0"), ("n1", "a:1"), ("n1", "a:2")],
        ..TWO
    };
    let lines = example.run();
    assert_eq!(lines[lines.len() - 4..], ["a:0 -> n1", "a:1 -> n1", "a:2 -> n2", "a:3 -> n2"]);
    assert!(lines.contains(&"Primitive a:2: n1 -INFINITY, n2 0".to_owned()), "{lines:?}");
}

/// Promotable clone on three nodes, promoted on n1, with promotion scores 10, 20 and 5.
fn promotable<'a>() -> Example<'a> {
    Example {
        nodes: &["n1 master-a=10", "n2 master-a=20", "n3 master-a=5"],
        resources: clone("cl", "promotable=true", &primitive("a", "")),
        active: &[("n1", "!a"), ("n2", "a"), ("n3", "a")],
        ..TWO
    }
}

#[test]
fn promotion_scores_and_promoted_locations() {
    let rule = "<rsc_location id='l' rsc='cl'><rule id='r' role='Promoted' score='50'>\
                <expression id='e' attribute='#uname' operation='eq' value='n3'/></rule>\
                </rsc_location>";
    let example = Example { constraints: rule.to_owned(), ..promotable() };
    let expected = [
        "Clone cl: n1 0, n2 0, n3 0",
        "Clone a:0: n1 11, n2 0, n3 0",
        "Clone a:1: n1 0, n2 21, n3 0",
        "Clone a:2: n1 0, n2 0, n3 6",
        "Primitive a:1: n1 0, n2 21, n3 0",
        "Primitive a:0: n1 11, n2 -INFINITY, n3 0",
        "Primitive a:2: n1 -INFINITY, n2 -INFINITY, n3 6",
        "Promotion a:2: n3 55",
        "Promotion a:1: n2 20",
        "Promotion a:0: n1 10",
        "a:2 -> n3 (Promoted)",
        "a:1 -> n2",
        "a:0 -> n1",
    ];
    check("example 3", &example, &expected);
}

#[test]
fn locations_of_the_clone_count_in_promotion() {
    let example = Example {
        nodes: &["n1 master-a=50", "n2 master-a=10"],
        resources: clone("cl", "promotable=true", &primitive("a", "")),
        constraints: location("cl", "n2", "100"),
        active: &[("n1", "a"), ("n2", "a")],
        ..TWO
    };
    let lines = example.run();
    let promotions: Vec<&String> = lines.iter().filter(|l| l.starts_with("Promotion")).collect();
    assert_eq!(promotions, ["Promotion a:1: n2 110", "Promotion a:0: n1 50"]);
    assert!(lines.contains(&"a:1 -> n2 (Promoted)".to_owned()), "{lines:?}");
}

#[test]
fn a_dependent_of_the_promoted_role_counts_twice() {
    let mut example = promotable();
    example.resources += &primitive("ip", "resource-stickiness=30");
    example.constraints = with("ip", "cl", "INFINITY", "with-rsc-role='Promoted'");
    example.active = &[("n1", "!a"), ("n2", "a"), ("n3", "a"), ("n1", "ip")];
    let lines = example.run();
    let expected = [
        "Promotion a:0: n1 70",
        "Promotion a:1: n2 20",
        "Promotion a:2: n3 5",
        "Primitive ip: n1 71, n2 -INFINITY, n3 -INFINITY",
        "a:0 -> n1 (Promoted)",
        "a:1 -> n2",
        "a:2 -> n3",
        "ip -> n1",
    ];
    assert_eq!(lines[lines.len() - expected.len()..], expected);
}

#[test]
fn interleaving_with_fewer_primaries() {
    let example = Example {
        resources: clone("p", "clone-max=2", &primitive("pp", ""))
            + &clone("d", "interleave=true", &primitive("dd", "")),
        constraints: with("d", "p", "INFINITY", "") + &location("d", "n3", "50"),
        ..THREE
    };
    let lines = example.run();
    let expected = [
        "Primitive dd:0: n1 -INFINITY, n2 -INFINITY, n3 50",
        "Primitive dd:1: n1 0, n2 -INFINITY, n3 -INFINITY",
        "Primitive dd:2: n1 -INFINITY, n2 -INFINITY, n3 -INFINITY",
        "pp:0 -> n3",
        "pp:1 -> n1",
        "dd:0 -> n3",
        "dd:1 -> n1",
    ];
    assert_eq!(lines[lines.len() - expected.len()..], expected);
}

#[test]
fn dependents_do_not_rule_out_nodes_of_a_clone() {
    let example = Example {
        resources: clone("cl", "clone-max=1", &primitive("a", "")) + &primitive("B", ""),
        constraints: location("cl", "n1", "40")
            + &location("cl", "n3", "5")
            + &location("B", "n1", "-INFINITY")
            + &location("B", "n2", "10")
            + &with("B", "cl", "INFINITY", ""),
        ..THREE
    };
    let lines = example.run();
    assert_eq!(lines[0], "Clone cl: n1 1, n2 10, n3 5");
    assert!(lines.contains(&"Primitive a:0: n1 -INFINITY, n2 10, n3 5".to_owned()), "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], ["a:0 -> n2", "B -> n2"]);
}

#[test]
fn promoted_with_promoted_decides_when_roles_are_chosen() {
    let example = Example {
        nodes: &["n1 master-pp=10 master-qq=5", "n2 master-pp=5 master-qq=10"],
        resources: clone("p", "promotable=true", &primitive("pp", ""))
            + &clone("q", "promotable=true", &primitive("qq", "")),
        constraints: with("q", "p", "INFINITY", "rsc-role='Promoted' with-rsc-role='Promoted'"),
        active: &[("n1", "pp"), ("n2", "pp"), ("n1", "qq"), ("n2", "qq")],
        ..TWO
    };
    let lines = example.run();
    for line in ["Promotion qq:0: n1 INFINITY", "Promotion qq:1: n2 -INFINITY"] {
        assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
    }
}

#[test]
fn optional_and_negative_colocation_with_a_clone() {
    let run = |max: &str, score: &str| {
        let example = Example {
            resources: clone("cl", max, &primitive("a", "")) + &primitive("B", ""),
            constraints: location("B", "n3", "10") + &with("B", "cl", score, ""),
            ..THREE
        };
        example.run().into_iter().find(|l| l.starts_with("Primitive B"))
    };
    assert_eq!(run("clone-max=2", "30").as_deref(), Some("Primitive B: n1 30, n2 0, n3 40"));
}

#[test]
fn a_bundle_and_what_is_inside() {
    let bundle = "<bundle id='bb'><podman image='i' replicas='2'/>\
                  <network control-port='3121'/>\
                  <primitive id='in' class='ocf' provider='pacemaker' type='Dummy'/></bundle>";
    let example = Example { resources: bundle.to_owned(), ..TWO };
    let lines = example.run();
    let expected = [
        "Bundle bb: n1 0, n2 0",
        "Bundle bb-podman-0: n1 0, n2 0",
        "Bundle bb-0: n1 0, n2 0",
        "Bundle bb-podman-1: n1 0, n2 0",
        "Bundle bb-1: n1 0, n2 0",
        "Bundle bb-clone: bb-0 -INFINITY, bb-1 -INFINITY, n1 0, n2 0",
        "Bundle in:0: bb-0 500",
        "Bundle in:1: bb-1 500",
        "Primitive bb-podman-0: n1 0, n2 0",
        "Primitive bb-podman-1: n1 -INFINITY, n2 0",
        "Primitive bb-0: n1 10000, n2 0",
        "Primitive in:0: bb-0 INFINITY",
        "Primitive bb-1: n1 0, n2 10000",
        "Primitive in:1: bb-1 INFINITY",
        "Clone bb-clone: bb-0 0, bb-1 0, n1 -INFINITY, n2 -INFINITY",
        "Clone in:0: bb-0 INFINITY",
        "Clone in:1: bb-1 INFINITY",
        "bb-podman-0 -> n1",
        "bb-0 -> n1",
        "bb-podman-1 -> n2",
        "bb-1 -> n2",
        "in:0 -> bb-0",
        "in:1 -> bb-1",
    ];
    assert!(lines.iter().all(|l| expected.contains(&l.as_str())), "{lines:#?}");
    assert_eq!(lines[lines.len() - 6..], expected[17..]);
}
