//! Many small messages in one packet, one large message over many (spec 70 §9).
//!
//! A packet's payload is a row of chunks: a flag byte (first, last), for the first of several
//! chunks the message's whole length (u32), the chunk's length (u16), and the bytes. A message never
//! spans two configurations: on a change the sender starts over and receivers forget what is
//! incomplete, so a message is delivered whole in one configuration or not at all.

use crate::identity::NodeId;
use crate::wire::Guarantee;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};

const FIRST: u8 = 1;
const LAST: u8 = 2;
/// Flag byte and length.
const CHUNK_HEADER: usize = 3;
/// A message is not split for less room than this.
const SMALLEST_SPLIT: usize = 64;
/// Largest message the ring carries: an application message of 1 MiB and its header fit.
pub const MAX_RING_MESSAGE: usize = 2 << 20;

/// A message on its way to the ring.
#[derive(Debug, Clone)]
struct Submission {
    header: Bytes,
    body: Bytes,
    guarantee: Guarantee,
    control: bool,
}

impl Submission {
    fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    fn copy(&self, out: &mut BytesMut, from: usize, count: usize) {
        let to = from + count;
        let split = self.header.len();
        if from < split {
            out.put_slice(&self.header[from..to.min(split)]);
        }
        if to > split {
            out.put_slice(&self.body[from.max(split) - split..to - split]);
        }
    }
}

/// Messages waiting for origination. Control messages (the synchronisation of groups) go first
/// and pass the gate; client messages wait while the gate is closed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Submission>,
    /// Bytes of the front message that were originated on this ring.
    offset: usize,
    open: bool,
    waiting: usize,
    waiting_control: usize,
}

impl Outbox {
    pub(crate) fn submit(&mut self, header: Bytes, body: Bytes, guarantee: Guarantee) {
        let submission = Submission { header, body, guarantee, control: false };
        self.waiting += submission.len() + CHUNK_HEADER;
        self.queue.push_back(submission);
    }

    pub(crate) fn submit_control(&mut self, body: Bytes) {
        let guarantee = Guarantee::Agreed;
        let submission = Submission { header: Bytes::new(), body, guarantee, control: true };
        self.waiting_control += submission.len() + CHUNK_HEADER;
        let behind = self.queue.iter().take_while(|waiting| waiting.control).count();
        let behind = behind.max(usize::from(self.offset > 0));
        self.queue.insert(behind, submission);
    }

    /// A new configuration begins: the message in progress starts over, the gate closes, control
    /// messages of the configuration before are void.
    pub(crate) fn restart(&mut self) {
        if self.offset > 0 {
            self.count_originated(self.offset, false);
        }
        self.offset = 0;
        self.queue.retain(|waiting| !waiting.control);
        self.waiting_control = 0;
        self.open = false;
    }

    fn count_originated(&mut self, bytes: usize, down: bool) {
        let control = self.queue.front().is_some_and(|front| front.control);
        let counter = if control { &mut self.waiting_control } else { &mut self.waiting };
        *counter = if down { counter.saturating_sub(bytes) } else { *counter + bytes };
    }

    pub(crate) fn open_gate(&mut self) {
        self.open = true;
    }

    pub(crate) fn gate_is_open(&self) -> bool {
        self.open
    }

