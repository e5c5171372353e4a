//! The fencer: crate fencing behind a subsystem's face (spec 81).

mod agents;
mod configuration;
mod request;

pub use agents::{FenceAgents, RealAgents};
pub use configuration::read as read_configuration;

use std::collections::BTreeMap;
use std::time::Duration;

use fencing::clock::Moment;
use fencing::executor::CallId;
use fencing::fencer::{Fencer, Input, Notification, Output, Request, Response};
use fencing::name::{DeviceId, NodeName};
use fencing::outcome::Outcome;
use fencing::process::Finished;

use self::request::{monitor, record, result_of, translate};
use crate::subsystem::{
    Address, Body, CibOperation, CibRequest, Ending, Envelope, FenceAnswer, FenceDevice,
    FenceRequest, FencerEvent, FencerNotice, Interest, NodeId, Now, Outputs, Room, Scope,
    Subsystem,
};

/// Most requests that may wait for an answer.
const MAX_CALLS: usize = 10_000;
/// Token of this room's own questions to the CIB manager.
const CONFIGURATION: u64 = 1;

/// What an answer is for.
#[derive(Debug, Clone)]
struct Call {
    from: Address,
    token: u64,
    /// To be done when the device is registered.
    then_monitor: Option<(DeviceId, u32)>,
}

/// See the [module](self).
pub struct FencerRoom<A> {
    name: String,
    fencer: Fencer,
    agents: A,
    names: BTreeMap<NodeId, String>,
    members: Vec<NodeId>,
    calls: BTreeMap<u32, Call>,
    next_call: u32,
    reading: Reading,
    /// When the next reading would be due if they were made at an even pace.
    paced: Duration,
}

/// How the configuration here stands to that of the CIB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is the same.
    Current,
    /// It was asked for.
    Asked,
    /// It was asked for, and has changed since.
    Again,
    /// It has changed, as it does all the time; it will be asked for.
    Later,
}

/// Least time between readings in the long run, of a configuration that changes all the time.
const PACE: Duration = Duration::from_millis(20);
/// So many readings may be without a pause.
const BURST: u32 = 6;

impl<A: FenceAgents> FencerRoom<A> {
    /// The fencer of a node. `seed` must differ between nodes and starts.
    ///
    /// # Errors
    /// When the name cannot be a node's.
    pub fn new(me: NodeId, name: &str, agents: A, seed: u64) -> Result<FencerRoom<A>, String> {
        let local = NodeName::new(name).map_err(|error| error.to_string())?;
        Ok(FencerRoom {
            name: name.to_owned(),
            fencer: Fencer::new(local, format!("fencer.{name}"), seed),
            agents,
            names: BTreeMap::from([(me, name.to_owned())]),
            members: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 1,
            reading: Reading::Current,
            paced: Duration::ZERO,
        })
    }

    /// What runs the agents.
    pub fn agents_mut(&mut self) -> &mut A {
        &mut self.agents
    }

    /// The fencer, to be looked at.
    pub fn fencer(&self) -> &Fencer {
        &self.fencer
    }

    fn request(&mut self, now: Now, from: Address, request: FenceRequest, out: &mut Outputs) {
        let FenceRequest { token, client, task } = request;
        if self.calls.len() >= MAX_CALLS {
            let result = result_of(&Outcome::invalid(1, "too many requests wait"));
            return out.reply(from, FenceAnswer::Ended { token, result });
        }
        let (request, then_monitor) = match translate(task) {
            Ok(translated) => translated,
            Err(reason) => {
                let result = result_of(&Outcome::invalid(2, reason));
                return out.reply(from, FenceAnswer::Ended { token, result });
            }
        };
        self.call(now, &client, Call { from, token, then_monitor }, request);
    }

