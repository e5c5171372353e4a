//! From text to arena, on top of `roxmltree`.

use roxmltree::StringStorage;

use super::error::{ParseError, ParseErrorKind};
use super::guard::{self, MAX_NAMES, ParseLimits};
use super::names::{NameId, Names};
use super::{AttributeData, Document, NONE, NodeData, NodeKind};

impl Document {
    /// Reads a document within the default [`ParseLimits`].
    ///
    /// The text must be well-formed XML 1.0 without a document type. Text nodes and processing
    /// instructions are dropped, and so are comments outside the outermost element.
    pub fn parse(text: &str) -> Result<Document, ParseError> {
        Document::parse_within(text, &ParseLimits::default())
    }

    /// Reads a document from bytes, which must be UTF-8 (a byte order mark is allowed).
    pub fn parse_bytes(bytes: &[u8]) -> Result<Document, ParseError> {
        Document::parse_bytes_within(bytes, &ParseLimits::default())
    }

    /// Reads a document from bytes within the given limits.
    pub fn parse_bytes_within(bytes: &[u8], limits: &ParseLimits) -> Result<Document, ParseError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Document::parse_within(text, limits),
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let text = std::str::from_utf8(good).unwrap_or_default();
                Err(error_at(text, text.len(), ParseErrorKind::NotUtf8))
            }
        }
    }

    /// Reads a document within the given limits.
    pub fn parse_within(text: &str, limits: &ParseLimits) -> Result<Document, ParseError> {
        guard::check(text, limits).map_err(|(at, kind)| error_at(text, at, kind))?;
        let options = roxmltree::ParsingOptions { nodes_limit: limits.nodes, ..Default::default() };
        let tree = roxmltree::Document::parse_with_options(text, options)
            .map_err(|error| translate(text, error, limits))?;
        Builder::new(text).build(&tree, limits)
    }
}

/// Fills the arena while walking the tree in document order.
struct Builder<'t> {
    source: &'t str,
    document: Document,
    /// Open elements: their number in the tree and here.
    open: Vec<(roxmltree::NodeId, u32)>,
    /// Line of the byte `counted`.
    line: u32,
    counted: usize,
    /// Per element name, the attributes of the last element of that name: the next one has most
    /// likely the same.
    last_attributes: Vec<(u32, u32)>,
    /// Per element name, the name of the element that last followed it.
    follower: Vec<u32>,
}

