//! What the cluster says of itself.

use std::collections::{BTreeMap, BTreeSet};

/// What `crm_mon` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The DC's name.
    pub dc: Option<String>,
    pub quorum: bool,
    /// Nodes that are members and have joined.
    pub online: BTreeSet<String>,
    pub unclean: BTreeSet<String>,
    pub standby: BTreeSet<String>,
    /// Where each active resource is, with its role.
    pub active: BTreeMap<String, BTreeMap<String, String>>,
    pub unmanaged: BTreeSet<String>,
    /// Failure counts that are not zero: resource, node.
    pub failures: BTreeMap<(String, String), String>,
}

impl Status {
    /// Reads `crm_mon --output-as=xml`.
    pub fn read(text: &str) -> Option<Status> {
        let document = roxmltree::Document::parse(text).ok()?;
        let mut status = Status::default();
        for element in document.descendants().filter(roxmltree::Node::is_element) {
            let is = |name: &str| element.attribute(name) == Some("true");
            let text = |name: &str| element.attribute(name).unwrap_or_default().to_owned();
            let parent = element.parent_element();
            match (element.tag_name().name(), parent.map(|parent| parent.tag_name().name())) {
                ("current_dc", _) if is("present") => {
                    status.dc = Some(text("name"));
                    status.quorum = is("with_quorum");
                }
                ("node", Some("nodes")) => {
                    let name = text("name");
                    let sets = [
                        (is("online") && !is("pending"), &mut status.online),
                        (is("unclean"), &mut status.unclean),
                        (is("standby"), &mut status.standby),
                    ];
                    for (_, set) in sets.into_iter().filter(|(so, _)| *so) {
                        set.insert(name.clone());
                    }
                }
                ("node", Some("resource")) => {
                    let resource = parent.unwrap();
                    if resource.attribute("active") == Some("true") {
                        let id = resource.attribute("id").unwrap_or_default().to_owned();
                        let role = resource.attribute("role").unwrap_or_default().to_owned();
                        status.active.entry(id).or_default().insert(text("name"), role);
                    }
                }
                ("resource", _) if element.attribute("managed") == Some("false") => {
                    status.unmanaged.insert(text("id"));
                }
                ("resource_history", Some("node")) => {
                    if let Some(count) = element.attribute("fail-count") {
                        let node = parent.and_then(|node| node.attribute("name"));
                        let key = (text("id"), node.unwrap_or_default().to_owned());
                        status.failures.insert(key, count.to_owned());
                    }
                }
                _ => {}
            }
        }
        Some(status)
    }

    /// The nodes where a resource is active.
    pub fn places(&self, resource: &str) -> Vec<&str> {
        let found = self.active.get(resource).into_iter().flat_map(BTreeMap::keys);
        found.map(String::as_str).collect()
    }

    /// The nodes where it is promoted.
    pub fn promoted(&self, resource: &str) -> Vec<&str> {
        let found = self.active.get(resource).into_iter().flatten();
        let promoted = found.filter(|(_, role)| matches!(role.as_str(), "Promoted" | "Master"));
        promoted.map(|(node, _)| node.as_str()).collect()
    }
}
