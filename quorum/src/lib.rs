#![forbid(unsafe_code)]
//! Who may act: votes, partitions, tie-breakers, and the election of the designated controller.
//!
//! A cluster that falls apart must not act in two places. [`Votes`] turns the views
//! and ordered messages of a group messaging layer into one verdict per ring, *quorate* or not,
//! that all members of the ring share. [`Election`](election::Election) then finds the one member
//! that leads. Both are state machines without I/O: time comes in as an argument, what they want
//! done comes out as values, and the same code runs in a daemon and in a simulation.
//!
//! ```
//! use std::time::Duration;
//! use quorum::id::{NodeId, RingId};
//! use quorum::options::{Entry, NodeVotes, Section, Settings};
//! use quorum::store::Persistent;
//! use quorum::votes::{Input, Output, View, Votes};
//!
//! // Three nodes with one vote each.
//! let id = |n| NodeId::new(n).unwrap();
//! let nodes: Vec<_> = (1..=3).map(|n| NodeVotes { id: id(n), votes: 1 }).collect();
//! let entry = Entry { key: "provider", value: "corosync_votequorum", line: 9 };
//! let section = Section::parse([entry])?;
//! let mut members: Vec<Votes> = (1..=2)
//!     .map(|n| Settings::start(id(n), &section, &nodes))
//!     .map(|settings| settings.map(|(s, _notices)| Votes::new(s, Persistent::default())))
//!     .collect::<Result<_, _>>()?;
//! assert!(!members[0].is_quorate(), "one of three may not act");
//!
//! // Two of them form a ring; whatever one multicasts is delivered to both in the same order.
//! let now = Duration::ZERO;
//! let ring = RingId { sequence: 4, representative: id(1) };
//! for (n, member) in (1..).zip(&mut members) {
//!     member.handle(now, Input::View(View::new(ring, vec![id(1), id(2)], vec![id(n)])?));
//! }
//! loop {
//!     let mut ordered = Vec::new();
//!     for (n, member) in (1..).zip(&mut members) {
//!         while let Some(output) = member.poll_output() {
//!             if let Output::Multicast(bytes) = output {
//!                 ordered.push((id(n), bytes));
//!             }
//!         }
//!     }
//!     if ordered.is_empty() {
//!         break;
//!     }
//!     for (from, bytes) in ordered {
//!         for member in &mut members {
//!             member.handle(now, Input::Message { from, bytes: bytes.clone() });
//!         }
//!     }
//! }
//! assert!(members.iter().all(|member| member.is_quorate()), "two of three may");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What differs from corosync's votequorum
//! The verdicts are those operators know (every option, the worked scenarios are the crate's story
//! tests), but they are reached so that members cannot disagree:
//!
//! * A ring's verdict is computed by every member from the same reports, not from each one's own
//!   history. Members that arrive from another ring keep its verdict only if they have quorum
//!   among themselves.
//! * What a partition remembers of the last quorum travels with its members and is known to all
//!   before anybody acts on it, so two halves cannot both take the tie-breaker for theirs, and a
//!   member cut off from a re-based remnant cannot help to outvote it.
//! * `last_man_standing` re-bases at one point of the message order, on all members at once.
//! * `wait_for_all` is over when the votes reach the *highest* expected votes of any member.
//! * `allow_downscale` really lowers quorum with orderly departures, not below the configured
//!   expected votes, and only in a quorate partition; tracking never lowers what is configured.
//! * With a node list and explicit `device.votes`, the device's votes are expected from the start
//!   and not only once they have been seen.
//! * Refused requests are checked again where they are ordered, and answered only then.
//!
//! A verdict is about a ring and ends with it: whoever acts on it asks messaging how long the ring holds
//! (`cpg`'s `Protocol::token_deadline`) and begins nothing after that. A node that is paused while it
//! acts still goes on until it looks again: act on resources of others only after fencing them.

pub mod id;
pub mod memory;
pub mod notice;
pub mod options;
pub mod store;
pub mod wire;

pub mod votes;

pub mod device;
pub mod election;
pub mod status;

#[cfg_attr(not(feature = "mutations"), doc(hidden))]
pub mod mutation;

pub use id::{NodeId, RingId};
pub use options::{Section, Settings};
pub use votes::{Input, Output, Refusal, Request, View, Votes};
