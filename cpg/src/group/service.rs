//! The group service of one node: its connections, the table, and what deliveries mean to them.

use super::message::KeyStep;
use super::synchronisation::{Activation, Synchronisation};
use super::{
    ChangeReason, Event, GroupMessage, GroupName, GroupTable, MAX_CLIENTS, MAX_MESSAGE, Member,
    Message, ProcessId, RingView, View,
};
use crate::identity::{NodeId, RingId};
use crate::wire::Guarantee;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A connection of a local process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(crate) u64);

/// Why a request was refused, with the error the classic interface gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The queue is full, the groups are being synchronised, or a leave is in flight (6).
    #[error("try again: the message queue is full or the groups are being synchronised")]
    TryAgain,
    /// The connection is leaving or joining (10).
    #[error("busy: an earlier join or leave of this connection is not complete")]
    Busy,
    /// The connection is in no group, or unknown (12).
    #[error("the connection is not joined to a group")]
    NotExist,
    /// The process is in that group already, or the connection in another (14).
    #[error("the process, or this connection, is joined already")]
    Exist,
    /// More than 1 047 552 bytes (26).
    #[error("a message of {0} bytes; at most {MAX_MESSAGE} are allowed")]
    TooBig(usize),
    /// More than 4096 connections (18).
    #[error("too many connections, at most {MAX_CLIENTS} are allowed")]
    NoResources,
}

impl Refusal {
    /// The number of the classic interface.
    pub const fn code(self) -> u32 {
        match self {
            Refusal::TryAgain => 6,
            Refusal::Busy => 10,
            Refusal::NotExist => 12,
            Refusal::Exist => 14,
            Refusal::NoResources => 18,
            Refusal::TooBig(_) => 26,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unjoined,
    JoinStarted,
    Joined,
    Leaving,
}

#[derive(Debug)]
struct Client {
    process: ProcessId,
    group: Option<GroupName>,
    standing: Standing,
    /// The ring is to be told right after the first view.
    wants_ring: bool,
}

/// A message for the ring.
pub(crate) type Submit = (GroupMessage, Guarantee);

#[derive(Debug)]
pub(crate) struct Groups {
    me: NodeId,
    table: GroupTable,
    clients: BTreeMap<ClientId, Client>,
    /// Local connections by group, for delivery.
    listeners: BTreeMap<GroupName, Vec<ClientId>>,
    /// Closed connections whose leave is in flight.
    departing: Vec<(ProcessId, GroupName)>,
    next_client: u64,
    synchronisation: Synchronisation,
    /// The ring that was synchronised last.
    present: Option<RingView>,
    pub(crate) keep_lists: bool,
    pub(crate) events: VecDeque<(ClientId, Event)>,
    /// Messages of nodes without a member in the receiver's view (spec 70 §14.2).
    pub(crate) unknown_sender: u64,
    pub(crate) undecodable: u64,
}

/// What a delivered message asks of the layers around the groups.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// The synchronisation of this ring is complete; client messages may flow.
    pub synchronised: Option<RingId>,
    /// A step of a key rotation.
    pub key: Option<(u8, KeyStep)>,
}

impl Groups {
    pub(crate) fn new(me: NodeId) -> Groups {
        Groups {
            me,
            table: GroupTable::default(),
            clients: BTreeMap::new(),
            listeners: BTreeMap::new(),
            departing: Vec::new(),
            next_client: 1,
            synchronisation: Synchronisation::default(),
            present: None,
            keep_lists: false,
            events: VecDeque::new(),
            unknown_sender: 0,
            undecodable: 0,
        }
    }

    pub(crate) fn table(&self) -> &GroupTable {
        &self.table
    }

    pub(crate) fn connect(&mut self, process: ProcessId) -> Result<ClientId, Refusal> {
        if self.clients.len() + self.departing.len() >= MAX_CLIENTS {
            return Err(Refusal::NoResources);
        }
        let id = ClientId(self.next_client);
        self.next_client += 1;
        let (group, standing) = (None, Standing::Unjoined);
        let client = Client { process, group, standing, wants_ring: false };
        self.clients.insert(id, client);
        Ok(id)
    }

    pub(crate) fn want_ring(&mut self, id: ClientId) -> Result<(), Refusal> {
        self.clients.get_mut(&id).ok_or(Refusal::NotExist)?.wants_ring = true;
        Ok(())
    }

    fn member(&self, process: ProcessId) -> Member {
        Member { node: self.me, process }
    }

