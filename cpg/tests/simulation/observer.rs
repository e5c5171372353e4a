//! Checks the invariants of spec 70 §18 on everything the simulated nodes send and deliver.

use crate::load::{MessageId, Payload};
use crate::visits::Visits;
use cpg::group::{Event, GroupName, Member};
use cpg::identity::{NodeId, RingId};
use cpg::node::{Node, NodeEvent};
use cpg::protocol::{Configuration, ConfigurationKind};
use cpg::wire::{Body, Guarantee, Packet};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

pub type Verdict = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition { return Err(format!($($text)*)); }
    };
}
pub(crate) use ensure;

fn digest(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug, Default)]
struct NodeHistory {
    /// The ring installed last in this boot.
    ring: Option<RingId>,
    /// Transitional change seen, regular one not yet.
    transitional: Option<Configuration>,
    last_seq: u64,
    /// (ring, seq) delivered since the ring was installed: regular part, transitional part.
    regular: Vec<(RingId, u64)>,
    late: Vec<(RingId, u64)>,
    last_message: Option<MessageId>,
    clients: BTreeMap<u64, ClientHistory>,
    /// Where in the order events are comparable: not while views differ by where one comes from.
    position: Option<(RingId, u64)>,
    synchronised: bool,
}

#[derive(Debug, Default)]
struct ClientHistory {
    members: Option<BTreeSet<Member>>,
    changed_at: Option<(RingId, u64)>,
    here: Vec<u64>,
    messages: HashSet<MessageId>,
    awaited_causes: HashSet<MessageId>,
    fifo: HashMap<(u32, u32), u64>,
}

/// How a set of nodes left a ring together.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Passage {
    regular: u64,
    late: u64,
    survivors: Vec<NodeId>,
    members: Vec<NodeId>,
}

#[derive(Debug, Default)]
pub struct Observer {
    contents: HashMap<(RingId, u64), (NodeId, u64)>,
    originated: HashMap<(RingId, NodeId), Vec<u64>>,
    tokens: HashMap<(RingId, u64), (NodeId, u64)>,
    visits: Visits,
    members: HashMap<RingId, Vec<NodeId>>,
    installed: HashMap<RingId, BTreeSet<NodeId>>,
    first_seq: HashMap<RingId, u64>,
    passages: HashMap<(RingId, RingId), (NodeId, Passage)>,
    safe: HashMap<RingId, BTreeSet<u64>>,
    /// What a node delivered of a ring, once it left it; for safe messages delivered elsewhere later.
    finished: HashMap<(RingId, NodeId), HashSet<u64>>,
    places: HashMap<RingId, u64>,
    tables: HashMap<RingId, (NodeId, u64)>,
    group_events: HashMap<(GroupName, RingId, u64), Vec<u64>>,
    sequences: BTreeMap<NodeId, u64>,
    pub submitted: HashSet<MessageId>,
    histories: BTreeMap<NodeId, NodeHistory>,
    pub deliveries: u64,
}

impl Observer {
    pub fn rings(&self) -> usize {
        self.members.len()
    }

    /// A node started or restarted: its memory is empty.
    pub fn boot(&mut self, node: NodeId) {
        self.histories.insert(node, NodeHistory::default());
    }

    pub fn last_message(&self, node: NodeId) -> Option<MessageId> {
        self.histories.get(&node)?.last_message
    }

