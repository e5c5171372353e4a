//! What history is read into, from small CIBs.

use super::definition_changes;
use crate::input;
use crate::model::cluster::{Cluster, Switches};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::Task;
use cib_model::{DateTime, Document, Score};

const NOW: i64 = 1_700_000_000;
/// Digest of no parameters at all.
const EMPTY: &str = "f2317cad3d54cec5d7d7aa7d0bf35cf8";

/// A CIB with two online nodes; histories in the order in which their states are written.
struct Example<'a> {
    options: &'a str,
    resources: &'a str,
    histories: [(&'a str, String); 2],
}

impl Example<'_> {
    fn read<T>(&self, look: impl FnOnce(&mut Cluster<'_>) -> T) -> T {
        let states: String = self.histories.iter().map(|(n, h)| state(n, h)).collect();
        let text = format!(
            "<cib have-quorum='1'><configuration><crm_config><cluster_property_set id='o'>{}\
             </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/>\
             <node id='2' uname='n2'/></nodes><resources>{}</resources><constraints/>\
             </configuration><status>{states}</status></cib>",
            self.options, self.resources
        );
        let document = Document::parse(&text).expect("a well-formed example");
        let generated = input::generate(&document);
        let now = DateTime::from_epoch(NOW, 0);
        let mut cluster = input::build(&document, &generated, now, Switches::default());
        look(&mut cluster)
    }
}

const NO_FENCING: &str = "<nvpair id='f' name='fencing-enabled' value='false'/>";

fn state(name: &str, content: &str) -> String {
    let id = &name[1..];
    let (history, attributes) = content.split_once('@').unwrap_or((content, ""));
    format!(
        "<node_state id='{id}' uname='{name}' in_ccm='1' crmd='online' join='member' \
         expected='member'><lrm id='{id}'><lrm_resources>{history}</lrm_resources></lrm>\
         <transient_attributes id='{id}'><instance_attributes id='t{id}'>{attributes}\
         </instance_attributes></transient_attributes></node_state>"
    )
}

fn recorded(id: &str, operations: &[String]) -> String {
    format!(
        "<lrm_resource id='{id}' class='ocf' provider='pacemaker' type='Dummy'>{}</lrm_resource>",
        operations.concat()
    )
}

/// An entry: `TASK INTERVAL CALL RC EXPECTED`, with more attributes.
fn op(resource: &str, words: &str, more: &str) -> String {
    let w: Vec<&str> = words.split(' ').collect();
    let (task, interval, call, rc, expected) = (w[0], w[1], w[2], w[3], w[4]);
    let status = match rc {
        "193" => "-1",
        _ if rc == expected => "0",
        _ => "4",
    };
    let id = if interval == "0" && !task.starts_with("migrate") { "last" } else { task };
    let id = if rc != expected && rc != "193" { "last_failure" } else { id };
    format!(
        "<lrm_rsc_op id='{resource}_{id}_{interval}' operation_key='{resource}_{task}_{interval}' \
         operation='{task}' interval='{interval}' call-id='{call}' rc-code='{rc}' \
         op-status='{status}' transition-key='1:1:{expected}:u' \
         transition-magic='{status}:{rc};1:1:{expected}:u' {more}/>"
    )
}

fn resource(cluster: &Cluster<'_>, id: &str) -> ResourceId {
    cluster.find_resource(id).expect("the example has it")
}

fn node(cluster: &Cluster<'_>, name: &str) -> NodeId {
    cluster.find_node(None, Some(name)).expect("the example has it")
}

fn required(cluster: &Cluster<'_>, r: ResourceId) -> Vec<Task> {
    let actions = cluster.actions.of(r).iter().map(|a| &cluster.actions[*a]);
    actions.filter(|a| a.required()).map(|a| a.task).collect()
}

#[test]
fn anonymous_instances_are_numbered_as_histories_are_read() {
    let here = recorded("r", &[op("r", "start 0 1 0 0", "")]);
    let example = Example {
        options: NO_FENCING,
        resources: "<clone id='c'><primitive id='r' class='ocf' provider='pacemaker' \
                    type='Dummy'/></clone>",
        histories: [("n2", here.clone()), ("n1", here)],
    };
    example.read(|c| {
        for (id, name) in [("r:0", "n2"), ("r:1", "n1")] {
            let r = c.resource(resource(c, id));
            assert_eq!(r.active_on, [node(c, name)], "{id}");
            assert_eq!(r.history_id.as_deref(), Some("r"), "{id}");
        }
    });
}

#[test]
fn a_failed_monitor_is_handled_as_its_definition_says() {
    type Facts = (bool, bool, bool, Role, bool);
    // failed, managed, blocked, next role, node in standby; and what is required.
    let cases: [(&str, Facts, &[Task]); 5] = [
        ("restart", (true, true, false, Role::Unknown, false), &[Task::Stop]),
        ("ignore", (false, true, false, Role::Unknown, false), &[]),
        ("block", (true, false, true, Role::Unknown, false), &[]),
        ("stop", (true, true, false, Role::Stopped, false), &[]),
        ("standby", (true, true, false, Role::Unknown, true), &[]),
    ];
    for (on_fail, facts, wanted) in cases {
        let resources = format!(
            "<primitive id='r' class='ocf' provider='pacemaker' type='Dummy'><operations>\
             <op id='o1' name='monitor' interval='10s' on-fail='{on_fail}'/></operations></primitive>"
        );
        let history =
            recorded("r", &[op("r", "start 0 1 0 0", ""), op("r", "monitor 10000 2 7 0", "")]);
        let example = Example {
            options: NO_FENCING,
            resources: &resources,
            histories: [("n1", history), ("n2", String::new())],
        };
        example.read(|c| {
            let r = resource(c, "r");
            let flags = c.resource(r).flags;
            let standby = c.node(node(c, "n1")).standby;
            let next = c.resource(r).next_role;
            let seen = (flags.failed, flags.managed, flags.blocked, next, standby);
            assert_eq!(seen, facts, "{on_fail}");
            assert_eq!(flags.ignoring_failures, on_fail == "ignore");
            assert_eq!(c.resource(r).active_on, [node(c, "n1")], "{on_fail}");
            assert_eq!(required(c, r), wanted, "{on_fail}");
            assert_eq!(c.failed_operations.len(), 1, "{on_fail}");
        });
    }
}

#[test]
fn a_probe_that_cannot_work_counts_as_not_running_and_bans() {
    let example = Example {
        options: NO_FENCING,
        resources: "<primitive id='r' class='ocf' provider='pacemaker' type='Dummy'/>",
        histories: [
            ("n1", recorded("r", &[op("r", "monitor 0 1 5 7", "")])),
            ("n2", recorded("r", &[op("r", "monitor 0 1 7 7", "")])),
        ],
    };
    example.read(|c| {
        let r = resource(c, "r");
        assert_eq!(c.resource(r).current_role, Role::Stopped);
        for (name, score) in [("n1", Score::MINUS_INFINITY), ("n2", Score::ZERO)] {
            let n = node(c, name);
            assert_eq!(c.resource(r).table.get(n).map(|e| e.score), Some(score), "{name}");
            assert!(c.resource(r).known_on.contains(n), "{name}");
        }
    });
}

#[test]
fn a_failure_expires_one_second_before_its_count() {
    let last = NOW - 9900;
    for (timeout, expired) in [(9899, true), (9900, false), (9901, false)] {
        let resources = format!(
            "<primitive id='r' class='ocf' provider='pacemaker' type='Dummy'>\
             <meta_attributes id='m'><nvpair id='m1' name='failure-timeout' value='{timeout}s'/>\
             </meta_attributes><operations><op id='o1' name='monitor' interval='10s'/></operations>\
             </primitive>"
        );
        let changed = format!("last-rc-change='{last}' op-digest='{EMPTY}'");
        let history = recorded(
            "r",
            &[op("r", "start 0 1 0 0", ""), op("r", "monitor 10000 2 7 0", &changed)],
        );
        let counts = format!(
            "@<nvpair id='a1' name='fail-count-r#monitor_10000' value='1'/>\
             <nvpair id='a2' name='last-failure-r#monitor_10000' value='{last}'/>"
        );
        let example = Example {
            options: NO_FENCING,
            resources: &resources,
            histories: [("n1", history + &counts), ("n2", String::new())],
        };
        example.read(|c| {
            let r = resource(c, "r");
            assert_eq!(c.resource(r).flags.failed, !expired, "{timeout}");
            let cleared = required(c, r).contains(&Task::ClearFailcount);
            assert_eq!(cleared, expired, "{timeout}");
            let recheck = (!expired && NOW >= last + timeout).then_some(last + timeout + 1);
            assert_eq!(c.recheck_by.filter(|_| timeout == 9900), recheck, "{timeout}");
        });
    }
}

#[test]
fn a_migration_is_partial_dangling_or_failed() {
    const ENDS: &str = "migrate_source='n1' migrate_target='n2'";
    let to = op("r", "migrate_to 0 3 0 0", ENDS);
    let source = recorded("r", &[op("r", "start 0 1 0 0", ""), to]);
    let target = |operations: &[String]| recorded("r", operations);
    let probe = op("r", "monitor 0 1 7 7", "");
    /// Name, history of the target, nodes where it is active, partial, dangling, failed.
    type Case = (&'static str, String, &'static [&'static str], bool, bool, bool);
    let cases: [Case; 4] = [
        ("the target has yet to be probed", String::new(), &["n1"], false, false, false),
        (
            "not begun there",
            target(std::slice::from_ref(&probe)),
            &["n2", "n1"],
            true,
            false,
            false,
        ),
        (
            "done there",
            target(&[op("r", "migrate_from 0 2 0 0", ENDS)]),
            &["n2"],
            false,
            true,
            false,
        ),
        (
            "failed there",
            target(&[op("r", "migrate_from 0 2 1 0", ENDS)]),
            &["n2", "n1"],
            false,
            false,
            true,
        ),
    ];
    for (name, other, active, partial, dangling, failed) in cases {
        let example = Example {
            options: NO_FENCING,
            resources: "<primitive id='r' class='ocf' provider='pacemaker' type='Dummy'>\
                        <meta_attributes id='m'><nvpair id='m1' name='allow-migrate' \
                        value='true'/></meta_attributes></primitive>",
            histories: [("n1", source.clone()), ("n2", other)],
        };
        example.read(|c| {
            let r = c.resource(resource(c, "r"));
            let mut names: Vec<&str> = r.active_on.iter().map(|n| &*c.node(*n).name).collect();
            let mut wanted = active.to_vec();
            names.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(names, wanted, "{name}");
            assert_eq!(r.partial_migration_target.is_some(), partial, "{name}");
            assert_eq!(!r.dangling_sources.is_empty(), dangling, "{name}");
            assert_eq!(r.flags.failed, failed, "{name}");
        });
    }
}

#[test]
fn changed_parameters_restart_reload_or_reschedule() {
    let cases: [(&str, &str, &str, &[Task], bool); 6] = [
        ("same", "start 0 1 0 0", "op-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'", &[], false),
        ("no digest", "start 0 1 0 0", "", &[Task::Start], false),
        ("changed", "start 0 1 0 0", "op-digest='0'", &[Task::Start], false),
        (
            "reloadable",
            "start 0 1 0 0",
            "op-digest='0' op-force-restart='x' \
             op-restart-digest='f2317cad3d54cec5d7d7aa7d0bf35cf8'",
            &[Task::ReloadAgent],
            false,
        ),
        (
            "not reloadable",
            "start 0 1 0 0",
            "op-digest='0' op-force-restart='x' op-restart-digest='0'",
            &[Task::Start],
            false,
        ),
        ("monitor", "monitor 10000 2 0 0", "op-digest='0'", &[], true),
    ];
    for (name, words, more, wanted, rescheduled) in cases {
        let example = Example {
            options: NO_FENCING,
            resources: "<primitive id='r' class='ocf' provider='pacemaker' type='Dummy'>\
                        <operations><op id='o1' name='monitor' interval='10s'/></operations>\
                        </primitive>",
            histories: [("n1", recorded("r", &[op("r", words, more)])), ("n2", String::new())],
        };
        example.read(|c| {
            let r = resource(c, "r");
            definition_changes(c);
            assert_eq!(required(c, r), wanted, "{name}");
            let marked = c.actions.of(r).iter().any(|a| c.actions[*a].flags.reschedule);
            assert_eq!(marked, rescheduled, "{name}");
        });
    }
}

#[test]
fn a_resource_that_only_history_knows_is_to_be_stopped() {
    for (stop, score, managed) in
        [("true", Score::MINUS_INFINITY, true), ("false", Score::INFINITY, false)]
    {
        let options =
            format!("{NO_FENCING}<nvpair id='s' name='stop-removed-resources' value='{stop}'/>");
        let example = Example {
            options: &options,
            resources: "",
            histories: [
                ("n1", recorded("gone", &[op("gone", "start 0 1 0 0", "")])),
                ("n2", String::new()),
            ],
        };
        example.read(|c| {
            let r = resource(c, "gone");
            let flags = c.resource(r).flags;
            assert_eq!((flags.removed, flags.managed), (true, managed));
            let entry = c.resource(r).table.get(node(c, "n1"));
            assert_eq!(entry.map(|e| e.score), Some(score), "stop {stop}");
            assert_eq!(c.resource(r).current_role, Role::Started);
        });
    }
}
