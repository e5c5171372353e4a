//! Primitives made from templates (spec 10 §9.1).

use cib_model::document::References;
use cib_model::{Document, Element, ElementId};
use std::collections::HashSet;

/// Expands every primitive that names a valid template.
pub(super) fn expand_all<'d>(
    out: &mut Document,
    resources: Element<'d>,
    references: &References<'d>,
) {
    for primitive in resources.descendants().filter(|e| e.name() == "primitive") {
        if let Some(template) = template_of(resources, primitive) {
            expand(out, primitive, template, references);
        }
    }
}

/// The template a primitive names, if there is one of that id and it is not the primitive itself.
fn template_of<'d>(resources: Element<'d>, primitive: Element<'d>) -> Option<Element<'d>> {
    let name = primitive.attribute("template").filter(|t| Some(*t) != primitive.xml_id())?;
    resources.children_named("template").find(|t| t.xml_id() == Some(name))
}

fn expand<'d>(
    out: &mut Document,
    primitive: Element<'d>,
    template: Element<'d>,
    references: &References<'d>,
) {
    let wrapper = super::wrapper(out, "expansion", primitive);
    let operations = |e: Element<'d>| e.child("operations");
    let resolved = |e: Element<'d>| references.resolve(e).unwrap_or(e);
    let own = operations(primitive).map(resolved);
    let inherited = operations(template).map(resolved);
    let merge = own.is_some() && inherited.is_some();
    let expanded = out.append_element(wrapper, "primitive");
    for (name, value) in template.attributes() {
        out.set_attribute(expanded, name, value);
    }
    out.set_attribute(expanded, "id", primitive.xml_id().unwrap_or_default());
    for child in template.children() {
        if !(merge && operations(template) == Some(child)) {
            out.copy_subtree(expanded, child);
        }
    }
    for child in primitive.children() {
        if merge && operations(primitive) == Some(child) {
            let ops = out.copy_subtree(expanded, own.unwrap_or(child));
            add_missing_operations(out, ops, own.unwrap_or(child), inherited);
        } else {
            out.copy_subtree(expanded, child);
        }
    }
}

/// Appends the template's operations whose name and role the primitive has not.
fn add_missing_operations(
    out: &mut Document,
    ops: ElementId,
    own: Element<'_>,
    inherited: Option<Element<'_>>,
) {
    let keys: HashSet<String> = own.children_named("op").map(key).collect();
    for op in inherited.into_iter().flat_map(|i| i.children()).filter(|o| o.name() == "op") {
        if !keys.contains(&key(op)) {
            out.copy_subtree(ops, op);
        }
    }
}

/// Name and role; the interval does not count.
fn key(op: Element<'_>) -> String {
    let plain = ["started", "unpromoted", "slave"];
    let role = match op.attribute("role") {
        Some(role) if !plain.iter().any(|p| role.eq_ignore_ascii_case(p)) => role,
        _ => "Unknown",
    };
    format!("{}-{role}", op.attribute("name").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use crate::input::generate;
    use cib_model::Document;

    #[test]
    fn operations_merge_by_name_and_role() {
        let cib = Document::parse(
            "<cib><configuration><resources>
             <template id='t' class='ocf' provider='p' type='T'>
               <meta_attributes id='tm'/>
               <operations>
                 <op id='t1' name='monitor' interval='10' role='Started'/>
                 <op id='t2' name='monitor' interval='20' role='Promoted'/>
                 <op id='t3' name='start' interval='0'/>
               </operations></template>
             <primitive id='r' template='t' class='ignored'>
               <operations><op id='r1' name='monitor' interval='5'/></operations>
               <meta_attributes id='rm'/></primitive>
             <primitive id='bad' template='nowhere'/>
             </resources></configuration></cib>",
        )
        .unwrap();
        let made = generate(&cib);
        let expansions: Vec<_> = made.root().children_named("expansion").collect();
        assert_eq!(expansions.len(), 1);
        let primitive = expansions[0].child("primitive").unwrap();
        assert_eq!(primitive.attribute("class"), Some("ocf"));
        assert_eq!(primitive.xml_id(), Some("r"));
        let shape: Vec<_> = primitive.children().map(|c| c.xml_id().unwrap_or(c.name())).collect();
        assert_eq!(shape, ["tm", "operations", "rm"], "template parts come first");
        let ops: Vec<_> = primitive.child("operations").unwrap().children().collect();
        let ids: Vec<_> = ops.iter().filter_map(|o| o.xml_id()).collect();
        assert_eq!(ids, ["r1", "t2", "t3"]);
    }
}
