//! The books of every ring, kept from what its members send: what each sent at its last visit of the
//! token (spec 70 §18, O10) and what it may ask for (§20.4, A1).

use crate::observer::{Verdict, ensure};
use cpg::identity::{NodeId, RingId};
use cpg::ring::FlowLimits;
use cpg::wire::{Data, SeqRange, Token};
use std::collections::{BTreeMap, HashMap};

/// Longer than any packet of a run, one recovered from an old ring included.
const LONGEST_PACKET: u32 = 1500;

/// One ring, as of the token sent last on it.
#[derive(Debug, Default)]
struct Book {
    hop: u64,
    seq: u64,
    requests: Vec<SeqRange>,
    /// Per member: the highest number it originated and sent.
    own: BTreeMap<NodeId, u64>,
    /// Per member: packets it sent again since its last visit.
    again: BTreeMap<NodeId, u32>,
    /// Per member: packets of its last visit.
    visits: BTreeMap<NodeId, u32>,
    /// Per member: the token's number when it received it at its last visit.
    received: BTreeMap<NodeId, u64>,
}

#[derive(Debug, Default)]
pub struct Visits {
    books: HashMap<RingId, Book>,
}

impl Visits {
    /// A node sends a packet.
    pub fn packet(&mut self, from: NodeId, data: &Data) {
        let book = self.books.entry(data.ring).or_default();
        let own = book.own.entry(from).or_default();
        if data.originator == from && data.seq > *own {
            *own = data.seq;
        } else {
            *book.again.entry(from).or_default() += 1;
        }
    }

    /// A node passes the token on, for the first time. `members` when the ring was installed anywhere.
    pub fn token(
        &mut self,
        from: NodeId,
        token: &Token,
        limits: FlowLimits,
        members: Option<usize>,
    ) -> Verdict {
        let book = self.books.entry(token.ring).or_default();
        if token.hop > book.hop + 1 {
            book.visits.clear(); // it was held and visited again in between
        }
        let visit = (token.seq - book.seq) as u32 + book.again.remove(&from).unwrap_or(0);
        ensure!(visit <= limits.visit, "O10: {visit} packets in one visit of {from}");
        book.visits.insert(from, visit);
        let sum: u32 = book.visits.values().sum();
        if members == Some(book.visits.len()) {
            ensure!(token.sent == sum, "O10: the visits sum up to {sum}: {token:?}");
        }
        let count = members.unwrap_or(16) as u32;
        ensure!(token.sent <= limits.rotation + count, "O10: {token:?}");
        // Each member may begin a packet as long as there is room, and repair one in any case.
        let excess = count * 2 * LONGEST_PACKET;
        ensure!(token.sent_bytes <= limits.bytes + excess, "O10: {token:?}");
        ensure!(token.offer <= limits.bytes && token.window <= limits.bytes, "O10: {token:?}");
        let known = book.received.get(&from).copied().unwrap_or(0);
        for seq in token.requests.iter().flat_map(|range| range.first..=range.last) {
            let listed = book.requests.iter().any(|range| range.first <= seq && seq <= range.last);
            ensure!(listed || seq <= known, "A1: {from} asks for {seq}, it knows of {known} only");
        }
        book.received.insert(from, book.seq);
        (book.hop, book.seq, book.requests) = (token.hop, token.seq, token.requests.clone());
        Ok(())
    }
}
