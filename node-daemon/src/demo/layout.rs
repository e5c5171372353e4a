//! The files and processes of the demonstration.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Arguments;

/// The variable that marks all processes of a node, whatever they are and whoever started them.
pub const MARK: &str = "UNDERSTUDY_DEMO_NODE";

/// A cluster below a temporary directory.
pub struct Cluster {
    pub directory: PathBuf,
    pub nodes: Vec<DemoNode>,
    pub port: u16,
    single_process: bool,
}

/// A node of it.
pub struct DemoNode {
    pub number: u32,
    pub name: String,
    pub address: String,
    pub home: PathBuf,
    child: Option<Child>,
}

impl DemoNode {
    pub fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    pub fn log(&self) -> PathBuf {
        self.home.join("log")
    }
}

fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(content)
}

impl Cluster {
    /// Makes directories and files; nothing runs yet.
    pub fn build(arguments: &Arguments) -> io::Result<Cluster> {
        let directory =
            std::env::temp_dir().join(format!("understudy-demo-{}", std::process::id()));
        private(&directory)?;
        let ring_port = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let nodes: Vec<DemoNode> = (1..=arguments.nodes)
            .map(|number| DemoNode {
                number,
                name: format!("node{number}"),
                address: format!("127.0.0.{number}"),
                home: directory.join(format!("node{number}")),
                child: None,
            })
            .collect();
        let single_process = arguments.single_process;
        let cluster = Cluster { directory, nodes, port, single_process };
        cluster.write_agents()?;
        let key: Vec<u8> = (0..256).map(|_| fastrand::u8(..)).collect();
        write(&cluster.directory.join("authkey"), 0o400, &key)?;
        for node in &cluster.nodes {
            private(&node.home.join("etc"))?;
            private(&node.state().join("cib"))?;
            let conf = cluster.corosync_conf(arguments, ring_port);
            write(&node.home.join("etc/corosync.conf"), 0o600, conf.as_bytes())?;
            write(&node.state().join("cib/cib.xml"), 0o600, cluster.cib().as_bytes())?;
        }
        Ok(cluster)
    }

    fn corosync_conf(&self, arguments: &Arguments, port: u16) -> String {
        let mut text = format!(
            "totem {{\n  version: 2\n  cluster_name: demo\n  token: {}\n  token_coefficient: 0\n  \
             crypto_cipher: aes256\n  crypto_hash: sha256\n  keyfile: {}\n  \
             interface {{\n    linknumber: 0\n    mcastport: {port}\n  }}\n}}\n\
             quorum {{\n  provider: corosync_votequorum\n{}}}\nnodelist {{\n",
            arguments.token,
            self.directory.join("authkey").display(),
            if arguments.nodes == 2 { "  two_node: 1\n" } else { "" },
        );
        for node in &self.nodes {
            text += &format!(
                "  node {{\n    nodeid: {}\n    name: {}\n    ring0_addr: {}\n  }}\n",
                node.number, node.name, node.address
            );
        }
        text + "}\n"
    }

