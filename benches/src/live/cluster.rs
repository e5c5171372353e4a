//! Three nodes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::node::{Namespaces, Node, address, output};
use super::{Failure, agents, wait_for, wall};

/// Names under which the program is a command line.
const TOOLS: [&str; 10] = [
    "node-daemon",
    "crm_mon",
    "cibadmin",
    "crm_attribute",
    "attrd_updater",
    "crm_node",
    "crm_resource",
    "crm_standby",
    "crmadmin",
    "stonith_admin",
];

const STEP: Duration = Duration::from_millis(50);

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The program `node-daemon`.
    pub program: PathBuf,
    /// Token timeout in milliseconds.
    pub token: u32,
    /// How many nodes.
    pub nodes: usize,
    /// Options of `node-daemon run`.
    pub options: Vec<String>,
    /// Leave the folder with the logs behind.
    pub keep: bool,
}

/// What the cluster says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The DC's name.
    pub dc: String,
    /// Whether each node is a member.
    pub online: BTreeMap<String, bool>,
    /// Where each active resource runs.
    pub active: BTreeMap<String, Vec<String>>,
}

/// A cluster in namespaces. It ends when dropped.
pub struct Cluster {
    folder: PathBuf,
    setup: Setup,
    switch: Namespaces,
    nodes: Vec<Option<Node>>,
    generation: usize,
}

