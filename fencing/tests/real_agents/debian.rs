//! The fence agents of Debian's package `fence-agents`, as `install-agents.sh` installs them: the
//! metadata of all, and the whole life of the one that needs no hardware.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lone::{Lone, SECRET};
use fencing::agent::{Action, Metadata};
use fencing::process::{AGENT_DIRECTORY, Finished, ProcessDriver, SecretStore, installed_agents};
use fencing::secret::Parameters;
use mio::{Events, Poll};

/// Whether the agents are there. In continuous integration they must be.
fn installed() -> bool {
    let there = Path::new(AGENT_DIRECTORY).join("fence_dummy").exists();
    if !there {
        let needs = "skipped: needs Debian's fence-agents (fencing/tests/install-agents.sh)";
        assert!(std::env::var_os("CI").is_none(), "{needs}");
        eprintln!("{needs}");
    }
    there
}

/// Agents that print no metadata where they are merely installed, and why.
const WITHOUT_METADATA: [(&str, &str); 1] =
    [("fence_ack_manual", "a tool with which a human confirms, and no agent")];

fn read_all() -> BTreeMap<String, Result<Metadata, String>> {
    crate::lone::watch_the_log();
    let mut agents = installed_agents(Path::new(AGENT_DIRECTORY)).unwrap();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(64));
    let mut driver = ProcessDriver::new(AGENT_DIRECTORY, SecretStore::new("/nonexistent"), 0);
    let (started, mut read) = (Instant::now(), BTreeMap::new());
    while driver.running() > 0 || !agents.is_empty() {
        while driver.running() < 4 {
            let Some(agent) = agents.pop() else {
                break;
            };
            driver.read_metadata(poll.registry(), started.elapsed(), agent);
        }
        match poll.poll(&mut events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.unwrap(),
        }
        events.iter().for_each(|event| driver.handle_event(poll.registry(), event));
        driver.handle_time(poll.registry(), started.elapsed());
        for finished in driver.take_finished() {
            if let Finished::Metadata(agent, answer) = finished {
                read.insert(agent.to_string(), answer);
            }
        }
    }
    read
}

#[test]
fn metadata_of_all() {
    if !installed() {
        return;
    }
    let read = read_all();
    assert!(read.len() >= 60, "only {} agents", read.len());
    let expected = |name: &str| WITHOUT_METADATA.iter().any(|(known, _)| *known == name);
    let (mut wrong, mut hosts) = (Vec::new(), 0);
    for (name, answer) in &read {
        match answer {
            Ok(_) if expected(name) => wrong.push(format!("{name} does tell now")),
            Ok(metadata) => {
                hosts += usize::from(metadata.default_host_argument().is_some());
                if metadata.actions.is_empty() || metadata.parameters.is_empty() {
                    wrong.push(format!("{name}: {} actions", metadata.actions.len()));
                }
            }
            Err(_) if expected(name) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(hosts >= 50, "only {hosts} agents take a plug or port");
    println!("{} agents, {hosts} of them with a plug or port", read.len());
}

#[test]
fn life_of_fence_dummy() {
    if !installed() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let status = directory.path().join("status");
    let mut lone = Lone::new(Path::new(AGENT_DIRECTORY));
    let parameters = Parameters::new()
        .with("pcmk_host_list", "n1")
        .with("status_file", status.to_str().unwrap())
        .with("passwd", SECRET);
    lone.device("dummy", "fence_dummy", parameters);
    assert!(lone.execute("dummy", Action::Monitor, None, 60).outcome.is_ok());
    for (action, exit) in [(Action::On, 0), (Action::Off, 2), (Action::On, 0), (Action::Reboot, 0)]
    {
        let outcome = lone.fence(action, "n1", 60);
        assert!(outcome.is_ok(), "{action}: {outcome:?}");
        let report = lone.execute("dummy", Action::Status, Some("n1"), 60);
        assert_eq!(report.outcome.exit, exit, "after {action}: {report:?}");
    }
    let list = lone.execute("dummy", Action::List, None, 60);
    assert!(!list.outcome.is_ok(), "this agent has no list");
    let error = list.outcome.error(Some(&list.error_output));
    assert!(error.is_some());
}

#[test]
fn the_watchdog_agent_only_tells_about_itself() {
    if !installed() || !Path::new(AGENT_DIRECTORY).join("fence_watchdog").exists() {
        return;
    }
    // As a device the watchdog never runs this program, so it is asked directly.
    let output = std::process::Command::new("/usr/sbin/fence_watchdog")
        .args(["-o", "metadata"])
        .output()
        .unwrap();
    let metadata = Metadata::parse(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert!(metadata.action("off").is_some());
    let refused = std::process::Command::new("/usr/sbin/fence_watchdog")
        .args(["-o", "off", "-n", "n1"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
}
