//! Reads the plain form in which tools write a CIB, in one pass.
//!
//! Plain are documents without prefixes, CDATA sections and text: names are of ASCII letters, digits,
//! `_`, `-` and `.`, values stand in double quotes and refer to characters by name only, between tags
//! there are comments and white space. Of anything else, well-formed or not, the reader says only that it is
//! not plain; the general reader decides, and finds the same in what is plain.

use super::build::{Builder, Run};
use super::guard::{MAX_NAMES, ParseLimits};
use super::names::NameId;
use super::{Document, NodeKind};

/// Attributes of one element, whose names are compared pairwise.
const MAX_ATTRIBUTES: usize = 64;

/// XML declarations, as tools write them.
const DECLARATIONS: [&str; 5] = [
    "<?xml version=\"1.0\"?>",
    "<?xml version=\"1.0\" ?>",
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>",
];

/// References to characters by name, which every XML document knows.
const REFERENCES: [(&[u8], char); 5] =
    [(b"&quot;", '"'), (b"&amp;", '&'), (b"&lt;", '<'), (b"&gt;", '>'), (b"&apos;", '\'')];

/// Reads a plain document within the limits; none for any other.
pub(super) fn read(source: &str, limits: &ParseLimits) -> Option<Document> {
    if source.len() > limits.bytes {
        return None;
    }
    let reader = Reader {
        source,
        bytes: source.as_bytes(),
        at: DECLARATIONS.iter().find(|&&d| source.starts_with(d)).map_or(0, |d| d.len()),
        line: 1,
        open: Vec::new(),
        depth: limits.depth as usize,
        attributes: MAX_ATTRIBUTES.min(limits.attributes_per_element as usize),
        // A node may have two tags and a piece of text behind either.
        nodes: limits.nodes as usize / 4,
        builder: Builder::new(source),
    };
    reader.read()
}

struct Reader<'t> {
    source: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Line of the byte `at`.
    line: u32,
    /// Open elements: number and name.
    open: Vec<(u32, NameId)>,
    /// Bounds on open elements, on attributes of one, and on nodes.
    depth: usize,
    attributes: usize,
    nodes: usize,
    builder: Builder<'t>,
}

impl<'t> Reader<'t> {
    fn read(mut self) -> Option<Document> {
        loop {
            self.white_space();
            match (self.byte(0), self.byte(1)) {
                (Some(b'<'), Some(b'/')) => self.end_tag()?,
                (Some(b'<'), Some(b'!')) => self.comment()?,
                (Some(b'<'), Some(_)) => self.start_tag()?,
                (None, _) => break,
                _ => return None,
            }
        }
        let document = self.builder.document;
        (self.open.is_empty() && !document.nodes.is_empty()).then_some(document)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn white_space(&mut self) {
        while let Some(byte @ (b' ' | b'\n' | b'\t')) = self.byte(0) {
            self.line += u32::from(byte == b'\n');
            self.at += 1;
        }
    }

    fn start_tag(&mut self) -> Option<()> {
        let document = &self.builder.document;
        let beyond_root = self.open.is_empty() && !document.nodes.is_empty();
        if beyond_root
            || self.open.len() >= self.depth
            || document.nodes.len() >= self.nodes
            || document.names.len() >= MAX_NAMES - MAX_ATTRIBUTES
        {
            return None;
        }
        let line = self.line;
        self.at += 1;
        let name = self.name(self.builder.likely_element())?;
        let mut run = self.builder.begin(name);
        let mut attributes = 0;
        let closed = loop {
            let before = self.at;
            self.white_space();
            match (self.byte(0)?, self.byte(1)) {
                (b'>', _) => break false,
                (b'/', Some(b'>')) => break true,
                _ if before == self.at || attributes == self.attributes => return None,
                _ => self.attribute(&mut run)?,
            }
            attributes += 1;
        };
        self.at += 1 + usize::from(closed);
        let parent = self.open.last().map(|&(parent, _)| parent);
        let id = self.builder.end_of_attributes(&run, parent, line);
        if !closed {
            self.open.push((id, name));
        }
        Some(())
    }

    fn attribute(&mut self, run: &mut Run) -> Option<()> {
        let likely = self.builder.likely_attribute(run);
        let name = self.name(likely)?;
        let new = run.is_repetition() && likely == Some(name);
        if !new && self.builder.repeats(run, name) {
            return None;
        }
        if self.byte(0)? != b'=' || self.byte(1)? != b'"' {
            return None;
        }
        self.at += 2;
        let place = self.value()?;
        self.builder.attribute(run, name, place);
        Some(())
    }

    /// Reads a value and the quote behind it.
    fn value(&mut self) -> Option<(u32, u32)> {
        let piece = self.piece()?;
        if self.byte(0)? == b'"' {
            self.at += 1;
            return Some(self.builder.place(piece));
        }
        let mut value = piece.to_owned();
        loop {
            let rest = &self.bytes[self.at..];
            if rest[0] == b'"' {
                self.at += 1;
                return Some(self.builder.append(&value));
            }
            let mut known = REFERENCES.iter();
            let (reference, character) = known.find(|(name, _)| rest.starts_with(name))?;
            value.push(*character);
            self.at += reference.len();
            value.push_str(self.piece()?);
        }
    }

    /// Reads what stands for itself in a value, up to a byte that does not.
    fn piece(&mut self) -> Option<&'t str> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| !STANDS_IN_VALUE[usize::from(byte)])?;
        let piece = self.source.get(self.at..self.at + len);
        self.at += len;
        piece
    }

