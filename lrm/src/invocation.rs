//! The command line and environment of an agent (spec 80 §2.3, §2.4, §12).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::agent::Standard;
use crate::executor::Task;

/// A process to start: everything but the inherited environment.
///
/// Its debug output shows no values of variables, which may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// What to execute.
    pub path: PathBuf,
    /// Arguments after the path.
    pub arguments: Vec<String>,
    /// Variables to set over the inherited ones, in order; without a value: to unset.
    pub environment: Vec<(String, Option<OsString>)>,
    /// What it reads from its standard input, at most 4096 bytes.
    pub input: Vec<u8>,
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("CommandLine")
            .field("path", &self.path)
            .field("arguments", &self.arguments)
            .field("environment", &names)
            .finish_non_exhaustive()
    }
}

impl CommandLine {
    /// The command line of a task whose agent is at `path`, run under `standard`: the task's own,
    /// or what `service` stands for.
    #[must_use]
    pub fn of_task(task: &Task, standard: &Standard, path: &Path, ocf_root: &Path) -> Self {
        let mut environment = vec![("NOTIFY_SOCKET".to_string(), None)];
        let (mut arguments, mut input) = (Vec::new(), Vec::new());
        match task {
            Task::Resource { key, agent, parameters } => {
                let action = key.action.as_str();
                if *standard == Standard::Lsb && key.action.is("monitor") {
                    arguments.push("status".into());
                } else {
                    arguments.push(action.into());
                }
                if *standard == Standard::Ocf {
                    for (name, value) in parameters.iter() {
                        let name = match name {
                            "OCF_CHECK_LEVEL" => name.to_string(),
                            _ => format!("OCF_RESKEY_{name}"),
                        };
                        environment.push((name, Some(value.into())));
                    }
                    let instance = Some(key.resource.as_str());
                    let provider = agent.provider();
                    environment.extend(ocf(instance, agent.kind(), provider, ocf_root));
                }
            }
            // What a fence agent is to do it reads from its input. Were it told in an argument, it
            // would do what it does unless told otherwise, which is to reboot.
            Task::Metadata { .. } if *standard == Standard::Stonith => {
                input = b"action=metadata\n".to_vec();
            }
            Task::Metadata { agent } => {
                arguments.push("meta-data".into());
                environment.extend(ocf(None, agent.kind(), agent.provider(), ocf_root));
            }
            Task::Alert(alert) => {
                let given = alert.environment.iter();
                environment.extend(
                    given.map(|(name, value)| (name.clone(), value.clone().map(Into::into))),
                );
            }
        }
        Self { path: path.into(), arguments, environment, input }
    }
}

/// The variables by which agents learn where to log, from the cluster's options `logfacility` and
/// `logfile`, with those options as the daemons themselves know them. A debug log is told only when
/// debugging is on for the executor.
#[must_use]
pub fn log_environment(
    facility: Option<&str>,
    file: Option<&str>,
    debug: bool,
) -> Vec<(String, Option<OsString>)> {
    let is_none = |text: &&str| text.eq_ignore_ascii_case("none");
    let to_log = facility.filter(|text| !is_none(text) && *text != "/dev/null");
    let file_to_log = file.filter(|text| !is_none(text));
    let told = [
        ("LOGFACILITY", to_log),
        ("LOGFILE", file_to_log),
        ("DEBUGLOG", file_to_log.filter(|_| debug)),
        ("logfacility", facility),
        ("logfile", file),
    ];
    told.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .flat_map(|(name, value)| {
            ["HA", "PCMK"].map(|prefix| (format!("{prefix}_{name}"), Some(value.into())))
        })
        .collect()
}

