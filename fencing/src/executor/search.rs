//! Which devices of this fencer can fence a target (spec 81 §4).

use std::collections::BTreeSet;
use std::time::Duration;

use log::Level;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::device::{AgentKnowledge, Device, HostCheck, LIST_LIFETIME};
use crate::executor::job::JobId;
use crate::executor::queue::{NewCommand, Purpose};
use crate::executor::{CallId, Effect, Executor, MAX_COMMANDS};
use crate::name::{DeviceId, NodeName, OperationId};
use crate::outcome::{ExecutionStatus, Outcome};
use crate::targets;

/// Time for a list or status run if the request says none.
const DEFAULT_QUERY_TIMEOUT: Seconds = Seconds(60);

/// Number of one search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(pub u64);

/// Whom the result of a search is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchPurpose {
    /// The owner of an operation.
    Peer {
        /// The owner.
        owner: NodeName,
        /// The operation.
        operation: OperationId,
        /// The action of the query.
        action: Action,
        /// The target of the query.
        target: NodeName,
        /// Whether the target may fence itself.
        allow_self: bool,
    },
    /// A client.
    Call(CallId),
    /// A request that names no device.
    Job(JobId),
}

/// What is searched for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub action: Action,
    pub target: Option<NodeName>,
    pub timeout: Seconds,
    pub allow_self: bool,
    /// Leave out devices that do not support `on`, even without a target.
    pub on_only: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Search {
    wanted: Wanted,
    purpose: SearchPurpose,
    pending: BTreeSet<DeviceId>,
    eligible: Vec<DeviceId>,
}

