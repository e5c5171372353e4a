//! The UDP sockets of one link: one for everything, one where only tokens arrive, so that no amount of
//! data can hold them up (spec 70 §20.3), and one for a multicast group.

use super::refusals;
use crate::link::MAX_LINKS;
use bytes::{Bytes, BytesMut};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

/// Largest datagram, or row of datagrams joined by the kernel.
const BUFFER: usize = 1 << 16;

/// Datagrams of one call where the kernel does not segment.
const BATCH: usize = 64;

/// Bytes of buffer where only tokens arrive.
const TOKEN_BUFFER: usize = 1 << 18;

/// Where a link listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkBind {
    /// Number of the link.
    pub link: u8,
    /// Local address.
    pub address: SocketAddr,
    /// Multicast group to join on the interface of that address.
    pub multicast: Option<IpAddr>,
    /// Hops a multicast datagram may take.
    pub ttl: u8,
    /// Differentiated services code point for outgoing datagrams, 0 to 63.
    pub dscp: u8,
}

impl LinkBind {
    /// A unicast link.
    pub fn unicast(link: u8, address: SocketAddr) -> LinkBind {
        LinkBind { link, address, multicast: None, ttl: 1, dscp: 0 }
    }
}

/// From which of a link's sockets to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Common,
    Group,
    Tokens,
}

pub(super) struct LinkSocket {
    link: u8,
    bind: LinkBind,
    socket: UdpSocket,
    group: Option<UdpSocket>,
    tokens: UdpSocket,
    tokens_readable: bool,
    state: UdpSocketState,
    buffers: Vec<Vec<u8>>,
    received: VecDeque<(SocketAddr, BytesMut)>,
    refused: Vec<SocketAddr>,
    readable: bool,
    /// Sends that failed since one worked.
    failures: u32,
}

impl std::fmt::Debug for LinkSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkSocket({}, {:?})", self.link, self.socket)
    }
}

