//! Subsystems and observers in other processes: a Unix socket in the node's state directory, over which
//! envelopes travel as frames.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::post::{Mail, Mailbox, Post, Postmaster};
use crate::subsystem::{Address, Envelope, MAX_FRAME, NodeId, Room, decode, encode};

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

/// Writes one frame: its length in four bytes, then its bytes.
///
/// # Errors
/// As the system says.
pub fn write_frame<T: serde::Serialize>(stream: &mut impl Write, value: &T) -> io::Result<()> {
    let bytes = encode(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(bytes.len() + 4);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&bytes);
    stream.write_all(&frame)
}

/// Reads one frame.
///
/// # Errors
/// As the system says, and when the frame is too long or not what is expected.
pub fn read_frame<T: serde::de::DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other(format!(
            "a frame of {length} bytes; at most {MAX_FRAME} are accepted"
        )));
    }
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    decode(&bytes).map_err(io::Error::other)
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

fn connection(
    mut stream: UnixStream,
    me: NodeId,
    state: &Path,
    post: &Postmaster,
) -> io::Result<()> {
    let room: Room = read_frame(&mut stream)?;
    if room == Room::Messaging || post.has(room) {
        return Err(io::Error::other(format!("there is a {room} already")));
    }
    let (mailbox, inbox) = Mailbox::of_connection(stream.try_clone()?);
    let mut out = stream.try_clone()?;
    let writer = thread::Builder::new().name(format!("to {room}")).spawn(move || {
        while let Ok(mail) = inbox.wait() {
            let Mail::Envelope(envelope) = mail else { continue };
            if write_frame(&mut out, &*envelope).is_err() {
                break;
            }
        }
        let _ = out.shutdown(std::net::Shutdown::Both);
    })?;
    post.open(room, mailbox);
    let there = marker(state, room);
    if let Err(error) = std::fs::write(&there, "") {
        log::warn!("hub: {}: {error}", there.display());
    }
    let result = loop {
        match read_frame::<Envelope>(&mut stream) {
            // Whoever is connected speaks for itself only.
            Ok(envelope) => {
                let from = Address { node: me, room };
                post.post(Envelope { from, ..envelope });
            }
            Err(error) => break error,
        }
    };
    let _ = std::fs::remove_file(&there);
    post.close(room);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    let _ = writer.join();
    Err(result)
}

/// The other end: a subsystem in a process of its own, or an observer.
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects as this room.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(state: &Path, room: Room) -> io::Result<Connection> {
        let mut stream = UnixStream::connect(socket(state))?;
        write_frame(&mut stream, &room)?;
        Ok(Connection { stream })
    }

    /// Sends an envelope.
    ///
    /// # Errors
    /// As the system says.
    pub fn send(&mut self, envelope: &Envelope) -> io::Result<()> {
        write_frame(&mut self.stream, envelope)
    }

    /// Waits for an envelope.
    ///
    /// # Errors
    /// As the system says.
    pub fn receive(&mut self) -> io::Result<Envelope> {
        read_frame(&mut self.stream)
    }

    /// Bounds how long [`Connection::receive`] waits.
    ///
    /// # Errors
    /// As the system says.
    pub fn set_patience(&self, patience: std::time::Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Connects a mailbox: what arrives goes into it, and what is posted goes to the hub.
    ///
    /// # Errors
    /// As the system says.
    pub fn wire(self, mailbox: Mailbox) -> io::Result<Arc<dyn Post>> {
        let (outgoing, inbox) = Mailbox::new(None);
        let mut out = self.stream.try_clone()?;
        thread::Builder::new().name("to hub".to_owned()).spawn(move || {
            while let Ok(Mail::Envelope(envelope)) = inbox.wait() {
                if write_frame(&mut out, &*envelope).is_err() {
                    break;
                }
            }
        })?;
        let mut stream = self.stream;
        thread::Builder::new().name("from hub".to_owned()).spawn(move || {
            while let Ok(envelope) = read_frame::<Envelope>(&mut stream) {
                if !mailbox.put(Mail::Envelope(Box::new(envelope))) {
                    break;
                }
            }
            mailbox.put(Mail::Detach(Room::Messaging));
        })?;
        Ok(Arc::new(ToHub(outgoing)))
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

    use super::super::post::MAX_WAITING;
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