    /// A packet leaves a node.
    pub fn sent(
        &mut self,
        from: NodeId,
        bytes: &bytes::Bytes,
        limits: cpg::ring::FlowLimits,
    ) -> Verdict {
        match Packet::decode(bytes.clone()) {
            Err(error) => Err(format!("node {from} sent what does not decode: {error}")),
            Ok(Packet::Data(data)) => {
                self.visits.packet(from, &data);
                let key = (data.ring, data.seq);
                let content = (data.originator, digest(bytes));
                let known = *self.contents.entry(key).or_insert(content);
                ensure!(known == content, "O1: two packets {key:?}: {known:?} and {content:?}");
                if data.originator != from || matches!(data.body, Body::Recovered(_)) {
                    return Ok(());
                }
                let sent = self.originated.entry((data.ring, from)).or_default();
                if sent.last().is_none_or(|last| *last < data.seq) {
                    sent.push(data.seq);
                }
                let members = self.members.get(&data.ring);
                let members = members.ok_or(format!("O11: {key:?} before any installation"))?;
                let installed = &self.installed[&data.ring];
                let missing: Vec<_> = members.iter().filter(|n| !installed.contains(n)).collect();
                ensure!(missing.is_empty(), "O11: {key:?} originated, {missing:?} not installed");
                Ok(())
            }
            Ok(Packet::Token(token)) => {
                let content = (from, digest(bytes));
                let key = (token.ring, token.hop);
                let first = !self.tokens.contains_key(&key);
                let known = *self.tokens.entry(key).or_insert(content);
                ensure!(known == content, "O8: two tokens {key:?} by {} and {from}", known.0);
                ensure!(token.aru <= token.seq, "O9: {token:?}");
                if !first {
                    return Ok(()); // sent again
                }
                let members = self.members.get(&token.ring).map(Vec::len);
                self.visits.token(from, &token, limits, members)
            }
            Ok(_) => Ok(()),
        }
    }

    /// A node did something; `events` is all it reported in one step.
    pub fn step(&mut self, node: &Node, events: Vec<NodeEvent>, storage_intact: bool) -> Verdict {
        let id = node.id();
        let last_delivery = events
            .iter()
            .rposition(|event| matches!(event, NodeEvent::Delivered { .. }))
            .unwrap_or(0);
        for (index, event) in events.into_iter().enumerate() {
            match event {
                NodeEvent::Configuration(change) => {
                    self.configuration(id, change, storage_intact)
                        .map_err(|text| format!("node {id}: {text}"))?;
                }
                NodeEvent::Delivered { ring, seq, originator, guarantee } => {
                    self.delivered(id, ring, seq, originator, guarantee)
                        .map_err(|text| format!("node {id}: {text}"))?;
                }
                NodeEvent::Client(client, event) => {
                    let client = digest(client);
                    self.client(id, client, event).map_err(|text| format!("node {id}: {text}"))?;
                }
                NodeEvent::Synchronised(ring) => {
                    let history = self.history(id);
                    ensure!(history.ring == Some(ring), "S1: {id} completes {ring} too late");
                    history.synchronised = true;
                    let place = history.last_seq;
                    history.position = Some((ring, place));
                    let known = *self.places.entry(ring).or_insert(place);
                    ensure!(known == place, "S1: {ring} completes at {known}, at {id} at {place}");
                    if index < last_delivery {
                        continue; // the table has moved on since
                    }
                    let table = digest(format!("{:?}", node.groups()));
                    let known = *self.tables.entry(ring).or_insert((id, table));
                    ensure!(
                        known.1 == table,
                        "C3: tables of {} and {id} differ in {ring}",
                        known.0
                    );
                }
                NodeEvent::ActivateKey(_)
                | NodeEvent::RetireKeysExcept(_)
                | NodeEvent::Trouble(_) => {}
            }
        }
        let open = self.histories.get(&id).and_then(|history| history.transitional.as_ref());
        ensure!(open.is_none(), "M4: node {id} has a transitional change without a regular one");
        Ok(())
    }

    fn history(&mut self, node: NodeId) -> &mut NodeHistory {
        self.histories.entry(node).or_default()
    }

