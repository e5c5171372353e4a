//! Whole transitions of small clusters: actions in graph order with their numbers and triggers
//! (the worked examples of spec 31 §5, on configurations of our own).

use crate::transition::ActionRef;
use crate::{Options, plan};
use cib_model::{DateTime, Document};

const NOW: i64 = 1_790_000_000;
/// Digest of no parameters, and of only a timeout of 20 s.
const EMPTY: &str = "f2317cad3d54cec5d7d7aa7d0bf35cf8";
const TIMEOUT: &str = "4811cef7f7f94e3a35a70be7916cb2fd";

/// A cluster of n1 and n2, both online, fencing off unless `options` says otherwise.
#[derive(Default)]
struct Case<'t> {
    options: &'t str,
    resources: &'t str,
    constraints: &'t str,
    /// History of n1 and of n2.
    history: [String; 2],
    /// Attributes of n2's state entry instead of those of a member.
    second: Option<&'t str>,
    /// Transient attributes of n2.
    transient: &'t str,
}

impl Case<'_> {
    fn graph(&self) -> Vec<String> {
        let member = r#"in_ccm="true" crmd="online" join="member" expected="member""#;
        let second = self.second.unwrap_or(member);
        let fencing = if self.options.is_empty() {
            r#"<nvpair id="fe" name="fencing-enabled" value="false"/>"#
        } else {
            self.options
        };
        let text = format!(
            r#"<cib validate-with="pacemaker-4.0" have-quorum="1" dc-uuid="1"><configuration>
            <crm_config><cluster_property_set id="set">{fencing}</cluster_property_set></crm_config>
            <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
            <resources>{}</resources><constraints>{}</constraints></configuration><status>
            <node_state id="1" uname="n1" {member}><lrm id="1"><lrm_resources>{}</lrm_resources></lrm></node_state>
            <node_state id="2" uname="n2" {second}>
            <transient_attributes id="2"><instance_attributes id="t2">{}</instance_attributes></transient_attributes>
            <lrm id="2"><lrm_resources>{}</lrm_resources></lrm></node_state></status></cib>"#,
            self.resources, self.constraints, self.history[0], self.transient, self.history[1]
        );
        let document = Document::parse(&text).unwrap();
        let planned = plan(&document, DateTime::from_epoch(NOW, 0), &Options::default());
        let shown = |head: &ActionRef| {
            let node = head.node.as_ref().map(|(name, _)| format!(" {name}")).unwrap_or_default();
            let cancel = if head.operation == "cancel" { "cancel " } else { "" };
            format!("{cancel}{}{node} ({})", head.operation_key, head.id)
        };
        planned
            .transition
            .synapses
            .iter()
            .map(|s| {
                let inputs: Vec<String> = s.inputs.iter().map(|i| i.id.to_string()).collect();
                format!("{} <- {}", shown(&s.action.head), inputs.join(", ")).trim_end().to_owned()
            })
            .collect()
    }
}

