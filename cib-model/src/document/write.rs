//! Serialisation, byte for byte as the reference prints it (spec 50 §10.1).

use std::fmt::{self, Write};

use super::{Document, Element, Node, NodeKind};

/// How to lay out the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Two spaces per level and one node per line.
    Pretty,
    /// No white space between nodes.
    Compact,
}

impl Document {
    /// The document in the pretty form: two spaces per level, a line per tag, no XML declaration, a
    /// newline at the end. CIB files and the output of tools look like this.
    pub fn to_xml(&self) -> String {
        self.root().to_xml()
    }
}

impl Element<'_> {
    /// This element in the pretty form, as if it were the root.
    pub fn to_xml(self) -> String {
        let mut out = String::new();
        write(self.as_node(), Layout::Pretty, 0, &keep_all, &mut out).unwrap_or_default();
        out
    }

    /// This element in the pretty form, its start tag at this depth of indentation.
    pub fn to_xml_at(self, depth: usize) -> String {
        let mut out = String::new();
        write(self.as_node(), Layout::Pretty, depth, &keep_all, &mut out).unwrap_or_default();
        out
    }

    /// This element on one line, without a newline at the end.
    pub fn to_xml_compact(self) -> String {
        self.as_node().to_xml_compact()
    }

    /// Writes the compact form with only those attributes whose name `keep` accepts.
    pub fn write_compact(self, out: &mut impl Write, keep: impl Fn(&str) -> bool) -> fmt::Result {
        write(self.as_node(), Layout::Compact, 0, &keep, out)
    }
}

impl Node<'_> {
    /// This node on one line, without a newline at the end.
    pub fn to_xml_compact(self) -> String {
        let mut out = String::new();
        write(self, Layout::Compact, 0, &keep_all, &mut out).unwrap_or_default();
        out
    }
}

fn keep_all(_: &str) -> bool {
    true
}

fn write(
    top: Node<'_>,
    layout: Layout,
    depth: usize,
    keep: &impl Fn(&str) -> bool,
    out: &mut impl Write,
) -> fmt::Result {
    let mut node = top;
    let mut level = depth;
    loop {
        indent(layout, level, out)?;
        let first_child = start(node, keep, out)?;
        end_line(layout, out)?;
        if let Some(child) = first_child {
            node = child;
            level += 1;
            continue;
        }
        // Up until there is a next sibling, closing elements on the way.
        loop {
            if node == top {
                return Ok(());
            }
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            let Some(parent) = node.parent() else { return Ok(()) };
            level -= 1;
            indent(layout, level, out)?;
            write!(out, "</{}>", parent.name())?;
            end_line(layout, out)?;
            node = parent.as_node();
        }
    }
}

/// Writes a node up to its content, and returns the first child if there is content.
fn start<'d>(
    node: Node<'d>,
    keep: &impl Fn(&str) -> bool,
    out: &mut impl Write,
) -> Result<Option<Node<'d>>, fmt::Error> {
    let Some(element) = node.as_element() else {
        match node.kind() {
            NodeKind::CData => write!(out, "<![CDATA[{}]]>", node.text())?,
            _ => write!(out, "<!--{}-->", node.text())?,
        }
        return Ok(None);
    };
    out.write_char('<')?;
    out.write_str(element.name())?;
    for (name, value) in element.attributes().filter(|(name, _)| keep(name)) {
        out.write_char(' ')?;
        out.write_str(name)?;
        out.write_str("=\"")?;
        escape_attribute(value, out)?;
        out.write_char('"')?;
    }
    let first_child = element.child_nodes().next();
    out.write_str(if first_child.is_some() { ">" } else { "/>" })?;
    Ok(first_child)
}

/// Writes an attribute value as it stands between quotes: `<`, `>`, `&`, `"` as entities, ASCII control
/// characters as `&#xHH;`, all else as it is.
pub(crate) fn escape_attribute(value: &str, out: &mut impl Write) -> fmt::Result {
    let mut plain = 0;
    for (index, byte) in value.bytes().enumerate() {
        let entity = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'"' => "&quot;",
            _ if byte.is_ascii_control() => "",
            _ => continue,
        };
        out.write_str(&value[plain..index])?;
        match entity {
            "" => write!(out, "&#x{byte:02X};")?,
            entity => out.write_str(entity)?,
        }
        plain = index + 1;
    }
    out.write_str(&value[plain..])
}

fn indent(layout: Layout, level: usize, out: &mut impl Write) -> fmt::Result {
    match layout {
        Layout::Pretty => (0..level).try_for_each(|_| out.write_str("  ")),
        Layout::Compact => Ok(()),
    }
}

fn end_line(layout: Layout, out: &mut impl Write) -> fmt::Result {
    match layout {
        Layout::Pretty => out.write_char('\n'),
        Layout::Compact => Ok(()),
    }
}
