//! Keeping the processors busy.

use std::process::{Child, Command, Stdio};

/// Processes that compute, until dropped.
#[derive(Debug)]
pub struct Load {
    workers: Vec<Child>,
}

impl Load {
    /// One process for each processor.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn on_every_processor() -> std::io::Result<Self> {
        let mut load = Self { workers: Vec::new() };
        for _ in 0..std::thread::available_parallelism()?.get() {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            load.workers.push(shell.spawn()?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            if worker.kill().is_ok() {
                let _ = worker.wait();
            }
        }
    }
}
