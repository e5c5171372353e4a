//! The fencer: crate fencing behind a subsystem's face (spec 81).

mod agents;
mod configuration;
mod request;

pub use agents::{FenceAgents, RealAgents};
use configuration::watchdog_option;

use std::collections::BTreeMap;
use std::time::Duration;

use cib_model::{DateTime, Document};
use fencing::clock::Moment;
use fencing::executor::CallId;
use fencing::fencer::{Fencer, Input, Notification, Output, Request, Response};
use fencing::name::{DeviceId, NodeName};
use fencing::outcome::Outcome;
use fencing::process::Finished;
use fencing::watchdog::check_own_watchdog;

use self::request::{monitor, record, result_of, translate};
use crate::subsystem::{
    Address, Body, CibOperation, CibRequest, Ending, Envelope, FenceAnswer, FenceDevice,
    FenceRequest, FencerEvent, FencerNotice, Interest, Membership, NodeId, Now, Outputs, Room,
    Scope, Subsystem,
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
    /// When rules may give another answer to what was read.
    rules_change: Option<Duration>,
    /// The machine's time zone, in seconds east of UTC, for rules.
    utc_offset: i32,
    /// After this the watchdog of this machine resets it.
    own_watchdog: Option<Duration>,
    quorum: Quorum,
}

