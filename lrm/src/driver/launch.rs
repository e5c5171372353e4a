//! Making the process of an agent (spec 80 §2.2).
//!
//! A child made in the ordinary way gets a copy of every descriptor, to close it again: with
//! hundreds of agents running, each with its pipes, that is the greater part of what starting one
//! more costs. So the child here shares the table of descriptors at first, and then takes a copy
//! of its beginning only, where the few are that it needs.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;

use rustix::io::{DupFlags, dup3};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::process::User;
use crate::invocation::CommandLine;

/// Enough for a handful of system calls.
const STACK: usize = 64 * 1024;
/// The highest signal number of Linux.
const LAST_SIGNAL: c_int = 64;
const SHELL: &CStr = c"/bin/sh";

/// Makes processes.
#[derive(Debug)]
pub(super) struct Launcher {
    null: File,
    /// Descriptors taken early, thus of low numbers, that become a child's input and output.
    places: [OwnedFd; 3],
    stack: Box<[MaybeUninit<u128>]>,
}

/// A process made, and the ends of its pipes.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) stdout: File,
    pub(super) stderr: File,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        let null = File::open("/dev/null")?;
        let place = || null.try_clone().map(OwnedFd::from);
        let places = [place()?, place()?, place()?];
        Ok(Self { null, places, stack: Box::new_uninit_slice(STACK / size_of::<u128>()) })
    }

    /// Makes a process that leads its own group, with normal scheduling whatever this process has.
    pub(super) fn launch(
        &mut self,
        line: &CommandLine,
        user: Option<User>,
    ) -> io::Result<Launched> {
        let environment = environment(line)?;
        let mut arguments = vec![c_text(line.path.as_os_str())?];
        for argument in &line.arguments {
            arguments.push(c_text(argument)?);
        }
        let input = filled_pipe(&line.input)?;
        let (stdout, out) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, err) = pipe_with(PipeFlags::CLOEXEC)?;
        for (place, pipe) in self.places.iter_mut().zip([input, Some(out), Some(err)]) {
            if let Some(pipe) = pipe {
                dup3(&pipe, place, DupFlags::CLOEXEC)?;
            }
        }
        let path = arguments[0].clone();
        let made = match self.make(&path, &arguments, &environment, user) {
            // A script without an interpreter line is the shell's, as for execvp.
            Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
                arguments.insert(0, SHELL.into());
                self.make(SHELL, &arguments, &environment, user)
            }
            other => other,
        };
        for place in &mut self.places {
            dup3(&self.null, place, DupFlags::CLOEXEC)?;
        }
        let (pid, pidfd) = made?;
        Ok(Launched { pid, pidfd, stdout: stdout.into(), stderr: stderr.into() })
    }

    fn make(
        &mut self,
        path: &CStr,
        arguments: &[CString],
        environment: &[CString],
        user: Option<User>,
    ) -> io::Result<(Pid, OwnedFd)> {
        let (arguments, environment) = (pointers(arguments), pointers(environment));
        let mut plan = Plan {
            path: path.as_ptr(),
            arguments: arguments.as_ptr(),
            environment: environment.as_ptr(),
            streams: self.places.each_ref().map(AsRawFd::as_raw_fd),
            user,
            error: 0,
        };
        let (pid, pidfd) = plan.carry_out(&mut self.stack)?;
        if plan.error != 0 {
            let _ = waitpid(Some(pid), WaitOptions::empty());
            return Err(io::Error::from_raw_os_error(plan.error));
        }
        Ok((pid, pidfd))
    }
}

