//! Executors in processes of their own: what a killed one left running is found and ended by the next,
//! and a privileged one does not pass its priority on.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::rig::{Rig, is_alive, ms, request};

const ROLE: &str = "LRM_TEST_EXECUTOR_IN";

/// The executor that will be killed: runs agents in the directory until then.
fn be_an_executor(directory: &Path) {
    let mut rig = Rig::with(|config, _| config.journal = Some(directory.join("runs")));
    let dir = directory.display().to_string();
    rig.register("r", "ocf:test:Misbehave");
    rig.register("s", "ocf:test:Misbehave");
    rig.register("done", "ocf:test:Misbehave");
    rig.run_expect("done_start_0", &[("how", "none")], "OK/Done");
    rig.execute(request("r_start_0", &[("how", "background"), ("dir", &dir)])).unwrap();
    rig.execute(request("s_start_0", &[("how", "ignore_term"), ("dir", &dir)])).unwrap();
    let began = |name: &str| directory.join(name).exists();
    rig.until("both agents run", |_| began("background") && began("trapped"));
    println!("\nagents running: {}", rig.driver.processes());
    rig.pass(ms(60_000));
}

#[test]
fn agents_left_by_a_killed_executor_are_ended() {
    if let Some(directory) = std::env::var_os(ROLE) {
        return be_an_executor(Path::new(&directory));
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut executor = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restart::agents_left_by_a_killed_executor_are_ended", "--nocapture"])
        .env(ROLE, scratch.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(executor.stdout.take().unwrap());
    let line =
        output.by_ref().lines().map_while(Result::ok).find(|line| line.starts_with("agents"));
    assert_eq!(line.as_deref(), Some("agents running: 2"));
    executor.kill().unwrap();
    executor.wait().unwrap();

    let background = std::fs::read_to_string(scratch.path().join("background")).unwrap();
    assert!(is_alive(&background), "the executor's death alone ends nothing");
    let mut next = Rig::with(|config, _| config.journal = Some(scratch.path().join("runs")));
    let orphans = next.driver.orphans().to_vec();
    assert_eq!(orphans.len(), 2, "{orphans:?}");
    assert!(orphans.iter().all(|o| o.command.ends_with("/test/Misbehave start")), "{orphans:?}");
    next.until("agents and what they started gone", |_| {
        !is_alive(&background) && orphans.iter().all(|o| !is_alive(&o.pid.to_string()))
    });
    drop(next);
    let third = Rig::with(|config, _| config.journal = Some(scratch.path().join("runs")));
    assert_eq!(third.driver.orphans(), []);
}

#[test]
fn agents_run_with_normal_priority_whatever_the_executor_has() {
    const NAME: &str = "restart::agents_run_with_normal_priority_whatever_the_executor_has";
    if let Some(directory) = std::env::var_os(ROLE) {
        let mut rig = Rig::new();
        rig.register("r", "ocf:test:Misbehave");
        let dir = Path::new(&directory).display().to_string();
        rig.run_expect("r_start_0", &[("how", "priority"), ("dir", &dir)], "OK/Done");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let status = Command::new("nice")
        .args(["-n", "7"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(ROLE, scratch.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let priority = std::fs::read_to_string(scratch.path().join("priority")).unwrap();
    // Only root may raise it again.
    let expected = if rustix::process::geteuid().is_root() { "0" } else { "7" };
    assert_eq!(priority.trim(), expected);
}

/// The root of OCF agents is that of the environment, if one is set there.
#[test]
fn ocf_root_is_honoured() {
    use lrm::driver::AgentPaths;
    const SAY: &str = "LRM_TEST_SAYS_ROOT";
    if std::env::var_os(SAY).is_some() {
        let paths = AgentPaths::default();
        println!("\nroot: {} {:?}", paths.ocf_root.display(), paths.providers());
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(scratch.path().join("resource.d/mine")).unwrap();
    let given = scratch.path().display().to_string();
    for (root, wanted) in [
        (given.as_str(), format!("root: {given} [\"mine\"]")),
        ("", "root: /usr/lib/ocf [".to_owned()),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "restart::ocf_root_is_honoured", "--nocapture"])
            .env(SAY, "1")
            .env("OCF_ROOT", root)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&wanted), "{text}");
    }
}
