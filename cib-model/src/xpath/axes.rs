//! Walking the axes.

use super::expression::{Axis, NodeTest};
use super::value::XNode;
use crate::document::{Document, Node, NodeKind};

/// The nodes on an axis from `start`, nearest first.
pub(super) fn walk<'d>(
    document: &'d Document,
    axis: Axis,
    start: XNode<'d>,
    visit: &mut dyn FnMut(XNode<'d>) -> bool,
) {
    match axis {
        Axis::ThisNode => {
            visit(start);
        }
        Axis::Parent => {
            if let Some(parent) = parent(start) {
                visit(parent);
            }
        }
        Axis::Ancestor | Axis::AncestorOrSelf => {
            let first = if axis == Axis::Ancestor { parent(start) } else { Some(start) };
            std::iter::successors(first, |node| parent(*node)).all(visit);
        }
        Axis::Attribute => {
            if let Some(owner) = start.element() {
                owner
                    .attributes()
                    .enumerate()
                    .map(|(index, (name, value))| XNode::Attribute { owner, index, name, value })
                    .all(visit);
            }
        }
        Axis::Namespace => {}
        Axis::Child => {
            children(document, start, visit);
        }
        Axis::DescendantOrSelf => {
            if visit(start) {
                descendants(document, start, visit);
            }
        }
        Axis::Descendant => {
            descendants(document, start, visit);
        }
        Axis::FollowingSibling | Axis::PrecedingSibling => {
            if let XNode::Node(node) = start {
                std::iter::successors(sibling(axis, node), |node| sibling(axis, *node))
                    .map(XNode::Node)
                    .all(visit);
            }
        }
        Axis::Following | Axis::Preceding => beyond(document, axis, start, visit),
    }
}

pub(super) fn parent(node: XNode<'_>) -> Option<XNode<'_>> {
    match node {
        XNode::Root => None,
        XNode::Attribute { owner, .. } => Some(XNode::Node(owner.as_node())),
        XNode::Node(node) => {
            Some(node.parent().map_or(XNode::Root, |parent| XNode::Node(parent.as_node())))
        }
    }
}

fn sibling(axis: Axis, node: Node<'_>) -> Option<Node<'_>> {
    match axis {
        Axis::FollowingSibling | Axis::Following => node.next_sibling(),
        _ => node.previous_sibling(),
    }
}

fn children<'d>(
    document: &'d Document,
    start: XNode<'d>,
    visit: &mut dyn FnMut(XNode<'d>) -> bool,
) -> bool {
    match start {
        XNode::Root => visit(XNode::Node(document.root().as_node())),
        XNode::Node(node) => node
            .as_element()
            .is_none_or(|element| element.child_nodes().map(XNode::Node).all(visit)),
        XNode::Attribute { .. } => true,
    }
}

/// In document order, without recursion.
fn descendants<'d>(
    document: &'d Document,
    start: XNode<'d>,
    visit: &mut dyn FnMut(XNode<'d>) -> bool,
) -> bool {
    let top = match start {
        XNode::Root => {
            if !visit(XNode::Node(document.root().as_node())) {
                return false;
            }
            document.root()
        }
        XNode::Node(node) => match node.as_element() {
            Some(element) => element,
            None => return true,
        },
        XNode::Attribute { .. } => return true,
    };
    let mut next = top.child_nodes().next();
    while let Some(node) = next {
        if !visit(XNode::Node(node)) {
            return false;
        }
        let down = node.as_element().and_then(|element| element.child_nodes().next());
        next = down.or_else(|| {
            let mut up = Some(node);
            while let Some(node) = up {
                if let Some(sibling) = node.next_sibling() {
                    return Some(sibling);
                }
                up = node.parent().filter(|parent| *parent != top).map(|parent| parent.as_node());
            }
            None
        });
    }
    true
}

/// Everything after the end, or before the beginning, of a node, ancestors left out.
fn beyond<'d>(
    document: &'d Document,
    axis: Axis,
    start: XNode<'d>,
    visit: &mut dyn FnMut(XNode<'d>) -> bool,
) {
    let mut level = match start {
        XNode::Root => return,
        XNode::Node(node) => Some(node),
        XNode::Attribute { owner, .. } => Some(owner.as_node()),
    };
    while let Some(node) = level {
        let mut next = sibling(axis, node);
        while let Some(node) = next {
            let wanted = if axis == Axis::Following {
                visit(XNode::Node(node)) && descendants(document, XNode::Node(node), visit)
            } else {
                let mut below = Vec::new();
                descendants(document, XNode::Node(node), &mut |node| {
                    below.push(node);
                    true
                });
                below.into_iter().rev().all(&mut *visit) && visit(XNode::Node(node))
            };
            if !wanted {
                return;
            }
            next = sibling(axis, node);
        }
        level = node.parent().map(|parent| parent.as_node());
    }
}

/// Whether a node on an axis passes a node test.
pub(super) fn passes(axis: Axis, test: &NodeTest, node: XNode<'_>) -> bool {
    let principal = match node {
        XNode::Root => false,
        XNode::Node(node) => axis != Axis::Attribute && node.kind() == NodeKind::Element,
        XNode::Attribute { .. } => axis == Axis::Attribute,
    };
    match test {
        NodeTest::Node => true,
        NodeTest::Any => principal,
        NodeTest::Name(name) => principal && node.name() == name,
        NodeTest::Comment => {
            matches!(node, XNode::Node(node) if node.kind() == NodeKind::Comment)
        }
        NodeTest::Nothing => false,
    }
}
