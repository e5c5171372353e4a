//! The smallest honest daemon: one node that counts its votes, keeps its memory on disk, delivers
//! its own multicasts (a ring of one needs no network) and prints its status.
//!
//! ```text
//! cargo run -p quorum --example single_node -- /tmp/state expected_votes=1 wait_for_all=1
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use quorum::options::Entry;
use quorum::status::Report;
use quorum::store::Store;
use quorum::{Input, NodeId, Output, RingId, Section, Settings, View, Votes};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let given: Vec<String> = arguments.collect();
    let entries = (1..).zip(&given).map(|(line, text)| {
        let (key, value) = text.split_once('=').unwrap_or((text, "1"));
        Entry { key, value, line }
    });
    let mut section = Section::parse(entries)?;
    section.expected_votes.get_or_insert(1);

    let me = NodeId::new(1).ok_or("zero is no node id")?;
    let (settings, notices) = Settings::start(me, &section, &[])?;
    notices.iter().for_each(|notice| eprintln!("{:?}: {notice}", notice.severity()));

    let mut store = Store::open(&directory);
    let mut votes = Votes::new(settings, store.load()?);
    let start = Instant::now();
    let ring = RingId { sequence: 4, representative: me };
    let mut inputs = VecDeque::from([Input::View(View::new(ring, vec![me], vec![me])?)]);
    loop {
        // Drain first, then feed: outputs are in order, and Persist must be durable before the rest.
        while let Some(output) = votes.poll_output() {
            match output {
                Output::Persist(value) => store.save(&value)?,
                Output::Multicast(bytes) => inputs.push_back(Input::Message { from: me, bytes }),
                Output::Notice(notice) => eprintln!("{:?}: {notice}", notice.severity()),
                other => println!("{other:?}"),
            }
        }
        let Some(input) = inputs.pop_front() else { break };
        votes.handle(start.elapsed(), input);
    }

    let name = |id: NodeId| format!("node{id}");
    let status = votes.status();
    let report =
        Report { status: &status, date: "now", name: &name, hex: false, members_only: false };
    print!("{report}");
    Ok(())
}
