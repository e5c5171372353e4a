//! The `attributes` element of an action: parameters, meta, context (spec 31 §2.8).

use crate::actions::remote;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::{Key, Task};
use crate::transition::FEATURE_SET;
use std::collections::BTreeMap;

/// Attributes of an action by name, and parameters that cannot be attributes.
pub fn of(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    written_node: Option<&(String, String)>,
) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let mut out = BTreeMap::new();
    let mut params = Vec::new();
    out.insert("crm_feature_set".to_owned(), FEATURE_SET.to_owned());
    add_parameters(cluster, id, &mut out, &mut params);
    add_meta(cluster, id, written_node, &mut out);
    add_resource_context(cluster, id, &mut out);
    add_guest_context(cluster, id, &mut out);
    (out, params)
}

fn add_parameters(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    out: &mut BTreeMap<String, String>,
    params: &mut Vec<(String, String)>,
) {
    let a = &cluster.actions[id];
    let (node, interval_ms) = (a.node, a.key.interval_ms());
    let Some(r) = a.resource else {
        return;
    };
    let task = definition_name(cluster, id);
    let mut add = |name: &str, value: &str| {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            if !params.iter().any(|(n, _)| n == name) {
                params.push((name.to_owned(), value.to_owned()));
            }
        } else if !out.contains_key(name) {
            out.insert(name.to_owned(), value.to_owned());
        }
    };
    if node.is_some() {
        for (name, value) in cluster.operation_parameters(r, &task, interval_ms, node).iter() {
            add(name, value);
        }
    }
    if node.is_some() || cluster.resource(r).is_primitive() {
        let host = address(cluster, r);
        for (name, value) in cluster.parameters(r, node).iter() {
            match &host {
                Some(host) if name == "addr" && value == "#uname" => add(name, host),
                _ => add(name, value),
            }
        }
    }
}

/// The name of the host of a bundle connection's container, for the address `#uname`.
fn address(cluster: &Cluster<'_>, r: ResourceId) -> Option<String> {
    let res = cluster.resource(r);
    if !res.address_from_host {
        return None;
    }
    let launcher = res.launcher?;
    let assigned = cluster.resource(launcher).assigned.map(|a| a.node);
    let host = assigned.or_else(|| cluster.current_node(launcher))?;
    Some(cluster.node(host).name.to_string())
}

/// The name under which the action's operation is looked up.
fn definition_name(cluster: &Cluster<'_>, id: ActionId) -> String {
    cluster.actions.task_name(cluster.actions[id].definition_task).to_owned()
}

fn add_meta(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    written_node: Option<&(String, String)>,
    out: &mut BTreeMap<String, String>,
) {
    let a = &cluster.actions[id];
    let mut names: BTreeMap<String, String> =
        a.meta.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    if let Some((name, uuid)) = written_node {
        names.insert("on_node".to_owned(), name.clone());
        names.insert("on_node_uuid".to_owned(), uuid.clone());
    }
    if let (Some(r), false) = (a.resource, a.bare) {
        let notify = matches!(a.key, Key::Notify { .. });
        let (node, interval_ms) = (a.node, a.key.interval_ms());
        let task = definition_name(cluster, id);
        for (name, value) in cluster.operation_meta(r, &task, interval_ms, node, notify) {
            names.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        if cluster.actions[id].task == Task::LrmDelete {
            names.insert("on-fail".to_owned(), "ignore".to_owned());
        }
    }
    for (name, value) in names {
        if name.contains(['#', ':']) {
            continue;
        }
        let key = format!("CRM_meta_{}", name.replace('-', "_"));
        out.entry(key).or_insert(value);
    }
}

fn add_resource_context(cluster: &Cluster<'_>, id: ActionId, out: &mut BTreeMap<String, String>) {
    let mut next = cluster.actions[id].resource;
    while let Some(r) = next {
        add_context_of(cluster, r, out);
        next = cluster.resource(r).parent;
    }
}

fn add_context_of(cluster: &Cluster<'_>, r: ResourceId, out: &mut BTreeMap<String, String>) {
    let res = cluster.resource(r);
    let mut set = |name: &str, value: String| {
        out.insert(name.to_owned(), value);
    };
    match &res.variant {
        Variant::Primitive => {
            if let Some(instance) = res.instance {
                set("CRM_meta_clone", instance.to_string());
            }
            if let Some(node) = res.meta("remote-node") {
                set("CRM_meta_remote_node", node.to_owned());
            }
            if let Some(launcher) = res.launcher {
                set("CRM_meta_container", cluster.resource(launcher).id.to_string());
            }
            if let Some(ip) = res.meta("external-ip") {
                set("pcmk_external_ip", ip.to_owned());
            }
        }
        Variant::Clone(c) => {
            let word = |yes: bool| if yes { "true" } else { "false" }.to_owned();
            set("CRM_meta_globally_unique", word(res.flags.unique));
            set("CRM_meta_notify", word(res.flags.notify));
            set("CRM_meta_clone_max", c.clone_max.to_string());
            set("CRM_meta_clone_node_max", c.clone_node_max.to_string());
            if res.flags.promotable {
                set("CRM_meta_promoted_max", c.promoted_max.to_string());
                set("CRM_meta_promoted_node_max", c.promoted_node_max.to_string());
                set("CRM_meta_master_max", c.promoted_max.to_string());
                set("CRM_meta_master_node_max", c.promoted_node_max.to_string());
            }
        }
        Variant::Group(_) | Variant::Bundle(_) => {}
    }
}

fn add_guest_context(cluster: &Cluster<'_>, id: ActionId, out: &mut BTreeMap<String, String>) {
    let Some(r) = cluster.actions[id].resource else {
        return;
    };
    let Some(host) = remote::physical_host(cluster, id) else {
        return;
    };
    if let Some(target) = cluster.resource(r).meta("container-attribute-target") {
        let key = "CRM_meta_container_attribute_target".to_owned();
        out.entry(key).or_insert_with(|| target.to_owned());
    }
    let name = |n: NodeId| cluster.node(n).name.to_string();
    out.entry("CRM_meta_physical_host".to_owned()).or_insert_with(|| name(host));
}
