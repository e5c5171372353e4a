//! What a child must have done to it that no safe crate wraps.
#![allow(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Marks every inherited descriptor from 3 up as closed on exec, so that no agent gets one.
pub(super) fn close_descriptors_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC closes nothing and touches no memory; it sets
    // a flag on descriptors, which whoever owns them keeps using as before.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if rc != 0 {
        log::debug!("close_range: {}", std::io::Error::last_os_error());
    }
}

/// This process runs with a priority that agents must not inherit.
pub(super) fn has_raised_priority() -> bool {
    // SAFETY: reads the scheduling policy of the calling process; no memory is passed.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    policy > libc::SCHED_OTHER || nice != 0
}

/// Makes the child run with normal scheduling and nice value 0. Failures are ignored.
pub(super) fn reset_priority(command: &mut Command) {
    let reset = || {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: both calls are async-signal-safe system calls on the child itself; `parameters`
        // lives on the stack of this closure for the length of the call.
        unsafe {
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters);
            libc::setpriority(libc::PRIO_PROCESS, 0, 0);
        }
        Ok(())
    };
    // SAFETY: `reset` allocates nothing, takes no lock, and makes async-signal-safe calls only.
    unsafe { command.pre_exec(reset) };
}
