//! Carrying out a transition (spec 60 §7): what may run is decided by policy-engine's executor, what
//! running it means is decided here.

use std::collections::BTreeMap;
use std::time::Duration;

use cib_model::scalar::parse_interval_ms;
use policy_engine::transition::executor::{
    CompletionAction, Driver, INFINITY, Outcome, Progress, TransitionExecutor,
};
use policy_engine::transition::{ActionKind, GraphAction, Transition};

use super::peers::Expected;
use super::{Controller, State, Timer};
use crate::controller::Call;
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    ActionRequest, AgentName, ControllerPeer, FenceRequest, FenceVerb, FencingTask, NodeId, Now,
    Outputs, Room,
};

/// How long a controller may be away from a node that is here.
const CONTROLLER_RETURNS: Duration = Duration::from_secs(1);

/// A transition being carried out.
pub(super) struct Run {
    pub executor: TransitionExecutor,
    pub id: i64,
    network_delay: Duration,
    fencing_timeout: Duration,
    pub failed_start_offset: Option<String>,
    pub failed_stop_offset: Option<String>,
    recheck_by: Option<i64>,
    over: bool,
    /// Actions under way per node, and which of them are migrations.
    jobs: BTreeMap<String, (u32, u32)>,
    /// Nodes that are to be down once an action is done, by the action's task.
    downed: Vec<(String, String)>,
    /// Cancellations under way: operation key and node to action.
    pub cancels: BTreeMap<(String, String), u32>,
    shutdown: bool,
}

impl Run {
    fn new(mut transition: Transition) -> Run {
        let_go_last(&mut transition);
        let time = |name: &str| {
            let text = transition.attribute(name)?;
            parse_interval_ms(text).ok().map(Duration::from_millis)
        };
        let text = |name: &str| transition.attribute(name).map(str::to_owned);
        let network_delay = time("cluster-delay").unwrap_or(Duration::from_secs(60));
        Run {
            id: transition.attribute("transition_id").and_then(|id| id.parse().ok()).unwrap_or(0),
            network_delay,
            fencing_timeout: time("fencing-timeout")
                .or(time("stonith-timeout"))
                .unwrap_or(network_delay),
            failed_start_offset: text("failed-start-offset"),
            failed_stop_offset: text("failed-stop-offset"),
            recheck_by: transition.attribute("recheck-by").and_then(|at| at.parse().ok()),
            over: false,
            jobs: BTreeMap::new(),
            downed: Vec::new(),
            cancels: BTreeMap::new(),
            shutdown: false,
            executor: TransitionExecutor::new(transition),
        }
    }

    /// Whether nothing of it is left.
    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn recheck_by(&self) -> Option<i64> {
        self.recheck_by
    }

    /// An action of this transition.
    pub fn action(&self, number: u32) -> Option<&GraphAction> {
        let synapses = &self.executor.transition().synapses;
        synapses.iter().map(|synapse| &synapse.action).find(|action| action.head.id == number)
    }

    /// The task of a started action that takes this node down.
    pub fn takes_down(&self, xml_id: &str) -> Option<&str> {
        self.downed.iter().find(|(_, id)| id == xml_id).map(|(task, _)| task.as_str())
    }

    fn release_job(&mut self, number: u32) {
        let Some(action) = self.action(number).cloned() else { return };
        for node in job_nodes(&action) {
            if let Some((jobs, migrations)) = self.jobs.get_mut(&node) {
                *jobs = jobs.saturating_sub(1);
                *migrations = migrations.saturating_sub(u32::from(is_migration(&action)));
            }
        }
    }
}

/// A node is let go only when all probes there have found what the plan was made for. A node whose executor
/// crashed does not know what it runs; it may be probed and let go in one plan, which has no stops for what the
/// probes are yet to find.
fn let_go_last(transition: &mut Transition) {
    let probes = |node: &(String, String)| -> Vec<_> {
        let actions = transition.synapses.iter().map(|synapse| &synapse.action);
        let there = actions.filter(|action| action.head.node.as_ref() == Some(node));
        there.filter(|action| is_probe(action)).map(|action| action.head.clone()).collect()
    };
    let mut awaited = Vec::new();
    for (position, synapse) in transition.synapses.iter().enumerate() {
        let head = &synapse.action.head;
        if head.kind == ActionKind::Cluster && head.operation == "do_shutdown" {
            awaited.push((position, head.node.as_ref().map(probes).unwrap_or_default()));
        }
    }
    for (position, probes) in awaited {
        let inputs = &mut transition.synapses[position].inputs;
        inputs.extend(probes);
        inputs.sort_by_key(|input| input.id);
        inputs.dedup_by_key(|input| input.id);
    }
}

