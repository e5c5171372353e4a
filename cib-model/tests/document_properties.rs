//! Documents against a plain tree: whatever is built, read or changed comes out the same.

use cib_model::document::{Document, Element, NodeId};
use proptest::prelude::*;
use proptest::sample::Index;

/// The plain tree.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Element { name: String, attributes: Vec<(String, String)>, children: Vec<Tree> },
    Comment(String),
}

impl Tree {
    fn element(name: &str) -> Tree {
        Tree::Element { name: name.to_owned(), attributes: Vec::new(), children: Vec::new() }
    }

    fn children(&self) -> &[Tree] {
        match self {
            Tree::Element { children, .. } => children,
            Tree::Comment(_) => &[],
        }
    }

    fn children_mut(&mut self) -> &mut Vec<Tree> {
        match self {
            Tree::Element { children, .. } => children,
            Tree::Comment(_) => panic!("comments have no children"),
        }
    }

    fn attributes_mut(&mut self) -> &mut Vec<(String, String)> {
        match self {
            Tree::Element { attributes, .. } => attributes,
            Tree::Comment(_) => panic!("comments have no attributes"),
        }
    }

    /// The node at a path of child positions.
    fn at(&mut self, path: &[usize]) -> &mut Tree {
        path.iter().fold(self, |tree, &index| &mut tree.children_mut()[index])
    }

    /// Paths of all nodes below and including this one, in document order.
    fn paths(&self, elements_only: bool) -> Vec<Vec<usize>> {
        let mut paths = vec![vec![]];
        for (index, child) in self.children().iter().enumerate() {
            if elements_only && matches!(child, Tree::Comment(_)) {
                continue;
            }
            for mut path in child.paths(elements_only) {
                path.insert(0, index);
                paths.push(path);
            }
        }
        paths
    }

    /// Text with everything written in the most awkward way that is still the same document.
    fn write_awkwardly(&self, out: &mut String) {
        match self {
            Tree::Comment(text) => *out += &format!("<!--{text}-->"),
            Tree::Element { name, attributes, children } => {
                *out += &format!("<{name}\n");
                for (key, value) in attributes {
                    *out += &format!("\t{key} = '");
                    for character in value.chars() {
                        match character {
                            'a'..='z' => out.push(character),
                            _ => *out += &format!("&#{};", character as u32),
                        }
                    }
                    *out += "' ";
                }
                *out += ">text &amp; more";
                for child in children {
                    child.write_awkwardly(out);
                    *out += "\r\n ";
                }
                *out += &format!("</{name} >");
            }
        }
    }

    fn of(element: Element<'_>) -> Tree {
        Tree::Element {
            name: element.name().to_owned(),
            attributes: element.attributes().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            children: element
                .child_nodes()
                .map(|node| match node.as_element() {
                    Some(element) => Tree::of(element),
                    None => Tree::Comment(node.text().to_owned()),
                })
                .collect(),
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "nvpair", "id", "value", "x-y.z", "_é"])
        .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,4}", "[ -~\t\n\r\u{7f}é€𝄞]{0,12}"]
}

/// Some of what XML cannot hold.
const FORBIDDEN: [char; 5] = ['\0', '\u{1b}', '\u{b}', '\u{fffe}', '\u{ffff}'];

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![value(), "[a\u{0}\u{b}\u{1b}\u{fffe}\u{ffff}\u{fffd}\u{feff}]{0,4}"]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (name(), attributes()).prop_map(|(name, attributes)| {
            Tree::Element { name, attributes, children: Vec::new() }
        }),
        1 => "[a-z <>&é]{0,8}".prop_map(Tree::Comment),
    ];
    let inner = leaf.prop_recursive(5, 40, 6, |inner| {
        (name(), attributes(), prop::collection::vec(inner, 0..6))
            .prop_map(|(name, attributes, children)| Tree::Element { name, attributes, children })
    });
    (name(), attributes(), prop::collection::vec(inner, 0..6))
        .prop_map(|(name, attributes, children)| Tree::Element { name, attributes, children })
}

fn attributes() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), value()), 0..4).prop_map(|mut pairs| {
        let mut seen = Vec::new();
        pairs.retain(|(name, _)| {
            let new = !seen.contains(name);
            seen.push(name.clone());
            new
        });
        pairs
    })
}