fn ocf(
    instance: Option<&str>,
    kind: &str,
    provider: Option<&str>,
    root: &Path,
) -> impl Iterator<Item = (String, Option<OsString>)> {
    let variables: [(&str, Option<OsString>); 7] = [
        ("OCF_RA_VERSION_MAJOR", Some("1".into())),
        ("OCF_RA_VERSION_MINOR", Some("1".into())),
        ("OCF_ROOT", Some(root.into())),
        ("OCF_EXIT_REASON_PREFIX", Some("ocf-exit-reason:".into())),
        ("OCF_RESOURCE_INSTANCE", instance.map(Into::into)),
        ("OCF_RESOURCE_TYPE", Some(kind.into())),
        ("OCF_RESOURCE_PROVIDER", provider.map(Into::into)),
    ];
    variables
        .into_iter()
        .filter(|(_, value)| value.is_some())
        .map(|(name, value)| (name.to_string(), value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::operation::{Action, Interval, OpKey, Parameters, ResourceId};

    fn command(agent: &str, action: &str, standard: Standard) -> CommandLine {
        let parameters = [
            ("OCF_CHECK_LEVEL", "10"),
            ("state", "/s"),
            ("CRM_meta_timeout", "20000"),
            ("crm_feature_set", "3.20.5"),
        ];
        let task = Task::Resource {
            key: OpKey {
                resource: ResourceId::new("r:0").unwrap(),
                action: Action::new(action).unwrap(),
                interval: Interval::ONCE,
            },
            agent: Arc::new(agent.parse().unwrap()),
            parameters: Arc::new(Parameters::from_pairs(parameters).unwrap()),
        };
        CommandLine::of_task(&task, &standard, Path::new("/agent"), Path::new("/root"))
    }

    #[test]
    fn an_ocf_agent_gets_its_action_and_the_whole_environment() {
        let command = command("ocf:p:T", "monitor", Standard::Ocf);
        assert_eq!(command.arguments, ["monitor"]);
        let environment: Vec<String> = command
            .environment
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={}", value.to_string_lossy()),
                None => format!("{name} unset"),
            })
            .collect();
        assert_eq!(
            environment,
            [
                "NOTIFY_SOCKET unset",
                "OCF_RESKEY_CRM_meta_timeout=20000",
                "OCF_CHECK_LEVEL=10",
                "OCF_RESKEY_crm_feature_set=3.20.5",
                "OCF_RESKEY_state=/s",
                "OCF_RA_VERSION_MAJOR=1",
                "OCF_RA_VERSION_MINOR=1",
                "OCF_ROOT=/root",
                "OCF_EXIT_REASON_PREFIX=ocf-exit-reason:",
                "OCF_RESOURCE_INSTANCE=r:0",
                "OCF_RESOURCE_TYPE=T",
                "OCF_RESOURCE_PROVIDER=p",
            ]
        );
    }

    #[test]
    fn a_fence_agent_is_asked_for_its_metadata_by_its_input() {
        let task = Task::Metadata { agent: Arc::new("stonith:fence_x".parse().unwrap()) };
        let command = CommandLine::of_task(&task, &Standard::Stonith, "/x".as_ref(), "/r".as_ref());
        assert_eq!(command.arguments, [] as [&str; 0]);
        assert_eq!(command.input, b"action=metadata\n");
    }

    #[test]
    fn values_of_variables_do_not_show() {
        let shown = format!("{:?}", command("ocf:p:T", "monitor", Standard::Ocf));
        assert!(shown.contains("OCF_RESKEY_state") && !shown.contains("/s"), "{shown}");
    }

    #[test]
    fn an_init_script_is_asked_for_its_status_and_gets_no_variables() {
        let monitor = command("service:x", "monitor", Standard::Lsb);
        assert_eq!(monitor.arguments, ["status"]);
        assert_eq!(monitor.environment, [("NOTIFY_SOCKET".to_string(), None)]);
        assert_eq!(command("lsb:x", "start", Standard::Lsb).arguments, ["start"]);
    }

    #[test]
    fn agents_log_where_the_daemon_does() {
        let told = |facility, file, debug| {
            let told = log_environment(facility, file, debug).into_iter();
            let text = |value: Option<OsString>| value.unwrap().into_string().unwrap();
            let told = told.map(|(name, value)| format!("{name}={}", text(value)));
            let ours = told.filter_map(|pair| Some(pair.strip_prefix("HA_")?.to_owned()));
            ours.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(None, None, true), "");
        assert_eq!(told(Some("daemon"), None, true), "LOGFACILITY=daemon logfacility=daemon");
        assert_eq!(told(Some("None"), Some("none"), true), "logfacility=None logfile=none");
        assert_eq!(told(Some("/dev/null"), None, false), "logfacility=/dev/null");
        assert_eq!(told(None, Some("/l"), false), "LOGFILE=/l logfile=/l");
        assert_eq!(told(None, Some("/l"), true), "LOGFILE=/l DEBUGLOG=/l logfile=/l");
        let both = log_environment(None, Some("/l"), false);
        assert!(both.iter().any(|(name, _)| name == "PCMK_LOGFILE"), "{both:?}");
    }
}
