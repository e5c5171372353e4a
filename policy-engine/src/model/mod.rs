//! The working model: typed arenas that the stages read and fill.
//!
//! `input` and `history` build it, `placement` fills tables and assignments, `actions` and `ordering`
//! fill [`action::Actions`], `graph` turns that into the transition.

pub mod action;
pub mod cluster;
pub mod constraint;
pub mod ids;
pub mod merge_sort;
pub mod node;
pub mod node_index;
pub mod options;
pub mod resource;
pub mod role;
pub mod score_line;
pub mod table;
pub mod task;
pub mod trace;
