//! What agents of a real node find around them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::live::{LiveNode, executable};

/// Starts with all its variables in a file.
const AGENT: &str = "#!/bin/sh
case $1 in
meta-data) echo '<resource-agent name=\"Around\" version=\"1\"><version>1.1</version>\
<longdesc/><shortdesc/><parameters/><actions><action name=\"start\" timeout=\"20s\"/>\
<action name=\"stop\" timeout=\"20s\"/><action name=\"monitor\" timeout=\"20s\"/></actions></resource-agent>' ;;
start) env >\"$0.part\" && mv \"$0.part\" \"$0.env\" ;;
stop) rm -f \"$0.env\" ;;
monitor) [ -e \"$0.env\" ] || exit 7 ;;
*) exit 3 ;;
esac
";

fn without_fencing(node: &LiveNode) {
    let options = "<crm_config><cluster_property_set id='o'>\
        <nvpair id='o1' name='fencing-enabled' value='false'/></cluster_property_set></crm_config>";
    let mut command = node.tool("cibadmin");
    assert!(
        command.args(["-o", "crm_config", "-M", "-c", "-X", options]).status().unwrap().success()
    );
}

fn run_resource(node: &LiveNode) {
    let resource = "<primitive id='a' class='ocf' provider='understudy' type='Around'/>";
    let mut command = node.tool("cibadmin");
    assert!(command.args(["-o", "resources", "-C", "-X", resource]).status().unwrap().success());
}

fn wait(complaint: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{complaint}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn agents_are_told_where_the_node_logs() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let agent = home.join("ocf/resource.d/understudy/Around");
    executable(&agent, AGENT).unwrap();
    let node = LiveNode::start_with(home, |command| {
        command.args(["--log-level", "debug", "--log-facility", "local3"]);
        command.env("NOTIFY_SOCKET", home.join("nobody"))
    });
    without_fencing(&node);
    run_resource(&node);
    let file = agent.with_extension("env");
    wait("the resource does not start", || file.exists());
    let text = std::fs::read_to_string(file).unwrap();
    let mut told: Vec<_> =
        text.lines().filter(|line| line.contains("LOG") || line.contains("_log")).collect();
    told.sort_unstable();
    let log = home.join("log").display().to_string();
    let mut expected = Vec::new();
    for prefix in ["HA", "PCMK"] {
        for name in ["LOGFACILITY", "logfacility"] {
            expected.push(format!("{prefix}_{name}=local3"));
        }
        for name in ["DEBUGLOG", "LOGFILE", "logfile"] {
            expected.push(format!("{prefix}_{name}={log}"));
        }
    }
    expected.push(format!("HA_DEBUGLOG={log}"));
    expected.push(format!("PCMK_DEBUGLOG={log}"));
    expected.sort_unstable();
    expected.dedup();
    told.retain(|line| !line.starts_with("OCF_RESKEY"));
    assert_eq!(told, expected);
    let has = |line: &str| text.lines().any(|other| other == line);
    assert!(has("OCF_OUTPUT_FORMAT=text") && has("OCF_RESOURCE_INSTANCE=a"), "{text}");
    assert!(!text.contains("NOTIFY_SOCKET"), "{text}");
}

/// Notes in a file of its own what it is told, and as whom.
const ALERT: &str = "#!/bin/sh
id -un >\"$to/$CRM_alert_node_sequence.part\"
env | grep -e ^CRM_alert >>\"$to/$CRM_alert_node_sequence.part\"
mv \"$to/$CRM_alert_node_sequence.part\" \"$to/$CRM_alert_node_sequence.told\"
";

/// What alert agents were told, in order: each a user, then variables.
fn told(directory: &Path) -> Vec<String> {
    let file = |number: usize| directory.join(format!("{number}.told"));
    (1..).map_while(|number| std::fs::read_to_string(file(number)).ok()).collect()
}

