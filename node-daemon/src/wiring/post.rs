//! Mailboxes, and who finds them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::Waker;

use super::hub::frame;
use super::line::{Line, MAX_WAITING};
use crate::subsystem::{Envelope, NodeId, Parcel, Room, Sealed, Target};

/// What arrives in a mailbox.
#[derive(Debug)]
pub enum Mail {
    /// An envelope.
    Envelope(Box<Envelope>),
    /// To messaging: an envelope that needs not be opened here.
    Sealed(Sealed),
    /// To messaging: a subsystem of this node has started.
    Attach(Room),
    /// To messaging: a subsystem of this node has ended.
    Detach(Room),
}

/// A mailbox as its owner sees it.
#[derive(Debug)]
pub struct Inbox {
    receiver: Receiver<Mail>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// The next piece of mail. An error when nobody can send any more.
    ///
    /// # Errors
    /// When all senders are gone.
    pub fn next(&self) -> Result<Option<Mail>, Gone> {
        match self.receiver.try_recv() {
            Ok(mail) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(Some(mail))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Gone),
        }
    }

    /// Waits for the next piece of mail, but not longer than this.
    ///
    /// # Errors
    /// When all senders are gone.
    pub fn wait_for(&self, longest: Duration) -> Result<Option<Mail>, Gone> {
        match self.receiver.recv_timeout(longest) {
            Ok(mail) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(Some(mail))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }

    /// Waits for the next piece of mail.
    ///
    /// # Errors
    /// When all senders are gone.
    pub fn wait(&self) -> Result<Mail, Gone> {
        let mail = self.receiver.recv().map_err(|_| Gone)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(mail)
    }
}

/// The other side is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side is gone")]
pub struct Gone;

/// A mailbox as senders see it.
#[derive(Debug, Clone)]
pub enum Mailbox {
    /// Of an owner in this process.
    Here(Queue),
    /// Of an owner at the other end of a connection.
    There(Arc<Line>),
}

/// What waits for an owner in this process.
#[derive(Debug, Clone)]
pub struct Queue {
    sender: Sender<Mail>,
    waiting: Arc<AtomicUsize>,
    waker: Option<Arc<Waker>>,
}

impl Mailbox {
    /// A mailbox whose owner is woken by `waker`, or waits in [`Inbox::wait`].
    pub fn new(waker: Option<Arc<Waker>>) -> (Mailbox, Inbox) {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { sender, waiting: waiting.clone(), waker };
        (Mailbox::Here(queue), Inbox { receiver, waiting })
    }

    /// Puts mail in. False if the owner is gone for good. What comes after its connection was cut is
    /// lost.
    pub fn put(&self, mail: Mail) -> bool {
        match (self, mail) {
            (Mailbox::Here(queue), mail) => return queue.put(mail),
            (Mailbox::There(line), Mail::Envelope(envelope)) => match frame(&*envelope) {
                Ok(frame) => line.send(frame),
                Err(error) => log::error!("wiring: to {}: {error}", envelope.to.room()),
            },
            (Mailbox::There(line), Mail::Sealed(sealed)) => line.send(sealed.into_frame()),
            (Mailbox::There(_), Mail::Attach(_) | Mail::Detach(_)) => {}
        }
        true
    }
}

impl Queue {
    fn put(&self, mail: Mail) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            log::error!("wiring: a subsystem is {MAX_WAITING} messages behind, and is given up");
            return false;
        }
        if self.sender.send(mail).is_err() {
            return false;
        }
        if let Some(waker) = &self.waker
            && let Err(error) = waker.wake()
        {
            log::error!("wiring: {error}");
        }
        true
    }
}

/// Where a subsystem puts what it sends.
pub trait Post: Send + Sync {
    /// Takes an envelope on its way.
    fn post(&self, envelope: Envelope);
}

/// Knows all mailboxes of a node.
#[derive(Debug)]
pub struct Postmaster {
    me: NodeId,
    boxes: Mutex<BTreeMap<Room, Mailbox>>,
}

impl Postmaster {
    /// The postmaster of a node.
    pub fn new(me: NodeId) -> Arc<Postmaster> {
        Arc::new(Postmaster { me, boxes: Mutex::default() })
    }

    /// Messaging is there from now on.
    pub fn open_messaging(&self, mailbox: Mailbox) {
        self.with(|boxes| boxes.insert(Room::Messaging, mailbox));
    }

    /// A subsystem is there from now on; messaging is told.
    pub fn open(&self, room: Room, mailbox: Mailbox) {
        self.with(|boxes| boxes.insert(room, mailbox));
        self.put(Room::Messaging, Mail::Attach(room));
    }

    /// A subsystem is gone; messaging is told.
    pub fn close(&self, room: Room) {
        self.with(|boxes| boxes.remove(&room));
        self.put(Room::Messaging, Mail::Detach(room));
    }

    /// Whether a subsystem is there.
    pub fn has(&self, room: Room) -> bool {
        self.with(|boxes| boxes.contains_key(&room))
    }

    fn with<R>(&self, act: impl FnOnce(&mut BTreeMap<Room, Mailbox>) -> R) -> R {
        act(&mut self.boxes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts mail into a subsystem's box, if it is there.
    pub fn put(&self, room: Room, mail: Mail) {
        let mailbox = self.with(|boxes| boxes.get(&room).cloned());
        match mailbox {
            Some(mailbox) if !mailbox.put(mail) => self.with(|boxes| drop(boxes.remove(&room))),
            Some(_) => {}
            None => log::debug!("wiring: no {room} to take a message"),
        }
    }
}

impl Postmaster {
    fn room(&self, to: Target) -> Room {
        match to {
            Target::Here(room) => room,
            Target::Node(node, room) if node == self.me => room,
            Target::Node(..) | Target::All(_) => Room::Messaging,
        }
    }

    /// Passes an envelope on. It is opened only where its addressee is in this process.
    pub fn pass_on(&self, parcel: Parcel) {
        let sealed = match parcel {
            Parcel::Open(envelope) => return self.post(envelope),
            Parcel::Sealed(sealed) => sealed,
        };
        let room = self.room(sealed.to);
        let goes_on = room == Room::Messaging && sealed.to.room() != Room::Messaging;
        let mailbox = self.with(|boxes| boxes.get(&room).cloned());
        if goes_on || matches!(mailbox, Some(Mailbox::There(_))) {
            return self.put(room, Mail::Sealed(sealed));
        }
        match sealed.open() {
            Ok(envelope) => self.put(room, Mail::Envelope(Box::new(envelope))),
            Err(error) => log::warn!("wiring: to {room}: {error}"),
        }
    }
}

impl Post for Postmaster {
    fn post(&self, envelope: Envelope) {
        self.put(self.room(envelope.to), Mail::Envelope(Box::new(envelope)));
    }
}
