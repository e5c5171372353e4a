//! Where agents are and which there are (spec 80 §1.3, §1.4).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::agent::{AgentSpec, Standard};

/// Where agents are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPaths {
    /// The OCF root, told to agents as `OCF_ROOT`.
    pub ocf_root: PathBuf,
    /// Directories of providers; the first that has an agent wins.
    pub ocf: Vec<PathBuf>,
    /// Init scripts.
    pub lsb: PathBuf,
    /// Fence agents, `fence_*`.
    pub fence: PathBuf,
}

/// There are no agents to list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("No agents found for standard '{0}'")]
pub struct NoAgents(pub String);

impl Default for AgentPaths {
    /// The places of the file system standard, below `OCF_ROOT` where that is set.
    fn default() -> Self {
        let root = std::env::var_os("OCF_ROOT").filter(|root| !root.is_empty());
        Self::below(root.map_or_else(|| "/usr/lib/ocf".into(), PathBuf::from))
    }
}

impl AgentPaths {
    /// The usual places, with OCF agents below this root.
    #[must_use]
    pub fn below(ocf_root: PathBuf) -> Self {
        Self {
            ocf: vec![ocf_root.join("resource.d")],
            ocf_root,
            lsb: "/etc/init.d".into(),
            fence: "/usr/sbin".into(),
        }
    }

    /// Sets the provider directories from a colon-separated list.
    #[must_use]
    pub fn with_ocf_path(mut self, list: &str) -> Self {
        self.ocf = list.split(':').filter(|part| !part.is_empty()).map(Into::into).collect();
        self
    }

    /// The file of an agent that runs as a process. Only its existence is asked.
    #[must_use]
    pub fn find(&self, agent: &AgentSpec) -> Option<PathBuf> {
        match agent.standard() {
            Standard::Ocf => {
                let relative = Path::new(agent.provider()?).join(agent.kind());
                self.ocf.iter().map(|dir| dir.join(&relative)).find(|path| path.exists())
            }
            Standard::Lsb | Standard::Service => {
                Some(self.init_script(agent.kind())).filter(|path| path.exists())
            }
            Standard::Stonith => Some(self.fence.join(agent.kind())).filter(|path| path.is_file()),
            _ => None,
        }
    }

    /// Where the init script of that name would be; a name with a leading slash is a path.
    #[must_use]
    pub fn init_script(&self, name: &str) -> PathBuf {
        self.lsb.join(name)
    }

    /// The standards with agents. systemd has, if `units` is not empty.
    #[must_use]
    pub fn standards(&self, units: &[String]) -> Vec<&'static str> {
        let mut standards = vec!["ocf", "service", "lsb"];
        if !units.is_empty() {
            standards.push("systemd");
        }
        if !self.fence_agents().is_empty() {
            standards.push("stonith");
        }
        standards
    }

    /// The providers of OCF agents; one found in two directories is listed twice.
    #[must_use]
    pub fn providers(&self) -> Vec<String> {
        let dirs = self.ocf.iter();
        dirs.flat_map(|dir| listed(dir, |path| path.is_dir())).collect()
    }

    /// The providers that have an agent of that type, in any case.
    #[must_use]
    pub fn providers_of(&self, kind: &str) -> Vec<String> {
        let mut providers = self.providers();
        providers.retain(|provider| {
            let agents = self.ocf_agents(Some(provider));
            agents.iter().any(|agent| agent.eq_ignore_ascii_case(kind))
        });
        providers
    }

    /// The types of OCF agents, of one provider or of all.
    #[must_use]
    pub fn ocf_agents(&self, provider: Option<&str>) -> Vec<String> {
        let providers = provider.map_or_else(|| self.providers(), |name| vec![name.into()]);
        let in_dir = |name: &String| {
            let dirs: Vec<PathBuf> = self.ocf.iter().map(|dir| dir.join(name)).collect();
            dirs.into_iter().flat_map(|dir| listed(&dir, is_executable))
        };
        providers.iter().flat_map(in_dir).collect()
    }

    /// The init scripts.
    #[must_use]
    pub fn lsb_agents(&self) -> Vec<String> {
        listed(&self.lsb, is_executable)
    }

    /// The fence agents: files by that name, whether or not they can be executed (spec 81 §3.1).
    #[must_use]
    pub fn fence_agents(&self) -> Vec<String> {
        let mut agents = listed(&self.fence, Path::is_file);
        agents.retain(|name| name.starts_with("fence_"));
        agents
    }

    /// The agents of a standard, or of all. `units` are those systemd lists.
    ///
    /// # Errors
    /// When there are none.
    pub fn agents(
        &self,
        standard: Option<&Standard>,
        provider: Option<&str>,
        units: &[String],
    ) -> Result<Vec<String>, NoAgents> {
        let agents = match standard {
            None => {
                [self.ocf_agents(provider), self.lsb_agents(), units.to_vec(), self.fence_agents()]
                    .concat()
            }
            Some(Standard::Ocf) => self.ocf_agents(provider),
            Some(Standard::Lsb) => self.lsb_agents(),
            Some(Standard::Systemd) => units.to_vec(),
            Some(Standard::Service) => [self.lsb_agents(), units.to_vec()].concat(),
            Some(Standard::Stonith) => self.fence_agents(),
            Some(Standard::Alert | Standard::Unknown(_)) => Vec::new(),
        };
        if agents.is_empty() {
            return Err(NoAgents(standard.map_or("", Standard::name).into()));
        }
        Ok(agents)
    }
}