    /// One service, one resource on every node, and a device that fences all of them.
    fn cib(&self) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        let nodes: String = self
            .nodes
            .iter()
            .map(|node| format!("<node id=\"{}\" uname=\"{}\"/>", node.number, node.name))
            .collect();
        let primitive = |id: &str, kind: &str, attributes: &str| {
            format!(
                "<primitive id=\"{id}\" class=\"ocf\" provider=\"understudy\" type=\"{kind}\">{attributes}\
                 <operations><op id=\"{id}-monitor\" name=\"monitor\" interval=\"2s\" timeout=\"20s\"/>\
                 </operations></primitive>"
            )
        };
        let port = format!(
            "<instance_attributes id=\"service-parameters\"><nvpair id=\"service-port\" name=\"port\" \
             value=\"{}\"/></instance_attributes>",
            self.port
        );
        format!(
            "<cib crm_feature_set=\"3.20.5\" validate-with=\"pacemaker-3.9\" admin_epoch=\"0\" epoch=\"1\" \
             num_updates=\"0\"><configuration><crm_config><cluster_property_set id=\"cib-bootstrap-options\">\
             <nvpair id=\"option-fencing\" name=\"stonith-enabled\" value=\"true\"/></cluster_property_set>\
             </crm_config><nodes>{nodes}</nodes><resources><primitive id=\"fencing\" class=\"stonith\" \
             type=\"fence_demo\"><instance_attributes id=\"fencing-parameters\"><nvpair id=\"fencing-hosts\" \
             name=\"pcmk_host_list\" value=\"{}\"/></instance_attributes></primitive>{}<clone id=\"everywhere\">{}\
             </clone></resources><constraints/></configuration><status/></cib>",
            names.join(" "),
            primitive("service", "DemoService", &port),
            primitive("presence", "DemoPresence", ""),
        )
    }

    fn write_agents(&self) -> io::Result<()> {
        let program = std::env::current_exe()?;
        let agents = self.directory.join("agents");
        let resources = agents.join("resource.d/understudy");
        private(&resources)?;
        private(&agents.join("fence"))?;
        let script = |kind: &str| {
            format!(
                "#!/bin/sh\nexec '{}' demo-agent {kind} '{}' \"$@\"\n",
                program.display(),
                self.directory.display()
            )
        };
        write(&resources.join("DemoService"), 0o700, script("service").as_bytes())?;
        write(&resources.join("DemoPresence"), 0o700, script("presence").as_bytes())?;
        write(&agents.join("fence/fence_demo"), 0o700, script("fence").as_bytes())
    }

    /// Starts a node.
    pub fn start(&mut self, index: usize) -> io::Result<()> {
        let agents = self.directory.join("agents");
        let node = &mut self.nodes[index];
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("run")
            .args(["--name", &node.name, "--schema", "pacemaker-3.9"])
            .arg("--config")
            .arg(node.home.join("etc"))
            .arg("--state")
            .arg(node.home.join("state"))
            .arg("--ipc-directory")
            .arg(node.home.join("state"))
            .arg("--ocf-root")
            .arg(&agents)
            .arg("--fence-agents")
            .arg(agents.join("fence"))
            .arg("--log-file")
            .arg(node.home.join("log"))
            .env(MARK, &node.home)
            // A node is killed here on purpose: that must not reset the machine it shares with the others.
            .env_remove("SBD_WATCHDOG_DEV")
            .env_remove("PCMK_panic_action")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0);
        if self.single_process {
            command.arg("--single-process");
        }
        node.child = Some(command.spawn()?);
        Ok(())
    }

    /// Takes a node's power away: SIGKILL to every process of it.
    pub fn kill(&mut self, index: usize) -> usize {
        let killed = kill_node(&self.nodes[index].home);
        self.reap(index);
        killed
    }

    fn reap(&mut self, index: usize) {
        if let Some(mut child) = self.nodes[index].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Cluster {
    /// Nothing of the demonstration is left behind.
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            self.kill(index);
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("demo: {}: {error}", self.directory.display());
        }
    }
}

/// Processes of a node: those whose environment carries its mark.
fn processes_of(home: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", home.display()).into_bytes();
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
        let pid = Pid::from_raw(pid)
            .filter(|pid| marked && pid.as_raw_nonzero().get().unsigned_abs() != own);
        found.extend(pid);
    }
    found
}

/// Kills every process of a node, until there is none left; how many there were.
pub fn kill_node(home: &Path) -> usize {
    let mut killed = 0;
    for _ in 0..50 {
        let found = processes_of(home);
        let alive: Vec<Pid> = found.into_iter().filter(|pid| !is_zombie(*pid)).collect();
        if alive.is_empty() {
            break;
        }
        killed += alive.len();
        for pid in alive {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    killed
}

fn is_zombie(pid: Pid) -> bool {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let stat = fs::read_to_string(path).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}
