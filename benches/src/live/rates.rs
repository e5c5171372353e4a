//! Updates of the CIB and of node attributes: by one process each, and through one connection.
//!
//! Loops on one connection run inside the node, in this program called again ([`Inside`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use clap::Subcommand;
use node_daemon::ipc::client::Client;
use node_daemon::ipc::{Endpoint, Place};

use super::cluster::{Cluster, Setup};
use super::node::Node;
use super::{Failure, Figures};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Updates by one process each.
const BY_PROCESS: u32 = 200;
/// Updates of the CIB through one connection.
const CIB: u32 = 2000;
/// Updates of an attribute through one connection.
const ATTRIBUTE: u32 = 2000;
/// Updates of an attribute that are on their way at once.
const WINDOW: usize = 200;

/// What this program does inside a node.
#[derive(Debug, Clone, Subcommand)]
pub enum Inside {
    /// Changes the CIB, one change after the other; prints the seconds
    Cib {
        /// How often
        count: u32,
        /// Makes values differ from those of other loops
        tag: String,
    },
    /// Updates an attribute; prints the seconds until the CIB holds the last value
    Attribute {
        /// How often
        count: u32,
        /// Makes values differ from those of other loops
        tag: String,
    },
}

/// Runs a loop inside a node.
///
/// # Errors
/// When the daemon refuses.
pub fn inside(what: &Inside) -> Result<f64, Failure> {
    match what {
        Inside::Cib { count, tag } => cib_loop(*count, tag),
        Inside::Attribute { count, tag } => attribute_loop(*count, tag),
    }
}

fn connect_cib() -> Result<Client, Failure> {
    let mut client = Client::connect(&Place::from_environment(), Endpoint::CibWrite)?;
    let register =
        "<cib_command t='cib' cib_op='register' cib_clientname='live' cib_callopt='4096'/>";
    client.ask(register, TIMEOUT)?;
    Ok(client)
}

fn cib_loop(count: u32, tag: &str) -> Result<f64, Failure> {
    let mut client = connect_cib()?;
    let began = Instant::now();
    for number in 1..=count {
        // The option: wait for the answer.
        let command = format!(
            "<cib_command t='cib' cib_op='cib_modify' cib_section='nodes' cib_callid='{number}' \
             cib_callopt='4096'><cib_calldata><node id='1'><instance_attributes id='nodes-1'><nvpair \
             id='nodes-1-loop' name='loop' value='{tag}-{number}'/></instance_attributes></node>\
             </cib_calldata></cib_command>"
        );
        let reply = client.ask(&command, TIMEOUT)?;
        if !reply.contains("cib_rc=\"0\"") {
            return Err(format!("update {number}: {reply}").into());
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

fn attribute_loop(count: u32, tag: &str) -> Result<f64, Failure> {
    let mut cib = connect_cib()?;
    let mut client = Client::connect(&Place::from_environment(), Endpoint::Attributes)?;
    let mut asked = VecDeque::new();
    let began = Instant::now();
    for number in 1..=count {
        let update = format!(
            "<attrd_op t='attrd' src='live' task='update' attr_name='fast' attr_value='{tag}-{number}' \
             attr_set_type='instance_attributes' attr_is_remote='0' attr_is_private='0'/>"
        );
        asked.push_back(client.send(&update, false, TIMEOUT)?);
        // Each update is acknowledged; a client that reads none of that is dropped.
        if asked.len() > WINDOW {
            let oldest = asked.pop_front().unwrap_or_default();
            client.response(oldest, TIMEOUT)?;
        }
    }
    let last = format!("\"{tag}-{count}\"");
    let query = "<cib_command t='cib' cib_op='cib_query' cib_section='status' cib_callid='1' \
                 cib_callopt='4096'/>";
    while !cib.ask(query, TIMEOUT)?.contains(&last) {
        if began.elapsed() > TIMEOUT {
            return Err("the CIB does not hold the last value".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Runs a command of the shell [`BY_PROCESS`] times; the rate per second.
fn by_process(node: &Node, command: &str) -> Result<f64, Failure> {
    let script = format!(
        "s=$EPOCHREALTIME; for i in $(seq {BY_PROCESS}); do {command} || exit 1; done; echo $s $EPOCHREALTIME"
    );
    let text = node.run(&["bash", "-c", &script])?;
    let times: Vec<f64> = text.split_whitespace().filter_map(|time| time.parse().ok()).collect();
    let [began, ended] = times[..] else { return Err(format!("no times: {text}").into()) };
    Ok(f64::from(BY_PROCESS) / (ended - began))
}

fn by_connection(node: &Node, what: &str, count: u32, tag: &str) -> Result<f64, Failure> {
    let program = std::env::current_exe()?;
    let program = program.to_str().ok_or("this program's path is no text")?;
    let text = node.run(&[program, "inside", what, &count.to_string(), tag])?;
    Ok(f64::from(count) / text.trim().parse::<f64>()?)
}

/// Measures rates.
///
/// # Errors
/// When an update fails.
pub fn measure(setup: &Setup, runs: usize, figures: &mut Figures) -> Result<(), Failure> {
    let cluster = Cluster::up(setup.clone(), &[("stonith-enabled", "false")])?;
    let dc = cluster.settled(&[])?;
    let other = cluster.other(&dc)?;
    let (dc, other) = (cluster.node(&dc)?, cluster.node(&other)?);
    for run in 0..runs {
        figures.add("process", by_process(dc, "cibadmin --version >/dev/null")?);
        for (key, node) in [("cib process DC", dc), ("cib process other", other)] {
            let command = format!(
                "cibadmin -M -c -o nodes -X \"<node id=\\\"1\\\"><instance_attributes id=\\\"nodes-1\\\"><nvpair \
                 id=\\\"nodes-1-loop\\\" name=\\\"loop\\\" value=\\\"{key}{run}-$i\\\"/></instance_attributes></node>\""
            );
            figures.add(key, by_process(node, &command)?);
            cluster.settled(&[])?;
        }
        let command = format!("crm_attribute -N n1 -n loop -v z{run}-$i");
        figures.add("crm_attribute process", by_process(dc, &command)?);
        cluster.settled(&[])?;
        for (key, node) in [("cib connection DC", dc), ("cib connection other", other)] {
            let tag = format!("{}{run}", node.name);
            figures.add(key, by_connection(node, "cib", CIB, &tag)?);
            cluster.settled(&[])?;
        }
        let command = format!("attrd_updater -n slow -U {run}-$i");
        figures.add("attribute process", by_process(other, &command)?);
        cluster.settled(&[])?;
        let tag = format!("v{run}");
        figures.add("attribute connection", by_connection(other, "attribute", ATTRIBUTE, &tag)?);
        cluster.settled(&[])?;
    }
    Ok(())
}