#[test]
fn alerts_run_as_the_clusters_user_and_tell_of_resources_and_attributes() {
    let root = rustix::process::geteuid().is_root();
    let user = nix::unistd::User::from_name("hacluster").ok().flatten();
    if root && user.is_none() {
        return eprintln!("skipped: there is no user hacluster");
    }
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let notes = home.join("notes");
    std::fs::create_dir(&notes).unwrap();
    executable(&home.join("alert"), ALERT).unwrap();
    for (path, mode) in [(home, 0o711), (&*notes, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    executable(&home.join("ocf/resource.d/understudy/Around"), AGENT).unwrap();
    let node = LiveNode::start(home);
    without_fencing(&node);
    let alerts = format!(
        "<configuration><alerts><alert id='al' path='{}'><meta_attributes id='m'>\
         <nvpair id='f' name='timestamp-format' value='at %s'/></meta_attributes>\
         <instance_attributes id='i'><nvpair id='t' name='to' value='{}'/></instance_attributes>\
         <select><select_resources/><select_attributes><attribute id='w' name='wind'/>\
         </select_attributes></select><recipient id='r' value='crew'/></alert></alerts>\
         </configuration>",
        home.join("alert").display(),
        notes.display()
    );
    let mut command = node.tool("cibadmin");
    command.args(["-o", "configuration", "-M", "-c", "-X", &alerts]);
    assert!(command.status().unwrap().success());
    run_resource(&node);
    wait("nobody is told of the start", || !told(&notes).is_empty());
    for (name, value) in [("rain", "none"), ("wind", "west")] {
        let mut command = node.tool("attrd_updater");
        assert!(command.args(["-n", name, "-U", value, "-N", "node1"]).status().unwrap().success());
    }
    wait("nobody is told of the wind", || told(&notes).len() > 1);
    std::thread::sleep(Duration::from_millis(200));
    let told = told(&notes);
    let name = if root {
        "hacluster".to_owned()
    } else {
        nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
    };
    let has = |told: &str, lines: &[&str]| {
        assert_eq!(told.lines().next(), Some(&*name), "{told}");
        for line in lines {
            assert!(told.lines().any(|other| other == *line), "no {line}: {told}");
        }
        let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name));
        let at = value("CRM_alert_timestamp=").unwrap();
        assert_eq!(at.strip_prefix("at "), value("CRM_alert_timestamp_epoch="), "{told}");
    };
    let [start, wind] = &told[..] else { panic!("two alerts: {told:#?}") };
    has(
        start,
        &[
            "CRM_alert_kind=resource",
            "CRM_alert_recipient=crew",
            "CRM_alert_node_sequence=1",
            "CRM_alert_node=node1",
            "CRM_alert_rsc=a",
            "CRM_alert_task=start",
            "CRM_alert_interval=0",
            "CRM_alert_desc=OK",
            "CRM_alert_status=0",
            "CRM_alert_rc=0",
            "CRM_alert_target_rc=0",
        ],
    );
    has(
        wind,
        &[
            "CRM_alert_kind=attribute",
            "CRM_alert_node_sequence=2",
            "CRM_alert_node=node1",
            "CRM_alert_nodeid=1",
            "CRM_alert_attribute_name=wind",
            "CRM_alert_attribute_value=west",
        ],
    );
}

/// Notes what it is asked to do with which parameter; its start works with one value only.
const PARTICULAR: &str = "#!/bin/sh
case $1 in
meta-data) echo '<resource-agent name=\"Particular\" version=\"1\"><version>1.1</version>\
<longdesc/><shortdesc/><parameters><parameter name=\"p\"><content type=\"string\"/></parameter>\
<parameter name=\"q\" reloadable=\"1\"><content type=\"string\"/></parameter>\
</parameters><actions><action name=\"start\" timeout=\"20s\"/>\
<action name=\"stop\" timeout=\"20s\"/><action name=\"monitor\" timeout=\"20s\"/>\
<action name=\"reload-agent\" timeout=\"20s\"/></actions></resource-agent>'
exit 0 ;;
esac
echo \"$1 $OCF_RESKEY_p $OCF_RESKEY_q\" >>\"$0.did\"
case $1 in
start) [ \"$OCF_RESKEY_p\" = good ] && touch \"$0.runs\" ;;
stop) rm -f \"$0.runs\" ;;
reload-agent) ;;
monitor) [ -e \"$0.runs\" ] || exit 7 ;;
*) exit 3 ;;
esac
";

#[test]
fn a_resource_is_reloaded_and_stopped_as_it_was_started_and_nothing_waits_for_a_late_monitor() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let agent = home.join("ocf/resource.d/understudy/Particular");
    executable(&agent, PARTICULAR).unwrap();
    let node = LiveNode::start(home);
    without_fencing(&node);
    let did = || std::fs::read_to_string(agent.with_extension("did")).unwrap_or_default();
    let resource = |(p, q): (&str, &str)| {
        format!(
            "<primitive id='a' class='ocf' provider='understudy' type='Particular'>\
             <instance_attributes id='i'><nvpair id='p' name='p' value='{p}'/>\
             <nvpair id='q' name='q' value='{q}'/>\
             </instance_attributes><operations><op id='m' name='monitor' interval='10s' \
             timeout='20s' start-delay='1h'/></operations></primitive>"
        )
    };
    let settled = |values: (&str, &str), deeds: &str| {
        let mut command = node.tool("cibadmin");
        let xml = resource(values);
        let done = command.args(["-o", "resources", "-M", "-c", "-X", &xml]).status().unwrap();
        assert!(done.success());
        let there = || did() == deeds && node.state() == "S_IDLE";
        let end = Instant::now() + Duration::from_secs(60);
        while !there() {
            assert!(Instant::now() < end, "{deeds:?} was to be done: {:?} {}", did(), node.state());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let started = "monitor good 1\nstart good 1\n";
    settled(("good", "1"), started);
    let reloaded = format!("{started}reload-agent good 2\n");
    settled(("good", "2"), &reloaded);
    let stopped = format!("{reloaded}stop good 2\nstart bad 2\nstop good 2\n");
    settled(("bad", "2"), &stopped);
}
