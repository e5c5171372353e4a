//! Whatever an agent prints as metadata, and whatever an init script has for comments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lrm::metadata::{AgentMetadata, lsb_metadata, systemd_metadata};

fuzz_target!(|text: &str| {
    if let Ok(metadata) = AgentMetadata::from_xml(text) {
        let _ = (metadata.restart_parameters(), metadata.private_parameters());
    }
    // What is made up can always be read.
    AgentMetadata::from_xml(&lsb_metadata("x", text)).expect("of an init script");
    AgentMetadata::from_xml(&systemd_metadata("x", Some(text))).expect("of a unit");
});
