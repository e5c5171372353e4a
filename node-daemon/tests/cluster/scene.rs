//! The test bed of the stories: nodes, a fence device `F`, a service `d` that prefers node2 and a promotable
//! clone `s-clone`; what a story does to them, and what it can see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cib_model::xpath::XPath;
use node_daemon::subsystem::{
    Body, CibOperation, CibRequest, CibUpdate, FenceAnswer, FenceRequest, FencingResult,
    FencingTask, NodeId, Room, Scope,
};

use crate::agents::{Deed, Reality};
use crate::world::{World, id, name};
use crate::{assert_agreement, assert_sound};

/// What the bed is made of.
#[derive(Debug, Clone)]
pub struct Bed {
    pub nodes: u32,
    /// Cluster options.
    pub options: Vec<(&'static str, &'static str)>,
    /// Meta-attributes of `d`.
    pub meta: Vec<(&'static str, &'static str)>,
    /// The `quorum` section.
    pub quorum: Vec<(&'static str, &'static str)>,
    /// Fence devices in place of `F`.
    pub devices: Option<String>,
    /// The `nodes` section names all nodes.
    pub listed: bool,
}

impl Bed {
    pub fn of(nodes: u32) -> Bed {
        Bed {
            nodes,
            options: Vec::new(),
            meta: vec![("migration-threshold", "2")],
            quorum: Vec::new(),
            devices: None,
            listed: true,
        }
    }

    pub fn three() -> Bed {
        Bed::of(3)
    }

    pub fn option(mut self, name: &'static str, value: &'static str) -> Bed {
        self.options.push((name, value));
        self
    }

    pub fn meta(mut self, name: &'static str, value: &'static str) -> Bed {
        self.meta.push((name, value));
        self
    }

    pub fn quorum(mut self, name: &'static str, value: &'static str) -> Bed {
        self.quorum.push((name, value));
        self
    }

    /// A fence device that can fence these nodes, with one more parameter.
    pub fn device(id: &str, hosts: &str, parameter: Option<(&str, &str)>) -> String {
        let parameter = parameter.map_or_else(String::new, |(name, value)| {
            format!("<nvpair id='{id}-p' name='{name}' value='{value}'/>")
        });
        format!(
            "<primitive id='{id}' class='stonith' type='fence_virtual'><instance_attributes id='{id}-i'>\
             <nvpair id='{id}-hosts' name='pcmk_host_list' value='{hosts}'/>{parameter}</instance_attributes>\
             </primitive>"
        )
    }

    fn pairs(prefix: &str, pairs: &[(&str, &str)]) -> String {
        let pair = |(name, value): &(&str, &str)| {
            format!("<nvpair id='{prefix}-{name}' name='{name}' value='{value}'/>")
        };
        pairs.iter().map(pair).collect()
    }

    fn xml(&self) -> String {
        let hosts: Vec<String> = (1..=self.nodes).map(|number| name(id(number))).collect();
        let entry = |(i, host): (usize, &String)| format!("<node id='{}' uname='{host}'/>", i + 1);
        let listed: String =
            if self.listed { hosts.iter().enumerate().map(entry).collect() } else { String::new() };
        let devices =
            self.devices.clone().unwrap_or_else(|| Bed::device("F", &hosts.join(" "), None));
        let mut options = self.options.clone();
        if !options.iter().any(|(name, _)| *name == "stonith-enabled") {
            options.push(("stonith-enabled", "true"));
        }
        format!(
            "<cib crm_feature_set='3.20.5' validate-with='pacemaker-3.9' admin_epoch='0' epoch='5' \
             num_updates='0'><configuration><crm_config><cluster_property_set id='cib-bootstrap-options'>{}\
             </cluster_property_set></crm_config><nodes>{listed}</nodes><resources>{devices}\
             <primitive id='d' class='ocf' provider='virtual' type='Dummy'><meta_attributes id='d-meta'>{}\
             </meta_attributes><operations><op id='d-monitor' name='monitor' interval='10s' timeout='20s'/>\
             <op id='d-stop' name='stop' interval='0' timeout='20s'/></operations></primitive>\
             <clone id='s-clone'><meta_attributes id='s-meta'><nvpair id='s-promotable' name='promotable' \
             value='true'/></meta_attributes><primitive id='s' class='ocf' provider='virtual' type='Stateful'>\
             <operations><op id='s-promoted' name='monitor' interval='11s' role='Promoted' timeout='20s'/>\
             <op id='s-unpromoted' name='monitor' interval='12s' timeout='20s'/></operations></primitive></clone>\
             </resources><constraints><rsc_location id='d-prefers' rsc='d' node='node2' score='10'/></constraints>\
             </configuration><status/></cib>",
            Bed::pairs("o", &options),
            Bed::pairs("d", &self.meta),
        )
    }

