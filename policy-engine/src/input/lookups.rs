//! Indexes that make references between parts of the input cheap.

use super::sections::Sections;
use crate::model::cluster::Cluster;
use crate::model::ids::{DefinitionId, NodeId, ResourceId};
use cib_model::document::References;
use cib_model::nvpair::{Blocks, NameValues};
use cib_model::{Document, Element};
use foldhash::{HashMap, HashMapExt};
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// Whose parameters an entry of the cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ParameterOwner {
    /// All resources of a definition: nothing depends on the node.
    Definition(DefinitionId),
    /// One resource on one node, or without node.
    Resource(ResourceId, Option<NodeId>),
}

/// Indexes over the document and the resources made from it.
pub struct Lookups<'d> {
    /// `id-ref` resolution.
    pub references: References<'d>,
    /// Wrapper in the generated document by number of the element it belongs to.
    pub(super) wrappers: HashMap<usize, Element<'d>>,
    /// Definition by element: (is generated, number).
    pub(super) definitions: HashMap<(bool, usize), DefinitionId>,
    /// What a clone is made of.
    pub(super) cloned: HashMap<ResourceId, Element<'d>>,
    /// Resources by own id, in order of creation.
    by_id: HashMap<Box<str>, Vec<ResourceId>>,
    /// Resources by history id, in order of recording.
    by_history_id: HashMap<Box<str>, Vec<ResourceId>>,
    /// The sections of the document.
    pub(super) sections: Sections<'d>,
    /// What owners without blocks have.
    pub(super) no_blocks: Rc<Blocks<'d>>,
    /// Blocks already read, by owner and name.
    pub(super) blocks: HashMap<(bool, usize, &'static str), Rc<Blocks<'d>>>,
    /// Instance attributes already evaluated (spec 10 §9.11).
    pub(super) parameters: HashMap<ParameterOwner, Rc<NameValues<'d>>>,
}

impl fmt::Debug for Lookups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("resources", &self.by_id.len()).finish_non_exhaustive()
    }
}

impl<'d> Lookups<'d> {
    /// Empty indexes over a document and what was generated for it.
    pub fn new(document: &'d Document, generated: &'d Document) -> Lookups<'d> {
        let numbered = |e: Element<'d>| Some((e.attribute("of")?.parse().ok()?, e));
        Lookups {
            references: References::new(document),
            wrappers: generated.root().children().filter_map(numbered).collect(),
            definitions: HashMap::new(),
            cloned: HashMap::new(),
            by_id: HashMap::new(),
            by_history_id: HashMap::new(),
            sections: Sections::default(),
            no_blocks: Rc::default(),
            blocks: HashMap::new(),
            parameters: HashMap::new(),
        }
    }

    /// What was generated for an element of the document.
    pub(super) fn wrapper(&self, of: Element<'d>) -> Option<Element<'d>> {
        let is_original = std::ptr::eq(of.document(), self.references.document());
        if is_original { self.wrappers.get(&of.id().index()).copied() } else { None }
    }

    /// Names an element across both documents.
    pub(super) fn element_key(&self, element: Element<'d>) -> (bool, usize) {
        (!std::ptr::eq(element.document(), self.references.document()), element.id().index())
    }

    pub(super) fn register(&mut self, id: &str, resource: ResourceId) {
        self.by_id.entry(id.into()).or_default().push(resource);
    }

    /// Forgets every resource made from `first` on.
    pub(super) fn forget_from(&mut self, first: ResourceId, ids: &[Box<str>]) {
        for id in ids {
            if let Some(list) = self.by_id.get_mut(id) {
                list.retain(|r| *r < first);
            }
        }
    }
}

impl<'d> Cluster<'d> {
    /// The first resource in list order, depth first, whose own or history id is `id`.
    pub fn find_resource(&self, id: &str) -> Option<ResourceId> {
        let own = self.lookups.by_id.get(id).map_or(&[][..], Vec::as_slice);
        let by_history = self.lookups.by_history_id.get(id).map_or(&[][..], Vec::as_slice);
        match (own, by_history) {
            ([only], []) | ([], [only]) => Some(*only),
            _ => own.iter().chain(by_history).copied().min_by_key(|r| {
                let top = self.outermost(*r);
                (self.order.iter().position(|t| *t == top).unwrap_or(usize::MAX), *r)
            }),
        }
    }

    /// Records under which id history was matched (spec 11 §3), or forgets it.
    pub fn set_history_id(&mut self, resource: ResourceId, id: Option<Cow<'d, str>>) {
        let old = self.resource_mut(resource).history_id.take();
        if let Some(old) = old
            && let Some(list) = self.lookups.by_history_id.get_mut(old.as_ref())
        {
            list.retain(|r| *r != resource);
        }
        if let Some(new) = &id {
            self.lookups.by_history_id.entry(new.as_ref().into()).or_default().push(resource);
        }
        self.resource_mut(resource).history_id = id;
    }
}
