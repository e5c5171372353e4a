//! Agents that do what they should not: each gets the documented result and blocks nothing.

use std::time::{Duration, Instant};

use lrm::executor::Termination;
use lrm::metadata::{AgentMetadata, MetadataError};
use lrm::outcome::{ExecStatus, OcfExit};

use crate::rig::{Rig, copy, is_alive, manifest, ms, request};

const AGENT: &str = "ocf:test:Misbehave";

/// Enough for an agent to clean up on a busy machine.
const GRACE: Duration = ms(1_500);

/// Enough for an agent to get, on a busy machine, to where it hangs.
const BRIEF: Duration = ms(3_000);

fn rig() -> Rig {
    let mut rig = Rig::with(|config, _| {
        config.executor.termination = Termination::Graceful { grace: GRACE };
    });
    rig.register("r", AGENT);
    rig
}

/// Starts the agent so and gives it a time.
fn start(rig: &mut Rig, how: &str, timeout: Duration) {
    let dir = rig.dir();
    let mut start = request("r_start_0", &[("how", how), ("dir", &dir)]);
    start.timeout = timeout;
    rig.execute(start).unwrap();
}

/// The resource takes its next operation.
fn expect_usable(rig: &mut Rig) {
    rig.run_expect("r_monitor_0", &[("how", "none")], "OK/Done");
}

#[test]
fn exit_codes_outside_the_table_are_errors_and_degraded_ones_stay() {
    let mut rig = rig();
    for (code, expected) in [
        ("0", "OK/Done"),
        ("7", "Not running/Done"),
        ("10", "Error occurred/Done"),
        ("200", "Error occurred/Done"),
        ("190", "Service is active but might fail soon/Done"),
        ("191", "Service is promoted but might fail soon/Done"),
    ] {
        rig.run_expect("r_monitor_0", &[("how", "exit"), ("code", code)], expected);
    }
}

/// Nothing can be told from such an agent but what it says.
#[test]
fn an_agent_that_exits_0_to_everything_is_believed_but_has_no_metadata() {
    let mut rig = rig();
    for action in ["start", "monitor", "stop", "monitor", "frobnicate", "validate-all"] {
        rig.run_expect(&format!("r_{action}_0"), &[("how", "exit"), ("code", "0")], "OK/Done");
    }
    let directory = tempfile::tempdir().unwrap();
    let agent = directory.path().join("yes/Yes");
    std::fs::create_dir(agent.parent().unwrap()).unwrap();
    copy("/bin/true".as_ref(), &agent);
    let list = directory.path().display().to_string();
    let mut rig = Rig::with(|config, _| {
        config.paths = config.paths.clone().with_ocf_path(&list);
    });
    let text = rig.metadata("ocf:yes:Yes").unwrap_or_default();
    assert!(AgentMetadata::from_xml(&text).is_err(), "{text}");
}

#[test]
fn the_last_exit_reason_is_reported() {
    let mut rig = rig();
    start(&mut rig, "two_reasons", ms(60_000));
    let result = rig.expect("r_start_0", "Error occurred/Done");
    assert_eq!(result.outcome.reason.as_deref(), Some("second"));
    assert!(result.output.unwrap().contains("ocf-exit-reason:first"));
}

#[test]
fn a_signal_is_named() {
    let mut rig = rig();
    start(&mut rig, "segfault", ms(60_000));
    let result = rig.expect("r_start_0", "Error occurred/Error");
    let reason = "Resource agent interrupted by Segmentation fault signal";
    assert_eq!(result.outcome.reason.as_deref(), Some(reason));
    expect_usable(&mut rig);
}

#[test]
fn a_hanging_agent_is_ended() {
    let mut rig = rig();
    start(&mut rig, "hang", ms(100));
    rig.expect("r_start_0", "Error occurred/Timed out");
    expect_usable(&mut rig);
}

#[test]
fn an_agent_that_ignores_the_request_to_end_is_killed() {
    let mut rig = rig();
    let began = Instant::now();
    start(&mut rig, "ignore_term", BRIEF);
    let result = rig.expect("r_start_0", "Error occurred/Timed out");
    assert!(rig.scratch.path().join("trapped").exists(), "it did not get to ignore anything");
    assert!(began.elapsed() >= BRIEF + GRACE, "killed without grace: {:?}", began.elapsed());
    let reason = result.outcome.reason.unwrap();
    assert_eq!(reason, "Resource agent did not complete within 3s");
    expect_usable(&mut rig);
}

