//! All subsystems of a node as threads of one process. A failure of one ends them all: the service manager
//! starts the process again.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::instance::Instance;
use super::watchdog::{self, Guard};
use super::{
    DISCONNECTED, FATAL, News, ORDER, notify, send_news, status, stop_envelope, watch_signals,
};
use crate::logging;
use crate::subsystem::{Ending, Room};
use crate::wiring::ring::{RingLoop, Wish};
use crate::wiring::room::Room as Loop;
use crate::wiring::{Clock, NodeSettings, Post, Postmaster, hub, rooms};

/// How long a subsystem may take to end once it is told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts messaging and the hub in this process. What messaging cannot do itself it tells.
pub(super) fn start_ring(
    node: &NodeSettings,
    clock: Clock,
    news: &Sender<News>,
    tell: Box<dyn Fn(Wish) + Send>,
) -> io::Result<Arc<Postmaster>> {
    rooms::make_private(&node.state)?;
    let ring = RingLoop::start(node, clock)
        .map_err(|error| io::Error::other(error.to_string()))?
        .telling(tell);
    let post = Postmaster::new(node.id);
    post.open_messaging(ring.mailbox());
    let (sender, own) = (news.clone(), post.clone());
    thread::Builder::new().name("messaging".to_owned()).spawn(move || {
        let ending = ring.run(&own).unwrap_or_else(|error| {
            log::error!("messaging: {error}");
            Ending::Failed
        });
        send_news(&sender, News::Ended(Room::Messaging, ending));
    })?;
    let listener = hub::listen(&node.state)?;
    let (id, state, own) = (node.id, node.state.clone(), post.clone());
    thread::Builder::new()
        .name("hub".to_owned())
        .spawn(move || hub::serve(listener, id, &state, &own))?;
    Ok(post)
}

fn start_room(
    room: Room,
    node: &NodeSettings,
    clock: Clock,
    post: &Arc<Postmaster>,
    news: &Sender<News>,
) -> io::Result<()> {
    let inside = Loop::new()?;
    post.open(room, inside.mailbox());
    let (node, post, sender) = (node.clone(), post.clone(), news.clone());
    thread::Builder::new().name(room.name().to_owned()).spawn(move || {
        let ending = rooms::run(room, &node, clock, &*post, inside).unwrap_or_else(|error| {
            log::error!("{room}: {error}");
            Ending::Failed
        });
        post.close(room);
        send_news(&sender, News::Ended(room, ending));
    })?;
    Ok(())
}

/// Runs a node until it is told to stop, or a subsystem fails.
pub(super) fn run(node: &NodeSettings) -> io::Result<u8> {
    rooms::make_private(&node.state)?;
    let _instance = Instance::claim(&node.state)?;
    let clock = Clock::start();
    let (sender, receiver) = channel();
    let for_orders = sender.clone();
    let tell = move |wish| match wish {
        Wish::FollowLog => {} // it is the same process
        Wish::ShutDown => send_news(&for_orders, News::Stop),
    };
    let post = start_ring(node, clock, &sender, Box::new(tell))?;
    let mut guard = None;
    for room in ORDER {
        if room == Room::Controller {
            let (own, open) = (post.clone(), post.clone());
            guard = match watchdog::guard(node, |mailbox| {
                open.open(Room::Watchdog, mailbox);
                Ok(own)
            }) {
                Ok(guard) => guard,
                Err(error) => {
                    log::error!("supervisor: {error}");
                    return Ok(FATAL);
                }
            };
        }
        start_room(room, node, clock, &post, &sender)?;
    }
    let for_signals = sender.clone();
    watch_signals(move || send_news(&for_signals, News::Stop))?;
    let follows = node.clone();
    logging::on_hangup(move || logging::follow(&follows))?;
    notify("READY=1");
    log::info!("supervisor: node {} ({}) runs", node.name, node.id);
    let code = watch(node, &post, &receiver, guard);
    notify("STOPPING=1");
    Ok(code)
}

fn watch(
    node: &NodeSettings,
    post: &Arc<Postmaster>,
    receiver: &Receiver<News>,
    guard: Option<Guard>,
) -> u8 {
    let mut stopping = false;
    loop {
        match receiver.recv() {
            Ok(News::HangUp) => {}
            Ok(News::Stop) => {
                stopping = true;
                log::info!("Node was shut down by a signal");
                post.post(stop_envelope(node.id, Room::Controller));
            }
            Ok(News::Ended(Room::Controller, Ending::Done)) => {
                if let Some(guard) = guard {
                    guard.release();
                }
                return stop_rest(node, post, receiver);
            }
            Ok(News::Ended(Room::Messaging, _)) => return DISCONNECTED,
            Ok(News::Ended(room, ending)) => {
                log::error!("supervisor: {room} has ended ({ending:?}); the node ends");
                return if stopping && ending == Ending::Done { 0 } else { status(ending).max(1) };
            }
            Err(_) => return 1,
        }
    }
}

/// Stops what is left after the controller, in order.
fn stop_rest(node: &NodeSettings, post: &Arc<Postmaster>, receiver: &Receiver<News>) -> u8 {
    let mut ended = BTreeSet::from([Room::Controller]);
    let rest = ORDER.into_iter().rev().skip(1).chain([Room::Messaging]);
    for room in rest {
        if !ended.contains(&room) {
            post.post(stop_envelope(node.id, room));
        }
        while !ended.contains(&room) {
            match receiver.recv_timeout(PATIENCE) {
                Ok(News::Ended(other, _)) => drop(ended.insert(other)),
                Ok(News::Stop | News::HangUp) => {}
                Err(_) => {
                    log::error!("supervisor: {room} does not end");
                    return 1;
                }
            }
        }
    }
    log::info!("supervisor: all stopped");
    0
}
