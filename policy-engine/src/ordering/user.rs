//! Orderings the configuration asks for (spec 30 §16).

use crate::input::{Reference, ResourceSet, Side};
use crate::model::action::Order;
use crate::model::cluster::{Cluster, Level};
use crate::model::constraint::End;
use crate::model::ids::{ActionId, ResourceId};
use crate::model::task::{Key, Task};
use cib_model::Element;
use cib_model::scalar::parse_boolean;

/// How strict an ordering is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mandatory,
    Optional,
    Serialize,
}

/// Which of the relations of an ordering is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symmetry {
    Asymmetric,
    Symmetric,
    Inverse,
}

/// Reads one `rsc_order`.
pub fn unpack<'d>(cluster: &mut Cluster<'d>, element: Element<'d>) {
    let from = cluster.deferred.len();
    relate(cluster, element);
    cluster.trace.ordered(from..cluster.deferred.len(), element.xml_id());
}

fn relate<'d>(cluster: &mut Cluster<'d>, element: Element<'d>) {
    let mut sets = cluster.resource_sets(element);
    if sets.is_empty() {
        let (Some(first), Some(then)) =
            (side(cluster, element, "first"), side(cluster, element, "then"))
        else {
            return;
        };
        if let (Reference::Resource(f), Reference::Resource(t)) = (&first, &then) {
            simple(cluster, element, *f, *t);
            return;
        }
        for (names, detail, reference) in
            [("first", "first-action", first), ("then", "then-action", then)]
        {
            let side = Side { names, detail, set_detail: "action" };
            sets.push(cluster.side_as_set(element, side, &reference));
        }
    }
    ordered_sets(cluster, element, &sets);
}

fn side<'d>(cluster: &mut Cluster<'d>, element: Element<'d>, name: &str) -> Option<Reference<'d>> {
    let constraint = element.xml_id().unwrap_or_default();
    let Some(id) = element.attribute(name) else {
        let text = format!("Ignoring constraint '{constraint}': no '{name}' resource given");
        cluster.message(Level::Error, text);
        return None;
    };
    let found = cluster.reference(id);
    if found.is_none() {
        let text = format!(
            "Ignoring constraint '{constraint}' because '{id}' is not a valid resource or tag"
        );
        cluster.message(Level::Error, text);
    }
    found
}

/// `kind` (or the older `score`) of a constraint or set, if it says one.
fn kind_of(cluster: &mut Cluster<'_>, kind: Option<&str>, score: Option<&str>) -> Option<Kind> {
    match (kind, score) {
        (Some("Mandatory"), _) => Some(Kind::Mandatory),
        (Some("Optional"), _) => Some(Kind::Optional),
        (Some("Serialize"), _) => Some(Kind::Serialize),
        (Some(other), _) => {
            let text = format!("Resetting 'kind' to 'Mandatory' because '{other}' is not valid");
            cluster.message(Level::Error, text);
            Some(Kind::Mandatory)
        }
        (None, Some(score)) => {
            let zero = cluster.parse_score(score).is_some_and(|s| s.value() == 0);
            Some(if zero { Kind::Optional } else { Kind::Mandatory })
        }
        (None, None) => None,
    }
}

fn symmetry(kind: Kind, symmetrical: Option<&str>) -> Symmetry {
    let symmetric = match symmetrical.and_then(parse_boolean) {
        Some(wanted) => wanted && kind != Kind::Serialize,
        None => kind != Kind::Serialize,
    };
    if symmetric { Symmetry::Symmetric } else { Symmetry::Asymmetric }
}

/// The table of spec 30 §16.1.
fn flags(kind: Kind, first: Task, symmetry: Symmetry) -> Order {
    match (kind, symmetry) {
        (Kind::Optional, _) => Order::ORDER,
        (Kind::Serialize, Symmetry::Asymmetric) => Order::SERIALIZE,
        (Kind::Serialize, _) => Order::NONE,
        (Kind::Mandatory, Symmetry::Asymmetric) => Order::ORDER | Order::ASYM,
        (Kind::Mandatory, Symmetry::Inverse) => Order::ORDER | Order::THEN_REQ,
        (Kind::Mandatory, Symmetry::Symmetric) => {
            let flags = Order::ORDER | Order::FIRST_REQ;
            match first {
                Task::Start | Task::Promote | Task::MigrateFrom => flags | Order::FIRST_BLOCKS,
                _ => flags,
            }
        }
    }
}