fn executable(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

impl Cluster {
    /// Nodes that are switched on; no daemon runs.
    ///
    /// # Errors
    /// When that fails.
    pub fn build(setup: Setup) -> Result<Cluster, Failure> {
        let folder = std::env::temp_dir().join(format!("understudy-live-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin"))?;
        fs::create_dir_all(folder.join("etc"))?;
        for name in TOOLS {
            symlink(&setup.program, folder.join("bin").join(name))?;
        }
        let events = folder.join("events").display().to_string();
        fs::write(&events, "")?;
        executable(&folder.join("resource.d/measured/Stamp"), &agents::stamp(&events))?;
        executable(&folder.join("fence/fence_stamp"), &agents::fence(&events))?;
        fs::write(folder.join("etc/corosync.conf"), configuration(setup.token, setup.nodes))?;
        let nodes = (0..setup.nodes).map(|_| None).collect();
        let switch = Namespaces::switch()?;
        let mut cluster = Cluster { folder, setup, switch, nodes, generation: 0 };
        for number in 1..=cluster.setup.nodes {
            cluster.switch_on(number)?;
        }
        Ok(cluster)
    }

    /// A cluster that runs and is settled.
    ///
    /// # Errors
    /// When it does not get that far.
    pub fn up(setup: Setup, options: &[(&str, &str)]) -> Result<Cluster, Failure> {
        let cluster = Cluster::build(setup)?;
        cluster.launch_all()?;
        cluster.settled(&[])?;
        for (name, value) in options {
            cluster.set_option(name, value)?;
        }
        cluster.settled(&[])?;
        Ok(cluster)
    }

    /// Starts the daemons of all nodes; the wall-clock time just before.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn launch_all(&self) -> Result<u128, Failure> {
        let began = wall();
        for node in self.alive() {
            node.launch(&self.setup.options)?;
        }
        Ok(began)
    }

    /// Switches a node on; its daemon does not run yet.
    ///
    /// # Errors
    /// When that fails.
    pub fn switch_on(&mut self, number: usize) -> Result<(), Failure> {
        self.generation += 1;
        let node = Node::start(&self.folder, &self.switch, number, self.generation)?;
        self.nodes[number - 1] = Some(node);
        Ok(())
    }

    /// Switches a node on and starts its daemon.
    ///
    /// # Errors
    /// When that fails.
    pub fn bring_back(&mut self, name: &str) -> Result<(), Failure> {
        let number = self.number(name)?;
        self.switch_on(number)?;
        self.node(name)?.launch(&self.setup.options)
    }

    fn number(&self, name: &str) -> Result<usize, Failure> {
        let number = name.strip_prefix('n').and_then(|number| number.parse().ok());
        let known = number.filter(|number| (1..=self.setup.nodes).contains(number));
        known.ok_or_else(|| format!("there is no node {name}").into())
    }

    /// Takes the power of a node away; the wall-clock time just before.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn kill(&mut self, name: &str) -> Result<u128, Failure> {
        let number = self.number(name)?;
        let node = self.nodes[number - 1].take();
        let mut node = node.ok_or_else(|| format!("{name} is off"))?;
        Ok(node.kill())
    }

    /// The nodes that are switched on.
    pub fn alive(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// The first node that is switched on.
    ///
    /// # Errors
    /// When there is none.
    pub fn any(&self) -> Result<&Node, Failure> {
        self.alive().next().ok_or_else(|| "all nodes are off".into())
    }

    /// A node by its name.
    ///
    /// # Errors
    /// When it is off.
    pub fn node(&self, name: &str) -> Result<&Node, Failure> {
        let found = self.alive().find(|node| node.name == name);
        found.ok_or_else(|| format!("{name} is off").into())
    }

    /// A node other than this one, the last.
    ///
    /// # Errors
    /// When there is none.
    pub fn other(&self, name: &str) -> Result<String, Failure> {
        let found = self.alive().filter(|node| node.name != name).last();
        found.map(|node| node.name.clone()).ok_or_else(|| "there is but one node".into())
    }

    /// What the cluster says of itself, if it has a DC.
    pub fn status(&self) -> Option<Status> {
        let text = self.any().ok()?.run(&["crm_mon", "-1", "--output-as=xml"]).ok()?;
        read_status(&text)
    }

    /// Waits until all nodes that are on are members, the DC is idle, and the resources named run exactly on
    /// the nodes named; the DC's name.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn settled(&self, places: &[(&str, &str)]) -> Result<String, Failure> {
        let look = || -> Result<Option<String>, Failure> {
            let Some(status) = self.status() else { return Ok(None) };
            let members =
                self.alive().all(|node| status.online.get(&node.name).is_some_and(|on| *on));
            let placed = places.iter().all(|(resource, node)| {
                status.active.get(*resource).is_some_and(|on| *on == [*node])
            });
            let Ok(leader) = self.node(&status.dc) else { return Ok(None) };
            let state = leader.run(&["crmadmin", "-S", &status.dc]).unwrap_or_default();
            let idle = state.contains("S_IDLE");
            Ok((members && placed && idle).then_some(status.dc))
        };
        let what = format!("settled {places:?}");
        loop {
            let dc = wait_for(&what, Duration::from_secs(90), STEP, look)?;
            std::thread::sleep(Duration::from_millis(300));
            if look()?.is_some() {
                return Ok(dc);
            }
        }
    }

    /// The first event after `from` that `wanted` likes: its time.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn event(
        &self,
        from: u128,
        what: &str,
        wanted: impl Fn(&Event<'_>) -> bool,
    ) -> Result<u128, Failure> {
        wait_for(what, Duration::from_secs(90), Duration::from_millis(10), || {
            let text = self.events()?;
            Ok(text
                .lines()
                .filter_map(Event::read)
                .find(|event| event.at >= from && wanted(event))
                .map(|event| event.at))
        })
    }

    /// What the agents wrote down.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn events(&self) -> Result<String, Failure> {
        Ok(fs::read_to_string(self.folder.join("events"))?)
    }

    /// Changes a section of the CIB with `cibadmin`.
    ///
    /// # Errors
    /// When that fails.
    pub fn change(&self, section: &str, xml: &str) -> Result<(), Failure> {
        let mut command = self.any()?.command("cibadmin");
        command.args(["-M", "-c", "-o", section, "-p"]);
        output(&mut command, Some(xml)).map(drop)
    }

    /// Sets a cluster option.
    ///
    /// # Errors
    /// When that fails.
    pub fn set_option(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.change(
            "crm_config",
            &format!(
                "<cluster_property_set id=\"cib-bootstrap-options\"><nvpair id=\"o-{name}\" \
                 name=\"{name}\" value=\"{value}\"/></cluster_property_set>"
            ),
        )
    }

    /// Lets a resource prefer a node.
    ///
    /// # Errors
    /// When that fails.
    pub fn prefer(&self, resource: &str, node: &str) -> Result<(), Failure> {
        self.change(
            "constraints",
            &format!(
                "<rsc_location id=\"at-{resource}\" rsc=\"{resource}\" node=\"{node}\" score=\"100\"/>"
            ),
        )
    }

    /// Adds the fence device.
    ///
    /// # Errors
    /// When that fails.
    pub fn add_fence_device(&self) -> Result<(), Failure> {
        let names: Vec<String> =
            (1..=self.setup.nodes).map(|number| format!("n{number}")).collect();
        self.change(
            "resources",
            &format!(
                "<primitive id=\"fence\" class=\"stonith\" type=\"fence_stamp\"><instance_attributes \
                 id=\"fence-i\"><nvpair id=\"fence-l\" name=\"pcmk_host_list\" value=\"{}\"/>\
                 </instance_attributes></primitive>",
                names.join(" ")
            ),
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        if self.setup.keep {
            eprintln!("logs are in {}", self.folder.display());
        } else if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}

/// What an agent wrote down.
#[derive(Debug, Clone, Copy)]
pub struct Event<'l> {
    /// When, in nanoseconds since 1970.
    pub at: u128,
    /// The node the agent ran on.
    pub node: &'l str,
    /// The resource, or `fence:` and the target.
    pub resource: &'l str,
    /// The action.
    pub action: &'l str,
}

