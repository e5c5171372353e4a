//! What local clients ask the subsystems of a node.

use cib_model::Document;
use node_daemon::subsystem::{
    Address, AttributesRequest, Body, CibOperation, CibRequest, CibUpdate, Envelope, NodeId, Room,
    Scope, SharedDocument, Target,
};

use super::{World, name};

impl World {
    /// Sends a body to a subsystem as a local client.
    pub fn deliver(&mut self, node: NodeId, room: Room, body: Body) {
        let from = Address { node, room: Room::Clients };
        if let Some(sim) = self.nodes.get_mut(&node) {
            let envelope = Envelope { from, to: Target::Here(room), body };
            sim.put(room, envelope);
        }
    }

    /// Sets a transient attribute of a node there, as a command line does.
    pub fn set_attribute(&mut self, node: NodeId, attribute: &str, value: Option<&str>) {
        let host = name(node);
        let mut pairs = vec![("task", "update"), ("attr_name", attribute), ("attr_host", &host)];
        pairs.extend(value.map(|value| ("attr_value", value)));
        self.tell_attributes(node, &pairs);
    }

    pub fn tell_attributes(&mut self, node: NodeId, pairs: &[(&str, &str)]) {
        let mut message = Document::new("attrd");
        let root = message.root_id();
        for (key, text) in pairs {
            message.set_attribute(root, key, text);
        }
        let message = SharedDocument::new(message);
        self.deliver(node, Room::Attributes, AttributesRequest { token: 1, message }.into());
    }

    pub fn modify(&mut self, node: NodeId, token: u64, section: &str, text: &str) {
        let content = SharedDocument::new(Document::parse(text).unwrap());
        let scope = Scope::Section(section.to_owned());
        let update = CibUpdate::Modify { scope, content, create: true, scores: false };
        let operation = CibOperation::Update { update, dry_run: false };
        let request = CibRequest { token, operation, client: "cibadmin".to_owned(), user: None };
        self.deliver(node, Room::Cib, request.into());
    }

    pub(super) fn write_option(&mut self, node: NodeId, key: &str) {
        if !self.nodes.contains_key(&node) {
            return;
        }
        let token = self.next_write;
        self.next_write += 1;
        let quorate = self.is_quorate(node);
        self.asked.insert(token, (key.to_owned(), quorate));
        let text = format!(
            "<cluster_property_set id='cib-bootstrap-options'><nvpair id='written-{key}' name='written-{key}' \
             value='{key}'/></cluster_property_set>"
        );
        self.modify(node, token, "crm_config", &text);
    }
}
