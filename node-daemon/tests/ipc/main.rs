//! Clients of a node, good and bad, on real sockets.

mod access;
mod node;
mod terminal;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use cib_model::Document;
use node::Node;
use node_daemon::ipc::Endpoint;
use node_daemon::ipc::client::{Client, ClientError};

const PATIENCE: Duration = Duration::from_secs(60);

struct Cib {
    client: Client,
    call: u32,
}

impl Cib {
    fn open(node: &Node, endpoint: Endpoint) -> Cib {
        let mut client = Client::connect(&node.place(), endpoint).unwrap();
        let register = r#"<cib_command t="cib" cib_op="register" cib_clientname="test"/>"#;
        let reply = Document::parse(&client.ask(register, PATIENCE).unwrap()).unwrap();
        assert_eq!(reply.root().attribute("cib_op"), Some("register"));
        assert!(reply.root().attribute("cib_clientid").is_some());
        Cib { client, call: 1 }
    }

    /// Makes a synchronous call; gives its code and what came back.
    fn call(&mut self, operation: &str, section: &str, data: &str) -> (String, Document) {
        self.call += 1;
        let call = self.call;
        let data = if data.is_empty() {
            String::new()
        } else {
            format!("<cib_calldata>{data}</cib_calldata>")
        };
        let text = format!(
            r#"<cib_command t="cib" cib_op="{operation}" cib_section="{section}" cib_callid="{call}" cib_callopt="4096">{data}</cib_command>"#
        );
        let reply = Document::parse(&self.client.ask(&text, PATIENCE).unwrap()).unwrap();
        assert_eq!(reply.root().attribute("cib_callid"), Some(call.to_string().as_str()));
        (reply.root().attribute("cib_rc").unwrap().to_owned(), reply)
    }
}