fn is_probe(action: &GraphAction) -> bool {
    let interval = action.attributes.get("CRM_meta_interval").unwrap_or("0");
    action.head.kind == ActionKind::Resource
        && action.head.operation == "monitor"
        && interval == "0"
}

fn is_migration(action: &GraphAction) -> bool {
    matches!(action.head.operation.as_str(), "migrate_to" | "migrate_from")
}

/// Whether an action is over only when its result is there.
fn is_awaited(action: &GraphAction) -> bool {
    !action.attributes.get("CRM_meta_op_no_wait").is_some_and(super::options::is_true)
}

/// Nodes on which an action counts as a job.
fn job_nodes(action: &GraphAction) -> Vec<String> {
    if action.head.kind != ActionKind::Resource {
        return Vec::new();
    }
    if let Some(router) = &action.head.router_node {
        return vec![router.clone()];
    }
    if is_migration(action) {
        return ["CRM_meta_migrate_source", "CRM_meta_migrate_target"]
            .iter()
            .filter_map(|name| action.attributes.get(name).map(str::to_owned))
            .collect();
    }
    action.head.node.iter().map(|(name, _)| name.clone()).collect()
}

/// Collects what is to be started; whether it may is decided with the limits.
struct Collector<'c> {
    limit: u32,
    migration_limit: Option<u32>,
    jobs: &'c mut BTreeMap<String, (u32, u32)>,
    fired: Vec<GraphAction>,
    local: &'c str,
    shutdown: &'c mut bool,
}

impl Driver for Collector<'_> {
    fn allowed(&mut self, action: &GraphAction) -> bool {
        job_nodes(action).iter().all(|node| {
            let (jobs, migrations) = self.jobs.get(node).copied().unwrap_or_default();
            let migrating =
                is_migration(action) && self.migration_limit.is_some_and(|l| migrations >= l);
            jobs < self.limit && !migrating
        })
    }

    fn fire(&mut self, action: &GraphAction) -> Outcome {
        let head = &action.head;
        if head.kind == ActionKind::Pseudo {
            return Outcome::Confirmed;
        }
        let here =
            head.node.as_ref().is_some_and(|(name, _)| name.eq_ignore_ascii_case(self.local));
        if head.kind == ActionKind::Cluster && head.operation == "do_shutdown" && here {
            *self.shutdown = true;
            return Outcome::Confirmed;
        }
        let waits = is_awaited(action);
        if waits {
            for node in job_nodes(action) {
                let (jobs, migrations) = self.jobs.entry(node).or_default();
                *jobs += 1;
                *migrations += u32::from(is_migration(action));
            }
        }
        self.fired.push(action.clone());
        if waits { Outcome::Started } else { Outcome::Confirmed }
    }
}

impl Controller {
    /// Takes a transition; its first pass comes with the next [`Controller::pass`].
    pub(super) fn load(&mut self, transition: Transition) {
        self.cancel_action_timers();
        self.fences.clear();
        if let Some(lead) = &mut self.lead {
            let run = Run::new(transition);
            log::info!(
                "controller: transition {} with {} steps",
                run.id,
                run.executor.transition().synapses.len()
            );
            lead.run = Some(run);
        }
    }

    pub(super) fn cancel_action_timers(&mut self) {
        let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
        let numbers: Vec<u32> = run
            .map(|run| {
                run.executor.transition().synapses.iter().map(|s| s.action.head.id).collect()
            })
            .unwrap_or_default();
        for number in numbers {
            self.timers.cancel(&Timer::Action(number));
        }
    }

    fn job_limit(&self) -> u32 {
        match self.options.node_action_limit {
            0 => 2 * cores(),
            limit => limit,
        }
    }

