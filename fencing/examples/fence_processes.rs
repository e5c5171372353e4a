//! The smallest honest fencer: alone, with the agent of this crate that ends processes.
//!
//! `cargo run -p fencing --example fence_processes -- DIRECTORY NODE [off|on|reboot]` fences the
//! node whose processes have their ids in `DIRECTORY/NODE/*.pid`, and exits like a tool would.

use std::process::ExitCode;
use std::time::Duration;

use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::executor::CallId;
use fencing::fencer::FenceOrder;
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::process::{ProcessDriver, SECRETS_DIRECTORY, SecretStore};
use fencing::secret::Parameters;
use fencing::{Fencer, Input, Request, Response, Standalone};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(target)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: fence_processes DIRECTORY NODE [off|on|reboot]");
        return Ok(ExitCode::from(64));
    };
    let action = arguments.next().unwrap_or_else(|| "off".into());
    let action = Action::from_name(&action).ok_or("the action is off, on or reboot")?;

    let agents = concat!(env!("CARGO_MANIFEST_DIR"), "/agents");
    let store = SecretStore::new(SECRETS_DIRECTORY);
    let processes = ProcessDriver::new(agents, store, Standalone::FIRST_TOKEN);
    let fencer = Fencer::new(NodeName::new("here")?, "example.1", u64::from(std::process::id()));
    let mut alone = Standalone::new(fencer, processes)?;

    let ask = |alone: &mut Standalone, call, request| {
        let call = CallId { client: 1, call };
        let client = format!("example.{}", std::process::id());
        alone.handle(Input::Request { call, client, privileged: true, request });
    };
    let device = DeviceDefinition {
        id: DeviceId::new("processes")?,
        agent: AgentName::new("fence_pidfile")?,
        parameters: Parameters::new().with("pid_directory", directory),
        provides_unfencing: false,
    };
    ask(&mut alone, 1, Request::RegisterDevice(device));
    let order = FenceOrder::new(NodeName::new(&target)?, action, Seconds(60));
    ask(&mut alone, 2, Request::Fence(order));
    loop {
        for (call, response) in alone.take_replies() {
            if let (2, Response::Ended(outcome)) = (call.call, response) {
                println!("{action} of {target}: {}", outcome.summary());
                let code = outcome.error(None).map_or(0, fencing::outcome::FencingError::exit_code);
                return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)));
            }
        }
        alone.turn(Duration::from_secs(1))?;
    }
}
