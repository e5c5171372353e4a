//! Meta-attributes and where they come from (spec 10 §9.2).

use crate::input::blocks::Context;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::resource::MetaTable;
use cib_model::nvpair::NameValues;
use cib_model::rule::ResourceInput;

const BLOCK: &str = "meta_attributes";

/// Fills a resource's meta table, most important source first.
pub(super) fn fill(cluster: &mut Cluster<'_>, id: ResourceId) {
    let resource = cluster.resource(id);
    let context = Context {
        resource: (!resource.class.is_empty()).then_some(ResourceInput {
            class: resource.class,
            provider: resource.provider,
            agent: resource.agent,
        }),
        ..Context::default()
    };
    let (definition, parent, instance) = (resource.definition, resource.parent, resource.instance);
    let element = cluster.definitions[definition.index()].element;
    let mut values = NameValues::default();
    for (name, value) in element.attributes() {
        if value.eq_ignore_ascii_case("#default") {
            let text = format!(
                "Support for setting meta-attributes (such as {name}) to the explicit value '#default' is deprecated"
            );
            cluster.message(Level::Warning, text);
        } else {
            values.insert_if_absent(name, value);
        }
    }
    cluster.collect_blocks(element, BLOCK, context, &mut values);
    let mut above = NameValues::default();
    let mut next = parent;
    while let Some(ancestor) = next {
        let element = cluster.definitions[cluster.resource(ancestor).definition.index()].element;
        cluster.collect_blocks(element, BLOCK, context, &mut above);
        next = cluster.resource(ancestor).parent;
    }
    for (name, value) in above.iter() {
        values.insert_if_absent(name, value);
    }
    if let Some(defaults) = cluster.resource_defaults {
        cluster.collect_blocks(defaults, BLOCK, context, &mut values);
    }
    let mut table: MetaTable<'_> = values.iter().map(|(n, v)| (n.into(), v.into())).collect();
    if let Some(number) = instance {
        table.insert("clone".into(), number.to_string().into());
    }
    if let Some(parent) = parent {
        for (name, value) in &cluster.resource(parent).meta {
            table.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    cluster.resource_mut(id).meta = table;
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn own_then_ancestors_then_defaults_then_the_parents_table() {
        let pair = |n: &str, v: &str| format!("<nvpair id='{n}{v}' name='{n}' value='{v}'/>");
        let block = |id: &str, pairs: String| {
            format!("<meta_attributes id='{id}'>{pairs}</meta_attributes>")
        };
        let resources = format!(
            "<clone id='c'>{}<group id='g'>{}<primitive id='p' class='ocf' provider='x' type='y'>{}</primitive></group></clone>",
            block("cm", pair("a", "clone") + &pair("b", "clone") + &pair("priority", "7")),
            block("gm", pair("a", "group") + &pair("z", "#default")),
            block("pm", pair("c", "own")),
        );
        let defaults = block(
            "rd",
            pair("b", "default")
                + &pair("c", "default")
                + &pair("d", "default")
                + &pair("priority", "1"),
        );
        let text = cib("", "", "<node id='1' uname='n1'/>", &resources, "", "").replace(
            "<constraints>",
            &format!("<rsc_defaults>{defaults}</rsc_defaults><constraints>"),
        );
        fixture::with(&text, |c| {
            let p = c.find_resource("p:0").unwrap();
            let r = c.resource(p);
            let seen: Vec<_> =
                ["a", "b", "c", "d", "priority", "globally-unique", "resource-stickiness", "clone"]
                    .iter()
                    .map(|n| r.meta(n).unwrap_or("-"))
                    .collect();
            assert_eq!(seen, ["group", "clone", "own", "default", "7", "false", "1", "0"]);
            assert_eq!(r.stickiness.value(), 1);
            assert_eq!(c.resource(c.find_resource("c").unwrap()).stickiness.value(), 0);
        });
    }
}