/// A change; indexes are taken modulo what there is.
#[derive(Debug, Clone)]
enum Change {
    Append(Index, String),
    InsertBefore(Index, String),
    Comment(Index, String),
    Set(Index, String, String),
    Unset(Index, Index),
    Clear(Index),
    Rename(Index, String),
    Remove(Index),
    RemoveChildren(Index),
    Move(Index, Index, usize),
    Duplicate(Index, Index),
    Graft(Index, usize, Tree),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), name()).prop_map(|(at, name)| Change::Append(at, name)),
        2 => (index(), name()).prop_map(|(at, name)| Change::InsertBefore(at, name)),
        1 => (index(), "[a-z]{0,4}").prop_map(|(at, text)| Change::Comment(at, text)),
        6 => (index(), name(), any_value()).prop_map(|(at, n, v)| Change::Set(at, n, v)),
        2 => (index(), index()).prop_map(|(at, which)| Change::Unset(at, which)),
        1 => index().prop_map(Change::Clear),
        1 => (index(), name()).prop_map(|(at, name)| Change::Rename(at, name)),
        2 => index().prop_map(Change::Remove),
        1 => index().prop_map(Change::RemoveChildren),
        4 => (index(), index(), 0usize..5).prop_map(|(at, to, n)| Change::Move(at, to, n)),
        1 => (index(), index()).prop_map(|(to, of)| Change::Duplicate(to, of)),
        1 => (index(), 0usize..5, tree()).prop_map(|(to, n, tree)| Change::Graft(to, n, tree)),
    ]
}

/// Both representations, changed in step.
struct Pair {
    tree: Tree,
    document: Document,
}

impl Pair {
    fn id(&self, path: &[usize]) -> NodeId {
        let mut node = self.document.root().as_node();
        for &index in path {
            node = node.as_element().unwrap().child_nodes().nth(index).unwrap();
        }
        node.id()
    }

    fn element(&self, index: &Index) -> (Vec<usize>, NodeId) {
        let paths = self.tree.paths(true);
        let path = paths[index.index(paths.len())].clone();
        let id = self.id(&path);
        (path, id)
    }

