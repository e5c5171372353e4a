//! The loop in which a subsystem lives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};

use super::Clock;
use super::incoming::Incoming;
use super::post::{Gone, Inbox, Mail, Mailbox, Post};
use crate::subsystem::{
    Address, Body, Ending, Envelope, HealthAnswer, NodeId, Outputs, Subsystem, Target, decode,
};

/// Wakes the loop when mail arrives.
const MAIL: Token = Token(0);
/// The hub has sent something.
const HUB: Token = Token(1);
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
    incoming: Option<Incoming>,
}

/// Where a subsystem's envelopes come from.
struct Sources {
    inbox: Inbox,
    incoming: Option<Incoming>,
}

impl Sources {
    /// The next piece of mail. An error when nobody can send any more.
    fn next(&mut self) -> Result<Option<Mail>, Gone> {
        if let Some(mail) = self.inbox.next()? {
            return Ok(Some(mail));
        }
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        loop {
            match incoming.next_frame() {
                Ok(None) => return Ok(None),
                Ok(Some(bytes)) => match decode::<Envelope>(bytes) {
                    Ok(envelope) => return Ok(Some(Mail::Envelope(Box::new(envelope)))),
                    // It may come from a node of another version.
                    Err(error) => log::warn!("wiring: {error}"),
                },
                Err(error) => {
                    log::debug!("wiring: {error}");
                    return Err(Gone);
                }
            }
        }
    }
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
        Ok(Room { poll, inbox, mailbox, incoming: None })
    }

    /// Takes envelopes from the hub, too.
    ///
    /// # Errors
    /// As the system says.
    pub fn listening(self, incoming: Incoming) -> io::Result<Room> {
        incoming.register(self.poll.registry(), HUB)?;
        Ok(Room { incoming: Some(incoming), ..self })
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
        let Room { mut poll, inbox, mailbox, incoming } = self;
        // Beside a hub nobody may have another mailbox: its end must not look like the end of all mail.
        let _own = incoming.is_some().then_some(mailbox);
        let mut sources = Sources { inbox, incoming };
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
            for event in events.iter().filter(|event| event.token().0 >= FIRST_TOKEN) {
                own = true;
                subsystem.ready(event);
            }
            more = true;
            for _ in 0..BATCH {
                match sources.next() {
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
                    Ok(Some(Mail::Sealed(_) | Mail::Attach(_) | Mail::Detach(_))) => {}
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
