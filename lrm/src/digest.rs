//! Digests over parameters (spec 11 §12.2).

use md5::{Digest, Md5};

/// MD5 in lower-case hexadecimal.
#[must_use]
pub fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of parameters, given sorted by name.
#[must_use]
pub fn parameter_digest<'a>(sorted: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::from(" <parameters");
    for (name, value) in sorted {
        text += " ";
        text += name;
        text += "=\"";
        escape_into(&mut text, value);
        text += "\"";
    }
    text += "/>\n";
    md5_hex(text.as_bytes())
}

/// Writes an attribute value as the CIB's canonical text has it (spec 50 §10.1).
pub(crate) fn escape_into(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => *text += "&amp;",
            '<' => *text += "&lt;",
            '>' => *text += "&gt;",
            '"' => *text += "&quot;",
            control if control.is_ascii_control() => {
                *text += &format!("&#x{:02X};", u32::from(control));
            }
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_known_parameters() {
        let cases: [(&[(&str, &str)], &str); 3] = [
            (&[], "f2317cad3d54cec5d7d7aa7d0bf35cf8"),
            (&[("p", "second")], "43f6c11aa02820a66584d88ce6d91e08"),
            (&[("CRM_meta_timeout", "20000"), ("p", "second")], "c7f1f4e93f0793350c931bd74290255f"),
        ];
        for (parameters, expected) in cases {
            assert_eq!(parameter_digest(parameters.iter().copied()), expected);
        }
    }

    #[test]
    fn values_are_escaped_as_in_the_canonical_text() {
        let mut text = String::new();
        escape_into(&mut text, "a&b<c>\"d'\u{e9}\n\t\u{7f}");
        assert_eq!(text, "a&amp;b&lt;c&gt;&quot;d'\u{e9}&#x0A;&#x09;&#x7F;");
    }
}
