//! The invariant: a node is reported fenced only when an agent, the watchdog time, or a human says
//! so. The checks read what happened, and know nothing of the state of the fencers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fencing::agent::Action;
use fencing::fencer::Notification;
use fencing::message::{FenceRequest, Message, State};
use fencing::name::{NodeName, OperationId};

use super::{Seen, World};

/// What the checks know of the configuration.
#[derive(Default)]
pub struct Rules {
    /// Devices of each level, by target; a target that is not here has no topology.
    pub levels: BTreeMap<NodeName, Vec<Vec<&'static str>>>,
    /// Watchdog time, and the nodes it is for.
    pub watchdog: Option<(Duration, Vec<NodeName>)>,
    /// Most tries of an agent for one request and device.
    pub tries: usize,
}

/// An agent said that it cut a target off.
#[derive(Debug, Clone)]
pub struct Success {
    pub at: Duration,
    pub device: String,
    pub action: String,
    pub target: String,
}

/// What is known of an operation from the messages of its owner.
#[derive(Debug, Clone)]
pub struct Origin {
    pub since: Duration,
    pub target: NodeName,
    pub action: Action,
}

/// Everything that counts as evidence so far.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub origins: BTreeMap<OperationId, Origin>,
    pub successes: Vec<Success>,
    requests: BTreeMap<NodeName, BTreeSet<(OperationId, u32)>>,
    to_self: BTreeSet<NodeName>,
    runs: BTreeMap<(NodeName, String, NodeName), usize>,
    confirmed: BTreeSet<OperationId>,
}

impl Evidence {
    /// Takes notice of one thing that happened; an error is a violation.
    pub fn see(&mut self, rules: &Rules, at: Duration, seen: &Seen) -> Result<(), String> {
        match seen {
            Seen::Sent { message: Message::Query(query), .. } => {
                let (target, action) = (query.target.clone(), query.action);
                let origin = Origin { since: at, target, action };
                self.origins.entry(query.operation).or_insert(origin);
            }
            Seen::Sent { node, message: Message::Result(result) } => {
                let by_hand = result.delegate.as_ref().map(NodeName::as_str) == Some("a human");
                if by_hand && result.originator == *node {
                    self.confirmed.insert(result.operation);
                }
            }
            Seen::Sent { message: Message::Fence(request), .. } => self.request(request),
            Seen::Log { node, text } => {
                let own = format!("Requesting that {node} perform ");
                if let Some((_, rest)) =
                    text.split_once(" targeting ").filter(|_| text.starts_with(&own))
                {
                    let target = rest.split(' ').next().unwrap_or_default();
                    self.to_self.insert(super::node(target));
                }
            }
            Seen::Started { node, run } => return self.started(rules, node, run),
            Seen::Ended { run, report, .. } if report.outcome.is_ok() => {
                let get = |name: &str| run.parameters.get(name).unwrap_or_default().to_owned();
                self.successes.push(Success {
                    at,
                    device: run.device.to_string(),
                    action: get("action"),
                    target: get("nodename"),
                });
            }
            Seen::Notified { node, notification: Notification::Fenced { result, state, .. } }
                if *state == State::Done
                    && result.action.is_fencing()
                    && !self.holds(rules, at, result.operation, &result.target, result.action) =>
            {
                return Err(format!(
                    "{node} reports {} fenced ({}) by operation {:?} without evidence: {:#?}",
                    result.target, result.action, result.operation, self.successes
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, request: &FenceRequest) {
        let key = (request.operation, request.attempt);
        self.requests.entry(request.target.clone()).or_default().insert(key);
    }

    /// No request runs a device more often than its tries, whatever the network doubles.
    fn started(
        &mut self,
        rules: &Rules,
        node: &NodeName,
        run: &fencing::executor::AgentRun,
    ) -> Result<(), String> {
        if !run.action.is_fencing() {
            return Ok(());
        }
        let target = super::node(run.parameters.get("nodename").unwrap_or_default());
        let count =
            self.runs.entry((node.clone(), run.device.to_string(), target.clone())).or_default();
        *count += 1;
        let asked = self.requests.get(&target).map_or(0, BTreeSet::len);
        // Requests of a fencer to itself do not show on the network, so targets of which there may
        // be some cannot be held to this.
        if !self.to_self.contains(&target) && *count > asked * rules.tries {
            return Err(format!(
                "{node} ran {} against {target} {count} times for {asked} requests",
                run.device
            ));
        }
        Ok(())
    }

    /// Whether an operation, or one that it may have waited for, has achieved what it says.
    fn holds(
        &self,
        rules: &Rules,
        now: Duration,
        id: OperationId,
        target: &NodeName,
        action: Action,
    ) -> bool {
        if self.confirmed.contains(&id) {
            return true;
        }
        match self.origins.get(&id) {
            Some(origin) => self.achieved(rules, now, origin),
            // It waited for another one, or stood in for one.
            None => self.origins.values().any(|origin| {
                origin.target == *target
                    && origin.action == action
                    && self.achieved(rules, now, origin)
            }),
        }
    }

    fn achieved(&self, rules: &Rules, now: Duration, origin: &Origin) -> bool {
        let said = |device: Option<&str>, actions: &[&str]| {
            self.successes.iter().any(|success| {
                success.at >= origin.since
                    && success.target.eq_ignore_ascii_case(origin.target.as_str())
                    && device.is_none_or(|device| device == success.device)
                    && actions.contains(&success.action.as_str())
            })
        };
        let by_watchdog = rules.watchdog.as_ref().is_some_and(|(time, nodes)| {
            (nodes.is_empty() || nodes.contains(&origin.target)) && now >= origin.since + *time
        });
        let by_agents = match rules.levels.get(&origin.target) {
            None => said(None, &["off", "reboot"]),
            Some(levels) => levels.iter().any(|devices| {
                let single = ["off", "reboot"];
                let actions = if devices.len() > 1 { &single[..1] } else { &single[..] };
                devices.iter().all(|device| said(Some(device), actions))
            }),
        };
        by_agents || by_watchdog
    }
}

/// Checks a whole run.
pub fn check(world: &World, rules: &Rules) -> Result<(), String> {
    let mut evidence = Evidence::default();
    world.seen.iter().try_for_each(|(at, seen)| evidence.see(rules, *at, seen))
}
