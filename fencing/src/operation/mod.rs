//! How the owner conducts one cluster-wide operation: whom it asks, with which device, and what
//! each answer means (spec 81 §7). Pure decisions; the fencer sends and times what comes out.

mod budget;
mod choice;
mod progress;

pub use progress::Next;

use std::collections::{BTreeMap, BTreeSet};

use log::Level;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::device::Registry;
use crate::executor::LogLine;
use crate::message::{ActionTerms, Offer};
use crate::name::{DeviceId, NodeName, OperationId};
use crate::outcome::Outcome;
use crate::topology::Levels;
use crate::watchdog::WatchdogPolicy;

/// What an owner knows about the world when it decides.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The owner's own node.
    pub local: &'a NodeName,
    /// Fencers that are there.
    pub active: &'a BTreeSet<NodeName>,
    /// Watchdog fencing.
    pub watchdog: &'a WatchdogPolicy,
    /// The owner's own devices.
    pub devices: &'a Registry,
}

/// Part of an operation; more than one only where a reboot of several devices is done as all off,
/// then all on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The action as requested.
    Requested,
    /// All devices off.
    Off,
    /// All devices on again; nothing that fails here makes the target less fenced.
    On,
}

/// What one fencer offered.
#[derive(Debug, Clone)]
struct Peer {
    node: NodeName,
    incarnation: u64,
    offers: BTreeMap<DeviceId, Offer>,
    tried: bool,
    executed: BTreeSet<(DeviceId, Phase)>,
}

/// Where an operation stands in the topology of its target.
#[derive(Debug, Clone)]
struct LevelRoute {
    levels: Levels,
    at: usize,
    devices: Vec<DeviceId>,
    position: usize,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Route {
    /// No topology: any peer with any device.
    Any,
    /// Level by level, device by device.
    Levels(LevelRoute),
}

/// A request to a peer that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Current {
    peer: NodeName,
    attempt: u32,
}

/// The owner's side of one operation.
#[derive(Debug, Clone)]
pub struct Conduct {
    operation: OperationId,
    target: NodeName,
    action: Action,
    client: String,
    base: Seconds,
    client_delay: i32,
    total: Option<Seconds>,
    expected: usize,
    replied: BTreeSet<NodeName>,
    peers: Vec<Peer>,
    query_expired: bool,
    executing: bool,
    route: Route,
    required: Vec<DeviceId>,
    attempts: u32,
    current: Option<Current>,
    watchdog_waiting: bool,
    watchdog_used: bool,
    last: Option<Outcome>,
    delegate: Option<NodeName>,
    log: Vec<LogLine>,
}

/// What a client wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Whom to fence.
    pub target: NodeName,
    /// How.
    pub action: Action,
    /// Who asked.
    pub client: String,
    /// Time for one device if it has none of its own.
    pub base: Seconds,
    /// Seconds before the first device; negative for no delay at all.
    pub delay: i32,
}

impl Conduct {
    /// A new operation; `expected` is how many fencers will be asked.
    pub fn new(
        operation: OperationId,
        task: Task,
        levels: Option<Levels>,
        expected: usize,
    ) -> Self {
        let Task { target, action, client, base, delay } = task;
        let route = match levels {
            Some(levels) => Route::Levels(LevelRoute {
                levels,
                at: 0,
                devices: Vec::new(),
                position: 0,
                phase: Phase::Requested,
            }),
            None => Route::Any,
        };
        let mut conduct = Self {
            operation,
            target,
            action,
            client,
            base,
            client_delay: delay,
            total: None,
            expected,
            replied: BTreeSet::new(),
            peers: Vec::new(),
            query_expired: false,
            executing: false,
            route,
            required: Vec::new(),
            attempts: 0,
            current: None,
            watchdog_waiting: false,
            watchdog_used: false,
            last: None,
            delegate: None,
            log: Vec::new(),
        };
        conduct.select_level(0);
        conduct
    }

    /// Log lines since the last call.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.log)
    }

    /// Time in total, once the first device has been asked for.
    pub fn total(&self) -> Option<Seconds> {
        self.total
    }

    /// Whether a device has been asked for, or the watchdog is waited for.
    pub fn is_executing(&self) -> bool {
        self.executing
    }

    /// Who answered last, or fenced itself.
    pub fn delegate(&self) -> Option<&NodeName> {
        self.delegate.as_ref()
    }

    fn say(&mut self, level: Level, text: String) {
        self.log.push(LogLine { level, text });
    }

    fn phase(&self) -> Phase {
        match &self.route {
            Route::Levels(route) => route.phase,
            Route::Any => Phase::Requested,
        }
    }

    /// The action of the current phase.
    fn phase_action(&self) -> Action {
        match self.phase() {
            Phase::Requested => self.action,
            Phase::Off => Action::Off,
            Phase::On => Action::On,
        }
    }

    /// The device to be run next, in a topology.
    fn device(&self) -> Option<&DeviceId> {
        match &self.route {
            Route::Levels(route) => route.devices.get(route.position),
            Route::Any => None,
        }
    }

    /// Makes a level the current one, from its first device; a reboot with several devices becomes
    /// off, then on. Returns false if there is no such level.
    fn select_level(&mut self, at: usize) -> bool {
        self.undo_remap();
        let Route::Levels(route) = &mut self.route else {
            return false;
        };
        route.at = at;
        route.position = 0;
        route.phase = Phase::Requested;
        let Some((_, devices)) = route.levels.get(at) else {
            route.devices.clear();
            return false;
        };
        route.devices = devices.clone();
        let remap = self.action == Action::Reboot && route.devices.len() > 1;
        if remap {
            route.phase = Phase::Off;
        }
        self.peers.iter_mut().for_each(|peer| peer.executed.clear());
        if remap {
            let text = format!(
                "Remapping multiple-device reboot targeting {} to off, then on",
                self.target
            );
            self.say(Level::Info, text);
        }
        true
    }

    fn undo_remap(&mut self) {
        if self.phase() != Phase::Requested {
            self.say(Level::Info, format!("Undoing remap of reboot targeting {}", self.target));
        }
    }
}

impl Peer {
    fn terms(&self, device: &DeviceId, phase: Phase) -> Option<ActionTerms> {
        let offer = self.offers.get(device)?;
        Some(match phase {
            Phase::Requested => offer.requested,
            Phase::Off => offer.off.unwrap_or(offer.requested),
            Phase::On => offer.on.unwrap_or(offer.requested),
        })
    }

    /// Whether this peer can run the device in a phase, and has not yet.
    fn can_run(&self, device: &DeviceId, phase: Phase, action: Action) -> bool {
        let Some(offer) = self.offers.get(device) else {
            return false;
        };
        let allowed = self.terms(device, phase).is_some_and(|terms| !terms.disallowed);
        allowed
            && (action != Action::On || offer.supports_on)
            && !self.executed.contains(&(device.clone(), phase))
    }
}
