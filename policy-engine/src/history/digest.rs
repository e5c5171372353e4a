//! Digests of the parameters of an operation, and their comparison with recorded ones (spec 11 §12).

use super::entry::Entry;
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::task::Task;
use cib_model::ElementId;
use cib_model::digest::md5_hex;
use cib_model::scalar::Version;
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What comparing an entry with the present definition gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Same parameters.
    Match,
    /// The entry has no digest.
    Unknown,
    /// Other parameters.
    Mismatch,
    /// Parameters changed whose change needs a restart.
    Restart,
}

/// Digests of one operation of a resource on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Of all parameters.
    pub all: String,
    /// Of those whose change needs a restart; only for an agent that can reload.
    pub restart: Option<String>,
    /// The entry for which they were computed first: it says which parameters are secret.
    first: ElementId,
    /// The operation's definition has parameters of its own.
    own_parameters: bool,
}

/// Key: resource, node, task, interval.
pub(crate) type Cache = HashMap<(ResourceId, NodeId, Task, u64), Rc<Digests>>;

/// Digests of a fence device's parameters for unfencing a node (spec 10 §7.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfencingDigests {
    /// Of all parameters.
    pub all: String,
    /// Of those that are no secret.
    pub secure: String,
}

/// Digests with the parameters they cover, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Of all parameters.
    pub all: (String, Vec<(String, String)>),
    /// Of those that are no secret.
    pub secure: (String, Vec<(String, String)>),
    /// Of those whose change needs a restart; only for an agent that can reload.
    pub restart: Option<(String, Vec<(String, String)>)>,
}

type Parameters<'d> = BTreeMap<Cow<'d, str>, Cow<'d, str>>;

/// Literal that stands for the restart digest of an entry whose failure expired.
const EXPIRED: &str = "calculated-failure-timeout";

/// Names never part of a digest.
const DROPPED: [&str; 6] =
    ["id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"];

/// Secrets where no entry says which parameters are.
const DEFAULT_SECRETS: [&str; 3] = ["passwd", "password", "user"];

/// Feature set from which secure digests cover operation parameters.
const SECURE_WITH_OPERATION: &str = "3.16.0";

/// Computes the digests of the entry's operation, or takes them from the cache.
pub fn compute<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
) -> Rc<Digests> {
    let key = (r, node, cluster.actions.task(entry.task), entry.interval_ms);
    if let Some(known) = cluster.history.digests.get(&key) {
        return Rc::clone(known);
    }
    let set = ParameterSet::of(cluster, r, entry.task, entry.interval_ms, node);
    let restart_digest = recorded_restart_digest(cluster, entry);
    let digests = Rc::new(Digests {
        all: hash(&set.all),
        restart: restart_digest.map(|_| hash(&set.restart(entry.force_restart))),
        first: entry.element.id(),
        own_parameters: set.own_parameters,
    });
    cluster.history.digests.insert(key, Rc::clone(&digests));
    digests
}

/// Digests of a fence device for unfencing a node.
pub fn unfencing(cluster: &mut Cluster<'_>, device: ResourceId, node: NodeId) -> UnfencingDigests {
    let feature_set = cluster.document.root().attribute("crm_feature_set").unwrap_or("");
    let set = ParameterSet::of(cluster, device, "stonith-on", 0, node);
    UnfencingDigests {
        all: hash(&set.all),
        secure: hash(&set.secure(cluster, device, feature_set, &DEFAULT_SECRETS)),
    }
}

/// Digests of an operation, recorded or not, with some parameters changed.
pub fn shown<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    (task, interval_ms): (&str, u64),
    entry: Option<&Entry<'d>>,
    changed: &[(String, String)],
) -> Shown {
    let mut set = ParameterSet::of(cluster, r, task, interval_ms, node);
    for (name, value) in changed {
        for parameters in [&mut set.all, &mut set.resource] {
            parameters.insert(name.clone().into(), value.clone().into());
        }
    }
    let secrets: Vec<&str> = entry
        .and_then(|entry| entry.secure_params)
        .map_or_else(|| DEFAULT_SECRETS.to_vec(), |p| p.split_ascii_whitespace().collect());
    let feature_set = entry.and_then(|entry| entry.feature_set).unwrap_or("");
    let covered = |parameters: &Parameters<'d>| {
        let listed = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        (hash(parameters), listed.collect())
    };
    Shown {
        all: covered(&set.all),
        secure: covered(&set.secure(cluster, r, feature_set, &secrets)),
        restart: entry
            .filter(|entry| entry.restart_digest.is_some())
            .map(|entry| covered(&set.restart(entry.force_restart))),
    }
}

/// Compares an entry with the present definition of its operation (spec 11 §12.4).
pub fn compare<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
) -> Verdict {
    let digests = compute(cluster, r, node, entry);
    let restart = recorded_restart_digest(cluster, entry);
    if let (Some(computed), Some(recorded)) = (&digests.restart, restart)
        && computed != recorded
    {
        return Verdict::Restart;
    }
    match entry.digest {
        None => Verdict::Unknown,
        Some(recorded) if recorded == digests.all => Verdict::Match,
        Some(_) if entry.interval_ms == 0 && digests.own_parameters => Verdict::Restart,
        Some(_) => Verdict::Mismatch,
    }
}

/// Do the parameters differ in secrets only?
pub fn only_secrets_changed<'d>(
    cluster: &mut Cluster<'d>,
    r: ResourceId,
    node: NodeId,
    entry: &Entry<'d>,
) -> bool {
    let Some(recorded) = entry.secure_digest else { return false };
    let first = compute(cluster, r, node, entry).first;
    let first = Entry::read(cluster.document.element(first));
    let feature_set = first.feature_set.unwrap_or("");
    let secrets: Vec<&str> =
        first.secure_params.map_or_else(Vec::new, |p| p.split_ascii_whitespace().collect());
    let set = ParameterSet::of(cluster, r, entry.task, entry.interval_ms, node);
    hash(&set.secure(cluster, r, feature_set, &secrets)) == recorded
}

