//! Messages as bytes: a fixed header, big-endian numbers, texts with their length in front.
//!
//! Every length is checked against its bound before anything is allocated for it.

use std::time::Duration;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::device::Delay;
use crate::message::*;
use crate::outcome::{ExecutionStatus, MAX_REASON, bounded};

/// Longest message, in bytes.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Most devices in one query reply.
pub const MAX_OFFERS: usize = 4096;

/// Most records in one history message.
pub const MAX_ENTRIES: usize = 1024;

/// Longest agent output in a message, in bytes.
const MAX_WIRE_OUTPUT: usize = 2048;

/// Longest client name, in bytes.
const MAX_CLIENT: usize = 255;

const MAGIC: [u8; 2] = *b"UF";
const VERSION: u8 = 1;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Too long to be looked at.
    #[error("a message of {length} bytes; at most {MAX_MESSAGE} are accepted")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It ends early.
    #[error("the message ends at byte {at} within {what}")]
    Truncated {
        /// Where.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// A value outside its range.
    #[error("byte {at}: {value} is no {what}")]
    Value {
        /// Where the value ends.
        at: usize,
        /// What was being read.
        what: &'static str,
        /// What was found.
        value: String,
    },
    /// Something follows the message.
    #[error("{extra} bytes follow the message, which ends at byte {at}")]
    Trailing {
        /// Where the message ends.
        at: usize,
        /// How many bytes follow.
        extra: usize,
    },
}