/// Names in a directory that are not hidden and pass, sorted.
fn listed(dir: &Path, pass: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| pass(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_unstable();
    names
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(root: &Path, name: &str, mode: u32) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn tree() -> (tempfile::TempDir, AgentPaths) {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        for (name, mode) in [
            ("a/zebra/Z", 0o755),
            ("a/alpha/B", 0o755),
            ("a/alpha/A", 0o700),
            ("a/alpha/plain", 0o644),
            ("a/alpha/.hidden", 0o755),
            ("a/.git/x", 0o755),
            ("a/file", 0o755),
            ("b/alpha/b", 0o755),
            ("init/web", 0o755),
            ("init/README", 0o644),
            ("sbin/fence_x", 0o755),
            ("sbin/fence_broken", 0o644),
            ("sbin/fence_dir/file", 0o755),
            ("sbin/other", 0o755),
        ] {
            file(root, name, mode);
        }
        let list = format!("{0}/a:{0}/b", root.display());
        let paths = AgentPaths {
            lsb: root.join("init"),
            fence: root.join("sbin"),
            ..AgentPaths::below(root.into()).with_ocf_path(&list)
        };
        (scratch, paths)
    }

    #[test]
    fn lists_hold_executables_in_order() {
        let (_scratch, paths) = tree();
        assert_eq!(paths.providers(), ["alpha", "zebra", "alpha"]);
        assert_eq!(paths.providers_of("B"), ["alpha", "alpha"]);
        assert_eq!(paths.ocf_agents(Some("alpha")), ["A", "B", "b"]);
        assert_eq!(paths.lsb_agents(), ["web"]);
        assert_eq!(paths.standards(&[]), ["ocf", "service", "lsb", "stonith"]);
        let units = ["u".to_string()];
        assert_eq!(paths.agents(Some(&Standard::Service), None, &units).unwrap(), ["web", "u"]);
        let all = paths.agents(None, None, &units).unwrap();
        assert_eq!(all, ["A", "B", "b", "Z", "A", "B", "b", "web", "u", "fence_broken", "fence_x"]);
    }

    #[test]
    fn an_empty_list_is_an_error() {
        let (_scratch, paths) = tree();
        let error = paths.agents(Some(&Standard::Ocf), Some("none"), &[]).unwrap_err();
        assert_eq!(error.to_string(), "No agents found for standard 'ocf'");
        assert!(paths.agents(Some(&Standard::Systemd), None, &[]).is_err());
    }

    #[test]
    fn the_first_directory_wins_and_the_mode_is_not_asked() {
        let (scratch, paths) = tree();
        let find = |text: &str| paths.find(&text.parse().unwrap());
        assert_eq!(find("ocf:alpha:plain"), Some(scratch.path().join("a/alpha/plain")));
        assert_eq!(find("ocf:alpha:b"), Some(scratch.path().join("b/alpha/b")));
        assert_eq!(find("ocf:alpha:missing"), None);
        assert_eq!(find("lsb:web"), Some(scratch.path().join("init/web")));
        assert_eq!(find("lsb:/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(find("stonith:fence_x"), Some(scratch.path().join("sbin/fence_x")));
    }
}
