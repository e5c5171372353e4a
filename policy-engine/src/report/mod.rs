//! Reports for people: status listings, the transition summary, score lines (spec 41).
//!
//! Everything here is a function of an unpacked (and for the summary, scheduled) cluster and of display
//! options; the callers choose where it goes.

pub mod digests;
pub mod monitor;
pub mod scores;
pub mod selection;
pub mod snapshot;
pub mod status;
pub mod summary;
pub mod tables;
pub mod text;
pub mod xml;
