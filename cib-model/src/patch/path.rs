//! Paths to nodes: `/cib/configuration/resources/primitive[@id='B']`.

use crate::document::{Document, Element, Node, NodeKind};

/// The name of a comment's step.
const COMMENT: &str = "comment";

/// Adds the step of a node to the path of its parent.
pub(super) fn push_step(path: &mut String, node: Node<'_>) {
    path.push('/');
    let Some(element) = node.as_element() else {
        path.push_str(COMMENT);
        return;
    };
    path.push_str(element.name());
    if let Some(id) = element.xml_id() {
        path.push_str("[@id='");
        path.push_str(id);
        path.push_str("']");
    }
}

/// The path of an element.
pub(crate) fn of(element: Element<'_>) -> String {
    let mut chain: Vec<Element<'_>> = element.ancestors().collect();
    chain.reverse();
    let mut path = String::new();
    for step in chain {
        push_step(&mut path, step.as_node());
    }
    path
}

/// Whether `path` is `ancestor` or leads to something below it. Steps of `ancestor` have no ids.
pub(super) fn is_at_or_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}

/// The steps of a path, each a name and perhaps an id. Stops at what is no step.
fn steps(path: &str) -> impl Iterator<Item = Option<(&str, Option<&str>)>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let step = read_step(rest);
        rest = step.map_or("", |(_, _, rest)| rest);
        Some(step.map(|(name, id, _)| (name, id)))
    })
}

fn read_step(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let text = text.strip_prefix('/')?;
    let end = text.find(['/', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(id) = rest.strip_prefix("[@id='") else {
        return (!rest.starts_with('[')).then_some((name, None, rest));
    };
    // An id may hold a quote or a slash: it ends at "']" before the next step or the end.
    let end = id
        .match_indices("']")
        .map(|(at, _)| at)
        .find(|&at| id[at + 2..].is_empty() || id[at + 2..].starts_with('/'))?;
    Some((name, Some(&id[..end]), &id[end + 2..]))
}

/// The node a path leads to: at each step the first child with that name and that id. Of several
/// comments the one at `position` is meant.
pub(super) fn resolve<'d>(
    document: &'d Document,
    path: &str,
    position: Option<usize>,
) -> Option<Node<'d>> {
    let mut steps = steps(path);
    let root = document.root();
    let (name, id) = steps.next()??;
    if root.name() != name || id.is_some_and(|id| root.xml_id() != Some(id)) {
        return None;
    }
    let mut current = root;
    while let Some(step) = steps.next() {
        let (name, id) = step?;
        // A step without id is that of an element without one, if there is such an element.
        let exact = current.children_named(name).find(|child| child.xml_id() == id);
        match exact.or_else(|| current.children_named(name).find(|_| id.is_none())) {
            Some(child) => current = child,
            None if name == COMMENT && steps.next().is_none() => return comment(current, position),
            None => return None,
        }
    }
    Some(current.as_node())
}

fn comment<'d>(parent: Element<'d>, position: Option<usize>) -> Option<Node<'d>> {
    let mut nodes = parent.child_nodes();
    match position {
        Some(position) => nodes.nth(position).filter(|node| node.kind() == NodeKind::Comment),
        None => nodes.find(|node| node.kind() == NodeKind::Comment),
    }
}
