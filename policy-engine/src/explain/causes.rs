//! Why an action is in the transition, or why it cannot be: the chain of causes, and what it waits for.

use super::chain::Chains;
use super::roots;
use crate::graph::belongs;
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::ActionId;
use crate::model::task::Key;
use crate::model::trace::{Became, By, Change};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeSet;

/// The story of one action.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ActionStory {
    /// Number, as in the graph.
    pub number: u32,
    /// Operation key, like `web_start_0`.
    pub key: String,
    /// The resource it is about.
    pub resource: Option<String>,
    /// Node on which it happens.
    pub node: Option<String>,
    /// What is to be made of it.
    pub standing: Standing,
    /// The reason as the transition summary tells it.
    pub reason: Option<String>,
    /// Why it is needed: the first is the nearest cause, the last the configuration element or the event
    /// it all comes from. Empty for an action that is not needed.
    pub because: Vec<Because>,
    /// Why it cannot be executed, in the same order. Empty for one that can.
    pub blocked_by: Vec<Because>,
    /// Actions of the transition that have to be done before.
    pub waits_for: Vec<Wait>,
}

impl ActionStory {
    /// Is the action part of the transition?
    pub fn in_transition(&self) -> bool {
        self.standing == Standing::InTransition
    }
}

/// What is to be made of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Standing {
    /// It is executed.
    InTransition,
    /// It is not needed.
    NotNeeded,
    /// It is needed, but cannot be executed.
    Blocked,
    /// It is needed and could be executed, but nothing may be done to its resource or on its node.
    Withheld,
}

/// One link of a chain of causes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Because {
    /// Kind of cause.
    pub kind: Kind,
    /// For people.
    pub text: String,
    /// The action it leads to, by number, if it is one.
    pub action: Option<u32>,
    /// Id of the configuration or status element behind it, if there is a single one.
    pub element: Option<String>,
}

/// Kind of cause; all but the first three end a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Kind {
    /// A relation with another action.
    Ordering,
    /// An action of a part, of which this one is the whole.
    Part,
    /// A mandatory colocation with what cannot start.
    Colocation,
    /// The resource belongs somewhere else, or in another role: see its placement.
    Placement,
    /// An operation failed.
    Failure,
    /// Membership, standby, maintenance, shutdown or health of a node.
    Node,
    /// Something is configured so.
    Configuration,
    /// The definition of the resource changed.
    DefinitionChange,
    /// The state of the resource on the node is not known.
    UnknownState,
    /// History that is no longer of use.
    CleanUp,
    /// An action of an earlier transition that is still pending, or was interrupted.
    Interrupted,
    /// Quorum.
    Quorum,
    /// Nothing is known about it.
    Unexplained,
}

impl Kind {
    /// Does it end a chain?
    pub fn is_root(self) -> bool {
        !matches!(self, Kind::Ordering | Kind::Part | Kind::Colocation)
    }
}

/// An action that has to be done before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Wait {
    /// Its number.
    pub action: u32,
    /// Its key.
    pub key: String,
    /// Its node.
    pub node: Option<String>,
    /// Id of the configured ordering, if one says so; else the order follows from what the resources are.
    pub constraint: Option<String>,
    /// Kinds of relation (spec 30 §15.2).
    pub relation: Vec<&'static str>,
}

/// Stories of all actions, by number.
pub(super) fn all(cluster: &Cluster<'_>, chains: &Chains<'_>) -> Vec<ActionStory> {
    let mut changes: HashMap<ActionId, Vec<&Change>> = HashMap::new();
    for change in &cluster.trace.changes {
        changes.entry(change.action).or_default().push(change);
    }
    let teller = Teller { cluster, chains, changes };
    cluster.actions.ids().map(|id| teller.story(id)).collect()
}

/// An action as text: key, and node if it has one.
pub(super) fn name(cluster: &Cluster<'_>, id: ActionId) -> String {
    let key = cluster.key_text(id);
    match cluster.actions[id].node {
        Some(node) => format!("{key} on {}", cluster.node(node).name),
        None => key,
    }
}

