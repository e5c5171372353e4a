//! A cluster node, wired from Understudy's libraries.
//!
//! A node is a handful of *subsystems*, each one a state machine with a mailbox ([`subsystem`]). They
//! talk in envelopes that name a subsystem and a node; how an envelope travels is decided by the
//! [`wiring`] and is invisible to them. The code that is simulated in `tests/cluster` is the code that
//! runs.
//!
//! The modules in the order in which data flows: [`messaging`] brings ordered messages and quorum, the
//! [`cib`] manager holds the replica of configuration and status, [`attributes`] the transient node
//! attributes, [`executor`] and [`fencer`] act on the world, the [`scheduler`] plans, and the
//! [`controller`] leads.

#![forbid(unsafe_code)]

pub mod subsystem;

pub mod messaging;

pub mod cib;

pub mod attributes;

pub mod executor;

pub mod fencer;

pub mod scheduler;

pub mod controller;

pub mod ipc;

pub mod wiring;

pub mod logging;

pub mod supervisor;

pub mod demo;

#[cfg_attr(not(feature = "mutations"), doc(hidden))]
pub mod mutation;
