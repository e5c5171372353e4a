//! The agents of the bed: shell scripts. What a service runs is a process that holds a lock which all nodes
//! see, so that the kernel tells when a second one is started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SERVICE: &str = r#"#!/bin/sh
name=${OCF_RESOURCE_INSTANCE%%:*}
pidfile="$BED_RUN/$name.pid"
promoted="$BED_RUN/$name.promoted"
lock="@FOLDER@/locks/$name"
[ -z "$OCF_RESKEY_CRM_meta_clone" ] || lock="$lock.$BED_NODE"
note() { echo "$(date +%s%N) $BED_NODE $name $1 ${2:-0}" >>@FOLDER@/events; }
alive() { [ -s "$pidfile" ] && grep -q sleep "/proc/$(cat "$pidfile")/cmdline" 2>/dev/null; }
score() { [ -z "$OCF_RESKEY_CRM_meta_promoted_max" ] || crm_attribute --promotion -v "$1"; }
set_score() { if [ -e "$promoted" ]; then score 10; else score 5; fi; }
slow="@FOLDER@/slow/$name.$1"
if [ -e "$slow" ]; then
    : >"@FOLDER@/held/$name.$1"
    sleep "$(cat "$slow")"
fi
if [ -e "@FOLDER@/fail/$name.$1.$BED_NODE" ]; then
    note "failed-$1"
    exit 1
fi
case "$1" in
start)
    alive && exit 0
    setsid flock -n -F "$lock" sleep 100000 </dev/null >/dev/null 2>&1 &
    pid=$!
    while ! grep -q ^sleep "/proc/$pid/cmdline" 2>/dev/null; do
        if ! kill -0 $pid 2>/dev/null; then
            note double
            exit 1
        fi
        sleep 0.01
    done
    echo $pid >"$pidfile"
    note start $pid
    set_score
    ;;
stop)
    [ -e "$pidfile" ] || exit 0
    kill -9 "$(cat "$pidfile")" 2>/dev/null
    while alive; do sleep 0.01; done
    rm -f "$pidfile" "$promoted"
    note stop
    ;;
promote)
    : >"$promoted"
    note promote
    set_score
    ;;
demote)
    rm -f "$promoted"
    note demote
    set_score
    ;;
monitor)
    alive || exit 7
    set_score
    [ ! -e "$promoted" ] || exit 8
    ;;
meta-data)
    cat <<'END'
<?xml version="1.0"?>
<resource-agent name="Service" version="1.0">
<version>1.1</version>
<shortdesc lang="en">A process</shortdesc>
<longdesc lang="en">A process that holds a lock</longdesc>
<parameters/>
<actions>
<action name="start" timeout="20s"/>
<action name="stop" timeout="20s"/>
<action name="promote" timeout="20s"/>
<action name="demote" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
END
    ;;
*) exit 3 ;;
esac
exit 0
"#;

/// Asks for what the power switch does, and waits for it.
const FENCE: &str = r#"#!/bin/sh
action= target=
[ "$1" != -o ] || action=$2
[ -n "$action" ] || while read -r line; do
    case "$line" in
    action=*) action=${line#*=} ;;
    nodename=*) target=${line#*=} ;;
    esac
done
case "$action" in
metadata)
    cat <<'END'
<?xml version="1.0"?>
<resource-agent name="fence_power" shortdesc="Power switch">
<longdesc>Power switch of the bed</longdesc>
<parameters>
<parameter name="action" required="1"><content type="string" default="reboot"/></parameter>
<parameter name="plug" required="0"><content type="string"/></parameter>
</parameters>
<actions><action name="on"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
END
    ;;
off | reboot)
    order="@FOLDER@/power/$(date +%s%N).$BED_NODE"
    echo "$action $target $BED_NODE" >"$order.new"
    mv "$order.new" "$order.order"
    while [ ! -e "$order.done" ]; do sleep 0.01; done
    exit "$(cat "$order.done")"
    ;;
esac
exit 0
"#;

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Writes them below a folder.
pub fn write(folder: &Path) {
    for place in ["locks", "fail", "slow", "held", "power"] {
        fs::create_dir_all(folder.join(place)).unwrap();
    }
    let at = folder.display().to_string();
    executable(&folder.join("ocf/resource.d/bed/Service"), &SERVICE.replace("@FOLDER@", &at));
    executable(&folder.join("fence/fence_power"), &FENCE.replace("@FOLDER@", &at));
}
