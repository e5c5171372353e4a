//! A client of the corosync daemon through libcpg's documented C interface (`corosync/cpg.h`).

use super::member::{GROUP, Member, Seen};
use super::{Failure, monotonic};
use libloading::Library;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_int, c_uint, c_void};
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Where the client library is looked for.
const LIBRARY: &str = "libcpg.so.4";
const OK: c_int = 1;
const TRY_AGAIN: c_int = 6;
const DISPATCH_ALL: c_int = 2;
const AGREED: c_int = 2;
/// What calls return when the daemon is gone.
const LIBRARY_ERROR: c_int = 2;
/// How long the daemon may take to start.
const PATIENCE: u64 = 30_000_000_000;

#[repr(C)]
struct Name {
    length: u32,
    value: [u8; 128],
}

#[repr(C)]
struct Address {
    node: u32,
    process: u32,
    reason: u32,
}

#[repr(C)]
struct Slice {
    base: *const c_void,
    length: usize,
}

type Handle = u64;
type Deliver = extern "C" fn(Handle, *const Name, u32, u32, *mut c_void, usize);
type Change = extern "C" fn(
    Handle,
    *const Name,
    *const Address,
    usize,
    *const Address,
    usize,
    *const Address,
    usize,
);

#[repr(C)]
struct Callbacks {
    deliver: Deliver,
    change: Change,
}

thread_local! {
    /// What the callbacks saw; they run inside `cpg_dispatch`, on the thread that called it.
    static SEEN: RefCell<VecDeque<(u32, Seen)>> = const { RefCell::new(VecDeque::new()) };
}

extern "C" fn deliver(
    _: Handle,
    _: *const Name,
    node: u32,
    _process: u32,
    message: *mut c_void,
    length: usize,
) {
    // SAFETY: cpg_dispatch hands over `length` readable bytes that stay valid during the callback.
    let payload = unsafe { std::slice::from_raw_parts(message.cast::<u8>(), length) };
    SEEN.with_borrow_mut(|seen| seen.push_back((node, Seen::message(false, payload))));
}

extern "C" fn change(
    _: Handle,
    _: *const Name,
    _: *const Address,
    members: usize,
    _: *const Address,
    _: usize,
    _: *const Address,
    _: usize,
) {
    SEEN.with_borrow_mut(|seen| seen.push_back((0, Seen::View(members))));
}

/// Whether corosync and its client library are installed.
pub fn is_installed() -> bool {
    let daemon = std::process::Command::new("corosync").arg("-v").output();
    // SAFETY: loading runs the library's initialisers, which have no preconditions.
    daemon.is_ok_and(|output| output.status.success()) && unsafe { Library::new(LIBRARY) }.is_ok()
}

/// The daemon went away, as it does when a crash is measured.
#[derive(Debug)]
pub struct DaemonGone;

impl std::fmt::Display for DaemonGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the corosync daemon is gone")
    }
}

impl std::error::Error for DaemonGone {}

/// The functions used.
struct Calls {
    dispatch: unsafe extern "C" fn(Handle, c_int) -> c_int,
    multicast: unsafe extern "C" fn(Handle, c_int, *const Slice, c_uint) -> c_int,
}

/// A joined client of the daemon in the same network namespace.
pub struct CorosyncMember {
    calls: Calls,
    handle: Handle,
    descriptor: c_int,
    me: u32,
    // Last, so that the functions above never outlive their library.
    _library: Library,
}

impl CorosyncMember {
    /// Connects, waiting for the daemon to come up, and joins.
    pub fn start(me: u32) -> Result<CorosyncMember, Failure> {
        // SAFETY: as in `is_installed`; the signatures are those of corosync/cpg.h, version 4 of the library.
        unsafe {
            let library = Library::new(LIBRARY)?;
            let initialize: unsafe extern "C" fn(*mut Handle, *const Callbacks) -> c_int =
                *library.get(b"cpg_initialize")?;
            let join: unsafe extern "C" fn(Handle, *const Name) -> c_int =
                *library.get(b"cpg_join")?;
            let descriptor: unsafe extern "C" fn(Handle, *mut c_int) -> c_int =
                *library.get(b"cpg_fd_get")?;
            let calls = Calls {
                dispatch: *library.get(b"cpg_dispatch")?,
                multicast: *library.get(b"cpg_mcast_joined")?,
            };
            let callbacks = Callbacks { deliver, change };
            let mut handle = 0;
            until_ok("cpg_initialize", || initialize(&mut handle, &callbacks))?;
            let mut name = Name { length: GROUP.len() as u32, value: [0; 128] };
            name.value[..GROUP.len()].copy_from_slice(GROUP.as_bytes());
            until_ok("cpg_join", || join(handle, &name))?;
            let mut fd = -1;
            until_ok("cpg_fd_get", || descriptor(handle, &mut fd))?;
            Ok(CorosyncMember { calls, handle, descriptor: fd, me, _library: library })
        }
    }
}

fn until_ok(what: &str, mut call: impl FnMut() -> c_int) -> Result<(), Failure> {
    let deadline = monotonic() + PATIENCE;
    loop {
        match call() {
            OK => return Ok(()),
            error if monotonic() > deadline => return Err(format!("{what}: error {error}").into()),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

impl Member for CorosyncMember {
    fn send(&mut self, payload: &[u8]) -> Result<bool, Failure> {
        let slice = Slice { base: payload.as_ptr().cast(), length: payload.len() };
        // SAFETY: the slice lives during the call, which copies it.
        match unsafe { (self.calls.multicast)(self.handle, AGREED, &slice, 1) } {
            OK => Ok(true),
            TRY_AGAIN => Ok(false),
            error => Err(format!("cpg_mcast_joined: error {error}").into()),
        }
    }

    fn turn(&mut self, longest: Duration) -> Result<(), Failure> {
        // SAFETY: libcpg keeps the descriptor open as long as the handle.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        let timeout = PollTimeout::try_from(longest)?;
        match poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(()),
            result => result?,
        };
        // SAFETY: the handle is open; the callbacks only touch this thread's queue.
        match unsafe { (self.calls.dispatch)(self.handle, DISPATCH_ALL) } {
            OK | TRY_AGAIN => Ok(()),
            LIBRARY_ERROR => Err(DaemonGone.into()),
            error => Err(format!("cpg_dispatch: error {error}").into()),
        }
    }

    fn next_seen(&mut self) -> Option<Seen> {
        let (node, seen) = SEEN.with_borrow_mut(VecDeque::pop_front)?;
        Some(match seen {
            Seen::Message { stamp, size, .. } => {
                Seen::Message { own: node == self.me, stamp, size }
            }
            view => view,
        })
    }
}