enum Verdict {
    Eligible(&'static str),
    Not(&'static str),
    Ask(Action),
    WaitForMetadata,
}

impl Executor {
    /// Starts a search over all devices in ascending order of their ids; the answer comes once
    /// each has answered.
    pub(crate) fn search(&mut self, now: Duration, wanted: Wanted, purpose: SearchPurpose) {
        if self.searches.len() >= MAX_COMMANDS {
            self.log(Level::Error, format!("More than {MAX_COMMANDS} device queries are pending"));
            return self.searched(now, purpose, Vec::new());
        }
        let id = SearchId(self.number());
        let devices: Vec<DeviceId> =
            self.registry.iter().map(|device| device.id().clone()).collect();
        let pending = devices.iter().cloned().collect();
        self.searches.insert(id, Search { wanted, purpose, pending, eligible: Vec::new() });
        for device in &devices {
            self.judge(now, id, device);
        }
        self.complete_search(now, id);
    }

    fn judge(&mut self, now: Duration, id: SearchId, device_id: &DeviceId) {
        let Some(search) = self.searches.get(&id) else {
            return;
        };
        let verdict = match self.registry.get(device_id) {
            Some(device) => self.verdict(now, device, &search.wanted),
            None => Verdict::Not("Device was removed"),
        };
        match verdict {
            Verdict::Eligible(reason) => self.answer(id, device_id, true, reason),
            Verdict::Not(reason) => self.answer(id, device_id, false, reason),
            Verdict::WaitForMetadata => {
                self.awaiting_metadata.insert((device_id.clone(), id));
            }
            Verdict::Ask(action) => self.ask_agent(now, id, device_id, action),
        }
    }

    fn verdict(&self, now: Duration, device: &Device, wanted: &Wanted) -> Verdict {
        if device.knowledge == AgentKnowledge::Asked {
            return Verdict::WaitForMetadata;
        }
        if wanted.on_only && wanted.action == Action::On && !device.supports(Action::On) {
            return Verdict::Not("Agent does not support 'on'");
        }
        let Some(target) = &wanted.target else {
            return Verdict::Eligible("No target");
        };
        if wanted.action == Action::On && !device.supports(Action::On) {
            return Verdict::Not("Agent does not support 'on'");
        }
        let may =
            |action, allow_self| device.may_execute(action, Some(target), &self.local, allow_self);
        let any_phase = wanted.action == Action::Reboot
            && (may(Action::Off, wanted.allow_self) || may(Action::On, false));
        if !may(wanted.action, wanted.allow_self) && !any_phase {
            return Verdict::Not("This node is not allowed to execute action");
        }
        let known = |known: bool, reason| {
            if known { Verdict::Eligible(reason) } else { Verdict::Not(reason) }
        };
        match device.host_check() {
            HostCheck::None => Verdict::Eligible("none"),
            HostCheck::StaticList => known(device.is_static_target(target), "static-list"),
            HostCheck::DynamicList => match device.listed_at {
                Some(at) if now.saturating_sub(at) < LIST_LIFETIME => {
                    known(device.knows_target(target), "dynamic-list")
                }
                _ => Verdict::Ask(Action::List),
            },
            HostCheck::Status => Verdict::Ask(Action::Status),
            HostCheck::Invalid(_) => Verdict::Not("Invalid pcmk_host_check"),
        }
    }

    /// Asks the agent; a list that is already waiting or running serves several searches.
    fn ask_agent(&mut self, now: Duration, id: SearchId, device: &DeviceId, action: Action) {
        let Some(search) = self.searches.get(&id) else {
            return;
        };
        let target = match action {
            Action::Status => search.wanted.target.clone(),
            _ => None,
        };
        let timeout = match search.wanted.timeout {
            Seconds::ZERO => DEFAULT_QUERY_TIMEOUT,
            timeout => timeout,
        };
        let under_way = self.queued(device).into_iter().find(|command| {
            self.command(*command).is_some_and(|command| {
                command.action == action
                    && command.target == target
                    && matches!(command.purpose, Purpose::Searches(_))
            })
        });
        if let Some(command) = under_way.and_then(|command| self.command_mut(command)) {
            if let Purpose::Searches(searches) = &mut command.purpose {
                searches.push(id);
            }
            return;
        }
        let own = self.registry.get(device).and_then(|device| device.options.timeout(action));
        if let Some(own) = own.filter(|own| *own > timeout) {
            self.log(Level::Info, format!("{device}: pcmk_{action}_timeout ({own}) is longer than the time of the request ({timeout})"));
        }
        let purpose = Purpose::Searches(vec![id]);
        let device_id = device.clone();
        let new = NewCommand { device: device_id, action, target, timeout, delay: None, purpose };
        self.enqueue(now, new);
        self.start_ready(now, device);
    }

    /// Searches that waited for what an agent says about itself go on.
    pub(super) fn resume_searches(&mut self, now: Duration, device: &DeviceId) {
        for id in self.take_waiting(device) {
            self.judge(now, id, device);
            self.complete_search(now, id);
        }
    }

    /// Searches need not wait for a device that is gone. Those with a command queued have been
    /// answered by its end.
    pub(super) fn answer_searches_without(&mut self, now: Duration, device: &DeviceId) {
        for id in self.take_waiting(device) {
            self.answer(id, device, false, "Device was removed");
            self.complete_search(now, id);
        }
    }

    fn take_waiting(&mut self, device: &DeviceId) -> Vec<SearchId> {
        let of_device = |(waiting, _): &&(DeviceId, SearchId)| waiting == device;
        let taken: Vec<_> = self.awaiting_metadata.iter().filter(of_device).cloned().collect();
        taken.iter().for_each(|entry| {
            self.awaiting_metadata.remove(entry);
        });
        taken.into_iter().map(|(_, id)| id).collect()
    }

    /// A list or status run for searches has ended.
    pub(super) fn searches_answered(
        &mut self,
        now: Duration,
        device_id: &DeviceId,
        action: Action,
        searches: &[SearchId],
        outcome: &Outcome,
    ) {
        if action == Action::List {
            self.list_ended(now, device_id, outcome);
        }
        for id in searches {
            let target = self.searches.get(id).and_then(|search| search.wanted.target.clone());
            let eligible = match (self.registry.get(device_id), target) {
                (Some(device), Some(target)) if action == Action::List => {
                    device.host_check() == HostCheck::DynamicList && device.knows_target(&target)
                }
                (Some(_), Some(_)) => {
                    outcome.status == ExecutionStatus::Done && matches!(outcome.exit, 0 | 2)
                }
                _ => false,
            };
            let reason = if action == Action::List { "dynamic-list" } else { "status" };
            self.answer(*id, device_id, eligible, reason);
            self.complete_search(now, *id);
        }
    }

    fn list_ended(&mut self, now: Duration, id: &DeviceId, outcome: &Outcome) {
        let Some(device) = self.registry.get_mut(id) else {
            return;
        };
        if outcome.is_ok() {
            device.targets = Some(targets::parse_list(&outcome.output).0);
            device.listed_at = Some(now);
        } else if device.targets.is_none() && device.options.host_check.is_none() {
            device.fell_back_to_status = true;
            self.log(Level::Info, format!("Switching to pcmk_host_check='status' for {id}"));
        }
    }

    fn answer(&mut self, id: SearchId, device: &DeviceId, eligible: bool, reason: &str) {
        let Some(search) = self.searches.get_mut(&id) else {
            return;
        };
        if !search.pending.remove(device) {
            return;
        }
        if eligible {
            search.eligible.push(device.clone());
        }
        let Some(target) = search.wanted.target.clone() else {
            return;
        };
        let action = search.wanted.action;
        let alias =
            self.registry.get(device).and_then(|device| device.options.host_map.port(&target));
        let alias = alias.map(|alias| format!(" (as '{alias}')")).unwrap_or_default();
        let not = if eligible { "" } else { " not" };
        let text =
            format!("{device} is{not} eligible to fence ({action}) {target}{alias}: {reason}");
        self.log(Level::Debug, text);
    }

    fn complete_search(&mut self, now: Duration, id: SearchId) {
        if self.searches.get(&id).is_none_or(|search| !search.pending.is_empty()) {
            return;
        }
        let Some(search) = self.searches.remove(&id) else {
            return;
        };
        self.searched(now, search.purpose, search.eligible);
    }

    fn searched(&mut self, now: Duration, purpose: SearchPurpose, devices: Vec<DeviceId>) {
        match purpose {
            SearchPurpose::Job(job) => self.job_devices(now, job, devices),
            purpose => self.effects.push_back(Effect::Searched { purpose, devices }),
        }
    }
}