fn primitive(id: &str, meta: &str, monitor: bool) -> String {
    let op = if monitor {
        format!(r#"<operations><op id="{id}-m" name="monitor" interval="10s"/></operations>"#)
    } else {
        String::new()
    };
    let meta = if meta.is_empty() {
        String::new()
    } else {
        let (name, value) = meta.split_once('=').unwrap();
        format!(
            r#"<meta_attributes id="{id}-meta"><nvpair id="{id}-n" name="{name}" value="{value}"/></meta_attributes>"#
        )
    };
    format!(
        r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="Dummy">{meta}{op}</primitive>"#
    )
}

/// History of one resource on a node.
fn history(node: &str, id: &str, what: &[&str]) -> String {
    let mut ops = String::new();
    for (i, what) in what.iter().enumerate() {
        let call = i + 1;
        let (entry, task, interval, rc, expected, digest) = match *what {
            "running" => ("last_0", "start", 0, 0, 0, EMPTY),
            "stopped" => ("last_0", "monitor", 0, 7, 7, EMPTY),
            "monitored" => ("monitor_10000", "monitor", 10_000, 0, 0, TIMEOUT),
            "failed" => ("last_failure_0", "monitor", 10_000, 7, 0, TIMEOUT),
            other => panic!("{other}"),
        };
        ops.push_str(&format!(
            r#"<lrm_rsc_op id="{id}_{entry}" operation_key="{id}_{task}_{interval}" operation="{task}" interval="{interval}" transition-key="{call}:1:{expected}:uuid-of-a-controller" transition-magic="0:{rc};{call}:1:{expected}:uuid-of-a-controller" on_node="{node}" call-id="{call}" rc-code="{rc}" op-status="0" op-digest="{digest}"/>"#
        ));
    }
    format!(
        r#"<lrm_resource id="{id}" class="ocf" provider="pacemaker" type="Dummy">{ops}</lrm_resource>"#
    )
}

/// Histories of several resources: `(node 1's states, node 2's states)` per resource.
fn histories(resources: &[(&str, &[&str], &[&str])]) -> [String; 2] {
    let mut out = [String::new(), String::new()];
    for (id, first, second) in resources {
        out[0].push_str(&history("n1", id, first));
        out[1].push_str(&history("n2", id, second));
    }
    out
}

#[test]
fn a_new_resource_is_probed_everywhere_then_started() {
    let case = Case { resources: &primitive("A", "", true), ..Case::default() };
    assert_eq!(
        case.graph(),
        [
            "A_monitor_10000 n1 (4) <- 3",
            "A_start_0 n1 (3) <- 1, 2",
            "A_monitor_0 n2 (2) <-",
            "A_monitor_0 n1 (1) <-",
        ]
    );
}

#[test]
fn recovery_ripples_through_a_mandatory_ordering() {
    let case = Case {
        resources: &(primitive("A", "", true) + &primitive("B", "", false)),
        constraints: r#"<rsc_order id="o" first="A" then="B"/>"#,
        history: histories(&[
            ("A", &["running", "failed"], &["stopped"]),
            ("B", &["running"], &["stopped"]),
        ]),
        ..Case::default()
    };
    // Both have no stickiness: load decides that B moves.
    assert_eq!(
        case.graph(),
        [
            "A_start_0 n1 (3) <- 2",
            "A_stop_0 n1 (2) <- 4",
            "A_monitor_10000 n1 (1) <- 3",
            "B_start_0 n2 (5) <- 3, 4",
            "B_stop_0 n1 (4) <-",
        ]
    );
}

#[test]
fn a_live_migration_and_how_an_ordering_spoils_it() {
    let ban = r#"<rsc_location id="l" rsc="V" node="n1" score="-INFINITY"/>"#;
    let machine = primitive("V", "allow-migrate=true", true);
    let running = ("V", &["running", "monitored"][..], &["stopped"][..]);
    let case = Case {
        resources: &machine,
        constraints: ban,
        history: histories(&[running]),
        ..Case::default()
    };
    assert_eq!(
        case.graph(),
        [
            "V_migrate_from_0 n2 (6) <- 5",
            "V_migrate_to_0 n1 (5) <-",
            "V_monitor_10000 n2 (4) <- 3",
            "V_start_0 (3) <- 2, 6",
            "V_stop_0 n1 (2) <- 6",
        ]
    );
    let both = r#"<rsc_location id="l" rsc="V" node="n1" score="-INFINITY"/>
        <rsc_location id="d" rsc="D" node="n1" score="-INFINITY"/><rsc_order id="o" first="D" then="V"/>"#;
    let case = Case {
        resources: &(machine + &primitive("D", "", false)),
        constraints: both,
        history: histories(&[running, ("D", &["running"], &["stopped"])]),
        ..Case::default()
    };
    let graph = case.graph();
    assert!(!graph.iter().any(|line| line.contains("migrate")), "{graph:?}");
    let stop = graph.iter().find(|line| line.starts_with("D_stop_0")).unwrap();
    let machine_stop = graph.iter().find(|line| line.starts_with("V_stop_0")).unwrap();
    assert!(stop.ends_with("<- 2") && machine_stop.contains("(2)"), "{graph:?}");
}

#[test]
fn a_lost_node_is_fenced_before_its_resources_start_elsewhere() {
    let device = r#"<primitive id="F" class="stonith" type="fence_x"/>"#;
    let case = Case {
        options: r#"<nvpair id="fe" name="fencing-enabled" value="true"/>"#,
        resources: &(device.to_owned() + &primitive("A", "", true)),
        history: {
            let mut h = histories(&[
                ("F", &["running"], &["stopped"]),
                ("A", &["stopped"], &["running", "monitored"]),
            ]);
            for node in &mut h {
                *node = node.replacen(
                    r#"class="ocf" provider="pacemaker" type="Dummy""#,
                    r#"class="stonith" type="fence_x""#,
                    1,
                );
            }
            h
        },
        second: Some(r#"in_ccm="false" crmd="offline" join="member" expected="member""#),
        ..Case::default()
    };
    assert_eq!(
        case.graph(),
        [
            "A_monitor_10000 n1 (6) <- 5",
            "A_start_0 n1 (5) <- 1, 4",
            "A_stop_0 (4) <- 1",
            "stonith-n2-reboot n2 (1) <-",
        ]
    );
}

#[test]
fn a_failed_group_member_takes_the_later_ones_with_it() {
    let members = ["A", "B", "C"].map(|m| primitive(m, "", false)).concat();
    let running = |id| (id, &["running"][..], &["stopped"][..]);
    let case = Case {
        resources: &format!(r#"<group id="G">{members}</group>"#),
        history: histories(&[
            running("A"),
            ("B", &["running", "failed"], &["stopped"]),
            running("C"),
        ]),
        ..Case::default()
    };
    assert_eq!(
        case.graph(),
        [
            "G_stopped_0 (11) <- 2, 6, 10",
            "G_stop_0 (10) <-",
            "G_running_0 (9) <- 5, 7, 8",
            "G_start_0 (8) <- 11",
            "B_start_0 n1 (5) <- 2, 8",
            "B_stop_0 n1 (2) <- 6, 10",
            "cancel B_monitor_10000 n1 (1) <- 2",
            "C_start_0 n1 (7) <- 5, 6, 8",
            "C_stop_0 n1 (6) <- 10",
        ]
    );
}

#[test]
fn serialised_resources_take_turns_only_at_starting() {
    let case = Case {
        resources: &(primitive("A", "", true) + &primitive("B", "", false)),
        constraints: r#"<rsc_order id="o" first="A" then="B" kind="Serialize"/>"#,
        history: histories(&[
            ("A", &["stopped"], &["running", "monitored"]),
            ("B", &["stopped"], &["running"]),
        ]),
        transient: r#"<nvpair id="s" name="shutdown" value="1789999999"/>"#,
        ..Case::default()
    };
    assert_eq!(
        case.graph(),
        [
            "A_monitor_10000 n1 (4) <- 3",
            "A_start_0 n1 (3) <- 2",
            "A_stop_0 n2 (2) <-",
            "B_start_0 n1 (6) <- 3, 5",
            "B_stop_0 n2 (5) <-",
            "do_shutdown-n2 n2 (7) <- 2, 5",
        ]
    );
}

#[test]
fn a_dependency_that_cannot_start_stops_what_depends_on_it() {
    let case = |constraint, running: bool| {
        let a: &[&str] = if running { &["running"] } else { &["stopped"] };
        Case {
            resources: &(primitive("A", "target-role=Stopped", false) + &primitive("B", "", false)),
            constraints: constraint,
            history: histories(&[("A", a, &["stopped"]), ("B", &["running"], &["stopped"])]),
            ..Case::default()
        }
        .graph()
    };
    let mandatory = r#"<rsc_order id="o" first="A" then="B"/>"#;
    assert_eq!(case(mandatory, true), ["A_stop_0 n1 (1) <- 2", "B_stop_0 n1 (2) <-"]);
    assert_eq!(case(mandatory, false), ["B_stop_0 n1 (1) <-"]);
    let asymmetric = r#"<rsc_order id="o" first="A" then="B" symmetrical="false"/>"#;
    assert_eq!(case(asymmetric, false), [""; 0]);
}

#[test]
fn a_multiply_active_resource_is_stopped_everywhere_or_where_unexpected() {
    let case = |meta| {
        Case {
            resources: &primitive("A", meta, false),
            history: histories(&[("A", &["running"], &["running"])]),
            ..Case::default()
        }
        .graph()
    };
    let all = case("");
    assert_eq!(all.iter().filter(|line| line.starts_with("A_stop_0")).count(), 2, "{all:?}");
    let unexpected = case("multiple-active=stop_unexpected");
    assert_eq!(unexpected.iter().filter(|line| line.starts_with("A_stop_0")).count(), 1);
    let start = unexpected.iter().find(|line| line.starts_with("A_start_0")).unwrap();
    assert!(!start.contains("n1"), "the start is a pseudo-action: {start}");
}