    fn call(&mut self, now: Now, client: &str, call: Call, request: Request) {
        let number = self.next_call;
        self.next_call = self.next_call.wrapping_add(1);
        self.calls.insert(number, call);
        let input = Input::Request {
            call: CallId { client: 1, call: number },
            client: client.to_owned(),
            privileged: true,
            request,
        };
        self.fencer.handle(moment(now), input);
    }

    fn answered(&mut self, now: Now, number: u32, response: Response, out: &mut Outputs) {
        let Some(call) = self.calls.get(&number).cloned() else { return };
        let token = call.token;
        if let Response::Timeout(seconds) = response {
            return out.reply(call.from, FenceAnswer::MayTake { token, seconds: seconds.0 });
        }
        self.calls.remove(&number);
        let answer = match response {
            Response::Ended(outcome) => match call.then_monitor {
                Some((device, seconds)) if outcome.is_ok() => {
                    let request = monitor(device, seconds);
                    return self.call(
                        now,
                        "executor",
                        Call { then_monitor: None, ..call },
                        request,
                    );
                }
                _ => FenceAnswer::Ended { token, result: result_of(&outcome) },
            },
            Response::Agent(report) => {
                FenceAnswer::Ended { token, result: result_of(&report.outcome) }
            }
            Response::Devices(devices) => FenceAnswer::Devices {
                token,
                devices: devices.iter().map(|device| self.device(device)).collect(),
            },
            Response::History(entries) => {
                FenceAnswer::History { token, records: entries.iter().map(record).collect() }
            }
            Response::Timeout(_) => return,
        };
        out.reply(call.from, answer);
    }

    /// What is told of a device.
    fn device(&self, id: &DeviceId) -> FenceDevice {
        let known = self.fencer.executor().registry.get(id);
        let agent = known.map(|device| device.definition.agent.as_str());
        FenceDevice {
            id: id.as_str().to_owned(),
            agent: agent.unwrap_or("fence_watchdog").to_owned(),
            verified: known.is_some_and(|device| device.verified),
        }
    }

    fn notify(&self, notification: Notification, out: &mut Outputs) {
        let event = match notification {
            Notification::Fenced { result, .. } => {
                let notice = FencerNotice {
                    operation: result.operation.to_string(),
                    target: result.target.as_str().to_owned(),
                    action: result.action.as_str().to_owned(),
                    delegate: result.delegate.as_ref().map(|name| name.as_str().to_owned()),
                    client: result.client,
                    origin: result.originator.as_str().to_owned(),
                    result: result_of(&result.outcome),
                };
                out.here(Room::Controller, notice.clone());
                return out.here(Room::Clients, notice);
            }
            Notification::DeviceRegistered(id) => {
                FencerEvent::DeviceRegistered(id.as_str().to_owned())
            }
            Notification::DeviceRemoved(id) => FencerEvent::DeviceRemoved(id.as_str().to_owned()),
            Notification::HistoryChanged => FencerEvent::HistoryChanged,
            Notification::HistorySynchronised => FencerEvent::HistorySynchronised,
        };
        out.here(Room::Clients, event);
    }

    fn drain(&mut self, now: Now, out: &mut Outputs) {
        loop {
            while let Some(output) = self.fencer.poll_output() {
                self.carry_out(now, output, out);
            }
            let finished = self.agents.take_finished();
            if finished.is_empty() {
                return;
            }
            for end in finished {
                let input = match end {
                    Finished::Run(run, report) => Input::AgentEnded { run, report },
                    Finished::Metadata(agent, answer) => Input::MetadataRead { agent, answer },
                };
                self.fencer.handle(moment(now), input);
            }
        }
    }

