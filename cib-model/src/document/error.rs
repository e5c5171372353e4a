//! What can be wrong with the text of a document.

use thiserror::Error;

/// The text is not a document we can hold. Prints as `line L, column C: what; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ParseError {
    /// Line in the text, from 1.
    pub line: u32,
    /// Character in the line, from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// The ways in which a text fails to be a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // each variant is described by its message
pub enum ParseErrorKind {
    #[error("the text has no element; an XML document has one outermost element such as <cib>")]
    Empty,
    #[error("the text is not UTF-8; save it with UTF-8 encoding")]
    NotUtf8,
    #[error("the text ends inside an element or tag; close every element that was opened")]
    Incomplete,
    #[error("expected </{expected}> but found </{found}>; elements close in reverse order")]
    MismatchedEndTag { expected: String, found: String },
    #[error("attribute '{0}' occurs twice in one element; keep one of them")]
    DuplicateAttribute(String),
    #[error("unescaped '<' in an attribute value; write it as &lt;")]
    UnescapedLessThan,
    #[error("malformed reference; write a plain '&' as &amp;")]
    MalformedReference,
    #[error("unknown entity '&{0};'; only &amp; &lt; &gt; &quot; &apos; and &#…; exist")]
    UnknownEntity(String),
    #[error("document type declaration; remove the <!DOCTYPE …>, a CIB has none")]
    DocumentType,
    #[error("character U+{0:04X} is not allowed in XML; remove it")]
    InvalidCharacter(u32),
    #[error("namespace: {0}; a CIB needs no namespace prefixes")]
    Namespace(String),
    #[error(
        "invalid name; a name starts with a letter or '_', then letters, digits, '-', '_', '.'"
    )]
    InvalidName,
    #[error("'--' inside a comment; only --> may end it")]
    InvalidComment,
    #[error("']]>' in text; write '>' as &gt;")]
    InvalidText,
    #[error("found '{found}'; expected {expected}")]
    Unexpected { found: char, expected: String },
    #[error("expected '{0}'")]
    Expected(String),
    #[error("text or markup outside the outermost element; keep only that element")]
    OutsideRoot,
    #[error("the text is larger than {0} bytes; raise the limit if it really is a document")]
    TooLarge(usize),
    #[error("elements are nested deeper than {0} levels; a CIB needs fewer than 20")]
    TooDeep(u32),
    #[error(
        "more than {0} elements, comments or attributes; raise the limit if it really is a document"
    )]
    TooManyNodes(u32),
    #[error(
        "more than {0} attributes in one element, or very many in many elements; use child elements"
    )]
    TooManyAttributes(u32),
    #[error("more than {0} different names of elements and attributes; put names into values")]
    TooManyNames(usize),
}
