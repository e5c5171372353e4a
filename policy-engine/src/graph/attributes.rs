//! The `attributes` element of an action: parameters, meta, context (spec 31 §2.8).

use crate::actions::remote;
use crate::model::action::Action;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::{Key, Task};
use crate::transition::{Attributes, FEATURE_SET};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parameters whose name cannot be the name of an attribute.
type Params = Vec<(String, String)>;

/// Which actions of a resource have all but a few attributes in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    task: Task,
    interval_ms: u64,
    notify: bool,
    /// Executed in the CIB only.
    lrm_delete: bool,
    placed: bool,
}

impl Kind {
    fn of(a: &Action<'_>) -> Kind {
        Kind {
            task: a.definition_task,
            interval_ms: a.key.interval_ms(),
            notify: matches!(a.key, Key::Notify { .. }),
            lrm_delete: a.task == Task::LrmDelete,
            placed: a.node.is_some(),
        }
    }
}

/// What actions of a kind have in common.
struct Common {
    values: Arc<BTreeMap<String, String>>,
    params: Params,
    /// Names whose value an action cannot change, sorted.
    fixed: Vec<String>,
    /// The node, where values depend on it.
    only_on: Option<NodeId>,
}

/// Attributes of actions, shared as far as they can be.
pub struct CommonAttributes {
    /// By resource; actions without resource come last.
    kinds: Vec<Vec<(Kind, Common)>>,
    /// Name and id of nodes.
    nodes: Vec<(Arc<str>, Arc<str>)>,
}

impl CommonAttributes {
    /// None known yet.
    pub fn new(cluster: &Cluster<'_>) -> CommonAttributes {
        let nodes = cluster.nodes.iter().map(|n| ((&*n.name).into(), (&*n.id).into())).collect();
        let kinds = std::iter::repeat_with(Vec::new).take(cluster.resources.len() + 1).collect();
        CommonAttributes { kinds, nodes }
    }

    /// Attributes of an action, and parameters that cannot be attributes.
    pub fn of(
        &mut self,
        cluster: &mut Cluster<'_>,
        id: ActionId,
        shows_node: bool,
    ) -> (Attributes, Params) {
        let a = &cluster.actions[id];
        let (kind, node) = (Kind::of(a), a.node);
        let known = &mut self.kinds[a.resource.map_or(cluster.resources.len(), ResourceId::index)];
        let fits = |(k, common): &(Kind, Common)| {
            *k == kind && common.only_on.is_none_or(|only_on| Some(only_on) == node)
        };
        let at = known.iter().position(fits).unwrap_or_else(|| {
            known.push((kind, common(cluster, id)));
            known.len() - 1
        });
        let common = &known[at].1;
        let a = &cluster.actions[id];
        let mut out = Attributes::sharing(Arc::clone(&common.values));
        let mut set = |name: Cow<'static, str>, value: Arc<str>| {
            if common.fixed.binary_search_by(|n| n.as_str().cmp(&name)).is_err() {
                out.set(name, value);
            }
        };
        for (name, value) in &a.meta {
            let hidden = shows_node && matches!(&**name, "on_node" | "on_node_uuid");
            let ignored = a.task == Task::LrmDelete && name == "on-fail";
            if let Some(name) = meta_name(name).filter(|_| !hidden && !ignored) {
                set(name, (&**value).into());
            }
        }
        if let Some((name, uuid)) = a.node.filter(|_| shows_node).map(|n| &self.nodes[n.index()]) {
            set("CRM_meta_on_node".into(), Arc::clone(name));
            set("CRM_meta_on_node_uuid".into(), Arc::clone(uuid));
        }
        for (name, value) in guest_context(cluster, id) {
            if out.get(name).is_none() {
                out.set(name.into(), value);
            }
        }
        (out, common.params.clone())
    }
}

/// The node of an action if its parameters or its operation's may differ by node.
fn node_that_matters(cluster: &Cluster<'_>, id: ActionId) -> Option<NodeId> {
    let a = &cluster.actions[id];
    let r = a.resource?;
    let name = cluster.actions.task_name(a.definition_task);
    let operation = cluster.operation(r, name, a.key.interval_ms(), true);
    let own = operation.is_some_and(|o| o.element.child("instance_attributes").is_some());
    let fence_device = cluster.resource(r).flags.fence_device;
    a.node.filter(|_| own || fence_device || !cluster.has_plain_parameters(r))
}

fn common(cluster: &mut Cluster<'_>, id: ActionId) -> Common {
    let mut values = BTreeMap::new();
    let mut params = Vec::new();
    values.insert("crm_feature_set".to_owned(), FEATURE_SET.to_owned());
    add_parameters(cluster, id, &mut values, &mut params);
    add_resource_context(cluster, id, &mut values);
    let fixed = values.keys().cloned().collect();
    add_meta(cluster, id, &mut values);
    Common { values: Arc::new(values), params, fixed, only_on: node_that_matters(cluster, id) }
}

fn add_parameters(
    cluster: &mut Cluster<'_>,
    id: ActionId,
    out: &mut BTreeMap<String, String>,
    params: &mut Params,
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

/// The attribute that shows a meta-attribute, if one can.
fn meta_name(name: &str) -> Option<Cow<'static, str>> {
    Some(match name {
        "on_node" => "CRM_meta_on_node".into(),
        "on_node_uuid" => "CRM_meta_on_node_uuid".into(),
        "op_target_rc" => "CRM_meta_op_target_rc".into(),
        _ if name.contains(['#', ':']) => return None,
        _ => {
            const PREFIX: &str = "CRM_meta_";
            let mut shown = String::with_capacity(PREFIX.len() + name.len());
            shown.push_str(PREFIX);
            shown.extend(name.chars().map(|c| if c == '-' { '_' } else { c }));
            shown.into()
        }
    })
}

/// What the operation's definition says.
fn add_meta(cluster: &mut Cluster<'_>, id: ActionId, out: &mut BTreeMap<String, String>) {
    let a = &cluster.actions[id];
    let Some(r) = a.resource.filter(|_| !a.bare) else {
        return;
    };
    let notify = matches!(a.key, Key::Notify { .. });
    let (node, interval_ms, task) = (a.node, a.key.interval_ms(), a.task);
    let name = definition_name(cluster, id);
    let mut meta = cluster.operation_meta(r, &name, interval_ms, node, notify);
    if task == Task::LrmDelete {
        meta.insert("on-fail".into(), "ignore".into());
    }
    for (name, value) in meta {
        if let Some(name) = meta_name(&name) {
            out.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
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

/// What an action inside a guest says of the host.
fn guest_context(cluster: &Cluster<'_>, id: ActionId) -> Vec<(&'static str, Arc<str>)> {
    let resource = cluster.actions[id].resource;
    let Some((r, host)) = resource.zip(remote::physical_host(cluster, id)) else {
        return Vec::new();
    };
    let target = cluster.resource(r).meta("container-attribute-target");
    let target = target.map(|target| ("CRM_meta_container_attribute_target", target.into()));
    let host = (&*cluster.node(host).name).into();
    target.into_iter().chain([("CRM_meta_physical_host", host)]).collect()
}
