//! What a subsystem is: a state machine with a mailbox.
//!
//! # Drain contract
//! After [`Subsystem::handle`] or [`Subsystem::handle_timeout`], take everything from the [`Outputs`] and
//! carry it out, then wait for an envelope, at most until [`Subsystem::poll_timeout`]. Spurious calls of
//! `handle_timeout` do nothing.

mod address;
mod frame;
mod message;
mod sealed;
mod shared;

pub use address::{Address, NodeId, Room, Target};
pub use frame::{FrameError, MAX_FRAME, decode, encode};
pub use message::*;
pub use sealed::{Parcel, Sealed};
pub use shared::{SharedDocument, SharedPatch, SharedTransition};

use std::collections::VecDeque;
use std::time::Duration;

/// The present, on the clocks a subsystem may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since any fixed instant; never goes back. All timers run on it.
    pub elapsed: Duration,
    /// Wall-clock time since 1970; it dates records and is never waited on.
    pub wall: Duration,
    /// CPU time used by this process so far: its age in elections.
    pub cpu: Duration,
}

impl Now {
    /// Wall-clock time in whole seconds, as the CIB records it.
    pub fn epoch(self) -> i64 {
        i64::try_from(self.wall.as_secs()).unwrap_or(i64::MAX)
    }
}

/// An envelope: who sends what to whom.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Envelope {
    /// The sender.
    pub from: Address,
    /// The addressee.
    pub to: Target,
    /// The content.
    pub body: Body,
}

/// What a subsystem wants done.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Envelopes to be delivered, in order.
    pub envelopes: VecDeque<(Target, Body)>,
    /// The subsystem has ended, for this reason.
    pub ended: Option<Ending>,
}

/// Why a subsystem ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ending {
    /// In order.
    Done,
    /// It failed; start it again.
    Failed,
    /// It must not be started again: the node leaves the cluster.
    Fatal,
    /// The node must be taken down at once.
    Panic,
}

impl Outputs {
    /// Sends to a subsystem of this node.
    pub fn here(&mut self, room: Room, body: impl Into<Body>) {
        self.envelopes.push_back((Target::Here(room), body.into()));
    }

    /// Sends to a subsystem of one node.
    pub fn node(&mut self, node: NodeId, room: Room, body: impl Into<Body>) {
        self.envelopes.push_back((Target::Node(node, room), body.into()));
    }

    /// Sends to a subsystem of all nodes, this one included, in total order.
    pub fn all(&mut self, room: Room, body: impl Into<Body>) {
        self.envelopes.push_back((Target::All(room), body.into()));
    }

    /// Answers an envelope's sender.
    pub fn reply(&mut self, to: Address, body: impl Into<Body>) {
        self.envelopes.push_back((Target::Node(to.node, to.room), body.into()));
    }

    /// Ends the subsystem; the first reason counts.
    pub fn end(&mut self, ending: Ending) {
        self.ended.get_or_insert(ending);
    }
}

/// A state machine with a mailbox. See the [module](self) for the drain contract.
pub trait Subsystem {
    /// Which one it is.
    fn room(&self) -> Room;

    /// Begins; called once, before any envelope.
    fn start(&mut self, now: Now, out: &mut Outputs);

    /// Takes one envelope.
    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs);

    /// Does what is due.
    fn handle_timeout(&mut self, now: Now, out: &mut Outputs);

    /// When to call [`Subsystem::handle_timeout`] at the latest, on the clock of [`Now::elapsed`].
    fn poll_timeout(&self) -> Option<Duration>;
}