/// A pipe to read this from; none for nothing.
fn filled_pipe(bytes: &[u8]) -> io::Result<Option<OwnedFd>> {
    /// What every pipe holds.
    const ROOM: usize = 4096;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() > ROOM {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (input, filler) = pipe_with(PipeFlags::CLOEXEC)?;
    File::from(filler).write_all(bytes)?;
    Ok(Some(input))
}

/// The inherited environment with the changes of a command line, as `execve` takes it.
fn environment(line: &CommandLine) -> io::Result<Vec<CString>> {
    let changes: BTreeMap<&OsStr, Option<&OsStr>> =
        line.environment.iter().map(|(name, value)| (name.as_ref(), value.as_deref())).collect();
    let entry = |name: OsString, value: &OsStr| {
        let mut text = name.into_vec();
        text.push(b'=');
        text.extend_from_slice(value.as_bytes());
        CString::new(text).map_err(io::Error::from)
    };
    let inherited = std::env::vars_os().filter(|(name, _)| !changes.contains_key(&**name));
    let inherited = inherited.map(|(name, value)| entry(name, &value));
    let set = changes.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    inherited.chain(set.map(|(name, value)| entry(name.to_owned(), value))).collect()
}

fn c_text(text: impl AsRef<OsStr>) -> io::Result<CString> {
    Ok(CString::new(text.as_ref().as_bytes())?)
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// What a child does before it is the agent.
struct Plan {
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    streams: [c_int; 3],
    user: Option<User>,
    /// Why it could not become the agent; written by the child.
    error: c_int,
}

impl Plan {
    /// Makes the child and waits until it is the agent, or has failed.
    fn carry_out(&mut self, stack: &mut [MaybeUninit<u128>]) -> io::Result<(Pid, OwnedFd)> {
        let flags = libc::CLONE_VM
            | libc::CLONE_VFORK
            | libc::CLONE_FILES
            | libc::CLONE_PIDFD
            | libc::SIGCHLD;
        let mut pidfd: c_int = -1;
        let top = stack.as_mut_ptr_range().end;
        // SAFETY: signals are blocked around it, so that no handler runs in the child, in memory
        // that is the parent's. The stack is a buffer of its own, aligned to 16 bytes, entered at
        // its end as stacks grow down. This thread stands still until the child has left this
        // memory, so `self`, all it points to, and the stack outlive their use. `pidfd` is where
        // the kernel puts the descriptor for the flag CLONE_PIDFD.
        let pid = unsafe {
            let mut all = MaybeUninit::uninit();
            let mut before = MaybeUninit::uninit();
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
            let plan: *mut Self = self;
            let pid = libc::clone(child, top.cast(), flags, plan.cast(), &raw mut pidfd);
            let error = io::Error::last_os_error();
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
            if pid < 0 { Err(error) } else { Ok(pid) }
        }?;
        // SAFETY: the kernel made this descriptor for this call, and nobody else knows it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok((pid, pidfd))
    }

    /// Becomes the agent; returns only when that fails, with the error number.
    ///
    /// # Safety
    /// Only in a child that shares the parent's memory while the parent stands still: it may
    /// make system calls, and neither allocate nor lock.
    unsafe fn become_agent(&self) -> c_int {
        // SAFETY: plain system calls on numbers, on pointers that the plan's maker keeps alive,
        // and on this function's own variables.
        unsafe {
            if let Err(error) = self.leave_shared_table() {
                return error;
            }
            for (number, stream) in (0..).zip(self.streams) {
                if libc::dup2(stream, number) < 0 {
                    return errno();
                }
            }
            default_signals();
            libc::setpgid(0, 0);
            if let Some(User { uid, gid }) = self.user {
                // The C library's own functions would set all threads of the parent.
                let failed = libc::syscall(libc::SYS_setgid, gid) != 0
                    || libc::syscall(libc::SYS_setgroups, 0, ptr::null::<libc::gid_t>()) != 0
                    || libc::syscall(libc::SYS_setuid, uid) != 0;
                if failed {
                    return errno();
                }
            }
            super::scheduling::back_to_normal();
            libc::execve(self.path, self.arguments, self.environment);
            errno()
        }
    }

    /// Takes a table of descriptors of its own, with none above those of the plan in it, and all
    /// of it closed on exec but for standard input, output and error.
    unsafe fn leave_shared_table(&self) -> Result<(), c_int> {
        const FIRST: c_uint = 3;
        let last = self.streams.iter().copied().max().unwrap_or(0);
        let last = c_uint::try_from(last).unwrap_or(FIRST).max(FIRST);
        let close_range = |from: c_uint, to: c_uint, flags: c_uint| {
            // SAFETY: numbers only.
            unsafe { libc::syscall(libc::SYS_close_range, from, to, flags) }
        };
        if close_range(last + 1, c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) != 0 {
            // SAFETY: numbers only.
            if unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
                return Err(errno());
            }
        }
        close_range(FIRST, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        Ok(())
    }
}

/// What the child runs, on a stack of its own in the parent's memory.
extern "C" fn child(plan: *mut c_void) -> c_int {
    let plan = plan.cast::<Plan>();
    // SAFETY: the pointer is that of `Plan::carry_out`, which waits; nobody else uses the plan.
    unsafe {
        let error = (*plan).become_agent();
        ptr::write_volatile(&raw mut (*plan).error, error);
        libc::_exit(127)
    }
}

/// No handler of the parent may run in the child, and the agent begins with nothing blocked. What
/// the parent ignores stays ignored, but for broken pipes.
unsafe fn default_signals() {
    // SAFETY: the table of handlers is the child's own; all pointers are to local variables.
    unsafe {
        let mut default = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=LAST_SIGNAL {
            let mut now = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            let known = libc::sigaction(signal, ptr::null(), &raw mut now) == 0;
            let handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&now.sa_sigaction);
            if known && (handled || signal == libc::SIGPIPE) {
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::driver::scheduling::run_first;

    /// What a shell prints that is launched beside many open descriptors.
    fn printed(launcher: &mut Launcher, script: &str, environment: &[(&str, &str)]) -> String {
        let line = CommandLine {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: environment.iter().map(|(n, v)| ((*n).into(), Some(v.into()))).collect(),
            input: Vec::new(),
        };
        let mut launched = launcher.launch(&line, None).unwrap();
        let mut text = String::new();
        launched.stdout.read_to_string(&mut text).unwrap();
        waitpid(Some(launched.pid), WaitOptions::empty()).unwrap();
        text
    }

    #[test]
    fn a_child_has_three_descriptors_wherever_the_launchers_own_are() {
        let mut early = Launcher::new().unwrap();
        // Not closed on exec, as a careless library leaves them.
        let open: Vec<OwnedFd> = (0..200).map(|_| rustix::io::dup(&early.null).unwrap()).collect();
        let mut late = Launcher::new().unwrap();
        for launcher in [&mut early, &mut late] {
            let list = "for d in /proc/$$/fd/*; do [ -e $d ] && echo ${d##*/}; done";
            assert_eq!(printed(launcher, list, &[]), "0\n1\n2\n");
        }
        assert!(open.iter().all(|fd| rustix::io::fcntl_getfd(fd).is_ok()), "the parent's are gone");
    }

    #[test]
    fn a_child_begins_with_no_signal_blocked_or_pipe_errors_ignored() {
        let status = printed(&mut Launcher::new().unwrap(), "exec cat /proc/self/status", &[]);
        let mask = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        assert_eq!(mask("SigBlk"), 0);
        assert_eq!(mask("SigIgn") >> (libc::SIGPIPE - 1) & 1, 0);
    }

    #[test]
    fn a_child_has_normal_scheduling_whatever_its_parent_has() {
        let in_thread = || {
            run_first().unwrap();
            let stat = "read -r line </proc/$$/stat; set -- ${line##*) }; echo ${17} ${39}";
            printed(&mut Launcher::new().unwrap(), stat, &[])
        };
        let own = rustix::process::getpriority_process(None).unwrap();
        // Nice value and policy. Without privilege a nice value above 0 stays.
        let text = std::thread::spawn(in_thread).join().unwrap();
        assert!(text == "0 0\n" || text == format!("{own} 0\n"), "{text}");
    }

    #[test]
    fn the_environment_is_the_inherited_one_with_changes() {
        let text = printed(
            &mut Launcher::new().unwrap(),
            "echo \"$A-$B-${PATH:+inherited}\"",
            &[("A", "1"), ("B", "first"), ("B", "second")],
        );
        assert_eq!(text, "1-second-inherited\n");
    }

    #[test]
    fn a_child_reads_what_it_is_given_and_the_next_one_nothing() {
        let mut launcher = Launcher::new().unwrap();
        for (input, read) in [("one\n", "one\n"), ("", "")] {
            let line = CommandLine {
                path: "/bin/cat".into(),
                arguments: Vec::new(),
                environment: Vec::new(),
                input: input.into(),
            };
            let mut launched = launcher.launch(&line, None).unwrap();
            let mut text = String::new();
            launched.stdout.read_to_string(&mut text).unwrap();
            waitpid(Some(launched.pid), WaitOptions::empty()).unwrap();
            assert_eq!(text, read);
        }
    }

    #[test]
    fn a_failure_to_execute_is_told_and_leaves_no_child() {
        let mut launcher = Launcher::new().unwrap();
        let mut line = CommandLine {
            path: "/dev/null".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
        };
        let error = launcher.launch(&line, None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        line.path = "/bin/nul\0".into();
        let error = launcher.launch(&line, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
