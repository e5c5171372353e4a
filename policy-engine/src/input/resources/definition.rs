//! The configured description that instances share, templates worked in (spec 10 §9.1, §10).

use crate::model::cluster::Cluster;
use crate::model::ids::{DefinitionId, ResourceId};
use crate::model::resource::{Definition, OperationDefinition};
use cib_model::Element;
use cib_model::scalar::{parse_boolean, parse_interval_ms};

/// The definition of an element, made at first use.
pub(super) fn of<'d>(
    cluster: &mut Cluster<'d>,
    configured: Element<'d>,
    parent: Option<ResourceId>,
) -> Result<DefinitionId, String> {
    let key = cluster.lookups.element_key(configured);
    if let Some(known) = cluster.lookups.definitions.get(&key) {
        return Ok(*known);
    }
    let (element, template) = expanded(cluster, configured)?;
    let operations = element.child("operations").map_or_else(Vec::new, |operations| {
        let operations = cluster.lookups.references.resolve(operations).unwrap_or(operations);
        operations.children_named("op").map(operation).collect()
    });
    let plain_parameters = cluster.parameters_are_plain(element, parent);
    let id = DefinitionId::from(cluster.definitions.len());
    for op in &operations {
        cluster.operation_rules |= cluster.has_rules(op.element, "meta_attributes")
            || cluster.has_rules(op.element, "instance_attributes");
    }
    cluster.definitions.push(Definition { element, template, operations, plain_parameters });
    cluster.lookups.definitions.insert(key, id);
    Ok(id)
}

fn operation(element: Element<'_>) -> OperationDefinition<'_> {
    let interval = element.attribute("interval").map(parse_interval_ms);
    OperationDefinition {
        element,
        name: element.attribute("name").unwrap_or_default(),
        interval_ms: interval.and_then(Result::ok).unwrap_or(0),
        enabled: element.attribute("enabled").and_then(parse_boolean) != Some(false),
    }
}

/// A primitive with its template worked in; the template element.
fn expanded<'d>(
    cluster: &Cluster<'d>,
    configured: Element<'d>,
) -> Result<(Element<'d>, Option<Element<'d>>), String> {
    let Some(name) = configured.attribute("template").filter(|_| configured.name() == "primitive")
    else {
        return Ok((configured, None));
    };
    let made = cluster.lookups.wrapper(configured).and_then(|w| w.child("primitive"));
    let resources = configured.ancestors().find(|e| e.name() == "resources");
    let template =
        resources.and_then(|r| r.children_named("template").find(|t| t.xml_id() == Some(name)));
    match (made, template) {
        (Some(element), Some(template)) => Ok((element, Some(template))),
        _ => Err(format!(
            "Resource '{}' refers to template '{name}', which is not a <template> of this CIB",
            configured.xml_id().unwrap_or_default()
        )),
    }
}

/// Notes a primitive as a user of its template.
pub(super) fn register_template_user(
    cluster: &mut Cluster<'_>,
    definition: DefinitionId,
    resource: ResourceId,
) {
    let template = cluster.definitions[definition.index()].template;
    let Some(template) = template.and_then(|t| t.xml_id()) else { return };
    let base_id: Box<str> = cluster.resource(resource).base_id.as_ref().into();
    let users = cluster.templates.entry(template).or_default();
    if !users.contains(&base_id) {
        users.push(base_id);
    }
}