    pub(crate) fn join(&mut self, id: ClientId, group: GroupName) -> Result<Submit, Refusal> {
        let client = self.clients.get(&id).ok_or(Refusal::NotExist)?;
        match client.standing {
            Standing::Unjoined => {}
            Standing::JoinStarted | Standing::Joined => return Err(Refusal::Exist),
            Standing::Leaving => return Err(Refusal::Busy),
        }
        let process = client.process;
        let twin = self
            .clients
            .values()
            .any(|other| other.process == process && other.group.as_ref() == Some(&group));
        if twin {
            return Err(Refusal::Exist);
        }
        let departing = self.departing.contains(&(process, group.clone()));
        if departing || self.table.contains(&group, self.member(process)) {
            return Err(Refusal::TryAgain); // a leave is in flight
        }
        let client = self.clients.get_mut(&id).ok_or(Refusal::NotExist)?;
        client.group = Some(group.clone());
        client.standing = Standing::JoinStarted;
        self.listeners.entry(group.clone()).or_default().push(id);
        Ok((GroupMessage::Join { process, group }, Guarantee::Agreed))
    }

    pub(crate) fn leave(&mut self, id: ClientId) -> Result<Submit, Refusal> {
        let client = self.clients.get_mut(&id).ok_or(Refusal::NotExist)?;
        match client.standing {
            Standing::Unjoined | Standing::Leaving => return Err(Refusal::NotExist),
            Standing::JoinStarted => return Err(Refusal::Busy),
            Standing::Joined => {}
        }
        let group = client.group.clone().ok_or(Refusal::NotExist)?;
        client.standing = Standing::Leaving;
        let (process, reason) = (client.process, ChangeReason::Leave);
        Ok((GroupMessage::Leave { process, group, reason }, Guarantee::Agreed))
    }

    pub(crate) fn multicast(
        &self,
        id: ClientId,
        payload: Bytes,
        guarantee: Guarantee,
    ) -> Result<Submit, Refusal> {
        let client = self.clients.get(&id).ok_or(Refusal::NotExist)?;
        match client.standing {
            Standing::JoinStarted | Standing::Joined => {}
            Standing::Unjoined | Standing::Leaving => return Err(Refusal::NotExist),
        }
        if payload.len() > MAX_MESSAGE {
            return Err(Refusal::TooBig(payload.len()));
        }
        let group = client.group.clone().ok_or(Refusal::NotExist)?;
        Ok((GroupMessage::Multicast { process: client.process, group, payload }, guarantee))
    }

    /// Ends a connection; a process that is still in a group leaves it without having asked.
    pub(crate) fn close(&mut self, id: ClientId) -> Option<Submit> {
        let client = self.clients.remove(&id)?;
        let group = client.group?;
        self.forget_listener(&group, id);
        match client.standing {
            Standing::JoinStarted | Standing::Joined => {
                let (process, reason) = (client.process, ChangeReason::ProcessDown);
                self.departing.push((process, group.clone()));
                Some((GroupMessage::Leave { process, group, reason }, Guarantee::Agreed))
            }
            Standing::Unjoined | Standing::Leaving => None,
        }
    }

    fn forget_listener(&mut self, group: &GroupName, id: ClientId) {
        if let Some(listeners) = self.listeners.get_mut(group) {
            listeners.retain(|listener| *listener != id);
            if listeners.is_empty() {
                self.listeners.remove(group);
            }
        }
    }

    /// A delivered message, in the total order.
    pub(crate) fn deliver(&mut self, from: NodeId, bytes: Bytes, guarantee: Guarantee) -> Effects {
        let mut effects = Effects::default();
        match GroupMessage::decode(bytes) {
            Ok(GroupMessage::Multicast { process, group, payload }) => {
                self.deliver_multicast(Member { node: from, process }, group, payload, guarantee);
            }
            Ok(GroupMessage::Join { process, group }) => {
                self.deliver_join(Member { node: from, process }, group);
            }
            Ok(GroupMessage::Leave { process, group, reason }) => {
                self.deliver_leave(Member { node: from, process }, group, reason);
            }
            Ok(GroupMessage::JoinList { ring, members }) => {
                if let Some(activation) = self.synchronisation.receive(from, ring, members) {
                    effects.synchronised = Some(activation.ring);
                    self.activate(activation);
                }
            }
            Ok(GroupMessage::Key { key, step }) => effects.key = Some((key, step)),
            Err(error) => {
                self.undecodable += 1;
                log::warn!("Message received from node {from} ... Ignoring. ({error})");
            }
        }
        effects
    }

    fn deliver_multicast(
        &mut self,
        sender: Member,
        group: GroupName,
        payload: Bytes,
        guarantee: Guarantee,
    ) {
        let Some(listeners) = self.listeners.get(&group) else { return };
        if !self.table.has_node(&group, sender.node) {
            self.unknown_sender += 1;
            log::warn!("Unknown node -> we will not deliver message");
            return;
        }
        let joined = listeners.iter().filter(|id| {
            self.clients.get(id).is_some_and(|client| {
                matches!(client.standing, Standing::Joined | Standing::Leaving)
            })
        });
        let joined: Vec<ClientId> = joined.copied().collect();
        let message = Message { group, sender, payload, guarantee };
        for id in joined {
            self.events.push_back((id, Event::Message(message.clone())));
        }
    }