    /// Any node but the root: its parent's path, its position, its id.
    fn inner(&self, index: &Index) -> Option<(Vec<usize>, usize, NodeId)> {
        let paths = self.tree.paths(false);
        let path = &paths[1..];
        let path = path.get(index.index(path.len().max(1)))?;
        let (position, parent) = path.split_last()?;
        Some((parent.to_vec(), *position, self.id(path)))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(at, name) => {
                let (path, id) = self.element(at);
                self.document.append_element(id, name);
                self.tree.at(&path).children_mut().push(Tree::element(name));
            }
            Change::InsertBefore(at, name) => {
                let Some((parent, position, id)) = self.inner(at) else { return };
                self.document.insert_element_before(id, name);
                self.tree.at(&parent).children_mut().insert(position, Tree::element(name));
            }
            Change::Comment(at, text) => {
                let (path, id) = self.element(at);
                self.document.append_comment(id, text);
                self.tree.at(&path).children_mut().push(Tree::Comment(text.clone()));
            }
            Change::Set(at, name, value) => {
                let (path, id) = self.element(at);
                self.document.set_attribute(id, name, value);
                let value = value.replace(FORBIDDEN, "\u{fffd}");
                let attributes = self.tree.at(&path).attributes_mut();
                match attributes.iter_mut().find(|(key, _)| key == name) {
                    Some(pair) => pair.1 = value,
                    None => attributes.push((name.clone(), value)),
                }
            }
            Change::Unset(at, which) => {
                let (path, id) = self.element(at);
                let attributes = self.tree.at(&path).attributes_mut();
                if attributes.is_empty() {
                    assert_eq!(self.document.remove_attribute(id, "id"), None);
                    return;
                }
                let (name, value) = attributes.remove(which.index(attributes.len()));
                assert_eq!(self.document.remove_attribute(id, &name), Some(value));
            }
            Change::Clear(at) => {
                let (path, id) = self.element(at);
                self.document.clear_attributes(id);
                self.tree.at(&path).attributes_mut().clear();
            }
            Change::Rename(at, new) => {
                let (path, id) = self.element(at);
                self.document.rename(id, new);
                if let Tree::Element { name, .. } = self.tree.at(&path) {
                    *name = new.clone();
                }
            }
            Change::Remove(at) => {
                let Some((parent, position, id)) = self.inner(at) else { return };
                self.document.remove(id);
                self.tree.at(&parent).children_mut().remove(position);
            }
            Change::RemoveChildren(at) => {
                let (path, id) = self.element(at);
                self.document.remove_children(id);
                self.tree.at(&path).children_mut().clear();
            }
            Change::Move(at, to, index) => self.move_node(at, to, *index),
            Change::Duplicate(to, of) => {
                let (source_path, source) = self.element(of);
                let (path, id) = self.element(to);
                self.document.duplicate(id, source);
                let copy = self.tree.at(&source_path).clone();
                self.tree.at(&path).children_mut().push(copy);
            }
            Change::Graft(to, index, tree) => {
                let (path, id) = self.element(to);
                let mut text = String::new();
                tree.write_awkwardly(&mut text);
                let other = Document::parse(&text).unwrap();
                self.document.copy_node_at(id, *index, other.root().as_node());
                let children = self.tree.at(&path).children_mut();
                children.insert((*index).min(children.len()), tree.clone());
            }
        }
    }

    fn move_node(&mut self, at: &Index, to: &Index, index: usize) {
        let Some((parent, position, id)) = self.inner(at) else { return };
        let (_, target) = self.element(to);
        let within = self.document.element(target).ancestors().any(|above| above.id() == id);
        if within {
            return;
        }
        self.document.move_child(id, target, index);
        let moved = self.tree.at(&parent).children_mut().remove(position);
        // Paths changed with the removal: find the target again by its children before insertion.
        let mut path = Vec::new();
        let mut node = self.document.node(target);
        while let Some(above) = node.parent() {
            let before = node.position();
            let moved_before =
                std::iter::successors(node.previous_sibling(), |n| n.previous_sibling())
                    .any(|sibling| sibling.id() == id);
            path.insert(0, before - usize::from(moved_before));
            node = above.as_node();
        }
        let children = self.tree.at(&path).children_mut();
        children.insert(index.min(children.len()), moved);
    }
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(tree in tree()) {
        let mut text = String::new();
        tree.write_awkwardly(&mut text);
        let document = Document::parse(&text).unwrap();
        prop_assert_eq!(&Tree::of(document.root()), &tree);
        let pretty = document.to_xml();
        let again = Document::parse(&pretty).unwrap();
        prop_assert_eq!(&Tree::of(again.root()), &tree);
        prop_assert_eq!(again.to_xml(), pretty);
        let compact = document.root().to_xml_compact();
        let again = Document::parse(&compact).unwrap();
        prop_assert_eq!(again.root().to_xml_compact(), compact);
        prop_assert_eq!(again, document);
    }

    #[test]
    fn changes_do_to_a_document_what_they_do_to_a_tree(
        tree in tree(),
        changes in prop::collection::vec(change(), 0..40),
    ) {
        let mut text = String::new();
        tree.write_awkwardly(&mut text);
        let mut pair = Pair { tree, document: Document::parse(&text).unwrap() };
        for change in &changes {
            pair.apply(change);
            prop_assert_eq!(&Tree::of(pair.document.root()), &pair.tree);
        }
        prop_assert_eq!(Document::parse(&pair.document.to_xml()).unwrap(), pair.document);
    }

    #[test]
    fn walks_agree_with_each_other(tree in tree()) {
        let mut text = String::new();
        tree.write_awkwardly(&mut text);
        let document = Document::parse(&text).unwrap();
        for element in document.root().descendants() {
            let forward: Vec<_> = element.children().map(Element::id).collect();
            let mut backward: Vec<_> = element.children().rev().map(Element::id).collect();
            backward.reverse();
            prop_assert_eq!(&forward, &backward);
            let by_descent: Vec<_> = element
                .descendants()
                .filter(|below| below.parent() == Some(element))
                .map(Element::id)
                .collect();
            prop_assert_eq!(&forward, &by_descent);
            for (position, node) in element.child_nodes().enumerate() {
                prop_assert_eq!(node.position(), position);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(<|>|/|a|b|=|'|\"| |&|;|#|x|!|-|\\[|CDATA|\\]|\\?|é|\n){0,60}") {
        match Document::parse(&text) {
            Ok(document) => {
                let pretty = document.to_xml();
                prop_assert_eq!(Document::parse(&pretty).unwrap().to_xml(), pretty);
            }
            Err(error) => prop_assert!(error.line >= 1 && error.column >= 1),
        }
    }
}