    /// The nodes are there, and off.
    pub fn dark(&self, seed: u64) -> Scene {
        let mut world = World::new(self.nodes, seed);
        world.quorum_options.clone_from(&self.quorum);
        world.configure(&self.xml());
        Scene { world, mark: 0, next: 1000 }
    }

    /// All nodes run and the cluster is settled.
    pub fn settled(&self, seed: u64) -> Scene {
        let mut scene = self.dark(seed);
        scene.world.start_all();
        scene.settle();
        scene.mark();
        scene
    }
}

/// A story under way.
pub struct Scene {
    pub world: World,
    mark: usize,
    next: u64,
}

/// Longest time in which a cluster must come to rest.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Tells a story with several orders of events, or with the one of `CLUSTER_SEED`, in all detail.
pub fn each_seed(story: impl Fn(u64)) {
    if let Some(seed) = crate::variable("CLUSTER_SEED") {
        crate::chronicle::start();
        return story(seed);
    }
    for seed in 1..=4 {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(seed)));
        if let Err(cause) = told {
            eprintln!("with seed {seed}:");
            std::panic::resume_unwind(cause);
        }
    }
}

impl Scene {
    pub fn run(&mut self, seconds: f64) {
        self.world.run_for(Duration::from_secs_f64(seconds));
    }

    /// Waits for a condition, at most as long as a cluster may need to come to rest.
    pub fn until(&mut self, what: &str, condition: impl FnMut(&World) -> bool) {
        let end = self.world.now + PATIENCE;
        let met = self.world.run_until(end, condition);
        assert!(met, "{what} does not come:\n{}{}", self.world.states(), self.report());
    }

    /// Waits until the cluster was quiet for two seconds.
    pub fn settle(&mut self) {
        let mut since: Option<Duration> = None;
        self.until("rest", |world| {
            since = if world.is_stable() { since.or(Some(world.now)) } else { None };
            since.is_some_and(|since| world.now > since + Duration::from_secs(2))
        });
    }

    /// Settled, and nothing is wrong that must never be wrong.
    pub fn finish(&mut self) {
        self.settle();
        assert_sound(&self.world);
        assert_agreement(&self.world);
        let pending = self.select("//lrm_rsc_op[@op-status='-1']", "id");
        assert!(pending.is_empty(), "operations are pending: {pending:?}");
        assert_eq!(self.table(), self.table_in_cib(), "the attributes in the CIB are not those");
        let led = self.world.nodes.values().filter(|sim| sim.controller.leads()).count();
        assert_eq!(led, 1, "DCs");
    }

    /// Attributes with a value on nodes that are here.
    fn table(&self) -> BTreeSet<(String, String, String)> {
        let sim = &self.world.nodes[&self.dc()];
        let mut table = BTreeSet::new();
        for (attribute, values) in sim.attributes.manager().attributes() {
            if values.is_private {
                continue;
            }
            for value in values.values().filter(|value| value.current.is_some()) {
                let text = value.current.clone().unwrap_or_default();
                table.insert((attribute.to_owned(), value.node.clone(), text));
            }
        }
        table
    }

    fn table_in_cib(&self) -> BTreeSet<(String, String, String)> {
        let mut table = BTreeSet::new();
        let document = self.world.nodes[&self.dc()].cib.document();
        let found = XPath::parse("//transient_attributes//nvpair").unwrap();
        for pair in found.elements(document).unwrap() {
            let state = pair.ancestors().find(|element| element.name() == "node_state").unwrap();
            let text = |name| pair.attribute(name).unwrap_or_default().to_owned();
            let node = state.attribute("uname").unwrap_or_default().to_owned();
            table.insert((text("name"), node, text("value")));
        }
        table
    }

