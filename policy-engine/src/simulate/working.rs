//! The working CIB of a simulation: status entries found fast, changed as a live cluster would
//! (spec 40 §4.2, §4.3, §4.7, §4.8, §6.4).

use crate::transition::{Attributes, FEATURE_SET};
use cib_model::digest::ParameterSet;
use cib_model::scalar::{parse_integer, sanitize_id};
use cib_model::{Document, Element, ElementId};
use foldhash::HashMap;
use std::sync::Arc;

/// UUID part of simulated transition keys.
const SIMULATED_UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

/// Why a simulated change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkingError {
    /// Two state entries for one node.
    #[error("Multiple node_state entries for node '{0}': one is needed")]
    SeveralStates(String),
    /// A node nobody knows.
    #[error(
        "Node '{0}' is not in the configuration: name a configured node, or bring it up first (--node-up)"
    )]
    UnknownNode(String),
    /// A new history needs an agent.
    #[error(
        "Resource {resource} not found in the status section of {node} (supply class and type to continue)"
    )]
    NoAgent {
        /// The resource.
        resource: String,
        /// Id of the node.
        node: String,
    },
    /// An agent standard that cannot be executed.
    #[error("Invalid class for {resource}: {class}")]
    InvalidClass {
        /// The resource.
        resource: String,
        /// Its class.
        class: String,
    },
    /// An OCF agent without provider.
    #[error("Please specify the provider for resource {0}")]
    NoProvider(String),
}

/// Agent of a resource, for a history that has to be created.
#[derive(Debug, Clone, Copy)]
pub struct Agent<'t> {
    /// Standard.
    pub class: &'t str,
    /// Provider.
    pub provider: Option<&'t str>,
    /// Name.
    pub agent: &'t str,
}

/// A result to be recorded.
#[derive(Debug, Clone)]
pub struct Recorded<'t> {
    /// Resource name used in keys and ids.
    pub resource: &'t str,
    /// Task that was executed.
    pub task: &'t str,
    /// Interval in ms.
    pub interval_ms: u64,
    /// Exit code.
    pub rc: i32,
    /// Exit code that was expected.
    pub target_rc: i32,
    /// Why it failed, if it did.
    pub exit_reason: &'t str,
    /// Node name.
    pub node: &'t str,
    /// Parameters of the action; none for an injected result.
    pub parameters: Option<&'t Attributes>,
}

/// A CIB that a simulation changes.
#[derive(Debug, Clone)]
pub struct Working {
    /// Copied at the first change if somebody else still looks at it.
    document: Arc<Document>,
    /// Node names may be added to the configuration.
    pub create_nodes: bool,
    now: i64,
    index: Option<Index>,
}

/// Where things are in the status section.
#[derive(Debug, Clone, Default)]
struct Index {
    states: HashMap<String, Vec<ElementId>>,
    histories: HashMap<ElementId, Histories>,
}

/// Histories of a node by id; none where several entries share the id, which then name none.
type Histories = HashMap<String, Option<ElementId>>;

impl Index {
    fn build(document: &Document) -> Index {
        let mut index = Index::default();
        let status = document.root().child("status");
        for state in status.iter().flat_map(|status| status.children_named("node_state")) {
            if let Some(name) = state.attribute("uname") {
                index.states.entry(name.to_owned()).or_default().push(state.id());
            }
            let histories = index.histories.entry(state.id()).or_default();
            for resource in state.descendants().filter(|e| e.name() == "lrm_resource") {
                if let Some(id) = resource.xml_id() {
                    histories
                        .entry(id.to_owned())
                        .and_modify(|known| *known = None)
                        .or_insert(Some(resource.id()));
                }
            }
        }
        index
    }
}

impl Working {
    /// Takes a document; `now` (epoch seconds) goes into what is recorded.
    pub fn new(document: Arc<Document>, now: i64) -> Working {
        Working { document, create_nodes: false, now, index: None }
    }

    fn index(&mut self) -> &mut Index {
        self.index.get_or_insert_with(|| Index::build(&self.document))
    }

    fn edit(&mut self) -> &mut Document {
        Arc::make_mut(&mut self.document)
    }

    /// The document as it is now.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document as it is now, whatever changes later.
    pub fn snapshot(&self) -> Arc<Document> {
        Arc::clone(&self.document)
    }

    /// Gives the document back.
    pub fn into_document(self) -> Arc<Document> {
        self.document
    }