fn inverse(task: Task) -> Option<Task> {
    Some(match task {
        Task::Start => Task::Stop,
        Task::Stop => Task::Start,
        Task::Promote => Task::Demote,
        Task::Demote => Task::Promote,
        Task::Promoted => Task::Demoted,
        Task::Demoted => Task::Promoted,
        Task::Running => Task::Stopped,
        Task::Stopped => Task::Running,
        _ => return None,
    })
}

fn on(r: ResourceId, task: Task) -> End {
    End::Key(r, Key::op(task))
}

/// Spec 30 §16.2.
fn simple(cluster: &mut Cluster<'_>, element: Element<'_>, first: ResourceId, then: ResourceId) {
    let kind = kind_of(cluster, element.attribute("kind"), element.attribute("score"))
        .unwrap_or(Kind::Mandatory);
    let symmetry = symmetry(kind, element.attribute("symmetrical"));
    let first_name = element.attribute("first-action").unwrap_or("start");
    let first_task = cluster.actions.task(first_name);
    let then_task = cluster.actions.task(element.attribute("then-action").unwrap_or(first_name));
    let forward = flags(kind, first_task, symmetry);
    let minimum = minimum_instances(cluster, element, first);
    if minimum > 0 {
        let id = element.xml_id().unwrap_or_default();
        let gate = gate(cluster, &format!("clone-one-or-more:{id}"), minimum);
        for instance in cluster.resource(first).children.clone() {
            let flags = Order::MIN | Order::FIRST_GRAPHS_THEN;
            cluster.defer(on(instance, first_task), End::Action(gate), flags);
        }
        cluster.defer(End::Action(gate), on(then, then_task), forward | Order::FIRST_BLOCKS);
    } else {
        cluster.defer(on(first, first_task), on(then, then_task), forward);
    }
    if symmetry == Symmetry::Symmetric {
        match (inverse(then_task), inverse(first_task)) {
            (Some(t), Some(f)) => {
                let flags = flags(kind, t, Symmetry::Inverse);
                cluster.defer(on(then, t), on(first, f), flags);
            }
            _ => {
                let text = format!(
                    "Cannot invert constraint '{}' (please specify inverse manually)",
                    element.xml_id().unwrap_or_default()
                );
                cluster.message(Level::Warning, text);
            }
        }
    }
}

/// `clone-min`, or 1 for a deprecated `require-all` that is not true; 0 for no gate.
fn minimum_instances(cluster: &Cluster<'_>, element: Element<'_>, first: ResourceId) -> u32 {
    let r = cluster.resource(first);
    if !r.is_clone() {
        return 0;
    }
    if let Some(text) = r.meta("clone-min") {
        let minimum = cib_model::scalar::parse_integer(text).unwrap_or(0);
        return u32::try_from(minimum.clamp(0, i64::from(i32::MAX))).unwrap_or(0);
    }
    match element.attribute("require-all") {
        Some(text) if parse_boolean(text) != Some(true) => 1,
        _ => 0,
    }
}

/// A pseudo-action that becomes runnable once enough of its inputs are.
fn gate(cluster: &mut Cluster<'_>, name: &str, minimum: u32) -> ActionId {
    let (id, _) = cluster.named_action(Task::OneOrMore, name, None);
    let action = &mut cluster.actions[id];
    (action.flags.pseudo, action.flags.runnable) = (true, true);
    action.min_inputs = minimum;
    id
}

/// One set with its members found.
struct Resolved {
    id: String,
    members: Vec<ResourceId>,
    task: Task,
    sequential: bool,
    explicitly_sequential: bool,
    require_all: bool,
}

