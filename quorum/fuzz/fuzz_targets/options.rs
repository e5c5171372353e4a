//! Any section and node list is settled or refused, and settled settings survive a reload; so is what it
//! says of a quorum device, with its checks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorum::device::net::NetSettings;
use quorum::options::{Entry, NodeVotes};
use quorum::{NodeId, Section, Settings};

fuzz_target!(|input: (Vec<u32>, &str)| {
    let (votes, text) = input;
    let entries = (1..).zip(text.lines()).filter_map(|(line, text)| {
        let (key, value) = text.split_once(':')?;
        Some(Entry { key: key.trim(), value: value.trim(), line })
    });
    let Ok(section) = Section::parse(entries) else { return };
    let nodes: Vec<_> = (1..)
        .zip(votes.iter().take(64))
        .filter_map(|(id, votes)| Some(NodeVotes { id: NodeId::new(id)?, votes: *votes }))
        .collect();
    let me = NodeId::new(1).expect("1 is a node id");
    if let Ok((settings, _)) = Settings::start(me, &section, &nodes) {
        assert!(settings.expected_votes > 0);
        let (again, _) = settings.reload(&section, &nodes, false);
        assert_eq!(again.expected_votes, settings.expected_votes);
        assert_eq!(again.two_node, settings.two_node);
        if let Ok(Some(device)) = NetSettings::read(&section, &settings, &nodes, Some("lab")) {
            if let Some(checks) = device.checks {
                assert!((1..=32).contains(&checks.commands.len()));
                assert!(checks.commands.iter().all(|check| check.program.starts_with('/')));
            }
        }
    }
});
