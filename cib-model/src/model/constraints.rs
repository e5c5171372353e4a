//! The `constraints` section (spec 50 §1.5).

use super::keywords::{Action, Discovery, LossPolicy, OrderKind, Role, SetOrdering};
use super::reader::Reader;
use super::rules::Rule;
use crate::document::Element;
use crate::scalar::Score;

/// A constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint<'d> {
    /// Where a resource runs.
    Location(Location<'d>),
    /// Which resources run together.
    Colocation(Colocation<'d>),
    /// What happens before what.
    Order(Order<'d>),
    /// What depends on a ticket.
    Ticket(Ticket<'d>),
}

/// An `rsc_location`.
#[derive(Clone, Debug, PartialEq)]
pub struct Location<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// What it is about.
    pub subject: ConstraintSubject<'d>,
    /// The role it is limited to.
    pub role: Option<Role>,
    /// What it says of nodes.
    pub placement: Placement<'d>,
    /// Whether the resource is looked for on the nodes it speaks of.
    pub discovery: Option<Discovery>,
    /// Legacy: when it applies.
    pub lifetime: Vec<Rule<'d>>,
}

/// What a location constraint is about.
#[derive(Clone, Debug, PartialEq)]
pub enum ConstraintSubject<'d> {
    /// The resource, tag or template with this id.
    Resource(&'d str),
    /// Resources whose id matches this regular expression.
    Pattern(&'d str),
    /// The members of these sets.
    Sets(Vec<ResourceSet<'d>>),
}

/// What a location constraint says of nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum Placement<'d> {
    /// One node has this score.
    Node {
        /// The name of the node.
        node: &'d str,
        /// The score.
        score: Score,
    },
    /// Nodes have the scores these rules give; only the first counts.
    Rules(Vec<Rule<'d>>),
}

/// An `rsc_colocation`.
#[derive(Clone, Debug, PartialEq)]
pub struct Colocation<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// How much the resources want it.
    pub score: Option<Score>,
    /// Whether the dependent resource can make the other one move, as written.
    pub influence: Option<&'d str>,
    /// The node attribute that must be equal, instead of the node.
    pub node_attribute: Option<&'d str>,
    /// The dependent resource and the one it depends on.
    pub pair: Pair<'d, Role>,
    /// Legacy: when it applies.
    pub lifetime: Vec<Rule<'d>>,
}

/// The two sides of a colocation or ordering.
#[derive(Clone, Debug, PartialEq)]
pub enum Pair<'d, Detail> {
    /// One resource and another, each with a role or an action.
    Resources {
        /// The dependent one (`rsc`), or the one that acts first.
        first: (&'d str, Option<Detail>),
        /// The one it depends on (`with-rsc`), or the one that acts then.
        second: (&'d str, Option<Detail>),
    },
    /// The members of sets.
    Sets(Vec<ResourceSet<'d>>),
}

/// An `rsc_order`.
#[derive(Clone, Debug, PartialEq)]
pub struct Order<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// How strictly it is kept.
    pub strength: OrderStrength,
    /// Whether the reverse holds for the reverse actions.
    pub symmetrical: Option<bool>,
    /// Whether all instances of the first resource must have acted.
    pub require_all: Option<bool>,
    /// What acts first and then.
    pub pair: Pair<'d, Action>,
    /// Legacy: when it applies.
    pub lifetime: Vec<Rule<'d>>,
}

/// How strictly an ordering is kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum OrderStrength {
    /// Not said.
    Default,
    /// By this kind.
    Kind(OrderKind),
    /// By this score: positive means mandatory.
    Score(Score),
}

/// An `rsc_ticket`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// The ticket.
    pub ticket: &'d str,
    /// What happens when it is lost.
    pub loss_policy: Option<LossPolicy>,
    /// What depends on it: a resource or sets.
    pub subject: ConstraintSubject<'d>,
    /// The role that depends on it.
    pub role: Option<Role>,
}

/// A `resource_set`.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceSet<'d> {
    /// It stands for the set with this id.
    Reference {
        /// The element.
        element: Element<'d>,
        /// The id of that set.
        id_ref: &'d str,
    },
    /// It is written out.
    Definition(ResourceSetBody<'d>),
}

/// A resource set that is written out.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceSetBody<'d> {
    /// The element.
    pub element: Element<'d>,
    /// Its id.
    pub id: &'d str,
    /// Whether its members follow one another.
    pub sequential: Option<bool>,
    /// Whether all of its members are needed.
    pub require_all: Option<bool>,
    /// How its members relate in a colocation.
    pub ordering: Option<SetOrdering>,
    /// The action of its members.
    pub action: Option<Action>,
    /// The role of its members.
    pub role: Option<Role>,
    /// How strictly it is kept.
    pub strength: OrderStrength,
    /// The ids of its members.
    pub members: Vec<&'d str>,
}

impl<'d> Constraint<'d> {
    pub(super) fn read(reader: &mut Reader, element: Element<'d>) -> Option<Constraint<'d>> {
        match element.name() {
            "rsc_location" => Location::read(reader, element).map(Constraint::Location),
            "rsc_colocation" => Colocation::read(reader, element).map(Constraint::Colocation),
            "rsc_order" => Order::read(reader, element).map(Constraint::Order),
            "rsc_ticket" => Ticket::read(reader, element).map(Constraint::Ticket),
            _ => {
                reader.unknown(element, "rsc_location, rsc_colocation, rsc_order and rsc_ticket");
                None
            }
        }
    }

    /// The id.
    pub fn id(&self) -> &'d str {
        match self {
            Constraint::Location(location) => location.id,
            Constraint::Colocation(colocation) => colocation.id,
            Constraint::Order(order) => order.id,
            Constraint::Ticket(ticket) => ticket.id,
        }
    }
}

fn lifetime<'d>(reader: &mut Reader, element: Element<'d>) -> Vec<Rule<'d>> {
    element.child("lifetime").map(|child| Rule::read_all(reader, child)).unwrap_or_default()
}

