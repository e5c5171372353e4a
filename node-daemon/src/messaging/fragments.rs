//! Envelopes longer than what the ring carries at once.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::subsystem::{MAX_FRAME, NodeId, Room};

/// Longest piece given to the ring.
pub const MAX_CHUNK: usize = 256 << 10;

/// The last, or only, piece.
const LAST: u8 = 0;
/// More pieces follow.
const MORE: u8 = 1;

/// Cuts an encoded envelope into pieces, each behind a mark that says whether more follow.
pub fn split(bytes: Vec<u8>) -> Vec<Bytes> {
    let count = bytes.len().div_ceil(MAX_CHUNK).max(1);
    let piece = |(index, part): (usize, &[u8])| {
        let mark = if index + 1 == count { LAST } else { MORE };
        let mut piece = Vec::with_capacity(part.len() + 1);
        piece.push(mark);
        piece.extend_from_slice(part);
        Bytes::from(piece)
    };
    if bytes.is_empty() {
        return vec![piece((0, &[]))];
    }
    bytes.chunks(MAX_CHUNK).enumerate().map(piece).collect()
}

/// Puts pieces together again, by addressee and sender.
#[derive(Debug, Default)]
pub struct Fragments {
    begun: BTreeMap<(Room, NodeId), Vec<u8>>,
}

impl Fragments {
    /// Takes a piece; gives the whole with its last one. What grows beyond the limit is dropped.
    pub fn accept(&mut self, room: Room, sender: NodeId, piece: &[u8]) -> Option<Vec<u8>> {
        let (mark, part) = piece.split_first()?;
        let key = (room, sender);
        let begun = self.begun.get(&key).map_or(0, Vec::len);
        if begun + part.len() > MAX_FRAME {
            log::warn!(
                "messaging: a message of node {sender} to {room} is longer than {MAX_FRAME} bytes"
            );
            self.begun.remove(&key);
            return None;
        }
        if *mark == MORE {
            self.begun.entry(key).or_default().extend_from_slice(part);
            return None;
        }
        let mut whole = self.begun.remove(&key).unwrap_or_default();
        whole.extend_from_slice(part);
        Some(whole)
    }

    /// Drops what a sender that is gone had begun.
    pub fn forget(&mut self, room: Room, sender: NodeId) {
        self.begun.remove(&(room, sender));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_arrive_whole_and_a_dead_senders_beginning_is_dropped() {
        let [a, b] = [1, 2].map(|n| NodeId::new(n).unwrap());
        let long: Vec<u8> = (0..2 * MAX_CHUNK + 7).map(|i| i as u8).collect();
        let pieces = split(long.clone());
        assert_eq!(pieces.len(), 3);
        let mut fragments = Fragments::default();
        assert_eq!(fragments.accept(Room::Cib, a, &pieces[0]), None);
        assert_eq!(fragments.accept(Room::Cib, b, &pieces[0]), None);
        assert_eq!(fragments.accept(Room::Cib, a, &pieces[1]), None);
        assert_eq!(fragments.accept(Room::Cib, a, &pieces[2]), Some(long));
        fragments.forget(Room::Cib, b);
        assert_eq!(fragments.accept(Room::Cib, b, &split(vec![9])[0]), Some(vec![9]));
        assert_eq!(split(Vec::new()).len(), 1);
        assert_eq!(fragments.accept(Room::Cib, b, &[]), None);
    }
}
