//! What `ring` orders of a node, and how it tells what came of it, in the words of the classic tools.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use node_daemon::wiring::orders::{Answer, Code, Order, Refused, give};

/// Exit status when it could not be done.
const FAILURE: u8 = 1;
/// How long an order that cannot be carried out now (a ring is forming) is given again.
const PERSISTENCE: Duration = Duration::from_secs(30);
/// How long to wait in between.
const PAUSE: Duration = Duration::from_millis(200);

/// Expected votes, from 1.
pub(super) fn expected_votes(text: &str) -> Result<u32, String> {
    let wrong = "New expected votes value was not valid, try a positive number";
    text.parse().ok().filter(|votes| *votes > 0).ok_or_else(|| wrong.to_owned())
}

/// Votes of a node, from 0.
pub(super) fn votes(text: &str) -> Result<u32, String> {
    let wrong = "New votes value was not valid, try a positive number or zero";
    text.parse().map_err(|_| wrong.to_owned())
}

/// A node by name or id; 0 is nobody.
pub(super) fn node(text: &str) -> Result<String, String> {
    let wrong = "The nodeid was not valid, try a positive number";
    (text.parse() != Ok(0u32)).then(|| text.to_owned()).ok_or_else(|| wrong.to_owned())
}

pub(super) fn set_expected(state: &Path, votes: u32) -> u8 {
    carry_out(state, &Order::Expected(votes), "Unable to set expected votes")
}

pub(super) fn set_votes(state: &Path, node: &str, votes: u32) -> u8 {
    let order = Order::Votes { node: node.to_owned(), votes };
    carry_out(state, &order, &format!("Unable to set votes {votes} for nodeid: {node}"))
}

pub(super) fn cancel_waiting(state: &Path) -> u8 {
    carry_out(state, &Order::CancelWaiting, "Unable to cancel wait_for_all")
}

pub(super) fn shut_down(state: &Path) -> u8 {
    carry_out(state, &Order::ShutDown, "Unable to stop")
}

fn carry_out(state: &Path, order: &Order, unable: &str) -> u8 {
    match ask(state, order) {
        None => FAILURE,
        Some(Answer { refused: Some(Refused { code, reason }), .. }) => {
            eprintln!("{unable}: {code}\n{reason}");
            FAILURE
        }
        Some(_) => 0,
    }
}

/// The answer; if there is none, that is told.
fn ask(state: &Path, order: &Order) -> Option<Answer> {
    let end = Instant::now() + PERSISTENCE;
    loop {
        let again = |answer: &Answer| {
            let refused = answer.refused.as_ref();
            refused.is_some_and(|refused| refused.code == Code::TryAgain) && Instant::now() < end
        };
        match give(state, order) {
            Ok(answer) if again(&answer) => thread::sleep(PAUSE),
            Ok(answer) => return Some(answer),
            Err(error) => {
                eprintln!(
                    "node-daemon ring: no answer: {error}; does a node run with this state directory, and \
                     may you order it anything?"
                );
                return None;
            }
        }
    }
}

pub(super) fn reload(state: &Path) -> u8 {
    println!("Reloading corosync.conf...");
    let Some(answer) = ask(state, &Order::Reload) else { return FAILURE };
    if let Some(Refused { code, reason }) = answer.refused {
        eprintln!("Could not reload configuration. Error {code}\n{reason}");
        return code.number();
    }
    for key in answer.changed {
        println!("changed: {key}");
    }
    for notice in answer.notices {
        println!("{notice}");
    }
    if !answer.errors.is_empty() {
        for error in answer.errors {
            eprintln!("ERROR from reload: {error} - see the node's log for more information");
        }
        eprintln!("Errors in applying config, corosync.conf might not match the running system");
        return FAILURE;
    }
    println!("Done");
    0
}
