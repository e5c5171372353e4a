//! Clones and their instances (spec 10 §9.4).

use super::{Place, definition, unpack_one};
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::resource::{CloneVariant, Resource, Variant};
use cib_model::Element;
use cib_model::scalar::{integer_at_least, is_true};

/// More instances than any cluster has use for that has fewer nodes; a larger `clone-max` is a mistake
/// that would only fill memory, in an ordered clone with its square.
const MAX_INSTANCES: u32 = 2000;

/// Reads the parameters and makes the instances.
pub(super) fn unpack<'d>(
    cluster: &mut Cluster<'d>,
    id: ResourceId,
    element: Element<'d>,
    cloned: Option<Element<'d>>,
) -> Result<(), String> {
    let child = cloned
        .or_else(|| element.children().find(|c| matches!(c.name(), "primitive" | "group")))
        .ok_or_else(|| format!("{} has nothing to clone", cluster.resource(id).id))?;
    let nodes = cluster.nodes.len().max(1) as u32;
    let mut variant = read(cluster.resource(id), nodes);
    let most = nodes.max(MAX_INSTANCES);
    if variant.clone_max > most {
        let text = format!(
            "Using {most} as clone-max of {} because {} is beyond all measure",
            cluster.resource(id).id,
            variant.clone_max
        );
        cluster.message(Level::Error, text);
        variant.clone_max = most;
    }
    variant.child = definition::of(cluster, child, Some(id))?;
    let unique = cluster.resource(id).flags.unique;
    if !unique && variant.clone_node_max > 1 {
        let text = format!(
            "Ignoring clone-node-max of {} for {} because anonymous clones support only one \
             instance per node",
            variant.clone_node_max,
            cluster.resource(id).id
        );
        cluster.message(Level::Error, text);
        variant.clone_node_max = 1;
    }
    let clone = cluster.resource_mut(id);
    clone.variant = Variant::Clone(variant);
    clone.meta.entry("resource-stickiness".into()).or_insert("1".into());
    let unique = if unique { "true" } else { "false" };
    clone.meta.insert("globally-unique".into(), unique.into());
    cluster.lookups.cloned.insert(id, child);
    // An agent may lower the number while its first instance is made.
    let wanted = |c: &Cluster<'_>| c.resource(id).as_clone().map_or(0, |v| v.clone_max).max(1);
    while (cluster.resource(id).children.len() as u32) < wanted(cluster) {
        create_instance(cluster, id)?;
    }
    Ok(())
}

fn read(clone: &Resource<'_>, nodes: u32) -> CloneVariant {
    let number = |names: &[&str], default: u32| {
        let text = names.iter().find_map(|name| clone.meta(name));
        text.map_or(default, |text| integer_at_least(0, Some(text)) as u32)
    };
    CloneVariant {
        clone_max: number(&["clone-max"], nodes),
        clone_node_max: number(&["clone-node-max"], 1),
        promoted_max: number(&["promoted-max", "master-max"], 1),
        promoted_node_max: number(&["promoted-node-max", "master-node-max"], 1),
        ordered: is_true(clone.meta("ordered")),
        interleave: is_true(clone.meta("interleave")),
        child: clone.definition,
        next_instance: 0,
        promotion_scores_added: false,
        roles_begun: false,
    }
}

/// Makes the next instance; one beyond the wanted number is flagged as removed.
pub(super) fn create_instance(
    cluster: &mut Cluster<'_>,
    clone: ResourceId,
) -> Result<ResourceId, String> {
    let child = cluster.lookups.cloned.get(&clone).copied();
    let variant = cluster.resource_mut(clone).as_clone_mut();
    let (Some(child), Some(variant)) = (child, variant) else {
        return Err(format!("{} is no clone", cluster.resource(clone).id));
    };
    let number = variant.next_instance;
    variant.next_instance += 1;
    let place = Place { parent: Some(clone), instance: Some(number), ..Place::default() };
    let instance = unpack_one(cluster, child, place)?;
    let max = cluster.resource(clone).as_clone().map_or(0, |v| v.clone_max);
    if number >= max {
        let mut surplus = vec![instance];
        while let Some(id) = surplus.pop() {
            let r = cluster.resource_mut(id);
            r.flags.removed = true;
            surplus.extend(&r.children);
        }
    }
    cluster.resource_mut(instance).meta.insert("clone-max".into(), max.to_string().into());
    cluster.resource_mut(clone).children.push(instance);
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    fn clone(meta: &[(&str, &str)], class: &str) -> String {
        let pairs: String = meta
            .iter()
            .map(|(n, v)| format!("<nvpair id='{n}' name='{n}' value='{v}'/>"))
            .collect();
        let resources = format!(
            "<clone id='c'><meta_attributes id='m'>{pairs}</meta_attributes>
             <primitive id='p' class='{class}' type='t'/></clone>"
        );
        let nodes = "<node id='1' uname='n1'/><node id='2' uname='n2'/>";
        fixture::with(&cib("", "", nodes, &resources, "", ""), |cluster| {
            let Some(id) = cluster.find_resource("c") else { return "invalid".to_owned() };
            let c = cluster.resource(id);
            let v = c.as_clone().unwrap();
            let children: Vec<_> = c
                .children
                .iter()
                .map(|i| {
                    let r = cluster.resource(*i);
                    let mark = if r.flags.removed { "!" } else { "" };
                    format!("{}{mark}", r.id)
                })
                .collect();
            format!(
                "unique={} node-max={} {}",
                c.flags.unique,
                v.clone_node_max,
                children.join(" ")
            )
        })
    }

    #[test]
    fn parameters_decide_instances() {
        type Case = (&'static [(&'static str, &'static str)], &'static str, &'static str);
        let cases: [Case; 8] = [
            (&[], "ocf", "unique=false node-max=1 p:0 p:1"),
            (&[("clone-max", "3")], "ocf", "unique=false node-max=1 p:0 p:1 p:2"),
            (&[("clone-max", "0")], "ocf", "unique=false node-max=1 p:0!"),
            (&[("clone-max", "junk")], "ocf", "unique=false node-max=1 p:0!"),
            (&[("clone-node-max", "2")], "ocf", "unique=true node-max=2 p:0 p:1"),
            (
                &[("clone-node-max", "2"), ("globally-unique", "false")],
                "ocf",
                "unique=false node-max=1 p:0 p:1",
            ),
            (
                &[("clone-max", "5"), ("globally-unique", "true")],
                "lsb",
                "unique=false node-max=1 p:0 p:1",
            ),
            (&[("promotable", "true")], "systemd", "invalid"),
        ];
        for (meta, class, expected) in cases {
            assert_eq!(clone(meta, class), expected, "{meta:?} {class}");
        }
    }
}
