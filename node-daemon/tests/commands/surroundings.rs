//! What agents of a real node find around them.

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
    let resource = "<primitive id='a' class='ocf' provider='understudy' type='Around'/>";
    for arguments in [
        ["-o", "crm_config", "-M", "-c", "-X"].as_slice(),
        ["-o", "resources", "-C", "-X"].as_slice(),
    ] {
        let options = "<crm_config><cluster_property_set id='o'>\
            <nvpair id='o1' name='fencing-enabled' value='false'/></cluster_property_set></crm_config>";
        let xml = if arguments[1] == "resources" { resource } else { options };
        let done = node.tool("cibadmin").args(arguments).arg(xml).status().unwrap();
        assert!(done.success(), "{arguments:?}");
    }
    let file = agent.with_extension("env");
    let end = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < end, "the resource does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
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
