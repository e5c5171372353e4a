//! Bundles: the inner clone and the replicas around its instances (spec 10 §9b).

use super::bundle_description::BundleDescription;
use super::{Place, unpack_one};
use crate::input::generate::connection::is_connection;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::{Node, NodeKind};
use crate::model::resource::{BundleVariant, Replica, Variant};
use crate::model::table::{Entry, NodeTable, ProbeMode};
use crate::model::trace::Cause;
use cib_model::{Element, Score};

/// Score of an inner instance on its own bundle node.
const HOME: i32 = 500;

/// Adds the parts that were generated for a bundle.
pub(super) fn unpack<'d>(
    cluster: &mut Cluster<'d>,
    id: ResourceId,
    element: Element<'d>,
) -> Result<(), String> {
    let description = BundleDescription::read(element)?;
    if let Some(text) = &description.complaint {
        cluster.message(Level::Error, text.clone());
    }
    let parts = cluster
        .lookups
        .wrapper(element)
        .ok_or_else(|| format!("Bundle {} has no generated parts", cluster.resource(id).id))?;
    let bundle = cluster.resource_mut(id);
    bundle.flags.unique = description.unique;
    bundle.variant = Variant::Bundle(BundleVariant {
        agent: description.agent,
        image: description.image.to_owned(),
        replicas_max: description.replicas,
        replicas_per_host: description.replicas_per_host,
        promoted_max: description.promoted_max,
        replicas: Vec::new(),
        inner: None,
    });
    let inner = match (description.primitive, parts.child("clone")) {
        (Some(primitive), Some(clone)) => {
            let place = Place { parent: Some(id), cloned: Some(primitive), ..Place::default() };
            Some(unpack_one(cluster, clone, place)?)
        }
        _ => None,
    };
    set_inner(cluster, id, inner);
    let instances = inner.map(|i| cluster.resource(i).children.clone());
    let addresses = description.addresses();
    for (offset, part) in parts.children_named("replica").enumerate() {
        let child = match &instances {
            Some(instances) => match instances.get(offset) {
                Some(child) => Some(*child),
                None => break,
            },
            None => None,
        };
        if let Some(child) = child {
            prepare_instance(cluster, id, inner, child);
        }
        let address = addresses.get(offset).cloned().flatten();
        add_replica(cluster, id, part, offset as u32, child, address)?;
    }
    cluster.resource_mut(id).children.extend(inner);
    Ok(())
}

fn set_inner(cluster: &mut Cluster<'_>, id: ResourceId, inner: Option<ResourceId>) {
    if let Variant::Bundle(bundle) = &mut cluster.resource_mut(id).variant {
        bundle.inner = inner;
    }
}

/// An inner instance lives on its bundle node only, and hands some of its settings outward.
fn prepare_instance(
    cluster: &mut Cluster<'_>,
    bundle: ResourceId,
    inner: Option<ResourceId>,
    child: ResourceId,
) {
    cluster.resource_mut(child).flags.exclusive_discovery = true;
    let notify = cluster.resource(child).flags.notify;
    let target = cluster.resource(child).meta.get("container-attribute-target").cloned();
    for outer in [Some(bundle), inner].into_iter().flatten() {
        if let Some(target) = &target {
            let meta = &mut cluster.resource_mut(outer).meta;
            meta.insert("container-attribute-target".into(), target.clone());
        }
    }
    if let Some(inner) = inner {
        cluster.resource_mut(inner).flags.notify |= notify;
    }
}

fn add_replica<'d>(
    cluster: &mut Cluster<'d>,
    bundle: ResourceId,
    part: Element<'d>,
    offset: u32,
    child: Option<ResourceId>,
    address: Option<String>,
) -> Result<(), String> {
    let place = Place { parent: Some(bundle), ..Place::default() };
    let (mut container, mut ip, mut connection, mut node) = (None, None, None, None);
    for primitive in part.children() {
        let made = if is_connection(primitive) {
            let at = prepare_node(cluster, primitive, child);
            node = Some(at);
            let made = unpack_one(cluster, primitive, place)?;
            connection = Some(made);
            settle_connection(cluster, made, at, container, address.is_none());
            made
        } else {
            let made = unpack_one(cluster, primitive, place)?;
            if container.is_none() {
                container = Some(made);
            } else {
                ip = Some(made);
            }
            made
        };
        cluster.resource_mut(bundle).children.push(made);
    }
    let container = container.ok_or_else(|| "A bundle replica has no container".to_owned())?;
    if let Some(child) = child {
        let moved = std::mem::take(&mut cluster.resource_mut(child).utilization);
        cluster.resource_mut(container).utilization = moved;
        if let Some(address) = &address {
            let meta = &mut cluster.resource_mut(child).meta;
            meta.insert("external-ip".into(), address.clone().into());
        }
    }
    if let Variant::Bundle(variant) = &mut cluster.resource_mut(bundle).variant {
        variant.replicas.push(Replica { offset, container, ip, connection, child, node, address });
    }
    Ok(())
}

