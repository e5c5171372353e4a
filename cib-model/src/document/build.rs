//! Fills the arena with what a reader meets, in document order.

use super::names::{NameId, Names};
use super::{AttributeData, Document, NONE, NodeData, NodeKind};

/// A document in the making.
pub(super) struct Builder<'t> {
    source: &'t str,
    pub(super) document: Document,
    /// Line of the byte `counted`.
    line: u32,
    counted: usize,
    /// Per element name, the attributes of the last element of that name: the next one has most
    /// likely the same.
    last_attributes: Vec<(u32, u32)>,
    /// Per element name, the name of the element that last followed it.
    follower: Vec<u32>,
    /// Name of the last element.
    previous: u32,
}

/// The attributes of one element while they are read.
pub(super) struct Run {
    element: NameId,
    start: u32,
    /// The run they are likely to repeat.
    likely: std::ops::Range<u32>,
    /// Whether all so far repeat that run.
    repeats_likely: bool,
}

impl Run {
    /// Passes over an attribute that is not kept.
    pub(super) fn skip(&mut self) {
        self.likely.next();
        self.repeats_likely = false;
    }

    /// Whether all names so far are those of an earlier element in the same order, and so differ.
    pub(super) fn is_repetition(&self) -> bool {
        self.repeats_likely
    }
}

impl<'t> Builder<'t> {
    pub(super) fn new(source: &'t str) -> Builder<'t> {
        Builder {
            source,
            document: Document {
                text: source.to_owned(),
                nodes: Vec::with_capacity(source.len() / 64),
                attributes: Vec::with_capacity(source.len() / 32),
                names: Names::with_capacity((source.len() / 64).min(64)),
                root: 0,
                free: NONE,
                dead_text: 0,
                dead_attributes: 0,
            },
            line: 1,
            counted: 0,
            last_attributes: Vec::new(),
            follower: Vec::new(),
            previous: NONE,
        }
    }

    /// The name the next element is likely to have.
    pub(super) fn likely_element(&self) -> Option<NameId> {
        self.follower.get(self.previous as usize).map(|&name| NameId(name))
    }

    /// An element of this name begins.
    pub(super) fn begin(&mut self, name: NameId) -> Run {
        if name.0 as usize >= self.follower.len() {
            self.follower.resize(name.0 as usize + 1, 0);
            self.last_attributes.resize(name.0 as usize + 1, (0, 0));
        }
        if let Some(follower) = self.follower.get_mut(self.previous as usize) {
            *follower = name.0;
        }
        self.previous = name.0;
        let (start, end) = self.last_attributes[name.0 as usize];
        Run {
            element: name,
            start: self.document.attributes.len() as u32,
            likely: start..end,
            repeats_likely: true,
        }
    }

    /// The name the next attribute is likely to have.
    pub(super) fn likely_attribute(&self, run: &Run) -> Option<NameId> {
        let next = run.likely.start;
        (next < run.likely.end).then(|| self.document.attributes[next as usize].name)
    }

    /// Whether the element has an attribute of this name.
    pub(super) fn repeats(&self, run: &Run, name: NameId) -> bool {
        self.document.attributes[run.start as usize..].iter().any(|known| known.name == name)
    }

    /// Adds an attribute, whose value is at a place of the text buffer.
    pub(super) fn attribute(&mut self, run: &mut Run, name: NameId, (start, len): (u32, u32)) {
        run.repeats_likely &= self.likely_attribute(run) == Some(name);
        run.likely.next();
        self.document.attributes.push(AttributeData { name, start, len });
    }

    /// Adds the element whose attributes are complete; returns its number.
    pub(super) fn end_of_attributes(&mut self, run: &Run, parent: Option<u32>, line: u32) -> u32 {
        let end = self.document.attributes.len() as u32;
        self.last_attributes[run.element.0 as usize] = (run.start, end);
        self.push(NodeKind::Element, run.element, parent, (run.start, end - run.start), line)
    }

    /// Where a piece of the source is in the text buffer, which begins with the source.
    pub(super) fn place(&mut self, piece: &str) -> (u32, u32) {
        let offset = (piece.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        match offset.checked_add(piece.len()) {
            Some(end) if end <= self.source.len() => (offset as u32, piece.len() as u32),
            _ => self.append(piece),
        }
    }

    /// Puts a text that is not in the source into the text buffer.
    pub(super) fn append(&mut self, value: &str) -> (u32, u32) {
        let start = self.document.text.len() as u32;
        self.document.text.push_str(value);
        (start, value.len() as u32)
    }

    /// The line of a byte of the source, which no earlier call was beyond.
    pub(super) fn line_of(&mut self, at: usize) -> u32 {
        // Tags mostly follow each other closely, so a plain loop beats a vector search.
        let between = &self.source.as_bytes()[self.counted.min(at)..at];
        self.line += between.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.counted = at;
        self.line
    }

    /// Adds a node as the last child of its parent; returns its number.
    pub(super) fn push(
        &mut self,
        kind: NodeKind,
        name: NameId,
        parent: Option<u32>,
        (start, len): (u32, u32),
        line: u32,
    ) -> u32 {
        let nodes = &mut self.document.nodes;
        let id = nodes.len() as u32;
        let mut previous = NONE;
        if let Some(parent) = parent {
            previous = nodes[parent as usize].last_child;
            nodes[parent as usize].last_child = id;
            match nodes.get_mut(previous as usize) {
                Some(sibling) => sibling.next = id,
                None => nodes[parent as usize].first_child = id,
            }
        }
        nodes.push(NodeData {
            kind,
            name,
            parent: parent.unwrap_or(NONE),
            previous,
            next: NONE,
            first_child: NONE,
            last_child: NONE,
            start,
            len,
            capacity: len,
            line,
        });
        id
    }
}
