//! A fence device's secret on a real node: only the CIB and the agent's standard input may hold it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::live::{LiveNode, executable};

const SECRET: &str = "qX7-do-not-show-9bW";

/// A device that tells all it is told, and cannot reboot.
const AGENT: &str = "#!/bin/sh
stdin=$(cat)
case $stdin in *action=metadata*) cat <<'M'
<?xml version=\"1.0\"?>
<resource-agent name=\"fence_gossip\" shortdesc=\"A fence agent for tests\">
<longdesc>Fences nobody.</longdesc>
<parameters>
<parameter name=\"action\" required=\"1\"><content type=\"string\"/><shortdesc lang=\"en\">Action</shortdesc></parameter>
<parameter name=\"plug\"><content type=\"string\"/><shortdesc lang=\"en\">Target</shortdesc></parameter>
<parameter name=\"passwd\"><content type=\"string\"/><shortdesc lang=\"en\">Password</shortdesc></parameter>
</parameters>
<actions><action name=\"on\"/><action name=\"off\"/><action name=\"reboot\"/><action name=\"status\"/><action name=\"list\"/><action name=\"monitor\"/><action name=\"metadata\"/></actions>
</resource-agent>
M
exit 0;; esac
case $stdin in *passwd=qX7*) echo told >>\"$0.told\";; esac
sleep 0.2
echo \"$stdin\"
echo \"$stdin\" >&2
case $stdin in *action=reboot*) exit 1;; esac
exit 0
";

const CONFIGURATION: &str = "<configuration>
  <crm_config><cluster_property_set id='o'>
    <nvpair id='o1' name='startup-fencing' value='false'/></cluster_property_set></crm_config>
  <nodes><node id='1' uname='node1'/></nodes>
  <resources>
    <primitive id='gossip' class='stonith' type='fence_gossip'>
      <instance_attributes id='i'><nvpair id='i1' name='passwd' value='SECRET'/>
        <nvpair id='i2' name='pcmk_host_list' value='node8 node9'/>
        <nvpair id='i3' name='pcmk_reboot_retries' value='1'/></instance_attributes>
      <operations><op id='m' name='monitor' interval='1s' timeout='20s'/></operations>
    </primitive>
  </resources>
  <constraints/>
  <fencing-topology><fencing-level id='l' target='node9' index='1' devices='gossip'/></fencing-topology>
</configuration>";

/// Looks at all processes of the machine again and again, until dropped.
struct Watch {
    found: Arc<Mutex<Vec<String>>>,
    agents_seen: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn begin() -> Watch {
        let found = Arc::new(Mutex::new(Vec::new()));
        let (agents_seen, end) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (into, seen, until) = (found.clone(), agents_seen.clone(), end.clone());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    for file in ["cmdline", "environ"] {
                        let path = process.path().join(file);
                        // Most of `/proc` is no process, and a process may end meanwhile.
                        let Ok(bytes) = fs::read(&path) else { continue };
                        let text = String::from_utf8_lossy(&bytes);
                        if text.contains(SECRET) {
                            into.lock().unwrap().push(format!("{}: {text}", path.display()));
                        }
                        seen.fetch_or(text.contains("fence_gossip"), Ordering::Relaxed);
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Watch { found, agents_seen, end, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn load(node: &LiveNode) {
    let mut command = node.tool("cibadmin");
    command.args(["-R", "-o", "configuration", "--xml-pipe"]).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let xml = CONFIGURATION.replace("SECRET", SECRET);
    child.stdin.take().unwrap().write_all(xml.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// All files below a directory, with what they hold.
fn files(directory: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), into);
        } else if kind.is_file() {
            into.push((entry.path(), fs::read(entry.path()).unwrap_or_default()));
        }
    }
}

/// What a command prints, and whether it succeeded.
fn said(command: &mut Command) -> (String, bool) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

#[test]
fn a_fence_devices_secret_is_in_the_cib_alone() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let agent = home.join("fence/fence_gossip");
    executable(&agent, AGENT).unwrap();
    let node = LiveNode::start_with(home, |command| command.args(["--log-level", "trace"]));
    let watch = Watch::begin();
    load(&node);
    let end = Instant::now() + Duration::from_secs(60);
    while !said(node.tool("crm_mon").args(["-1", "--include=all"])).0.contains("Started node1") {
        assert!(Instant::now() < end, "the device does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Each with whether it succeeds, and with what it must print for the look to be worth anything.
    let commands: [(&str, &[&str], bool, &str); 15] = [
        ("stonith_admin", &["-F", "node8", "-t", "30"], true, ""),
        ("stonith_admin", &["-F", "node9", "-t", "30", "-V"], true, ""),
        ("stonith_admin", &["-B", "node8", "-t", "30", "-V"], false, "node8"),
        ("stonith_admin", &["-B", "node9", "-t", "30"], false, "node9"),
        ("stonith_admin", &["-Q", "gossip", "-V"], true, ""),
        ("stonith_admin", &["-s", "gossip"], true, ""),
        ("stonith_admin", &["-L"], true, "gossip"),
        ("stonith_admin", &["-l", "node8", "--output-as=xml"], true, "gossip"),
        ("stonith_admin", &["-H", "*", "-V"], true, "node9"),
        ("stonith_admin", &["-H", "node8", "--output-as=xml"], true, "node8"),
        ("stonith_admin", &["-h", "node8"], true, "node8"),
        ("crm_mon", &["-1", "--include=all", "-m3"], true, "node8"),
        ("crm_mon", &["-1", "--output-as=xml", "--include=all"], true, "gossip"),
        ("crm_resource", &["-O", "-r", "gossip"], true, "gossip_monitor"),
        ("crm_resource", &["-W", "-r", "gossip"], true, "node1"),
    ];
    for (tool, arguments, works, shows) in commands {
        let (text, success) = said(node.tool(tool).args(arguments));
        assert_eq!(success, works, "{tool} {arguments:?}: {text}");
        assert!(text.contains(shows), "{tool} {arguments:?}: {text}");
        // What the agent says of its targets is printed; the secret in it is hidden.
        assert!(!text.contains(SECRET), "{tool} {arguments:?}: {text}");
    }
    assert!(watch.agents_seen.load(Ordering::Relaxed), "no agent was seen running");
    let found = watch.found.lock().unwrap();
    assert!(found.is_empty(), "{found:?}");
    drop(found);
    let told = fs::read_to_string(agent.with_extension("told")).unwrap();
    assert!(told.lines().count() >= 6, "the agent was told the secret each time: {told}");
    let log = fs::read_to_string(home.join("log")).unwrap();
    for seen in ["gossip", "<hidden>", "trace"] {
        assert!(log.contains(seen), "no {seen} in the log");
    }
    drop(node);
    let mut kept = Vec::new();
    files(home, &mut kept);
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    let with: Vec<_> =
        kept.iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect();
    let cib = home.join("state/cib");
    assert!(with.iter().any(|path| path.starts_with(&cib)), "it is not where it was looked for");
    let elsewhere: Vec<_> = with.iter().filter(|path| !path.starts_with(&cib)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}
