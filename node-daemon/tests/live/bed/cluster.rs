//! A cluster in a bed: started, looked at, and broken.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::events::{self, Event};
use super::namespaces::{Namespaces, output};
use super::node::{Node, Shared, address};
use super::power::{Order, Power};
use super::status::Status;
use super::{Bed, FenceMode, Ground, agents, name, network};

/// One cluster at a time.
static TURN: Mutex<()> = Mutex::new(());

/// How long anything may take to come about, on a machine that has much else to do.
pub const LIMIT: Duration = Duration::from_secs(120);
const STEP: Duration = Duration::from_millis(50);

/// Names under which the program is a command line.
const TOOLS: [&str; 11] = [
    "node-daemon",
    "crm_mon",
    "cibadmin",
    "crm_attribute",
    "crm_master",
    "attrd_updater",
    "crm_node",
    "crm_resource",
    "crm_standby",
    "crmadmin",
    "stonith_admin",
];

pub struct Cluster {
    power: Power,
    switch: Option<Namespaces>,
    ports: BTreeMap<String, String>,
    shared: Shared,
    bed: Bed,
    generation: usize,
    /// Where in the history of events [`Cluster::mark`] was called last.
    marked: usize,
    begun: Instant,
    _turn: MutexGuard<'static, ()>,
}

impl Bed {
    /// Nodes that are switched on, without daemons. Nothing when this machine has no namespaces, which in CI
    /// is a failure.
    pub fn dark(self) -> Option<Cluster> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        match self.build(turn) {
            Ok(cluster) => Some(cluster),
            Err(error) => {
                let why =
                    format!("namespaces for network, mounts and processes are needed: {error}");
                assert!(std::env::var_os("CI").is_none(), "{why}");
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    /// A cluster that runs and has settled.
    pub fn settled(self) -> Option<Cluster> {
        let mut cluster = self.dark()?;
        for node in cluster.nodes() {
            node.launch().unwrap();
        }
        cluster.until("all is started", |status| {
            let promotable = !status.active.contains_key("s") || status.promoted("s").len() == 1;
            status.active.contains_key("F") && status.active.contains_key("d") && promotable
        });
        cluster.settle();
        cluster.mark();
        Some(cluster)
    }

    fn build(self, turn: MutexGuard<'static, ()>) -> std::io::Result<Cluster> {
        let switch = match self.ground {
            Ground::Namespaces => Some(Namespaces::switch()?),
            Ground::Loopback => None,
        };
        // Process ids do not tell beds apart: each run may have a namespace of its own for them.
        let folder = tempfile::Builder::new().prefix("understudy-bed-").tempdir()?.keep();
        for place in ["bin", "etc"] {
            fs::create_dir_all(folder.join(place))?;
        }
        for tool in TOOLS {
            symlink(env!("CARGO_BIN_EXE_node-daemon"), folder.join("bin").join(tool))?;
        }
        agents::write(&folder);
        fs::write(folder.join("events"), "")?;
        let port = match self.ground {
            Ground::Namespaces => 5405,
            Ground::Loopback => std::net::UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port(),
        };
        let addresses: Vec<String> =
            (1..=self.nodes).map(|number| address(self.ground, number)).collect();
        fs::write(folder.join("etc/corosync.conf"), self.configuration(&addresses, port))?;
        for number in 1..=self.nodes {
            let home = folder.join(name(number)).join("state/cib");
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
            fs::write(home.join("cib.xml"), self.cib())?;
        }
        let ocf_root = self.ocf_root.clone().unwrap_or_else(|| folder.join("ocf"));
        let shared = Shared { folder: folder.clone(), ocf_root };
        let mut cluster = Cluster {
            power: Power::new(&folder),
            switch,
            ports: BTreeMap::new(),
            shared,
            bed: self,
            generation: 0,
            marked: 0,
            begun: Instant::now(),
            _turn: turn,
        };
        for number in 1..=cluster.bed.nodes {
            cluster.switch_on(number)?;
        }
        Ok(cluster)
    }
}

impl Cluster {
    fn switch_on(&mut self, number: usize) -> std::io::Result<Arc<Node>> {
        self.generation += 1;
        let port = format!("p{number}g{}", self.generation);
        let node = Node::start(&self.shared, self.switch.as_ref(), number, &port)?;
        self.ports.insert(node.name.clone(), port);
        Ok(self.power.switch_on(node))
    }

    /// Switches a node on that was off, and starts its daemon.
    pub fn bring_back(&mut self, name: &str) {
        let number = name.trim_start_matches("node").parse().unwrap();
        self.switch_on(number).unwrap().launch().unwrap();
    }

    /// Takes a node's power away; the time just before.
    pub fn kill(&self, name: &str) -> u128 {
        self.power.switch_off(name)
    }

    pub fn fencing(&self, mode: FenceMode) {
        self.power.fencing(mode);
    }

    pub fn orders(&self) -> Vec<Order> {
        self.power.orders()
    }

    /// The targets of all orders to the power switch.
    pub fn fenced(&self) -> Vec<String> {
        self.orders().into_iter().map(|order| order.target).collect()
    }

    /// The nodes that are on.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.power.nodes()
    }

    pub fn node(&self, name: &str) -> Arc<Node> {
        let found = self.nodes().into_iter().find(|node| node.name == name);
        found.unwrap_or_else(|| panic!("{name} is off"))
    }

    /// A node that is on, other than these.
    pub fn other_than(&self, names: &[&str]) -> String {
        let nodes = self.nodes();
        let found = nodes.iter().rev().find(|node| !names.contains(&node.name.as_str()));
        found.expect("a node").name.clone()
    }

    pub fn switch(&self) -> &Namespaces {
        self.switch.as_ref().expect("nodes on loopback have no switch")
    }

    /// Pulls a node's cable, or puts it back.
    pub fn cable(&self, name: &str, plugged: bool) {
        network::cable(self.switch(), &self.ports[name], plugged);
    }

    /// The status as a node tells it.
    pub fn status_at(&self, name: &str) -> Option<Status> {
        let node = self.nodes().into_iter().find(|node| node.name == name)?;
        Status::read(&node.run("crm_mon -1 -f -r --output-as=xml").ok()?)
    }

    /// The status as the first node tells that can.
    pub fn status(&self) -> Option<Status> {
        self.nodes().iter().find_map(|node| self.status_at(&node.name))
    }

    /// Waits until something holds.
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !holds() {
            assert!(
                Instant::now() < end,
                "not within {LIMIT:?}: {what}\n{:#?}\norders {:?}\n{:#?}",
                self.status(),
                self.orders(),
                self.events()
            );
            std::thread::sleep(STEP);
        }
    }