impl Message {
    /// The message as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer { bytes: Vec::with_capacity(128) };
        out.bytes.extend(MAGIC);
        out.u8(VERSION);
        match self {
            Self::Query(query) => out.query(query),
            Self::QueryReply(reply) => {
                out.u8(2);
                out.id(reply.operation);
                out.u64(reply.incarnation);
                let offers = &reply.offers[..reply.offers.len().min(MAX_OFFERS)];
                out.u16(offers.len() as u16);
                offers.iter().for_each(|offer| out.offer(offer));
            }
            Self::Fence(request) => out.fence(request),
            Self::FenceReply(reply) => out.fence_reply(reply),
            Self::Relay(relay) => {
                out.u8(5);
                out.id(relay.stand_in);
                out.text(relay.target.as_str(), MAX_CLIENT);
                out.u8(relay.action as u8);
                out.u32(relay.base.0);
                out.u32(relay.delay.cast_unsigned());
                out.flag(relay.allow_self);
            }
            Self::Result(result) => {
                out.u8(6);
                out.id(result.operation);
                out.text(result.target.as_str(), MAX_CLIENT);
                out.u8(result.action as u8);
                out.text(result.originator.as_str(), MAX_CLIENT);
                out.text(&result.client, MAX_CLIENT);
                out.maybe_text(result.delegate.as_ref().map(NodeName::as_str), MAX_CLIENT);
                out.outcome(&result.outcome);
            }
            Self::TimeoutUpdate { operation, total } => {
                out.u8(7);
                out.id(*operation);
                out.u32(total.0);
            }
            Self::History { differential, entries } => {
                out.u8(8);
                out.flag(*differential);
                let entries = &entries[..entries.len().min(MAX_ENTRIES)];
                out.u16(entries.len() as u16);
                entries.iter().for_each(|entry| out.entry(entry));
            }
            Self::HistoryCleanup { target } => {
                out.u8(9);
                out.maybe_text(target.as_ref().map(NodeName::as_str), MAX_CLIENT);
            }
        }
        out.bytes
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(WireError::TooLong { length: bytes.len() });
        }
        let mut input = Reader { bytes, at: 0 };
        if input.take(2, "the mark UF")? != MAGIC {
            return Err(input.value("mark UF", "the beginning"));
        }
        let version = input.u8("the version")?;
        if version != VERSION {
            return Err(input.value("version known here", version));
        }
        let message = input.message()?;
        match bytes.len() - input.at {
            0 => Ok(message),
            extra => Err(WireError::Trailing { at: input.at, extra }),
        }
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    fn id(&mut self, id: OperationId) {
        self.bytes.extend(id.0);
    }

    fn text(&mut self, text: &str, limit: usize) {
        let text = bounded(text.to_owned(), limit);
        self.u16(text.len() as u16);
        self.bytes.extend(text.as_bytes());
    }

    fn maybe_text(&mut self, text: Option<&str>, limit: usize) {
        self.flag(text.is_some());
        text.into_iter().for_each(|text| self.text(text, limit));
    }

    fn maybe_device(&mut self, device: Option<&DeviceId>) {
        self.maybe_text(device.map(DeviceId::as_str), MAX_CLIENT);
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.u32(outcome.exit.cast_unsigned());
        self.u8(outcome.status.number().cast_unsigned());
        self.maybe_text(outcome.reason.as_deref(), MAX_REASON);
        self.text(&outcome.output, MAX_WIRE_OUTPUT);
    }

    fn terms(&mut self, terms: &ActionTerms) {
        self.flag(terms.required);
        self.flag(terms.disallowed);
        self.u32(terms.timeout.0);
        self.u32(terms.delay.base.0);
        self.u32(terms.delay.max.0);
    }

    fn offer(&mut self, offer: &Offer) {
        self.text(offer.device.as_str(), MAX_CLIENT);
        self.flag(offer.verified);
        self.flag(offer.supports_on);
        self.flag(offer.supports_reboot);
        self.flag(offer.automatic_unfencing);
        self.terms(&offer.requested);
        for terms in [&offer.off, &offer.on] {
            self.flag(terms.is_some());
            terms.iter().for_each(|terms| self.terms(terms));
        }
    }

    fn query(&mut self, query: &Query) {
        self.u8(1);
        self.id(query.operation);
        self.flag(query.relay.is_some());
        query.relay.into_iter().for_each(|id| self.id(id));
        self.text(query.target.as_str(), MAX_CLIENT);
        self.u8(query.action as u8);
        self.text(&query.client, MAX_CLIENT);
        self.u32(query.base.0);
        self.flag(query.allow_self);
    }

    fn fence(&mut self, request: &FenceRequest) {
        self.u8(3);
        self.id(request.operation);
        self.u32(request.attempt);
        self.u64(request.incarnation);
        self.text(request.target.as_str(), MAX_CLIENT);
        self.u8(request.action as u8);
        self.text(&request.client, MAX_CLIENT);
        self.text(request.originator.as_str(), MAX_CLIENT);
        self.u32(request.timeout.0);
        self.u32(request.delay.cast_unsigned());
        self.maybe_device(request.device.as_ref());
        self.flag(request.completes);
    }

    fn fence_reply(&mut self, reply: &FenceReply) {
        self.u8(4);
        self.id(reply.operation);
        self.u32(reply.attempt);
        self.maybe_device(reply.device.as_ref());
        self.text(reply.target.as_str(), MAX_CLIENT);
        self.u8(reply.action as u8);
        self.text(reply.originator.as_str(), MAX_CLIENT);
        self.text(&reply.client, MAX_CLIENT);
        self.flag(reply.merged);
        self.outcome(&reply.outcome);
    }

    fn entry(&mut self, entry: &HistoryEntry) {
        self.id(entry.operation);
        self.text(entry.target.as_str(), MAX_CLIENT);
        self.u8(entry.action as u8);
        self.text(entry.originator.as_str(), MAX_CLIENT);
        self.maybe_text(entry.delegate.as_ref().map(NodeName::as_str), MAX_CLIENT);
        self.text(&entry.client, MAX_CLIENT);
        self.u8(entry.state as u8);
        self.u64(entry.completed.as_secs());
        self.u32(entry.completed.subsec_nanos());
        self.flag(entry.outcome.is_some());
        entry.outcome.iter().for_each(|outcome| self.outcome(outcome));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, WireError>;

impl<'a> Reader<'a> {
    fn value(&self, what: &'static str, value: impl std::fmt::Display) -> WireError {
        WireError::Value { at: self.at, what, value: value.to_string() }
    }

    fn take(&mut self, count: usize, what: &'static str) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(WireError::Truncated { at: self.bytes.len(), what })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u8(&mut self, what: &'static str) -> Read<u8> {
        Ok(self.array::<1>(what)?[0])
    }

    fn u16(&mut self, what: &'static str) -> Read<u16> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    fn u32(&mut self, what: &'static str) -> Read<u32> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &'static str) -> Read<u64> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    fn seconds(&mut self, what: &'static str) -> Read<Seconds> {
        Ok(Seconds(self.u32(what)?))
    }

    fn flag(&mut self, what: &'static str) -> Read<bool> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.value("flag (0 or 1)", other)),
        }
    }

    fn id(&mut self) -> Read<OperationId> {
        Ok(OperationId(self.array("an operation id")?))
    }

    fn text(&mut self, what: &'static str, limit: usize) -> Read<&'a str> {
        let length = usize::from(self.u16(what)?);
        if length > limit {
            return Err(self.value(what, format_args!("a text of {length} bytes")));
        }
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| self.value(what, "a text that is not UTF-8"))
    }

    fn maybe<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<Option<T>> {
        self.flag(what)?.then(|| read(self)).transpose()
    }

    fn node(&mut self) -> Read<NodeName> {
        let text = self.text("node name", MAX_CLIENT)?;
        NodeName::new(text).map_err(|error| self.value("node name", error))
    }

    fn device(&mut self) -> Read<DeviceId> {
        let text = self.text("device id", MAX_CLIENT)?;
        DeviceId::new(text).map_err(|error| self.value("device id", error))
    }

    fn client(&mut self) -> Read<String> {
        let text = self.text("client name", MAX_CLIENT)?;
        if text.chars().any(char::is_control) {
            return Err(self.value("client name", "a text with control characters"));
        }
        Ok(text.to_owned())
    }

    fn action(&mut self) -> Read<Action> {
        let number = self.u8("an action")?;
        let found = Action::ALL.into_iter().find(|action| *action as u8 == number);
        found.ok_or_else(|| self.value("action", number))
    }

    fn outcome(&mut self) -> Read<Outcome> {
        let exit = self.u32("an exit status")?.cast_signed();
        let number = self.u8("an execution status")?.cast_signed();
        let status = ExecutionStatus::from_number(number)
            .ok_or_else(|| self.value("execution status", number))?;
        let reason = self.maybe("a reason", |r| Ok(r.text("reason", MAX_REASON)?.to_owned()))?;
        let output = self.text("agent output", MAX_WIRE_OUTPUT)?.to_owned();
        Ok(Outcome { exit, status, reason, output })
    }

    fn terms(&mut self) -> Read<ActionTerms> {
        Ok(ActionTerms {
            required: self.flag("required")?,
            disallowed: self.flag("disallowed")?,
            timeout: self.seconds("a timeout")?,
            delay: Delay { base: self.seconds("a delay")?, max: self.seconds("a delay")? },
        })
    }

    fn offer(&mut self) -> Read<Offer> {
        Ok(Offer {
            device: self.device()?,
            verified: self.flag("verified")?,
            supports_on: self.flag("supports on")?,
            supports_reboot: self.flag("supports reboot")?,
            automatic_unfencing: self.flag("automatic unfencing")?,
            requested: self.terms()?,
            off: self.maybe("terms for off", Self::terms)?,
            on: self.maybe("terms for on", Self::terms)?,
        })
    }

    fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        let count = usize::from(self.u16(what)?);
        if count > limit {
            return Err(self.value(what, format_args!("a count of {count}")));
        }
        // The items are read one by one, so a count larger than the bytes that follow costs nothing.
        (0..count).map(|_| read(self)).collect()
    }

    fn entry(&mut self) -> Read<HistoryEntry> {
        Ok(HistoryEntry {
            operation: self.id()?,
            target: self.node()?,
            action: self.action()?,
            originator: self.node()?,
            delegate: self.maybe("a delegate", Self::node)?,
            client: self.client()?,
            state: {
                let number = self.u8("a state")?;
                State::from_number(number).ok_or_else(|| self.value("state", number))?
            },
            completed: {
                let seconds = self.u64("a time")?;
                let nanos = self.u32("nanoseconds")?;
                if nanos >= 1_000_000_000 {
                    return Err(self.value("number of nanoseconds below a second", nanos));
                }
                Duration::new(seconds, nanos)
            },
            outcome: self.maybe("a result", Self::outcome)?,
        })
    }

    fn message(&mut self) -> Read<Message> {
        Ok(match self.u8("the kind of message")? {
            1 => Message::Query(Query {
                operation: self.id()?,
                relay: self.maybe("a relay", Self::id)?,
                target: self.node()?,
                action: self.action()?,
                client: self.client()?,
                base: self.seconds("a timeout")?,
                allow_self: self.flag("allow self")?,
            }),
            2 => Message::QueryReply(QueryReply {
                operation: self.id()?,
                incarnation: self.u64("an incarnation")?,
                offers: self.list("the devices", MAX_OFFERS, Self::offer)?,
            }),
            3 => Message::Fence(FenceRequest {
                operation: self.id()?,
                attempt: self.u32("an attempt")?,
                incarnation: self.u64("an incarnation")?,
                target: self.node()?,
                action: self.action()?,
                client: self.client()?,
                originator: self.node()?,
                timeout: self.seconds("a timeout")?,
                delay: self.u32("a delay")?.cast_signed(),
                device: self.maybe("a device", Self::device)?,
                completes: self.flag("completes")?,
            }),
            4 => Message::FenceReply(FenceReply {
                operation: self.id()?,
                attempt: self.u32("an attempt")?,
                device: self.maybe("a device", Self::device)?,
                target: self.node()?,
                action: self.action()?,
                originator: self.node()?,
                client: self.client()?,
                merged: self.flag("merged")?,
                outcome: self.outcome()?,
            }),
            5 => Message::Relay(Relay {
                stand_in: self.id()?,
                target: self.node()?,
                action: self.action()?,
                base: self.seconds("a timeout")?,
                delay: self.u32("a delay")?.cast_signed(),
                allow_self: self.flag("allow self")?,
            }),
            6 => Message::Result(OperationResult {
                operation: self.id()?,
                target: self.node()?,
                action: self.action()?,
                originator: self.node()?,
                client: self.client()?,
                delegate: self.maybe("a delegate", Self::node)?,
                outcome: self.outcome()?,
            }),
            7 => {
                Message::TimeoutUpdate { operation: self.id()?, total: self.seconds("a timeout")? }
            }
            8 => Message::History {
                differential: self.flag("differential")?,
                entries: self.list("the records", MAX_ENTRIES, Self::entry)?,
            },
            9 => Message::HistoryCleanup { target: self.maybe("a target", Self::node)? },
            other => return Err(self.value("kind of message", other)),
        })
    }
}

#[cfg(test)]
mod tests;
