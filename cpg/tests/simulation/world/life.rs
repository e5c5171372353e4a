//! The life of a node: it starts, is called when something arrives or is due, and does what it wants.

use super::{Happening, TOKEN_PORT, World, address, index_of};
use crate::observer::Verdict;
use bytes::BytesMut;
use cpg::Time;
use cpg::identity::{Incarnation, NodeId};
use cpg::link::{LinkAddress, LinkConfiguration, LinkEvent, Links, Peer};
use cpg::node::{Node, NodeEvent};
use cpg::protocol::{Boot, Output};
use cpg::ring::{RingConfiguration, Timing};
use cpg::security::{Cipher, Key, Keyring};
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;

impl World {
    pub(super) fn restart(&mut self, index: usize) -> Verdict {
        let now = self.local(index);
        let boot_number = Incarnation(self.rng.random());
        let all: Vec<NodeId> = self.slots.iter().map(|slot| slot.id).collect();
        let slot = &mut self.slots[index];
        if slot.node.is_some() {
            return Ok(());
        }
        slot.boot += 1;
        slot.clients.clear();
        slot.wake = None;
        let mut configuration = RingConfiguration::new(slot.id, all);
        configuration.timing = Timing {
            join: Duration::from_millis(30),
            merge: Duration::from_millis(100),
            ..Timing::from_token(self.scenario.token)
        };
        configuration.limits = self.scenario.limits;
        configuration.payload = self.scenario.payload;
        configuration.queue_bytes = 200_000;
        let boot = Boot { ring_sequence: slot.disk, incarnation: boot_number };
        let mut node = Node::new(configuration, boot, now);
        node.trace_deliveries(true);
        #[cfg(feature = "mutations")]
        if let Some(mutation) = self.scenario.mutation {
            node.plant(mutation);
        }
        slot.node = Some(node);
        let (id, boot) = (slot.id, slot.boot);
        self.slots[index].links = Some(self.links(index, now));
        self.observer.boot(id);
        self.say(|| format!("start {id}"));
        self.after(1, 50, Happening::Application { node: index, boot });
        self.open_client(index, now);
        self.after_step(index)
    }

    pub(super) fn links(&mut self, index: usize, now: Time) -> Links {
        let count = self.scenario.links;
        let peers = self.slots.iter().enumerate().map(|(at, slot)| Peer {
            node: slot.id,
            addresses: (0..count)
                .map(|link| LinkAddress { link: link as u8, address: address(at, link) })
                .collect(),
        });
        let node = self.slots[index].id;
        let mut configuration = LinkConfiguration::new(node, peers.collect(), self.scenario.token);
        configuration.mode = self.scenario.mode;
        if self.scenario.token_roads {
            configuration.token_ports = vec![TOKEN_PORT; count];
        }
        let key = self.scenario.encrypted.then(|| Key::new(&[5; 128], Cipher::default()).unwrap());
        Links::new(configuration, key.map(Keyring::new), self.rng.random(), now)
    }

