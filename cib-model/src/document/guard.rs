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
    /// 128 MiB, 1000 levels, 8 million nodes, 4096 attributes per element: forty times the CIB of the
    /// largest clusters.
    fn default() -> ParseLimits {
        ParseLimits {
            bytes: 128 << 20,
            depth: 1000,
            nodes: 8_000_000,
            attributes_per_element: 4096,
        }
    }
}

/// The XML reader looks up namespaces linearly; a CIB has none, tools that render access rights use 3.
const MAX_NAMESPACES: usize = 64;

/// A limit that is broken, with the byte at which it is seen.
pub(super) type Breach = (usize, ParseErrorKind);

/// Checks what the XML reader itself does not bound: it reserves memory per `<` and per `=`, and
/// compares the attributes of an element pairwise.
pub(super) fn check(text: &str, limits: &ParseLimits) -> Result<(), Breach> {
    let bytes = text.as_bytes();
    if bytes.len() > limits.bytes {
        return Err((limits.bytes, ParseErrorKind::TooLarge(limits.bytes)));
    }
    // The shortest attribute is ` a=""`.
    let crowded = 5 * limits.attributes_per_element as usize;
    let mut tag = 0;
    let mut tags = 0u32;
    for next in memchr::memchr_iter(b'<', bytes).chain([bytes.len()]) {
        tags += 1;
        // An element and the text behind it.
        if tags > limits.nodes {
            return Err((next, ParseErrorKind::TooManyNodes(limits.nodes)));
        }
        if next - tag > crowded {
            check_tag(text, tag, next, limits)?;
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

/// Counts the attributes of the tag in `start..end`.
fn check_tag(text: &str, start: usize, end: usize, limits: &ParseLimits) -> Result<(), Breach> {
    let bytes = &text.as_bytes()[..end];
    let mut at = start;
    let mut attributes = 0;
    while let Some(offset) = memchr::memchr3(b'"', b'\'', b'>', &bytes[at..]) {
        at += offset;
        let quote = bytes[at];
        if quote == b'>' {
            break;
        }
        attributes += 1;
        if attributes > limits.attributes_per_element {
            return Err((at, ParseErrorKind::TooManyAttributes(limits.attributes_per_element)));
        }
        match memchr::memchr(quote, &bytes[at + 1..]) {
            Some(length) => at += length + 2,
            None => break,
        }
    }
    Ok(())
}