/// The entry's restart digest; an expired recurring operation has one that matches nothing.
fn recorded_restart_digest<'d>(cluster: &Cluster<'d>, entry: &Entry<'d>) -> Option<&'d str> {
    let expired = cluster.history.expired_recurring.contains(&entry.element.id());
    if expired { entry.digest.map(|_| EXPIRED) } else { entry.restart_digest }
}

/// Parameters of one operation.
struct ParameterSet<'d> {
    /// What the full digest covers.
    all: Parameters<'d>,
    /// What older secure digests cover: the resource's own.
    resource: Parameters<'d>,
    own_parameters: bool,
}

impl<'d> ParameterSet<'d> {
    /// Collects the parameters; the first value of a name wins (spec 11 §12.1).
    fn of(
        cluster: &mut Cluster<'d>,
        r: ResourceId,
        task: &str,
        interval_ms: u64,
        node: NodeId,
    ) -> ParameterSet<'d> {
        let mut resource = Parameters::new();
        if let Some(host) = address_override(cluster, r) {
            resource.insert("addr".into(), host);
        }
        for (name, value) in cluster.parameters(r, Some(node)).iter() {
            resource.entry(name.into()).or_insert(value.into());
        }
        let operation = cluster.operation_parameters(r, task, interval_ms, Some(node));
        let mut all = resource.clone();
        let mut own_parameters = false;
        for (name, value) in operation.iter() {
            own_parameters = true;
            all.entry(name.into()).or_insert(value.into());
        }
        let timeout = (interval_ms > 0)
            .then(|| {
                all.remove("CRM_meta_timeout").or_else(|| {
                    cluster
                        .operation_meta(r, task, interval_ms, Some(node), false)
                        .remove("timeout")
                })
            })
            .flatten();
        filter(&mut all);
        if let Some(timeout) = timeout {
            all.insert("CRM_meta_timeout".into(), timeout);
        }
        ParameterSet { all, resource, own_parameters }
    }

    /// What is left of the full set under an entry's restart list.
    fn restart(&self, list: Option<&str>) -> Parameters<'d> {
        let mut out = self.all.clone();
        if let Some(list) = list {
            let names: Vec<&str> = list.split_ascii_whitespace().collect();
            out.retain(|name, _| names.contains(&&**name));
        }
        out
    }

    /// The set without secrets (spec 11 §12.3).
    fn secure(
        &self,
        cluster: &Cluster<'d>,
        r: ResourceId,
        feature_set: &str,
        secrets: &[&str],
    ) -> Parameters<'d> {
        let legacy =
            !feature_set.is_empty() && Version(feature_set) < Version(SECURE_WITH_OPERATION);
        let mut out = if legacy { self.resource.clone() } else { self.all.clone() };
        if legacy && cluster.resource(r).flags.fence_device {
            out.retain(|name, _| !is_fencing_parameter(name));
        }
        out.retain(|name, _| !secrets.contains(&&**name));
        filter(&mut out);
        out
    }
}

fn filter(parameters: &mut Parameters<'_>) {
    parameters.retain(|name, _| !name.starts_with("CRM_meta_") && !DROPPED.contains(&&**name));
}

/// The host's name, for the connection of a bundle whose address is that of its host.
fn address_override<'d>(cluster: &Cluster<'d>, r: ResourceId) -> Option<Cow<'d, str>> {
    let resource = cluster.resource(r);
    if !resource.address_from_host {
        return None;
    }
    let container = resource.launcher?;
    let host = cluster.assigned_node(container).or_else(|| cluster.current_node(container))?;
    Some(cluster.node(host).name.clone())
}

/// Parameters that the fencer itself consumes.
fn is_fencing_parameter(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "provides",
        "stonith-timeout",
        "pcmk_action_limit",
        "pcmk_delay_base",
        "pcmk_delay_max",
        "pcmk_host_argument",
        "pcmk_host_check",
        "pcmk_host_list",
        "pcmk_host_map",
    ];
    NAMES.contains(&name)
        || (name.starts_with("pcmk_")
            && ["_action", "_timeout", "_retries"].iter().any(|end| name.ends_with(end)))
}

/// MD5 over the canonical text of a set (spec 11 §12.2).
fn hash(parameters: &Parameters<'_>) -> String {
    let mut text = String::from(" <parameters");
    for (name, value) in parameters {
        text.push(' ');
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '&' => text.push_str("&amp;"),
                '<' => text.push_str("&lt;"),
                '>' => text.push_str("&gt;"),
                '"' => text.push_str("&quot;"),
                c if c.is_ascii_control() => {
                    text.push_str(&format!("&#x{:02X};", u32::from(c)));
                }
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text.push_str("/>\n");
    md5_hex(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_recorded_ones() {
        let cases: [(&[(&'static str, &'static str)], &str); 4] = [
            (&[], "f2317cad3d54cec5d7d7aa7d0bf35cf8"),
            (&[("p", "second")], "43f6c11aa02820a66584d88ce6d91e08"),
            (&[("p", "second"), ("CRM_meta_timeout", "20000")], "c7f1f4e93f0793350c931bd74290255f"),
            (&[("CRM_meta_timeout", "20000")], "4811cef7f7f94e3a35a70be7916cb2fd"),
        ];
        for (parameters, digest) in cases {
            let set: Parameters<'_> =
                parameters.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            assert_eq!(hash(&set), digest, "{parameters:?}");
        }
    }
}
