//! Datagrams on their way out, gathered per destination so that one call takes many: as a row that the
//! kernel segments, or, where it cannot, as a batch of separate datagrams.

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
                let (to, datagrams) = (destination.to, &destination.datagrams);
                match socket.segments() {
                    1 => socket.send_batch(to, datagrams),
                    limit => send_rows(socket, to, datagrams, limit, &mut self.row),
                }
            }
            destination.datagrams.clear();
        }
        self.waiting = 0;
    }
}

fn send_rows(
    socket: &mut LinkSocket,
    to: SocketAddr,
    datagrams: &[Bytes],
    limit: usize,
    row: &mut Vec<u8>,
) {
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

#[cfg(test)]
mod tests {
    use super::super::LinkBind;
    use super::*;
    use std::time::{Duration, Instant};

    fn socket(poll: &mio::Poll) -> LinkSocket {
        let any = LinkBind::unicast(0, SocketAddr::from(([127, 0, 0, 1], 0)));
        LinkSocket::open(&any, 1 << 20, poll.registry()).unwrap()
    }

    /// Spec 70 §19, W17: one call for many datagrams.
    #[test]
    fn w17_rows_and_batches_arrive_whole_and_in_order() {
        let poll = mio::Poll::new().unwrap();
        for batch in [false, true] {
            let (mut from, mut to) = (socket(&poll), socket(&poll));
            let address = to.local_address().unwrap();
            let length = |index: u32| [1200, 1200, 1200, 300, 1, 40_000][index as usize % 6];
            let sent: Vec<Bytes> =
                (0..150).map(|index| Bytes::from(vec![index as u8; length(index)])).collect();
            if batch {
                from.send_batch(address, &sent);
            } else {
                let limit = from.segments();
                send_rows(&mut from, address, &sent, limit, &mut vec![]);
            }
            let (mut got, begin) = (vec![], Instant::now());
            while got.len() < sent.len() && begin.elapsed() < Duration::from_secs(5) {
                to.mark_readable(mio::Token(0));
                to.receive().unwrap();
                while let Some((_, datagram)) = to.next_datagram() {
                    got.push(datagram.freeze());
                }
            }
            assert_eq!(got, sent, "batch: {batch}");
        }
    }

    /// Spec 70 §19, W18.
    #[test]
    fn w18_a_token_is_read_before_data_that_came_first() {
        let poll = mio::Poll::new().unwrap();
        let (mut from, mut to) = (socket(&poll), socket(&poll));
        let data = to.local_address().unwrap();
        let tokens = SocketAddr::new(data.ip(), to.token_port().unwrap());
        let (mut got, begin) = (vec![], Instant::now());
        for number in 0..4 {
            from.send(data, &[number], 1);
        }
        while got.is_empty() && begin.elapsed() < Duration::from_secs(5) {
            to.mark_readable(mio::Token(0));
            to.receive().unwrap();
            got.extend(to.next_datagram().map(|(_, datagram)| datagram[0]));
        }
        from.send(tokens, &[99], 1);
        while got.len() < 5 && begin.elapsed() < Duration::from_secs(5) {
            if !got.contains(&99) && !to.receive_tokens().unwrap() {
                continue;
            }
            to.receive().unwrap();
            got.extend(to.next_datagram().map(|(_, datagram)| datagram[0]));
        }
        assert_eq!(got, [0, 99, 1, 2, 3]);
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_batch() {
        let poll = mio::Poll::new().unwrap();
        let (mut from, mut to) = (socket(&poll), socket(&poll));
        let address = to.local_address().unwrap();
        let sent = [1, 70_000, 2].map(|length| Bytes::from(vec![7; length]));
        from.send_batch(address, &sent);
        let mut got = vec![];
        let begin = Instant::now();
        while got.len() < 2 && begin.elapsed() < Duration::from_secs(5) {
            to.mark_readable(mio::Token(0));
            to.receive().unwrap();
            while let Some((_, datagram)) = to.next_datagram() {
                got.push(datagram.len());
            }
        }
        assert_eq!(got, [1, 2]);
    }
}