impl<'d> Location<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Location<'d>> {
        let id = reader.required(element, "id");
        let sets = ResourceSet::read_all(reader, element);
        let subject = match (element.attribute("rsc"), element.attribute("rsc-pattern")) {
            (Some(resource), None) if sets.is_empty() => ConstraintSubject::Resource(resource),
            (None, Some(pattern)) if sets.is_empty() => ConstraintSubject::Pattern(pattern),
            (None, None) if !sets.is_empty() => ConstraintSubject::Sets(sets),
            _ => {
                reader.form(element, "exactly one of rsc, rsc-pattern and resource sets");
                return None;
            }
        };
        let rules = Rule::read_all(reader, element);
        let placement = match element.attribute("node") {
            Some(node) if rules.is_empty() => {
                reader.required(element, "score");
                Placement::Node { node, score: reader.value(element, "score")? }
            }
            None if !rules.is_empty() => Placement::Rules(rules),
            _ => {
                reader.form(element, "either node and score or a rule");
                return None;
            }
        };
        Some(Location {
            element,
            id,
            subject,
            role: reader.value(element, "role"),
            placement,
            discovery: reader.value(element, "resource-discovery"),
            lifetime: lifetime(reader, element),
        })
    }
}

impl<'d, Detail> Pair<'d, Detail> {
    /// Reads sets, or two attributes and what goes with each.
    fn read(
        reader: &mut Reader,
        element: Element<'d>,
        names: [&str; 2],
        details: [Option<Detail>; 2],
        accepted: &'static str,
    ) -> Option<Pair<'d, Detail>> {
        let sets = ResourceSet::read_all(reader, element);
        let [first, second] = names.map(|name| element.attribute(name));
        let [first_detail, second_detail] = details;
        match (first, second) {
            (Some(first), Some(second)) if sets.is_empty() => Some(Pair::Resources {
                first: (first, first_detail),
                second: (second, second_detail),
            }),
            (None, None) if !sets.is_empty() => Some(Pair::Sets(sets)),
            _ => {
                reader.form(element, accepted);
                None
            }
        }
    }
}

impl<'d> Colocation<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Colocation<'d>> {
        let id = reader.required(element, "id");
        let roles = ["rsc-role", "with-rsc-role"].map(|name| reader.value(element, name));
        let accepted = "either rsc and with-rsc or resource sets";
        let pair = Pair::read(reader, element, ["rsc", "with-rsc"], roles, accepted)?;
        Some(Colocation {
            element,
            id,
            score: reader.value(element, "score"),
            influence: element.attribute("influence"),
            node_attribute: element.attribute("node-attribute"),
            pair,
            lifetime: lifetime(reader, element),
        })
    }
}

impl OrderStrength {
    fn read(reader: &mut Reader, element: Element<'_>) -> OrderStrength {
        if let Some(kind) = reader.value(element, "kind") {
            OrderStrength::Kind(kind)
        } else {
            reader.value(element, "score").map_or(OrderStrength::Default, OrderStrength::Score)
        }
    }
}

impl<'d> Order<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Order<'d>> {
        let id = reader.required(element, "id");
        let actions = ["first-action", "then-action"].map(|name| reader.value(element, name));
        let accepted = "either first and then or resource sets";
        let pair = Pair::read(reader, element, ["first", "then"], actions, accepted)?;
        Some(Order {
            element,
            id,
            strength: OrderStrength::read(reader, element),
            symmetrical: reader.value(element, "symmetrical"),
            require_all: reader.value(element, "require-all"),
            pair,
            lifetime: lifetime(reader, element),
        })
    }
}

impl<'d> Ticket<'d> {
    fn read(reader: &mut Reader, element: Element<'d>) -> Option<Ticket<'d>> {
        let id = reader.required(element, "id");
        let sets = ResourceSet::read_all(reader, element);
        let subject = match element.attribute("rsc") {
            Some(resource) if sets.is_empty() => ConstraintSubject::Resource(resource),
            None if !sets.is_empty() => ConstraintSubject::Sets(sets),
            _ => {
                reader.form(element, "either rsc or resource sets");
                return None;
            }
        };
        Some(Ticket {
            element,
            id,
            ticket: reader.required(element, "ticket"),
            loss_policy: reader.value(element, "loss-policy"),
            subject,
            role: reader.value(element, "rsc-role"),
        })
    }
}

impl<'d> ResourceSet<'d> {
    fn read_all(reader: &mut Reader, parent: Element<'d>) -> Vec<ResourceSet<'d>> {
        parent.children_named("resource_set").map(|set| ResourceSet::read(reader, set)).collect()
    }

    fn read(reader: &mut Reader, element: Element<'d>) -> ResourceSet<'d> {
        if let Some(id_ref) = element.attribute("id-ref") {
            return ResourceSet::Reference { element, id_ref };
        }
        let id = reader.required(element, "id");
        let members: Vec<&str> = element
            .children_named("resource_ref")
            .map(|member| reader.required(member, "id"))
            .collect();
        if members.is_empty() {
            reader.form(element, "at least one resource_ref in the set");
        }
        ResourceSet::Definition(ResourceSetBody {
            element,
            id,
            sequential: reader.value(element, "sequential"),
            require_all: reader.value(element, "require-all"),
            ordering: reader.value(element, "ordering"),
            action: reader.value(element, "action"),
            role: reader.value(element, "role"),
            strength: OrderStrength::read(reader, element),
            members,
        })
    }
}