    /// Bytes of client messages waiting.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting
    }

    fn ready(&self) -> Option<&Submission> {
        self.queue.front().filter(|front| front.control || self.open)
    }

    /// Whether a packet could be built now.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready().is_some()
    }

    /// Packets of `payload` bytes that could be built now.
    pub(crate) fn backlog(&self, payload: usize) -> u32 {
        let bytes = self.waiting_control + if self.open { self.waiting } else { 0 };
        if !self.is_ready() {
            return 0;
        }
        u32::try_from(bytes.div_ceil(payload.max(1)).max(1)).unwrap_or(u32::MAX)
    }

    /// Builds the next packet of at most `room` bytes.
    pub(crate) fn next_packet(&mut self, room: usize) -> Option<(Guarantee, Bytes)> {
        let guarantee = self.ready()?.guarantee;
        let mut out = BytesMut::with_capacity(room);
        while self.ready().is_some_and(|front| front.guarantee == guarantee) {
            if !self.append_chunk(&mut out, room) {
                break;
            }
        }
        Some((guarantee, out.freeze()))
    }

    /// Appends the front message or what fits of it; false when there is no room.
    fn append_chunk(&mut self, out: &mut BytesMut, room: usize) -> bool {
        let Some(front) = self.queue.front() else { return false };
        let left = front.len() - self.offset;
        let free = room.saturating_sub(out.len());
        let (flags, header, count) = if left + CHUNK_HEADER <= free {
            (if self.offset == 0 { FIRST | LAST } else { LAST }, CHUNK_HEADER, left)
        } else if free < SMALLEST_SPLIT {
            return false;
        } else {
            let flags = if self.offset == 0 { FIRST } else { 0 };
            let header = CHUNK_HEADER + if self.offset == 0 { 4 } else { 0 };
            (flags, header, free.min(usize::from(u16::MAX)) - header)
        };
        let count = count.min(usize::from(u16::MAX)).min(left);
        let flags = if count < left { flags & !LAST } else { flags };
        out.put_u8(flags);
        if flags & (FIRST | LAST) == FIRST {
            out.put_u32(front.len() as u32);
        }
        debug_assert!(header >= CHUNK_HEADER);
        out.put_u16(count as u16);
        front.copy(out, self.offset, count);
        self.count_originated(count + if flags & LAST != 0 { CHUNK_HEADER } else { 0 }, true);
        self.offset += count;
        if flags & LAST != 0 {
            self.queue.pop_front();
            self.offset = 0;
        }
        true
    }
}

/// A payload that does not follow the format; the rest of the packet is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PackingError {
    #[error("a chunk is longer than the packet")]
    Truncated,
    #[error("unknown chunk flags {0}")]
    Flags(u8),
    #[error("a message of {0} bytes; at most {MAX_RING_MESSAGE} are allowed")]
    TooLarge(usize),
    #[error("a message is longer than its first chunk announced")]
    Overrun,
}

#[derive(Debug)]
struct Partial {
    total: usize,
    bytes: BytesMut,
}

/// Puts messages together again, per originator.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    partial: BTreeMap<NodeId, Partial>,
}

impl Reassembly {
    /// Takes one packet's payload and hands out the messages it completes.
    pub(crate) fn accept(
        &mut self,
        originator: NodeId,
        mut payload: Bytes,
        mut deliver: impl FnMut(Bytes),
    ) -> Result<(), PackingError> {
        while payload.has_remaining() {
            let flags = payload.get_u8();
            if flags & !(FIRST | LAST) != 0 {
                return Err(PackingError::Flags(flags));
            }
            let total = match flags {
                FIRST => Some(payload.try_get_u32().map_err(|_| PackingError::Truncated)? as usize),
                _ => None,
            };
            let count = usize::from(payload.try_get_u16().map_err(|_| PackingError::Truncated)?);
            if count > payload.len() {
                return Err(PackingError::Truncated);
            }
            let chunk = payload.split_to(count);
            if flags == FIRST | LAST {
                self.partial.remove(&originator);
                deliver(chunk);
            } else if let Some(message) = self.extend(originator, flags, total, &chunk)? {
                deliver(message);
            }
        }
        Ok(())
    }

    fn extend(
        &mut self,
        originator: NodeId,
        flags: u8,
        total: Option<usize>,
        chunk: &[u8],
    ) -> Result<Option<Bytes>, PackingError> {
        if let Some(total) = total {
            self.partial.remove(&originator);
            if total > MAX_RING_MESSAGE {
                return Err(PackingError::TooLarge(total));
            }
            let bytes = BytesMut::with_capacity(total);
            self.partial.insert(originator, Partial { total, bytes });
        }
        let Some(partial) = self.partial.get_mut(&originator) else {
            return Ok(None); // the beginning was sent in an earlier configuration
        };
        if partial.bytes.len() + chunk.len() > partial.total {
            self.partial.remove(&originator);
            return Err(PackingError::Overrun);
        }
        partial.bytes.put_slice(chunk);
        if flags & LAST == 0 {
            return Ok(None);
        }
        Ok(self.partial.remove(&originator).map(|partial| partial.bytes.freeze()))
    }

    /// A new configuration: what is incomplete will be sent again from its beginning.
    pub(crate) fn restart(&mut self) {
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox, room: usize) -> Vec<Bytes> {
        let mut packets = vec![];
        while let Some((_, packet)) = outbox.next_packet(room) {
            assert!(packet.len() <= room && !packet.is_empty());
            packets.push(packet);
        }
        packets
    }

