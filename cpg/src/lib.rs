//! Totally ordered group messaging with extended virtual synchrony over unreliable datagrams.
//!
//! Every node of a cluster delivers the same messages in the same order, and learns of nodes and
//! processes that come and go at the same place in that order. The protocol is the Totem single
//! ring with an accelerated token; on top are process groups with views.
//!
//! Three nodes in memory, one group:
//!
//! ```
//! use cpg::group::{Event, GroupName};
//! use cpg::memory::Cluster;
//! use cpg::{Guarantee, NodeId};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut cluster = Cluster::new(3);
//! cluster.run_for(Duration::from_secs(2)); // the nodes find each other
//! let nodes: Vec<NodeId> = (1..=3).filter_map(NodeId::new).collect();
//! assert_eq!(cluster.ring(nodes[0]).map(|(_, members)| members), Some(nodes.clone()));
//!
//! let name = GroupName::new("accounts")?;
//! let first = cluster.join(nodes[0], 100, name.clone())?;
//! let second = cluster.join(nodes[1], 200, name)?;
//! cluster.multicast(first, Guarantee::Agreed, "credit 5")?;
//! cluster.multicast(second, Guarantee::Safe, "debit 3")?;
//! cluster.run_for(Duration::from_secs(1));
//!
//! // Both members see the same messages in the same order.
//! let mut messages = |group| {
//!     let mut seen = vec![];
//!     while let Some(event) = cluster.next_event(group) {
//!         if let Event::Message(message) = event {
//!             seen.push(message.payload);
//!         }
//!     }
//!     seen
//! };
//! assert_eq!(messages(first), messages(second));
//!
//! // A node dies: the survivors get a view without its processes.
//! cluster.kill(nodes[1]);
//! cluster.run_for(Duration::from_secs(2));
//! let Some(Event::View(view)) = cluster.next_event(first) else { panic!("a view comes next") };
//! assert_eq!(view.members.len(), 1);
//! assert_eq!(view.left[0].0.node, nodes[1]);
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! | module | what it does | without I/O |
//! |---|---|---|
//! | [`link`], [`security`] | which paths work; frames that are authentic, secret and new | yes |
//! | [`protocol`] on [`ring`], [`membership`] | the total order and who takes part in it | yes |
//! | [`group`] in [`node`] | process groups, views, fragmentation, flow control | yes |
//! | [`endpoint`] | all of the above as one state machine | yes |
//! | [`driver`] | an endpoint on sockets, a clock and a disk | no |
//! | [`configuration`] | corosync.conf, read and checked | yes |
//!
//! One contract for every state machine here: after any call that takes `now`, drain its `poll_…`
//! functions until each gives `None`, then call `handle_timeout` at `poll_timeout` at the latest. Calls
//! that come too early do nothing. Outputs are in order, and a `Persist` must be durable before anything
//! after it is sent. Queues are bounded: client messages are refused with
//! [`group::Refusal::TryAgain`], everything else is bounded by the protocol's windows.
//!
//! # Where it goes beyond the classic protocol
//!
//! - The accelerated ring is the default; `accelerated: 0` in [`ring::FlowLimits`] is the classic one.
//! - Ring ids are durable (synced, renamed) before they are used and carry a random incarnation.
//! - Rings merge only when every pair of their members is proven reachable both ways, and nodes that
//!   flap wait; a node with one-way links cannot tear a healthy ring.
//! - The links' evidence (silence, refused datagrams) shortens the detection of a dead node; the
//!   members still have to agree. Because it counts, a link is pinged four times within its time-out
//!   unless something else is configured, twice as often as the reference does ([`link::Probing`]).
//! - Links come, go and move at run time while one stays ([`driver::Driver::reconfigure`]); the reference
//!   wants an address deleted in one reload and created in another.
//! - A node that does not receive is evicted by the others.
//! - Each packet missing in recovery is re-originated by one holder.
//! - Safe delivery is real, and the transitional configuration has an identity of its own.
//! - A join counts as its sender's vote also when it is what made this node gather: no join interval
//!   is lost on the way to a new ring.
//! - One exchange synchronises the groups after a change; its state is keyed by the ring.
//! - A datagram proves its sender: the key is derived per node and boot, and no recording of it can be
//!   played back. What shares the key can still claim any node id.
//! - System calls take many datagrams: rows that the kernel segments and joins, batches where it cannot.
//! - The token has a socket of its own at every node, proven like a link, and is read before waiting data
//!   once the predecessor is known to have passed it; when it has to be sent again it takes the common one.
//! - Windows are in bytes besides packets: the least that a member can take by its socket buffer, less
//!   after a lost burst, travels with the token and binds all.
//! - Numbers that cannot be are refused where they are read or at the token's visit, also from somebody who
//!   has the key; packets of a ring of one come from nobody else.
//! - An idle ring's token rests only when all members know that all have everything, so that a message
//!   that was repaired at last is not held up.
//! - A reader that does not read is cut off with an error of its own ([`group::Inbox`]).
//!
//! # What is left to the program around it
//!
//! - Events are handed over in one stream, which must be drained after every call; a program that passes
//!   them on to slower readers gives each a [`group::Inbox`] and closes those that fall behind
//!   ([`node::Node::close`]).
//! - The driver runs on the thread that calls [`driver::Driver::turn`]. A thread that does other work
//!   between turns for a good part of the token time-out holds up the ring; such work belongs elsewhere.

#![forbid(unsafe_code)]

pub mod identity;
pub mod packing;
mod time;
pub mod wire;

mod environment;
pub mod membership;
pub mod mutation;
pub mod protocol;
mod recovery;
mod report;
pub mod ring;
pub mod statistics;

pub mod group;
pub mod memory;
pub mod node;

pub mod configuration;
pub mod driver;
pub mod endpoint;
pub mod link;
pub mod security;

pub use group::{Event, GroupName, Member, Message, View};
pub use identity::NodeId;
pub use memory::Group;
pub use time::Time;
pub use wire::Guarantee;
