//! Messages of the votes layer: what members tell each other through ordered group messaging.
//!
//! Layout, all integers little endian: magic `q`, version 1, kind (one byte each), then the fields.
//! Strings and blobs carry a 16-bit length, lists a 16-bit count. Every bound is checked before
//! anything is allocated, and nothing may follow the last field.

use crate::id::{NodeId, RingId};
use crate::memory::{LastQuorate, MAX_ATTEMPTS, Memory};

/// Most members of a view.
pub const MAX_MEMBERS: usize = 1024;
/// Longest device name.
pub const MAX_NAME: usize = 254;
/// Longest extra information of a device.
pub const MAX_EXTRA_INFO: usize = 4096;

const MAGIC: u8 = b'q';
const VERSION: u8 = 1;

/// What a node knows of its quorum device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceFlags {
    /// A device daemon has registered.
    pub registered: bool,
    /// It polls in time.
    pub alive: bool,
    /// It casts its votes for this node's partition.
    pub casts: bool,
    /// It decides even against a majority.
    pub master_wins: bool,
}

impl DeviceFlags {
    fn bits(self) -> u8 {
        u8::from(self.registered)
            | u8::from(self.alive) << 1
            | u8::from(self.casts) << 2
            | u8::from(self.master_wins) << 3
    }

    fn from_bits(bits: u8) -> Option<Self> {
        let bit = |n: u8| bits & (1 << n) != 0;
        (bits < 16).then(|| Self {
            registered: bit(0),
            alive: bit(1),
            casts: bit(2),
            master_wins: bit(3),
        })
    }
}

/// What a member brings into a new ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// The ring being formed.
    pub ring: RingId,
    /// The last ring whose verdict the member gave; `None` right after its start.
    pub origin: Option<RingId>,
    /// Own votes.
    pub votes: u32,
    /// Expected votes.
    pub expected: u32,
    /// Expected votes below which nothing is downscaled.
    pub barrier: u32,
    /// Highest expected votes ever seen (0 without tracking).
    pub tracking: u32,
    /// Its last verdict.
    pub quorate: bool,
    /// It is about to exit in order.
    pub leaving: bool,
    /// Its device.
    pub device: DeviceFlags,
    /// Fingerprint of its settings.
    pub digest: u32,
    /// Name of the device known to it, empty if none.
    pub device_name: String,
    /// Its memory of quorum.
    pub memory: Memory,
}

/// One message. `ticket` lets the sender recognise its own request when it is delivered back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A member's state, once per synchronisation.
    Report(Box<Report>),
    /// The sender has nothing more to say before the verdict of this ring.
    Ready {
        /// The ring.
        ring: RingId,
    },
    /// Set expected votes.
    SetExpected {
        /// Sender's mark.
        ticket: u64,
        /// New value.
        expected: u32,
        /// From the configuration file: not refused.
        forced: bool,
    },
    /// Set the votes of a node.
    SetVotes {
        /// Sender's mark.
        ticket: u64,
        /// The node.
        node: NodeId,
        /// New value.
        votes: u32,
        /// From the configuration file: not refused.
        forced: bool,
    },
    /// End the waiting for all.
    CancelWaiting {
        /// Sender's mark.
        ticket: u64,
    },
    /// A quorate partition takes its members for the whole.
    Rebase {
        /// The ring whose window has passed.
        ring: RingId,
    },
    /// The sender exits in order.
    Leaving,
    /// The sender's device flags changed.
    Device(DeviceFlags),
    /// The sender's device information changed; empty clears it.
    ExtraInfo(Vec<u8>),
    /// Register a device under this name.
    RegisterDevice {
        /// Sender's mark.
        ticket: u64,
        /// Name.
        name: String,
    },
    /// The sender's device is unregistered.
    UnregisterDevice,
    /// Rename the device on all nodes.
    RenameDevice {
        /// Sender's mark.
        ticket: u64,
        /// Present name.
        old: String,
        /// New name.
        new: String,
    },
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("truncated at byte {0}")]
    Truncated(usize),
    /// Bytes follow the last field.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// Not a message of the votes layer.
    #[error("first byte {0:#04x} instead of 'q'")]
    Magic(u8),
    /// Sent by another version.
    #[error("protocol version {0}, this side speaks 1")]
    Version(u8),
    /// No such kind.
    #[error("kind {0} is not one of 1 to 12")]
    Kind(u8),
    /// A field out of its range.
    #[error("bad {what} before byte {at}")]
    Field {
        /// The field.
        what: &'static str,
        /// Offset behind it.
        at: usize,
    },
}

