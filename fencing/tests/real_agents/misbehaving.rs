//! Real agents as real processes: our own, and ones that misbehave in every way we could think of.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lone::{Lone, SECRET};
use fencing::agent::{Action, normalised_xml};
use fencing::clock::Seconds;
use fencing::fencer::{FenceOrder, Request};
use fencing::name::{AgentName, NodeName};
use fencing::outcome::{ExecutionStatus, FencingError};
use fencing::process::{ask_agent, installed_agents};
use fencing::secret::Parameters;

fn own_agents() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/agents"))
}

/// Writes an agent whose actions other than metadata run this shell text.
pub fn agent(directory: &Path, name: &str, body: &str) {
    let text = format!(
        "#!/bin/sh\nstdin=$(cat)\ncase $stdin in *action=metadata*) cat <<'EOF'\n\
         <resource-agent name='{name}'><parameters><parameter name='plug'/></parameters><actions>\
         <action name='off'/><action name='reboot'/><action name='monitor'/><action name='list'/>\
         <action name='status'/></actions></resource-agent>\nEOF\nexit 0;; esac\n{body}\n"
    );
    write(&directory.join(name), &text);
}

/// Writes an executable file from a process of its own: were it open for writing here, an agent that
/// another test starts at that moment would inherit it and keep it busy.
pub fn write(path: &Path, text: &str) {
    let mut child = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn hosts() -> Parameters {
    Parameters::new()
        .with("pcmk_host_list", "n1")
        .with("passwd", SECRET)
        .with("pcmk_off_retries", "1")
}

/// Fences n1 with an agent of this body.
fn off(body: &str, seconds: u32) -> (fencing::outcome::Outcome, Duration) {
    let directory = tempfile::tempdir().unwrap();
    agent(directory.path(), "fence_test", body);
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", hosts());
    let started = Instant::now();
    let outcome = lone.fence(Action::Off, "n1", seconds);
    (outcome, started.elapsed())
}

#[test]
fn our_own_agent_ends_the_processes_of_a_node() {
    let nodes = tempfile::tempdir().unwrap();
    let node = nodes.path().join("n1");
    std::fs::create_dir(&node).unwrap();
    let mut victim = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    std::fs::write(node.join("sleep.pid"), victim.id().to_string()).unwrap();
    let mut lone = Lone::new(own_agents());
    let directory = nodes.path().to_str().unwrap();
    let parameters = Parameters::new().with("pid_directory", directory).with("passwd", SECRET);
    lone.device("pids", "fence_pidfile", parameters);
    assert!(lone.execute("pids", Action::Monitor, None, 60).outcome.is_ok());
    assert_eq!(lone.execute("pids", Action::List, None, 60).outcome.output, "n1\n");
    assert_eq!(lone.execute("pids", Action::Status, Some("n1"), 60).outcome.exit, 0);
    assert!(lone.fence(Action::Off, "n1", 60).is_ok());
    assert!(!victim.wait().unwrap().success());
    assert_eq!(lone.execute("pids", Action::Status, Some("n1"), 60).outcome.exit, 2);
    assert!(lone.fence(Action::On, "n1", 60).is_ok());
    assert_eq!(lone.execute("pids", Action::Status, Some("n1"), 60).outcome.exit, 0);
    let unknown = lone.fence(Action::Off, "n2", 5);
    assert_eq!(unknown.error(None), Some(FencingError::NoSuchDevice));
}

#[test]
fn a_tool_asks_our_own_agent_about_itself_and_its_configuration() {
    let ask = |action: &str, parameters: Parameters, seconds: u64| {
        let agent = AgentName::new("fence_pidfile").unwrap();
        let parameters = parameters.with("action", action);
        ask_agent(own_agents(), &agent, &parameters, Duration::from_secs(seconds))
    };
    let text = ask("metadata", Parameters::new(), 60).outcome.output;
    assert!(normalised_xml(&text).unwrap().contains("<shortdesc lang"));
    let directory = tempfile::tempdir().unwrap();
    let good = Parameters::new().with("pid_directory", directory.path().to_str().unwrap());
    assert_eq!(ask("validate-all", Parameters::new(), 60).outcome.exit, 1);
    assert_eq!(ask("validate-all", good.clone(), 60).outcome.exit, 0);
    let bad = Parameters::new().with("pid_directory", "/nonexistent").with("passwd", SECRET);
    let report = ask("validate-all", bad, 60);
    assert_eq!(report.outcome.exit, 1);
    assert_eq!(report.error_output, "/nonexistent is not a directory\n");
    let slow = ask("monitor", good.with("delay", "300"), 1).outcome;
    assert_eq!(slow.status, ExecutionStatus::Timeout);
    let unknown = AgentName::new("fence_missing").unwrap();
    let report = ask_agent(own_agents(), &unknown, &Parameters::new(), Duration::from_secs(60));
    assert_eq!(report.outcome.error(None), Some(FencingError::NoSuchFile));
}

fn is_alive(pid: &str) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(" Z ")
}

