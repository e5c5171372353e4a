//! What constraints refer to: resources, templates, tags, and sets of them (spec 10 §13.1).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use cib_model::Element;
use cib_model::scalar::{is_true, parse_boolean};
use std::borrow::Cow;

/// What an id in a constraint stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'d> {
    /// A resource.
    Resource(ResourceId),
    /// The users of a template or the members of a tag.
    Members(Vec<Cow<'d, str>>),
}

/// A `resource_set`, configured or made from a simple constraint that names a template or tag.
#[derive(Debug, Clone)]
pub struct ResourceSet<'d> {
    element: Option<Element<'d>>,
    made: Vec<(&'static str, &'d str)>,
    /// Ids in order, templates and tags replaced by what they stand for.
    pub members: Vec<Cow<'d, str>>,
}

impl<'d> ResourceSet<'d> {
    /// An attribute of the set.
    pub fn attribute(&self, name: &str) -> Option<&'d str> {
        let made = self.made.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        made.or_else(|| self.element.and_then(|e| e.attribute(name)))
    }

    /// Its id.
    pub fn id(&self) -> Option<&'d str> {
        self.attribute("id")
    }

    /// Members come one after another unless that is explicitly denied.
    pub fn is_sequential(&self) -> bool {
        self.attribute("sequential").and_then(parse_boolean) != Some(false)
    }

    /// `sequential` is explicitly true.
    pub fn is_explicitly_sequential(&self) -> bool {
        is_true(self.attribute("sequential"))
    }
}

/// One side of a simple constraint, for its conversion to a set.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The attribute that names the resource.
    pub names: &'static str,
    /// The attribute with its role or action.
    pub detail: &'static str,
    /// What a set calls that attribute.
    pub set_detail: &'static str,
}

/// Members when references are followed: each text at most this often in one set, so that tags which
/// name each other come to an end.
const MAX_MEMBERS: usize = 100_000;

impl<'d> Cluster<'d> {
    /// The resource an id in a constraint means. An id that only history uses means the top of the
    /// resource found.
    pub fn constrained_resource(&self, id: &str) -> Option<ResourceId> {
        let found = self.find_resource(id)?;
        Some(if &*self.resource(found).id == id { found } else { self.top(found) })
    }