    fn unpack(packets: &[Bytes]) -> Vec<Bytes> {
        let mut reassembly = Reassembly::default();
        let mut messages = vec![];
        for packet in packets {
            let node = NodeId::new(1).unwrap();
            reassembly.accept(node, packet.clone(), |message| messages.push(message)).unwrap();
        }
        messages
    }

    fn message(size: usize, seed: usize) -> Bytes {
        (0..size).map(|i| (i * 31 + seed) as u8).collect()
    }

    #[test]
    fn messages_of_every_size_come_out_as_they_went_in() {
        let sizes = [0, 1, 63, 1000, 1390, 1397, 1398, 1400, 70_000, 5, 1 << 20, 3];
        let mut outbox = Outbox::default();
        outbox.open_gate();
        let mut expected = vec![];
        for (seed, size) in sizes.into_iter().enumerate() {
            let whole = message(size, seed);
            let cut = size.min(7);
            outbox.submit(whole.slice(..cut), whole.slice(cut..), Guarantee::Agreed);
            expected.push(whole);
        }
        let packets = drain(&mut outbox, 1400);
        assert_eq!(unpack(&packets), expected);
        assert_eq!((outbox.waiting_bytes(), outbox.backlog(1400)), (0, 0));
    }

    #[test]
    fn small_messages_share_a_packet_and_guarantees_do_not_mix() {
        let mut outbox = Outbox::default();
        outbox.open_gate();
        for _ in 0..10 {
            outbox.submit(Bytes::new(), message(50, 0), Guarantee::Agreed);
        }
        outbox.submit(Bytes::new(), message(50, 0), Guarantee::Safe);
        assert_eq!(drain(&mut outbox, 1400).len(), 2);
    }

    #[test]
    fn a_closed_gate_lets_control_messages_pass_only() {
        let mut outbox = Outbox::default();
        outbox.submit(Bytes::new(), message(10, 1), Guarantee::Agreed);
        assert!(!outbox.is_ready());
        outbox.submit_control(message(5, 2));
        assert_eq!(unpack(&drain(&mut outbox, 1400)), [message(5, 2)]);
        outbox.open_gate();
        assert_eq!(unpack(&drain(&mut outbox, 1400)), [message(10, 1)]);
    }

    #[test]
    fn a_restart_sends_the_message_in_progress_from_its_beginning() {
        let mut outbox = Outbox::default();
        outbox.open_gate();
        outbox.submit(Bytes::new(), message(5000, 1), Guarantee::Agreed);
        outbox.next_packet(1400).unwrap();
        outbox.restart();
        outbox.open_gate();
        assert_eq!(outbox.waiting_bytes(), 5000 + CHUNK_HEADER);
        assert_eq!(unpack(&drain(&mut outbox, 1400)), [message(5000, 1)]);
    }

    /// What arrives in one packet is handed on where it lies (spec 70 §19, W17).
    #[test]
    fn a_message_in_one_packet_is_delivered_without_a_copy() {
        let mut outbox = Outbox::default();
        outbox.open_gate();
        (0..5).for_each(|seed| outbox.submit(Bytes::new(), message(200, seed), Guarantee::Agreed));
        let packets = drain(&mut outbox, 1400);
        let within = packets[0].as_ptr_range();
        for message in unpack(&packets) {
            assert!(within.contains(&message.as_ptr()));
        }
    }

    #[test]
    fn broken_payloads_are_errors() {
        let node = NodeId::new(1).unwrap();
        let mut reassembly = Reassembly::default();
        let mut accept = |bytes: &'static [u8]| {
            reassembly.accept(node, Bytes::from_static(bytes), |_| panic!("nothing is complete"))
        };
        assert_eq!(accept(&[3, 0]), Err(PackingError::Truncated));
        assert_eq!(accept(&[3, 0, 9, 1]), Err(PackingError::Truncated));
        assert_eq!(accept(&[8]), Err(PackingError::Flags(8)));
        assert_eq!(accept(&[1, 255, 0, 0, 0, 0, 0]), Err(PackingError::TooLarge(0xff00_0000)));
        assert_eq!(accept(&[1, 0, 0, 0, 1, 0, 1, 7, 2, 0, 1, 7]), Err(PackingError::Overrun));
    }
}