    fn local_client(&mut self, member: Member, group: &GroupName) -> Option<&mut Client> {
        if member.node != self.me {
            return None;
        }
        self.clients
            .values_mut()
            .find(|client| client.process == member.process && client.group.as_ref() == Some(group))
    }

    fn deliver_join(&mut self, member: Member, group: GroupName) {
        if let Some(client) = self.local_client(member, &group)
            && client.standing == Standing::JoinStarted
        {
            client.standing = Standing::Joined;
        }
        if self.table.insert(&group, member) {
            self.notify(&group, Vec::new(), vec![(member, ChangeReason::Join)]);
        }
    }

    fn deliver_leave(&mut self, member: Member, group: GroupName, reason: ChangeReason) {
        if self.table.remove(&group, member) {
            self.notify(&group, vec![(member, reason)], Vec::new());
        }
        if member.node == self.me {
            self.departing.retain(|gone| *gone != (member.process, group.clone()));
        }
        let Some(client) = self.local_client(member, &group) else { return };
        if client.standing != Standing::Leaving {
            return;
        }
        client.standing = Standing::Unjoined;
        client.group = None;
        let clients = &self.clients;
        if let Some(listeners) = self.listeners.get_mut(&group) {
            listeners.retain(|id| {
                clients.get(id).is_some_and(|client| client.group.as_ref() == Some(&group))
            });
        }
    }

    fn notify(
        &mut self,
        group: &GroupName,
        left: Vec<(Member, ChangeReason)>,
        joined: Vec<(Member, ChangeReason)>,
    ) {
        let Some(listeners) = self.listeners.get(group) else { return };
        let members = self.table.members(group);
        let view = View { group: group.clone(), members, left, joined };
        for id in listeners {
            let Some(client) = self.clients.get_mut(id) else { continue };
            if !matches!(client.standing, Standing::Joined | Standing::Leaving) {
                continue;
            }
            self.events.push_back((*id, Event::View(view.clone())));
            if let (true, Some(ring)) = (std::mem::take(&mut client.wants_ring), &self.present) {
                self.events.push_back((*id, Event::Ring(ring.clone())));
            }
        }
    }

    /// The transitional half of a membership change.
    pub(crate) fn nodes_left(&mut self, nodes: &[NodeId]) {
        self.synchronisation.abort(nodes);
    }

    /// The regular half: the exchange starts with what this node has.
    pub(crate) fn begin(&mut self, ring: RingId, nodes: Vec<NodeId>) -> GroupMessage {
        self.synchronisation.begin(ring, nodes, self.keep_lists);
        let mut members = Vec::new();
        for (group, listed) in self.table.iter() {
            let mine = listed.iter().filter(|member| member.node == self.me);
            members.extend(mine.map(|member| (member.process, group.clone())));
        }
        GroupMessage::JoinList { ring, members }
    }

    fn activate(&mut self, activation: Activation) {
        let Activation { ring, members: nodes, lists, downs } = activation;
        let me = self.me;
        let down = |node: NodeId| node != me && downs.contains(&node);
        for (group, members) in self.table.select(|_, member| down(member.node)) {
            self.remove_all(&group, &members, ChangeReason::NodeDown);
        }
        let mut arrived: BTreeMap<GroupName, Vec<(Member, ChangeReason)>> = BTreeMap::new();
        let mut listed: BTreeSet<(GroupName, Member)> = BTreeSet::new();
        for (node, list) in lists.iter().filter(|(node, _)| **node != me) {
            for (process, group) in list {
                let member = Member { node: *node, process: *process };
                listed.insert((group.clone(), member));
                if self.table.insert(group, member) {
                    arrived.entry(group.clone()).or_default().push((member, ChangeReason::NodeUp));
                }
            }
        }
        for (group, joined) in arrived {
            self.notify(&group, Vec::new(), joined);
        }
        let absent = |group: &GroupName, member: Member| {
            member.node != me && !listed.contains(&(group.clone(), member))
        };
        for (group, members) in self.table.select(absent) {
            for member in members {
                self.remove_all(&group, &[member], ChangeReason::ProcessDown);
            }
        }
        let view = RingView { ring, nodes };
        self.present = Some(view.clone());
        for id in self.clients.keys() {
            self.events.push_back((*id, Event::Ring(view.clone())));
        }
    }

    fn remove_all(&mut self, group: &GroupName, members: &[Member], reason: ChangeReason) {
        for member in members {
            self.table.remove(group, *member);
        }
        let left = members.iter().map(|member| (*member, reason)).collect();
        self.notify(group, left, Vec::new());
    }
}
