//! Primitives made from templates (spec 10 §9.1).

use cib_model::{Document, Element, ElementId};
use foldhash::{HashMap, HashMapExt, HashSet};

/// Expands every primitive that names a valid template.
pub(super) fn expand_all(out: &mut Document, resources: Element<'_>) {
    let mut templates = HashMap::new();
    for template in resources.children_named("template") {
        templates.entry(template.xml_id().unwrap_or_default()).or_insert(template);
    }
    for primitive in resources.descendants().filter(|e| e.name() == "primitive") {
        if let Some(template) = template_of(&templates, primitive) {
            expand(out, primitive, template);
        }
    }
}

/// The template a primitive names, if there is one of that id and it is not the primitive itself.
fn template_of<'d>(
    templates: &HashMap<&str, Element<'d>>,
    primitive: Element<'d>,
) -> Option<Element<'d>> {
    let name = primitive.attribute("template").filter(|t| Some(*t) != primitive.xml_id())?;
    templates.get(name).copied()
}

/// Operations are merged as they are written: an `id-ref` on either side is not followed, so that of
/// a primitive stands alone and that of a template yields to operations of the primitive.
fn expand(out: &mut Document, primitive: Element<'_>, template: Element<'_>) {
    let wrapper = super::wrapper(out, "expansion", primitive);
    let (own, inherited) = (primitive.child("operations"), template.child("operations"));
    let expanded = out.append_element(wrapper, "primitive");
    for (name, value) in template.attributes() {
        out.set_attribute(expanded, name, value);
    }
    out.set_attribute(expanded, "id", primitive.xml_id().unwrap_or_default());
    for child in template.children() {
        if own.is_none() || inherited != Some(child) {
            out.copy_subtree(expanded, child);
        }
    }
    for child in primitive.children() {
        let copy = out.copy_subtree(expanded, child);
        if own == Some(child) && inherited.is_some() {
            add_missing_operations(out, copy, child, inherited);
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
