//! Requests of local clients (spec 81 §7.3, §14.1).

use log::Level;

use crate::agent::Action;
use crate::clock::{Moment, Seconds};
use crate::device::{DeviceDefinition, Source};
use crate::executor::{AgentReport, CallId, SearchPurpose, Wanted};
use crate::fencer::{
    FenceOrder, Fencer, MAX_CALLS, MAX_OWNED, Notification, Output, Request, Response, Timer,
};
use crate::history::Record;
use crate::message::{Message, OperationResult, Query, Relay, State};
use crate::name::{DeviceId, NodeName, OperationId};
use crate::operation::Task;
use crate::outcome::{ExecutionStatus, Outcome, exit};

impl Fencer {
    pub(super) fn request(
        &mut self,
        now: Moment,
        call: CallId,
        client: String,
        privileged: bool,
        request: Request,
    ) {
        if self.calls.len() >= MAX_CALLS {
            let reason = format!("More than {MAX_CALLS} requests wait for an answer");
            let outcome = Outcome::failed(ExecutionStatus::Error, exit::ERROR, reason);
            self.outputs.push_back(Output::Reply { call, response: Response::Ended(outcome) });
            return;
        }
        self.calls.insert(call);
        let client = crate::outcome::bounded(client.replace(char::is_control, "?"), 200);
        match request {
            Request::Fence(order) => self.fence_order(now, call, client, order),
            Request::DangerousConfirm { target } => self.confirm(now, call, client, target),
            Request::ListDevices { target, action } => {
                let wanted = Wanted {
                    action,
                    target,
                    timeout: Seconds::ZERO,
                    allow_self: true,
                    on_only: false,
                };
                self.executor.search(now.elapsed, wanted, SearchPurpose::Call(call));
            }
            Request::Execute { device, action, target, timeout } => {
                self.execute(now, call, device, action, target, timeout);
            }
            Request::History { target } => {
                let entries = self.history.entries(target.as_ref());
                self.reply(call, Response::History(entries));
            }
            Request::CleanUpHistory { target } => {
                self.broadcast(Message::HistoryCleanup { target });
                self.reply(call, Response::Ended(Outcome::ok()));
            }
            Request::SynchroniseHistory => {
                let entries = self.history.entries(None);
                self.broadcast(Message::History { differential: false, entries });
                self.reply(call, Response::Ended(Outcome::ok()));
            }
            registration => {
                let outcome = if privileged {
                    self.registration(now, registration)
                } else {
                    Outcome::invalid(
                        exit::INSUFFICIENT_PRIVILEGES,
                        "Unprivileged users must register device via CIB",
                    )
                };
                self.reply(call, Response::Ended(outcome));
            }
        }
    }

    /// Requests that change the device table or the topology.
    fn registration(&mut self, now: Moment, request: Request) -> Outcome {
        let done = |result: Result<(), Outcome>| result.err().unwrap_or_else(Outcome::ok);
        match request {
            Request::RegisterDevice(definition) => self.register_device(now, definition),
            Request::RemoveDevice(id) => {
                self.executor.remove(now.elapsed, &id, Source::Api);
                self.notify(Notification::DeviceRemoved(id));
                Outcome::ok()
            }
            Request::RegisterLevel(level) => done(self.topology.register(&level)),
            Request::RemoveLevel { target, index } => {
                done(self.topology.unregister(&target, index))
            }
            _ => Outcome::invalid(exit::PROTOCOL, "Not a registration"),
        }
    }

    fn register_device(&mut self, now: Moment, definition: DeviceDefinition) -> Outcome {
        let id = definition.id.clone();
        match self.executor.register(now.elapsed, definition, Source::Api) {
            Ok(()) => {
                self.notify(Notification::DeviceRegistered(id));
                Outcome::ok()
            }
            Err(refusal) => {
                self.log(Level::Error, refusal.to_string());
                Outcome::failed(ExecutionStatus::NoFenceDevice, exit::ERROR, refusal.to_string())
            }
        }
    }

    fn execute(
        &mut self,
        now: Moment,
        call: CallId,
        id: DeviceId,
        action: Action,
        target: Option<NodeName>,
        timeout: Seconds,
    ) {
        let outcome = if action.is_fencing() || action == Action::On {
            Outcome::invalid(
                exit::PROTOCOL,
                "Devices are asked to list, monitor and tell status only",
            )
        } else if id.is_watchdog() {
            self.execute_watchdog(action)
        } else {
            match self.executor.registry.get(&id) {
                None => Outcome::no_fence_device(format!("'{id}' not found")),
                Some(device) if action == Action::Monitor && !device.api_registered => {
                    Outcome::no_fence_device(format!("'{id}' not active"))
                }
                Some(_) => {
                    return self.executor.call(now.elapsed, call, &id, action, target, timeout);
                }
            }
        };
        self.reply(call, Response::Agent(AgentReport::from(outcome)));
    }