#[test]
fn an_agent_that_cleans_up_in_its_grace_is_late_all_the_same() {
    let mut rig = rig();
    start(&mut rig, "polite", BRIEF);
    rig.expect("r_start_0", "Error occurred/Timed out");
    assert!(rig.scratch.path().join("cleaned").exists());
}

#[test]
fn a_timeout_ends_what_the_agent_started_too() {
    for how in ["background", "deaf_background"] {
        let mut rig = rig();
        start(&mut rig, how, BRIEF);
        rig.expect("r_start_0", "Error occurred/Timed out");
        let pid = rig.read("background");
        rig.until("background process gone", |_| !is_alive(&pid));
    }
}

#[test]
fn with_on_fail_block_what_the_agent_started_lives() {
    let mut rig = rig();
    let dir = rig.dir();
    let parameters = [("how", "background"), ("dir", dir.as_str()), ("CRM_meta_on_fail", "block")];
    let mut start = request("r_start_0", &parameters);
    start.timeout = BRIEF;
    rig.execute(start).unwrap();
    rig.expect("r_start_0", "Error occurred/Timed out");
    let pid = rig.read("background");
    rig.pass(ms(100));
    assert!(is_alive(&pid));
    // The agent's group, which the agent itself no longer leads.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    let group = stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-KILL", "--", &format!("-{group}")]).status().unwrap().success());
}

#[test]
fn killed_at_once_without_grace() {
    let mut rig = Rig::with(|config, _| config.executor.termination = Termination::Immediate);
    rig.register("r", AGENT);
    start(&mut rig, "polite", BRIEF);
    rig.expect("r_start_0", "Error occurred/Timed out");
    assert!(rig.scratch.path().join("trapped").exists(), "it was not ready to clean up");
    assert!(!rig.scratch.path().join("cleaned").exists(), "it was asked to end");
}

#[test]
fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
    let mut rig = rig();
    let began = Instant::now();
    // What it leaves behind runs for a thousand seconds.
    start(&mut rig, "keep_stdout", ms(120_000));
    let result = rig.expect("r_start_0", "OK/Done");
    assert!(began.elapsed() < ms(100_000));
    assert_eq!(result.output.as_deref(), Some("started\n"));
    let pid = rig.read("background");
    assert!(is_alive(&pid), "a successful start leaves its service alone");
    let killed = std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(killed.success());
}

#[test]
fn a_gigabyte_of_output_is_read_and_dropped() {
    let mut rig = rig();
    rig.register("other", "ocf:understudy:Dummy");
    start(&mut rig, "flood", ms(300_000));
    // Meanwhile others are served.
    rig.run_expect("other_start_0", &[], "OK/Done");
    let result = rig.expect_within("r_start_0", "OK/Done", ms(300_000));
    assert_eq!(result.output.map(|text| text.len()), Some(10 * 1024 * 1024));
}

#[test]
fn endless_output_stops_nobody_and_ends_with_the_timeout() {
    let mut rig = rig();
    rig.register("other", "ocf:understudy:Dummy");
    start(&mut rig, "flood_forever", ms(10_000));
    rig.run_expect("other_start_0", &[], "OK/Done");
    rig.run_expect("other_monitor_0", &[], "OK/Done");
    assert!(rig.results_of("r_start").is_empty(), "the flood outlived both");
    rig.expect("r_start_0", "Error occurred/Timed out");
    expect_usable(&mut rig);
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut rig = rig();
    start(&mut rig, "not_utf8", ms(60_000));
    let result = rig.expect("r_start_0", "Error occurred/Done");
    assert_eq!(result.outcome.reason.as_deref(), Some("bad \u{fffd} byte"));
}

#[test]
fn broken_metadata_is_an_error_and_no_result() {
    let mut rig = rig();
    let text = rig.metadata("ocf:test:BrokenMetadata").unwrap();
    assert!(matches!(AgentMetadata::from_xml(&text), Err(MetadataError::Xml(_))));
    assert!(rig.metadata(AGENT).is_err(), "printed nothing");
}

