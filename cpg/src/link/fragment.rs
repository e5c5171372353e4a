//! Packets larger than a path carries: cut into fragments, put together again. Loss of one fragment
//! loses the packet; the ring repairs that.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

/// Id, index, count.
pub(super) const FRAGMENT_HEADER: usize = 4 + 2 + 2;
/// Largest packet.
const MAX_PACKET: usize = 96 << 10;
/// Packets of one node in progress at once.
const IN_PROGRESS: usize = 8;

#[derive(Debug)]
struct Partial {
    id: u32,
    parts: Vec<Option<Bytes>>,
    missing: usize,
    bytes: usize,
}

/// Fragments received from one node.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    partial: VecDeque<Partial>,
}

/// Cuts a packet into contents of at most `room` bytes each, header included.
pub(super) fn cut(id: u32, packet: &Bytes, room: usize) -> Vec<Bytes> {
    let piece = room.saturating_sub(FRAGMENT_HEADER).max(256);
    let count = packet.len().div_ceil(piece) as u16;
    let pieces = packet.chunks(piece).zip(0u16..);
    let with_header = pieces.map(|(piece, index)| {
        let mut out = BytesMut::with_capacity(FRAGMENT_HEADER + piece.len());
        out.put_u32(id);
        out.put_u16(index);
        out.put_u16(count);
        out.put_slice(piece);
        out.freeze()
    });
    with_header.collect()
}

impl Fragments {
    /// Takes one fragment; `Ok(Some)` when it completes its packet, `Err` when it is malformed.
    pub(super) fn accept(&mut self, mut content: Bytes) -> Result<Option<Bytes>, ()> {
        if content.len() <= FRAGMENT_HEADER {
            return Err(());
        }
        let id = content.get_u32();
        let (index, count) = (usize::from(content.get_u16()), usize::from(content.get_u16()));
        if index >= count || count > MAX_PACKET / 256 {
            return Err(());
        }
        let known = self.partial.iter().position(|partial| partial.id == id);
        let at = known.unwrap_or_else(|| {
            if self.partial.len() == IN_PROGRESS {
                self.partial.pop_front();
            }
            let parts = vec![None; count];
            self.partial.push_back(Partial { id, parts, missing: count, bytes: 0 });
            self.partial.len() - 1
        });
        let partial = &mut self.partial[at];
        let total = partial.bytes + content.len();
        if partial.parts.len() != count || partial.parts[index].is_some() || total > MAX_PACKET {
            return Err(());
        }
        partial.bytes = total;
        partial.parts[index] = Some(content);
        partial.missing -= 1;
        if partial.missing > 0 {
            return Ok(None);
        }
        let mut whole = BytesMut::with_capacity(total);
        let complete = self.partial.remove(at).into_iter().flat_map(|partial| partial.parts);
        complete.flatten().for_each(|part| whole.put_slice(&part));
        Ok(Some(whole.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_come_together_in_any_order() {
        let packet: Bytes = (0..5000u32).map(|i| i as u8).collect();
        let mut pieces = cut(7, &packet, 1000);
        pieces.reverse();
        let mut fragments = Fragments::default();
        let last = pieces.pop().unwrap();
        for piece in pieces {
            assert_eq!(fragments.accept(piece.clone()), Ok(None));
            assert_eq!(fragments.accept(piece), Err(()), "a copy");
        }
        assert_eq!(fragments.accept(last), Ok(Some(packet)));
    }

    #[test]
    fn nonsense_is_refused_and_memory_stays_bounded() {
        let mut fragments = Fragments::default();
        let header = |id: u32, index: u16, count: u16| {
            let mut out = BytesMut::new();
            out.put_u32(id);
            out.put_u16(index);
            out.put_u16(count);
            out.put_slice(&[0; 300]);
            out.freeze()
        };
        assert_eq!(fragments.accept(header(1, 3, 3)), Err(()));
        assert_eq!(fragments.accept(header(1, 0, 60_000)), Err(()));
        assert_eq!(fragments.accept(Bytes::from_static(&[0; 8])), Err(()));
        for id in 0..1000 {
            assert_eq!(fragments.accept(header(id, 0, 2)), Ok(None));
        }
        assert_eq!(fragments.partial.len(), IN_PROGRESS);
    }
}
