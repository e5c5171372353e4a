//! Patches between two versions of a CIB: making, applying, and their XML form (format 2, spec 50 §11).
//!
//! ```
//! use cib_model::Document;
//! use cib_model::patch::{AttributeOrder, Patch};
//!
//! let old = r#"<cib admin_epoch="0" epoch="1" num_updates="0"><status><x id="a"/></status></cib>"#;
//! let new = r#"<cib admin_epoch="0" epoch="1" num_updates="1"><status><x id="b"/></status></cib>"#;
//! let (old, new) = (Document::parse(old)?, Document::parse(new)?);
//! let patch = Patch::between(&old, &new, AttributeOrder::Significant).unwrap();
//! let sent = patch.to_document().to_xml();
//!
//! let received = Patch::read(Document::parse(&sent)?.root())?;
//! let patched = received.applied(&old)?;
//! assert_eq!(patched.to_xml(), new.to_xml());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod difference;
mod error;
mod path;
mod skips;
mod versions;
mod xml;

pub use difference::AttributeOrder;
pub(crate) use difference::touched;
pub use error::{PatchError, PatchFailure};
pub(crate) use path::of as path_of;
pub use versions::{bump, complete, record};

use crate::document::Document;
use crate::model::CibVersion;

/// What leads from one version of a CIB to another.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    /// The version it applies to and the version it makes, where they are given.
    pub versions: Option<Versions>,
    /// The on-wire digest of the result.
    pub digest: Option<String>,
    /// The changes, in the order in which they are applied.
    pub changes: Vec<Change>,
}

/// The versions of a patch.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// What it applies to; nothing for whatever there is.
    pub source: Option<CibVersion>,
    /// What it makes; nothing for one update more.
    pub target: Option<CibVersion>,
}

/// One change. Paths are made of `/name` or `/name[@id='ID']` steps from the root; a comment's step is
/// `comment`. Positions count nodes of all kinds.
#[derive(Clone, Debug)]
pub enum Change {
    /// Removes a node.
    Delete {
        /// The node, in the old document.
        path: String,
        /// For a comment, its position among what is left of the old siblings.
        position: Option<usize>,
    },
    /// Replaces the attributes of an element.
    Modify {
        /// The element.
        path: String,
        /// What changes, for readers.
        list: Vec<AttributeChange>,
        /// The name of the element.
        name: String,
        /// All attributes it has afterwards.
        result: Vec<(String, String)>,
    },
    /// Adds a node.
    Create {
        /// The parent.
        parent: String,
        /// The position among its children afterwards.
        position: usize,
        /// What is added.
        content: Content,
    },
    /// Moves a node among its siblings.
    Move {
        /// The node.
        path: String,
        /// The position among its siblings afterwards.
        position: usize,
    },
    /// An operation this format does not have. A patch with one cannot be applied.
    Unknown {
        /// The operation.
        operation: String,
        /// The line in the text the patch was read from.
        line: u32,
    },
}

/// One attribute that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeChange {
    /// Its name.
    pub name: String,
    /// Its new value; nothing when it is removed.
    pub value: Option<String>,
}

/// What a change adds.
#[derive(Clone, Debug)]
pub enum Content {
    /// An element with what is in it.
    Element(Document),
    /// A comment.
    Comment(String),
}

impl Change {
    /// The path it speaks of: of the parent, for something that is added.
    pub fn path(&self) -> &str {
        match self {
            Change::Delete { path, .. }
            | Change::Modify { path, .. }
            | Change::Create { parent: path, .. }
            | Change::Move { path, .. } => path,
            Change::Unknown { .. } => "",
        }
    }
}

impl Patch {
    /// Whether it touches an element, given by its path from the root such as
    /// `/cib/configuration/resources`, or something below it.
    pub fn touches(&self, path: &str) -> bool {
        self.changes.iter().any(|change| {
            if path::is_at_or_below(change.path(), path) {
                return true;
            }
            match change {
                Change::Create { parent, content: Content::Element(content), .. } => {
                    path.strip_prefix(parent.as_str()).and_then(|rest| rest.strip_prefix('/'))
                        == Some(content.root().name())
                }
                _ => false,
            }
        })
    }

    /// Whether it changes the configuration.
    pub fn touches_configuration(&self) -> bool {
        self.touches("/cib/configuration")
    }
}

#[cfg(test)]
mod tests;