#[test]
fn files_that_cannot_be_executed_say_so() {
    let mut rig = rig();
    for (kind, expected) in [
        ("NotExecutable", "Insufficient privileges/Done"),
        ("MissingInterpreter", "Not installed/Done"),
        // Without an interpreter line it is the shell's, as execvp has it.
        ("NoInterpreter", "Not running/Done"),
    ] {
        rig.register("x", &format!("ocf:test:{kind}"));
        rig.run("x_start_0", &[]);
        let result = rig.expect("x_start_0", expected);
        if kind != "NoInterpreter" {
            let reason = Some("Child process was unable to execute file");
            assert_eq!(result.outcome.reason.as_deref(), reason);
        }
    }
}

#[test]
fn an_agent_that_vanishes_is_not_installed_from_then_on() {
    let mut rig = Rig::with(|config, scratch| {
        let provider = scratch.join("agents/gone");
        std::fs::create_dir_all(&provider).unwrap();
        let agent = manifest("agents/resource.d/understudy/Dummy");
        crate::rig::copy(&agent, &provider.join("Dummy"));
        config.paths.ocf = vec![scratch.join("agents")];
    });
    rig.register("r", "ocf:gone:Dummy");
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_monitor_100", &[], "OK/Done");
    std::fs::remove_file(rig.scratch.path().join("agents/gone/Dummy")).unwrap();
    while rig.result("r_monitor_100").outcome.status != ExecStatus::NotInstalled {}
    rig.expect("r_monitor_100", "Not installed/Not installed");
    rig.cancel("r_monitor_100").unwrap();
    assert_eq!(rig.result("r_monitor_100").outcome.status, ExecStatus::Cancelled);
}

#[test]
fn a_directory_in_place_of_an_agent_cannot_be_executed() {
    let mut rig = rig();
    rig.register("d", "ocf:..:understudy");
    rig.run("d_start_0", &[]);
    let result = rig.result("d_start_0");
    assert_ne!(result.outcome.exit, OcfExit::Ok);
}

#[test]
fn an_agent_sees_the_documented_world() {
    let mut rig = rig();
    let dir = rig.dir();
    let parameters = [
        ("how", "environment"),
        ("dir", dir.as_str()),
        ("OCF_CHECK_LEVEL", "10"),
        ("CRM_meta_timeout", "20000"),
        ("crm_feature_set", "3.20.5"),
    ];
    rig.run_expect("r_start_0", &parameters, "OK/Done");
    let environment = rig.read("environment");
    for line in [
        "OCF_CHECK_LEVEL=10",
        "OCF_EXIT_REASON_PREFIX=ocf-exit-reason:",
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RA_VERSION_MINOR=1",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_RESKEY_crm_feature_set=3.20.5",
        "OCF_RESOURCE_INSTANCE=r",
        "OCF_RESOURCE_PROVIDER=test",
        "OCF_RESOURCE_TYPE=Misbehave",
    ] {
        assert!(environment.lines().any(|other| other == line), "{line} in {environment}");
    }
    assert!(!environment.contains("NOTIFY_SOCKET"));
    let root = format!("OCF_ROOT={}", manifest("agents").display());
    assert!(environment.contains(&root));
    // The agent leads a group of its own, in this session.
    let process = rig.read("process");
    let [pid, _, group, session] =
        process.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(pid, group, "pid and process group");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    let own_session = own.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap();
    assert_eq!(session, own_session);
    assert_eq!(rig.read("stdin").trim(), "/dev/null");
    // The shell itself opens the script as a descriptor of 10 or above.
    let descriptors: Vec<String> = rig
        .read("descriptors")
        .lines()
        .filter_map(|line| line.split_whitespace().nth(8).map(Into::into))
        .filter(|number: &String| number.parse::<u32>().is_ok_and(|number| number < 10))
        .collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
    let directory = std::env::current_dir().unwrap();
    assert_eq!(rig.read("directory").trim(), directory.display().to_string());
}

#[test]
fn an_agent_starts_with_no_signal_blocked_and_dies_of_a_broken_pipe() {
    let mut rig = rig();
    rig.run("r_start_0", &[("how", "signals")]);
    let signals = rig.expect("r_start_0", "OK/Done").output.unwrap();
    let mask = |name: &str| {
        let line = signals.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk"), 0);
    assert_eq!(mask("SigIgn") & (1 << 12), 0, "SIGPIPE is bit 12");
}
