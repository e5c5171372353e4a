//! A node with a CIB and clients, in a thread of its own. Its controller is a stand-in that says how it is.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use cib_model::Document;
use cib_model::patch::Patch;
use mio::{Events, Poll};
use node_daemon::cib::{Certificate, CibManager, Loaded, Store};
use node_daemon::ipc::{MAX_MEMORY, Place, Server, groups_of};
use node_daemon::subsystem::{
    Address, Body, ControllerAnswer, ControllerRequest, Envelope, FenceAnswer, GroupView, NodeId,
    Now, Outputs, PeerListing, Room, Subsystem, Target,
};

struct Memory;

impl Store for Memory {
    fn load(&mut self) -> Loaded {
        Loaded::Nothing
    }

    fn save(&mut self, _: &Arc<Document>, _: &Patch, _: Certificate) -> Result<(), String> {
        Ok(())
    }

    fn certify(&mut self, _: &Arc<Document>, _: Certificate) -> Result<(), String> {
        Ok(())
    }

    fn kept(&self) -> u64 {
        u64::MAX
    }
}

/// States of the controllers of node1, which is here, and node2; nothing if it does not answer.
type Controller = Arc<Mutex<[Option<&'static str>; 2]>>;

/// The node; it ends when dropped.
pub struct Node {
    directory: PathBuf,
    stop: Arc<AtomicBool>,
    controller: Controller,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    pub fn start(test: &str) -> Node {
        Node::with_memory(test, MAX_MEMORY)
    }

    /// One that holds at most so many bytes for its clients.
    pub fn with_memory(test: &str, most: usize) -> Node {
        // Process ids do not tell runs apart: each may have a namespace of its own for them.
        let prefix = format!("ipc-{test}-");
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap().keep();
        // Others than its owner try to get in.
        std::fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        let server = Server::new("node1", &Place::Directory(directory.clone()), 0).unwrap();
        let server = server.with_memory(most);
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let controller: Controller = Arc::new(Mutex::new([Some("S_IDLE"), Some("S_NOT_DC")]));
        let inside = controller.clone();
        let thread = std::thread::spawn(move || run(server, &until, &inside));
        Node { directory, stop, controller, thread: Some(thread) }
    }

    /// From now on the controller here is in this state.
    pub fn set_controller(&self, state: Option<&'static str>) {
        self.controller.lock().unwrap()[0] = state;
    }

    pub fn place(&self) -> Place {
        Place::Directory(self.directory.clone())
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the node has failed");
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(mut server: Server, stop: &AtomicBool, controller: &Controller) {
    let me = NodeId::new(1).unwrap();
    let begun = Instant::now();
    let now = || Now {
        elapsed: begun.elapsed(),
        wall: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap(),
        cpu: Duration::ZERO,
    };
    let mut cib =
        CibManager::new(me, "node1", Box::new(Memory), "pacemaker-3.9").with_groups(groups_of);
    let mut poll = Poll::new().unwrap();
    server.register(poll.registry()).unwrap();
    let (mut from_server, mut from_cib) = (Outputs::default(), Outputs::default());
    let view = GroupView { room: Room::Cib, members: vec![me], joined: vec![me], left: vec![] };
    let from = Address { node: me, room: Room::Messaging };
    cib.handle(
        now(),
        Envelope { from, to: Target::Here(Room::Cib), body: view.into() },
        &mut from_cib,
    );
    server.start(now(), &mut from_server);
    let mut events = Events::with_capacity(64);
    while !stop.load(Ordering::Relaxed) {
        let longest = Duration::from_millis(20);
        let wait = server
            .poll_timeout()
            .map_or(longest, |at| at.saturating_sub(now().elapsed).min(longest));
        poll.poll(&mut events, Some(wait)).unwrap();
        for event in &events {
            server.note(event);
        }
        server.handle_timeout(now(), &mut from_server);
        deliver(me, now(), (&mut server, &mut cib), (&mut from_server, &mut from_cib), controller);
    }
}

/// Delivers what the two say to each other, until nothing is left.
fn deliver(
    me: NodeId,
    now: Now,
    (server, cib): (&mut Server, &mut CibManager),
    (from_server, from_cib): (&mut Outputs, &mut Outputs),
    controller: &Controller,
) {
    loop {
        let next = [
            (Room::Clients, from_server.envelopes.pop_front()),
            (Room::Cib, from_cib.envelopes.pop_front()),
        ];
        if next.iter().all(|(_, envelope)| envelope.is_none()) {
            return;
        }
        for (room, envelope) in next {
            let Some((to, body)) = envelope else { continue };
            let envelope = Envelope { from: Address { node: me, room }, to, body };
            match to.room() {
                Room::Cib => cib.handle(now, envelope, from_cib),
                Room::Clients => server.handle(now, envelope, from_server),
                Room::Fencer => {
                    let Body::FenceRequest(asked) = envelope.body else { continue };
                    // Nothing was ever fenced here.
                    let body = FenceAnswer::History { token: asked.token, records: Vec::new() };
                    let from = Address { node: me, room: Room::Fencer };
                    let to = Target::Here(Room::Clients);
                    server.handle(now, Envelope { from, to, body: body.into() }, from_server);
                }
                Room::Controller => {
                    let Some(body) = say(&envelope.body, controller) else { continue };
                    let from = Address { node: me, room: Room::Controller };
                    let to = Target::Here(Room::Clients);
                    server.handle(now, Envelope { from, to, body }, from_server);
                }
                _ => {}
            }
        }
    }
}

/// What the controller says.
fn say(asked: &Body, controller: &Controller) -> Option<Body> {
    let Body::ControllerRequest(asked) = asked else { return None };
    let (token, node) = match asked {
        ControllerRequest::Ping { token, node } => (token, node),
        ControllerRequest::NodeInfo { token, .. } => {
            let (id, name) = (NodeId::new(1)?, "node1".to_owned());
            let node = Some(PeerListing { id, name, member: true, online: true });
            return Some(ControllerAnswer::Node { token: *token, node, quorate: true }.into());
        }
        _ => return None,
    };
    let node = node.as_deref().unwrap_or("node1").to_owned();
    let index = ["node1", "node2"].iter().position(|name| *name == node)?;
    let state = controller.lock().unwrap()[index]?.to_owned();
    let dc = Some("node1".to_owned());
    Some(ControllerAnswer::State { token: *token, node, state, dc }.into())
}
