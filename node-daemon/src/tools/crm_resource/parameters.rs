//! Parameters, meta-attributes and properties of resources.

use cib_model::operation::Operation;
use cib_model::{Document, Element};
use clap::ArgMatches;

use super::{Work, failed};
use crate::tools::commands::{given, text};
use crate::tools::exit;
use crate::tools::output::{Output, escape};
use crate::tools::source::{Call, Failure};

fn kind(matches: &ArgMatches) -> &'static str {
    if given(matches, "meta") {
        "meta_attributes"
    } else if given(matches, "utilization") {
        "utilization"
    } else {
        "instance_attributes"
    }
}

/// Which settings of a resource are meant.
#[derive(Debug, Clone, Copy)]
pub struct Place<'m> {
    kind: &'static str,
    set: Option<&'m str>,
    id: Option<&'m str>,
}

impl<'m> Place<'m> {
    /// Its meta-attributes.
    pub const META: Place<'static> = Place { kind: "meta_attributes", set: None, id: None };

    fn of(matches: &'m ArgMatches) -> Place<'m> {
        let (set, id) = (text(matches, "set-name"), text(matches, "nvpair"));
        Place { kind: kind(matches), set, id }
    }

    /// Settings of a name directly in a resource, as far as sets and ids are given.
    fn settings<'w>(self, work: &'w Work, resource: &str, name: &str) -> Vec<Element<'w>> {
        let element = work.element(resource);
        let sets = element.into_iter().flat_map(|e| e.children_named(self.kind));
        sets.filter(|block| self.set.is_none_or(|set| block.xml_id() == Some(set)))
            .flat_map(|block| block.children_named("nvpair"))
            .filter(|pair| pair.attribute("name") == Some(name))
            .filter(|pair| self.id.is_none_or(|id| pair.xml_id() == Some(id)))
            .collect()
    }

    /// The value of a setting directly in a resource.
    pub fn value(self, work: &Work, resource: &str, name: &str) -> Option<String> {
        let found = self.settings(work, resource, name);
        found.first().and_then(|pair| pair.attribute("value")).map(str::to_owned)
    }

    /// Sets one; gives the code with which to end.
    pub fn set(
        self,
        work: &mut Work,
        resource: &str,
        (name, value): (&str, &str),
        out: &mut Output,
    ) -> u8 {
        let found: Vec<String> = self
            .settings(work, resource, name)
            .into_iter()
            .filter_map(|pair| pair.xml_id().map(str::to_owned))
            .collect();
        let (data, id, set) = match &found[..] {
            [id] => (pair(id, name, Some(value)), id.clone(), None),
            [] => {
                let (document, id, set) = self.skeleton(work, resource, name, value);
                (document, id, Some(set))
            }
            many => {
                out.line(format!("Multiple attributes match name={name}"));
                for id in many {
                    out.line(format!("  Value: {value} \t(id={id})"));
                }
                return exit::MULTIPLE;
            }
        };
        if let Err(code) = change(work, Operation::Modify, data, out) {
            return code;
        }
        let set = set.map(|set| format!(" set={set}")).unwrap_or_default();
        out.line(format!("Set '{resource}' option: id={id}{set} name={name} value={value}"));
        exit::OK
    }

    /// Deletes one; gives the code with which to end.
    pub fn delete(self, work: &mut Work, resource: &str, name: &str, out: &mut Output) -> u8 {
        let found: Vec<String> = self
            .settings(work, resource, name)
            .into_iter()
            .filter_map(|pair| pair.xml_id().map(str::to_owned))
            .collect();
        let id = match &found[..] {
            [] => return exit::OK,
            [id] => id,
            _ => return failed(out, exit::text(exit::MULTIPLE), exit::MULTIPLE),
        };
        if let Err(code) = change(work, Operation::Delete, pair(id, name, None), out) {
            return code;
        }
        out.line(format!("Deleted '{resource}' option: id={id} name={name}"));
        exit::OK
    }

    /// A setting that is not there yet, in the set that is named, or in one named after the resource.
    fn skeleton(
        self,
        work: &Work,
        resource: &str,
        name: &str,
        value: &str,
    ) -> (Document, String, String) {
        let kind = self.kind;
        let element = work.element(resource);
        let set = self.set.map_or_else(|| format!("{resource}-{kind}"), str::to_owned);
        let id = self.id.map_or_else(|| format!("{set}-{name}"), str::to_owned);
        let mut document = Document::new(element.map_or("primitive", Element::name));
        let root = document.root_id();
        document.set_attribute(root, "id", resource);
        let block = document.append_element(root, kind);
        document.set_attribute(block, "id", &set);
        let setting = pair(&id, name, Some(value));
        document.copy_subtree(block, setting.root());
        (document, id, set)
    }
}

