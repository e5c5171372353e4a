//! MD5 digests of documents and of operation parameters (spec 50 §10.2, 11 §12).
//!
//! They find differences; they protect nothing.
//!
//! ```
//! use cib_model::digest::{md5_hex, on_disk, on_wire};
//! use cib_model::document::Document;
//!
//! let document = Document::parse("<a/>")?;
//! assert_eq!(on_disk(document.root()), "36f3fe87323978c81376fbe84b315483");
//! assert_eq!(on_wire(document.root()), "f019ee9a03978aff9f9b78d0ddf3edb7");
//! assert_eq!(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
//! # Ok::<(), cib_model::document::ParseError>(())
//! ```

mod parameters;

pub use parameters::{
    ParameterSet, SECURE_DEFAULT, is_digest_parameter, operation_digest, parameters_text,
};

use std::fmt::{self, Write};

use md5::{Digest, Md5};

use crate::document::Element;

/// Attributes that do not count on the wire: they say who wrote a change, not what it is.
pub const NOT_ON_WIRE: [&str; 5] =
    ["crm-debug-origin", "cib-last-written", "update-origin", "update-client", "update-user"];

/// The MD5 digest of a text or bytes, as 32 lowercase hexadecimal digits.
pub fn md5_hex(input: impl AsRef<[u8]>) -> String {
    let mut digester = Digester(Md5::new());
    digester.0.update(input);
    digester.finish()
}

/// The digest of a CIB file ("v1"), over everything in the element.
pub fn on_disk(element: Element<'_>) -> String {
    Digester::over(|out| {
        out.write_char(' ')?;
        element.write_compact(out, |_| true)?;
        out.write_char('\n')
    })
}

/// The digest exchanged between nodes and put into patches ("v2"), over everything but the attributes
/// [`NOT_ON_WIRE`].
pub fn on_wire(element: Element<'_>) -> String {
    Digester::over(|out| element.write_compact(out, |name| !NOT_ON_WIRE.contains(&name)))
}

/// Feeds text to MD5 as it is written.
struct Digester(Md5);

impl Digester {
    fn over(write: impl FnOnce(&mut Digester) -> fmt::Result) -> String {
        let mut digester = Digester(Md5::new());
        write(&mut digester).expect("a digester accepts every text");
        digester.finish()
    }

    fn finish(self) -> String {
        let bytes = self.0.finalize();
        bytes.iter().fold(String::with_capacity(32), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            hex
        })
    }
}

impl Write for Digester {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn digests_ignore_layout_and_the_wire_ignores_origins() {
        let a = "<cib update-user='x' a='1'><!-- c --><b crm-debug-origin='f'/></cib>";
        let b = "<cib  a='1'>\n <!-- c -->\n <b/></cib>";
        let [a, b] = [a, b].map(|text| Document::parse(text).unwrap());
        assert_eq!(on_wire(a.root()), on_wire(b.root()));
        assert_ne!(on_disk(a.root()), on_disk(b.root()));
        assert_eq!(on_wire(b.root()), md5_hex("<cib a=\"1\"><!-- c --><b/></cib>"));
        assert_eq!(on_disk(b.root()), md5_hex(" <cib a=\"1\"><!-- c --><b/></cib>\n"));
    }

    #[test]
    fn attribute_order_counts() {
        let [a, b] = ["<a x='1' y='2'/>", "<a y='2' x='1'/>"].map(|t| Document::parse(t).unwrap());
        assert_ne!(on_wire(a.root()), on_wire(b.root()));
    }
}