    /// What an id in a constraint stands for: a resource, else a template, else a tag.
    pub fn reference(&mut self, id: &str) -> Option<Reference<'d>> {
        if let Some(resource) = self.constrained_resource(id) {
            return Some(Reference::Resource(resource));
        }
        if let Some(users) = self.templates.get(id) {
            if users.is_empty() {
                let text = format!("No resource is derived from template '{id}'");
                self.message(Level::Notice, text);
                return None;
            }
            let users = users.iter().map(|u| Cow::Owned(u.to_string()));
            return Some(Reference::Members(users.collect()));
        }
        let members = self.tags.get(id)?;
        Some(Reference::Members(members.iter().map(|m| Cow::Borrowed(*m)).collect()))
    }

    /// The sets of a constraint, `id-ref` resolved, templates and tags expanded. One that cannot be
    /// expanded leaves all sets of the constraint as they are written.
    pub fn resource_sets(&mut self, constraint: Element<'d>) -> Vec<ResourceSet<'d>> {
        let mut sets = Vec::new();
        let mut direct = Vec::new();
        for child in constraint.children_named("resource_set") {
            match self.lookups.references.resolve(child) {
                Ok(element) => {
                    let refs = element.children_named("resource_ref");
                    let members = refs.map(|r| Cow::Borrowed(r.xml_id().unwrap_or_default()));
                    let members = members.collect();
                    direct.push(element == child);
                    sets.push(ResourceSet { element: Some(element), made: Vec::new(), members });
                }
                Err(error) => self.message(Level::Error, error.to_string()),
            }
        }
        let mut expanded = Vec::with_capacity(sets.len());
        for (set, direct) in sets.iter().zip(direct) {
            if !direct {
                expanded.push(set.members.clone());
                continue;
            }
            match self.expand(&set.members) {
                Ok(members) => expanded.push(members),
                Err(unknown) => {
                    let text = format!(
                        "Ignoring resource sets for constraint '{}' because '{unknown}' is not a \
                         valid resource or tag",
                        constraint.xml_id().unwrap_or_default()
                    );
                    self.message(Level::Error, text);
                    return sets;
                }
            }
        }
        for (set, members) in sets.iter_mut().zip(expanded) {
            set.members = members;
        }
        sets
    }

    /// Replaces templates and tags by their members until only resources are left; the error is the
    /// id that means nothing.
    fn expand(&mut self, members: &[Cow<'d, str>]) -> Result<Vec<Cow<'d, str>>, String> {
        let mut out = Vec::new();
        let mut open: Vec<Cow<'d, str>> = members.iter().rev().cloned().collect();
        let mut steps = 0;
        while let Some(id) = open.pop() {
            steps += 1;
            if steps > MAX_MEMBERS {
                return Err(id.into_owned());
            }
            match self.reference(&id) {
                Some(Reference::Resource(_)) => out.push(id),
                Some(Reference::Members(members)) => open.extend(members.into_iter().rev()),
                None => return Err(id.into_owned()),
            }
        }
        Ok(out)
    }

    /// One side of a simple constraint as a set; a template or tag gives a set without order.
    pub fn side_as_set(
        &self,
        constraint: Element<'d>,
        side: Side,
        reference: &Reference<'d>,
    ) -> ResourceSet<'d> {
        let id = constraint.attribute(side.names).unwrap_or_default();
        let mut made = vec![("id", id)];
        let members = match reference {
            Reference::Resource(_) => vec![Cow::Borrowed(id)],
            Reference::Members(members) => {
                made.push(("sequential", "false"));
                members.clone()
            }
        };
        made.extend(constraint.attribute(side.detail).map(|detail| (side.set_detail, detail)));
        ResourceSet { element: None, made, members }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};
    use cib_model::Element;

    fn set<'d>(document: Element<'d>, id: &str) -> Element<'d> {
        document.document().get_by_id(id).unwrap()
    }

    #[test]
    fn sets_expand_tags_in_place_or_not_at_all() {
        let resources = "<primitive id='a' class='ocf' provider='p' type='t'/>
            <template id='t' class='ocf' provider='p' type='t'/>
            <primitive id='b' template='t'/><primitive id='c' template='t'/>";
        let constraints = "<rsc_colocation id='good'><resource_set id='s1'><resource_ref id='a'/><resource_ref id='tag'/></resource_set></rsc_colocation>
            <rsc_colocation id='bad'><resource_set id='s2'><resource_ref id='tag'/><resource_ref id='x'/></resource_set></rsc_colocation>";
        let text = cib("", "", "", resources, constraints, "").replace(
            "<constraints>",
            "<tags><tag id='tag'><obj_ref id='t'/><obj_ref id='a'/></tag></tags><constraints>",
        );
        fixture::with(&text, |c| {
            let root = c.document.root();
            let good = c.resource_sets(set(root, "good"));
            assert_eq!(good[0].members, ["a", "b", "c", "a"]);
            assert!(good[0].is_sequential() && !good[0].is_explicitly_sequential());
            let bad = c.resource_sets(set(root, "bad"));
            assert_eq!(bad[0].members, ["tag", "x"]);
        });
    }

    #[test]
    fn a_history_id_means_the_top() {
        let resources =
            "<clone id='c'><primitive id='r' class='ocf' provider='p' type='t'/></clone>";
        fixture::with(&cib("", "", "<node id='1' uname='n'/>", resources, "", ""), |c| {
            assert_eq!(c.constrained_resource("r"), None);
            let instance = c.find_resource("r:0").unwrap();
            c.set_history_id(instance, Some("r".into()));
            assert_eq!(c.constrained_resource("r"), c.find_resource("c"));
        });
    }
}
