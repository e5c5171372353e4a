//! A report as nested lists, and how it looks as text (spec 41 §1.2).

/// One entry of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A titled list.
    List {
        /// Title, without the colon that is printed after it.
        title: String,
        /// Its entries.
        entries: Vec<Entry>,
    },
    /// A list item.
    Item {
        /// Label, printed with a colon.
        label: Option<String>,
        /// Text.
        text: String,
    },
    /// Flush left, whatever the level.
    Info(String),
    /// An empty line.
    Spacer,
}

impl Entry {
    /// An item without label.
    pub fn item(text: impl Into<String>) -> Entry {
        Entry::Item { label: None, text: text.into() }
    }

    /// An item with label.
    pub fn labelled(label: impl Into<String>, text: impl Into<String>) -> Entry {
        Entry::Item { label: Some(label.into()), text: text.into() }
    }

    /// Its text: of a list, the title.
    pub fn text(&self) -> String {
        match self {
            Entry::List { title, .. } => title.clone(),
            Entry::Item { text, .. } | Entry::Info(text) => text.clone(),
            Entry::Spacer => String::new(),
        }
    }

    /// A list.
    pub fn list(title: impl Into<String>, entries: Vec<Entry>) -> Entry {
        Entry::List { title: title.into(), entries }
    }
}

/// How lists are decorated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Titles, indentation, bullets.
    Fancy,
    /// Texts only.
    Plain,
}

/// Renders entries at a nesting level.
pub fn render(entries: &[Entry], level: usize, style: Style, out: &mut String) {
    for entry in entries {
        match entry {
            Entry::List { title, entries } => {
                if style == Style::Fancy {
                    indent(level, out);
                    out.push_str(title);
                    out.push_str(":\n");
                }
                render(entries, level + 1, style, out);
            }
            Entry::Item { label, text } => {
                if style == Style::Fancy {
                    indent(level, out);
                    if let Some(label) = label {
                        out.push_str(label);
                        out.push_str(": ");
                    }
                }
                out.push_str(text);
                out.push('\n');
            }
            Entry::Info(text) => {
                out.push_str(text);
                out.push('\n');
            }
            Entry::Spacer => out.push('\n'),
        }
    }
}

fn indent(level: usize, out: &mut String) {
    for _ in 0..level {
        out.push_str("  ");
    }
    if level > 0 {
        out.push_str("* ");
    }
}

/// `[ a b c ]`, or `[ ]` when there is none.
pub fn bracketed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for word in words {
        out.push(' ');
        out.push_str(word);
    }
    out.push_str(" ]");
    out
}