/// Makes the bundle node, bans everything known so far from it, and sends the inner instance there.
fn prepare_node<'d>(
    cluster: &mut Cluster<'d>,
    connection: Element<'d>,
    child: Option<ResourceId>,
) -> NodeId {
    let name = connection.xml_id().unwrap_or_default();
    let node = cluster.find_node(None, Some(name)).unwrap_or_else(|| {
        let node = Node::new(name.into(), name.into(), NodeKind::Remote, Score::ZERO);
        cluster.insert_node(node)
    });
    let n = cluster.node_mut(node);
    n.score = Score::MINUS_INFINITY;
    n.probe = ProbeMode::Never;
    let mut known = cluster.order.clone();
    while let Some(id) = known.pop() {
        let r = cluster.resource_mut(id);
        if let Some(entry) = r.table.get_mut(node) {
            let before = entry.score;
            entry.score = Score::MINUS_INFINITY;
            entry.probe = ProbeMode::Never;
            known.extend(&r.children);
            cluster.trace.note(id, node, Some(before), Score::MINUS_INFINITY, Cause::Bundle);
        } else {
            known.extend(&r.children);
        }
    }
    if let Some(child) = child {
        let mut home = NodeTable::default();
        let score = Score::from(HOME);
        home.insert(node, Entry { score, probe: ProbeMode::Exclusive, count: 0 });
        cluster.resource_mut(child).table = home;
        cluster.trace.forget(child);
        cluster.trace.note(child, node, None, score, Cause::Bundle);
        if let Some(clone) = cluster.resource(child).parent {
            let entry = cluster.base_entry(node);
            cluster.resource_mut(clone).table.insert(node, entry);
            cluster.trace.note(clone, node, None, entry.score, Cause::Bundle);
        }
    }
    node
}

/// Links a connection with its node and container and keeps it off Pacemaker Remote nodes.
fn settle_connection(
    cluster: &mut Cluster<'_>,
    connection: ResourceId,
    node: NodeId,
    container: Option<ResourceId>,
    without_address: bool,
) {
    for i in 0..cluster.nodes.len() {
        let other = NodeId::from(i);
        if !cluster.node(other).is_pacemaker_remote() {
            continue;
        }
        if let Some(entry) = cluster.resource_mut(connection).table.get_mut(other) {
            let before = entry.score;
            entry.score = Score::MINUS_INFINITY;
            cluster.trace.note(
                connection,
                other,
                Some(before),
                Score::MINUS_INFINITY,
                Cause::Bundle,
            );
        }
    }
    cluster.resource_mut(connection).address_from_host = without_address;
    let n = cluster.node_mut(node);
    n.connection = Some(connection);
    n.attributes.insert("#kind".into(), "container".into());
    if let Some(container) = container {
        cluster.set_launcher(connection, container);
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};
    use crate::model::table::ProbeMode;

    #[test]
    fn parts_and_tables_of_a_bundle() {
        let resources = "<bundle id='b'><docker image='i' replicas='2' promoted-max='1'/>
            <network control-port='3121'/><primitive id='p' class='ocf' provider='x' type='y'>
            <utilization id='u'><nvpair id='u1' name='mem' value='4'/></utilization></primitive></bundle>";
        let nodes = "<node id='1' uname='n1'/><node id='2' uname='n2'/>";
        fixture::with(&cib("", "", nodes, resources, "", ""), |c| {
            let bundle = c.find_resource("b").unwrap();
            let names: Vec<_> =
                c.resource(bundle).children.iter().map(|r| &*c.resource(*r).id).collect();
            assert_eq!(names, ["b-docker-0", "b-0", "b-docker-1", "b-1", "b-master"]);
            let order: Vec<_> = c.node_order.iter().map(|n| &*c.node(*n).name).collect();
            assert_eq!(order, ["b-0", "b-1", "n1", "n2"]);
            let show = |id: &str| {
                let r = c.resource(c.find_resource(id).unwrap());
                let entries = c.node_order.iter().filter_map(|n| {
                    let e = r.table.get(*n)?;
                    let mark = if e.probe == ProbeMode::Exclusive { "!" } else { "" };
                    Some(format!("{}={}{mark}", c.node(*n).name, e.score))
                });
                entries.collect::<Vec<_>>().join(" ")
            };
            assert_eq!(show("p:1"), "b-1=500!");
            assert_eq!(show("b-master"), "b-0=-INFINITY b-1=-INFINITY n1=0 n2=0");
            assert_eq!(show("b-docker-1"), "n1=0 n2=0");
            assert_eq!(show("b-1"), "n1=0 n2=0");
            let connection = c.resource(c.find_resource("b-1").unwrap());
            assert_eq!(connection.launcher, c.find_resource("b-docker-1"));
            assert!(connection.address_from_host);
            let container = c.resource(c.find_resource("b-docker-0").unwrap());
            assert_eq!(container.utilization.len(), 1);
        });
    }
}