    /// Sets an attribute of the root.
    pub fn set_root_attribute(&mut self, name: &str, value: &str) {
        let root = self.document.root_id();
        self.edit().set_attribute(root, name, value);
    }

    /// A child of an element, made if missing; `id` for a new one.
    fn child(&mut self, parent: ElementId, name: &str, id: Option<&str>) -> ElementId {
        if let Some(found) = self.document.element(parent).child(name) {
            return found.id();
        }
        let made = self.edit().append_element(parent, name);
        if let Some(id) = id {
            self.edit().set_attribute(made, "id", id);
        }
        made
    }

    fn configuration(&mut self, section: &str) -> ElementId {
        let root = self.document.root_id();
        let configuration = self.child(root, "configuration", None);
        self.child(configuration, section, None)
    }

    /// Sets the cluster property `have-watchdog`.
    pub fn set_property(&mut self, name: &str, value: &str) {
        let section = self.configuration("crm_config");
        let existing = self
            .document
            .element(section)
            .descendants()
            .find(|e| e.name() == "nvpair" && e.attribute("name") == Some(name))
            .map(Element::id);
        if let Some(pair) = existing {
            self.edit().set_attribute(pair, "value", value);
            return;
        }
        const SET: &str = "cib-bootstrap-options";
        let set = self
            .document
            .element(section)
            .children_named("cluster_property_set")
            .find(|e| e.xml_id() == Some(SET))
            .map(Element::id);
        let set = set.unwrap_or_else(|| {
            let made = self.edit().append_element(section, "cluster_property_set");
            self.edit().set_attribute(made, "id", SET);
            made
        });
        let pair = self.edit().append_element(set, "nvpair");
        self.edit().set_attribute(pair, "id", &format!("{SET}-{name}"));
        self.edit().set_attribute(pair, "name", name);
        self.edit().set_attribute(pair, "value", value);
    }

    /// The id of a configured node, or of the remote node a connection makes.
    fn configured_id(&self, name: &str) -> Option<String> {
        let configuration = self.document.root().child("configuration")?;
        let node = configuration.child("nodes").and_then(|nodes| {
            nodes.children_named("node").find(|n| n.attribute("uname") == Some(name))
        });
        if let Some(node) = node {
            return node.xml_id().map(str::to_owned);
        }
        let resources = configuration.child("resources")?;
        let remote = resources.descendants().any(|e| match e.name() {
            "primitive" => e.xml_id() == Some(name) && e.attribute("type") == Some("remote"),
            "nvpair" => {
                e.attribute("name") == Some("remote-node") && e.attribute("value") == Some(name)
            }
            _ => false,
        });
        remote.then(|| name.to_owned())
    }

    /// The state entry of a node, found or made (spec 40 §4.2).
    pub fn node_state(&mut self, name: &str, id: Option<&str>) -> Result<ElementId, WorkingError> {
        if self.create_nodes && self.configured_id(name).is_none() {
            let nodes = self.configuration("nodes");
            let node = self.edit().append_element(nodes, "node");
            self.edit().set_attribute(node, "id", name);
            self.edit().set_attribute(node, "uname", name);
        }
        match self.index().states.get(name).map(Vec::as_slice) {
            Some([state]) => return Ok(*state),
            Some([_, _, ..]) => return Err(WorkingError::SeveralStates(name.to_owned())),
            _ => {}
        }
        let id = id.map(str::to_owned).or_else(|| self.configured_id(name));
        let id = id.ok_or_else(|| WorkingError::UnknownNode(name.to_owned()))?;
        let root = self.document.root_id();
        let status = self.child(root, "status", None);
        let existing = self
            .document
            .element(status)
            .children_named("node_state")
            .find(|s| s.xml_id() == Some(&id))
            .map(Element::id);
        let state = existing.unwrap_or_else(|| {
            let made = self.edit().append_element(status, "node_state");
            self.edit().set_attribute(made, "id", &id);
            made
        });
        self.edit().set_attribute(state, "uname", name);
        self.index().states.insert(name.to_owned(), vec![state]);
        Ok(state)
    }

    /// Sets what membership knows of a node (spec 40 §4.3).
    pub fn set_membership(&mut self, state: ElementId, values: [&str; 4]) {
        for (name, value) in ["in_ccm", "crmd", "join", "expected"].into_iter().zip(values) {
            self.edit().set_attribute(state, name, value);
        }
        self.edit().set_attribute(state, "crm-debug-origin", "crm_simulate");
    }

