//! Executing a transition (spec 40 §5): the same state machine in the simulator and in a live controller.
//!
//! The executor decides *what may run now*; a [`Driver`] runs it. A driver that finishes at once (the
//! simulator) answers [`Outcome::Confirmed`] or [`Outcome::Failed`]; one that starts something answers
//! [`Outcome::Started`] and calls [`TransitionExecutor::confirm`] when it is over. After every change call
//! [`TransitionExecutor::pass`] until it answers anything but [`Progress::Active`].

use super::{ActionKind, GraphAction, Transition};
use foldhash::{HashMap, HashMapExt};
use std::collections::BTreeSet;

/// Priority that outlives every abort.
pub const INFINITY: i32 = 1_000_000;

/// What became of an action that was fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done as expected.
    Confirmed,
    /// Done, not as expected: nothing that waits for it runs, and the transition is aborted at INFINITY.
    Failed,
    /// Under way.
    Started,
    /// Could not be started: counts as confirmed and failed, and aborts at INFINITY.
    Refused,
}

/// Runs actions for the executor.
pub trait Driver {
    /// May the action be started now? One that is held back is asked about again in the next pass.
    fn allowed(&mut self, action: &GraphAction) -> bool {
        let _ = action;
        true
    }

    /// Starts the action.
    fn fire(&mut self, action: &GraphAction) -> Outcome;
}

/// What happens once the transition has ended; later ones outrank earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum CompletionAction {
    /// Nothing.
    #[default]
    Done,
    /// Wait for the next event.
    Wait,
    /// Schedule again.
    Restart,
    /// Stop the local node.
    Shutdown,
}

/// State of a transition after a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something was fired: pass again.
    Active,
    /// Nothing was fired, but actions are under way.
    Pending,
    /// All that could be done is done.
    Complete,
    /// Steps are left that can never run, although nothing aborted the transition.
    Terminated,
}

#[derive(Debug, Clone, Copy, Default)]
struct StepState {
    executed: bool,
    confirmed: bool,
    failed: bool,
    waiting_for: u32,
}

/// The state machine.
#[derive(Debug)]
pub struct TransitionExecutor {
    transition: Transition,
    steps: Vec<StepState>,
    /// Steps that have an action among their inputs, by the action's number.
    followers: HashMap<u32, Vec<u32>>,
    /// The step an action belongs to.
    step_of: HashMap<u32, u32>,
    /// Steps whose inputs are all confirmed and that were not fired yet.
    ready: BTreeSet<u32>,
    pending: usize,
    settled: usize,
    batch_limit: usize,
    abort_priority: i32,
    abort_reason: Option<String>,
    completion: CompletionAction,
    complete: bool,
}

impl TransitionExecutor {
    /// Takes a transition; nothing is fired before the first [`pass`](Self::pass). `batch-limit` of the
    /// transition bounds how many steps may be under way, 0 and less for no bound.
    pub fn new(transition: Transition) -> TransitionExecutor {
        let mut followers: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut step_of = HashMap::new();
        let mut ready = BTreeSet::new();
        let mut steps = Vec::with_capacity(transition.synapses.len());
        for (i, synapse) in transition.synapses.iter().enumerate() {
            let i = i as u32;
            step_of.insert(synapse.action.head.id, i);
            for input in &synapse.inputs {
                followers.entry(input.id).or_default().push(i);
            }
            let waiting_for = synapse.inputs.len() as u32;
            if waiting_for == 0 {
                ready.insert(i);
            }
            steps.push(StepState { waiting_for, ..StepState::default() });
        }
        let limit = transition.attribute("batch-limit").and_then(|l| l.trim().parse::<i64>().ok());
        TransitionExecutor {
            batch_limit: limit.and_then(|l| usize::try_from(l).ok()).unwrap_or(0),
            transition,
            steps,
            followers,
            step_of,
            ready,
            pending: 0,
            settled: 0,
            abort_priority: 0,
            abort_reason: None,
            completion: CompletionAction::Done,
            complete: false,
        }
    }

    /// The transition.
    pub fn transition(&self) -> &Transition {
        &self.transition
    }

    /// Gives the transition back.
    pub fn into_transition(self) -> Transition {
        self.transition
    }

    /// Bounds how many steps may be under way; 0 for no bound.
    pub fn set_batch_limit(&mut self, limit: usize) {
        self.batch_limit = limit;
    }

    /// Has the transition ended?
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What to do once it has ended, and why it was aborted if it was.
    pub fn completion(&self) -> (CompletionAction, Option<&str>) {
        (self.completion, self.abort_reason.as_deref())
    }

