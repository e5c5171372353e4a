//! Many clients, wrong clients and greedy clients: the node stays up, its memory bounded, and others are
//! served. One test at a time, for memory and descriptors are the process's.

#[path = "../ipc/node.rs"]
mod node;
mod raw;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use cib_model::Document;
use node::Node;
use node_daemon::ipc::Endpoint;
use node_daemon::ipc::client::Client;
use raw::Raw;

/// So many updates are a flood.
const FLOOD: u64 = 1_000;

const PATIENCE: Duration = Duration::from_secs(60);

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Memory of this process that is in use, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Asks for the nodes; gives how long it took.
fn ask(client: &mut Client, call: u32) -> Duration {
    let begun = Instant::now();
    let query = format!(
        r#"<cib_command t="cib" cib_op="cib_query" cib_section="nodes" cib_callid="{call}" cib_callopt="4096"/>"#
    );
    let reply = Document::parse(&client.ask(&query, PATIENCE).unwrap()).unwrap();
    assert_eq!(reply.root().attribute("cib_rc"), Some("0"));
    begun.elapsed()
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2]
}

fn writer(node: &Node) -> Client {
    let mut client = Client::connect(&node.place(), Endpoint::CibWrite).unwrap();
    client.ask(r#"<c t="cib" cib_op="register" cib_clientname="test"/>"#, PATIENCE).unwrap();
    client
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(16_384).min(16_384);
    assert!(wanted >= 10_000, "1,000 clients need more than {wanted} descriptors");
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
}

#[test]
fn a_thousand_idle_clients_cost_little_and_hold_up_nobody() {
    let _alone = alone();
    raise_descriptor_limit();
    let node = Node::start("thousand");
    let mut client = writer(&node);
    let alone = median((2..50).map(|call| ask(&mut client, call)));
    let before = memory();
    let endpoints = ["cib_ro", "attrd", "stonith-ng", "crmd"];
    let idle: Vec<Raw> =
        (0..1_000).map(|index| Raw::open(&node, endpoints[index % endpoints.len()])).collect();
    let grown = memory().saturating_sub(before);
    let crowded = median((50..250).map(|call| ask(&mut client, call)));
    println!("1,000 idle clients: {grown} KiB; median query {crowded:?}, {alone:?} without them");
    assert!(grown < 32 << 10, "{grown} KiB for 1,000 idle clients");
    // What else the machine does slows both.
    let longest = Duration::from_millis(50) + 10 * alone;
    assert!(crowded < longest, "a query takes {crowded:?}, {alone:?} without idle clients");
    drop(idle);
    ask(&mut client, 251);
}

#[test]
fn what_is_no_frame_ends_its_connection_and_no_other() {
    let _alone = alone();
    let node = Node::start("no-frame");
    let mut client = writer(&node);
    let bomb = ("more compressed text than it says", vec![raw::bomb()]);
    for (index, (what, frames)) in raw::wrong().into_iter().chain([bomb]).enumerate() {
        let mut raw = Raw::open(&node, "cib_rw");
        for frame in &frames {
            raw.send(frame);
        }
        assert!(raw.is_closed_within(PATIENCE), "{what}: the connection goes on");
        ask(&mut client, 2 + index as u32);
    }
    for (what, frame) in raw::odd() {
        let mut raw = Raw::open(&node, "cib_rw");
        raw.send(&frame);
        raw.send(&raw::frame("<c t=\"cib\" cib_op=\"register\"/>"));
        assert!(!raw.is_closed_within(Duration::from_millis(200)), "{what}: the connection ends");
        ask(&mut client, 100);
    }
}

#[test]
fn questions_that_nobody_answers_are_bounded() {
    let _alone = alone();
    let node = Node::start("questions");
    let mut client = writer(&node);
    node.set_controller(None);
    let mut raw = Raw::open(&node, "pacemakerd");
    let ping = raw::frame(r#"<c t="crmd" crm_task="ping" crm_sys_to="pacemakerd" reference="r"/>"#);
    // A client may have 1,000 questions open.
    for _ in 0..1_100 {
        raw.send(&ping);
    }
    assert!(raw.is_closed_within(PATIENCE), "1,100 questions are kept");
    ask(&mut client, 2);
}

#[test]
fn unfinished_messages_of_many_clients_are_bounded() {
    let _alone = alone();
    let node = Node::start("unfinished");
    let mut client = writer(&node);
    let mut greedy = Raw::open(&node, "cib_rw");
    let before = memory();
    // More than any message may have, in parts that never end.
    for part in 0..1_000 {
        if !greedy.try_send(&raw::part(part, 100_000)) {
            break;
        }
    }
    assert!(greedy.is_closed_within(PATIENCE), "100 MB in parts are taken");
    let grown = memory().saturating_sub(before);
    assert!(grown < 96 << 10, "{grown} KiB");
    ask(&mut client, 2);
}

#[test]
fn floods_of_updates_do_not_hold_up_others() {
    let _alone = alone();
    let node = Node::start("flood");
    let mut client = writer(&node);
    let create = r#"<c t="cib" cib_op="cib_create" cib_section="nodes" cib_callid="2" cib_callopt="4096"><cib_calldata><node id="1" uname="n"/></cib_calldata></c>"#;
    client.ask(create, PATIENCE).unwrap();
    let before = memory();
    let stop = AtomicBool::new(false);
    let (place, stopped) = (node.place(), &stop);
    let updates = AtomicU64::new(0);
    let counter = &updates;
    let (worst, sent) = std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4)
            .map(|flood| {
                let place = &place;
                scope.spawn(move || {
                    let (mut sent, mut connections) = (0u64, 0u64);
                    while !stopped.load(Ordering::Relaxed) {
                        let mut client = Client::connect(place, Endpoint::CibWrite).unwrap();
                        connections += 1;
                        while !stopped.load(Ordering::Relaxed) {
                            let update = format!(
                                r#"<c t="cib" cib_op="cib_modify" cib_section="nodes" cib_callid="{sent}" cib_callopt="0"><cib_calldata><node id="1" uname="n" description="{flood}-{sent}"/></cib_calldata></c>"#
                            );
                            // Answers are never read; a connection that is closed is opened again.
                            if client.send(&update, false, Duration::from_millis(100)).is_err() {
                                break;
                            }
                            sent += 1;
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    (sent, connections)
                })
            })
            .collect();
        let (begun, mut worst, mut call) = (Instant::now(), Duration::ZERO, 3);
        // Until it was a flood, which takes longer on a busy machine.
        while begun.elapsed() < Duration::from_secs(3)
            || counter.load(Ordering::Relaxed) <= FLOOD && begun.elapsed() < PATIENCE
        {
            worst = worst.max(ask(&mut client, call));
            call += 1;
        }
        stop.store(true, Ordering::Relaxed);
        let sent: Vec<(u64, u64)> = floods.into_iter().map(|f| f.join().unwrap()).collect();
        (worst, sent)
    });
    let grown = memory().saturating_sub(before);
    let updates = updates.into_inner();
    println!("{updates} updates by 4 floods {sent:?}; worst query {worst:?}; {grown} KiB");
    assert!(updates > FLOOD, "no flood: {updates}");
    assert!(worst < Duration::from_secs(15), "a query took {worst:?}");
    assert!(grown < 256 << 10, "{grown} KiB");
}
