//! What the nodes say of themselves: status through their hubs, events from their logs.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use cib_model::{DateTime, Document};
use policy_engine::simulate::{self, Request};

use crate::subsystem::{
    Address, Body, CibAnswer, CibOperation, CibRequest, ControllerAnswer, ControllerRequest,
    Envelope, NodeId, Room, Scope, Target,
};
use crate::wiring::hub::Connection;

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A connection to one node.
pub struct Observer {
    connection: Connection,
    me: Address,
    next: u64,
}

/// How a node sees the cluster.
pub struct View {
    /// State of its controller.
    pub state: String,
    /// The DC it follows.
    pub dc: Option<String>,
    /// Its CIB.
    pub cib: Document,
}

impl Observer {
    /// Connects to the node of this number.
    pub fn connect(number: u32, state: &Path) -> io::Result<Observer> {
        let connection = Connection::open(state, Room::Supervisor)?;
        connection.set_patience(PATIENCE)?;
        let node = NodeId::new(number).ok_or_else(|| io::Error::other("no node 0"))?;
        Ok(Observer { connection, me: Address { node, room: Room::Supervisor }, next: 1 })
    }

    fn ask(&mut self, room: Room, body: Body) -> io::Result<Body> {
        self.connection.send(&Envelope { from: self.me, to: Target::Here(room), body })?;
        loop {
            match self.connection.receive()?.body {
                Body::Membership(_) => {}
                body => return Ok(body),
            }
        }
    }

    /// How the node sees the cluster now.
    pub fn view(&mut self) -> io::Result<View> {
        self.next += 2;
        let token = self.next;
        let ping = ControllerRequest::Ping { token, node: None };
        let Body::ControllerAnswer(ControllerAnswer::State { state, dc, .. }) =
            self.ask(Room::Controller, ping.into())?
        else {
            return Err(io::Error::other("an unexpected answer"));
        };
        let query = CibRequest {
            token: token + 1,
            operation: CibOperation::Query { scope: Scope::All, children: true },
            client: "demo".to_owned(),
            user: None,
        };
        match self.ask(Room::Cib, query.into())? {
            Body::CibAnswer(CibAnswer { result: Ok(Some(cib)), .. }) => {
                Ok(View { state, dc, cib: cib.into_document() })
            }
            _ => Err(io::Error::other("an unexpected answer")),
        }
    }
}

impl View {
    /// The status as operators know it.
    pub fn listing(&self) -> String {
        let mut cib = self.cib.clone();
        if cib_model::schema::upgrade(&mut cib).is_err() {
            return String::new();
        }
        let now = jiff::Timestamp::now().as_second();
        let request = Request { now: Some(DateTime::from_epoch(now, 0)), ..Request::default() };
        let text = simulate::run(cib, &request).text;
        let lines =
            text.lines().filter(|line| !line.contains("Current cluster status")).map(str::trim_end);
        let dc = self.dc.as_deref().unwrap_or("none");
        let mut listing = format!("  DC: {dc}\n");
        for line in lines.filter(|line| !line.trim().is_empty()) {
            listing += line;
            listing.push('\n');
        }
        listing
    }

    /// Whether the cluster has come to rest.
    pub fn is_idle(&self) -> bool {
        self.state == "S_IDLE" || self.state == "S_NOT_DC"
    }

    /// Nodes whose membership and controller the CIB records as there.
    pub fn online(&self) -> usize {
        let status = self.cib.root().child("status");
        let states = status.into_iter().flat_map(|status| status.children_named("node_state"));
        let there = |element: &cib_model::Element<'_>, name| {
            element.attribute(name).is_some_and(|v| v != "0")
        };
        states
            .filter(|state| {
                there(state, "in_ccm")
                    && there(state, "crmd")
                    && state.attribute("join") == Some("member")
            })
            .count()
    }
}

/// A line of a log that tells part of the story.
pub struct Told {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// By whom.
    pub node: String,
    /// What.
    pub text: String,
}

/// What nodes logged since a moment that a spectator wants to know.
pub fn events(node: &str, log: &Path, since_ms: i64) -> Vec<Told> {
    const WANTED: [&str; 4] =
        ["messaging: ring", "this node is DC now", "terminated", "S_ELECTION"];
    let text = fs::read_to_string(log).unwrap_or_default();
    let mut told = Vec::new();
    for line in text.lines() {
        let Some((stamp, rest)) = line.split_once(' ') else { continue };
        let Ok(at) = stamp.parse::<jiff::Timestamp>() else { continue };
        if at.as_millisecond() >= since_ms && WANTED.iter().any(|wanted| rest.contains(wanted)) {
            let text = rest.split_once(": ").map_or(rest, |(_, text)| text).to_owned();
            told.push(Told { at: at.as_millisecond(), node: node.to_owned(), text });
        }
    }
    told
}
