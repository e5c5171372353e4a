//! What groups say on the ring.

use super::{ChangeReason, GroupName, MAX_CLIENTS, MAX_NAME, ProcessId};
use crate::identity::RingId;
use crate::wire::{DecodeError, Reader, put_ring};
use bytes::{BufMut, Bytes, BytesMut};

/// An ordered message between group services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupMessage {
    Join {
        process: ProcessId,
        group: GroupName,
    },
    Leave {
        process: ProcessId,
        group: GroupName,
        reason: ChangeReason,
    },
    Multicast {
        process: ProcessId,
        group: GroupName,
        payload: Bytes,
    },
    /// Synchronisation: all members that the sender's node has, for one ring.
    JoinList {
        ring: RingId,
        members: Vec<(ProcessId, GroupName)>,
    },
    /// All nodes switch to sending with the key of this id, or drop all others.
    Key {
        key: u8,
        step: KeyStep,
    },
}

/// The ordered steps of a key rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyStep {
    Activate,
    CleanUp,
}

impl GroupMessage {
    fn kind(&self) -> u8 {
        match self {
            GroupMessage::Join { .. } => 0,
            GroupMessage::Leave { .. } => 1,
            GroupMessage::Multicast { .. } => 2,
            GroupMessage::JoinList { .. } => 3,
            GroupMessage::Key { .. } => 4,
        }
    }

    /// Encodes; the payload of a multicast comes apart so that it is not copied here.
    pub(crate) fn encode(self) -> (Bytes, Bytes) {
        let mut out = BytesMut::with_capacity(32);
        out.put_u8(self.kind());
        match self {
            GroupMessage::Join { process, group } => put_member(&mut out, process, &group),
            GroupMessage::Leave { process, group, reason } => {
                put_member(&mut out, process, &group);
                out.put_u8(reason as u8);
            }
            GroupMessage::Multicast { process, group, payload } => {
                put_member(&mut out, process, &group);
                return (out.freeze(), payload);
            }
            GroupMessage::JoinList { ring, members } => {
                put_ring(&mut out, &ring);
                out.put_u16(members.len() as u16);
                members.iter().for_each(|(process, group)| put_member(&mut out, *process, group));
            }
            GroupMessage::Key { key, step } => {
                out.put_u8(key);
                out.put_u8(step as u8);
            }
        }
        (Bytes::new(), out.freeze())
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<GroupMessage, DecodeError> {
        let mut reader = Reader::new(bytes);
        let message = match reader.u8()? {
            0 => {
                let (process, group) = read_member(&mut reader)?;
                GroupMessage::Join { process, group }
            }
            1 => {
                let (process, group) = read_member(&mut reader)?;
                let reason = match reader.u8()? {
                    2 => ChangeReason::Leave,
                    5 => ChangeReason::ProcessDown,
                    other => {
                        return Err(DecodeError::Value { what: "reason", found: other.into() });
                    }
                };
                GroupMessage::Leave { process, group, reason }
            }
            2 => {
                let (process, group) = read_member(&mut reader)?;
                GroupMessage::Multicast { process, group, payload: reader.rest() }
            }
            3 => {
                let ring = reader.ring()?;
                let count = reader.count("join list", MAX_CLIENTS)?;
                let mut members = Vec::with_capacity(count.min(reader.remaining() / 5));
                for _ in 0..count {
                    members.push(read_member(&mut reader)?);
                }
                GroupMessage::JoinList { ring, members }
            }
            4 => {
                let key = reader.u8()?;
                let step = match reader.u8()? {
                    0 => KeyStep::Activate,
                    1 => KeyStep::CleanUp,
                    other => {
                        return Err(DecodeError::Value { what: "key step", found: other.into() });
                    }
                };
                GroupMessage::Key { key, step }
            }
            found => return Err(DecodeError::Kind { found }),
        };
        reader.finish()?;
        Ok(message)
    }
}

fn put_member(out: &mut BytesMut, process: ProcessId, group: &GroupName) {
    out.put_u32(process.0);
    out.put_u8(group.as_bytes().len() as u8);
    out.put_slice(group.as_bytes());
}

fn read_member(reader: &mut Reader) -> Result<(ProcessId, GroupName), DecodeError> {
    let process = ProcessId(reader.u32()?);
    let length = usize::from(reader.u8()?);
    if length > MAX_NAME {
        let what = "bytes of a group name";
        return Err(DecodeError::TooMany { what, count: length, limit: MAX_NAME });
    }
    let name = reader.bytes(length)?;
    let group = GroupName::new(&name).map_err(|_| DecodeError::TooMany {
        what: "group name",
        count: length,
        limit: MAX_NAME,
    })?;
    Ok((process, group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incarnation, NodeId};

    #[test]
    fn every_kind_survives_the_round_trip_and_no_prefix_panics() {
        let group = GroupName::new("db").unwrap();
        let process = ProcessId(7);
        let representative = NodeId::new(1).unwrap();
        let ring = RingId { sequence: 5, representative, incarnation: Incarnation(3) };
        let messages = [
            GroupMessage::Join { process, group: group.clone() },
            GroupMessage::Leave { process, group: group.clone(), reason: ChangeReason::Leave },
            GroupMessage::Multicast { process, group: group.clone(), payload: "hello".into() },
            GroupMessage::JoinList { ring, members: vec![(process, group)] },
            GroupMessage::Key { key: 1, step: KeyStep::CleanUp },
        ];
        for message in messages {
            let (header, body) = message.clone().encode();
            let whole: Bytes = [header, body].concat().into();
            assert_eq!(GroupMessage::decode(whole.clone()).as_ref(), Ok(&message));
            for length in 0..whole.len() {
                let _ = GroupMessage::decode(whole.slice(..length));
            }
        }
    }
}