    fn delivered(
        &mut self,
        id: NodeId,
        ring: RingId,
        seq: u64,
        originator: NodeId,
        guarantee: Guarantee,
    ) -> Verdict {
        self.deliveries += 1;
        let known = self.contents.get(&(ring, seq)).map(|(originator, _)| *originator);
        // A node alone sends nothing on the network.
        ensure!(
            known.is_none_or(|known| known == originator),
            "O3: ({ring}, {seq}) of {originator} was sent by {known:?}"
        );
        let history = self.history(id);
        ensure!(Some(ring) == history.ring, "delivery of {ring} while in {:?}", history.ring);
        ensure!(seq > history.last_seq, "O2/O3: {seq} after {} in {ring}", history.last_seq);
        let late = history.transitional.is_some();
        if !late {
            let contiguous = seq == history.last_seq + 1 || history.last_seq == 0;
            ensure!(contiguous, "O2: {seq} after {} in {ring}", history.last_seq);
        }
        let first = history.last_seq == 0;
        history.last_seq = seq;
        let comparable = !late && history.synchronised;
        history.position = comparable.then_some((ring, seq));
        if late {
            history.late.push((ring, seq))
        } else {
            history.regular.push((ring, seq))
        }
        if first && !late {
            let known = *self.first_seq.entry(ring).or_insert(seq);
            ensure!(known == seq, "O2: {ring} begins with {known} elsewhere, with {seq} here");
        }
        if guarantee == Guarantee::Safe && !late {
            self.safe.entry(ring).or_default().insert(seq);
            for member in self.members.get(&ring).cloned().unwrap_or_default() {
                if let Some(finished) = self.finished.get(&(ring, member)) {
                    ensure!(
                        finished.contains(&seq),
                        "O6: safe ({ring}, {seq}) was not delivered by {member}"
                    );
                }
            }
        }
        Ok(())
    }

    fn configuration(&mut self, id: NodeId, change: Configuration, intact: bool) -> Verdict {
        match change.kind {
            ConfigurationKind::Transitional => {
                let history = self.history(id);
                ensure!(history.transitional.is_none(), "M4: two transitional changes");
                let first = history.ring.is_none();
                ensure!(
                    first || change.members.contains(&id),
                    "M3: not in its own transitional configuration"
                );
                history.transitional = Some(change);
                history.position = None;
                Ok(())
            }
            ConfigurationKind::Regular => self.regular(id, change, intact),
        }
    }

    fn regular(&mut self, id: NodeId, change: Configuration, intact: bool) -> Verdict {
        let ring = change.ring;
        ensure!(change.members.contains(&id), "M1: {id} is not in its own ring {ring}");
        let known = self.members.entry(ring).or_insert_with(|| change.members.clone());
        ensure!(*known == change.members, "M1: members of {ring}: {known:?}, {:?}", change.members);
        let twice = !self.installed.entry(ring).or_default().insert(id);
        ensure!(!twice, "M2: {ring} was installed twice");
        let before = self.sequences.insert(id, ring.sequence);
        if intact {
            ensure!(before.is_none_or(|b| b < ring.sequence), "M2: {ring} after {before:?}");
        }
        let history = self.histories.entry(id).or_default();
        let transitional = history
            .transitional
            .take()
            .ok_or(format!("M4: regular change {ring} without a transitional one"))?;
        ensure!(transitional.ring == ring, "M4: {ring} after {}", transitional.ring);
        if let Some(old) = history.ring {
            let (regular, late) = (digest(&history.regular), digest(&history.late));
            let all: HashSet<u64> =
                history.regular.iter().chain(&history.late).map(|(_, seq)| *seq).collect();
            let passage = Passage {
                regular,
                late,
                survivors: transitional.members.clone(),
                members: change.members.clone(),
            };
            let (first, known) =
                self.passages.entry((old, ring)).or_insert_with(|| (id, passage.clone()));
            ensure!(
                *known == passage,
                "O2/M3: {first} and {id} went from {old} to {ring} differently: {known:?}, {passage:?}"
            );
            for seq in self.originated.get(&(old, id)).into_iter().flatten() {
                ensure!(all.contains(seq), "O5: own ({old}, {seq}) was not delivered");
            }
            for seq in self.safe.get(&old).into_iter().flatten() {
                ensure!(all.contains(seq), "O6: safe ({old}, {seq}) was not delivered");
            }
            self.finished.insert((old, id), all);
        }
        let history = self.history(id);
        history.ring = Some(ring);
        history.synchronised = false;
        history.position = None;
        history.last_seq = 0;
        history.regular.clear();
        history.late.clear();
        Ok(())
    }

