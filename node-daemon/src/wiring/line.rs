//! The sending half of a connection between processes of one node.
//!
//! Whoever sends hands its bytes to the socket itself, without waiting: on a quiet line no other thread is
//! woken. What the socket does not take at once waits, in order, for a thread that writes it. A reader
//! that is hopelessly behind is cut off.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::net::{SendFlags, send};

/// Most frames that wait for one reader.
pub const MAX_WAITING: usize = 200_000;
/// Most bytes of frames that wait for one reader. A single frame is always taken.
pub const MAX_WAITING_BYTES: usize = 256 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Line {
    stream: UnixStream,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread has a frame in hand that goes before those that wait.
    writing: bool,
    closed: bool,
}

impl Line {
    /// The sending half of a connection, and a thread of this name that writes what has to wait.
    ///
    /// # Errors
    /// When the thread cannot begin.
    pub fn new(stream: UnixStream, thread: &str) -> io::Result<Arc<Line>> {
        let line = Arc::new(Line { stream, state: Mutex::default(), changed: Condvar::default() });
        let own = line.clone();
        thread::Builder::new().name(thread.to_owned()).spawn(move || own.write_what_waits())?;
        Ok(line)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a frame, or leaves it to the thread. What comes after the line was closed is lost.
    pub fn send(&self, mut frame: Vec<u8>) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        if state.waiting.is_empty() && !state.writing {
            match send(&self.stream, &frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) if sent == frame.len() => return,
                Ok(sent) => drop(frame.drain(..sent)),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => return self.end(&mut state),
            }
        } else if state.waiting.len() >= MAX_WAITING
            || state.bytes + frame.len() > MAX_WAITING_BYTES
        {
            log::error!(
                "wiring: a subsystem is {} messages of {} bytes behind; its connection is cut",
                state.waiting.len(),
                state.bytes
            );
            return self.end(&mut state);
        }
        state.bytes += frame.len();
        state.waiting.push_back(frame);
        self.changed.notify_one();
    }

    /// Nothing is sent any more; the reader of the other half comes to an end too.
    pub fn close(&self) {
        self.end(&mut self.state());
    }

    fn end(&self, state: &mut State) {
        *state = State { closed: true, ..State::default() };
        let _ = self.stream.shutdown(Shutdown::Both);
        self.changed.notify_one();
    }

    fn write_what_waits(&self) {
        let mut state = self.state();
        loop {
            if state.closed {
                return;
            }
            let Some(frame) = state.waiting.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.bytes -= frame.len();
            state.writing = true;
            drop(state);
            let written = (&self.stream).write_all(&frame);
            state = self.state();
            state.writing = false;
            if written.is_err() {
                return self.end(&mut state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    #[test]
    fn frames_arrive_whole_and_in_order_however_slow_the_reader_is() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let line = Line::new(near, "test").unwrap();
        let lengths = [1, 70_000, 3, 400_000, 5, 2_000_000, 7];
        let all: Vec<u8> = (0..10)
            .flat_map(|round| lengths.iter().map(move |length| vec![round; *length]))
            .flat_map(|frame| {
                line.send(frame.clone());
                frame
            })
            .collect();
        thread::sleep(Duration::from_millis(20));
        line.send(vec![255; 9]);
        let mut read = vec![0; all.len() + 9];
        far.read_exact(&mut read).unwrap();
        assert!(read[..all.len()] == all && read[all.len()..] == [255; 9]);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let line = Line::new(near, "test").unwrap();
        let part = 32 << 20;
        for _ in 0..MAX_WAITING_BYTES / part + 3 {
            line.send(vec![0; part]);
        }
        // Cut off: what arrived ends before all of it.
        let mut all = Vec::new();
        let _ = far.read_to_end(&mut all);
        assert!(all.len() < MAX_WAITING_BYTES, "{} bytes", all.len());
    }
}
