//! Resources of every variant (spec 10 §9).

mod bundle;
pub(super) mod bundle_description;
mod clone;
mod default_location;
mod definition;
mod flags;
mod group;
mod meta;
mod requires;
mod standard;
mod target_role;

use super::blocks::Context;
use super::discovery;
use super::sections::Sections;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{DefinitionId, ResourceId};
use crate::model::resource::{Flags, MultipleActive, NodeSet, Requires, Resource, Variant};
use crate::model::role::Role;
use crate::model::table::NodeTable;
use cib_model::nvpair::NameValues;
use cib_model::{Element, Score};
use std::cmp::Reverse;

/// Where a resource hangs.
#[derive(Debug, Clone, Copy, Default)]
struct Place<'d> {
    parent: Option<ResourceId>,
    /// Number of the clone instance it is (in).
    instance: Option<u32>,
    /// The resource a generated clone is made of; others have it among their children.
    cloned: Option<Element<'d>>,
    /// Known from history only.
    removed: bool,
}

/// Reads the `resources` section and what was generated for it.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    if let Some(section) = sections.resources {
        let generated = cluster.generated.root().child("resources");
        let appended = generated.into_iter().flat_map(|g| g.children());
        for element in section.children().chain(appended) {
            unpack_top_level(cluster, element);
        }
    }
    discovery::link(cluster);
    let mut order = std::mem::take(&mut cluster.order);
    order.sort_by_key(|r| Reverse(cluster.resource(*r).priority));
    cluster.order = order;
    if cluster.options.fencing_enabled && !cluster.fence_device_exists {
        let text = "Resource start-up disabled since no fencing resources have been defined. \
                    Either configure some or disable fencing with the fencing-enabled option. \
                    NOTE: Clusters with shared data need fencing to ensure data integrity.";
        cluster.message(Level::Error, text);
    }
}

fn unpack_top_level<'d>(cluster: &mut Cluster<'d>, element: Element<'d>) {
    let name = element.name();
    let Some(id) = element.xml_id().filter(|id| !id.is_empty()) else {
        cluster.message(Level::Error, format!("Ignoring <{name}> resource without id"));
        return;
    };
    if name == "template" {
        cluster.templates.entry(id).or_default();
        return;
    }
    match unpack_one(cluster, element, Place::default()) {
        Ok(resource) => cluster.order.push(resource),
        Err(reason) => ignore(cluster, element, &reason),
    }
}

fn ignore(cluster: &mut Cluster<'_>, element: Element<'_>, reason: &str) {
    let (name, id) = (element.name(), element.xml_id().unwrap_or("(no id)"));
    cluster.message(Level::Error, reason);
    let text = format!("Ignoring <{name}> resource '{id}' because configuration is invalid");
    cluster.message(Level::Error, text);
}

/// Makes a resource with everything below it; an error says why there can be none.
fn unpack_one<'d>(
    cluster: &mut Cluster<'d>,
    element: Element<'d>,
    place: Place<'d>,
) -> Result<ResourceId, String> {
    let definition = definition::of(cluster, element, place.parent)?;
    let first = ResourceId::from(cluster.resources.len());
    let made = fill(cluster, element, definition, place);
    if made.is_err() {
        let ids: Vec<_> =
            cluster.resources.drain(first.index()..).map(|resource| resource.id).collect();
        cluster.lookups.forget_from(first, &ids);
    }
    made
}

