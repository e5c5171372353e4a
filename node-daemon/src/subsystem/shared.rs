//! Documents, patches and transitions in envelopes: shared within a process, XML between processes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use cib_model::Document;
use cib_model::patch::Patch;
use policy_engine::transition::Transition;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scheduler::graph;

/// What debug output, and so the log, tells of a document. The rest may hold passwords.
fn outline(document: &Document) -> String {
    let root = document.root();
    format!("<{}> of {} bytes", root.name(), root.to_xml_compact().len())
}

/// A document that costs nothing to send within a process.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedDocument(Arc<Document>);

impl SharedDocument {
    /// Shares a document.
    pub fn new(document: Document) -> SharedDocument {
        SharedDocument(Arc::new(document))
    }

    /// The document itself, copied only if somebody else holds it.
    pub fn into_document(self) -> Document {
        Arc::unwrap_or_clone(self.0)
    }
}

impl From<Document> for SharedDocument {
    fn from(document: Document) -> SharedDocument {
        SharedDocument::new(document)
    }
}

impl From<Arc<Document>> for SharedDocument {
    fn from(document: Arc<Document>) -> SharedDocument {
        SharedDocument(document)
    }
}

impl Deref for SharedDocument {
    type Target = Document;
    fn deref(&self) -> &Document {
        &self.0
    }
}

impl fmt::Debug for SharedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&outline(&self.0))
    }
}

impl Serialize for SharedDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.root().to_xml_compact())
    }
}

impl<'de> Deserialize<'de> for SharedDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Document::parse(&text).map(SharedDocument::new).map_err(D::Error::custom)
    }
}

/// A patch that costs nothing to send within a process.
#[derive(Clone)]
pub struct SharedPatch(Arc<Patch>);

impl SharedPatch {
    /// Shares a patch.
    pub fn new(patch: Patch) -> SharedPatch {
        SharedPatch(Arc::new(patch))
    }
}

impl Deref for SharedPatch {
    type Target = Patch;
    fn deref(&self) -> &Patch {
        &self.0
    }
}

impl fmt::Debug for SharedPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&outline(&self.0.to_document()))
    }
}

impl Serialize for SharedPatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_document().root().to_xml_compact())
    }
}

impl<'de> Deserialize<'de> for SharedPatch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let document = Document::parse(&text).map_err(D::Error::custom)?;
        Patch::read(document.root()).map(SharedPatch::new).map_err(D::Error::custom)
    }
}

/// A transition that costs nothing to send within a process.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedTransition(Arc<Transition>);

impl SharedTransition {
    /// Shares a transition.
    pub fn new(transition: Transition) -> SharedTransition {
        SharedTransition(Arc::new(transition))
    }

    /// The transition itself, copied only if somebody else holds it.
    pub fn into_transition(self) -> Transition {
        Arc::unwrap_or_clone(self.0)
    }
}

impl Deref for SharedTransition {
    type Target = Transition;
    fn deref(&self) -> &Transition {
        &self.0
    }
}

impl fmt::Debug for SharedTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<transition_graph> of {} bytes", self.0.to_xml().len())
    }
}

impl Serialize for SharedTransition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_xml())
    }
}

impl<'de> Deserialize<'de> for SharedTransition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let document = Document::parse(&text).map_err(D::Error::custom)?;
        graph::read(document.root()).map(SharedTransition::new).map_err(D::Error::custom)
    }
}
