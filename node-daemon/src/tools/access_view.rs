//! A CIB with what a user may do with its parts (spec 51 §12.1, `cibadmin --show-access`).

use cib_model::acl::{Marks, Permissions, User, is_exempt};
use cib_model::model::Access;
use cib_model::{Document, Element};
use node_daemon::ipc::groups_of;

/// How access is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As lines between the elements.
    Text,
    /// As colours.
    Colour,
    /// As namespaces of the elements.
    Namespace,
}

impl View {
    /// The view of this name.
    pub fn from_name(name: &str) -> Option<View> {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        match name {
            "text" => Some(View::Text),
            "color" => Some(View::Colour),
            "namespace" => Some(View::Namespace),
            "" | "auto" => Some(if terminal { View::Colour } else { View::Text }),
            _ => None,
        }
    }
}

/// A part of a CIB with what a user may do with its parts; nothing if access control does not apply to the user.
pub fn show(cib: &Document, part: &Document, user: &str, view: View) -> Option<String> {
    if is_exempt(user) {
        return None;
    }
    let groups = groups_of(user);
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let permissions = Permissions::of(cib, &User { name: user, groups: &groups });
    let marks = permissions.marks(part);
    let mut text = format!("<!-- ACLs as evaluated for user {user} -->\n");
    Writer { marks, view, out: &mut text }.element(part.root(), 0, Access::Deny);
    Some(text)
}

struct Writer<'o> {
    marks: Marks,
    view: View,
    out: &'o mut String,
}

fn prefix(access: Access) -> &'static str {
    match access {
        Access::Write => "pcmk-access-writable",
        Access::Read => "pcmk-access-readable",
        Access::Deny => "pcmk-access-denied",
    }
}

impl Writer<'_> {
    fn element(&mut self, element: Element<'_>, depth: usize, outer: Access) {
        let indent = "  ".repeat(depth);
        // The outermost element has a mark in any case.
        let own = self.marks.own(element).or((depth == 0).then_some(Access::Deny));
        let access = own.unwrap_or(outer);
        let (mut before, mut after, mut name) = ("", "", element.name().to_owned());
        match (self.view, own) {
            (View::Colour, _) => {
                after = "\u{1b}[0m";
                before = match access {
                    Access::Write => "\u{1b}[32m",
                    Access::Read => "\u{1b}[34m",
                    Access::Deny => "\u{1b}[31m",
                };
            }
            (View::Text, Some(own)) => {
                let word = match own {
                    Access::Write => "WRITABLE",
                    Access::Read => "READABLE",
                    Access::Deny => "~DENIED~",
                };
                if depth > 0 {
                    self.out.push_str(&format!("{indent}\n"));
                }
                self.out.push_str(&format!("{indent}vvv---[ {word} ]---vvv\n"));
            }
            (View::Namespace, Some(own)) => name = format!("{}:{name}", prefix(own)),
            _ => {}
        }
        let mut head = Document::new(&name);
        let root = head.root_id();
        for (key, value) in element.attributes() {
            head.set_attribute(root, key, value);
        }
        if self.view == View::Namespace && depth == 0 {
            for access in [Access::Write, Access::Read, Access::Deny] {
                let word = prefix(access).trim_start_matches("pcmk-access-");
                let address = format!("http://clusterlabs.org/ns/pacemaker/access/{word}");
                head.set_attribute(root, &format!("xmlns:{}", prefix(access)), &address);
            }
        }
        let head = head.root().to_xml_compact();
        if element.children().next().is_none() {
            return self.out.push_str(&format!("{indent}{before}{head}{after}\n"));
        }
        self.out.push_str(&format!("{indent}{before}{}>\n", head.trim_end_matches("/>")));
        for child in element.children() {
            self.element(child, depth + 1, access);
        }
        self.out.push_str(&format!("{indent}{before}</{name}>{after}\n"));
    }
}
