//! The agents that are run: the cheapest program there is, and ones that tell when they end.

use super::Fallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The agent that does nothing.
pub const NOTHING: &str = "nothing";
/// The agent that prints the nanoseconds since 1970 as the last thing it does.
pub const CLOCK: &str = "clock";
/// The same, going before others, so that it does not wait for a processor to end on.
pub const CLOCK_FIRST: &str = "clock-first";
/// The provider of all.
pub const PROVIDER: &str = "understudy-measure";

const SYSTEM_ROOT: &str = "/usr/lib/ocf/resource.d";

/// A directory with the agents.
#[derive(Debug)]
pub struct Agents {
    root: TempDir,
    link: Option<PathBuf>,
}

impl Agents {
    /// Makes them. `program` is what does nothing.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(program: &Path) -> Fallible<Self> {
        let root = tempfile::tempdir()?;
        let provider = root.path().join("resource.d").join(PROVIDER);
        std::fs::create_dir_all(&provider)?;
        std::os::unix::fs::symlink(program, provider.join(NOTHING))?;
        let script = root.path().join("script");
        for (agent, before) in [(CLOCK, ""), (CLOCK_FIRST, "nice -n -20 ")] {
            std::fs::write(&script, format!("#!/bin/sh\nexec {before}date +%s%N\n"))?;
            let mut install = Command::new("install");
            install.args(["-m", "755"]).arg(&script).arg(provider.join(agent));
            if !install.status()?.success() {
                return Err("install failed".into());
            }
        }
        Ok(Self { root, link: None })
    }

    /// Shows them to executors that know one place for agents only.
    ///
    /// # Errors
    /// When there is no such place, or this user may not write there.
    pub fn link_into_system(&mut self) -> std::io::Result<()> {
        let link = Path::new(SYSTEM_ROOT).join(PROVIDER);
        if link.is_symlink() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(self.root.path().join("resource.d").join(PROVIDER), &link)?;
        self.link = Some(link);
        Ok(())
    }

    /// The OCF root that holds them.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The path of an agent.
    #[must_use]
    pub fn path(&self, agent: &str) -> PathBuf {
        self.root.path().join("resource.d").join(PROVIDER).join(agent)
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && let Err(error) = std::fs::remove_file(link)
        {
            eprintln!("{} is left behind: {error}", link.display());
        }
    }
}