/// Spec 30 §16.3.
fn ordered_sets<'d>(cluster: &mut Cluster<'d>, element: Element<'d>, sets: &[ResourceSet<'d>]) {
    let own = kind_of(cluster, element.attribute("kind"), element.attribute("score"));
    let kind = own.unwrap_or(Kind::Mandatory);
    let symmetrical = element.attribute("symmetrical");
    let whole = symmetry(kind, symmetrical);
    let mut previous: Option<Resolved> = None;
    for set in sets {
        let set_kind =
            kind_of(cluster, set.attribute("kind"), set.attribute("score")).unwrap_or(kind);
        let inside = symmetry(set_kind, set.attribute("symmetrical").or(symmetrical));
        let Some(resolved) = resolve(cluster, element, set) else {
            return;
        };
        within(cluster, &resolved, set_kind, inside);
        if let Some(previous) = &previous {
            if between(cluster, previous, &resolved, kind, whole).is_none() {
                return;
            }
            if whole == Symmetry::Symmetric
                && between(cluster, &resolved, previous, kind, Symmetry::Inverse).is_none()
            {
                return;
            }
        }
        previous = Some(resolved);
    }
}

fn resolve<'d>(
    cluster: &mut Cluster<'d>,
    element: Element<'d>,
    set: &ResourceSet<'d>,
) -> Option<Resolved> {
    let mut members = Vec::with_capacity(set.members.len());
    for id in &set.members {
        match cluster.constrained_resource(id) {
            Some(r) => members.push(r),
            None => {
                let text = format!(
                    "Ignoring constraint '{}' because '{id}' is not a valid resource or tag",
                    element.xml_id().unwrap_or_default()
                );
                cluster.message(Level::Error, text);
                return None;
            }
        }
    }
    let require_all = set.attribute("require-all").and_then(parse_boolean).unwrap_or(true);
    Some(Resolved {
        id: set.id().unwrap_or_default().to_owned(),
        members,
        task: cluster.actions.task(set.attribute("action").unwrap_or("start")),
        sequential: set.is_sequential(),
        explicitly_sequential: set.is_explicitly_sequential(),
        require_all,
    })
}

fn within(cluster: &mut Cluster<'_>, set: &Resolved, kind: Kind, symmetry: Symmetry) {
    let forward = flags(kind, set.task, symmetry);
    let back = inverse(set.task);
    for (i, r) in set.members.iter().copied().enumerate() {
        if kind == Kind::Serialize {
            for later in set.members[i + 1..].iter().copied() {
                cluster.defer(on(r, set.task), on(later, set.task), forward);
            }
        } else if set.sequential && i > 0 {
            cluster.defer(on(set.members[i - 1], set.task), on(r, set.task), forward);
        }
    }
    if symmetry == Symmetry::Asymmetric || !set.sequential {
        return;
    }
    let Some(back) = back else {
        return;
    };
    let backward = flags(kind, back, Symmetry::Inverse);
    for pair in set.members.windows(2) {
        cluster.defer(on(pair[1], back), on(pair[0], back), backward);
    }
}

/// Relations of one set before another; none if an action has no inverse.
fn between(
    cluster: &mut Cluster<'_>,
    first: &Resolved,
    then: &Resolved,
    kind: Kind,
    symmetry: Symmetry,
) -> Option<()> {
    let (mut first_task, mut then_task) = (first.task, then.task);
    if symmetry == Symmetry::Inverse {
        first_task = inverse(first_task)?;
        then_task = inverse(then_task)?;
    }
    let flags = flags(kind, first_task, symmetry);
    let require_all = first.require_all || matches!(first_task, Task::Stop | Task::Demote);
    if !require_all {
        let gate = gate(cluster, &format!("one-or-more:{}", first.id), 1);
        for r in &first.members {
            let counts = Order::MIN | Order::FIRST_GRAPHS_THEN;
            cluster.defer(on(*r, first_task), End::Action(gate), counts);
        }
        for r in &then.members {
            cluster.defer(End::Action(gate), on(*r, then_task), flags | Order::FIRST_BLOCKS);
        }
        return Some(());
    }
    let inverted = symmetry == Symmetry::Inverse;
    let ends = |set: &Resolved, last: bool| -> Vec<ResourceId> {
        if !set.explicitly_sequential {
            return set.members.clone();
        }
        let one = if last { set.members.last() } else { set.members.first() };
        one.into_iter().copied().collect()
    };
    for f in ends(first, !inverted) {
        for t in ends(then, inverted) {
            cluster.defer(on(f, first_task), on(t, then_task), flags);
        }
    }
    Some(())
}
