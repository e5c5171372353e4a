//! What waits for one reader. A reader that does not read is cut off before it costs the node its
//! memory; the others of its group are not held up (spec 70 §19, W12).

use super::Event;
use std::collections::VecDeque;

/// Bytes that wait for one reader unless a program says otherwise: sixteen of the largest messages.
pub const INBOX_BYTES: usize = 16 << 20;
/// Counted for every event besides a message's payload.
const EVENT: usize = 64;

/// A reader was too far behind; its connection is to be closed ([`crate::node::Node::close`]), which the
/// others see as the end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reader is {waiting} bytes behind, at most {limit} are kept: it is cut off")]
pub struct Overrun {
    /// Bytes that wait.
    pub waiting: usize,
    /// How many are kept.
    pub limit: usize,
}

/// A bounded queue of events for one connection.
#[derive(Debug)]
pub struct Inbox {
    events: VecDeque<Event>,
    waiting: usize,
    limit: usize,
    overrun: Option<Overrun>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox::new(INBOX_BYTES)
    }
}

fn size(event: &Event) -> usize {
    let payload = match event {
        Event::Message(message) => message.payload.len(),
        Event::View(view) => 16 * (view.members.len() + view.left.len() + view.joined.len()),
        Event::Ring(view) => 4 * view.nodes.len(),
    };
    EVENT + payload
}

impl Inbox {
    /// An inbox that keeps `limit` bytes.
    pub fn new(limit: usize) -> Inbox {
        Inbox { events: VecDeque::new(), waiting: 0, limit, overrun: None }
    }

    /// Takes an event. Once one did not fit, none is taken any more, so that the reader misses nothing
    /// in the middle; the error comes once.
    pub fn push(&mut self, event: Event) -> Result<(), Overrun> {
        if self.overrun.is_some() {
            return Ok(());
        }
        let waiting = self.waiting + size(&event);
        if waiting > self.limit {
            let overrun = Overrun { waiting, limit: self.limit };
            self.overrun = Some(overrun);
            return Err(overrun);
        }
        self.waiting = waiting;
        self.events.push_back(event);
        Ok(())
    }

    /// The next event. After the last one that was kept, the overrun if there was one.
    pub fn pop(&mut self) -> Result<Option<Event>, Overrun> {
        match (self.events.pop_front(), self.overrun) {
            (Some(event), _) => {
                self.waiting -= size(&event);
                Ok(Some(event))
            }
            (None, Some(overrun)) => Err(overrun),
            (None, None) => Ok(None),
        }
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}