    /// Fires what may run, until nothing more can be fired.
    pub(super) fn pass(&mut self, now: Now, out: &mut Outputs) {
        let may = !matches!(
            self.state,
            State::Starting | State::Pending | State::NotDc | State::Stopping
        );
        if !may || !self.is_ring_settled() {
            return;
        }
        let limit = self.job_limit();
        loop {
            let Some(run) = self.lead.as_mut().and_then(|lead| lead.run.as_mut()) else { return };
            if run.over {
                return;
            }
            let migration_limit = run.executor.transition().attribute("migration-limit");
            let migration_limit = migration_limit.and_then(|l| l.parse().ok()).filter(|l| *l > 0);
            let mut collector = Collector {
                limit,
                migration_limit,
                jobs: &mut run.jobs,
                fired: Vec::new(),
                local: &self.name,
                shutdown: &mut run.shutdown,
            };
            let progress = run.executor.pass(&mut collector);
            let fired = collector.fired;
            for action in fired {
                self.initiate(now, &action, out);
            }
            match progress {
                Progress::Active => {}
                Progress::Pending => return,
                Progress::Complete | Progress::Terminated => {
                    return self.complete(now, progress, out);
                }
            }
        }
    }

    fn complete(&mut self, now: Now, progress: Progress, out: &mut Outputs) {
        let Some(lead) = &mut self.lead else { return };
        let Some(run) = &mut lead.run else { return };
        run.over = true;
        let (mut completion, reason) = run.executor.completion();
        // A transition that did not go as planned may leave something running here; the next one
        // will have the shutdown in it again.
        if run.shutdown && completion == CompletionAction::Done {
            completion = CompletionAction::Shutdown;
        }
        if progress == Progress::Terminated {
            log::warn!("controller: transition {} ends with steps that can never run", run.id);
        }
        log::info!("controller: transition {} is over ({})", run.id, reason.unwrap_or("complete"));
        match completion {
            CompletionAction::Done | CompletionAction::Wait => {
                if self.state == State::TransitionEngine {
                    self.become_state(now, State::Idle, out);
                }
            }
            CompletionAction::Restart => {
                lead.wanted = true;
                if self.state == State::TransitionEngine && !self.options.transition_delay.is_zero()
                {
                    let at = now.elapsed + self.options.transition_delay;
                    self.timers.arm(Timer::TransitionDelay, at);
                }
            }
            CompletionAction::Shutdown => self.stop_now(now, out),
        }
        self.check_join(now, out);
        self.calculate_if_wanted(now, out);
    }

    fn transition_key(&self, action: &GraphAction) -> String {
        let target = action.attributes.get("CRM_meta_op_target_rc").unwrap_or("0");
        let id = self.lead.as_ref().and_then(|lead| lead.run.as_ref()).map_or(-1, |run| run.id);
        format!("{}:{id}:{target}:{}", action.head.id, self.uuid)
    }

    /// Starts an action.
    fn initiate(&mut self, now: Now, action: &GraphAction, out: &mut Outputs) {
        let task = action.head.operation.as_str();
        if let Some(run) = self.lead.as_mut().and_then(|lead| lead.run.as_mut()) {
            let nodes = action.downed.iter().map(|id| (task.to_owned(), id.clone()));
            run.downed.extend(nodes);
        }
        match (action.head.kind, task) {
            (ActionKind::Pseudo, _) => {}
            (ActionKind::Cluster, "stonith") => self.fence(action, out),
            (ActionKind::Cluster, "do_shutdown") => {
                let node = action.head.node.as_ref().and_then(|(name, _)| self.peers.by_name(name));
                if let Some(node) = node {
                    self.peers.entry(node).expected = Some(Expected::Down);
                    self.to_node(node, ControllerPeer::DoShutdown, out);
                }
            }
            _ => self.send_action(now, action, out),
        }
    }

    fn send_action(&mut self, now: Now, action: &GraphAction, out: &mut Outputs) {
        let head = &action.head;
        let on_node = head.node.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        let through = head.router_node.clone().unwrap_or_else(|| on_node.clone());
        let request = ActionRequest {
            operation: head.operation.clone(),
            on_node: on_node.clone(),
            resource: action.resource.as_ref().map(|r| (r.id.clone(), r.long_id.clone())),
            agent: action.resource.as_ref().map(|r| AgentName {
                class: r.class.clone(),
                provider: r.provider.clone(),
                kind: r.agent.clone(),
            }),
            attributes: (&action.attributes).into(),
            transition_key: self.transition_key(action),
            shutdown_lock: action.shutdown_lock,
        };
        if head.operation == "cancel" {
            self.note_cancel(action, &on_node);
        }
        let local = head.mode_cib;
        let target = if local { Some(self.me) } else { self.peers.by_name(&through) };
        match target {
            Some(node) if self.peers.is_active(node) => {
                self.to_node(node, ControllerPeer::Invoke(request), out);
            }
            _ => log::error!("controller: {} cannot be asked for {}", through, head.operation_key),
        }
        if is_awaited(action) {
            let meta = |name: &str| {
                let millis = action.attributes.get(name).and_then(|text| text.parse::<u64>().ok());
                Duration::from_millis(millis.unwrap_or(0))
            };
            let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
            let delay = run.map_or(Duration::from_secs(60), |run| run.network_delay);
            let timeout = meta("CRM_meta_timeout") + meta("CRM_meta_start_delay");
            let wait = if timeout.is_zero() { 2 * delay } else { timeout + delay };
            self.timers.arm(Timer::Action(head.id), now.elapsed + wait);
        }
    }

