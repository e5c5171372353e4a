//! The error queue of a socket: which destinations refused a datagram because nothing listens there.

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

/// Reports read at once; more are read at the next turn.
const AT_ONCE: usize = 32;

/// Asks the kernel to queue refusals. Without them failures are detected by silence only.
pub(super) fn enable(socket: &impl AsFd, address: &SocketAddr) {
    let result = match address {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    };
    if let Err(error) = result {
        log::debug!("no error queue: {error}");
    }
}

/// Empties the error queue.
pub(super) fn drain(socket: &impl AsFd) -> Vec<SocketAddr> {
    let mut refused = Vec::new();
    for _ in 0..AT_ONCE {
        let mut payload = [0; 64];
        let mut parts = [IoSliceMut::new(&mut payload)];
        let mut space = nix::cmsg_space!([u8; 256]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_fd().as_raw_fd();
        let Ok(message) = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut space), flags)
        else {
            break;
        };
        let Some(to) = message.address.as_ref().and_then(socket_address) else { continue };
        let Ok(controls) = message.cmsgs() else { continue };
        for control in controls {
            let error = match control {
                ControlMessageOwned::Ipv4RecvErr(error, _) => error.ee_errno,
                ControlMessageOwned::Ipv6RecvErr(error, _) => error.ee_errno,
                _ => continue,
            };
            if error == nix::errno::Errno::ECONNREFUSED as u32 {
                refused.push(to);
            }
        }
    }
    refused
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}
