//! A client that sends what it likes.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use node_daemon::ipc::Place;
use node_daemon::ipc::frame::{DISCONNECT, Frame, Layout, flag};
use node_daemon::ipc::handshake::{ANSWER_LENGTH, Answer, MESSAGE_SIZE, Request};

use super::node::Node;

/// A connection without manners.
pub struct Raw {
    setup: UnixStream,
    requests: UnixDatagram,
    /// Nobody reads it.
    _events: UnixDatagram,
}

impl Raw {
    /// Connects as is proper.
    pub fn open(node: &Node, endpoint: &str) -> Raw {
        let mut setup = UnixStream::connect(node.directory().join(endpoint)).unwrap();
        setup.write_all(&Request { message_size: MESSAGE_SIZE }.encode()).unwrap();
        let mut bytes = [0; ANSWER_LENGTH];
        setup.read_exact(&mut bytes).unwrap();
        let answer = Answer::decode(&bytes).unwrap();
        let address = |suffix| Place::datagram(&answer.base, suffix).unwrap();
        let requests = UnixDatagram::bind_addr(&address("response")).unwrap();
        requests.connect_addr(&address("request")).unwrap();
        requests.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        let _events = UnixDatagram::bind_addr(&address("event")).unwrap();
        Raw { setup, requests, _events }
    }

    /// Sends a datagram.
    pub fn send(&mut self, bytes: &[u8]) {
        // The server may have closed the connection over what came before.
        let _ = self.requests.send(bytes);
    }

    /// Sends a datagram; false if there is nobody to take it any more.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.requests.send(bytes).is_ok()
    }

    /// Whether the server closes the connection in time.
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        self.setup.set_read_timeout(Some(time)).unwrap();
        match self.setup.read(&mut [0; 1]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A frame as it should be.
pub fn frame(text: &str) -> Vec<u8> {
    let payload = format!("{text}\0");
    let expanded = payload.len() as u32;
    let layout = Layout::New;
    Frame { id: 1, flags: 0, layout, part: 0, expanded, payload: payload.as_bytes() }.encode()
}

/// One part of a message that has more.
pub fn part(number: u16, length: usize) -> Vec<u8> {
    let payload = [vec![b'x'; length], vec![0]].concat();
    let flags = flag::PART;
    let expanded = payload.len() as u32;
    Frame { id: 1, flags, layout: Layout::New, part: number, expanded, payload: &payload }.encode()
}

/// A frame of compressed text.
fn compressed(expanded: u32, payload: &[u8]) -> Vec<u8> {
    let flags = flag::COMPRESSED;
    Frame { id: 1, flags, layout: Layout::Old, part: 0, expanded, payload }.encode()
}

/// A frame that says it has a thousand bytes and has four million.
pub fn bomb() -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(&vec![b' '; 4 << 20]).unwrap();
    compressed(1_000, &encoder.finish().unwrap())
}

fn with(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = frame("<c/>");
    bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    bytes
}

/// Sequences of datagrams that are no messages.
pub fn wrong() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let whole = frame("<c/>");
    vec![
        ("half a header", vec![whole[..20].to_vec()]),
        ("three bytes", vec![whole[..3].to_vec()]),
        ("half a frame", vec![whole[..42].to_vec()]),
        ("more than it says", vec![[whole.clone(), vec![0; 9]].concat()]),
        ("a negative size", vec![with(8, u32::MAX)]),
        ("a huge size", vec![with(8, i32::MAX as u32)]),
        ("a payload of another size", vec![with(24, u32::MAX)]),
        ("another version", vec![with(32, 7)]),
        ("nothing but zeros", vec![vec![0; 64]]),
        (
            "noise",
            vec![(0..4_096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()],
        ),
        ("a second part without a first", vec![part(1, 10)]),
        ("a first part twice", vec![part(0, 10), part(0, 10)]),
        ("a part left out", vec![part(0, 10), part(2, 10)]),
        ("a part in between", vec![part(0, 10), whole.clone()]),
        ("compressed noise", vec![compressed(100, &[7; 50])]),
        ("compressed text that is said to be huge", vec![compressed(u32::MAX, &[7; 50])]),
        ("good-bye", vec![DISCONNECT.to_ne_bytes().to_vec()]),
    ]
}

/// Messages that make no sense, in proper frames.
pub fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    vec![
        ("no text", frame("")),
        ("no XML", frame("hello")),
        ("an element without end", frame("<c")),
        ("very deep XML", frame(&deep)),
        ("an entity", frame("<!DOCTYPE c [<!ENTITY e \"x\">]><c>&e;</c>")),
        ("no command", frame("<c/>")),
        ("a command that does not exist", frame("<c t=\"cib\" cib_op=\"cib_dance\"/>")),
        (
            "no number",
            frame("<c t=\"cib\" cib_op=\"cib_query\" cib_callid=\"x\" cib_callopt=\"y\"/>"),
        ),
    ]
}
