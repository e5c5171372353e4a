//! What administrators order of the ring of running nodes: `node-daemon ring`.

mod bed;
mod classic;
mod log;
mod reload;
mod votes;