    /// Waits until the status is as wanted.
    pub fn until(&self, what: &str, holds: impl FnMut(&Status) -> bool) {
        self.seen(what, holds);
    }

    /// The DC, when all nodes that are on have joined and it is idle.
    fn idle_dc(&self) -> Option<String> {
        let nodes = self.nodes();
        let status = self.status_at(&nodes.first()?.name)?;
        let dc = status.dc.filter(|dc| nodes.iter().any(|node| node.name == *dc))?;
        if !nodes.iter().all(|node| status.online.contains(&node.name)) {
            return None;
        }
        let state = nodes[0].run(&format!("crmadmin -S {dc}")).ok()?;
        state.contains("S_IDLE").then_some(dc)
    }

    /// Waits until the cluster has settled and stays so for a moment; the DC.
    pub fn settle(&self) -> String {
        let end = Instant::now() + 3 * LIMIT;
        loop {
            assert!(Instant::now() < end, "it settles and never stays so");
            self.wait("settled", || self.idle_dc().is_some());
            std::thread::sleep(Duration::from_millis(150));
            if let Some(dc) = self.idle_dc() {
                return dc;
            }
        }
    }

    /// Whether all others follow the DC, and all nodes hold the same CIB.
    fn is_of_one_mind(&self) -> bool {
        let Some(dc) = self.idle_dc() else { return false };
        let nodes = self.nodes();
        let mut others = nodes.iter().filter(|node| node.name != dc);
        let follows = |node: &Arc<Node>| {
            let state = node.run(&format!("crmadmin -S {}", node.name)).unwrap_or_default();
            let known = self.status_at(&node.name).and_then(|status| status.dc);
            state.contains("S_NOT_DC") && known.as_ref() == Some(&dc)
        };
        let cibs: Vec<_> = nodes.iter().map(|node| node.run("cibadmin -Q -l").ok()).collect();
        others.all(follows) && cibs.windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1])
    }

    /// Waits until the cluster has settled and the status is as wanted: what one node has acknowledged may
    /// come later to the one that is asked.
    pub fn settled_with(&self, what: &str, holds: impl FnMut(&Status) -> bool) -> Status {
        self.settle();
        self.seen(what, holds)
    }

    /// The first status that is as wanted.
    pub fn seen(&self, what: &str, mut holds: impl FnMut(&Status) -> bool) -> Status {
        let mut found = None;
        self.wait(what, || {
            found = self.status().filter(&mut holds);
            found.is_some()
        });
        found.unwrap()
    }

    /// Runs a command line on a node that is on.
    pub fn run(&self, line: &str) -> String {
        self.nodes()[0].run(line).unwrap()
    }

    /// Waits until every node reads this value of a cluster option: each reads its own CIB, where a change
    /// that was acknowledged elsewhere may come later.
    pub fn until_read(&self, option: &str, value: &str) {
        self.wait(&format!("{option} is {value} everywhere"), || {
            self.nodes().iter().all(|node| {
                let read = node.run(&format!("crm_attribute -n {option} -G -q"));
                read.is_ok_and(|read| read.trim() == value)
            })
        });
    }

    /// Adds to a section of the CIB.
    pub fn create(&self, section: &str, xml: &str) {
        let file = self.shared.folder.join("new.xml");
        fs::write(&file, xml).unwrap();
        self.run(&format!("cibadmin -C -o {section} -x {}", file.display()));
    }

    /// Tells a node's daemon to end; its exit status. The node stays on.
    pub fn leave(&self, name: &str) -> Option<i32> {
        let node = self.node(name);
        node.signal(None, Signal::TERM);
        node.ended(LIMIT)
    }

    /// Everything that agents and the power switch did.
    pub fn events(&self) -> Vec<Event> {
        events::read(&fs::read_to_string(self.shared.folder.join("events")).unwrap())
    }

    /// From here on [`Cluster::did`] counts.
    pub fn mark(&mut self) {
        self.marked = self.events().len();
    }

    /// The events since the mark, of a resource and an action.
    pub fn did(&self, resource: &str, action: &str) -> Vec<Event> {
        let mut events = self.events().split_off(self.marked);
        events.retain(|event| event.resource == resource && event.action == action);
        events
    }

    /// Everything but `off` since the mark.
    pub fn changes(&self) -> Vec<Event> {
        let mut events = self.events().split_off(self.marked);
        events.retain(|event| event.action != "off");
        events
    }

    /// Where `d` runs, once it runs on one node.
    pub fn place(&self) -> String {
        let status = self.seen("d runs on one node", |status| status.places("d").len() == 1);
        status.places("d")[0].to_owned()
    }

    /// Waits until `d` is started on a node, or on any.
    pub fn started(&self, wanted: impl Fn(&str) -> bool) -> Event {
        let mut found = None;
        self.wait("d is started", || {
            found = self.did("d", "start").into_iter().find(|event| wanted(&event.node));
            found.is_some()
        });
        found.unwrap()
    }

    /// A file by which agents misbehave: `fail/d.start.node2`, `slow/d.start`.
    pub fn knob(&self, file: &str, content: Option<&str>) {
        let path = self.shared.folder.join(file);
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }

    /// Whether an action was begun that a file in `slow` holds up.
    pub fn is_held_up(&self, action: &str) -> bool {
        self.shared.folder.join("held").join(action).exists()
    }

    /// Kills the process of a service.
    pub fn kill_service(&self, resource: &str, node: &str) {
        let file = self.node(node).in_run(&format!("{resource}.pid"));
        let pid = fs::read_to_string(file).unwrap();
        let mut command = self.node(node).command("kill");
        output(command.args(["-9", pid.trim()])).unwrap();
    }

    /// The end of a story: settled, nothing ran twice, and nothing was started before it was safe.
    pub fn finish(self) {
        self.settle();
        self.wait("all nodes agree", || self.is_of_one_mind());
        assert_eq!(events::violations(&self.events(), &["d"]), [] as [String; 0]);
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        eprintln!("{test}: {:.1} s", self.begun.elapsed().as_secs_f64());
    }

    fn logs(&self) -> Vec<PathBuf> {
        (1..=self.bed.nodes)
            .map(|number| self.shared.folder.join(name(number)).join("log"))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in self.logs() {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let last = lines.len().saturating_sub(60);
                eprintln!("{}:\n{}", log.display(), lines[last..].join("\n"));
            }
        }
        for node in self.nodes() {
            self.power.switch_off(&node.name);
        }
        if std::env::var_os("LIVE_KEEP").is_some() {
            eprintln!("kept: {}", self.shared.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.shared.folder);
        }
    }
}
