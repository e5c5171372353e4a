//! The loop in which a subsystem lives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};

use super::Clock;
use super::post::{Inbox, Mail, Mailbox, Post};
use crate::subsystem::{
    Address, Body, Ending, Envelope, HealthAnswer, NodeId, Outputs, Subsystem, Target,
};

/// Wakes the loop when mail arrives.
const MAIL: Token = Token(0);
/// Tokens from here on belong to the subsystem.
pub const FIRST_TOKEN: usize = 16;
/// Pieces of mail taken before timers are looked at again.
const BATCH: usize = 512;

/// A subsystem that may have descriptors of its own.
pub trait Resident: Subsystem {
    /// Registers descriptors, with tokens from [`FIRST_TOKEN`].
    ///
    /// # Errors
    /// As the system says.
    fn settle(&mut self, registry: &Registry) -> io::Result<()> {
        let _ = registry;
        Ok(())
    }

    /// Takes an event about one of them; [`Subsystem::handle_timeout`] follows.
    fn ready(&mut self, event: &Event) {
        let _ = event;
    }

    /// Whether, as far as this subsystem knows, the watchdog may be fed.
    fn is_fit(&self) -> bool {
        true
    }
}

/// The answer of a subsystem that was asked how it is.
pub(super) fn health(from: Address, round: u64, is_fit: bool) -> Envelope {
    let to = Target::Here(crate::subsystem::Room::Watchdog);
    Envelope { from, to, body: HealthAnswer { round, is_fit }.into() }
}

/// The loop, before its subsystem has begun.
pub struct Room {
    poll: Poll,
    inbox: Inbox,
    mailbox: Mailbox,
}

impl Room {
    /// A loop with a mailbox.
    ///
    /// # Errors
    /// As the system says.
    pub fn new() -> io::Result<Room> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), MAIL)?);
        let (mailbox, inbox) = Mailbox::new(Some(waker));
        Ok(Room { poll, inbox, mailbox })
    }

    /// Where to send what is for the subsystem.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// For descriptors of the subsystem.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Runs a subsystem until it ends.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn run<S: Resident>(
        self,
        me: NodeId,
        clock: Clock,
        post: &dyn Post,
        mut subsystem: S,
    ) -> io::Result<Ending> {
        let Room { mut poll, inbox, mailbox } = self;
        drop(mailbox);
        subsystem.settle(poll.registry())?;
        let from = Address { node: me, room: subsystem.room() };
        let send = |out: &mut Outputs| {
            for (to, body) in out.envelopes.drain(..) {
                post.post(Envelope { from, to, body });
            }
            out.ended.take()
        };
        let mut out = Outputs::default();
        subsystem.start(clock.now(), &mut out);
        let mut ended = send(&mut out);
        let mut events = Events::with_capacity(256);
        let mut more = false;
        while ended.is_none() {
            let wait = match subsystem.poll_timeout() {
                _ if more => Some(Duration::ZERO),
                at => at.map(|at| at.saturating_sub(clock.now().elapsed)),
            };
            match poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut own = false;
            for event in events.iter().filter(|event| event.token() != MAIL) {
                own = true;
                subsystem.ready(event);
            }
            more = true;
            for _ in 0..BATCH {
                match inbox.next() {
                    Ok(Some(Mail::Envelope(envelope))) => {
                        if let Body::HealthQuestion(asked) = envelope.body {
                            post.post(health(from, asked.round, subsystem.is_fit()));
                            continue;
                        }
                        subsystem.handle(clock.now(), *envelope, &mut out);
                        ended = ended.or(send(&mut out));
                    }
                    Ok(Some(Mail::Detach(crate::subsystem::Room::Messaging))) => {
                        return Ok(Ending::Failed);
                    }
                    Ok(Some(Mail::Attach(_) | Mail::Detach(_))) => {}
                    Ok(None) => {
                        more = false;
                        break;
                    }
                    Err(_) => return Ok(Ending::Failed),
                }
            }
            let now = clock.now();
            if own || subsystem.poll_timeout().is_some_and(|at| at <= now.elapsed) {
                subsystem.handle_timeout(now, &mut out);
                ended = ended.or(send(&mut out));
            }
        }
        Ok(ended.unwrap_or(Ending::Done))
    }
}
