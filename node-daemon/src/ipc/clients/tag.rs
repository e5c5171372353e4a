//! Writing small XML around big: an answer's envelope without copying the CIB into another document.

/// A start tag under construction.
#[derive(Debug)]
pub(super) struct Tag {
    name: &'static str,
    text: String,
}

impl Tag {
    pub fn new(name: &'static str) -> Tag {
        Tag { name, text: format!("<{name}") }
    }

    pub fn attribute(mut self, name: &str, value: &str) -> Tag {
        self.text.push(' ');
        self.text.push_str(name);
        self.text.push_str("=\"");
        for c in value.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\n' => self.text.push_str("&#10;"),
                '\r' => self.text.push_str("&#13;"),
                '\t' => self.text.push_str("&#9;"),
                // No XML document can contain the others.
                c if c < ' ' => self.text.push(' '),
                c => self.text.push(c),
            }
        }
        self.text.push('"');
        self
    }

    pub fn maybe(self, name: &str, value: Option<&str>) -> Tag {
        match value {
            Some(value) => self.attribute(name, value),
            None => self,
        }
    }

    /// An element without content.
    pub fn closed(self) -> String {
        self.text + "/>"
    }

    /// An element around XML text.
    pub fn around(self, content: &str) -> String {
        if content.is_empty() {
            return self.closed();
        }
        format!("{}>{content}</{}>", self.text, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_a_parser_as_they_went() {
        let value = "a<b>&\"c'\td\ne";
        let text = Tag::new("x").attribute("v", value).around("<y/>");
        let document = cib_model::Document::parse(&text).unwrap();
        assert_eq!(document.root().attribute("v"), Some(value));
        assert!(document.root().child("y").is_some());
    }
}
