//! Whether a user may make a change (spec 50 §8.5).

use thiserror::Error;

use super::permissions::Permissions;
use crate::document::{Document, Element, Node, NodeId};
use crate::model::Access;
use crate::patch::{path_of, touched};

/// A change that is not permitted. The whole operation fails with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not permitted to {action} {path}")]
pub struct Refusal {
    /// What was to be done: `modify`, `delete`, `move` or `create`.
    pub action: &'static str,
    /// The path of the element.
    pub path: String,
}

impl Permissions {
    /// Whether the user may turn `old` into `new`.
    ///
    /// Changed, moved and deleted elements need write access as of the old document. New elements need
    /// it as of the new one, so that permissions reach them; an element with nothing but an `id`
    /// outside `acls` needs none, as it only leads to others.
    ///
    /// # Errors
    /// With the first change that is not permitted.
    pub fn check(&self, old: &Document, new: &Document) -> Result<(), Refusal> {
        let touched = touched(old, new);
        let marks = self.marks(old);
        let existing = touched
            .modified
            .iter()
            .map(|(node, _)| ("modify", *node))
            .chain(touched.deleted.iter().map(|node| ("delete", *node)))
            .chain(touched.moved.iter().map(|node| ("move", *node)));
        for (action, node) in existing {
            if let Some(element) = responsible(old, node)
                && !marks.grant(element, Access::Write)
            {
                return Err(Refusal { action, path: path_of(element) });
            }
        }
        if touched.created.is_empty() {
            return Ok(());
        }
        let marks = self.marks(new);
        let allowed = |element: Element<'_>| marks.grant(element, Access::Write);
        for node in touched.created {
            let elements: Vec<Element<'_>> = match new.node(node).as_element() {
                Some(element) => {
                    element.descendants().filter(|element| !is_scaffolding(*element)).collect()
                }
                None => responsible(new, node).into_iter().collect(),
            };
            if let Some(&refused) = elements.iter().find(|element| !allowed(**element)) {
                return Err(Refusal { action: "create", path: path_of(refused) });
            }
        }
        Ok(())
    }
}

/// The element whose access counts: of a comment, its parent.
fn responsible(document: &Document, node: NodeId) -> Option<Element<'_>> {
    let node: Node<'_> = document.node(node);
    node.as_element().or_else(|| node.parent())
}

fn is_scaffolding(element: Element<'_>) -> bool {
    element.attributes().all(|(name, _)| name == "id")
        && !element.ancestors().any(|above| above.name() == "acls")
}
