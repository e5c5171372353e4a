//! Whole processes compared: time and memory as the operating system accounts them.

use std::process::{Command, Stdio};
use wait4::Wait4;

/// What a finished process used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time in seconds.
    pub cpu: f64,
    /// Peak resident memory in MiB.
    pub peak_mib: f64,
}

/// Runs a command to its end; its output is thrown away.
pub fn usage(command: &mut Command) -> std::io::Result<Usage> {
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn()?;
    let done = child.wait4()?;
    Ok(Usage {
        cpu: (done.rusage.utime + done.rusage.stime).as_secs_f64(),
        peak_mib: done.rusage.maxrss as f64 / (1024.0 * 1024.0),
    })
}

/// Medians of several runs.
pub fn median(runs: usize, command: &mut dyn FnMut() -> Command) -> std::io::Result<Usage> {
    let mut all = Vec::new();
    for _ in 0..runs.max(1) {
        all.push(usage(&mut command())?);
    }
    let middle = |pick: fn(&Usage) -> f64| {
        let mut values: Vec<f64> = all.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Ok(Usage { cpu: middle(|u| u.cpu), peak_mib: middle(|u| u.peak_mib) })
}

/// Median of the elapsed seconds of several runs.
pub fn wall(runs: usize, command: &mut dyn FnMut() -> Command) -> std::io::Result<f64> {
    let mut all = Vec::new();
    for _ in 0..runs.max(1) {
        let started = std::time::Instant::now();
        usage(&mut command())?;
        all.push(started.elapsed().as_secs_f64());
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}
