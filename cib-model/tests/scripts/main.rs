//! The state machines, by scripts: what happens, and what they want done.

mod attribute_table;
mod replica;
mod script;
