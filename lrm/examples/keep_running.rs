//! The smallest executor: starts one resource, watches it, and stops it after a while.
//!
//!     cargo run -p lrm --example keep_running -- SECONDS AGENT [NAME=VALUE]...
//!     cargo run -p lrm --example keep_running -- 10 ocf:understudy:Service port=7171
//!
//! The agents of this crate come first, then those of the system.

#![allow(clippy::disallowed_methods)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lrm::driver::{AgentPaths, Driver, DriverConfig};
use lrm::executor::EventKind;
use lrm::operation::{Action, ClientId, Interval, Parameters, Request, Resource, ResourceId};

const USAGE: &str = "usage: keep_running SECONDS AGENT [NAME=VALUE]...";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().ok_or(USAGE)?.parse()?;
    let agent = Arc::new(arguments.next().ok_or(USAGE)?.parse()?);
    let mut parameters = Parameters::new();
    for pair in arguments {
        let (name, value) = pair.split_once('=').ok_or(USAGE)?;
        parameters.insert(name, value)?;
    }

    let mut paths = AgentPaths::default();
    paths.ocf.insert(0, Path::new(env!("CARGO_MANIFEST_DIR")).join("agents/resource.d"));
    let mut driver = Driver::new(DriverConfig {
        paths,
        agent_directory: Some("/run/resource-agents".into()),
        ..DriverConfig::default()
    })?;
    let id = ResourceId::new("resource")?;
    driver.register(Resource { id: id.clone(), agent, drop_recurring: true });

    let request = |action: &str| -> Result<Request, Box<dyn Error>> {
        let request = Request::once(id.clone(), Action::new(action)?, Duration::from_secs(20));
        Ok(request.with(parameters.clone()))
    };
    driver.execute(ClientId(1), request("start")?)?;
    let monitor = request("monitor")?.every(Interval::from_millis(1_000));
    driver.execute(ClientId(1), monitor)?;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut stopping = false;
    loop {
        if !stopping && Instant::now() >= end {
            stopping = true;
            driver.execute(ClientId(1), request("stop")?)?;
        }
        driver.turn(Some(
            end.saturating_duration_since(Instant::now()).max(Duration::from_millis(9)),
        ))?;
        while let Some(event) = driver.poll_event() {
            let EventKind::Completed(result) = event.kind else { continue };
            let outcome = &result.outcome;
            let reason = outcome.reason.as_deref().unwrap_or_default();
            println!(
                "{}: {}, {} {reason}",
                result.key(),
                outcome.exit.text(),
                outcome.status.text()
            );
            if result.action.is("stop") {
                return Ok(());
            }
        }
    }
}