impl Message {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer(vec![MAGIC, VERSION, self.kind()]);
        match self {
            Message::Report(report) => w.report(report),
            Message::Ready { ring } | Message::Rebase { ring } => w.ring(*ring),
            Message::SetExpected { ticket, expected, forced } => {
                w.u64(*ticket);
                w.u32(*expected);
                w.bool(*forced);
            }
            Message::SetVotes { ticket, node, votes, forced } => {
                w.u64(*ticket);
                w.u32(node.get());
                w.u32(*votes);
                w.bool(*forced);
            }
            Message::CancelWaiting { ticket } => w.u64(*ticket),
            Message::Leaving | Message::UnregisterDevice => {}
            Message::Device(flags) => w.0.push(flags.bits()),
            Message::ExtraInfo(bytes) => w.bytes(bytes),
            Message::RegisterDevice { ticket, name } => {
                w.u64(*ticket);
                w.bytes(name.as_bytes());
            }
            Message::RenameDevice { ticket, old, new } => {
                w.u64(*ticket);
                w.bytes(old.as_bytes());
                w.bytes(new.as_bytes());
            }
        }
        w.0
    }

    fn kind(&self) -> u8 {
        match self {
            Message::Report(_) => 1,
            Message::Ready { .. } => 2,
            Message::SetExpected { .. } => 3,
            Message::SetVotes { .. } => 4,
            Message::CancelWaiting { .. } => 5,
            Message::Rebase { .. } => 6,
            Message::Leaving => 7,
            Message::Device(_) => 8,
            Message::ExtraInfo(_) => 9,
            Message::RegisterDevice { .. } => 10,
            Message::UnregisterDevice => 11,
            Message::RenameDevice { .. } => 12,
        }
    }

    /// Reads one message.
    ///
    /// # Errors
    /// The bytes are not exactly one message; where and why.
    pub fn parse(bytes: &[u8]) -> Result<Message, WireError> {
        let mut r = Reader { bytes, at: 0 };
        match r.u8()? {
            MAGIC => {}
            other => return Err(WireError::Magic(other)),
        }
        match r.u8()? {
            VERSION => {}
            other => return Err(WireError::Version(other)),
        }
        let kind = r.u8()?;
        let message = r.body(kind)?;
        match bytes.len() - r.at {
            0 => Ok(message),
            more => Err(WireError::Trailing(more)),
        }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, v: u32) {
        self.0.extend(v.to_le_bytes());
    }

    fn u64(&mut self, v: u64) {
        self.0.extend(v.to_le_bytes());
    }

    fn bool(&mut self, v: bool) {
        self.0.push(v.into());
    }

    fn count(&mut self, n: usize) {
        let n = u16::try_from(n).expect("lists and blobs are bounded where they are made");
        self.0.extend(n.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend(bytes);
    }

    fn ring(&mut self, ring: RingId) {
        self.u32(ring.representative.get());
        self.u64(ring.sequence);
    }

    fn maybe_ring(&mut self, ring: Option<RingId>) {
        match ring {
            Some(ring) => self.ring(ring),
            None => self.0.extend([0; 12]),
        }
    }

    fn report(&mut self, report: &Report) {
        self.ring(report.ring);
        self.maybe_ring(report.origin);
        for v in [report.votes, report.expected, report.barrier, report.tracking, report.digest] {
            self.u32(v);
        }
        self.bool(report.quorate);
        self.bool(report.leaving);
        self.0.push(report.device.bits());
        self.bytes(report.device_name.as_bytes());
        self.bool(report.memory.confirmed.is_some());
        if let Some(view) = &report.memory.confirmed {
            self.view(view);
        }
        self.count(report.memory.attempts.len());
        for view in &report.memory.attempts {
            self.view(view);
        }
    }

    fn view(&mut self, view: &LastQuorate) {
        self.maybe_ring(view.ring);
        self.count(view.members.len());
        for (id, votes) in &view.members {
            self.u32(id.get());
            self.u32(*votes);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(WireError::Truncated(self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn bad(&self, what: &'static str) -> WireError {
        WireError::Field { what, at: self.at }
    }

    fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bool(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad("flag, 0 or 1")),
        }
    }

    fn node(&mut self) -> Result<NodeId, WireError> {
        let id = self.u32()?;
        NodeId::new(id).ok_or(self.bad("node id, must not be 0"))
    }

    fn maybe_ring(&mut self) -> Result<Option<RingId>, WireError> {
        let (representative, sequence) = (self.u32()?, self.u64()?);
        match NodeId::new(representative) {
            Some(representative) => Ok(Some(RingId { sequence, representative })),
            None if sequence == 0 => Ok(None),
            None => Err(self.bad("ring id, representative must not be 0")),
        }
    }

    fn ring(&mut self) -> Result<RingId, WireError> {
        self.maybe_ring()?.ok_or(self.bad("ring id, representative must not be 0"))
    }

    fn count(&mut self, most: usize, what: &'static str) -> Result<usize, WireError> {
        let n = usize::from(u16::from_le_bytes(self.array()?));
        if n <= most { Ok(n) } else { Err(self.bad(what)) }
    }

    fn name(&mut self) -> Result<String, WireError> {
        let n = self.count(MAX_NAME, "name length, at most 254")?;
        let bytes = self.take(n)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.bad("name, must be UTF-8"))
    }

    fn device(&mut self) -> Result<DeviceFlags, WireError> {
        let bits = self.u8()?;
        DeviceFlags::from_bits(bits).ok_or(self.bad("device flags, at most 15"))
    }

    fn memory(&mut self) -> Result<Memory, WireError> {
        let confirmed = if self.bool()? { Some(self.view()?) } else { None };
        let n = self.count(MAX_ATTEMPTS, "attempt count, at most 16")?;
        let attempts = (0..n).map(|_| self.view()).collect::<Result<Vec<_>, _>>()?;
        if attempts.is_sorted_by(|a, b| a.ring < b.ring) {
            Ok(Memory { confirmed, attempts })
        } else {
            Err(self.bad("attempts, rings must ascend"))
        }
    }

    fn view(&mut self) -> Result<LastQuorate, WireError> {
        let ring = self.maybe_ring()?;
        let n = self.count(MAX_MEMBERS, "member count, at most 1024")?;
        let mut fields = self.take(n * 8)?;
        let mut members = Vec::with_capacity(n);
        while let Some((chunk, rest)) = fields.split_first_chunk::<8>() {
            fields = rest;
            let mut field = Reader { bytes: chunk, at: 0 };
            members.push((field.node()?, field.u32()?));
        }
        if members.is_sorted_by(|(a, _), (b, _)| a < b) {
            Ok(LastQuorate { ring, members })
        } else {
            Err(self.bad("member list, ids must ascend"))
        }
    }

    fn report(&mut self) -> Result<Report, WireError> {
        let (ring, origin) = (self.ring()?, self.maybe_ring()?);
        let (votes, expected, barrier) = (self.u32()?, self.u32()?, self.u32()?);
        let (tracking, digest) = (self.u32()?, self.u32()?);
        Ok(Report {
            ring,
            origin,
            votes,
            expected,
            barrier,
            tracking,
            digest,
            quorate: self.bool()?,
            leaving: self.bool()?,
            device: self.device()?,
            device_name: self.name()?,
            memory: self.memory()?,
        })
    }

    fn body(&mut self, kind: u8) -> Result<Message, WireError> {
        Ok(match kind {
            1 => Message::Report(Box::new(self.report()?)),
            2 => Message::Ready { ring: self.ring()? },
            3 => Message::SetExpected {
                ticket: self.u64()?,
                expected: self.u32()?,
                forced: self.bool()?,
            },
            4 => Message::SetVotes {
                ticket: self.u64()?,
                node: self.node()?,
                votes: self.u32()?,
                forced: self.bool()?,
            },
            5 => Message::CancelWaiting { ticket: self.u64()? },
            6 => Message::Rebase { ring: self.ring()? },
            7 => Message::Leaving,
            8 => Message::Device(self.device()?),
            9 => {
                let n = self.count(MAX_EXTRA_INFO, "extra info length, at most 4096")?;
                Message::ExtraInfo(self.take(n)?.to_vec())
            }
            10 => Message::RegisterDevice { ticket: self.u64()?, name: self.name()? },
            11 => Message::UnregisterDevice,
            12 => {
                Message::RenameDevice { ticket: self.u64()?, old: self.name()?, new: self.name()? }
            }
            other => return Err(WireError::Kind(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u32) -> NodeId {
        NodeId::new(id).unwrap()
    }

    fn samples() -> Vec<Message> {
        let ring = RingId { sequence: 0x1_0000_0009, representative: node(2) };
        let report = Report {
            ring,
            origin: None,
            votes: 1,
            expected: 3,
            barrier: 3,
            tracking: 0,
            quorate: true,
            leaving: false,
            device: DeviceFlags { registered: true, casts: true, ..Default::default() },
            digest: 77,
            device_name: "net".into(),
            memory: Memory {
                confirmed: Some(LastQuorate { ring: None, members: vec![(node(2), 1)] }),
                attempts: vec![LastQuorate {
                    ring: Some(ring),
                    members: vec![(node(1), 1), (node(9), 0)],
                }],
            },
        };
        vec![
            Message::Report(Box::new(Report { memory: Memory::default(), ..report.clone() })),
            Message::Report(Box::new(report)),
            Message::Ready { ring },
            Message::SetExpected { ticket: u64::MAX, expected: 5, forced: false },
            Message::SetVotes { ticket: 1, node: node(4), votes: 0, forced: true },
            Message::CancelWaiting { ticket: 3 },
            Message::Rebase { ring },
            Message::Leaving,
            Message::Device(DeviceFlags { alive: true, ..Default::default() }),
            Message::ExtraInfo(vec![1, 2, 3]),
            Message::RegisterDevice { ticket: 8, name: "ü".into() },
            Message::UnregisterDevice,
            Message::RenameDevice { ticket: 9, old: "a".into(), new: String::new() },
        ]
    }

    #[test]
    fn every_message_survives_the_wire_and_no_prefix_or_extension_is_one() {
        for message in samples() {
            let mut bytes = message.encode();
            assert_eq!(Message::parse(&bytes), Ok(message));
            for cut in 0..bytes.len() {
                assert!(matches!(Message::parse(&bytes[..cut]), Err(WireError::Truncated(_))));
            }
            bytes.push(0);
            assert_eq!(Message::parse(&bytes), Err(WireError::Trailing(1)));
        }
    }

    #[test]
    fn bounds_are_checked_before_anything_is_read() {
        for (bytes, error) in [
            (&b"x\x01\x07"[..], WireError::Magic(b'x')),
            (b"q\x02\x07", WireError::Version(2)),
            (b"q\x01\x0d", WireError::Kind(13)),
            (b"q\x01\x08\x10", WireError::Field { what: "device flags, at most 15", at: 4 }),
            (
                b"q\x01\x09\x01\x10",
                WireError::Field { what: "extra info length, at most 4096", at: 5 },
            ),
        ] {
            assert_eq!(Message::parse(bytes), Err(error));
        }
    }
}