impl<'t> Builder<'t> {
    fn new(source: &'t str) -> Builder<'t> {
        Builder {
            source,
            document: Document {
                text: source.to_owned(),
                nodes: Vec::with_capacity(source.len() / 64),
                attributes: Vec::with_capacity(source.len() / 32),
                names: Names::default(),
                root: 0,
                free: NONE,
                dead_text: 0,
                dead_attributes: 0,
            },
            open: Vec::new(),
            line: 1,
            counted: 0,
            last_attributes: Vec::new(),
            follower: Vec::new(),
        }
    }

    fn build(
        mut self,
        tree: &roxmltree::Document<'t>,
        limits: &ParseLimits,
    ) -> Result<Document, ParseError> {
        let mut previous_name = NONE;
        for node in tree.root_element().descendants() {
            if node.is_text() {
                self.cdata(node);
            } else if node.is_element() {
                let parent = self.parent_of(node);
                if self.open.len() >= limits.depth as usize {
                    let kind = ParseErrorKind::TooDeep(limits.depth);
                    return Err(error_at(self.source, node.range().start, kind));
                }
                previous_name = self.element(node, parent, previous_name);
                if self.document.names.len() > MAX_NAMES {
                    let kind = ParseErrorKind::TooManyNames(MAX_NAMES);
                    return Err(error_at(self.source, node.range().start, kind));
                }
            } else if node.is_comment() {
                let parent = self.parent_of(node);
                let text = node.text().unwrap_or_default();
                let line = self.line_of(node.range().start);
                let (start, len) = self.place(text);
                self.push(NodeKind::Comment, NameId(0), parent, (start, len), line);
            }
        }
        Ok(self.document)
    }

    /// Closes the elements that ended before `node`, and returns its parent.
    fn parent_of(&mut self, node: roxmltree::Node<'_, '_>) -> u32 {
        let parent = node.parent().map(|parent| parent.id());
        while let Some(&(tree_id, id)) = self.open.last() {
            if Some(tree_id) == parent {
                return id;
            }
            self.open.pop();
        }
        NONE
    }

    fn element(&mut self, node: roxmltree::Node<'_, 't>, parent: u32, previous_name: u32) -> u32 {
        let guess = self.follower.get(previous_name as usize).map(|&name| NameId(name));
        let names = &mut self.document.names;
        let name = names.intern_guessing(node.tag_name().name(), guess);
        if name.0 as usize >= self.follower.len() {
            self.follower.resize(name.0 as usize + 1, 0);
            self.last_attributes.resize(name.0 as usize + 1, (0, 0));
        }
        if let Some(follower) = self.follower.get_mut(previous_name as usize) {
            *follower = name.0;
        }
        let start = self.document.attributes.len() as u32;
        let (guess_start, guess_len) = self.last_attributes[name.0 as usize];
        // Only prefixes, which are dropped, can make names equal.
        let mut prefixed = false;
        for (index, attribute) in node.attributes().enumerate() {
            let guess = (index < guess_len as usize)
                .then(|| self.document.attributes[guess_start as usize + index].name);
            let attribute_name = self.document.names.intern_guessing(attribute.name(), guess);
            prefixed |= attribute.namespace().is_some();
            if prefixed && self.repeats(start, attribute_name) {
                continue;
            }
            let (value_start, len) = match attribute.value_storage() {
                StringStorage::Borrowed(value) => self.place(value),
                StringStorage::Owned(value) => self.append(value),
            };
            self.document.attributes.push(AttributeData {
                name: attribute_name,
                start: value_start,
                len,
            });
        }
        let len = self.document.attributes.len() as u32 - start;
        self.last_attributes[name.0 as usize] = (start, len);
        let line = self.line_of(node.range().start);
        let id = self.push(NodeKind::Element, name, parent, (start, len), line);
        self.open.push((node.id(), id));
        name.0
    }

    fn repeats(&self, start: u32, name: NameId) -> bool {
        self.document.attributes[start as usize..].iter().any(|known| known.name == name)
    }

    /// The tree joins text and CDATA sections; pick the sections out of the source.
    fn cdata(&mut self, node: roxmltree::Node<'_, '_>) {
        const OPEN: &str = "<![CDATA[";
        let text = node.text().unwrap_or_default();
        if text.bytes().all(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')) {
            return;
        }
        // The recorded range covers the first piece only; markup ends the run of text.
        let mut at = node.range().start;
        let parent = self.parent_of(node);
        loop {
            let rest = &self.source[at..];
            let Some(open) = rest.find('<').filter(|&open| rest[open..].starts_with(OPEN)) else {
                return;
            };
            let start = open + OPEN.len();
            let Some(len) = rest[start..].find("]]>") else { return };
            let line = self.line_of(at + open);
            let place = self.place(&self.source[at + start..at + start + len]);
            self.push(NodeKind::CData, NameId(0), parent, place, line);
            at += start + len + 3;
        }
    }

    /// Where a piece of the source is in the text buffer, which begins with the source.
    fn place(&mut self, piece: &str) -> (u32, u32) {
        let offset = (piece.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        match offset.checked_add(piece.len()) {
            Some(end) if end <= self.source.len() => (offset as u32, piece.len() as u32),
            _ => self.append(piece),
        }
    }

    fn append(&mut self, value: &str) -> (u32, u32) {
        let start = self.document.text.len() as u32;
        self.document.text.push_str(value);
        (start, value.len() as u32)
    }

    fn line_of(&mut self, at: usize) -> u32 {
        // Tags mostly follow each other closely, so a plain loop beats a vector search.
        let between = &self.source.as_bytes()[self.counted.min(at)..at];
        self.line += between.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.counted = at;
        self.line
    }

    fn push(
        &mut self,
        kind: NodeKind,
        name: NameId,
        parent: u32,
        (start, len): (u32, u32),
        line: u32,
    ) -> u32 {
        let nodes = &mut self.document.nodes;
        let id = nodes.len() as u32;
        let mut previous = NONE;
        if parent != NONE {
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
            parent,
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

fn error_at(text: &str, at: usize, kind: ParseErrorKind) -> ParseError {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ParseError {
        line: before.bytes().filter(|&byte| byte == b'\n').count() as u32 + 1,
        column: before[line_start..].chars().count() as u32 + 1,
        kind,
    }
}

fn translate(text: &str, error: roxmltree::Error, limits: &ParseLimits) -> ParseError {
    use roxmltree::Error as E;
    let position = error.pos();
    let kind = match error {
        E::NoRootNode => ParseErrorKind::Empty,
        E::UnclosedRootNode | E::UnexpectedEndOfStream if text.trim().is_empty() => {
            ParseErrorKind::Empty
        }
        E::UnclosedRootNode | E::UnexpectedEndOfStream => {
            return error_at(text, text.len(), ParseErrorKind::Incomplete);
        }
        E::DtdDetected => {
            let at = text.find("<!DOCTYPE").unwrap_or(0);
            return error_at(text, at, ParseErrorKind::DocumentType);
        }
        E::UnexpectedCloseTag(expected, found, _) => {
            ParseErrorKind::MismatchedEndTag { expected, found }
        }
        E::DuplicatedAttribute(name, _) => ParseErrorKind::DuplicateAttribute(name),
        E::InvalidAttributeValue(_) => ParseErrorKind::UnescapedLessThan,
        E::MalformedEntityReference(_) => ParseErrorKind::MalformedReference,
        E::UnknownEntityReference(name, _) => ParseErrorKind::UnknownEntity(name),
        E::NonXmlChar(character, _) => ParseErrorKind::InvalidCharacter(character as u32),
        E::InvalidName(_) => ParseErrorKind::InvalidName,
        E::InvalidComment(_) => ParseErrorKind::InvalidComment,
        E::InvalidCharacterData(_) => ParseErrorKind::InvalidText,
        E::InvalidChar(b'"' | b'\'', b'<', _) => ParseErrorKind::UnescapedLessThan,
        E::InvalidChar(expected, found, _) => ParseErrorKind::Unexpected {
            found: found as char,
            expected: format!("'{}'", expected as char),
        },
        E::InvalidChar2(expected, found, _) => {
            ParseErrorKind::Unexpected { found: found as char, expected: expected.to_owned() }
        }
        E::InvalidString(expected, _) => ParseErrorKind::Expected(expected.to_owned()),
        E::NodesLimitReached | E::AttributesLimitReached => {
            ParseErrorKind::TooManyNodes(limits.nodes)
        }
        E::UnknownNamespace(prefix, _) => {
            ParseErrorKind::Namespace(format!("prefix '{prefix}' is not declared"))
        }
        E::InvalidXmlPrefixUri(_)
        | E::UnexpectedXmlUri(_)
        | E::UnexpectedXmlnsUri(_)
        | E::InvalidElementNamePrefix(_)
        | E::DuplicatedNamespace(..)
        | E::NamespacesLimitReached => ParseErrorKind::Namespace("invalid declaration".to_owned()),
        _ => ParseErrorKind::OutsideRoot,
    };
    ParseError { line: position.row, column: position.col, kind }
}