/// The steps of spec 10 §9.8.
fn fill<'d>(
    cluster: &mut Cluster<'d>,
    element: Element<'d>,
    definition: DefinitionId,
    place: Place<'d>,
) -> Result<ResourceId, String> {
    let blank = blank(cluster, definition, place);
    let is_primitive = matches!(element.name(), "primitive" | "lrm_resource");
    if is_primitive && blank.class.is_empty() && !place.removed {
        return Err(format!("Resource '{}' has no class", blank.id));
    }
    let id = ResourceId::from(cluster.resources.len());
    cluster.lookups.register(&blank.id, id);
    cluster.resources.push(blank);
    meta::fill(cluster, id);
    flags::set(cluster, id, element.name());
    if is_primitive {
        standard::check(cluster, id)?;
    }
    target_role::apply(cluster, id);
    match element.name() {
        "primitive" | "lrm_resource" => {}
        "group" => group::unpack(cluster, id, element, place.instance)?,
        "clone" => clone::unpack(cluster, id, element, place.cloned)?,
        "bundle" => bundle::unpack(cluster, id, element)?,
        other => return Err(format!("'{other}' is not a kind of resource")),
    }
    default_location::add(cluster, id);
    fill_utilization(cluster, id);
    definition::register_template_user(cluster, definition, id);
    Ok(id)
}

/// A resource of which only the identity is known.
fn blank<'d>(cluster: &Cluster<'d>, definition: DefinitionId, place: Place<'d>) -> Resource<'d> {
    let element = cluster.definitions[definition.index()].element;
    let base_id = element.xml_id().unwrap_or_default();
    let id = match place.instance {
        Some(number) => format!("{base_id}:{number}"),
        None => base_id.to_owned(),
    };
    let is_in_bundle = |p: ResourceId| {
        let parent = cluster.resource(p);
        parent.flags.in_bundle || parent.is_bundle()
    };
    Resource {
        id: id.into_boxed_str(),
        base_id: base_id.into(),
        instance: place.instance,
        definition,
        variant: Variant::Primitive,
        parent: place.parent,
        children: Vec::new(),
        launcher: None,
        launched: Vec::new(),
        class: element.attribute("class").unwrap_or_default(),
        provider: element.attribute("provider"),
        agent: element.attribute("type").unwrap_or_default(),
        meta: Default::default(),
        flags: Flags {
            unassigned: true,
            in_bundle: place.parent.is_some_and(is_in_bundle),
            ..Flags::default()
        },
        priority: Score::ZERO,
        stickiness: Score::ZERO,
        migration_threshold: Score::INFINITY,
        failure_timeout_ms: 0,
        reconnect_interval_ms: 0,
        multiple_active: MultipleActive::default(),
        requires: Requires::default(),
        utilization: Vec::new(),
        current_role: Role::Stopped,
        next_role: Role::Unknown,
        active_on: Vec::new(),
        known_on: NodeSet::default(),
        history_id: None,
        pending: None,
        partial_migration_source: None,
        partial_migration_target: None,
        dangling_sources: Vec::new(),
        lock: None,
        table: NodeTable::default(),
        locations: Vec::new(),
        this_with: Vec::new(),
        with_this: Vec::new(),
        tickets: Vec::new(),
        assigned: None,
        promotion_priority: Score::ZERO,
        address_from_host: false,
    }
}

fn fill_utilization(cluster: &mut Cluster<'_>, id: ResourceId) {
    let element = cluster.definitions[cluster.resource(id).definition.index()].element;
    let mut values = NameValues::default();
    cluster.collect_blocks(element, "utilization", Context::default(), &mut values);
    let sorted = values.sorted().into_iter();
    cluster.resource_mut(id).utilization = sorted.map(|(n, v)| (n.into(), v.into())).collect();
}

impl<'d> Cluster<'d> {
    /// Makes a resource from history alone and appends it to the resource list (spec 11 §4.1).
    pub fn unpack_removed_resource(&mut self, lrm_resource: Element<'d>) -> ResourceId {
        let place = Place { removed: true, ..Place::default() };
        let made = unpack_one(self, lrm_resource, place);
        // Only collectives and resources in clones can be invalid.
        let id = made.expect("a primitive outside clones that needs no class");
        self.order.push(id);
        id
    }

    /// Makes a surplus instance of a clone, to hold history (spec 11 §3).
    pub fn create_clone_instance(&mut self, clone: ResourceId) -> ResourceId {
        let made = clone::create_instance(self, clone);
        made.expect("an instance like those that exist already")
    }
}