fn bind(address: SocketAddr, buffer: usize, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(shared)?;
    // The forced options need a privilege; without it the system's limit applies.
    if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
        socket.set_recv_buffer_size(buffer)?;
    }
    if setsockopt(&socket, sockopt::SndBufForce, &buffer).is_err() {
        socket.set_send_buffer_size(buffer)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn into_mio(socket: Socket) -> UdpSocket {
    UdpSocket::from_std(socket.into())
}

impl LinkSocket {
    pub(super) fn open(
        bind_to: &LinkBind,
        buffer: usize,
        registry: &Registry,
    ) -> io::Result<LinkSocket> {
        let socket = bind(bind_to.address, buffer, false)?;
        refusals::enable(&socket, &bind_to.address);
        if bind_to.dscp > 0 && bind_to.address.is_ipv4() {
            socket.set_tos_v4(u32::from(bind_to.dscp) << 2)?;
        }
        let group = bind_to.multicast.map(|group| join(&socket, bind_to, group, buffer));
        let group = group.transpose()?.map(into_mio);
        let mut socket = into_mio(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let token = Token(usize::from(bind_to.link));
        let own_port = SocketAddr::new(bind_to.address.ip(), 0);
        let mut tokens = into_mio(bind(own_port, TOKEN_BUFFER.min(buffer), false)?);
        UdpSocketState::new(UdpSockRef::from(&tokens))?;
        registry.register(&mut tokens, Token(MAX_LINKS + token.0), Interest::READABLE)?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        let mut group = group;
        if let Some(group) = &mut group {
            UdpSocketState::new(UdpSockRef::from(&*group))?;
            registry.register(group, token, Interest::READABLE)?;
        }
        Ok(LinkSocket {
            link: bind_to.link,
            bind: bind_to.clone(),
            socket,
            group,
            tokens,
            tokens_readable: true,
            state,
            buffers: vec![vec![0; BUFFER]; BATCH_SIZE],
            received: VecDeque::new(),
            refused: Vec::new(),
            readable: true,
            failures: 0,
        })
    }

    pub(super) fn link(&self) -> u8 {
        self.link
    }

    /// Where it listens.
    pub(super) fn bind(&self) -> &LinkBind {
        &self.bind
    }

    /// Takes note of an event with this token of the poll; false when it is not of this link.
    pub(super) fn mark_readable(&mut self, token: Token) -> bool {
        let link = usize::from(self.link);
        self.readable |= token.0 == link;
        self.tokens_readable |= token.0 == MAX_LINKS + link;
        token.0 % MAX_LINKS == link && token.0 < 2 * MAX_LINKS
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readable || self.tokens_readable
    }

    /// The port where tokens arrive.
    pub(super) fn token_port(&self) -> io::Result<u16> {
        Ok(self.tokens.local_addr()?.port())
    }

    /// Reads tokens that wait, at most one batch; they come before what [`LinkSocket::receive`] read.
    /// Asks the kernel even when readiness was not told yet.
    pub(super) fn receive_tokens(&mut self) -> io::Result<bool> {
        let waiting = self.received.len();
        let read = self.receive_from(Source::Tokens)?;
        self.received.rotate_left(waiting);
        self.tokens_readable = read == BATCH_SIZE; // fewer: there are no more
        Ok(read > 0)
    }

    pub(super) fn tokens_are_readable(&self) -> bool {
        self.tokens_readable
    }

    /// Reads one batch; false when there is nothing to read.
    pub(super) fn receive(&mut self) -> io::Result<bool> {
        if !self.readable {
            return Ok(false);
        }
        let mut any = self.receive_from(Source::Common)? > 0;
        if self.group.is_some() {
            any |= self.receive_from(Source::Group)? > 0;
        }
        self.readable = any;
        Ok(any)
    }

    fn receive_from(&mut self, source: Source) -> io::Result<usize> {
        let socket = match (source, &self.group) {
            (Source::Tokens, _) => &self.tokens,
            (Source::Group, Some(group)) => group,
            _ => &self.socket,
        };
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let count = loop {
            match self.state.recv(UdpSockRef::from(socket), &mut slices, &mut metas) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_report(&error) => self.refused.extend(refusals::drain(socket)),
                Err(error) => return Err(error),
            }
        };
        drop(slices);
        for (meta, buffer) in metas.iter().take(count).zip(&self.buffers) {
            let row = &buffer[..meta.len];
            let datagrams = row.chunks(meta.stride.max(1)).map(BytesMut::from);
            self.received.extend(datagrams.map(|datagram| (meta.addr, datagram)));
        }
        Ok(count)
    }

    pub(super) fn next_datagram(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.received.pop_front()
    }

    /// Destinations that refused datagrams since the last call.
    pub(super) fn take_refused(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.refused)
    }

    /// Bytes the kernel grants for received datagrams, its own bookkeeping included.
    pub(super) fn receive_buffer(&self) -> io::Result<usize> {
        self.state.recv_buffer_size(UdpSockRef::from(&self.socket))
    }

    /// How many datagrams one call may carry.
    pub(super) fn segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    /// Sends separate datagrams, many with one call; for kernels and devices that do not segment. What
    /// the network has no room for is lost.
    pub(super) fn send_batch(&mut self, destination: SocketAddr, datagrams: &[Bytes]) {
        let addresses = [Some(SockaddrStorage::from(destination)); BATCH];
        let mut headers = MultiHeaders::preallocate(BATCH, None);
        let (mut rest, mut reports) = (datagrams, 0);
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(BATCH)];
            let slices: Vec<[IoSlice<'_>; 1]> =
                batch.iter().map(|datagram| [IoSlice::new(datagram)]).collect();
            let (to, flags) = (&addresses[..batch.len()], MsgFlags::empty());
            let sent = sendmmsg(self.socket.as_raw_fd(), &mut headers, &slices, to, [], flags);
            match sent.map(|results| results.count()) {
                Ok(count) => {
                    rest = &rest[count.max(1)..];
                    self.failures = 0;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EWOULDBLOCK) => return,
                Err(error) if is_report(&error.into()) && reports < 3 => {
                    // The report was about an earlier datagram; this one was not sent.
                    self.refused.extend(refusals::drain(&self.socket));
                    reports += 1;
                }
                Err(error) => {
                    log::debug!("link {}: datagram to {destination} lost: {error}", self.link);
                    self.failures = self.failures.saturating_add(1);
                    rest = &rest[1..];
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a row of datagrams of `segment` bytes each, the last of which may be shorter. What the
    /// network has no room for is lost, as any datagram may be.
    pub(super) fn send(&mut self, destination: SocketAddr, contents: &[u8], segment: usize) {
        let segment_size = (segment < contents.len()).then_some(segment);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        for _ in 0..3 {
            match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                Ok(()) => {
                    self.failures = 0;
                    return;
                }
                Err(error) if is_report(&error) => {
                    // The report was about an earlier datagram; this one was not sent.
                    self.refused.extend(refusals::drain(&self.socket));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!("link {}: datagram to {destination} lost: {error}", self.link);
                    break;
                }
            }
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// Sends that failed since one worked.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

fn is_report(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

/// Joins a multicast group; its datagrams arrive on a socket of their own.
fn join(socket: &Socket, to: &LinkBind, group: IpAddr, buffer: usize) -> io::Result<Socket> {
    let receiver = bind(SocketAddr::new(group, to.address.port()), buffer, true)?;
    match (group, to.address.ip()) {
        (IpAddr::V4(group), IpAddr::V4(interface)) => {
            receiver.join_multicast_v4(&group, &interface)?;
            socket.set_multicast_if_v4(&interface)?;
            socket.set_multicast_ttl_v4(to.ttl.into())?;
            socket.set_multicast_loop_v4(true)?;
        }
        (IpAddr::V6(group), IpAddr::V6(_)) => {
            let interface = match to.address {
                SocketAddr::V6(address) => address.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            receiver.join_multicast_v6(&group, interface)?;
            socket.set_multicast_if_v6(interface)?;
            socket.set_multicast_hops_v6(to.ttl.into())?;
            socket.set_multicast_loop_v6(true)?;
        }
        _ => {
            let text = "the multicast group and the link's address are of different families";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    }
    Ok(receiver)
}