    fn note_cancel(&mut self, action: &GraphAction, node: &str) {
        let meta = |name: &str| action.attributes.get(name).unwrap_or("");
        let resource = action.resource.as_ref().map_or("", |resource| resource.id.as_str());
        let (operation, interval) = (meta("CRM_meta_operation"), meta("CRM_meta_interval"));
        let key = format!("{resource}_{operation}_{interval}");
        if let Some(run) = self.lead.as_mut().and_then(|lead| lead.run.as_mut()) {
            run.cancels.insert((key, node.to_owned()), action.head.id);
        }
    }

    fn fence(&mut self, action: &GraphAction, out: &mut Outputs) {
        let Some((target, _)) = action.head.node.clone() else { return };
        let verb = action.attributes.get("CRM_meta_stonith_action");
        let verb = verb.and_then(FenceVerb::from_name).unwrap_or(FenceVerb::Reboot);
        let delay = action.attributes.get("CRM_meta_priority_fencing_delay");
        let confirmed =
            self.peers.iter().filter(|(_, p)| p.phase == super::Phase::Confirmed).count();
        let run = self.lead.as_ref().and_then(|lead| lead.run.as_ref());
        let timeout = run.map_or(Duration::from_secs(60), |run| run.fencing_timeout);
        let token = self.token();
        self.fences.insert(token, (action.head.id, target.clone()));
        let client = format!("controller.{}", self.me);
        let task = FencingTask::Fence {
            target,
            action: verb,
            timeout_s: u32::try_from(timeout.as_secs().max(1)).unwrap_or(u32::MAX),
            delay_s: delay.and_then(|text| text.parse().ok()).unwrap_or(0),
            tolerance_s: 0,
            allow_self: confirmed == 1,
            by_id: false,
        };
        out.here(Room::Fencer, FenceRequest { token, client, task });
    }

    /// An action is over. False if it was not under way.
    pub(super) fn confirm_action(&mut self, number: u32, failed: bool) -> bool {
        self.timers.cancel(&Timer::Action(number));
        let Some(run) = self.lead.as_mut().and_then(|lead| lead.run.as_mut()) else { return false };
        if !run.executor.confirm(number, failed) {
            return false;
        }
        run.release_job(number);
        true
    }

    /// Aborts the transition under way, or plans anew if there is none (spec 60 §8.7).
    pub(super) fn abort(
        &mut self,
        now: Now,
        priority: i32,
        completion: CompletionAction,
        reason: &str,
        out: &mut Outputs,
    ) {
        let suppressed =
            matches!(self.state, State::Starting | State::Pending | State::NotDc | State::Stopping);
        let delay = self.options.transition_delay;
        let Some(lead) = self.lead.as_mut().filter(|_| !suppressed) else { return };
        self.timers.cancel(&Timer::QuorumGained);
        let planning = lead.expected.take().is_some() | lead.plan.take().is_some();
        let running = lead.run.as_mut().filter(|run| !run.over);
        if let Some(run) = running {
            log::info!("controller: transition {} aborted: {reason}", run.id);
            run.executor.abort(priority, completion, reason);
            if planning {
                lead.wanted = true;
            }
            return;
        }
        if planning || completion == CompletionAction::Restart {
            log::debug!("controller: {reason}");
            lead.wanted = true;
            if !delay.is_zero() {
                self.timers.arm(Timer::TransitionDelay, now.elapsed + delay);
            }
        }
        self.calculate_if_wanted(now, out);
    }

