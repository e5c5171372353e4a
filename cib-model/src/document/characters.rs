//! Which characters may stand in a document (XML 1.0 §2.2, §2.3).

use std::borrow::Cow;

/// Whether a text can be the name of an element or attribute.
///
/// ```
/// use cib_model::document::is_name;
///
/// assert!(is_name("op-digest") && is_name("_é.1"));
/// assert!(!is_name("1st") && !is_name("a b") && !is_name(""));
/// ```
pub fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(starts_name) && characters.all(continues_name)
}

/// `NameStartChar` without the colon, which would make a prefix.
fn starts_name(character: char) -> bool {
    matches!(character,
        'A'..='Z' | 'a'..='z' | '_'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// `NameChar` without the colon.
fn continues_name(character: char) -> bool {
    starts_name(character)
        || matches!(character,
            '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The text with every character that XML forbids, even escaped, replaced by U+FFFD.
pub(super) fn allowed(text: &str) -> Cow<'_, str> {
    // Forbidden are most ASCII control characters and two whose UTF-8 form starts with EF.
    let suspicious = |byte: u8| byte < b' ' && !is_white(byte) || byte == 0xef;
    if !text.bytes().any(suspicious) {
        return Cow::Borrowed(text);
    }
    let is_allowed =
        |c: char| !c.is_ascii_control() || c == '\u{7f}' || (c.is_ascii() && is_white(c as u8));
    let replaced = text.chars().map(|c| match c {
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if is_allowed(c) => c,
        _ => char::REPLACEMENT_CHARACTER,
    });
    Cow::Owned(replaced.collect())
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn names_are_what_the_reader_takes_for_names() {
        for character in ('\0'..='\u{3100}').chain('\u{d700}'..='\u{10400}') {
            for name in [character.to_string(), format!("a{character}")] {
                let text = format!("<a {name}=\"\"/>");
                let read = Document::parse(&text).is_ok_and(|document| {
                    document.root().attributes().next() == Some((name.as_str(), ""))
                });
                // White space around a name is layout.
                let layout = character.is_ascii_whitespace();
                assert!(layout || is_name(&name) == read, "{name:?}");
            }
        }
    }
}