    pub fn dc(&self) -> NodeId {
        let led = self.world.nodes.iter().find(|(_, sim)| sim.controller.leads());
        *led.unwrap_or_else(|| panic!("nobody leads:\n{}", self.world.states())).0
    }

    /// A node that runs, does not lead, and is none of these.
    pub fn other_than(&self, nodes: &[NodeId]) -> NodeId {
        let dc = self.dc();
        let free = |node: &&NodeId| **node != dc && !nodes.contains(node);
        *self.world.nodes.keys().find(free).expect("a node that does not lead")
    }

    /// The value of an attribute of all elements that an expression selects, at the DC.
    pub fn select(&self, expression: &str, attribute: &str) -> Vec<String> {
        self.select_at(self.dc(), expression, attribute)
    }

    pub fn select_at(&self, node: NodeId, expression: &str, attribute: &str) -> Vec<String> {
        let document = self.world.nodes[&node].cib.document();
        let found = XPath::parse(expression).unwrap();
        let values = found.elements(document).unwrap();
        values
            .into_iter()
            .map(|element| element.attribute(attribute).unwrap_or_default().to_owned())
            .collect()
    }

    /// An attribute of a node's state.
    pub fn state(&self, node: NodeId, attribute: &str) -> String {
        self.select(&format!("//node_state[@id='{node}']"), attribute).concat()
    }

    /// Asserts what the CIB says of a node.
    pub fn assert_state(
        &self,
        node: NodeId,
        in_ccm: bool,
        online: bool,
        join: &str,
        expected: &str,
    ) {
        let seen = |attribute| self.state(node, attribute) != "0";
        let is =
            (seen("in_ccm"), seen("crmd"), self.state(node, "join"), self.state(node, "expected"));
        assert_eq!(is, (in_ccm, online, join.to_owned(), expected.to_owned()), "node {node}");
    }

    /// A transient attribute of a node as the CIB has it.
    pub fn attribute(&self, node: NodeId, attribute: &str) -> Option<String> {
        let path =
            format!("//node_state[@id='{node}']/transient_attributes//nvpair[@name='{attribute}']");
        self.select(&path, "value").pop()
    }

    pub fn epoch(&self) -> (u64, u64) {
        let number = |name| self.select("/cib", name).concat().parse().unwrap_or(0);
        (number("admin_epoch"), number("epoch"))
    }

    /// Where a resource is active.
    pub fn places(&self, resource: &str) -> Vec<NodeId> {
        has(&self.reality().active, resource)
    }

    pub fn promoted(&self) -> Vec<NodeId> {
        has(&self.reality().promoted, "s")
    }

    /// The one node where a resource is active.
    pub fn place(&self, resource: &str) -> NodeId {
        let places = self.places(resource);
        assert_eq!(places.len(), 1, "{resource} is active on {places:?}");
        places[0]
    }

