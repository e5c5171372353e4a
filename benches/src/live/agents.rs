//! The agents of a measured cluster: small shell scripts that write down when they are called.

/// A resource agent that writes the time of `start` and `stop` into the file of events; what it "runs" is
/// a file in `/run`, which is gone with the node.
const STAMP: &str = r#"#!/bin/sh
state="/run/stamp.$OCF_RESOURCE_INSTANCE"
note() { echo "$(date +%s%N) $(uname -n) $OCF_RESOURCE_INSTANCE $1" >>@EVENTS@; }
case "$1" in
start) note start; : >"$state" ;;
stop) note stop; rm -f "$state" ;;
monitor) [ -e "$state" ] || exit 7 ;;
validate-all) ;;
meta-data)
    cat <<'END'
<?xml version="1.0"?>
<resource-agent name="Stamp" version="1.0">
<version>1.1</version>
<shortdesc lang="en">Notes when it is started and stopped</shortdesc>
<longdesc lang="en">Notes when it is started and stopped</longdesc>
<parameters/>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
END
    ;;
*) exit 3 ;;
esac
exit 0
"#;

/// A fence agent that says at once that it did what it was asked for.
const FENCE: &str = r#"#!/bin/sh
action= target=
while read -r line; do
    case "$line" in
    action=*) action=${line#*=} ;;
    nodename=* | plug=* | port=*) target=${line#*=} ;;
    esac
done
case "$action" in
metadata)
    cat <<'END'
<?xml version="1.0"?>
<resource-agent name="fence_stamp" shortdesc="Says yes">
<longdesc>Says yes at once</longdesc>
<parameters>
<parameter name="action" required="1"><content type="string" default="reboot"/></parameter>
<parameter name="plug" required="0"><content type="string"/></parameter>
</parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
END
    ;;
off | reboot) echo "$(date +%s%N) $(uname -n) fence:$target $action" >>@EVENTS@ ;;
esac
exit 0
"#;

/// The resource agent, writing to this file.
pub fn stamp(events: &str) -> String {
    STAMP.replace("@EVENTS@", events)
}

/// The fence agent, writing to this file.
pub fn fence(events: &str) -> String {
    FENCE.replace("@EVENTS@", events)
}

/// A resource of the agent.
pub fn primitive(id: &str) -> String {
    format!("<primitive id=\"{id}\" class=\"ocf\" provider=\"measured\" type=\"Stamp\"/>")
}

/// Many of them.
pub fn primitives(count: usize) -> String {
    let all: String = (0..count).map(|number| primitive(&format!("d{number:03}"))).collect();
    format!("<resources>{all}</resources>")
}