/// `-g`
pub fn get(work: &Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let name = text(matches, "get-parameter").unwrap_or_default();
    let place = Place::of(matches);
    let found = place.settings(work, resource, name);
    // Meta-attributes of what a resource is in apply to it, too.
    let inherited = || {
        let outer = work.element(resource)?.ancestors().filter(|e| e.name() != "resources");
        let ids: Vec<&str> = outer.filter_map(Element::xml_id).collect();
        let inherits = given(matches, "meta");
        ids.into_iter()
            .filter(|_| inherits)
            .find_map(|id| place.settings(work, id, name).first()?.attribute("value"))
    };
    match found.first().and_then(|pair| pair.attribute("value")).or_else(inherited) {
        Some(value) => single(out, "attributes", name, value),
        None => out.error(format!("Attribute '{name}' not found for '{resource}'")),
    }
    exit::OK
}

/// A list of one value.
fn single(out: &mut Output, list: &str, name: &str, value: &str) {
    out.line(value);
    let (name, value) = (escape(name), escape(value));
    out.xml(&format!(
        "  <list name=\"{list}\" count=\"1\">\n    <item name=\"{name}\">{value}</item>\n  </list>\n"
    ));
}

/// The clone that a resource is the only child of.
pub fn clone_of<'w>(work: &'w Work, resource: &str) -> Option<&'w str> {
    let parent = work.element(resource)?.parent()?;
    matches!(parent.name(), "clone" | "master").then(|| parent.xml_id())?
}

/// The clone that a meta-attribute of its only child belongs to.
fn owner<'w>(work: &'w Work, matches: &ArgMatches, resource: &'w str) -> &'w str {
    let direct = given(matches, "force") || !given(matches, "meta");
    clone_of(work, resource).filter(|_| !direct).unwrap_or(resource)
}

fn change(
    work: &mut Work,
    operation: Operation,
    data: Document,
    out: &mut Output,
) -> Result<(), u8> {
    let call = Call { section: Some("resources"), options: 0, data: Some(data) };
    work.source
        .call(operation, &call)
        .map(drop)
        .map_err(|failure: Failure| failed(out, exit::text(failure.exit()), failure.exit()))
}

fn pair(id: &str, name: &str, value: Option<&str>) -> Document {
    let mut pair = Document::new("nvpair");
    let root = pair.root_id();
    pair.set_attribute(root, "id", id);
    pair.set_attribute(root, "name", name);
    if let Some(value) = value {
        pair.set_attribute(root, "value", value);
    }
    pair
}

/// `-p … -v …`
pub fn set(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let name = text(matches, "set-parameter").unwrap_or_default().to_owned();
    let Some(value) = text(matches, "parameter-value") else {
        out.error("crm_resource: You need to supply a value with the -v option");
        return exit::USAGE;
    };
    if given(matches, "element") {
        return set_attribute(work, resource, &name, value, out);
    }
    let own = resource;
    let resource = owner(work, matches, own).to_owned();
    let resource = resource.as_str();
    if resource != own {
        out.line(format!("Performing update of '{name}' on '{resource}', the parent of '{own}'"));
    }
    Place::of(matches).set(work, resource, (&name, value), out)
}

fn set_attribute(work: &mut Work, resource: &str, name: &str, value: &str, out: &mut Output) -> u8 {
    let kind = work.element(resource).map_or("primitive", Element::name).to_owned();
    let mut data = Document::new(&kind);
    let root = data.root_id();
    data.set_attribute(root, "id", resource);
    data.set_attribute(root, name, value);
    match change(work, Operation::Modify, data, out) {
        Ok(()) => exit::OK,
        Err(code) => code,
    }
}

/// `-d`
pub fn delete(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let name = text(matches, "delete-parameter").unwrap_or_default().to_owned();
    Place::of(matches).delete(work, resource, &name, out)
}

/// `-G`
pub fn get_property(work: &Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let name = text(matches, "get-property").unwrap_or_default();
    match work.element(resource).and_then(|element| element.attribute(name)) {
        Some(value) => {
            single(out, "properties", name, value);
            exit::OK
        }
        None => {
            out.error(format!("Property '{name}' not found for '{resource}'"));
            exit::NO_SUCH
        }
    }
}

/// `-S … -v …`
pub fn set_property(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let name = text(matches, "set-property").unwrap_or_default().to_owned();
    let Some(value) = text(matches, "parameter-value") else {
        out.error("crm_resource: You need to supply a value with the -v option");
        return exit::USAGE;
    };
    if text(matches, "resource-type").is_none() {
        out.error("crm_resource: Must specify -t with resource type");
        out.error(format!("Error performing operation: {}", exit::text(exit::NO_SUCH)));
        return exit::NO_SUCH;
    }
    set_attribute(work, resource, &name, value, out)
}