/// Whether this node is among those that may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    /// It never was, so it runs nothing.
    Never,
    /// It is.
    Held,
    /// It was, and now is not, or nobody knows yet: the others may already count on its end.
    Lost,
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
            rules_change: None,
            utc_offset: 0,
            own_watchdog: None,
            quorum: Quorum::Never,
        })
    }

    /// The same on a machine whose watchdog, if it has one, resets it after this time.
    #[must_use]
    pub fn with_watchdog(mut self, timeout: Option<Duration>) -> Self {
        self.own_watchdog = timeout;
        self
    }

    /// The same with a time zone, in seconds east of UTC, for rules about the calendar.
    #[must_use]
    pub fn with_utc_offset(mut self, seconds: i32) -> Self {
        self.utc_offset = seconds;
        self
    }

    /// Whether the watchdog of this machine may be fed: not where the other nodes, out of reach, rely on it
    /// to end this one.
    pub fn may_live(&self) -> bool {
        self.quorum != Quorum::Lost || !self.relies_on_watchdog()
    }

    /// Whether others take this node for fenced once the watchdog's time is over.
    fn relies_on_watchdog(&self) -> bool {
        self.fencer.executor().watchdog.covers(self.fencer.local())
    }

    fn configure(&mut self, now: Now, document: &Document, out: &mut Outputs) {
        let own = self.own_watchdog;
        let date = DateTime::from_epoch(now.epoch(), self.utc_offset);
        let read = configuration::read(document, &self.name, own, date);
        let wait = read.recheck_by.and_then(|epoch| {
            Duration::from_secs(u64::try_from(epoch).ok()?).checked_sub(now.wall)
        });
        self.rules_change = wait.and_then(|wait| now.elapsed.checked_add(wait));
        self.fencer.handle(moment(now), Input::Configure(read.configuration));
        if !self.relies_on_watchdog() {
            return;
        }
        if let Err(mismatch) = check_own_watchdog(watchdog_option(document), own) {
            log::error!("fencer: Shutting down: {mismatch}");
            out.end(Ending::Fatal);
        }
    }

    fn take_quorum(&mut self, membership: &Membership) {
        self.quorum = match self.quorum {
            _ if membership.quorate && membership.settled => Quorum::Held,
            Quorum::Never => Quorum::Never,
            Quorum::Held | Quorum::Lost => Quorum::Lost,
        };
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
        match self.reading {
            Reading::Later => Some(self.paced.saturating_sub(PACE * BURST)),
            Reading::Current => self.rules_change,
            Reading::Asked | Reading::Again => None,
        }
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
        out.here(Room::Executor, FencerEvent::Began);
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
                self.take_quorum(&membership);
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
                    self.configure(now, &document, out);
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
            self.rules_change = None;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subsystem::{CibAnswer, NodeName as Named, SharedDocument, Target};

    /// There are no agents.
    struct Nobody;

    impl FenceAgents for Nobody {
        fn run(&mut self, _: Now, _: fencing::executor::AgentRun) {}

        fn read_metadata(&mut self, _: Now, _: fencing::name::AgentName) {}

        fn turn(&mut self, _: Now) {}

        fn take_finished(&mut self) -> Vec<Finished> {
            Vec::new()
        }

        fn poll_timeout(&self) -> Option<Duration> {
            None
        }
    }

    fn room(own: Option<u64>) -> FencerRoom<Nobody> {
        let me = NodeId::new(1).unwrap();
        FencerRoom::new(me, "n1", Nobody, 1).unwrap().with_watchdog(own.map(Duration::from_secs))
    }

    fn hear(fencer: &mut FencerRoom<Nobody>, body: impl Into<Body>) -> Option<Ending> {
        hear_at(fencer, Now::default(), body)
    }

    fn hear_at(fencer: &mut FencerRoom<Nobody>, now: Now, body: impl Into<Body>) -> Option<Ending> {
        let from = Address { node: NodeId::new(1).unwrap(), room: Room::Messaging };
        let mut out = Outputs::default();
        let envelope = Envelope { from, to: Target::Here(Room::Fencer), body: body.into() };
        fencer.handle(now, envelope, &mut out);
        out.ended
    }

    fn quorum(fencer: &mut FencerRoom<Nobody>, quorate: bool, settled: bool) {
        let me = Named { id: NodeId::new(1).unwrap(), name: "n1".to_owned() };
        let members = vec![me.id];
        let configured = vec![me];
        hear(fencer, Membership { sequence: 1, members, quorate, settled, configured });
    }

    fn configure(fencer: &mut FencerRoom<Nobody>, time: &str, device: &str) -> Option<Ending> {
        let text = format!(
            "<configuration><crm_config><cluster_property_set id='o'>\
             <nvpair id='w' name='stonith-watchdog-timeout' value='{time}'/>\
             </cluster_property_set></crm_config><nodes><node id='1' uname='n1'/></nodes>\
             <resources>{device}</resources></configuration>"
        );
        let document = SharedDocument::new(Document::parse(&text).unwrap());
        hear(fencer, CibAnswer { token: CONFIGURATION, result: Ok(Some(document)) })
    }

    #[test]
    fn a_node_whose_end_others_count_on_is_not_fed_without_quorum() {
        let mut fencer = room(Some(5));
        assert_eq!(configure(&mut fencer, "10s", ""), None);
        quorum(&mut fencer, false, true);
        assert!(fencer.may_live(), "it never had quorum, so it runs nothing");
        for (quorate, settled, may_live) in
            [(true, true, true), (false, true, false), (true, true, true), (true, false, false)]
        {
            quorum(&mut fencer, quorate, settled);
            assert_eq!(fencer.may_live(), may_live, "{quorate} {settled}");
        }
        configure(&mut fencer, "0", "");
        assert!(fencer.may_live(), "nobody counts on it");
    }

    #[test]
    fn the_configuration_is_read_again_when_rules_change() {
        let mut fencer = room(None);
        let until = DateTime::from_epoch(1060, 0);
        let text = format!(
            "<configuration><nodes><node id='1' uname='n1'/></nodes><resources>\
             <primitive id='d' class='stonith' type='fence_x'/></resources><constraints>\
             <rsc_location id='l' rsc='d'><rule id='r' score='-INFINITY'><date_expression id='e' \
             operation='lt' end='{until}'/></rule></rsc_location></constraints></configuration>"
        );
        let document = SharedDocument::new(Document::parse(&text).unwrap());
        let answer = || CibAnswer { token: CONFIGURATION, result: Ok(Some(document.clone())) };
        let at = |second| Now {
            elapsed: Duration::from_secs(second),
            wall: Duration::from_secs(1000 + second),
            ..Now::default()
        };
        let devices = |fencer: &FencerRoom<Nobody>| fencer.fencer().executor().registry.len();
        hear_at(&mut fencer, at(0), answer());
        assert_eq!((devices(&fencer), fencer.poll_timeout()), (0, Some(Duration::from_secs(60))));
        let mut out = Outputs::default();
        fencer.handle_timeout(at(60), &mut out);
        assert_eq!(out.envelopes.len(), 1, "it asks");
        hear_at(&mut fencer, at(60), answer());
        assert_eq!(devices(&fencer), 1);
        assert_eq!(fencer.next_reading(), None);
    }

    #[test]
    fn a_node_that_is_fenced_by_other_means_is_fed_without_quorum() {
        let device = "<primitive id='watchdog' class='stonith' type='fence_watchdog'>\
                      <instance_attributes id='i'><nvpair id='h' name='pcmk_host_list' value='n2'/>\
                      </instance_attributes></primitive>";
        let mut fencer = room(None);
        assert_eq!(configure(&mut fencer, "10s", device), None, "and needs no watchdog");
        quorum(&mut fencer, true, true);
        quorum(&mut fencer, false, true);
        assert!(fencer.may_live());
    }

    #[test]
    fn a_time_that_does_not_fit_the_watchdog_ends_the_node() {
        for (own, time, ending) in [
            (Some(5), "5s", None),
            (Some(5), "-1", None),
            (Some(5), "4s", Some(Ending::Fatal)),
            (None, "10s", Some(Ending::Fatal)),
            (None, "0", None),
            (None, "-1", None),
        ] {
            assert_eq!(configure(&mut room(own), time, ""), ending, "{own:?} {time}");
        }
    }
}
