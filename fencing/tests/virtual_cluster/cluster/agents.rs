//! Agents of the virtual cluster, all variants of one test agent: what they say about themselves
//! and how they behave for the parameters they are given.

use std::time::Duration;

use fencing::agent::Metadata;
use fencing::executor::{AgentReport, AgentRun};
use fencing::outcome::{ExecutionStatus, Outcome, exit};

/// Time an agent takes by itself.
pub const AGENT_TIME: Duration = Duration::from_millis(100);

/// Metadata by the name of the agent: `_auto_unfence`, `_no_reboot`, `_no_on` change its actions.
pub fn metadata(agent: &str) -> Result<Metadata, String> {
    if agent.contains("missing") {
        return Err(format!("{agent}: No such file or directory"));
    }
    let on = match agent {
        agent if agent.contains("_no_on") => "",
        agent if agent.contains("_auto_unfence") => "<action name='on' automatic='1'/>",
        agent if agent.contains("_plain_on") => "<action name='on'/>",
        _ => "<action name='on' on_target='1'/>",
    };
    let reboot = if agent.contains("_no_reboot") { "" } else { "<action name='reboot'/>" };
    let text = format!(
        "<resource-agent name='{agent}' shortdesc='Dummy fence agent'>
           <parameters><parameter name='mode'/><parameter name='plug'/></parameters>
           <actions>{on}{reboot}<action name='off'/><action name='status'/>
             <action name='monitor'/><action name='list'/><action name='metadata'/></actions>
         </resource-agent>"
    );
    Metadata::parse(&text).map_err(|error| error.to_string())
}

/// How a run of the test agent ends, and after what time. `chance` decides for mode `random`.
pub fn run(run: &AgentRun, chance: bool) -> (Duration, AgentReport) {
    let get = |name: &str| run.parameters.get(name);
    let seconds = |name: &str| get(name).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    let pid = Some(run.run.0 as u32);
    if run.agent.as_str().contains("missing") {
        let outcome = Outcome::failed(
            ExecutionStatus::NotInstalled,
            exit::NOT_INSTALLED,
            format!("/usr/sbin/{}: No such file or directory", run.agent),
        );
        return (Duration::ZERO, AgentReport { outcome, pid: None, error_output: String::new() });
    }
    let action = get("action").unwrap_or_default();
    let passes = |mode: Option<&str>| match mode {
        Some("pass") => true,
        Some("random") => chance,
        _ => false,
    };
    let mut time = AGENT_TIME + Duration::from_secs(seconds("delay"));
    let (ok, output) = match action {
        "off" => {
            time += Duration::from_secs(seconds("off_delay"));
            (passes(get("mode")), String::new())
        }
        "monitor" => (get("monitor_mode").is_none_or(|mode| mode == "pass"), String::new()),
        "list" => match get("mock_dynamic_hosts") {
            Some(hosts) => (true, hosts.to_owned()),
            None => (false, String::new()),
        },
        _ => (passes(get("mode")), String::new()),
    };
    let limit = run.timeout.duration();
    if time > limit {
        let text = fencing::interval::readable(limit.as_millis() as u64);
        let outcome = Outcome::timeout(format!("Fence agent did not complete within {text}"));
        return (limit, AgentReport { outcome, pid, error_output: String::new() });
    }
    let outcome = Outcome { output, ..Outcome::exited(if ok { 0 } else { 1 }) };
    (time, AgentReport { outcome, pid, error_output: String::new() })
}
