//! The subsystems as they are on a real machine.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fencing::process::{ProcessDriver, SecretStore};
use lrm::driver::{AgentPaths, DriverConfig, run_first};
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::room::{FIRST_TOKEN, Resident, Room as Loop};
use super::{Clock, Mail, NodeSettings, Post};
use crate::attributes::Attributes;
use crate::cib::{BackgroundStore, CibFiles, CibManager};
use crate::controller::Controller;
use crate::executor::{ExecutorRoom, RealExecutor};
use crate::fencer::{FencerRoom, RealAgents};
use crate::ipc::server::CLUSTER_USER;
use crate::ipc::{Place, Server, groups_of};
use crate::scheduler::Scheduler;
use crate::subsystem::{Address, CibKept, Ending, Envelope, Room, Target};

impl Resident for CibManager {}
impl Resident for Attributes {}
impl Resident for Controller {}
impl Resident for Scheduler {}

impl Resident for Server {
    fn settle(&mut self, registry: &Registry) -> io::Result<()> {
        self.register(registry)
    }

    fn ready(&mut self, event: &Event) {
        self.note(event);
    }
}

impl Resident for ExecutorRoom<RealExecutor> {
    fn settle(&mut self, registry: &Registry) -> io::Result<()> {
        let descriptor = self.local().as_raw_fd();
        registry.register(&mut SourceFd(&descriptor), Token(FIRST_TOKEN), Interest::READABLE)
    }
}

impl Resident for FencerRoom<RealAgents> {
    fn ready(&mut self, event: &Event) {
        self.agents_mut().ready(event);
    }

    fn is_fit(&self) -> bool {
        self.may_live()
    }
}

/// Makes a directory for its owner only.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// Runs one subsystem until it ends.
///
/// # Errors
/// When it cannot begin, or waiting fails.
pub fn run(
    room: Room,
    node: &NodeSettings,
    clock: Clock,
    post: &dyn Post,
    inside: Loop,
) -> io::Result<Ending> {
    let (me, name) = (node.id, node.name.as_str());
    let seed = fastrand::u64(..);
    match room {
        Room::Cib => {
            let files = CibFiles::new(&node.state.join("cib"))?;
            let from = Address { node: me, room };
            let own = inside.mailbox();
            let store = BackgroundStore::new(files, move || {
                let (to, body) = (Target::Here(Room::Cib), CibKept.into());
                own.put(Mail::Envelope(Box::new(Envelope { from, to, body })));
            })?;
            let manager = CibManager::new(me, name, Box::new(store), &node.schema);
            inside.run(me, clock, post, manager.with_groups(groups_of))
        }
        Room::Attributes => inside.run(me, clock, post, Attributes::new(me, name)),
        Room::Scheduler => inside.run(me, clock, post, Scheduler::new(utc_offset())),
        Room::Controller => {
            let controller = Controller::new(me, name, seed);
            let controller = controller.with_watchdog(node.watchdog.is_some());
            inside.run(me, clock, post, controller.with_utc_offset(utc_offset()))
        }
        Room::Executor => {
            let scratch = scratch(node)?;
            let mut paths = AgentPaths::below(node.ocf_root.clone());
            paths.fence.clone_from(&node.fence_agents);
            let mut environment = node.environment.clone();
            if node.ipc != Place::Namespace {
                environment.push(("HA_RSCTMP".to_owned(), Some(scratch.clone().into_os_string())));
            }
            let config = DriverConfig {
                paths,
                environment,
                journal: Some(node.state.join("executor.journal")),
                agent_directory: Some(scratch),
                secrets: Some(node.state.join("secrets")),
                alert_user: alert_user(),
                ..DriverConfig::default()
            };
            let local = RealExecutor::new(config, clock.began())?;
            match run_first() {
                Ok(precedence) => log::debug!("executor: goes before others: {precedence:?}"),
                Err(error) => log::info!("executor: has no precedence: {error}"),
            }
            inside.run(me, clock, post, ExecutorRoom::new(name, local))
        }
        Room::Fencer => {
            let secrets = SecretStore::new(node.state.join("secrets"));
            let processes = ProcessDriver::new(&node.fence_agents, secrets, FIRST_TOKEN);
            let agents = RealAgents::new(processes, inside.registry(), FIRST_TOKEN)?;
            let fencer = FencerRoom::new(me, name, agents, seed).map_err(io::Error::other)?;
            let own = node.watchdog.as_ref().map(|watchdog| watchdog.timeout);
            let fencer = fencer.with_watchdog(own).with_utc_offset(utc_offset());
            inside.run(me, clock, post, fencer)
        }
        Room::Clients => inside.run(me, clock, post, Server::new(name, &node.ipc, FIRST_TOKEN)?),
        Room::Messaging | Room::Supervisor | Room::Watchdog => {
            Err(io::Error::other(format!("{room} is no subsystem of this kind")))
        }
    }
}

/// Whom alert agents run as: the cluster's user, if the machine knows it.
fn alert_user() -> Option<lrm::driver::User> {
    let user = nix::unistd::User::from_name(CLUSTER_USER).ok().flatten()?;
    Some(lrm::driver::User { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
}

/// Where agents note what runs. It must be gone when the machine was without power; nodes that share a
/// machine need places of their own.
fn scratch(node: &NodeSettings) -> io::Result<PathBuf> {
    if node.ipc == Place::Namespace {
        return Ok(PathBuf::from("/run/resource-agents"));
    }
    let own = node.state.join("agents");
    make_private(&own)?;
    Ok(own)
}

fn utc_offset() -> i32 {
    jiff::Zoned::now().offset().seconds()
}
