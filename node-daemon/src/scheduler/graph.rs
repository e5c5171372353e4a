//! Reading a transition from its XML form (spec 31 §2, 60 §7.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use cib_model::Element;
use policy_engine::transition::{
    ActionKind, ActionRef, ActionResource, GraphAction, Synapse, Transition,
};

/// Why an element is no transition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {element}: expected {expected}")]
pub struct GraphError {
    /// Where.
    pub line: u32,
    /// In which element.
    pub element: String,
    /// What would be right.
    pub expected: &'static str,
}

fn wrong(element: Element<'_>, expected: &'static str) -> GraphError {
    GraphError { line: element.line(), element: element.name().to_owned(), expected }
}

/// Reads a `transition_graph`.
///
/// # Errors
/// When something needed is missing or of no known kind.
pub fn read(root: Element<'_>) -> Result<Transition, GraphError> {
    if root.name() != "transition_graph" {
        return Err(wrong(root, "transition_graph"));
    }
    let attributes =
        root.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let synapses = root.children_named("synapse").map(synapse).collect::<Result<_, _>>()?;
    Ok(Transition { attributes, synapses })
}

fn number(element: Element<'_>, name: &str) -> Option<u32> {
    element.attribute(name)?.parse().ok()
}

fn synapse(element: Element<'_>) -> Result<Synapse, GraphError> {
    let set = element.child("action_set").ok_or_else(|| wrong(element, "an action_set"))?;
    let action = set.children().next().ok_or_else(|| wrong(set, "an action"))?;
    let inputs = element
        .child("inputs")
        .into_iter()
        .flat_map(|inputs| inputs.children_named("trigger"))
        .map(|trigger| {
            let action = trigger.children().next().ok_or_else(|| wrong(trigger, "an action"))?;
            head(action).map(Arc::new)
        })
        .collect::<Result<_, _>>()?;
    Ok(Synapse {
        id: number(element, "id").ok_or_else(|| wrong(element, "a numeric id"))?,
        priority: element.attribute("priority").and_then(|p| p.parse().ok()).unwrap_or(0),
        action: graph_action(action)?,
        inputs,
    })
}

fn head(element: Element<'_>) -> Result<ActionRef, GraphError> {
    let kind = match element.name() {
        "rsc_op" => ActionKind::Resource,
        "pseudo_event" => ActionKind::Pseudo,
        "crm_event" => ActionKind::Cluster,
        _ => return Err(wrong(element, "rsc_op, crm_event or pseudo_event")),
    };
    let text = |name| element.attribute(name).map(str::to_owned);
    let node = text("on_node").zip(text("on_node_uuid"));
    Ok(ActionRef {
        kind,
        mode_cib: element.attribute("mode") == Some("cib"),
        id: number(element, "id").ok_or_else(|| wrong(element, "a numeric id"))?,
        operation: text("operation").unwrap_or_default(),
        operation_key: text("operation_key").unwrap_or_default(),
        internal_operation_key: text("internal_operation_key"),
        node,
        router_node: text("router_node"),
    })
}

fn graph_action(element: Element<'_>) -> Result<GraphAction, GraphError> {
    let resource = element.child("primitive").map(|primitive| {
        let text = |name| primitive.attribute(name).map(str::to_owned);
        Arc::new(ActionResource {
            id: text("id").unwrap_or_default(),
            long_id: text("long-id"),
            class: text("class").unwrap_or_default(),
            provider: text("provider"),
            agent: text("type").unwrap_or_default(),
        })
    });
    let mut attributes = BTreeMap::new();
    let mut params = Vec::new();
    if let Some(block) = element.child("attributes") {
        for (name, value) in block.attributes() {
            attributes.insert(name.to_owned(), value.to_owned());
        }
        for param in block.children_named("param") {
            let pair = param.attribute("name").zip(param.attribute("value"));
            params.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }
    let nodes = |name: &str| {
        let block = element.child(name);
        block.map(|block| block.children_named("node").collect::<Vec<_>>()).unwrap_or_default()
    };
    let id = |node: &Element<'_>| node.xml_id().unwrap_or_default().to_owned();
    Ok(GraphAction {
        head: Arc::new(head(element)?),
        shutdown_lock: element.attribute("shutdown-lock").and_then(|at| at.parse().ok()),
        resource,
        attributes: attributes.into(),
        params,
        downed: nodes("downed").iter().map(id).collect(),
        maintenance: nodes("maintenance")
            .iter()
            .map(|node| (id(node), node.attribute("node_in_maintenance") == Some("1")))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::Document;

    #[test]
    fn what_is_written_is_read_back() {
        let action = |id| {
            Arc::new(ActionRef {
                kind: ActionKind::Resource,
                mode_cib: false,
                id,
                operation: "start".into(),
                operation_key: "r_start_0".into(),
                internal_operation_key: None,
                node: Some(("n1".into(), "1".into())),
                router_node: None,
            })
        };
        let transition = Transition {
            attributes: vec![
                ("transition_id".into(), "3".into()),
                ("cluster-delay".into(), "60s".into()),
            ],
            synapses: vec![Synapse {
                id: 0,
                priority: 5,
                action: GraphAction {
                    head: action(7),
                    shutdown_lock: Some(9),
                    resource: Some(Arc::new(ActionResource {
                        id: "r".into(),
                        long_id: None,
                        class: "ocf".into(),
                        provider: Some("p".into()),
                        agent: "T".into(),
                    })),
                    attributes: [("CRM_meta_timeout", "20000")].into_iter().collect(),
                    params: vec![("a b".into(), "<".into())],
                    downed: vec!["2".into()],
                    maintenance: vec![("r1".into(), true)],
                },
                inputs: vec![action(6)],
            }],
        };
        let document = Document::parse(&transition.to_xml()).unwrap();
        assert_eq!(read(document.root()), Ok(transition));
        for bad in ["<x/>", "<transition_graph><synapse id='0'/></transition_graph>"] {
            assert!(read(Document::parse(bad).unwrap().root()).is_err(), "{bad}");
        }
    }
}