    /// Forgets a node's history and transient attributes.
    pub fn forget_node(&mut self, state: ElementId) {
        for name in ["lrm", "transient_attributes"] {
            while let Some(child) = self.document.element(state).child(name).map(Element::id) {
                self.edit().remove(child);
            }
        }
        self.index().histories.remove(&state);
    }

    /// Sets attributes of a ticket's state (spec 40 §4.4).
    pub fn set_ticket(&mut self, id: &str, name: &str, value: &str) {
        let root = self.document.root_id();
        let status = self.child(root, "status", None);
        let tickets = self.child(status, "tickets", None);
        let existing = self
            .document
            .element(tickets)
            .children_named("ticket_state")
            .find(|t| t.xml_id() == Some(id))
            .map(Element::id);
        let ticket = existing.unwrap_or_else(|| {
            let made = self.edit().append_element(tickets, "ticket_state");
            self.edit().set_attribute(made, "id", id);
            made
        });
        self.edit().set_attribute(ticket, name, value);
    }

    /// Sets a transient attribute of a node; returns its value.
    pub fn set_transient(&mut self, state: ElementId, name: &str, value: &str) {
        let node_id = self.document.element(state).xml_id().unwrap_or_default().to_owned();
        let transient = self.child(state, "transient_attributes", Some(&node_id));
        let block = self.child(transient, "instance_attributes", Some(&node_id));
        let block_id = self.document.element(block).xml_id().unwrap_or_default();
        let pair_id = sanitize_id(&format!("{block_id}-{name}")).replace(':', ".");
        let existing = self
            .document
            .element(block)
            .children_named("nvpair")
            .find(|p| p.xml_id() == Some(&pair_id))
            .map(Element::id);
        let pair = existing.unwrap_or_else(|| {
            let made = self.edit().append_element(block, "nvpair");
            self.edit().set_attribute(made, "id", &pair_id);
            made
        });
        self.edit().set_attribute(pair, "name", name);
        self.edit().set_attribute(pair, "value", value);
    }

    fn transient(&self, state: ElementId, name: &str) -> Option<&str> {
        let block = self.document.element(state).child("transient_attributes")?;
        block
            .descendants()
            .filter(|e| e.name() == "nvpair" && e.attribute("name") == Some(name))
            .last()
            .and_then(|e| e.attribute("value"))
    }

    /// Counts a failure (spec 40 §4.7); the attributes that were set, for the report.
    pub fn count_failure(
        &mut self,
        state: ElementId,
        resource: &str,
        task: &str,
        interval_ms: u64,
        rc: i32,
        infinity: bool,
    ) -> Vec<(String, String)> {
        if rc == 0 || (rc == 7 && interval_ms == 0) {
            return Vec::new();
        }
        let operation = format!("{resource}#{task}_{interval_ms}");
        let count = format!("fail-count-{operation}");
        let value = if infinity {
            "INFINITY".to_owned()
        } else {
            let before = self.transient(state, &count).and_then(parse_integer).unwrap_or(0);
            (before + 1).to_string()
        };
        let set = vec![(count, value), (format!("last-failure-{operation}"), self.now.to_string())];
        for (name, value) in &set {
            self.set_transient(state, name, value);
        }
        set
    }

    /// The history of a resource on a node, found under either name or made (spec 40 §4.8).
    pub fn history(
        &mut self,
        state: ElementId,
        display: &str,
        preferred: &str,
        agent: Option<Agent<'_>>,
    ) -> Result<ElementId, WorkingError> {
        for name in [display, preferred] {
            let known = self.index().histories.get(&state).and_then(|known| known.get(name));
            if let Some(Some(found)) = known {
                return Ok(*found);
            }
        }
        let node_id = self.document.element(state).xml_id().unwrap_or_default().to_owned();
        let agent = agent.filter(|a| !a.class.is_empty() && !a.agent.is_empty());
        let agent = agent.ok_or_else(|| WorkingError::NoAgent {
            resource: display.to_owned(),
            node: node_id.clone(),
        })?;
        let known = ["ocf", "stonith", "service", "systemd", "lsb"];
        if !known.iter().any(|c| c.eq_ignore_ascii_case(agent.class)) {
            let (resource, class) = (display.to_owned(), agent.class.to_owned());
            return Err(WorkingError::InvalidClass { resource, class });
        }
        if agent.class.eq_ignore_ascii_case("ocf") && agent.provider.is_none() {
            return Err(WorkingError::NoProvider(display.to_owned()));
        }
        let lrm = self.child(state, "lrm", Some(&node_id));
        let resources = self.child(lrm, "lrm_resources", None);
        let document = self.edit();
        let made = document.append_element(resources, "lrm_resource");
        document.set_attribute(made, "id", preferred);
        document.set_attribute(made, "class", agent.class);
        if let Some(provider) = agent.provider {
            document.set_attribute(made, "provider", provider);
        }
        document.set_attribute(made, "type", agent.agent);
        let known = self.index().histories.entry(state).or_default();
        known.insert(preferred.to_owned(), Some(made));
        Ok(made)
    }

