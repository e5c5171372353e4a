//! From events to rest: plan, execute, and plan again until nothing is left to do.

use super::execute;
use super::inject::{self, Injections, TicketChange};
use super::places::Places;
use super::signature;
use super::step::Step;
use super::working::{Working, WorkingError};
use crate::model::cluster::{Cluster, Switches};
use crate::report::summary::Summary;
use crate::schedule::{schedule, unpack};
use crate::transition::executor::Progress;
use crate::transition::{ActionKind, Transition};
use cib_model::{DateTime, Document};
use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use std::cell::OnceCell;
use std::sync::Arc;

/// Something that happens to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// A node becomes a full member.
    NodeUp(String),
    /// A node leaves in good order.
    NodeDown(String),
    /// A node is lost.
    NodeFails(String),
    /// Quorum is won or lost.
    Quorum(bool),
    /// A ticket changes.
    Ticket {
        /// Which.
        ticket: String,
        /// How.
        change: TicketChange,
    },
    /// A result was recorded, like a failed monitor: `RESOURCE_TASK_INTERVALMS@NODE=RC`.
    Result(String),
    /// An operation will fail whenever it is executed: `RESOURCE_TASK_INTERVALMS@NODE=RC`.
    Fails(String),
}

/// Where a simulation stops though it has not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Transitions executed.
    pub transitions: usize,
    /// Actions executed, in all transitions together.
    pub actions: usize,
}

impl Default for Bounds {
    /// 32 transitions, a million actions.
    fn default() -> Bounds {
        Bounds { transitions: 32, actions: 1_000_000 }
    }
}

/// How a simulation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Ending {
    /// Nothing is left to do.
    Stable,
    /// The cluster is where it was before, and would do the same for ever.
    Loop {
        /// The round (from 0) at whose beginning it was there before.
        first: usize,
        /// Rounds until it is there again.
        length: usize,
    },
    /// So many transitions were executed.
    TransitionBound(usize),
    /// The next transition has more actions than may still be executed.
    ActionBound(usize),
    /// All that is left to do waits for what cannot be done, like the end of a resource on a lost node
    /// that nobody can fence.
    Stuck,
    /// An event or an action names what does not exist.
    Invalid(String),
}

/// One transition of a simulation.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// What was to change.
    pub summary: Summary,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Actions of the transition, those of nobody (pseudo-actions) not counted.
    pub actions: usize,
}

/// What came of events.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Transitions that were executed.
    pub rounds: Vec<Round>,
    /// How it ended.
    pub ending: Ending,
    /// What runs where before the first event.
    pub before: Places,
    /// What runs where at the end.
    pub after: Places,
    /// Results that could not be recorded, and operations that could not be executed, with the reason.
    pub skipped: Vec<String>,
    /// The CIB at the end.
    pub cib: Arc<Document>,
}

/// Lets events happen and the cluster react, until it comes to rest or a bound is hit.
///
/// Time stands still at `now`: no failure expires, no rule changes. It has to be later than what the
/// status records, or the recorded results outlive the simulated ones. The document is a CIB of the current
/// schema, with or without `status`.
///
/// ```
/// use cib_model::{DateTime, Document};
/// use policy_engine::simulate::{Bounds, Ending, Event};
/// use policy_engine::simulate;
///
/// let cib = Document::parse(r#"<cib have-quorum="1" dc-uuid="1"><configuration>
///   <crm_config/>
///   <nodes><node id="1" uname="alpha"/><node id="2" uname="beta"/></nodes>
///   <resources>
///     <primitive id="fence" class="stonith" type="fence_dummy"/>
///     <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/>
///   </resources><constraints/>
/// </configuration><status>
///   <node_state id="1" uname="alpha" in_ccm="true" crmd="online" join="member" expected="member"/>
///   <node_state id="2" uname="beta" in_ccm="true" crmd="online" join="member" expected="member"/>
/// </status></cib>"#)?;
/// let now = DateTime::from_epoch(1_700_000_000, 0);
///
/// let start = simulate(&cib, &[], now, &Bounds::default());
/// assert_eq!(start.ending, Ending::Stable);
/// assert_eq!(start.after.nodes_of("web"), ["beta"]);
///
/// let lost = simulate(&start.cib, &[Event::NodeFails("beta".into())], now, &Bounds::default());
/// assert_eq!(lost.ending, Ending::Stable);
/// assert_eq!(lost.after.nodes_of("web"), ["alpha"]);
/// assert_eq!(lost.rounds[0].summary.nodes[0].node, "beta");
/// # Ok::<(), cib_model::ParseError>(())
/// ```
pub fn simulate(
    document: &Document,
    events: &[Event],
    now: DateTime,
    bounds: &Bounds,
) -> Simulation {
    let document = Arc::new(document.clone());
    let before = Places::of(&read(&document, &crate::input::generate(&document), now));
    run(Working::new(document, now.epoch()), before, events, now, bounds)
}

/// Unpacks a document. Simulations record digests of what they do as far as the graph tells parameters,
/// private ones masked.
fn read<'d>(document: &'d Document, generated: &'d Document, now: DateTime) -> Cluster<'d> {
    unpack(document, generated, now, Switches { sanitized: true, ..Switches::default() })
}