struct Teller<'t, 'd> {
    cluster: &'t Cluster<'d>,
    chains: &'t Chains<'t>,
    changes: HashMap<ActionId, Vec<&'t Change>>,
}

impl Teller<'_, '_> {
    fn story(&self, id: ActionId) -> ActionStory {
        let c = self.cluster;
        let a = &c.actions[id];
        let needed = self.needed(id);
        let standing = match () {
            _ if a.in_graph => Standing::InTransition,
            _ if !needed => Standing::NotNeeded,
            _ if !a.flags.runnable => Standing::Blocked,
            _ if belongs(c, id) => Standing::NotNeeded,
            _ => Standing::Withheld,
        };
        let blocked = needed && !a.flags.runnable;
        ActionStory {
            number: id.number(),
            key: c.key_text(id),
            resource: a.resource.map(|r| c.resource(r).id.to_string()),
            node: a.node.map(|n| c.node(n).name.to_string()),
            standing,
            reason: a.reason.as_deref().map(str::to_owned),
            because: if needed { self.chain(id, Became::Required) } else { Vec::new() },
            blocked_by: if blocked { self.chain(id, Became::Unrunnable) } else { Vec::new() },
            waits_for: self.waits(id),
        }
    }

    /// Follows what made an action required (or unrunnable) until something is reached that no action
    /// caused.
    fn chain(&self, id: ActionId, became: Became) -> Vec<Because> {
        let mut out = Vec::new();
        let impossible = |became| became == Became::Unrunnable;
        let mut seen = BTreeSet::from([(id, impossible(became))]);
        let (mut at, mut became) = (id, became);
        loop {
            match self.cause(at, became).and_then(|(other, by)| {
                let next =
                    self.lead_on(other, became, |b| !seen.contains(&(other, impossible(b))))?;
                Some((other, by, next))
            }) {
                Some((other, by, next)) => {
                    seen.insert((other, impossible(next)));
                    out.push(self.because(at, other, by, next));
                    (at, became) = (other, next);
                }
                _ => {
                    out.extend(match became {
                        Became::Unrunnable => roots::of_unrunnable(self.cluster, self.chains, at),
                        _ => roots::of_required(self.cluster, self.chains, at),
                    });
                    return out;
                }
            }
        }
    }

    fn needed(&self, id: ActionId) -> bool {
        let a = &self.cluster.actions[id];
        a.required() || a.flags.forced
    }

    /// What an action that caused something is to be asked about: why it is needed, or, if it is not,
    /// or if that leads back to where we come from, why it is not possible.
    fn lead_on(
        &self,
        other: ActionId,
        became: Became,
        open: impl Fn(Became) -> bool,
    ) -> Option<Became> {
        let possible = self.cluster.actions[other].flags.runnable;
        let asks = match became {
            Became::Unrunnable => [None, Some(Became::Unrunnable)],
            _ => [
                self.needed(other).then_some(Became::Required),
                (!possible).then_some(Became::Unrunnable),
            ],
        };
        asks.into_iter().flatten().find(|b| open(*b))
    }

    /// The action that made another one required or unrunnable, if one did.
    fn cause(&self, id: ActionId, became: Became) -> Option<(ActionId, By)> {
        let c = self.cluster;
        let recorded = self.decisive(id, became).map(|change| change.by);
        let by = recorded.or_else(|| roots::stands_for(c, id, became).map(By::Part))?;
        let other = match by {
            By::Relation(other, _) | By::Part(other) => other,
            By::Colocation(r) => {
                let blocked = |a: &ActionId| !c.actions[*a].flags.runnable;
                let same = |a: &ActionId| c.actions[*a].task == c.actions[id].task;
                let own = c.actions.of(r).iter().rev().copied();
                own.clone().find(|a| blocked(a) && same(a)).or_else(|| own.clone().find(blocked))?
            }
        };
        (other != id).then_some((other, by))
    }

