//! Executing a transition against the working CIB (spec 40 §6).

use super::step::Step;
use super::working::{Agent, Recorded, Working};
use crate::model::cluster::Cluster;
use crate::transition::executor::{Driver, Outcome, Progress, TransitionExecutor};
use crate::transition::{ActionKind, GraphAction, Transition};

/// What executing produced.
#[derive(Debug)]
pub struct Executed {
    /// What was done.
    pub steps: Vec<Step>,
    /// Lines for standard error.
    pub errors: Vec<String>,
    /// How the transition ended.
    pub end: Progress,
    /// The transition.
    pub transition: Transition,
}

/// Executes a transition; `op_fail` are operation specifications that shall fail if met.
pub fn execute(
    working: &mut Working,
    cluster: &Cluster<'_>,
    transition: Transition,
    op_fail: &[String],
) -> Executed {
    let mut driver =
        SimulatedNodes { working, cluster, op_fail, steps: Vec::new(), errors: Vec::new() };
    let mut executor = TransitionExecutor::new(transition);
    executor.set_batch_limit(0);
    let end = loop {
        match executor.pass(&mut driver) {
            Progress::Active => {}
            end => break end,
        }
    };
    let (steps, errors) = (driver.steps, driver.errors);
    Executed { steps, errors, end, transition: executor.into_transition() }
}

struct SimulatedNodes<'a, 'd> {
    working: &'a mut Working,
    cluster: &'a Cluster<'d>,
    op_fail: &'a [String],
    steps: Vec<Step>,
    errors: Vec<String>,
}

impl Driver for SimulatedNodes<'_, '_> {
    fn fire(&mut self, action: &GraphAction) -> Outcome {
        match action.head.kind {
            ActionKind::Pseudo => self.pseudo(action),
            ActionKind::Cluster if action.head.operation == "stonith" => self.fence(action),
            ActionKind::Cluster => self.cluster_action(action),
            ActionKind::Resource => self.resource_action(action),
        }
    }
}

impl SimulatedNodes<'_, '_> {
    fn pseudo(&mut self, action: &GraphAction) -> Outcome {
        let task = action.head.operation_key.clone();
        let node = action.head.node.as_ref().map(|(name, _)| name.clone());
        self.steps.push(Step::Pseudo { task, node });
        Outcome::Confirmed
    }

    fn cluster_action(&mut self, action: &GraphAction) -> Outcome {
        let node = action.head.node.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        let task = action.head.operation.clone();
        let resource = action.resource.as_ref().map(|r| r.id.clone());
        self.steps.push(Step::Cluster { task, node, resource });
        Outcome::Confirmed
    }

    fn fence(&mut self, action: &GraphAction) -> Outcome {
        let (node, id) = action.head.node.clone().unwrap_or_default();
        let op = action.attributes.get("CRM_meta_stonith_action").unwrap_or("");
        self.steps.push(Step::Fencing { target: node.clone(), op: op.to_owned() });
        if !op.eq_ignore_ascii_case("on") {
            match self.working.node_state(&node, Some(&id)) {
                Ok(state) => {
                    self.working.set_membership(state, ["false", "offline", "down", "down"]);
                    self.working.forget_node(state);
                }
                Err(error) => {
                    self.errors.push(error.to_string());
                    return Outcome::Refused;
                }
            }
        }
        Outcome::Confirmed
    }

    /// The name an action is shown and recorded under (spec 40 §6.3 item 2).
    fn display_name<'t>(&self, id: &'t str, long_id: Option<&'t str>) -> &'t str {
        if self.cluster.find_resource(id).is_some() {
            return id;
        }
        match long_id {
            Some(long) if self.cluster.find_resource(long).is_some() => long,
            _ => id,
        }
    }

    fn resource_action(&mut self, action: &GraphAction) -> Outcome {
        let head = &action.head;
        let task = head.operation.as_str();
        let Some(resource) = &action.resource else {
            return Outcome::Refused;
        };
        if task == "probe_again" {
            return Outcome::Confirmed;
        }
        let (node, node_id) = head.node.clone().unwrap_or_default();
        let name = self.display_name(&resource.id, resource.long_id.as_deref());
        let meta = |key: &str| action.attributes.get(key).and_then(|v| v.parse::<i64>().ok());
        let interval = meta("CRM_meta_interval").and_then(|i| u64::try_from(i).ok()).unwrap_or(0);
        let step = |interval_ms| Step::Resource {
            resource: name.to_owned(),
            op: task.to_owned(),
            node: node.clone(),
            interval_ms,
        };
        if matches!(task, "delete" | "meta-data") {
            self.steps.push(step(0));
            return Outcome::Confirmed;
        }
        let state_id = if head.router_node.is_some() { &node } else { &node_id };
        let agent = Agent {
            class: &resource.class,
            provider: resource.provider.as_deref(),
            agent: &resource.agent,
        };
        let found = self.working.node_state(&node, Some(state_id)).and_then(|state| {
            Ok((state, self.working.history(state, name, &resource.id, Some(agent))?))
        });
        let (state, history) = match found {
            Ok(found) => found,
            Err(error) => {
                self.errors.push(error.to_string());
                return Outcome::Refused;
            }
        };
        self.steps.push(step(interval));
        let target_rc = meta("CRM_meta_op_target_rc").unwrap_or(0) as i32;
        let mut rc = target_rc;
        let mut outcome = Outcome::Confirmed;
        if let Some((matched, wanted)) = self.failure_for(name, &resource.id, task, interval, &node)
        {
            rc = wanted;
            outcome = Outcome::Failed;
            self.steps.push(Step::Pretended { action: head.id, rc });
            let infinity =
                task == "stop" || (task == "start" && self.cluster.options.start_failure_is_fatal);
            let counted = self.working.count_failure(state, &matched, task, interval, rc, infinity);
            let id = self.working.document().element(state).xml_id().unwrap_or_default().to_owned();
            self.steps.extend(counted.into_iter().map(|(name, value)| Step::Attribute {
                name,
                value,
                node_id: id.clone(),
            }));
        }
        self.working.record(
            history,
            &Recorded {
                resource: &resource.id,
                task,
                interval_ms: interval,
                rc,
                target_rc,
                exit_reason: "User-injected result",
                node: &node,
                parameters: Some(&action.attributes),
            },
        );
        outcome
    }

    /// The first `op_fail` entry that an action meets: the name it matched and its exit code.
    fn failure_for(
        &mut self,
        name: &str,
        id: &str,
        task: &str,
        interval: u64,
        node: &str,
    ) -> Option<(String, i32)> {
        for spec in self.op_fail {
            for candidate in [name, id] {
                let prefix = format!("{candidate}_{task}_{interval}@{node}=");
                let starts = spec
                    .get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(&prefix));
                if !starts {
                    continue;
                }
                match spec.split_once('=').and_then(|(_, rc)| rc.parse().ok()) {
                    Some(rc) => return Some((candidate.to_owned(), rc)),
                    None => self.errors.push(format!(
                        "Invalid failed operation '{spec}' (result code must be integer)"
                    )),
                }
                break;
            }
        }
        None
    }
}