impl<'l> Event<'l> {
    /// Reads a line; nothing when it is half written.
    pub fn read(line: &'l str) -> Option<Event<'l>> {
        let mut words = line.split(' ');
        let at = words.next()?.parse().ok()?;
        Some(Event { at, node: words.next()?, resource: words.next()?, action: words.next()? })
    }
}

fn configuration(token: u32, nodes: usize) -> String {
    let list: String = (1..=nodes)
        .map(|number| {
            format!(
                "    node {{\n        ring0_addr: {}\n        name: n{number}\n        nodeid: {number}\n    }}\n",
                address(number)
            )
        })
        .collect();
    format!(
        "totem {{\n    version: 2\n    cluster_name: measured\n    transport: knet\n    token: {token}\n    \
         token_coefficient: 0\n    crypto_cipher: none\n    crypto_hash: none\n    interface {{\n        \
         linknumber: 0\n        knet_ping_interval: 250\n        knet_ping_timeout: 500\n    }}\n}}\n\
         nodelist {{\n{list}}}\nquorum {{\n    provider: corosync_votequorum\n}}\n"
    )
}

fn read_status(text: &str) -> Option<Status> {
    let document = roxmltree::Document::parse(text).ok()?;
    let all = || document.descendants();
    let dc = all().find(|node| node.has_tag_name("current_dc"))?;
    if dc.attribute("present") != Some("true") {
        return None;
    }
    let mut status = Status { dc: dc.attribute("name")?.to_owned(), ..Status::default() };
    for node in all().filter(|node| node.has_tag_name("node")) {
        let (Some(name), Some(parent)) = (node.attribute("name"), node.parent_element()) else {
            continue;
        };
        if parent.has_tag_name("nodes") {
            let on = node.attribute("online") == Some("true")
                && node.attribute("pending") == Some("false");
            status.online.insert(name.to_owned(), on);
        } else if parent.has_tag_name("resource") && parent.attribute("active") == Some("true") {
            let id = parent.attribute("id").unwrap_or_default().to_owned();
            status.active.entry(id).or_default().push(name.to_owned());
        }
    }
    Some(status)
}