/// The same from a working copy of a document with these places.
pub(crate) fn run(
    mut working: Working,
    before: Places,
    events: &[Event],
    now: DateTime,
    bounds: &Bounds,
) -> Simulation {
    let mut story = Story {
        working: &mut working,
        rounds: Vec::new(),
        skipped: Vec::new(),
        seen: HashMap::new(),
        fails: Vec::new(),
        actions: 0,
        terminated: false,
        now,
    };
    let (ending, after) = match story.inject(events) {
        Err(error) => (Ending::Invalid(error.to_string()), before.clone()),
        Ok(()) => loop {
            if let Some(end) = story.round(bounds) {
                break end;
            }
        },
    };
    let (rounds, skipped) = (story.rounds, story.skipped);
    Simulation { rounds, ending, before, after, skipped, cib: working.into_document() }
}

struct Story<'w> {
    working: &'w mut Working,
    rounds: Vec<Round>,
    skipped: Vec<String>,
    /// States seen, by signature: the round that began there.
    seen: HashMap<u64, usize>,
    /// Operations that fail.
    fails: Vec<String>,
    actions: usize,
    /// The last transition could not be completed.
    terminated: bool,
    now: DateTime,
}

impl Story<'_> {
    fn inject(&mut self, events: &[Event]) -> Result<(), WorkingError> {
        let start = self.working.snapshot();
        let generated = OnceCell::new();
        let mut cluster = None;
        for event in events {
            let mut one = Injections::default();
            match event {
                Event::NodeUp(node) => one.node_up.push(node.clone()),
                Event::NodeDown(node) => one.node_down.push(node.clone()),
                Event::NodeFails(node) => one.node_fail.push(node.clone()),
                Event::Quorum(quorum) => one.quorum = Some(u8::from(*quorum).to_string()),
                Event::Ticket { ticket, change } => {
                    let list = match change {
                        TicketChange::Grant => &mut one.ticket_grant,
                        TicketChange::Revoke => &mut one.ticket_revoke,
                        TicketChange::Standby => &mut one.ticket_standby,
                        TicketChange::Activate => &mut one.ticket_activate,
                    };
                    list.push(ticket.clone());
                }
                Event::Result(operation) => one.operations.push(operation.clone()),
                Event::Fails(operation) => {
                    self.fails.push(operation.clone());
                    continue;
                }
            }
            self.working.create_nodes = matches!(event, Event::NodeUp(_));
            let mut injected = inject::apply(self.working, &one)?;
            self.working.create_nodes = false;
            if !one.operations.is_empty() {
                let generated = generated.get_or_init(|| crate::input::generate(&start));
                let cluster = &*cluster.get_or_insert_with(|| read(&start, generated, self.now));
                inject::apply_operations(self.working, cluster, &one, &mut injected)?;
            }
            self.skipped.extend(injected.skipped);
        }
        Ok(())
    }

    /// Plans and executes once; how it all ends, if it does.
    fn round(&mut self, bounds: &Bounds) -> Option<(Ending, Places)> {
        let snapshot = self.working.snapshot();
        let generated = crate::input::generate(&snapshot);
        let mut cluster = read(&snapshot, &generated, self.now);
        let places = Places::of(&cluster);
        let number = self.rounds.len();
        let transition = schedule(&mut cluster, number as u32 + 1);
        let actions = real_actions(&transition);
        if actions == 0 {
            return Some((Ending::Stable, places));
        }
        if let Some(first) = self.seen.insert(signature::of(&snapshot), number) {
            if self.terminated && first + 1 == number {
                return Some((Ending::Stuck, places));
            }
            return Some((Ending::Loop { first, length: number - first }, places));
        }
        if number >= bounds.transitions {
            return Some((Ending::TransitionBound(number), places));
        }
        if self.actions + actions > bounds.actions {
            return Some((Ending::ActionBound(self.actions), places));
        }
        self.actions += actions;
        let summary = Summary::of(&cluster);
        let executed = execute::execute(self.working, &cluster, transition, &self.fails);
        for unfencing in unfencings(&executed.transition) {
            self.remember_unfencing(&unfencing);
        }
        self.skipped.extend(executed.errors);
        self.rounds.push(Round { summary, steps: executed.steps, actions });
        self.terminated = executed.end != Progress::Complete;
        None
    }

    /// A live controller notes that a node was unfenced, and by devices of which definition.
    fn remember_unfencing(&mut self, unfencing: &Unfencing) {
        let (name, id) = &unfencing.node;
        let Ok(state) = self.working.node_state(name, Some(id)) else { return };
        let now = self.now.epoch().to_string();
        self.working.set_transient(state, "#node-unfenced", &now);
        for (attribute, value) in &unfencing.digests {
            self.working.set_transient(state, attribute, value);
        }
    }
}

struct Unfencing {
    node: (String, String),
    digests: Vec<(&'static str, String)>,
}

fn unfencings(transition: &Transition) -> Vec<Unfencing> {
    let mut out = Vec::new();
    for synapse in &transition.synapses {
        let action = &synapse.action;
        let meta = |name: &str| action.attributes.get(name);
        if action.head.operation != "stonith" || meta("CRM_meta_stonith_action") != Some("on") {
            continue;
        }
        let Some(node) = action.head.node.clone() else { continue };
        let digest = |attribute, name| Some((attribute, meta(name)?.to_owned()));
        let all = digest("#digests-all", "CRM_meta_digests_all");
        let secure = digest("#digests-secure", "CRM_meta_digests_secure");
        out.push(Unfencing { node, digests: all.into_iter().chain(secure).collect() });
    }
    out
}

/// Actions that somebody executes.
fn real_actions(transition: &Transition) -> usize {
    transition.synapses.iter().filter(|s| s.action.head.kind != ActionKind::Pseudo).count()
}