    /// Records a result in a history (spec 40 §6.4).
    pub fn record(&mut self, history: ElementId, result: &Recorded<'_>) {
        let call_id = 1 + self
            .document
            .element(history)
            .children_named("lrm_rsc_op")
            .filter_map(|op| op.attribute("call-id").and_then(parse_integer))
            .max()
            .unwrap_or(0)
            .max(0);
        let task = match result.task {
            "reload" | "reload-agent" => "start",
            other => other,
        };
        let (mut rc, mut reason) = (result.rc, result.exit_reason);
        let key = format!("{}_{task}_{}", result.resource, result.interval_ms);
        let meta = |name: &str| result.parameters.and_then(|p| p.get(&format!("CRM_meta_{name}")));
        let failed = rc != result.target_rc;
        let mut ids = Vec::new();
        match task {
            "notify" => {
                rc = 0;
                ids.push(format!(
                    "{}_{}_notify_{}_0",
                    result.resource,
                    meta("notify_type").unwrap_or_default(),
                    meta("notify_operation").unwrap_or_default()
                ));
            }
            "migrate_to" | "migrate_from" => ids.push(key.clone()),
            _ if failed => {
                ids.push(format!("{}_last_failure_0", result.resource));
                if result.interval_ms == 0 {
                    ids.push(format!("{}_last_0", result.resource));
                }
            }
            _ if result.interval_ms > 0 => ids.push(key.clone()),
            _ => ids.push(format!("{}_last_0", result.resource)),
        }
        if !failed {
            reason = "";
        }
        let transition_key = format!("{call_id}:-1:{}:{SIMULATED_UUID}", result.target_rc);
        let mut values: Vec<(&str, String)> = vec![
            ("operation_key", key),
            ("operation", task.to_owned()),
            ("crm-debug-origin", "crm_simulate".to_owned()),
            ("crm_feature_set", FEATURE_SET.to_owned()),
            ("transition-key", transition_key.clone()),
            ("transition-magic", format!("0:{rc};{transition_key}")),
            ("exit-reason", reason.to_owned()),
            ("on_node", result.node.to_owned()),
            ("call-id", call_id.to_string()),
            ("rc-code", rc.to_string()),
            ("op-status", "0".to_owned()),
            ("interval", result.interval_ms.to_string()),
            ("last-rc-change", self.now.to_string()),
            ("exec-time", "0".to_owned()),
            ("queue-time", "0".to_owned()),
        ];
        if matches!(task, "migrate_to" | "migrate_from") {
            for (name, from) in
                [("migrate_source", "migrate_source"), ("migrate_target", "migrate_target")]
            {
                if let Some(value) = meta(from) {
                    values.push((name, value.to_owned()));
                }
            }
        }
        if let Some(parameters) = result.parameters {
            let set: ParameterSet<'_> = parameters.iter().collect();
            values.push(("op-digest", set.all()));
        }
        for id in ids {
            self.write_entry(history, &id, &values);
        }
    }

    fn write_entry(&mut self, history: ElementId, id: &str, values: &[(&str, String)]) {
        let existing = self
            .document
            .element(history)
            .children_named("lrm_rsc_op")
            .find(|op| op.xml_id() == Some(id))
            .map(Element::id);
        let document = self.edit();
        let entry = existing.unwrap_or_else(|| {
            let made = document.append_element(history, "lrm_rsc_op");
            document.set_attribute(made, "id", id);
            made
        });
        for (name, value) in values {
            document.set_attribute(entry, name, value);
        }
    }
}