#[test]
fn an_agent_that_hangs_and_ignores_term_is_killed_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let body = format!("trap '' TERM\nsleep 600 & echo $$ $! > {}\nwait", pids.display());
    agent(directory.path(), "fence_test", &body);
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", hosts());
    let started = Instant::now();
    // On a busy machine it needs some time until it hangs.
    let outcome = lone.fence(Action::Off, "n1", 4);
    assert_eq!(outcome.status, ExecutionStatus::Timeout);
    let elapsed = started.elapsed();
    assert!((4.0..60.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
    // The operation's time began before the agent's own, so the agent may be killed a little later.
    lone.turn_until(|| {
        let pids = std::fs::read_to_string(&pids).unwrap_or_default();
        pids.split_whitespace().count() == 2 && !pids.split_whitespace().any(is_alive)
    });
}

#[test]
fn a_daemon_that_keeps_stdout_open_delays_nothing() {
    let (outcome, elapsed) = off("(setsid sleep 120) & exit 0", 100);
    assert!(outcome.is_ok());
    assert!(elapsed < Duration::from_secs(90), "{elapsed:?}");
}

#[test]
fn a_flood_of_output_is_bounded() {
    let (outcome, _) = off("head -c 100000000 /dev/zero | tr '\\0' x; exit 0", 300);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert!(outcome.output.len() <= fencing::outcome::MAX_OUTPUT);
}

#[test]
fn whatever_is_not_exit_0_is_not_success() {
    let (outcome, _) = off("kill -SEGV $$", 60);
    assert_eq!(outcome.status, ExecutionStatus::Error);
    assert_eq!(
        outcome.reason.as_deref(),
        Some("Fence agent interrupted by Segmentation fault signal")
    );
    for (body, exit) in [("exit 1", 1), ("exit 255", 255), ("printf '\\377\\376' >&2; exit 3", 3)] {
        let (outcome, _) = off(body, 60);
        assert_eq!((outcome.status, outcome.exit), (ExecutionStatus::Done, exit), "{body}");
    }
}

#[test]
fn a_try_that_fails_is_followed_by_another_after_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let body = format!("[ -e {0} ] && exit 0; : > {0}; exit 1", mark.display());
    agent(directory.path(), "fence_test", &body);
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", Parameters::new().with("pcmk_host_list", "n1"));
    let started = Instant::now();
    assert!(lone.fence(Action::Off, "n1", 60).is_ok());
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn agents_that_cannot_be_run_or_tell_nothing_about_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| write(&directory.path().join(name), text);
    put(
        "fence_broken",
        "#!/bin/sh\nread -r action\n[ \"$action\" = action=metadata ] && echo '<resource-agent>'\nexit 0\n",
    );
    put("fence_nonsense", "this is no program\n");
    put("fence_interpreter", "#!/nonexistent/sh\n");
    put("fence_locked", "#!/bin/sh\nexit 0\n");
    std::fs::set_permissions(
        directory.path().join("fence_locked"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    std::fs::create_dir(directory.path().join("fence_directory")).unwrap();
    for (name, status) in [
        ("fence_broken", ExecutionStatus::Done),
        ("fence_missing", ExecutionStatus::NotInstalled),
        ("fence_nonsense", ExecutionStatus::NotInstalled),
        ("fence_interpreter", ExecutionStatus::NotInstalled),
        ("fence_locked", ExecutionStatus::Error),
        ("fence_directory", ExecutionStatus::Error),
    ] {
        let mut lone = Lone::new(directory.path());
        lone.device("d", name, hosts());
        let outcome = lone.fence(Action::Off, "n1", 60);
        assert_eq!(outcome.status, status, "{name}: {outcome:?}");
        assert_eq!(outcome.is_ok(), name == "fence_broken", "{name}");
    }
}

#[test]
fn an_agent_that_vanishes_between_two_runs() {
    let directory = tempfile::tempdir().unwrap();
    agent(directory.path(), "fence_test", "echo n1; exit 0");
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", Parameters::new().with("passwd", SECRET));
    assert!(lone.execute("d", Action::List, None, 60).outcome.is_ok());
    std::fs::remove_file(directory.path().join("fence_test")).unwrap();
    let outcome = lone.fence(Action::Off, "n1", 3);
    assert!(!outcome.is_ok());
}

#[test]
fn secrets_show_in_no_process_list_environment_or_output() {
    let directory = tempfile::tempdir().unwrap();
    let body = "tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$$/environ\n\
                echo \"$stdin\" >&2; echo \"$stdin\"; exit 1";
    agent(directory.path(), "fence_test", body);
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", hosts());
    let report = lone.execute("d", Action::List, None, 60);
    assert!(report.outcome.output.contains("fence_test"), "{report:?}");
    for text in [&report.outcome.output, &report.error_output] {
        assert!(!text.contains(SECRET), "{text}");
        assert!(text.contains("passwd=<hidden>"), "{text}");
    }
    let outcome = lone.fence(Action::Off, "n1", 5);
    let news = format!("{:?} {outcome:?}", lone.standalone.take_news());
    assert!(!news.contains(SECRET));
    let whole = format!("{:?}", lone.standalone.fencer());
    assert!(!whole.contains(SECRET), "a fencer shows a secret");
}

#[test]
fn secrets_that_cannot_be_read_end_the_run() {
    let directory = tempfile::tempdir().unwrap();
    agent(directory.path(), "fence_test", "exit 0");
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", hosts().with("passwd", "lrm://"));
    let outcome = lone.fence(Action::Off, "n1", 5);
    assert_eq!(outcome.status, ExecutionStatus::NoSecrets);
    assert_eq!(outcome.error(None), Some(FencingError::PermissionDenied));
}

#[test]
fn parallel_runs_stay_within_the_limit_of_the_device() {
    let directory = tempfile::tempdir().unwrap();
    let count = directory.path().join("count");
    std::fs::create_dir(&count).unwrap();
    let body = format!(
        ": > {0}/$$; ls {0} | wc -l >> {1}; sleep 1; rm {0}/$$; exit 0",
        count.display(),
        directory.path().join("most").display()
    );
    agent(directory.path(), "fence_test", &body);
    let mut lone = Lone::new(directory.path());
    let names: Vec<String> = (0..6).map(|number| format!("n{number}")).collect();
    let parameters =
        Parameters::new().with("pcmk_host_list", names.join(" ")).with("pcmk_action_limit", "2");
    lone.device("d", "fence_test", parameters);
    let calls: Vec<_> = names
        .iter()
        .map(|name| {
            let target = NodeName::new(name).unwrap();
            lone.begin(Request::Fence(FenceOrder::new(target, Action::Off, Seconds(100))))
        })
        .collect();
    let mut answered = 0;
    let patience = Instant::now() + Duration::from_secs(120);
    while answered < calls.len() && Instant::now() < patience {
        lone.standalone.turn(Duration::from_millis(100)).unwrap();
        let replies = lone.standalone.take_replies();
        answered += replies
            .iter()
            .filter(|(_, response)| matches!(response, fencing::fencer::Response::Ended(outcome) if outcome.is_ok()))
            .count();
    }
    assert_eq!(answered, 6);
    let most = std::fs::read_to_string(directory.path().join("most")).unwrap();
    let most: Vec<u32> = most.split_whitespace().map(|text| text.parse().unwrap()).collect();
    assert_eq!(most.iter().max(), Some(&2), "{most:?}");
}

#[test]
fn a_driver_that_goes_leaves_no_agent_behind() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    agent(directory.path(), "fence_test", &format!("echo $$ > {}; sleep 600", pid.display()));
    let mut lone = Lone::new(directory.path());
    lone.device("d", "fence_test", hosts());
    let target = NodeName::new("n1").unwrap();
    lone.begin(Request::Fence(FenceOrder::new(target, Action::Off, Seconds(60))));
    // The shell makes the file before it writes to it.
    lone.turn_until(|| std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
    drop(lone);
    let pid = std::fs::read_to_string(&pid).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn installed_agents_are_regular_files_of_the_right_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["fence_b", "fence_a", "other"] {
        std::fs::write(path(name), "").unwrap();
    }
    std::fs::create_dir(path("fence_directory")).unwrap();
    std::os::unix::fs::symlink(path("fence_a"), path("fence_link")).unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("fence_nowhere")).unwrap();
    let names: Vec<String> =
        installed_agents(directory.path()).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["fence_a", "fence_b", "fence_link"]);
}