    /// Reads a name, trying the one it is likely to be first.
    fn name(&mut self, likely: Option<NameId>) -> Option<NameId> {
        let rest = &self.bytes[self.at..];
        let names = &mut self.builder.document.names;
        if let Some(id) = likely {
            let len = names.get(id).len();
            let ends = rest.get(len).is_some_and(|&byte| !CONTINUES_NAME[usize::from(byte)]);
            if ends && rest.starts_with(names.get(id).as_bytes()) {
                self.at += len;
                return Some(id);
            }
        }
        let len = rest.iter().position(|&byte| !CONTINUES_NAME[usize::from(byte)])?;
        let name = std::str::from_utf8(&rest[..len]).ok()?;
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || name == "xmlns" {
            return None;
        }
        self.at += len;
        Some(names.intern(name))
    }

    fn end_tag(&mut self) -> Option<()> {
        let (_, name) = self.open.pop()?;
        let name = self.builder.document.names.get(name).as_bytes();
        if !self.bytes[self.at + 2..].starts_with(name) {
            return None;
        }
        self.at += 2 + name.len();
        self.white_space();
        (self.byte(0)? == b'>').then(|| self.at += 1)
    }

    fn comment(&mut self) -> Option<()> {
        let rest = self.bytes[self.at..].strip_prefix(b"<!--")?;
        let len = memchr::memmem::find(rest, b"--")?;
        let text = &rest[..len];
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        if rest.get(len + 2) != Some(&b'>') || !text.iter().all(plain) {
            return None;
        }
        if let Some(&(parent, _)) = self.open.last() {
            let place = (self.at as u32 + 4, len as u32);
            self.builder.push(NodeKind::Comment, NameId(0), Some(parent), place, self.line);
        }
        self.line += text.iter().filter(|&&byte| byte == b'\n').count() as u32;
        self.at += len + 7;
        Some(())
    }
}

/// Bytes that go on with a plain name.
const CONTINUES_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        byte += 1;
    }
    table
};