    fn carry_out(&mut self, now: Now, output: Output, out: &mut Outputs) {
        match output {
            Output::Send { to: None, message } => out.all(Room::Fencer, message.encode()),
            Output::Send { to: Some(name), message } => {
                let to = self.names.iter().find(|(_, known)| **known == name.as_str());
                if let Some((node, _)) = to {
                    out.node(*node, Room::Fencer, message.encode());
                }
            }
            Output::Run(run) => self.agents.run(now, run),
            Output::ReadMetadata(agent) => self.agents.read_metadata(now, agent),
            Output::Reply { call, response } => self.answered(now, call.call, response, out),
            Output::Notify(notification) => self.notify(notification, out),
            Output::SelfFence { action } => {
                log::error!("fencer: this node fences itself ({action})");
                out.end(Ending::Panic);
            }
            Output::Log(line) => log::log!(line.level, "fencer: {}", line.text),
        }
    }

    /// Asks for the configuration, now or at the pace for one that changes all the time.
    fn read(&mut self, now: Now, out: &mut Outputs) {
        if self.paced > now.elapsed + PACE * BURST {
            self.reading = Reading::Later;
            return;
        }
        self.paced = self.paced.max(now.elapsed) + PACE;
        self.reading = Reading::Asked;
        ask(out);
    }

    fn next_reading(&self) -> Option<Duration> {
        (self.reading == Reading::Later).then(|| self.paced.saturating_sub(PACE * BURST))
    }

    fn membership(&mut self, now: Now, members: Vec<NodeId>) {
        self.members = members;
        let names = self.members.iter().filter_map(|node| self.names.get(node));
        let active = names.filter_map(|name| NodeName::new(name).ok()).collect();
        self.fencer.handle(moment(now), Input::Membership(active));
    }
}

fn moment(now: Now) -> Moment {
    Moment { elapsed: now.elapsed, wall: now.wall }
}

impl<A: FenceAgents> Subsystem for FencerRoom<A> {
    fn room(&self) -> Room {
        Room::Fencer
    }

    fn start(&mut self, _: Now, out: &mut Outputs) {
        cib(out, 0, CibOperation::Subscribe(Interest::Configuration));
        self.reading = Reading::Asked;
        ask(out);
    }

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        let sender = envelope.from.node;
        match envelope.body {
            Body::FenceRequest(request) => self.request(now, envelope.from, request, out),
            Body::FencerPeer(bytes) => {
                let name = self.names.get(&sender).map(|name| NodeName::new(name));
                if let Some(Ok(name)) = name {
                    self.fencer.handle_bytes(moment(now), name, &bytes);
                }
            }
            Body::GroupView(view) => self.membership(now, view.members),
            Body::Membership(membership) => {
                let named = membership.configured.into_iter().map(|node| (node.id, node.name));
                self.names.extend(named);
                self.membership(now, self.members.clone());
            }
            Body::CibChanged(_) => match self.reading {
                Reading::Current => self.read(now, out),
                Reading::Asked => self.reading = Reading::Again,
                Reading::Again | Reading::Later => {}
            },
            Body::CibAnswer(answer) if answer.token == CONFIGURATION => {
                if std::mem::replace(&mut self.reading, Reading::Current) == Reading::Again {
                    self.read(now, out);
                }
                if let Ok(Some(document)) = answer.result {
                    let configuration = configuration::read(&document, &self.name, now.epoch());
                    self.fencer.handle(moment(now), Input::Configure(configuration));
                }
            }
            Body::Stop => out.end(Ending::Done),
            _ => {}
        }
        self.drain(now, out);
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        self.agents.turn(now);
        if self.next_reading().is_some_and(|at| at <= now.elapsed) {
            self.read(now, out);
        }
        self.fencer.handle(moment(now), Input::Tick);
        self.drain(now, out);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let next = [self.fencer.poll_timeout(), self.agents.poll_timeout(), self.next_reading()];
        next.into_iter().flatten().min()
    }
}

fn ask(out: &mut Outputs) {
    let scope = Scope::Section("configuration".to_owned());
    cib(out, CONFIGURATION, CibOperation::Query { scope, children: true });
}

fn cib(out: &mut Outputs, token: u64, operation: CibOperation) {
    let client = "fencer".to_owned();
    out.here(Room::Cib, CibRequest { token, operation, client, user: None });
}