    fn client(&mut self, id: NodeId, client: u64, event: Event) -> Verdict {
        let submitted = &self.submitted;
        let history = self.histories.entry(id).or_default();
        let position = history.position;
        let state = history.clients.entry(client).or_default();
        match event {
            Event::Ring(_) => Ok(()),
            Event::View(view) => {
                let mut expected = state.members.clone();
                let me = view.joined.iter().any(|(member, _)| member.node == id);
                if let Some(members) = &mut expected {
                    view.left.iter().for_each(|(member, _)| {
                        members.remove(member);
                    });
                    members.extend(view.joined.iter().map(|(member, _)| *member));
                    let actual: BTreeSet<Member> = view.members.iter().copied().collect();
                    ensure!(*members == actual, "C2: {view:?} does not follow {expected:?}");
                } else {
                    ensure!(me, "G6: the first view lacks the process itself: {view:?}");
                }
                state.members = Some(view.members.iter().copied().collect());
                let change = digest((&view.members, &view.left, &view.joined));
                self.compare(id, client, position, view.group, change)
            }
            Event::Message(message) => {
                let payload = Payload::decode(&message.payload)
                    .ok_or("C6: a message is not whole".to_owned())?;
                ensure!(
                    history.synchronised || history.transitional.is_some(),
                    "S2: a message before the groups are synchronised"
                );
                let members = state.members.as_ref().ok_or("G6: message before the first view")?;
                ensure!(
                    members.iter().any(|member| member.node == message.sender.node),
                    "C4: {:?} has no member here",
                    message.sender
                );
                ensure!(submitted.contains(&payload.id), "O3: {:?} was never sent", payload.id);
                let key = payload.id;
                if state.messages.insert(key) {
                    ensure!(
                        !state.awaited_causes.contains(&key),
                        "O4: {key:?} was delivered after a message it caused"
                    );
                    let number = state.fifo.insert((key.0, key.1), key.2);
                    ensure!(number.is_none_or(|n| n < key.2), "O4: {key:?} after {number:?}");
                    if let Some(cause) = payload.cause.filter(|c| !state.messages.contains(c)) {
                        state.awaited_causes.insert(cause);
                    }
                    history.last_message = Some(key);
                } else {
                    return Err(format!("O3: {key:?} was delivered twice"));
                }
                self.compare(id, client, position, message.group, digest(key))
            }
        }
    }

    /// C1: at one place of the order all members of a group see the same; one that joined or left
    /// within the packet sees a part of it.
    fn compare(
        &mut self,
        id: NodeId,
        client: u64,
        position: Option<(RingId, u64)>,
        group: GroupName,
        event: u64,
    ) -> Verdict {
        let Some(state) = self.histories.get_mut(&id).and_then(|h| h.clients.get_mut(&client))
        else {
            return Ok(());
        };
        if state.changed_at == position {
            state.here.push(event);
            return Ok(());
        }
        let here = std::mem::replace(&mut state.here, vec![event]);
        let Some((ring, seq)) = std::mem::replace(&mut state.changed_at, position) else {
            return Ok(());
        };
        let known = self.group_events.entry((group.clone(), ring, seq)).or_default();
        let part = |long: &[u64], short: &[u64]| {
            short.is_empty() || long.windows(short.len()).any(|window| window == short)
        };
        if part(&here, known) {
            *known = here;
        } else {
            ensure!(part(known, &here), "C1: members of {group} see ({ring}, {seq}) differently");
        }
        Ok(())
    }

    /// O7: nothing is released that a member of the ring may still lack.
    pub fn released(&self, nodes: &[&Node]) -> Verdict {
        let states: Vec<_> = nodes
            .iter()
            .filter_map(|node| Some((node.id(), node.protocol().ordering_state()?)))
            .collect();
        for (id, state) in &states {
            for (other, theirs) in states.iter().filter(|(_, theirs)| theirs.ring == state.ring) {
                ensure!(
                    state.released <= theirs.aru,
                    "O7: {id} released {} of {}, {other} has {}",
                    state.released,
                    state.ring,
                    theirs.aru
                );
            }
        }
        Ok(())
    }
}
