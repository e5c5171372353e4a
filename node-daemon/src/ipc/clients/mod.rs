//! What clients say and what they are told (spec 62 §8, §9), without sockets.
//!
//! [`Clients`] keeps a session per connection. It turns a client's message into an envelope to a
//! subsystem, remembers who asked, and turns the subsystem's answer into what the client's protocol calls
//! for. Drain [`Clients::poll_action`] after every call. All tables are bounded: a client that asks faster
//! than it is answered, or does not read, loses its connection.

mod attributes;
mod cib;
mod controller;
mod envelope;
mod fencer;
mod legacy;
mod session;
mod supervisor;
mod tag;

pub use session::{Access, Credentials, SessionId};

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cib_model::Document;

use self::session::Session;
use super::endpoint::Endpoint;
use super::frame::flag;
use super::parts::{self, Message};
use crate::subsystem::{Body, Envelope, Now, Outputs};

/// Most requests under way for one client.
const MAX_PENDING: usize = 1_000;

/// Which socket of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Answers to the request with the same number.
    Response,
    /// Everything else.
    Event,
}

/// What is to be done with connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send frames.
    Send {
        /// To whom.
        session: SessionId,
        /// Where.
        channel: Channel,
        /// What.
        frames: Vec<Vec<u8>>,
    },
    /// End a connection.
    Close(SessionId),
}

/// A request that waits for a subsystem.
#[derive(Debug)]
struct Pending {
    session: SessionId,
    question: Message,
    kind: Kind,
}

/// What the answer will be made of.
#[derive(Debug)]
enum Kind {
    Cib(cib::Call),
    Attributes,
    Controller(controller::Call),
    Fencer(fencer::Call),
    Supervisor(envelope::Request),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Clients {
    node: String,
    sessions: BTreeMap<SessionId, Session>,
    pending: BTreeMap<u64, Pending>,
    next_token: u64,
    next_session: u64,
    subscribed: bool,
    /// Until when questions after the supervisor's state wait for the controller.
    patience: VecDeque<(Duration, u64)>,
    actions: VecDeque<Action>,
}

impl Clients {
    /// The clients of a node.
    pub fn new(node: &str) -> Clients {
        Clients {
            node: node.to_owned(),
            sessions: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_token: 1,
            next_session: 1,
            subscribed: false,
            patience: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    /// A client has connected; frames for it have at most `size` bytes.
    pub fn connected(&mut self, endpoint: Endpoint, access: Access, size: usize) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(id, Session::new(id, endpoint, access, size));
        id
    }

    /// A client has gone.
    pub fn closed(&mut self, id: SessionId) {
        self.sessions.remove(&id);
        self.pending.retain(|_, pending| pending.session != id);
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// What is to be done next with connections.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A client has sent a message.
    pub fn received(&mut self, now: Now, id: SessionId, message: Message, out: &mut Outputs) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.layout = message.layout;
        let endpoint = session.endpoint;
        let Ok(document) = Document::parse(&message.text) else {
            log::info!("ipc: {endpoint}: {} sent what is no XML", session.name());
            return self.acknowledge(id, &message, 76);
        };
        if session.pending >= MAX_PENDING {
            log::warn!("ipc: {endpoint}: {} has {MAX_PENDING} requests under way", session.name());
            return self.close(id);
        }
        match endpoint {
            Endpoint::CibWrite | Endpoint::CibRead | Endpoint::CibShared => {
                self.cib_message(now, id, message, &document, out);
            }
            Endpoint::Attributes => self.attributes_message(id, message, document, out),
            Endpoint::Controller => self.controller_message(id, message, &document, out),
            Endpoint::Fencer => self.fencer_message(now, id, message, &document, out),
            Endpoint::Supervisor => self.supervisor_message(now, id, &message, &document, out),
        }
    }

    /// A subsystem has sent something.
    pub fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        match envelope.body {
            Body::CibAnswer(answer) => self.cib_answer(answer),
            Body::CibChanged(changed) => self.cib_changed(&changed),
            Body::AttributesAnswer(answer) => self.attributes_answer(answer),
            Body::ControllerAnswer(answer) => self.controller_answer(now, answer),
            Body::FenceAnswer(answer) => self.fence_answer(answer),
            Body::FencerNotice(notice) => self.fencing_ended(&notice),
            Body::FencerEvent(event) => self.fencer_event(&event),
            Body::Stop => out.end(crate::subsystem::Ending::Done),
            Body::Membership(_) | Body::GroupView(_) => {}
            other => log::debug!("ipc: nothing to do about {other:?}"),
        }
    }

    /// When it wants to be called, whatever comes.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.patience.front().map(|(at, _)| *at)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((at, token)) = self.patience.front().copied()
            && at <= now.elapsed
        {
            self.patience.pop_front();
            self.supervisor_state(now, token, None);
        }
    }

    /// Remembers a request until it is answered.
    fn ask(&mut self, session: SessionId, mut question: Message, kind: Kind) -> u64 {
        // What it says has been read.
        question.text = String::new();
        let token = self.next_token;
        self.next_token += 1;
        if let Some(session) = self.sessions.get_mut(&session) {
            session.pending += 1;
        }
        self.pending.insert(token, Pending { session, question, kind });
        token
    }

    /// A request is answered.
    fn answered(&mut self, token: u64) -> Option<Pending> {
        let pending = self.pending.remove(&token)?;
        if let Some(session) = self.sessions.get_mut(&pending.session) {
            session.pending = session.pending.saturating_sub(1);
        }
        Some(pending)
    }

    fn close(&mut self, id: SessionId) {
        self.closed(id);
        self.actions.push_back(Action::Close(id));
    }

    /// Answers a request on the response channel.
    fn respond(&mut self, id: SessionId, question: &Message, text: &str) {
        if question.flags & flag::PROXIED != 0 {
            return self.event(id, text);
        }
        self.send(
            id,
            Channel::Response,
            question.id,
            question.flags & 0xFFFF | flag::INTERNAL,
            text,
        );
    }

    /// Sends an event.
    fn event(&mut self, id: SessionId, text: &str) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.events = session.events.wrapping_add(1).max(1);
        let number = session.events;
        self.send(id, Channel::Event, number, flag::EVENT | flag::INTERNAL, text);
    }

    fn send(&mut self, id: SessionId, channel: Channel, number: i32, flags: u32, text: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let flags = flags & !(flag::COMPRESSED | flag::PART | flag::LAST_PART);
        match parts::frames(number, flags, session.layout, text, session.size) {
            Ok(frames) => self.actions.push_back(Action::Send { session: id, channel, frames }),
            Err(error) => {
                log::error!("ipc: {} cannot be answered: {error}", session.name());
                self.close(id);
            }
        }
    }

    /// Acknowledges a request, if it asks for it.
    fn acknowledge(&mut self, id: SessionId, question: &Message, status: u32) {
        if question.flags & flag::RESPONSE_WANTED != 0 {
            self.acknowledge_always(id, question, status);
        }
    }

    fn acknowledge_always(&mut self, id: SessionId, question: &Message, status: u32) {
        let protocol = match self.sessions.get(&id).map(|session| session.endpoint) {
            Some(Endpoint::Attributes) => Some("7"),
            _ => None,
        };
        let status = status.to_string();
        let ack = tag::Tag::new("ack")
            .attribute("function", "ipc")
            .attribute("line", "1")
            .attribute("status", &status)
            .maybe("ipc-protocol-version", protocol);
        self.respond(id, question, &ack.closed());
    }

    /// Ends what its endpoint does not allow.
    fn is_privileged(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.access.privileged)
    }
}
