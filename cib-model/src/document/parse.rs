//! From text to arena: the plain form in one pass, everything else on top of `roxmltree`.

use roxmltree::StringStorage;

use super::build::Builder;
use super::error::{ParseError, ParseErrorKind};
use super::guard::{self, MAX_NAMES, ParseLimits};
use super::names::NameId;
use super::{Document, NodeKind, plain};

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
        match plain::read(text, limits) {
            Some(document) => Ok(document),
            None => read(text, limits),
        }
    }
}

/// Reads any document, and says what is wrong with one that is refused.
pub(super) fn read(text: &str, limits: &ParseLimits) -> Result<Document, ParseError> {
    guard::check(text, limits).map_err(|(at, kind)| error_at(text, at, kind))?;
    let options = roxmltree::ParsingOptions { nodes_limit: limits.nodes, ..Default::default() };
    let tree = roxmltree::Document::parse_with_options(text, options)
        .map_err(|error| translate(text, error, limits))?;
    let reader = Reader { source: text, builder: Builder::new(text), open: Vec::new() };
    reader.read(&tree, limits)
}

/// Walks the tree in document order.
struct Reader<'t> {
    source: &'t str,
    builder: Builder<'t>,
    /// Open elements: their number in the tree and in the arena.
    open: Vec<(roxmltree::NodeId, u32)>,
}

impl<'t> Reader<'t> {
    fn read(
        mut self,
        tree: &roxmltree::Document<'t>,
        limits: &ParseLimits,
    ) -> Result<Document, ParseError> {
        for node in tree.root_element().descendants() {
            if node.is_text() {
                self.cdata(node);
            } else if node.is_element() {
                let parent = self.parent_of(node);
                if self.open.len() >= limits.depth as usize {
                    let kind = ParseErrorKind::TooDeep(limits.depth);
                    return Err(error_at(self.source, node.range().start, kind));
                }
                let id = self.element(node, parent);
                self.open.push((node.id(), id));
                if self.builder.document.names.len() > MAX_NAMES {
                    let kind = ParseErrorKind::TooManyNames(MAX_NAMES);
                    return Err(error_at(self.source, node.range().start, kind));
                }
            } else if node.is_comment() {
                let parent = self.parent_of(node);
                let text = node.text().unwrap_or_default();
                let line = self.builder.line_of(node.range().start);
                let place = self.builder.place(text);
                self.builder.push(NodeKind::Comment, NameId(0), parent, place, line);
            }
        }
        Ok(self.builder.document)
    }

    /// Closes the elements that ended before `node`, and returns its parent.
    fn parent_of(&mut self, node: roxmltree::Node<'_, '_>) -> Option<u32> {
        let parent = node.parent().map(|parent| parent.id());
        while let Some(&(tree_id, id)) = self.open.last() {
            if Some(tree_id) == parent {
                return Some(id);
            }
            self.open.pop();
        }
        None
    }

    fn element(&mut self, node: roxmltree::Node<'_, 't>, parent: Option<u32>) -> u32 {
        let builder = &mut self.builder;
        let guess = builder.likely_element();
        let name = builder.document.names.intern_guessing(node.tag_name().name(), guess);
        let mut run = builder.begin(name);
        // Only prefixes, which are dropped, can make names equal.
        let mut prefixed = false;
        for attribute in node.attributes() {
            let guess = builder.likely_attribute(&run);
            let name = builder.document.names.intern_guessing(attribute.name(), guess);
            prefixed |= attribute.namespace().is_some();
            if prefixed && builder.repeats(&run, name) {
                run.skip();
                continue;
            }
            let place = match attribute.value_storage() {
                StringStorage::Borrowed(value) => builder.place(value),
                StringStorage::Owned(value) => builder.append(value),
            };
            builder.attribute(&mut run, name, place);
        }
        let line = builder.line_of(node.range().start);
        builder.end_of_attributes(&run, parent, line)
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
            let line = self.builder.line_of(at + open);
            let place = self.builder.place(&self.source[at + start..at + start + len]);
            self.builder.push(NodeKind::CData, NameId(0), parent, place, line);
            at += start + len + 3;
        }
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
