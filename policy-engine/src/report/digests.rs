//! Digests of a resource's parameters as the scheduler computes them, to compare with recorded ones
//! (spec 11 §12, 41 §10.2).

use crate::history::digest::shown;
use crate::history::entry::Entry;
use crate::model::cluster::{Cluster, Switches};
use crate::model::ids::{NodeId, ResourceId};
use cib_model::{DateTime, Document, Element};

/// A digest with the parameters it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The digest.
    pub hash: String,
    /// Parameters with their values, by name.
    pub parameters: Vec<(String, String)>,
}

/// Digests of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationDigests {
    /// The operation.
    pub task: String,
    /// How often it recurs, in ms; 0 for once.
    pub interval_ms: u64,
    /// Of all parameters.
    pub all: Digest,
    /// Of those that are no secret.
    pub secure: Digest,
    /// Of those whose change needs a restart; only for an agent that can reload.
    pub restart: Option<Digest>,
}

/// Digests of a primitive on a node: of the last operation that was done once there, or else of a start.
/// Values in `changed` stand for those configured. Nothing if there is no such primitive or node.
pub fn digests(
    document: &Document,
    now: DateTime,
    resource: &str,
    node: &str,
    changed: &[(String, String)],
) -> Option<OperationDigests> {
    let generated = crate::input::generate(document);
    let mut cluster = crate::schedule::unpack(document, &generated, now, Switches::default());
    let r = primitive(&cluster, resource)?;
    let on = cluster.find_node(None, Some(node))?;
    let entry = last_entry(document, &cluster, r, on);
    let (task, interval_ms) = entry.map_or(("start", 0), |entry| (entry.task, entry.interval_ms));
    let shown = shown(&mut cluster, r, on, (task, interval_ms), entry.as_ref(), changed);
    let digest = |(hash, parameters)| Digest { hash, parameters };
    Some(OperationDigests {
        task: task.to_owned(),
        interval_ms,
        all: digest(shown.all),
        secure: digest(shown.secure),
        restart: shown.restart.map(digest),
    })
}

/// The primitive of this id, or the first instance of it.
fn primitive(cluster: &Cluster<'_>, name: &str) -> Option<ResourceId> {
    let leaves = || cluster.order.iter().flat_map(|top| cluster.leaves(*top));
    leaves()
        .find(|leaf| *cluster.resource(*leaf).id == *name)
        .or_else(|| leaves().find(|leaf| *cluster.resource(*leaf).base_id == *name))
}

fn last_entry<'d>(
    document: &'d Document,
    cluster: &Cluster<'d>,
    r: ResourceId,
    node: NodeId,
) -> Option<Entry<'d>> {
    let resource = cluster.resource(r);
    let names = [resource.id.to_string(), resource.base_id.to_string()];
    let node = cluster.node(node).name.to_string();
    let states = document.root().child("status")?.children_named("node_state");
    let state = states.into_iter().find(|state| state.attribute("uname") == Some(&*node))?;
    let histories = state.child("lrm")?.child("lrm_resources")?.children_named("lrm_resource");
    let history = histories.into_iter().find(|history: &Element<'d>| {
        history.xml_id().is_some_and(|id| names.iter().any(|name| name == id))
    })?;
    history
        .children_named("lrm_rsc_op")
        .map(Entry::read)
        .filter(|entry| entry.interval_ms == 0 && entry.digest.is_some())
        .max_by_key(|entry| entry.call_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_in_the_digest_before_it_is_made() {
        let document = Document::parse(
            r#"<cib validate-with="pacemaker-4.0"><configuration><crm_config/><nodes><node id="1" uname="n"/>
               </nodes><resources><primitive id="web" class="ocf" provider="p" type="T">
               <instance_attributes id="a"><nvpair id="b" name="p" value="first"/>
               <nvpair id="c" name="password" value="x"/></instance_attributes></primitive>
               </resources><constraints/></configuration><status><node_state id="1" uname="n"/></status></cib>"#,
        )
        .unwrap();
        let now = DateTime::from_epoch(0, 0);
        let of =
            |changed: &[(String, String)]| digests(&document, now, "web", "n", changed).unwrap();
        let before = of(&[]);
        assert_eq!((before.task.as_str(), before.interval_ms), ("start", 0));
        assert_eq!(before.restart, None);
        let second = of(&[("p".to_owned(), "second".to_owned())]);
        // Without the password, which is a secret.
        assert_eq!(second.secure.hash, "43f6c11aa02820a66584d88ce6d91e08");
        assert_ne!(second.all.hash, before.all.hash);
        assert_eq!(second.all.parameters.len(), 2);
        assert_eq!(digests(&document, now, "web", "elsewhere", &[]), None);
        assert_eq!(digests(&document, now, "nobody", "n", &[]), None);
    }
}
