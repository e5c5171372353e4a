//! What an administrator may order of a running node: to read its configuration again, to change votes,
//! and to stop.
//!
//! Whoever may open the node's state directory can: at a socket beside the ring's state, which takes one
//! order as JSON per connection, up to the end of what the other side writes, and answers with an
//! [`Answer`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Stream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use quorum::votes::Refusal;
use serde::{Deserialize, Serialize};

/// How long the one who orders waits for the answer: an order waits while a ring forms.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;
/// Longest order that is read.
const MAX_ORDER: usize = 4096;
/// How many may be connected; then the longest that has not ordered anything yet has to go, or else the
/// new one.
const MAX_CALLERS: usize = 16;

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// All nodes read their `corosync.conf` again.
    Reload,
    /// The expected votes of the running cluster.
    Expected(u32),
    /// The votes of a node.
    Votes {
        /// The node's name or id.
        node: String,
        /// Its votes.
        votes: u32,
    },
    /// Nobody waits for all nodes any longer.
    CancelWaiting,
    /// This node stops in order.
    ShutDown,
}

/// The kinds of refusal, by the names that the reference's tools print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// It cannot be done as asked.
    InvalidParam,
    /// There is no such node.
    NameNotFound,
    /// It can be done another time.
    TryAgain,
}

impl Code {
    /// The number of the error in the reference's interfaces (spec 70 §15).
    pub fn number(self) -> u8 {
        match self {
            Code::TryAgain => 6,
            Code::InvalidParam => 7,
            Code::NameNotFound => 17,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Code::InvalidParam => "CS_ERR_INVALID_PARAM",
            Code::NameNotFound => "CS_ERR_NAME_NOT_FOUND",
            Code::TryAgain => "CS_ERR_TRY_AGAIN",
        })
    }
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The kind.
    pub code: Code,
    /// What is wrong.
    pub reason: String,
}

/// What came of it at the node that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why nothing was changed.
    pub refused: Option<Refused>,
    /// Keys whose value changed, came or went in a reload.
    pub changed: Vec<String>,
    /// What was not changed, because it cannot change while the node runs.
    pub notices: Vec<String>,
    /// What should have changed and could not.
    pub errors: Vec<String>,
}

impl Answer {
    /// Nothing was changed.
    pub fn refused(code: Code, reason: &dyn std::fmt::Display) -> Answer {
        Answer { refused: Some(Refused { code, reason: reason.to_string() }), ..Answer::default() }
    }
}

impl From<Result<(), Refusal>> for Answer {
    fn from(result: Result<(), Refusal>) -> Answer {
        let Err(refusal) = result else { return Answer::default() };
        let code = match refusal {
            Refusal::UnknownNode(_) => Code::NameNotFound,
            Refusal::TryAgain => Code::TryAgain,
            _ => Code::InvalidParam,
        };
        Answer::refused(code, &refusal)
    }
}

/// Who ordered something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller(pub u64);

struct Call {
    stream: UnixStream,
    token: Token,
    text: Vec<u8>,
    /// The order was handed over; its answer is awaited.
    taken: bool,
}

fn socket_of(state: &Path) -> PathBuf {
    state.join("ring").join("orders")
}

/// Where orders are taken.
pub struct OrderDesk {
    listener: UnixListener,
    path: PathBuf,
    registry: Registry,
    door: Token,
    calls: BTreeMap<Caller, Call>,
    next: u64,
}

impl OrderDesk {
    /// Opens the socket; what an earlier run left is removed. Tokens from `door` up to and with
    /// `door + 16` are its own.
    ///
    /// # Errors
    /// When there can be no socket.
    pub fn open(state: &Path, registry: &Registry, door: Token) -> io::Result<OrderDesk> {
        let path = socket_of(state);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut listener = UnixListener::bind(&path)?;
        let registry = registry.try_clone()?;
        registry.register(&mut listener, door, Interest::READABLE)?;
        Ok(OrderDesk { listener, path, registry, door, calls: BTreeMap::new(), next: 0 })
    }

    /// Lets callers in and reads what they order; to be told which tokens are ready.
    pub fn take(&mut self, ready: &[Token]) -> Vec<(Caller, Order)> {
        if ready.contains(&self.door) {
            while let Ok((stream, _)) = self.listener.accept() {
                self.admit(stream);
            }
        }
        let spoken: Vec<Caller> = self
            .calls
            .iter()
            .filter(|(_, call)| ready.contains(&call.token) && !call.taken)
            .map(|(caller, _)| *caller)
            .collect();
        spoken.into_iter().filter_map(|caller| Some((caller, self.read(caller)?))).collect()
    }

    fn admit(&mut self, mut stream: UnixStream) {
        if self.calls.len() >= MAX_CALLERS {
            let silent = self.calls.iter().find(|(_, call)| !call.taken).map(|(caller, _)| *caller);
            let Some(silent) = silent else { return };
            self.hang_up(silent);
        }
        let used: BTreeSet<usize> = self.calls.values().map(|call| call.token.0).collect();
        let Some(token) = (self.door.0 + 1..).find(|token| !used.contains(token)) else { return };
        let token = Token(token);
        // What was written before this is told, too.
        if let Err(error) = self.registry.register(&mut stream, token, Interest::READABLE) {
            log::warn!("an order cannot be taken: {error}");
            return;
        }
        let call = Call { stream, token, text: Vec::new(), taken: false };
        self.calls.insert(Caller(self.next), call);
        self.next += 1;
    }