#[test]
fn what_is_written_is_read_and_told_to_those_who_listen() {
    let node = Node::start("write");
    let mut listener = Cib::open(&node, Endpoint::CibRead);
    let notify = r#"<cib-callback cib_op="cib_notify" cib_notify_type="cib_diff_notify" cib_notify_activate="1"/>"#;
    let ack = Document::parse(&listener.client.ask(notify, PATIENCE).unwrap()).unwrap();
    assert_eq!((ack.root().name(), ack.root().attribute("status")), ("ack", Some("0")));

    let mut writer = Cib::open(&node, Endpoint::CibWrite);
    let (code, _) = writer.call("cib_create", "nodes", r#"<node id="1" uname="node1"/>"#);
    assert_eq!(code, "0");
    let (code, reply) = writer.call("cib_query", "nodes", "");
    assert_eq!(code, "0");
    let node_element = reply.root().descendants().find(|e| e.name() == "node").unwrap();
    assert_eq!(node_element.attribute("uname"), Some("node1"));
    assert_eq!(writer.call("cib_create", "nodes", r#"<node id="1" uname="node1"/>"#).0, "-17");
    assert_eq!(writer.call("cib_query", "bogus", "").0, "-6");
    assert_eq!(writer.call("cib_nonsense", "nodes", "").0, "-22");

    let event = Document::parse(&listener.client.event(PATIENCE).unwrap()).unwrap();
    assert_eq!(event.root().attribute("subt"), Some("cib_diff_notify"));
    assert!(event.root().descendants().any(|e| e.name() == "diff"));
    assert_eq!(listener.call("cib_create", "nodes", r#"<node id="2" uname="node2"/>"#).0, "-13");
}

#[test]
fn simulate_asks_the_running_cluster() {
    let node = Node::start("live-check");
    let simulate = |directory: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_node-daemon"))
            .args(["simulate", "-L", "-R"])
            .env_remove("CIB_file")
            .env("UNDERSTUDY_IPC_DIRECTORY", directory)
            .output()
            .unwrap()
    };
    let mut writer = Cib::open(&node, Endpoint::CibWrite);
    assert_eq!(writer.call("cib_create", "nodes", r#"<node id="1" uname="node1"/>"#).0, "0");
    let output = simulate(node.directory());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("node1"), "{text}");

    let nobody = simulate(&node.directory().join("nobody"));
    assert_eq!(nobody.status.code(), Some(66));
    let errors = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(errors.contains("is the cluster running on this node?"), "{errors}");
}

#[test]
fn long_messages_travel_in_parts_both_ways() {
    let node = Node::start("long");
    let mut cib = Cib::open(&node, Endpoint::CibWrite);
    let long = "x".repeat(700_000);
    let (code, _) = cib.call(
        "cib_create",
        "nodes",
        &format!(r#"<node id="1" uname="n" description="{long}"/>"#),
    );
    assert_eq!(code, "0");
    let (_, reply) = cib.call("cib_query", "nodes", "");
    let description = reply.root().descendants().find_map(|e| e.attribute("description")).unwrap();
    assert_eq!(description, long);
}

fn supervisor_state(node: &Node) -> String {
    let mut client = Client::connect(&node.place(), Endpoint::Supervisor).unwrap();
    let ping = r#"<x t="crmd" subt="request" reference="r1" crm_task="ping" crm_sys_to="pacemakerd" crm_sys_from="1_test"/>"#;
    let ack = Document::parse(&client.ask(ping, PATIENCE).unwrap()).unwrap();
    assert_eq!(ack.root().attribute("status"), Some("112"));
    let answer = Document::parse(&client.event(PATIENCE).unwrap()).unwrap();
    assert_eq!(answer.root().attribute("reference"), Some("r1"));
    let ping = answer.root().descendants().find(|e| e.name() == "ping_response").unwrap();
    ping.attribute("pacemakerd_state").unwrap().to_owned()
}

#[test]
fn the_supervisor_tells_whether_the_node_starts_runs_or_stops() {
    let node = Node::start("ping");
    for (controller, state) in [
        (Some("S_NOT_DC"), "running"),
        (Some("S_STOPPING"), "shutting_down"),
        (Some("S_STARTING"), "starting_daemons"),
        (None, "starting_daemons"),
    ] {
        node.set_controller(controller);
        assert_eq!(supervisor_state(&node), state, "{controller:?}");
    }
}

/// Runs one of our command lines on the node; gives its output, errors and code.
fn tool(node: &Node, line: &[&str]) -> (String, String, Option<i32>) {
    use std::os::unix::process::CommandExt;
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .arg0(line[0])
        .args(&line[1..])
        .env_remove("CIB_file")
        .env("UNDERSTUDY_IPC_DIRECTORY", node.directory())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn crmadmin_asks_the_controller_that_is_named() {
    let node = Node::start("status");
    node.set_controller(Some("S_TRANSITION_ENGINE"));
    for (line, wanted) in [
        (
            &["crmadmin", "-S", "node1"][..],
            "Controller on node1 in state S_TRANSITION_ENGINE: ok\n",
        ),
        (&["crmadmin", "-S", "node2"], "Controller on node2 in state S_NOT_DC: ok\n"),
        (&["crmadmin", "-D"], "Designated Controller is: node1\n"),
        (&["crmadmin", "-q", "-P"], "running\n"),
    ] {
        let (out, errors, code) = tool(&node, line);
        assert_eq!((out.as_str(), code), (wanted, Some(0)), "{line:?}: {errors}");
    }
    let (_, errors, code) = tool(&node, &["crmadmin", "-t", "1", "-S", "node3"]);
    assert_eq!(code, Some(124), "{errors}");
}

#[test]
fn bad_handshakes_are_ended_and_idle_clients_hold_up_nobody() {
    let node = Node::start("bad");
    let socket = node.directory().join("cib_rw");
    let mut wrong = UnixStream::connect(&socket).unwrap();
    wrong.write_all(&[7; 24]).unwrap();
    assert_eq!(wrong.read(&mut [0; 1]).unwrap(), 0, "a wrong handshake ends the connection");
    let mut half = UnixStream::connect(&socket).unwrap();
    half.write_all(&[0xff; 5]).unwrap();
    let idle: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let clients: Vec<Client> =
        (0..50).map(|_| Client::connect(&node.place(), Endpoint::CibWrite).unwrap()).collect();
    let mut cib = Cib::open(&node, Endpoint::CibWrite);
    assert_eq!(cib.call("cib_query", "nodes", "").0, "0");
    drop((idle, half, clients));
    assert_eq!(cib.call("cib_query", "nodes", "").0, "0");
}

#[test]
fn what_is_no_xml_is_answered_so_and_what_is_no_frame_ends_the_connection() {
    let node = Node::start("frames");
    let mut client = Client::connect(&node.place(), Endpoint::CibWrite).unwrap();
    let ack = Document::parse(&client.ask("<unclosed", PATIENCE).unwrap()).unwrap();
    assert_eq!(ack.root().attribute("status"), Some("76"));
    let huge = format!("<x y=\"{}\"/>", "z".repeat(40 << 20));
    let refused = client.ask(&huge, PATIENCE);
    assert!(matches!(refused, Err(ClientError::Closed | ClientError::Io(_))), "{refused:?}");
    assert_eq!(Cib::open(&node, Endpoint::CibWrite).call("cib_query", "nodes", "").0, "0");
}

const UPDATES: u32 = 1_000;

#[test]
fn a_client_that_does_not_read_is_dropped_and_others_are_served() {
    let node = Node::start("silent");
    let mut silent = Cib::open(&node, Endpoint::CibRead);
    let notify =
        r#"<x cib_op="cib_notify" cib_notify_type="cib_diff_notify" cib_notify_activate="1"/>"#;
    silent.client.ask(notify, PATIENCE).unwrap();
    let mut writer = Cib::open(&node, Endpoint::CibWrite);
    assert_eq!(writer.call("cib_create", "nodes", r#"<node id="1" uname="n"/>"#).0, "0");
    // The kernel keeps half a megabyte for it, the server 500 messages.
    let long = "x".repeat(8_000);
    for index in 0..UPDATES {
        let change = format!(r#"<node id="1" uname="n" description="{index}{long}"/>"#);
        assert_eq!(writer.call("cib_modify", "nodes", &change).0, "0", "update {index}");
    }
    let mut received = 0;
    let end = loop {
        match silent.client.event(PATIENCE) {
            Ok(_) => received += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(end, ClientError::Closed | ClientError::Io(_)), "{end}");
    assert!(received < UPDATES, "{received} events were kept for it");
}

#[test]
fn clients_that_do_not_read_cannot_fill_the_memory_together() {
    let node = Node::with_memory("memory", 3 << 20);
    let mut cib = Cib::open(&node, Endpoint::CibWrite);
    let long = "x".repeat(500_000);
    let change = format!(r#"<node id="1" uname="n" description="{long}"/>"#);
    assert_eq!(cib.call("cib_create", "nodes", &change).0, "0");
    // Each of them is far from what one client may have waiting.
    let query = r#"<cib_command t="cib" cib_op="cib_query" cib_section="nodes" cib_callid="2" cib_callopt="0"/>"#;
    let mut silent: Vec<Cib> = (0..8).map(|_| Cib::open(&node, Endpoint::CibRead)).collect();
    for client in &mut silent {
        for _ in 0..2 {
            client.client.send(query, false, PATIENCE).unwrap();
        }
        assert_eq!(cib.call("cib_query", "nodes", "").0, "0");
    }
    let mut lost = 0;
    for client in &mut silent {
        let end = loop {
            match client.client.event(Duration::from_secs(1)) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        lost += usize::from(matches!(end, ClientError::Closed | ClientError::Io(_)));
    }
    assert!((1..8).contains(&lost), "{lost} of 8 have lost their connection");
    assert_eq!(cib.call("cib_query", "nodes", "").0, "0");
}

#[test]
fn connections_leave_nothing_behind() {
    let node = Node::start("clean");
    let own = format!("qb-{}-", std::process::id());
    let present = || -> BTreeSet<String> {
        let entries = std::fs::read_dir("/dev/shm").unwrap().filter_map(Result::ok);
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(&own)).collect()
    };
    let before = present();
    let mut cib = Cib::open(&node, Endpoint::CibWrite);
    let made: BTreeSet<String> = present().difference(&before).cloned().collect();
    assert!(!made.is_empty());
    assert_eq!(cib.call("cib_query", "nodes", "").0, "0");
    drop(cib);
    drop(node);
    // Some of them may be those of tests beside this one, which end, too.
    let end = Instant::now() + 2 * PATIENCE;
    while present().intersection(&made).next().is_some() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(present().intersection(&made).next(), None);
}
