//! Subsystems and observers in other processes: a Unix socket in the node's state directory, over which
//! envelopes travel as frames.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::incoming::Incoming;
use super::line::Line;
use super::post::{Mail, Mailbox, Post, Postmaster};
use crate::subsystem::{
    Address, Envelope, FrameError, MAX_FRAME, NodeId, Parcel, Room, Sealed, decode,
};

/// The socket's name in a state directory.
pub const SOCKET: &str = "hub.socket";

/// Where the hub of a node listens.
pub fn socket(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

/// A file that is there while a subsystem is connected.
pub fn marker(state: &Path, room: Room) -> PathBuf {
    state.join("rooms").join(room.name())
}

/// What is read ahead of a connection.
const READ_AHEAD: usize = 64 << 10;

/// The bytes of a value as they travel: their number in four bytes, then they.
///
/// # Errors
/// When they would be too many.
pub fn frame<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(value, vec![0; 4]).map_err(FrameError::Unencodable)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    frame[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(frame)
}

/// Reads the bytes of one frame.
///
/// # Errors
/// As the system says, and when the frame is too long.
fn read_bytes(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other(FrameError::TooLong(length)));
    }
    let mut bytes = Vec::with_capacity(length.min(READ_AHEAD));
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Listens, for the owner of the state directory only.
///
/// # Errors
/// As the system says.
pub fn listen(state: &Path) -> io::Result<UnixListener> {
    let path = socket(state);
    super::rooms::make_private(&state.join("rooms"))?;
    for room in Room::ALL {
        let _ = std::fs::remove_file(marker(state, room));
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes connections for as long as the process lives.
pub fn serve(listener: UnixListener, me: NodeId, state: &Path, post: &Arc<Postmaster>) {
    for stream in listener.incoming() {
        let (post, state) = (post.clone(), state.to_owned());
        let begun = stream.and_then(|stream| {
            let name = "hub connection".to_owned();
            thread::Builder::new().name(name).spawn(move || {
                use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
                if let Err(error) = connection(stream, me, &state, &post)
                    && !matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
                {
                    log::warn!("hub: {error}");
                }
            })
        });
        if let Err(error) = begun {
            log::error!("hub: {error}");
        }
    }
}

fn connection(stream: UnixStream, me: NodeId, state: &Path, post: &Postmaster) -> io::Result<()> {
    let mut incoming = BufReader::with_capacity(READ_AHEAD, stream.try_clone()?);
    let room: Room = decode(&read_bytes(&mut incoming)?).map_err(io::Error::other)?;
    if room == Room::Messaging || post.has(room) {
        return Err(io::Error::other(format!("there is a {room} already")));
    }
    let line = Line::new(stream, &format!("to {room}"))?;
    post.open(room, Mailbox::There(line.clone()));
    let there = marker(state, room);
    if let Err(error) = std::fs::write(&there, "") {
        log::warn!("hub: {}: {error}", there.display());
    }
    // Whoever is connected speaks for itself only.
    let from = Address { node: me, room };
    let result = loop {
        let sealed = read_bytes(&mut incoming)
            .and_then(|bytes| Sealed::read(&bytes).map_err(io::Error::other));
        match sealed {
            Ok(sealed) => post.pass_on(Parcel::Sealed(Sealed { from, ..sealed })),
            Err(error) => break error,
        }
    };
    let _ = std::fs::remove_file(&there);
    post.close(room);
    line.close();
    Err(result)
}

/// The other end: a subsystem in a process of its own, or an observer.
pub struct Connection {
    incoming: BufReader<UnixStream>,
}

impl Connection {
    /// Connects as this room.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(state: &Path, room: Room) -> io::Result<Connection> {
        let mut stream = UnixStream::connect(socket(state))?;
        stream.write_all(&frame(&room).map_err(io::Error::other)?)?;
        Ok(Connection { incoming: BufReader::with_capacity(READ_AHEAD, stream) })
    }

    /// Sends an envelope.
    ///
    /// # Errors
    /// As the system says.
    pub fn send(&mut self, envelope: &Envelope) -> io::Result<()> {
        self.incoming.get_mut().write_all(&frame(envelope).map_err(io::Error::other)?)
    }

    /// Waits for an envelope.
    ///
    /// # Errors
    /// As the system says, and when the envelope is none.
    pub fn receive(&mut self) -> io::Result<Envelope> {
        decode(&read_bytes(&mut self.incoming)?).map_err(io::Error::other)
    }

    /// Bounds how long [`Connection::receive`] waits.
    ///
    /// # Errors
    /// As the system says.
    pub fn set_patience(&self, patience: std::time::Duration) -> io::Result<()> {
        self.incoming.get_ref().set_read_timeout(Some(patience))
    }

    /// The two halves, for a subsystem that reads its own.
    ///
    /// # Errors
    /// As the system says.
    pub fn split(self) -> io::Result<(Incoming, Arc<dyn Post>)> {
        let stream = self.incoming.into_inner();
        let line = Line::new(stream.try_clone()?, "to hub")?;
        Ok((Incoming::new(stream), Arc::new(ToHub(Mailbox::There(line)))))
    }

    /// Connects a mailbox: what arrives goes into it, and what is posted goes to the hub.
    ///
    /// # Errors
    /// As the system says.
    pub fn wire(self, mailbox: Mailbox) -> io::Result<Arc<dyn Post>> {
        let mut incoming = self.incoming;
        let line = Line::new(incoming.get_ref().try_clone()?, "to hub")?;
        thread::Builder::new().name("from hub".to_owned()).spawn(move || {
            while let Ok(bytes) = read_bytes(&mut incoming) {
                match decode::<Envelope>(&bytes) {
                    Ok(envelope) => {
                        if !mailbox.put(Mail::Envelope(Box::new(envelope))) {
                            break;
                        }
                    }
                    // It may come from a node of another version.
                    Err(error) => log::warn!("wiring: {error}"),
                }
            }
            mailbox.put(Mail::Detach(Room::Messaging));
        })?;
        Ok(Arc::new(ToHub(Mailbox::There(line))))
    }
}

struct ToHub(Mailbox);

impl Post for ToHub {
    fn post(&self, envelope: Envelope) {
        self.0.put(Mail::Envelope(Box::new(envelope)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::line::MAX_WAITING;
    use super::*;
    use crate::subsystem::{Body, Target};

    fn until(what: &str, reached: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !reached() {
            assert!(Instant::now() < end, "{what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_subsystem_that_does_not_read_is_cut_off_and_may_come_back() {
        let state = tempfile::tempdir().unwrap();
        let me = NodeId::new(1).unwrap();
        let listener = listen(state.path()).unwrap();
        let (own, post) = (state.path().to_owned(), Postmaster::new(me));
        let inside = post.clone();
        thread::spawn(move || serve(listener, me, &own, &inside));
        let room = Room::Scheduler;
        let mut lazy = Connection::open(state.path(), room).unwrap();
        until("it is there", || post.has(room));
        let address = Address { node: me, room: Room::Messaging };
        let envelope = || Envelope { from: address, to: Target::Here(room), body: Body::Stop };
        // More than may wait, beside what the socket itself takes.
        let mut posted = 0;
        while post.has(room) {
            assert!(posted < 10 * MAX_WAITING, "{posted} messages, and it is still there");
            (0..1000).for_each(|_| post.post(envelope()));
            posted += 1000;
        }
        assert!(posted >= MAX_WAITING, "cut off after {posted} messages");
        while lazy.receive().is_ok() {}
        let mut eager = Connection::open(state.path(), room).unwrap();
        until("it is there again", || post.has(room));
        post.post(envelope());
        assert!(matches!(eager.receive().unwrap().body, Body::Stop));
    }
}
