//! The status in a terminal, as it changes.

use std::io::Write;
use std::time::Duration;

use cib_model::Document;
use clap::ArgMatches;
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::{Look, View, listing};
use crate::tools::commands::text;
use crate::tools::{exit, node};

/// Clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// How often to look when nothing is said, and how often to try again.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows the status until it is interrupted.
pub fn run(view: &View, matches: &ArgMatches) -> u8 {
    let interval = text(matches, "interval")
        .and_then(|text| cib_model::scalar::parse_interval_ms(text).ok())
        .map_or(INTERVAL, |ms| Duration::from_millis(ms.max(100)));
    let mut changes = None;
    loop {
        let shown = match Look::take(view) {
            Ok(look) => listing(view, &look),
            Err((text, _)) => {
                changes = None;
                format!("{text}\n")
            }
        };
        let mut screen = std::io::stdout().lock();
        if write!(screen, "{CLEAR}{shown}").and_then(|()| screen.flush()).is_err() {
            return exit::OK;
        }
        drop(screen);
        if changes.is_none() {
            changes = subscribe().ok();
        }
        match changes.as_mut().map(|client| client.event(interval)) {
            Some(Ok(_) | Err(ClientError::Timeout(_))) => {}
            Some(Err(_)) | None => {
                changes = None;
                std::thread::sleep(interval);
            }
        }
    }
}

/// Asks to be told of changes.
fn subscribe() -> Result<Client, ClientError> {
    let mut client = Client::connect(&Place::from_environment(), Endpoint::CibRead)?;
    for attributes in [
        &[("t", "cib"), ("cib_op", "register"), ("cib_clientname", "crm_mon")][..],
        &[
            ("cib_op", "cib_notify"),
            ("cib_notify_type", "cib_diff_notify"),
            ("cib_notify_activate", "1"),
        ],
    ] {
        let mut message = Document::new("cib_command");
        let root = message.root_id();
        for (name, value) in attributes {
            message.set_attribute(root, name, value);
        }
        client.ask(&message.root().to_xml_compact(), node::TIMEOUT)?;
    }
    Ok(client)
}