    pub fn reality(&self) -> std::sync::MutexGuard<'_, Reality> {
        self.world.reality.lock().unwrap()
    }

    /// What agents did so far does not count from now on.
    pub fn mark(&mut self) {
        let done = self.reality().deeds.len();
        self.mark = done;
    }

    /// Everything agents began since the mark, recurring monitors left out.
    pub fn deeds(&self) -> Vec<Deed> {
        let reality = self.reality();
        reality.deeds[self.mark..].iter().filter(|deed| deed.interval == 0).cloned().collect()
    }

    /// Where an action was begun since the mark.
    pub fn did(&self, resource: &str, action: &str) -> Vec<NodeId> {
        let of = |deed: &Deed| deed.resource == resource && deed.action == action;
        self.deeds().into_iter().filter(of).map(|deed| deed.node).collect()
    }

    /// What was started, stopped, promoted and demoted since the mark, in one line each.
    pub fn changes(&self) -> Vec<String> {
        let change = |deed: &Deed| deed.action != "monitor" && deed.action != "notify";
        let told = |deed: Deed| format!("{} {} {}", deed.action, deed.resource, name(deed.node));
        self.deeds().into_iter().filter(change).map(told).collect()
    }

    pub fn fenced(&self) -> Vec<String> {
        self.reality().fenced.clone()
    }

    fn report(&self) -> String {
        let reality = self.reality();
        format!("active {:?}\nfenced {:?}\n{:#?}", reality.active, reality.fenced, self.world.log)
    }

    /// Changes the CIB as `cibadmin` does at a node.
    pub fn update(&mut self, node: NodeId, update: CibUpdate) {
        let operation = CibOperation::Update { update, dry_run: false };
        let request = CibRequest { token: 0, operation, client: "cibadmin".to_owned(), user: None };
        self.world.deliver(node, Room::Cib, request.into());
    }

    pub fn set_option(&mut self, option: &str, value: &str) {
        let text = format!(
            "<cluster_property_set id='cib-bootstrap-options'><nvpair id='o-{option}' name='{option}' \
             value='{value}'/></cluster_property_set>"
        );
        let node = *self.world.nodes.keys().next().unwrap();
        self.world.modify(node, 0, "crm_config", &text);
    }

    /// Sets a meta-attribute of `d`.
    pub fn set_meta(&mut self, attribute: &str, value: &str) {
        let text = format!(
            "<primitive id='d'><meta_attributes id='d-meta'><nvpair id='d-{attribute}' name='{attribute}' \
             value='{value}'/></meta_attributes></primitive>"
        );
        let node = *self.world.nodes.keys().next().unwrap();
        self.world.modify(node, 0, "resources", &text);
    }

    pub fn delete(&mut self, expression: &str) {
        let scope = Scope::XPath { expression: expression.to_owned(), multiple: false };
        let node = *self.world.nodes.keys().next().unwrap();
        self.update(node, CibUpdate::Delete { scope, content: None });
    }

    /// Asks a fencer as `stonith_admin` does; its answer is found by the token.
    pub fn ask_fencer(&mut self, node: NodeId, task: FencingTask) -> u64 {
        self.next += 1;
        let token = self.next;
        let request = FenceRequest { token, client: "stonith_admin".to_owned(), task };
        self.world.deliver(node, Room::Fencer, request.into());
        token
    }

    pub fn fencing_ended(&self, token: u64) -> Option<FencingResult> {
        self.world.answers.iter().find_map(|(_, body)| match body {
            Body::FenceAnswer(FenceAnswer::Ended { token: of, result }) if *of == token => {
                Some(result.clone())
            }
            _ => None,
        })
    }

    /// Past fencing of a node, as a fencer tells it: whether it worked, and who executed.
    pub fn fencing_history(&mut self, target: NodeId) -> Vec<(bool, Option<String>, String)> {
        let node = *self.world.nodes.keys().next().unwrap();
        let token = self.ask_fencer(node, FencingTask::History { target: Some(name(target)) });
        self.run(0.1);
        let records = self.world.answers.iter().find_map(|(_, body)| match body {
            Body::FenceAnswer(FenceAnswer::History { token: of, records }) if *of == token => {
                Some(records.clone())
            }
            _ => None,
        });
        let told = |record: &node_daemon::subsystem::FencingRecord| {
            let ok = record.result.as_ref().is_some_and(|result| result.ok);
            (ok, record.delegate.clone(), record.client.clone())
        };
        records.expect("the fencer tells its history").iter().map(told).collect()
    }

    /// The result of a cluster-wide confirmation by a human that a node is off.
    pub fn confirm_by_hand(&mut self, target: NodeId) -> FencingResult {
        let node = *self.world.nodes.keys().next().unwrap();
        self.world.reality.lock().unwrap().is_clean(target);
        let token = self.ask_fencer(node, FencingTask::Confirm { target: name(target) });
        self.run(0.5);
        self.fencing_ended(token).expect("an answer")
    }
}

fn has(table: &BTreeMap<NodeId, BTreeSet<String>>, resource: &str) -> Vec<NodeId> {
    table.iter().filter(|(_, set)| set.contains(resource)).map(|(node, _)| *node).collect()
}
