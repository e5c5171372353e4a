//! Names of units, and the override file (spec 80 §9.2, §9.3, §9.6).

use std::fmt;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 5] = [".service", ".socket", ".mount", ".timer", ".path"];

/// The name of a unit that an agent type stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitName(String);

impl UnitName {
    /// The unit that actions of the type act on.
    #[must_use]
    pub fn for_action(kind: &str) -> Self {
        match EXTENSIONS.into_iter().find(|extension| kind.ends_with(extension)) {
            Some(extension) => {
                let stem = &kind[..kind.len() - extension.len()];
                let instance = if stem.ends_with('@') { "pacemaker" } else { "" };
                Self(format!("{stem}{instance}{extension}"))
            }
            None => Self(format!("{kind}.service")),
        }
    }

    /// The unit that tells whether the type exists: of a template, an instance.
    #[must_use]
    pub fn for_existence(kind: &str) -> Self {
        if kind.ends_with('@') {
            Self(format!("{kind}pacemaker.service"))
        } else {
            Self::for_action(kind)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name cannot lead out of a directory.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.contains('/') && !self.0.starts_with('.')
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The agent types among unit files, sorted without regard to case.
#[must_use]
pub fn unit_agents<'a>(files: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut agents: Vec<String> = files
        .into_iter()
        .map(|file| file.rsplit('/').next().unwrap_or(file))
        .filter(|name| EXTENSIONS.iter().any(|extension| name.ends_with(extension)))
        .map(|name| name.strip_suffix(".service").unwrap_or(name).to_string())
        .collect();
    agents.sort_by_key(|name| name.to_lowercase());
    agents
}

/// The directory of the override file, below systemd's run-time directory.
#[must_use]
pub fn override_directory(run: &Path, unit: &UnitName) -> PathBuf {
    run.join(format!("{unit}.d"))
}

/// The override file: systemd stops the cluster before the unit, and never restarts a service.
#[must_use]
pub fn override_text(unit: &UnitName) -> String {
    let mut text = format!(
        "[Unit]\nDescription=Cluster Controlled {unit}\n\
         Before=pacemaker.service pacemaker_remote.service\n"
    );
    if unit.as_str().ends_with(".service") {
        text += "\n[Service]\nRestart=no\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_name_units() {
        let cases = [
            ("nginx", "nginx.service", "nginx.service"),
            ("nginx.service", "nginx.service", "nginx.service"),
            ("srv-data.mount", "srv-data.mount", "srv-data.mount"),
            ("x@.socket", "x@pacemaker.socket", "x@pacemaker.socket"),
            ("x@", "x@.service", "x@pacemaker.service"),
            ("x@a:b", "x@a:b.service", "x@a:b.service"),
        ];
        for (kind, action, existence) in cases {
            assert_eq!(UnitName::for_action(kind).as_str(), action);
            assert_eq!(UnitName::for_existence(kind).as_str(), existence);
        }
    }

    #[test]
    fn unit_files_become_agents() {
        let files = ["/lib/s/b.service", "/lib/s/A.timer", "/lib/s/x.target", "c@.service"];
        assert_eq!(unit_agents(files), ["A.timer", "b", "c@"]);
    }

    #[test]
    fn the_override_forbids_restarts_of_services_only() {
        let service = override_text(&UnitName::for_action("web"));
        assert_eq!(
            service,
            "[Unit]\nDescription=Cluster Controlled web.service\n\
             Before=pacemaker.service pacemaker_remote.service\n\n[Service]\nRestart=no\n"
        );
        assert!(!override_text(&UnitName::for_action("web.timer")).contains("[Service]"));
    }
}