    /// Sweeps the steps once in document order and fires what is ready (spec 40 §5.3).
    pub fn pass(&mut self, driver: &mut dyn Driver) -> Progress {
        let mut fired = 0;
        let mut refused = 0;
        let mut from = 0;
        while let Some(i) = self.ready.range(from..).next().copied() {
            from = i + 1;
            if self.batch_limit > 0 && self.pending >= self.batch_limit {
                break;
            }
            let synapse = &self.transition.synapses[i as usize];
            let pseudo = synapse.action.head.kind == ActionKind::Pseudo;
            if !pseudo
                && (synapse.priority < self.abort_priority || !driver.allowed(&synapse.action))
            {
                continue;
            }
            self.ready.remove(&i);
            self.steps[i as usize].executed = true;
            self.pending += 1;
            fired += 1;
            match driver.fire(&self.transition.synapses[i as usize].action) {
                Outcome::Started => {}
                Outcome::Confirmed => self.settle(i, false),
                Outcome::Failed => {
                    self.raise_abort(INFINITY);
                    self.settle(i, true);
                }
                Outcome::Refused => {
                    self.raise_abort(INFINITY);
                    self.settle(i, true);
                    fired -= 1;
                    refused += 1;
                }
            }
        }
        if fired > 0 {
            return Progress::Active;
        }
        if self.pending > 0 {
            return Progress::Pending;
        }
        self.complete = true;
        let incomplete = self.steps.len() - self.settled + refused;
        if incomplete > 0 && self.abort_priority <= 0 {
            Progress::Terminated
        } else {
            Progress::Complete
        }
    }

    /// Reports that an action which was started is over. False if it was not under way.
    pub fn confirm(&mut self, action: u32, failed: bool) -> bool {
        let Some(i) = self.step_of.get(&action).copied() else {
            return false;
        };
        let step = self.steps[i as usize];
        if !step.executed || step.confirmed || step.failed {
            return false;
        }
        self.settle(i, failed);
        true
    }

    /// Marks a step confirmed and tells those that wait for it (spec 40 §5.4).
    fn settle(&mut self, i: u32, failed: bool) {
        self.steps[i as usize].confirmed = true;
        self.pending -= 1;
        self.settled += 1;
        let action = self.transition.synapses[i as usize].action.head.id;
        let Some(followers) = self.followers.get(&action) else {
            return;
        };
        for f in followers {
            let step = &mut self.steps[*f as usize];
            if step.executed || step.confirmed || step.failed {
                continue;
            }
            if failed && self.transition.synapses[*f as usize].priority < INFINITY {
                continue;
            }
            step.waiting_for -= 1;
            if step.waiting_for == 0 {
                self.ready.insert(*f);
            }
        }
    }

    fn raise_abort(&mut self, priority: i32) -> bool {
        let higher = priority > self.abort_priority;
        if higher {
            self.abort_priority = priority;
        }
        higher
    }

    /// Aborts: steps of lower priority are not fired any more (spec 40 §5.5). False if the transition had
    /// ended already, so that the caller has to react itself.
    pub fn abort(&mut self, priority: i32, completion: CompletionAction, reason: &str) -> bool {
        if self.complete {
            return false;
        }
        if self.raise_abort(priority) {
            self.abort_reason = Some(reason.to_owned());
        }
        self.completion = self.completion.max(completion);
        true
    }

    /// Priority with which a result that is not as expected aborts: one above its own step's.
    pub fn failure_priority(&self, action: u32) -> i32 {
        self.step_of
            .get(&action)
            .map_or(INFINITY, |i| self.transition.synapses[*i as usize].priority.saturating_add(1))
    }

    /// A node is lost: its actions will not be heard of again. The numbers of those that failed so; if
    /// there are any the transition is aborted.
    pub fn fail_node(&mut self, node: &str, node_id: &str) -> Vec<u32> {
        let mut lost = Vec::new();
        for (i, synapse) in self.transition.synapses.iter().enumerate() {
            let head = &synapse.action.head;
            let step = &mut self.steps[i];
            if step.confirmed
                || step.failed
                || head.kind == ActionKind::Pseudo
                || head.operation == "stonith"
            {
                continue;
            }
            let there = head.node.as_ref().is_some_and(|(_, id)| id == node_id)
                || head.router_node.as_deref() == Some(node);
            if !there {
                continue;
            }
            step.failed = true;
            self.settled += 1;
            if step.executed {
                self.pending -= 1;
            }
            self.ready.remove(&(i as u32));
            lost.push(head.id);
        }
        if !lost.is_empty() {
            self.abort(INFINITY, CompletionAction::Restart, "Node failure");
        }
        lost
    }

