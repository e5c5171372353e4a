//! A client that keeps asking every node for the service, and notes who answers when.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Time between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(4);
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// What was answered.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// Rounds in which all nodes were asked.
    pub rounds: u64,
    /// Rounds without an answer.
    pub silent: u64,
    /// Rounds in which more than one node answered.
    pub double: u64,
    /// Answers of one instance of the service: who, first, last, how many.
    pub instances: Vec<(String, Instant, Instant, u64)>,
}

impl Answers {
    /// Who answered last.
    pub fn last(&self) -> Option<&str> {
        self.instances.last().map(|(name, ..)| name.as_str())
    }

    /// The longest time without an answer between two instances.
    pub fn longest_gap(&self) -> Option<Duration> {
        self.instances.windows(2).map(|pair| pair[1].1.saturating_duration_since(pair[0].2)).max()
    }

    /// Whether any two instances answered in overlapping times.
    pub fn overlap(&self) -> bool {
        self.instances.windows(2).any(|pair| pair[1].1 < pair[0].2)
    }

    fn note(&mut self, who: String, asked: Instant, answered: Instant) {
        match self.instances.iter_mut().find(|(name, ..)| *name == who) {
            Some(instance) => (instance.2, instance.3) = (answered, instance.3 + 1),
            None => self.instances.push((who, asked, answered, 1)),
        }
    }
}

/// The client, asking in a thread of its own.
pub struct Client {
    answers: Arc<Mutex<Answers>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Asks these addresses, over and over.
    pub fn start(addresses: Vec<SocketAddr>) -> Client {
        let (answers, stop) =
            (Arc::new(Mutex::new(Answers::default())), Arc::new(AtomicBool::new(false)));
        let (noted, told) = (answers.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                round(&addresses, &noted);
                thread::sleep(PAUSE);
            }
        });
        Client { answers, stop, thread: Some(thread) }
    }

    /// What was answered so far.
    pub fn answers(&self) -> Answers {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn round(addresses: &[SocketAddr], noted: &Mutex<Answers>) {
    let mut answered = Vec::new();
    for address in addresses {
        let asked = Instant::now();
        if let Some(who) = ask(*address) {
            answered.push((who, asked, Instant::now()));
        }
    }
    let mut answers = noted.lock().unwrap_or_else(PoisonError::into_inner);
    answers.rounds += 1;
    answers.silent += u64::from(answered.is_empty());
    answers.double += u64::from(answered.len() > 1);
    for (who, asked, at) in answered {
        answers.note(who, asked, at);
    }
}

/// Who answers at an address: the node's name and the process's id.
fn ask(address: SocketAddr) -> Option<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
