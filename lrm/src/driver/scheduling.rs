//! When the executor's thread runs, and its agents.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;

/// The lowest of the real-time priorities: before all that is ordinary, after all else.
const PRIORITY: u32 = 1;
/// The nice value of a thread that comes first where real-time scheduling is refused, as it is in
/// most control groups.
const NICE: i32 = -20;
/// How long an ordinary thread runs before others may: short turns come early (Linux 6.12).
const TURN_NS: u64 = 100_000;

/// `struct sched_attr` in its first form.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// How a thread comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// Before every ordinary thread of the machine.
    RealTime,
    /// By its nice value, against threads of its own control group.
    Nice,
    /// By short turns alone: the process may not have more.
    ShortTurns,
}

/// Lets the calling thread run before ordinary ones as soon as it has something to do, so that
/// results are told at once on a busy machine.
///
/// Threads and processes that the thread makes have normal scheduling, too.
///
/// # Errors
/// When the kernel refuses whatever is asked.
pub fn run_first() -> io::Result<Precedence> {
    // A child begins anew. Were it to go back by itself, what it ran before would count against
    // it by its new weight, and it would wait for long.
    let flags = libc::SCHED_FLAG_RESET_ON_FORK as u64;
    let real_time = Attributes {
        flags,
        policy: libc::SCHED_RR as u32,
        priority: PRIORITY,
        ..Attributes::default()
    };
    if set(real_time).is_ok() {
        return Ok(Precedence::RealTime);
    }
    let nice = |nice| Attributes { flags, nice, runtime: TURN_NS, ..Attributes::default() };
    if set(nice(NICE)).is_ok() {
        return Ok(Precedence::Nice);
    }
    let own = rustix::process::getpriority_process(None)?;
    set(nice(own)).map(|()| Precedence::ShortTurns)
}

/// Normal scheduling and nice value 0, for a child on its way to be an agent. Failures are ignored
/// (spec 80 §2.2).
pub(super) fn back_to_normal() {
    // `SCHED_OTHER` is zero, as are its nice value and the kernel's own length of a turn.
    let _ = set(Attributes::default());
}

fn set(attributes: Attributes) -> io::Result<()> {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..attributes };
    const THIS_THREAD: c_int = 0;
    const NO_FLAGS: c_int = 0;
    // SAFETY: a system call that reads a structure on this stack, whose size is in it.
    let rc = unsafe {
        libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw const attributes, NO_FLAGS)
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scheduling policy and nice value of this thread.
    fn now() -> (i32, i32) {
        // SAFETY: reads the scheduling policy of the calling thread; no memory is passed.
        let policy = unsafe { libc::sched_getscheduler(0) };
        (policy & !libc::SCHED_RESET_ON_FORK, rustix::process::getpriority_process(None).unwrap())
    }

    #[test]
    fn a_thread_comes_first_as_far_as_it_may() {
        let in_thread = || {
            let before = now();
            match run_first().unwrap() {
                Precedence::RealTime => assert_eq!(now().0, libc::SCHED_RR),
                Precedence::Nice => assert_eq!(now(), (libc::SCHED_OTHER, NICE)),
                Precedence::ShortTurns => assert_eq!(now(), before),
            }
            std::thread::spawn(now).join().unwrap()
        };
        let (policy, nice) = std::thread::spawn(in_thread).join().unwrap();
        assert!(policy == libc::SCHED_OTHER && nice >= 0, "inherited");
    }
}
