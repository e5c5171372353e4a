//! Bounds on what is accepted, checked before memory is spent.

use memchr::memmem;

use super::error::ParseErrorKind;

/// Bounds on the text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of text.
    pub bytes: usize,
    /// Levels of nested elements.
    pub depth: u32,
    /// Elements, comments and pieces of text.
    pub nodes: u32,
    /// Attributes of one element.
    pub attributes_per_element: u32,
}

impl Default for ParseLimits {
    /// 64 MiB, 1000 levels, 4 million nodes, 4096 attributes per element: twenty times the CIB of a
    /// cluster of 16 nodes and 400 resources.
    fn default() -> ParseLimits {
        ParseLimits { bytes: 64 << 20, depth: 1000, nodes: 4_000_000, attributes_per_element: 4096 }
    }
}

/// Different names of elements and attributes; a CIB uses some two hundred.
pub(super) const MAX_NAMES: usize = 65_536;

/// The XML reader looks up namespaces linearly; a CIB has none, tools that render access rights use 3.
const MAX_NAMESPACES: usize = 64;

/// Tags longer than this may have more than a hundred attributes (the shortest is ` a=""`).
const CROWDED: usize = 640;

/// Comparisons between attributes of crowded elements in one document: a second's worth.
const MAX_COMPARISONS: usize = 250_000_000;

/// A limit that is broken, with the byte at which it is seen.
pub(super) type Breach = (usize, ParseErrorKind);

/// Checks what the XML reader itself does not bound: it reserves memory per `<` and per `=`, and
/// compares the attributes of an element pairwise.
pub(super) fn check(text: &str, limits: &ParseLimits) -> Result<(), Breach> {
    let bytes = text.as_bytes();
    if bytes.len() > limits.bytes {
        return Err((limits.bytes, ParseErrorKind::TooLarge(limits.bytes)));
    }
    let mut tag = 0;
    let mut tags = 0u32;
    let mut comparisons = 0;
    for next in memchr::memchr_iter(b'<', bytes).chain([bytes.len()]) {
        tags += 1;
        if tags > limits.nodes {
            return Err((next, ParseErrorKind::TooManyNodes(limits.nodes)));
        }
        if next - tag > CROWDED {
            let attributes = count_attributes(&bytes[tag..next]);
            comparisons += attributes * attributes / 2;
            let limit = limits.attributes_per_element;
            if attributes > limit as usize || comparisons > MAX_COMPARISONS {
                return Err((tag, ParseErrorKind::TooManyAttributes(limit)));
            }
        }
        tag = next;
    }
    let equals = memchr::memchr_iter(b'=', bytes).count();
    if equals > limits.nodes as usize {
        return Err((0, ParseErrorKind::TooManyNodes(limits.nodes)));
    }
    if let Some(at) = memmem::find_iter(bytes, "xmlns").nth(MAX_NAMESPACES) {
        let what = format!("more than {MAX_NAMESPACES} declarations");
        return Err((at, ParseErrorKind::Namespace(what)));
    }
    Ok(())
}

/// The attributes of the tag at the front, counted by their quotes.
fn count_attributes(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut attributes = 0;
    while let Some(offset) = memchr::memchr3(b'"', b'\'', b'>', &bytes[at..]) {
        at += offset;
        let quote = bytes[at];
        let Some(length) = memchr::memchr(quote, &bytes[at + 1..]).filter(|_| quote != b'>') else {
            break;
        };
        attributes += 1;
        at += length + 2;
    }
    attributes
}