    fn execute_watchdog(&self, action: Action) -> Outcome {
        let watchdog = &self.executor.watchdog;
        if watchdog.timeout.is_none() {
            return Outcome::no_fence_device("Watchdog fence device not configured");
        }
        let names: Vec<&str> = watchdog.targets.iter().map(NodeName::as_str).collect();
        match action {
            Action::List => Outcome { output: names.join("\n"), ..Outcome::ok() },
            _ => Outcome::ok(),
        }
    }

    fn fence_order(&mut self, now: Moment, call: CallId, client: String, mut order: FenceOrder) {
        order.timeout = order.timeout.max(Seconds(1));
        if order.target_is_id {
            self.resolve_id(&mut order);
        }
        if !(order.action.is_fencing() || order.action == Action::On) {
            let reason = format!("'{}' is no fencing action", order.action);
            let outcome = Outcome::invalid(exit::INVALID_PARAMETER, reason);
            return self.reply(call, Response::Ended(outcome));
        }
        if self.is_recent(now, &order) {
            self.log(
                Level::Info,
                format!(
                    "Target {} was fenced ({}) less than {} ago by a completed operation",
                    order.target, order.action, order.tolerance
                ),
            );
            return self.reply(call, Response::Ended(Outcome::ok()));
        }
        if self.conducts.len() >= MAX_OWNED {
            let reason = format!("More than {MAX_OWNED} fencing operations are pending");
            let outcome = Outcome::failed(ExecutionStatus::Error, exit::ERROR, reason);
            return self.reply(call, Response::Ended(outcome));
        }
        if order.action.is_fencing() && order.target == self.local {
            let peer = self.active.iter().find(|node| **node != self.local).cloned();
            if let Some(peer) = peer {
                return self.relay(now, call, client, order, peer);
            }
            self.log(Level::Info, "Will handle own fencing because no peer can");
        }
        self.own(now, order_task(client, &order), order.allow_self, Some(call), None);
    }

    fn resolve_id(&mut self, order: &mut FenceOrder) {
        let number: Option<u32> = order.target.as_str().parse().ok();
        match number.and_then(|number| self.node_ids.get(&number)) {
            Some(name) => order.target = name.clone(),
            None => {
                let text =
                    format!("Could not find a node with id {}; taking it for a name", order.target);
                self.log(Level::Warn, text);
            }
        }
    }

    fn is_recent(&self, now: Moment, order: &FenceOrder) -> bool {
        let last = self.history.last_done(&order.target, order.action);
        order.tolerance > Seconds::ZERO
            && last.is_some_and(|last| {
                last <= now.wall && now.wall - last <= order.tolerance.duration()
            })
    }

    /// A node does not conduct its own fencing if anyone else can.
    fn relay(
        &mut self,
        now: Moment,
        call: CallId,
        client: String,
        order: FenceOrder,
        peer: NodeName,
    ) {
        self.log(Level::Info, format!("Forwarding self-fencing request to {peer}"));
        let query = Query {
            operation: OperationId::random(&mut self.rng),
            relay: None,
            target: order.target.clone(),
            action: order.action,
            client,
            base: order.timeout,
            allow_self: order.allow_self,
        };
        let mut record = Record::new(now, &query, peer.clone());
        record.stand_in = true;
        record.call = Some(call);
        self.history.insert(record);
        let patience = order.timeout.with_allowance().max(Seconds(1));
        self.timers.arm(Timer::Total(query.operation), now.elapsed + patience.duration());
        let relay = Relay {
            stand_in: query.operation,
            target: order.target,
            action: order.action,
            base: order.timeout,
            delay: order.delay,
            allow_self: order.allow_self,
        };
        self.send(&peer, Message::Relay(relay));
    }

    /// A human's word in place of an agent's (spec 81 §11).
    fn confirm(&mut self, now: Moment, call: CallId, client: String, target: NodeName) {
        self.log(
            Level::Warn,
            format!("Received manual confirmation that {target} has been fenced"),
        );
        let query = Query {
            operation: OperationId::random(&mut self.rng),
            relay: None,
            target: target.clone(),
            action: Action::Off,
            client: client.clone(),
            base: Seconds::ZERO,
            allow_self: false,
        };
        let mut record = Record::new(now, &query, self.local.clone());
        record.state = State::Exec;
        record.concluded = true;
        record.call = Some(call);
        self.history.insert(record);
        let delegate = NodeName::new("a human").ok();
        self.broadcast(Message::Result(OperationResult {
            operation: query.operation,
            target,
            action: Action::Off,
            originator: self.local.clone(),
            client,
            delegate,
            outcome: Outcome::ok(),
        }));
    }
}

pub(super) fn order_task(client: String, order: &FenceOrder) -> Task {
    Task {
        target: order.target.clone(),
        action: order.action,
        client,
        base: order.timeout,
        delay: order.delay,
    }
}
