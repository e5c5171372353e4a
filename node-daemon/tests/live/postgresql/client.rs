//! A client that writes numbered rows through the address, one after the other, whatever happens.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::background::Background;
use super::service::{ADDRESS, Row, Service};
use crate::bed::Cluster;
use crate::bed::namespaces::Namespaces;

/// How long an answer may take before the client connects anew.
const PATIENCE: Duration = Duration::from_millis(1000);

/// What the client knows.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Numbers the server acknowledged, and when.
    pub acknowledged: Vec<(u64, Instant)>,
    /// Numbers that were sent and of which nothing was heard: they may be there or not.
    pub unknown: Vec<u64>,
}

impl Written {
    /// The longest times without an acknowledgement.
    pub fn silences(&self, count: usize) -> Vec<Duration> {
        let pairs = self.acknowledged.windows(2);
        let mut all: Vec<Duration> = pairs.map(|pair| pair[1].1 - pair[0].1).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.truncate(count);
        all
    }

    /// Holds what the server has against it: nothing lost, nothing that was never sent, all in order, and
    /// no server that comes back once another has taken over.
    pub fn check(&self, rows: &[Row]) {
        let there: std::collections::BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
        let lost = self.acknowledged.iter().filter(|(number, _)| !there.contains(number));
        assert_eq!(lost.count(), 0, "acknowledged rows are lost");
        assert_eq!(there.len(), rows.len(), "a row is there twice");
        assert!(rows.windows(2).all(|pair| pair[0].number < pair[1].number), "out of order");
        let known = self.acknowledged.len() + self.unknown.len();
        assert!(rows.len() <= known, "{} rows, but {known} were sent", rows.len());
        let mut servers: Vec<&str> = rows.iter().map(|row| row.server.as_str()).collect();
        servers.dedup();
        let count = servers.len();
        servers.sort_unstable();
        servers.dedup();
        assert_eq!(servers.len(), count, "two servers wrote in turn");
    }
}

pub struct Client {
    written: Arc<Mutex<Written>>,
    work: Background,
}

/// A connection.
struct Session {
    child: Child,
    input: ChildStdin,
    answers: Receiver<u64>,
}

impl Session {
    fn open(host: &Namespaces, psql: &str) -> Session {
        let mut command: Command = host.inside(&["-n"], psql);
        let target = format!("host={ADDRESS} user=postgres dbname=postgres connect_timeout=2");
        command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", &target]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(number) = line.parse() else { continue };
                if sender.send(number).is_err() {
                    return;
                }
            }
        });
        Session { child, input, answers }
    }

    /// Writes a row; whether it was acknowledged.
    fn write(&mut self, number: u64) -> bool {
        let line = format!("insert into rows (number) values ({number}) returning number;\n");
        self.input.write_all(line.as_bytes()).is_ok()
            && self.answers.recv_timeout(PATIENCE) == Ok(number)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Client {
    /// Starts to write, from a host that is no node.
    pub fn start(cluster: &Cluster, service: &Service) -> Client {
        let host = Namespaces::host().unwrap();
        host.plug_into(cluster.switch(), "client", "10.78.0.100").unwrap();
        let written = Arc::new(Mutex::new(Written::default()));
        let notes = written.clone();
        let psql = service.psql().display().to_string();
        let mut session = Session::open(&host, &psql);
        let mut number = 0;
        let work = Background::start(move || {
            number += 1;
            if session.write(number) {
                notes.lock().unwrap().acknowledged.push((number, Instant::now()));
                thread::sleep(Duration::from_millis(2));
            } else {
                notes.lock().unwrap().unknown.push(number);
                session = Session::open(&host, &psql);
                thread::sleep(Duration::from_millis(20));
            }
        });
        Client { written, work }
    }

    /// How many rows were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.written.lock().unwrap().acknowledged.len()
    }

    /// Ends; what was written.
    pub fn stop(self) -> Written {
        drop(self.work);
        self.written.lock().unwrap().clone()
    }
}