/// Bytes that stand for themselves in a value. Tabs and newlines would be read as spaces, and EF
/// begins the characters U+FFFE and U+FFFF, which XML forbids.
const STANDS_IN_VALUE: [bool; 256] = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = !matches!(b, ..b' ' | b'"' | b'&' | b'<' | 0xef);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use proptest::prelude::*;

    const PLAIN: &str = "<?xml version=\"1.0\"?>\n<!-- top -->\n<cib epoch=\"1\" x-y.z=\"\">\n  \
        <nodes>\n    <node id=\"1\" uname=\"ä > &quot;b&lt;\"/>\n    <node id=\"2\" uname='c'/><!---->\n  \
        </nodes ><!-- a\n b --><node\n\tuname=\"d\" id=\"3\" ></node>\n</cib>\n<!-- end -->";

    fn plain_text() -> String {
        PLAIN.replace('\'', "\"")
    }

    /// What can be told apart about a document: its text, and the line of each node.
    fn all(document: &Document) -> (String, Vec<u32>) {
        let lines = document.nodes.iter().map(|node| node.line).collect();
        (document.root().to_xml_compact(), lines)
    }

    #[test]
    fn plain_text_is_read_as_the_general_reader_reads_it() {
        let limits = ParseLimits::default();
        let plain = read(&plain_text(), &limits).expect("a plain document");
        assert_eq!(all(&plain), all(&parse::read(&plain_text(), &limits).unwrap()));
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_general_reader() {
        for text in [
            "",
            " ",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a>text</a>",
            "<a b='1'/>",
            "<a b=\"1\" b=\"2\"/>",
            "<a b=\"1\"c=\"2\"/>",
            "<a b=\"&#10;\"/>",
            "<a b=\"&b;\"/>",
            "<a b=\"&amp\"/>",
            "<a b=\"\n\"/>",
            "<a b=\"<\"/>",
            "<a b = \"1\"/>",
            "<a b=\"\u{ffff}\"/>",
            "<p:a/>",
            "<a xmlns=\"b\"/>",
            "<é/>",
            "<1/>",
            "<a><!-- -- --></a>",
            "<a><!--\u{1}--></a>",
            "<a><![CDATA[b]]></a>",
            "<!DOCTYPE a><a/>",
            "<?b?><a/>",
            "\u{feff}<a/>",
            "<a\r/>",
            "<a/ >",
            "< a/>",
        ] {
            assert!(read(text, &ParseLimits::default()).is_none(), "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        let text = "<a b=\"1\" c=\"1\"><b><c/></b><b/></a>";
        let limits = ParseLimits::default();
        assert!(read(text, &limits).is_some());
        for limits in [
            ParseLimits { bytes: text.len() - 1, ..limits },
            ParseLimits { depth: 2, ..limits },
            ParseLimits { nodes: 15, ..limits },
            ParseLimits { attributes_per_element: 1, ..limits },
        ] {
            assert!(read(text, &limits).is_none(), "{limits:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_general_reader_reads(
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, piece()), 0..4),
        ) {
            let mut text: Vec<char> = plain_text().chars().collect();
            for (at, cut, piece) in edits {
                let at = at.index(text.len().max(1)).min(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, piece.chars());
            }
            let text: String = text.into_iter().collect();
            let limits = ParseLimits::default();
            if let Some(plain) = read(&text, &limits) {
                let general = parse::read(&text, &limits);
                prop_assert!(general.is_ok(), "{general:?}\n{text}");
                prop_assert_eq!(all(&plain), all(&general.unwrap()));
            }
        }
    }

    /// What an edit puts in.
    fn piece() -> impl Strategy<Value = String> {
        let known = [
            "",
            " ",
            "\n",
            "\t",
            "\r",
            "<",
            ">",
            "/",
            "=",
            "\"",
            "'",
            "&",
            "-",
            "!",
            "?",
            ":",
            "id",
            "node",
            " id=\"4\"",
            "<node>",
            "</node>",
            "<node/>",
            "<!--",
            "-->",
            "--",
            "]]>",
            "xmlns",
            "é",
            "\u{fffe}",
            "\u{7f}",
            "\u{1}",
            "\u{85}",
            "a:b",
            "<a b=\"1\" c=\"2\"/>",
            "&#10;",
            "<![CDATA[",
        ];
        prop_oneof![
            4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ]
    }
}
