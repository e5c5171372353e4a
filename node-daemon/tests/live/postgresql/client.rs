//! A client that writes numbered rows through the address, one after the other, whatever happens.

use std::collections::BTreeSet;
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
use crate::bed::node::Node;

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

    /// Acknowledged rows that the server does not have.
    pub fn lost(&self, rows: &[Row]) -> usize {
        let there: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
        self.acknowledged.iter().filter(|(number, _)| !there.contains(number)).count()
    }

    /// What is wrong with what the server has: something lost, something that was never sent, not in order,
    /// or a server that came back once another had taken over.
    pub fn faults(&self, rows: &[Row]) -> Vec<String> {
        let mut found = Vec::new();
        let mut must = |holds: bool, fault: String| found.extend((!holds).then_some(fault));
        let lost = self.lost(rows);
        must(lost == 0, format!("{lost} acknowledged rows are lost"));
        let there: BTreeSet<u64> = rows.iter().map(|row| row.number).collect();
        must(there.len() == rows.len(), "a row is there twice".to_owned());
        let ordered = rows.windows(2).all(|pair| pair[0].number < pair[1].number);
        must(ordered, "out of order".to_owned());
        let known = self.acknowledged.len() + self.unknown.len();
        must(rows.len() <= known, format!("{} rows, but {known} were sent", rows.len()));
        let mut servers: Vec<&str> = rows.iter().map(|row| row.server.as_str()).collect();
        servers.dedup();
        let count = servers.len();
        servers.sort_unstable();
        servers.dedup();
        must(servers.len() == count, "two servers wrote in turn".to_owned());
        found
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
    fn open(mut command: Command) -> Session {
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
        Client::from(move |psql| host.inside(&["-n"], psql), service, 0)
    }

    /// Starts to write on a node, numbers above `first`.
    pub fn on(node: Arc<Node>, service: &Service, first: u64) -> Client {
        Client::from(move |psql| node.namespaces().inside(&["-n"], psql), service, first)
    }

    fn from(
        inside: impl Fn(&str) -> Command + Send + 'static,
        service: &Service,
        first: u64,
    ) -> Client {
        let written = Arc::new(Mutex::new(Written::default()));
        let notes = written.clone();
        let psql = service.psql().display().to_string();
        let mut session = Session::open(inside(&psql));
        let mut number = first;
        let work = Background::start(move || {
            number += 1;
            if session.write(number) {
                notes.lock().unwrap().acknowledged.push((number, Instant::now()));
                thread::sleep(Duration::from_millis(2));
            } else {
                notes.lock().unwrap().unknown.push(number);
                session = Session::open(inside(&psql));
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

#[test]
fn what_is_lost_doubled_or_written_in_turn_is_found() {
    let row = |(number, server): (u64, &str)| Row { number, server: server.to_owned() };
    let written = Written {
        acknowledged: [1, 2, 4].map(|number| (number, Instant::now())).to_vec(),
        unknown: vec![3],
    };
    let faults = |rows: &[(u64, &str)]| {
        let rows: Vec<Row> = rows.iter().copied().map(row).collect();
        written.faults(&rows).join(", ")
    };
    assert_eq!(faults(&[(1, "a"), (2, "a"), (4, "b")]), "");
    assert_eq!(faults(&[(1, "a"), (2, "a"), (3, "b"), (4, "b")]), "");
    assert_eq!(faults(&[(1, "a"), (4, "b")]), "1 acknowledged rows are lost");
    assert_eq!(faults(&[(1, "a"), (2, "b"), (4, "a")]), "two servers wrote in turn");
    assert_eq!(faults(&[(2, "a"), (1, "a"), (4, "a")]), "out of order");
    let twice = faults(&[(1, "a"), (2, "a"), (2, "a"), (4, "b")]);
    assert!(twice.starts_with("a row is there twice"), "{twice}");
    let many = faults(&[(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b")]);
    assert_eq!(many, "5 rows, but 4 were sent");
}