    /// One link: `id` because of `other`, which is then asked why it is required or unrunnable.
    fn because(&self, id: ActionId, other: ActionId, by: By, asked: Became) -> Because {
        let c = self.cluster;
        let (kind, text, element) = match by {
            By::Relation(_, flags) => {
                let constraint = self.constraint(id, other);
                let text = self.relation_text(id, other, flags, asked, constraint.as_deref());
                (Kind::Ordering, text, constraint)
            }
            By::Part(_) if matches!(c.actions[id].key, Key::Notify { .. }) => {
                (Kind::Part, format!("it tells of {}", name(c, other)), None)
            }
            By::Part(_) => (Kind::Part, format!("{} is part of it", name(c, other)), None),
            By::Colocation(r) => {
                let text = format!("it must be with {}, which cannot start", c.resource(r).id);
                (Kind::Colocation, text, None)
            }
        };
        Because { kind, text, action: Some(other.number()), element }
    }

    /// The change that made the action what it is in the end.
    fn decisive(&self, id: ActionId, became: Became) -> Option<&Change> {
        let a = &self.cluster.actions[id];
        let (wanted, opposite) = match became {
            Became::Unrunnable => (Became::Unrunnable, Became::Runnable),
            _ if a.required() => (Became::Required, Became::Optional),
            _ => (Became::Forced, Became::Optional),
        };
        let mut found = None;
        for change in self.changes.get(&id)? {
            if change.became == wanted {
                found = found.or(Some(*change));
            } else if change.became == opposite {
                found = None;
            }
        }
        found
    }

    /// The configured ordering behind a relation between two actions, in either direction.
    fn constraint(&self, a: ActionId, b: ActionId) -> Option<String> {
        self.configured(a, b).or_else(|| self.configured(b, a))
    }

    fn configured(&self, first: ActionId, then: ActionId) -> Option<String> {
        let c = self.cluster;
        let trace = &c.trace;
        let made_from = trace.relations.get(&(first, then)).copied().or_else(|| {
            // Who waits for a collective was made to wait for its completion instead.
            let r = c.actions[first].resource.filter(|r| !c.resource(*r).is_primitive())?;
            c.actions.of(r).iter().find_map(|f| trace.relations.get(&(*f, then)).copied())
        })?;
        let after = trace.orderings.partition_point(|(range, _)| range.start <= made_from);
        let (range, id) = trace.orderings.get(after.checked_sub(1)?)?;
        range.contains(&made_from).then(|| id.clone())
    }

    fn relation_text(
        &self,
        id: ActionId,
        other: ActionId,
        flags: Order,
        became: Became,
        constraint: Option<&str>,
    ) -> String {
        let c = self.cluster;
        let (a, o) = (&c.actions[id], &c.actions[other]);
        let other_name = name(c, other);
        let how = match (constraint, a.resource, o.resource) {
            (Some(constraint), _, _) => format!("ordering {constraint}"),
            (None, Some(x), Some(y)) if x == y => {
                "the order of one resource's own actions".to_owned()
            }
            (None, Some(x), Some(y)) if c.is_ancestor(y, x) || c.is_ancestor(x, y) => {
                "part and whole belong together".to_owned()
            }
            (None, Some(x), Some(y)) if c.top(x) == c.top(y) => {
                format!("both are in {}", c.resource(c.top(x)).id)
            }
            (None, _, None) | (None, None, _) => "order relative to a node".to_owned(),
            _ => format!("relation {}", flags.names().join("+")),
        };
        match became {
            Became::Unrunnable => format!("{other_name} cannot be done ({how})"),
            _ if a.flags.optional => format!("{other_name} takes it along ({how})"),
            _ => format!("{other_name} is required ({how})"),
        }
    }

    fn waits(&self, id: ActionId) -> Vec<Wait> {
        let c = self.cluster;
        let a = &c.actions[id];
        if !a.in_graph {
            return Vec::new();
        }
        let inputs = a.before.iter().filter(|input| input.in_graph);
        inputs
            .map(|input| Wait {
                action: input.other.number(),
                key: c.key_text(input.other),
                node: c.actions[input.other].node.map(|n| c.node(n).name.to_string()),
                constraint: self.configured(input.other, id),
                relation: input.flags.names(),
            })
            .collect()
    }
}