    pub(super) fn resume(&mut self, index: usize) -> Verdict {
        self.slots[index].paused = false;
        let held = std::mem::take(&mut self.slots[index].held);
        let id = self.slots[index].id;
        self.say(|| format!("resume {id}"));
        // Datagrams first, as a driver would after a pause; then timers.
        let (arrivals, rest): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|h| matches!(h, Happening::Arrive { .. }));
        for happening in arrivals.into_iter().chain(rest) {
            self.happen(happening)?;
        }
        Ok(())
    }

    pub(super) fn wake(&mut self, index: usize, boot: u32) -> Verdict {
        let now = self.local(index);
        let slot = &mut self.slots[index];
        if slot.boot != boot || slot.wake.is_some_and(|planned| planned > self.now) {
            return Ok(()); // an earlier plan; a later one is due
        }
        slot.wake = None;
        let (Some(node), Some(links)) = (&mut slot.node, &mut slot.links) else { return Ok(()) };
        links.handle_timeout(now);
        if node.poll_timeout().is_some_and(|at| at <= now) {
            node.handle_timeout(now);
        }
        self.after_step(index)
    }

    pub(super) fn arrive(
        &mut self,
        to: usize,
        from: SocketAddr,
        link: usize,
        datagram: &[u8],
    ) -> Verdict {
        let now = self.local(to);
        let Some(links) = &mut self.slots[to].links else { return Ok(()) };
        links.handle_datagram(link as u8, from, BytesMut::from(datagram), now);
        self.after_step(to)
    }

    pub(super) fn transmit(&mut self, from: usize, link: usize, to: SocketAddr, datagram: &[u8]) {
        if to.port() == TOKEN_PORT && !self.token_roads_open {
            return;
        }
        let to = index_of(to);
        let arrivals = self.networks[link].carry(&mut self.rng, self.now, (from, to), datagram);
        let from = address(from, link);
        for (time, datagram) in arrivals {
            self.at(time, Happening::Arrive { to, from, link, datagram });
        }
    }

    /// Carries out what the node wants, shows the observer what it did, plans its next call.
    pub(super) fn after_step(&mut self, index: usize) -> Verdict {
        let now = self.local(index);
        let taken = (self.slots[index].node.take(), self.slots[index].links.take());
        let (Some(mut node), Some(mut links)) = taken else { return Ok(()) };
        let result = self.drain(index, &mut node, &mut links, now);
        let timers = [node.poll_timeout(), links.poll_timeout()];
        let wake = timers.into_iter().flatten().min();
        self.slots[index].node = Some(node);
        self.slots[index].links = Some(links);
        result?;
        self.join_somewhere(index);
        if let Some(at) = wake {
            let clock = self.slots[index].clock.as_nanos() as u64;
            let at = Time::from_nanos(at.as_nanos().saturating_sub(clock)).max(self.now);
            if self.slots[index].wake.is_none_or(|planned| at < planned || planned < self.now) {
                self.slots[index].wake = Some(at);
                let boot = self.slots[index].boot;
                self.at(at, Happening::Wake { node: index, boot });
            }
        }
        Ok(())
    }

    pub(super) fn drain(
        &mut self,
        index: usize,
        node: &mut Node,
        links: &mut Links,
        now: Time,
    ) -> Verdict {
        loop {
            while let Some(event) = links.poll_event() {
                match event {
                    LinkEvent::Packet(packet) => node.handle_packet(packet, now),
                    LinkEvent::Reachable(peer, up) => node.handle_reachable(peer, up, now),
                    LinkEvent::Silent(peer, silent) => node.handle_silent(peer, silent, now),
                    LinkEvent::Dead(peer) => node.handle_dead(peer, now),
                    LinkEvent::Link(..) => {}
                }
            }
            let idle = self.observe(index, node, links)?;
            while let Some(transmit) = links.poll_transmit() {
                self.transmit(index, transmit.link.into(), transmit.to, &transmit.datagram);
            }
            if idle {
                return Ok(());
            }
        }
    }

    /// Shows the observer what the node reported and sent; true when that was nothing.
    pub(super) fn observe(
        &mut self,
        index: usize,
        node: &mut Node,
        links: &mut Links,
    ) -> Result<bool, String> {
        let mut idle = true;
        let mut events = vec![];
        while let Some(event) = node.poll_event() {
            if let NodeEvent::Configuration(change) = &event {
                self.say(|| {
                    format!(
                        "{} {:?} {:?} of {} (from {}) left {:?}",
                        node.id(),
                        change.kind,
                        change.members,
                        change.ring,
                        change.old_ring,
                        change.left
                    )
                });
            }
            idle = false;
            events.push(event);
        }
        let intact = self.slots[index].disk_intact;
        self.observer.step(node, events, intact)?;
        while let Some(output) = node.poll_output() {
            idle = false;
            match output {
                Output::Persist { ring_sequence } => self.slots[index].disk = ring_sequence,
                Output::Send { to, bytes, road } => {
                    self.observer.sent(node.id(), &bytes, self.scenario.limits)?;
                    links.send(&to, &bytes, road);
                }
            }
        }
        Ok(idle)
    }
}
