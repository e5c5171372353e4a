//! The elements that permissions mark, and the decision for an element.

use super::permissions::Permissions;
use crate::document::{Document, Element, ElementId};
use crate::model::Access;
use crate::xpath::Match;

const READ: u8 = 1;
const WRITE: u8 = 2;
const DENY: u8 = 4;

/// What is said of each element of one document.
#[derive(Clone, Debug)]
pub struct Marks {
    /// By index of the element.
    bits: Vec<u8>,
    /// The elements marked as denied, in the order of the permissions.
    pub(super) denied: Vec<ElementId>,
}

impl Permissions {
    /// Marks the elements of a document.
    pub fn marks(&self, document: &Document) -> Marks {
        let mut marks = Marks { bits: vec![0; document.id_bound()], denied: Vec::new() };
        for (access, selector) in &self.rules {
            let matches = match selector.select(document) {
                Ok(matches) => matches,
                Err(error) => {
                    log::warn!("permission for a selector that cannot be evaluated: {error}");
                    continue;
                }
            };
            for one in matches {
                let element = match one {
                    Match::Root => document.root(),
                    Match::Element(element) => element,
                    Match::Attribute { owner, .. } => owner,
                    Match::Comment(comment) => match comment.parent() {
                        Some(parent) => parent,
                        None => continue,
                    },
                };
                marks.bits[element.id().index()] |= match access {
                    Access::Read => READ,
                    Access::Write => WRITE,
                    Access::Deny => DENY,
                };
                if *access == Access::Deny {
                    marks.denied.push(element.id());
                }
            }
        }
        marks
    }
}

impl Marks {
    /// Whether the marked elements let the user read or write `element`: the nearest mark on the way
    /// to the root decides. [`Access::Deny`] is never granted.
    pub fn grant(&self, element: Element<'_>, access: Access) -> bool {
        for above in element.ancestors() {
            let bits = self.bits[above.id().index()];
            if bits & DENY != 0 {
                return false;
            }
            match access {
                Access::Read if bits & (READ | WRITE) != 0 => return true,
                Access::Write if bits & WRITE != 0 => return true,
                _ => {}
            }
        }
        false
    }

    /// What the element's own marks say, if it has any.
    pub fn own(&self, element: Element<'_>) -> Option<Access> {
        let bits = self.bits[element.id().index()];
        [(DENY, Access::Deny), (WRITE, Access::Write), (READ, Access::Read)]
            .into_iter()
            .find(|(bit, _)| bits & bit != 0)
            .map(|(_, access)| access)
    }

    /// Whether the element's own marks let it be read.
    pub(super) fn show(&self, element: Element<'_>) -> bool {
        let bits = self.bits[element.id().index()];
        bits & DENY == 0 && bits & (READ | WRITE) != 0
    }
}