    /// The order, when all of it is there.
    fn read(&mut self, caller: Caller) -> Option<Order> {
        let call = self.calls.get_mut(&caller)?;
        let mut buffer = [0; 1024];
        loop {
            match call.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => call.text.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.hang_up(caller);
                    return None;
                }
            }
            if call.text.len() > MAX_ORDER {
                let text = format!("an order has at most {MAX_ORDER} bytes");
                self.answer(caller, &Answer::refused(Code::InvalidParam, &text));
                return None;
            }
        }
        match serde_json::from_slice(&call.text) {
            Ok(order) => {
                call.taken = true;
                Some(order)
            }
            Err(error) => {
                self.answer(caller, &Answer::refused(Code::InvalidParam, &error));
                None
            }
        }
    }

    /// Answers. The ring waits for nobody: who does not read misses it.
    pub fn answer(&mut self, caller: Caller, answer: &Answer) {
        let (Some(call), Ok(json)) = (self.calls.get_mut(&caller), serde_json::to_vec(answer))
        else {
            return;
        };
        if let Err(error) = call.stream.write_all(&json) {
            log::debug!("the answer to an order was not taken: {error}");
        }
        self.hang_up(caller);
    }

    fn hang_up(&mut self, caller: Caller) {
        if let Some(mut call) = self.calls.remove(&caller) {
            let _ = self.registry.deregister(&mut call.stream);
        }
    }
}

impl Drop for OrderDesk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Orders something of the node whose state is there.
///
/// # Errors
/// When no node runs with that state, it may not be ordered anything, or no answer comes.
pub fn give(state: &Path, order: &Order) -> io::Result<Answer> {
    let mut stream = Stream::connect(socket_of(state))?;
    stream.write_all(&serde_json::to_vec(order).map_err(io::Error::other)?)?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut json = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    /// Answers every order with itself, until so many were taken.
    fn serve(desk: &mut OrderDesk, poll: &mut Poll, orders: usize) -> Vec<Order> {
        let (mut events, mut taken) = (Events::with_capacity(32), Vec::new());
        while taken.len() < orders {
            poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            let ready: Vec<Token> = events.iter().map(|event| event.token()).collect();
            assert!(!ready.is_empty(), "nothing came within 20 s; taken: {taken:?}");
            for (caller, order) in desk.take(&ready) {
                let notices = vec![format!("{order:?}")];
                desk.answer(caller, &Answer { notices, ..Answer::default() });
                taken.push(order);
            }
        }
        taken
    }

    fn desk() -> (tempfile::TempDir, Poll, OrderDesk) {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("ring")).unwrap();
        // What a run that was killed leaves behind.
        drop(UnixListener::bind(socket_of(state.path())).unwrap());
        let poll = Poll::new().unwrap();
        let desk = OrderDesk::open(state.path(), poll.registry(), Token(40)).unwrap();
        (state, poll, desk)
    }

    #[test]
    fn each_who_orders_gets_the_answer_to_its_own_order() {
        let (state, mut poll, mut desk) = desk();
        let orders = [
            Order::Reload,
            Order::Expected(3),
            Order::Votes { node: "anna".to_owned(), votes: 2 },
            Order::CancelWaiting,
        ];
        let callers: Vec<_> = orders
            .iter()
            .cloned()
            .map(|order| {
                let state = state.path().to_owned();
                std::thread::spawn(move || (give(&state, &order).unwrap(), order))
            })
            .collect();
        serve(&mut desk, &mut poll, orders.len());
        for caller in callers {
            let (answer, order) = caller.join().unwrap();
            assert_eq!(answer.notices, [format!("{order:?}")]);
        }
        drop(desk);
        assert_eq!(give(state.path(), &Order::Reload).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn silent_long_and_senseless_callers_hold_up_nobody() {
        let (state, mut poll, mut desk) = desk();
        let connect = || Stream::connect(socket_of(state.path())).unwrap();
        let silent: Vec<Stream> = (0..2 * MAX_CALLERS).map(|_| connect()).collect();
        let (mut long, mut senseless) = (connect(), connect());
        long.write_all(&[b'x'; MAX_ORDER + 1]).unwrap();
        senseless.write_all(b"{\"Expected\": -1}").unwrap();
        senseless.shutdown(Shutdown::Write).unwrap();
        let place = state.path().to_owned();
        let honest = std::thread::spawn(move || give(&place, &Order::Expected(1)).unwrap());
        assert_eq!(serve(&mut desk, &mut poll, 1), [Order::Expected(1)]);
        assert_eq!(honest.join().unwrap().refused, None);
        for (mut stream, reason) in
            [(long, "an order has at most 4096 bytes"), (senseless, "invalid value")]
        {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let answer: Answer = serde_json::from_str(&answer).unwrap();
            let refused = answer.refused.unwrap();
            assert!(refused.reason.contains(reason), "{refused:?}");
        }
        assert!(desk.calls.len() <= MAX_CALLERS);
        drop(silent);
    }
}