    /// Lets no more of the transition begin; what is under way ends.
    pub(super) fn halt_transition(&mut self, _: Now) {
        if let Some(lead) = &mut self.lead {
            (lead.expected, lead.plan) = (None, None);
            if let Some(run) = lead.run.as_mut().filter(|run| !run.over) {
                run.executor.abort(INFINITY, CompletionAction::Wait, "Peer halt");
            }
        }
        self.timers.cancel(&Timer::Scheduler);
    }

    /// After a join: what was planned before counts no longer.
    pub(super) fn cancel_transition(&mut self) {
        if let Some(lead) = &mut self.lead {
            (lead.expected, lead.plan) = (None, None);
            if let Some(run) = lead.run.as_mut().filter(|run| !run.over) {
                run.executor.abort(INFINITY, CompletionAction::Restart, "Peer cancelled");
            }
        }
        self.timers.cancel(&Timer::Scheduler);
    }

    /// A node did not answer for an action.
    pub(super) fn action_lost(&mut self, now: Now, number: u32, out: &mut Outputs) {
        let Some(run) = self.lead.as_ref().and_then(|lead| lead.run.as_ref()) else { return };
        let Some(action) = run.action(number).cloned() else { return };
        if run.over {
            return;
        }
        log::error!("controller: no result of {} arrived in time", action.head.operation_key);
        let key = self.transition_key(&action);
        self.confirm_action(number, true);
        self.record_lost(now, &action, &key, out);
        self.restart_transition(now, "Action lost", out);
    }

    /// A member is gone, in order or not.
    pub(super) fn member_lost(&mut self, now: Now, node: NodeId, out: &mut Outputs) {
        let xml_id = node.to_string();
        let name = self.peers.name(node).to_owned();
        let Some(lead) = &mut self.lead else { return };
        let expected = lead.run.as_ref().and_then(|run| run.takes_down(&xml_id)).map(str::to_owned);
        match expected.as_deref() {
            Some("stonith") => {}
            Some(task) => {
                log::info!("controller: {task} of {name} is in progress");
                self.peers.entry(node).expected = Some(Expected::Down);
                // Whatever else was under way there, a probe for instance, will not be heard of again.
                self.fail_actions_of(node);
            }
            None if planted(Mutation::ExpectLossOfAll) => {
                self.peers.entry(node).expected = Some(Expected::Down);
                let run =
                    self.lead.as_mut().and_then(|lead| lead.run.as_mut()).filter(|run| !run.over);
                run.map(|run| run.executor.fail_node(&name, &xml_id));
                self.write(vec![delete_history(&name)], Call::Write { what: "history" }, out);
                self.want_calculation();
            }
            None => {
                self.fail_actions_of(node);
                // What is planned next has to know it.
                self.write_node_state(node, out);
                self.await_return(now, node);
                if matches!(self.state, State::Integration | State::FinalizeJoin) {
                    self.halt_transition(now);
                    self.want_calculation();
                } else {
                    self.restart_transition(now, "Node failure", out);
                }
                return;
            }
        }
        self.write_node_state(node, out);
    }

    /// Actions that were to be done on a node that is gone have failed.
    fn fail_actions_of(&mut self, node: NodeId) {
        let name = self.peers.name(node).to_owned();
        let run = self.lead.as_mut().and_then(|lead| lead.run.as_mut()).filter(|run| !run.over);
        let lost = run.map(|run| run.executor.fail_node(&name, &node.to_string()));
        for number in lost.unwrap_or_default() {
            self.timers.cancel(&Timer::Action(number));
        }
    }

    /// A controller that is gone while its node is here is perhaps being started again: planning waits for
    /// it a little, for what is planned without it is that its node is fenced.
    fn await_return(&mut self, now: Now, node: NodeId) {
        if self.peers.get(node).is_some_and(|peer| peer.member) {
            self.timers.arm(Timer::TransitionDelay, now.elapsed + CONTROLLER_RETURNS);
        } else {
            self.timers.cancel(&Timer::TransitionDelay);
        }
    }
}

fn delete_history(name: &str) -> crate::subsystem::CibUpdate {
    super::delete_all(format!("//node_state[@uname='{name}']/lrm"))
}

/// How many processors there are. To find out takes reading files, so it is done once.
fn cores() -> u32 {
    static CORES: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CORES.get_or_init(|| {
        let found = std::thread::available_parallelism();
        found.map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
    })
}