    /// Actions under way.
    pub fn under_way(&self) -> impl Iterator<Item = &GraphAction> {
        self.transition
            .synapses
            .iter()
            .zip(&self.steps)
            .filter(|(_, step)| step.executed && !step.confirmed && !step.failed)
            .map(|(synapse, _)| &synapse.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transition::{ActionRef, Attributes, Synapse};
    use std::sync::Arc;

    fn step(id: u32, inputs: &[u32], priority: i32, kind: ActionKind) -> Synapse {
        let head = |id| {
            Arc::new(ActionRef {
                kind,
                mode_cib: false,
                id,
                operation: "start".into(),
                operation_key: format!("r{id}_start_0"),
                internal_operation_key: None,
                node: Some(("n1".into(), "1".into())),
                router_node: None,
            })
        };
        Synapse {
            id,
            priority,
            action: GraphAction {
                head: head(id),
                shutdown_lock: None,
                resource: None,
                attributes: Attributes::default(),
                params: Vec::new(),
                downed: Vec::new(),
                maintenance: Vec::new(),
            },
            inputs: inputs.iter().map(|i| head(*i)).collect(),
        }
    }

    /// Fires everything at once and notes the order; fails one action.
    struct Recorder {
        fired: Vec<u32>,
        fails: Option<u32>,
        outcome: Outcome,
    }

    impl Driver for Recorder {
        fn fire(&mut self, action: &GraphAction) -> Outcome {
            self.fired.push(action.head.id);
            if self.fails == Some(action.head.id) { Outcome::Failed } else { self.outcome }
        }
    }

    fn run(synapses: Vec<Synapse>, fails: Option<u32>) -> (Vec<u32>, Progress) {
        let transition = Transition { attributes: Vec::new(), synapses };
        let mut executor = TransitionExecutor::new(transition);
        let mut driver = Recorder { fired: Vec::new(), fails, outcome: Outcome::Confirmed };
        loop {
            match executor.pass(&mut driver) {
                Progress::Active => {}
                end => return (driver.fired, end),
            }
        }
    }

    #[test]
    fn sweeps_in_document_order_and_chains_within_a_sweep() {
        use ActionKind::Resource;
        // 1 waits for 3, which stands later: it has to wait for the next sweep; 4 need not.
        let steps = vec![
            step(1, &[3], 0, Resource),
            step(2, &[], 0, Resource),
            step(3, &[2], 0, Resource),
            step(4, &[3], 0, Resource),
        ];
        assert_eq!(run(steps, None), (vec![2, 3, 4, 1], Progress::Complete));
    }

    #[test]
    fn a_failure_stops_followers_but_not_completions() {
        use ActionKind::{Pseudo, Resource};
        let steps = vec![
            step(1, &[], 0, Resource),
            step(2, &[1], 0, Resource),
            step(3, &[1], INFINITY, Resource),
            step(4, &[], 0, Resource),
            step(5, &[], 0, Pseudo),
        ];
        assert_eq!(run(steps, Some(1)), (vec![1, 3, 5], Progress::Complete));
    }

    #[test]
    fn a_loop_terminates_the_transition() {
        use ActionKind::Resource;
        let steps = vec![step(1, &[2], 0, Resource), step(2, &[1], 0, Resource)];
        assert_eq!(run(steps, None), (vec![], Progress::Terminated));
    }

    #[test]
    fn batch_limit_and_late_confirmation() {
        use ActionKind::Resource;
        let synapses = (1..=3).map(|id| step(id, &[], 0, Resource)).collect();
        let attributes = vec![("batch-limit".to_owned(), "2".to_owned())];
        let mut executor = TransitionExecutor::new(Transition { attributes, synapses });
        let mut driver = Recorder { fired: Vec::new(), fails: None, outcome: Outcome::Started };
        assert_eq!(executor.pass(&mut driver), Progress::Active);
        assert_eq!(driver.fired, [1, 2]);
        assert_eq!(executor.pass(&mut driver), Progress::Pending);
        assert!(executor.confirm(1, false));
        assert!(!executor.confirm(1, false));
        assert_eq!(executor.pass(&mut driver), Progress::Active);
        assert_eq!(driver.fired, [1, 2, 3]);
        assert_eq!(executor.fail_node("n1", "1"), [2, 3]);
        assert_eq!(executor.pass(&mut driver), Progress::Complete);
        assert_eq!(executor.completion(), (CompletionAction::Restart, Some("Node failure")));
    }
}
