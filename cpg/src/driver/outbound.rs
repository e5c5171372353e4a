//! Datagrams on their way out, gathered per destination so that the kernel segments a row of them in
//! one call.

use super::socket::LinkSocket;
use bytes::Bytes;
use std::net::SocketAddr;

/// Largest row of datagrams the kernel takes at once.
const ROW: usize = 65_000;

#[derive(Debug)]
struct Destination {
    link: u8,
    to: SocketAddr,
    datagrams: Vec<Bytes>,
}

#[derive(Debug, Default)]
pub(super) struct Outbound {
    destinations: Vec<Destination>,
    waiting: usize,
    row: Vec<u8>,
}

impl Outbound {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(super) fn push(&mut self, link: u8, to: SocketAddr, datagram: Bytes) {
        self.waiting += 1;
        let known = self.destinations.iter_mut().find(|d| d.link == link && d.to == to);
        match known {
            Some(destination) => destination.datagrams.push(datagram),
            None => self.destinations.push(Destination { link, to, datagrams: vec![datagram] }),
        }
    }

    /// Sends everything, in order per destination.
    pub(super) fn send(&mut self, sockets: &mut [LinkSocket]) {
        for destination in &mut self.destinations {
            let socket = sockets.iter_mut().find(|socket| socket.link() == destination.link);
            if let Some(socket) = socket {
                send_rows(socket, destination.to, &destination.datagrams, &mut self.row);
            }
            destination.datagrams.clear();
        }
        self.waiting = 0;
    }
}

fn send_rows(socket: &mut LinkSocket, to: SocketAddr, datagrams: &[Bytes], row: &mut Vec<u8>) {
    let limit = socket.segments();
    let mut rest = datagrams;
    while let Some(first) = rest.first() {
        let segment = first.len();
        let mut count = 1;
        let mut bytes = segment;
        while let Some(next) = rest.get(count) {
            let fits = count < limit && bytes + next.len() <= ROW && next.len() <= segment;
            if !fits {
                break;
            }
            bytes += next.len();
            count += 1;
            if next.len() < segment {
                break; // only the last may be shorter
            }
        }
        if count == 1 {
            socket.send(to, first, segment);
        } else {
            row.clear();
            rest[..count].iter().for_each(|datagram| row.extend_from_slice(datagram));
            socket.send(to, row, segment);
        }
        rest = &rest[count..];
    }
}
