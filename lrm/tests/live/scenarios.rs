//! The executor's regression scenarios (spec 80 §14), on real processes.

use lrm::agent::Standard;
use lrm::executor::{Event, EventKind, FenceAction, FenceRequest, Recipients, RunId, Unregistered};
use lrm::operation::ClientId;
use lrm::outcome::{ExecStatus, OcfExit, Outcome};
use std::sync::mpsc::{Sender, channel};

use crate::rig::{self, CLIENT, Rig, id, ms, request};

/// A fencer that knows one kind of device, and whose monitors answer when the test says so.
struct DummyFencer {
    registered: bool,
    slow: Sender<RunId>,
    delay: bool,
}

impl lrm::driver::Fencer for DummyFencer {
    fn begin(&mut self, request: FenceRequest) -> Option<Outcome> {
        match request.action {
            FenceAction::Start { agent, .. } => {
                assert_eq!(*agent.standard(), Standard::Stonith);
                self.registered = true;
                if self.delay {
                    self.slow.send(request.run).unwrap();
                    return None;
                }
            }
            FenceAction::Stop => self.registered = false,
            FenceAction::Monitor { .. } => assert!(self.registered, "monitored unregistered"),
        }
        Some(Outcome::OK)
    }
}

fn dummy_fencer() -> DummyFencer {
    DummyFencer { registered: false, slow: channel().0, delay: false }
}

/// A resource of one standard, and what its monitor is called.
#[derive(Clone)]
struct Kind {
    agent: &'static str,
    monitor: &'static str,
}

const OCF: Kind = Kind { agent: "ocf:understudy:Dummy", monitor: "monitor" };
const LSB: Kind = Kind { agent: "lsb:LSBDummy", monitor: "status" };
const SERVICE: Kind = Kind { agent: "service:LSBDummy", monitor: "monitor" };
const STONITH: Kind = Kind { agent: "stonith:fence_dummy", monitor: "monitor" };

#[cfg(feature = "dbus")]
const SYSTEMD: Kind = Kind { agent: "systemd:web", monitor: "monitor" };

/// Plays a scenario once for each standard; the service manager of units is scripted.
fn for_each_standard(play: impl Fn(&mut Rig, &Kind)) {
    for kind in [OCF, LSB, SERVICE, STONITH] {
        play(&mut Rig::new().with_fencer(dummy_fencer()), &kind);
    }
    #[cfg(feature = "dbus")]
    if let Some((mut rig, _systemd)) = crate::units::rig() {
        play(&mut rig, &SYSTEMD);
    }
}

#[test]
fn generic_registration() {
    for_each_standard(|rig, kind| {
        rig.register("r", kind.agent);
        assert_eq!(rig.unregister("r"), Unregistered::Done);
    });
}

#[test]
fn generic_start_stop() {
    for_each_standard(|rig, kind| {
        rig.register("r", kind.agent);
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect("r_stop_0", &[], "OK/Done");
        rig.unregister("r");
    });
}

#[test]
fn generic_monitor_cancel() {
    for_each_standard(|rig, kind| {
        let key = format!("r_{}_100", kind.monitor);
        rig.register("r", kind.agent);
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect(&key, &[], "OK/Done");
        rig.expect(&key, "OK/Done");
        rig.expect(&key, "OK/Done");
        rig.cancel(&key).unwrap();
        while rig.result(&key).outcome.status != ExecStatus::Cancelled {}
        rig.expect_silence(&key, ms(300));
        rig.run_expect("r_stop_0", &[], "OK/Done");
        rig.unregister("r");
    });
}

#[test]
fn generic_monitor_duplicate() {
    for_each_standard(|rig, kind| {
        let key = format!("r_{}_600000", kind.monitor);
        rig.register("r", kind.agent);
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect(&key, &[], "OK/Done");
        for _ in 0..4 {
            let call = rig.run(&key, &[]);
            assert_eq!(rig.expect(&key, "OK/Done").call, call, "at once, not after ten minutes");
        }
        rig.cancel(&key).unwrap();
        rig.expect(&key, "OK/Cancelled");
        assert!(rig.cancel(&key).is_err(), "one cancel ends them all");
        rig.run_expect("r_stop_0", &[], "OK/Done");
    });
}

#[test]
fn generic_stop_implies_cancel() {
    for_each_standard(|rig, kind| {
        let key = format!("r_{}_100", kind.monitor);
        rig.register("r", kind.agent);
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect(&key, &[], "OK/Done");
        rig.expect(&key, "OK/Done");
        rig.run_expect("r_stop_0", &[], "OK/Done");
        rig.seen.clear();
        rig.expect_silence(&key, ms(300));
    });
}

#[test]
fn multi_rsc_start_stop_all_including_stonith() {
    let kinds = vec![("o", OCF), ("l", LSB), ("s", SERVICE), ("f", STONITH)];
    #[cfg(feature = "dbus")]
    let (mut rig, _systemd, kinds) = {
        let Some((rig, systemd)) = crate::units::rig() else { return };
        let with_units = [kinds, vec![("u", SYSTEMD)]].concat();
        (rig.with_fencer(dummy_fencer()), systemd, with_units)
    };
    #[cfg(not(feature = "dbus"))]
    let mut rig = Rig::new().with_fencer(dummy_fencer());
    for (name, kind) in &kinds {
        rig.register(name, kind.agent);
    }
    let all = |rig: &mut Rig, action: &str| {
        for (name, _) in &kinds {
            rig.run(&format!("{name}_{action}_0"), &[]);
        }
        for (name, _) in &kinds {
            rig.expect(&format!("{name}_{action}_0"), "OK/Done");
        }
    };
    all(&mut rig, "start");
    for (name, kind) in &kinds {
        rig.run_expect(&format!("{name}_{}_1000", kind.monitor), &[], "OK/Done");
    }
    for (name, kind) in &kinds {
        let key = format!("{name}_{}_1000", kind.monitor);
        rig.cancel(&key).unwrap();
        while rig.result(&key).outcome.status != ExecStatus::Cancelled {}
    }
    all(&mut rig, "stop");
    for (name, _) in &kinds {
        rig.unregister(name);
    }
}

#[test]
fn ocf_start_timeout() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    let mut start = request("r_start_0", &[("op_sleep", "30")]);
    start.timeout = ms(300);
    rig.execute(start).unwrap();
    let result = rig.expect("r_start_0", "Error occurred/Timed out");
    assert_eq!(
        result.outcome.reason.as_deref(),
        Some("Resource agent did not complete within 300ms")
    );
    rig.run_expect("r_stop_0", &[], "OK/Done");
}

#[test]
fn stonith_start_timeout() {
    let (slow, started) = channel();
    let fencer = DummyFencer { slow, delay: true, ..dummy_fencer() };
    let mut rig = Rig::new().with_fencer(fencer);
    rig.register("f", STONITH.agent);
    rig.run("f_start_0", &[("monitor_delay", "30")]);
    let run = started.recv().unwrap();
    let late = Outcome::new(OcfExit::Error, ExecStatus::Timeout, "Fence agent was too slow");
    rig.driver.fence_answered(run, late);
    rig.expect("f_start_0", "Error occurred/Timed out");
    rig.run_expect("f_stop_0", &[], "OK/Done");
}

#[test]
fn stonith_component_fail() {
    let mut rig = Rig::new().with_fencer(dummy_fencer());
    rig.register("f", STONITH.agent);
    rig.run_expect("f_start_0", &[], "OK/Done");
    rig.run_expect("f_monitor_600000", &[], "OK/Done");
    rig.driver.fencer_lost();
    let result = rig.expect("f_monitor_600000", "Error occurred/Error");
    assert_eq!(result.outcome.reason.as_deref(), Some("Lost connection to fencer"));
}

#[test]
fn a_missing_fencer_fails_the_start() {
    let mut rig = Rig::new();
    rig.register("f", STONITH.agent);
    rig.run("f_start_0", &[]);
    let result = rig.expect("f_start_0", "Error occurred/Error");
    assert_eq!(result.outcome.reason.as_deref(), Some("No connection to fencer"));
}

#[test]
fn monitor_fail_ocf() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_monitor_100", &[], "OK/Done");
    std::fs::remove_file(rig.scratch.path().join("tmp/Dummy-understudy-r.state")).unwrap();
    while rig.result("r_monitor_100").outcome.exit != OcfExit::NotRunning {}
    // At rest, its last exit code is kept; a cancelled run would be killed and say OK.
    rig.expect("r_monitor_100", "Not running/Done");
    rig.cancel("r_monitor_100").unwrap();
    rig.expect("r_monitor_100", "Not running/Cancelled");
    rig.expect_silence("r_monitor", ms(300));
}

#[test]
fn monitor_changes_only() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.run_expect("r_start_0", &[], "OK/Done");
    let mut monitor = request("r_monitor_100", &[]);
    monitor.changes_only = true;
    rig.execute(monitor).unwrap();
    rig.expect("r_monitor_100", "OK/Done");
    rig.expect_silence("r_monitor", ms(400));
    std::fs::remove_file(rig.scratch.path().join("tmp/Dummy-understudy-r.state")).unwrap();
    let failed = rig.expect("r_monitor_100", "Not running/Done");
    assert!(failed.last_change > 0);
    rig.expect_silence("r_monitor", ms(400));
    rig.cancel("r_monitor_100").unwrap();
    assert_eq!(rig.result("r_monitor_100").outcome.status, ExecStatus::Cancelled);
    rig.expect_silence("r_monitor", ms(300));
}

#[test]
fn cancel_non_existent_op() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_monitor_1000", &[], "OK/Done");
    assert_eq!(rig.cancel("r_monitor_2000").unwrap_err().errno(), -95);
    assert_eq!(rig.cancel("r_stop_1000").unwrap_err().errno(), -95);
}

#[test]
fn invoke_non_existent_rsc() {
    let mut rig = Rig::new();
    for action in ["start", "stop", "monitor"] {
        let error = rig.execute(request(&format!("r_{action}_0"), &[])).unwrap_err();
        assert_eq!(error.errno(), -19);
    }
    assert_eq!(rig.cancel("r_start_0").unwrap_err().errno(), -19);
    assert_eq!(rig.unregister("r"), Unregistered::Done);
}

#[test]
fn start_uninstalled_ocf_and_bad_provider() {
    let mut rig = Rig::new();
    for agent in ["ocf:understudy:NoSuch", "ocf:nobody:Dummy"] {
        rig.register("r", agent);
        rig.run("r_start_0", &[]);
        let result = rig.expect("r_start_0", "Not installed/Not installed");
        let kind = agent.rsplit(':').next().unwrap();
        let reason = format!("{kind}: No such file or directory");
        assert_eq!(result.outcome.reason, Some(reason));
    }
    rig.register("l", "lsb:nothing");
    rig.run("l_status_0", &[]);
    rig.expect("l_status_0", "Not installed/Not installed");
}

#[test]
fn start_ocf_no_provider() {
    assert!("ocf:Dummy".parse::<lrm::agent::AgentSpec>().is_err());
    let mut rig = Rig::new();
    assert!(rig.execute(request("r_start_0", &[])).is_err());
    assert_eq!(rig.unregister("r"), Unregistered::Done);
}

#[test]
fn ocf_stress() {
    let mut rig = Rig::new();
    let names: Vec<String> = (0..25).map(|number| format!("r{number}")).collect();
    for name in &names {
        rig.register(name, OCF.agent);
        rig.run(&format!("{name}_start_0"), &[]);
        rig.run(&format!("{name}_monitor_1000"), &[]);
    }
    for name in &names {
        rig.expect(&format!("{name}_start_0"), "OK/Done");
        rig.expect(&format!("{name}_monitor_1000"), "OK/Done");
    }
    for name in &names {
        rig.run_expect(&format!("{name}_stop_0"), &[], "OK/Done");
        rig.unregister(name);
    }
}

#[test]
fn rsc_inflight_collision() {
    let mut rig = Rig::new();
    rig.register("r", "ocf:test:Misbehave");
    let dir = rig.dir();
    let overlap = [("how", "overlap"), ("dir", dir.as_str()), ("sleep", "0.05")];
    rig.run("r_start_0", &overlap);
    let keys: Vec<String> = (0..9).map(|n| format!("r_monitor_{}", 100 + n)).collect();
    for key in &keys {
        rig.run(key, &overlap);
    }
    rig.expect("r_start_0", "OK/Done");
    for key in &keys {
        rig.expect(key, "OK/Done");
        rig.expect(key, "OK/Done");
    }
    // The stop kills a monitor that runs, which then cannot tidy up.
    rig.run_expect("r_stop_0", &[("how", "none")], "OK/Done");
}

#[test]
fn rsc_tmp_dir() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.run_expect("r_start_0", &[], "OK/Done");
    assert!(rig.scratch.path().join("tmp/Dummy-understudy-r.state").exists());
}

#[test]
fn start_delay() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    let mut start = request("r_start_0", &[]);
    start.start_delay = ms(3_000);
    rig.execute(start).unwrap();
    rig.expect_silence("r_start", ms(300));
    let result = rig.expect("r_start_0", "OK/Done");
    assert!(result.queue_time >= ms(3_000), "{result:?}");
    rig.run_expect("r_stop_0", &[], "OK/Done");
}

#[test]
fn start_delay_cancel() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    let mut start = request("r_start_0", &[]);
    start.start_delay = ms(300);
    rig.execute(start).unwrap();
    rig.cancel("r_start_0").unwrap();
    rig.expect("r_start_0", "OK/Cancelled");
    rig.expect_silence("r_start", ms(500));
}

#[test]
fn verify_get_rsc_info() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    let agent = rig.driver.executor().resource(&id("r")).unwrap().agent.to_string();
    assert_eq!(agent, OCF.agent);
    rig.unregister("r");
    assert!(rig.driver.executor().resource(&id("r")).is_none());
}

#[test]
fn duplicate_registration() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.register("r", OCF.agent);
    rig.register("r", "ocf:understudy:Stateful");
    let kinds: Vec<_> =
        rig.driver.executor().resources().map(|r| r.agent.kind().to_string()).collect();
    assert_eq!(kinds, ["Stateful"]);
    rig.unregister("r");
    assert_eq!(rig.driver.executor().resources().count(), 0);
}

#[test]
fn notify_orig_client_only() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    let mut monitor = request("r_monitor_100", &[]);
    monitor.originator_only = true;
    let other = ClientId(7);
    rig.driver.execute(other, monitor).unwrap();
    let is_result = |event: &Event| matches!(event.kind, EventKind::Completed(_));
    assert_eq!(rig.wait_for("result", is_result).to, Recipients::Client(other));
    // The client leaves: its monitor goes, since the resource was registered so.
    rig.driver.client_gone(other);
    assert_eq!(rig.driver.executor().recurring(&id("r")).map(|list| list.len()), Some(0));
    rig.pass(ms(50));
    rig.seen.clear();
    rig.expect_silence("r_monitor", ms(300));
}

#[test]
fn get_metadata() {
    let mut rig = Rig::new();
    let text = rig.metadata(OCF.agent).unwrap();
    assert!(text.contains("resource-agent name=\"Dummy\""), "{text}");
    assert!(rig.metadata("ocf:understudy:Stateful").unwrap().contains("promote"));
    assert!(rig.metadata("lsb:LSBDummy").unwrap().contains("resource-agent name='LSBDummy'"));
    let fence = rig.scratch.path().join("fence_dummy");
    rig::copy(&rig::manifest("tests/agents/fence_dummy"), &fence);
    let text = rig.metadata("stonith:fence_dummy").unwrap();
    assert!(text.contains("resource-agent name=\"fence_dummy\""), "{text}");
    for unknown in ["ocf:understudy:NoSuch", "lsb:nothing", "systemd:nothing"] {
        assert!(rig.metadata(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn own_agents_describe_themselves_in_terms_the_cluster_reads() {
    use lrm::metadata::{AgentMetadata, OcfVersion, Reload};
    let mut rig = Rig::new();
    for (kind, reload, restart) in [
        ("Dummy", Reload::Agent, Some(vec!["state"])),
        ("Stateful", Reload::None, None),
        ("Service", Reload::None, None),
    ] {
        let text = rig.metadata(&format!("ocf:understudy:{kind}")).unwrap();
        let metadata = AgentMetadata::from_xml(&text).unwrap();
        assert_eq!(metadata.name, kind);
        assert_eq!(metadata.ocf_version, Some(OcfVersion::V1_1));
        assert_eq!(metadata.reload(), reload, "{kind}");
        assert_eq!(metadata.restart_parameters(), restart, "{kind}");
        for action in ["start", "stop", "monitor", "meta-data"] {
            assert!(metadata.actions.iter().any(|a| a.name == action), "{kind} {action}");
        }
    }
}

/// `verify_agent_lists`: each agent appears in the list of its own standard only.
#[test]
fn list_providers_and_agents() {
    let rig = Rig::new();
    rig::copy(&rig::manifest("tests/agents/fence_dummy"), &rig.scratch.path().join("fence_dummy"));
    let paths = rig.driver.paths();
    assert_eq!(paths.providers(), ["understudy", "test"]);
    assert_eq!(paths.providers_of("stateful"), ["understudy"]);
    let ocf = paths.agents(Some(&Standard::Ocf), None, &[]).unwrap();
    let lsb = paths.agents(Some(&Standard::Lsb), None, &[]).unwrap();
    assert!(ocf.contains(&"Dummy".into()) && !ocf.contains(&"LSBDummy".into()));
    assert_eq!(lsb, ["LSBDummy"]);
    let fence = paths.agents(Some(&Standard::Stonith), None, &["unit".into()]).unwrap();
    assert_eq!(fence, ["fence_dummy"]);
    assert_eq!(paths.agents(Some(&Standard::Systemd), None, &["unit".into()]).unwrap(), ["unit"]);
    assert!(!ocf.iter().any(|agent| fence.contains(agent) || agent == "unit"));
    let service = paths.agents(Some(&Standard::Service), None, &["unit".into()]).unwrap();
    assert_eq!(service, ["LSBDummy", "unit"]);
    let all = paths.agents(None, None, &["unit".into()]).unwrap();
    assert!(ocf.iter().chain(&service).chain(&fence).all(|agent| all.contains(agent)));
}

#[test]
fn unregister_during_a_run() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.run("r_start_0", &[("op_sleep", "0.3")]);
    rig.run("r_monitor_0", &[]);
    assert_eq!(rig.unregister("r"), Unregistered::Busy);
    assert!(rig.expect("r_monitor_0", "OK/Cancelled").deleted);
    assert!(rig.expect("r_start_0", "OK/Done").deleted);
}

#[test]
fn call_ids_count_requests_of_every_kind() {
    let mut rig = Rig::new();
    let first = rig.register("r", OCF.agent).0;
    assert!(rig.cancel("r_start_0").is_err());
    assert_eq!(rig.run("r_start_0", &[]).0, first + 2);
    assert_eq!(rig.driver.next_call().0, first + 3);
    assert_eq!(rig.expect("r_start_0", "OK/Done").call.0, first + 2);
}

#[test]
fn a_promotable_resource_changes_its_role() {
    let mut rig = Rig::new();
    rig.register("r", "ocf:understudy:Stateful");
    rig.run_expect("r_monitor_0", &[], "Not running/Done");
    rig.run("r_promote_0", &[]);
    let refused = rig.expect("r_promote_0", "Not running/Done");
    assert_eq!(refused.outcome.reason.as_deref(), Some("not running, cannot promote"));
    rig.run_expect("r_start_0", &[], "OK/Done");
    rig.run_expect("r_monitor_0", &[], "OK/Done");
    rig.run_expect("r_promote_0", &[], "OK/Done");
    rig.run_expect("r_monitor_0", &[], "Promoted/Done");
    rig.run_expect("r_demote_0", &[], "OK/Done");
    rig.run_expect("r_stop_0", &[], "OK/Done");
    rig.run_expect("r_monitor_0", &[], "Not running/Done");
    rig.run_expect("r_frobnicate_0", &[], "Unimplemented/Done");
}

#[test]
fn a_service_serves_while_it_runs() {
    use std::io::Read;
    let mut rig = Rig::new();
    if !rig::has_program("perl") {
        return rig::skip("perl");
    }
    // A port that is free now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port_text = port.to_string();
    let with = [("port", port_text.as_str()), ("greeting", "hello")];
    rig.register("r", "ocf:understudy:Service");
    rig.run_expect("r_monitor_0", &with, "Not running/Done");
    rig.run_expect("r_start_0", &with, "OK/Done");
    rig.run_expect("r_monitor_0", &with, "OK/Done");
    let mut line = String::new();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.read_to_string(&mut line).unwrap();
    assert!(line.starts_with("hello "), "{line}");
    // A second server cannot have the port.
    rig.register("s", "ocf:understudy:Service");
    rig.run("s_start_0", &with);
    let refused = rig.expect("s_start_0", "Error occurred/Done");
    assert!(refused.outcome.reason.unwrap().contains("cannot listen"));
    rig.run_expect("r_stop_0", &with, "OK/Done");
    rig.run_expect("r_monitor_0", &with, "Not running/Done");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    rig.run_expect("r_validate-all_0", &[("port", "x")], "Not configured/Done");
}

#[test]
fn an_alert_agent_gets_its_environment_only() {
    let own = rustix::process::geteuid();
    let user = if own.is_root() { 65_534 } else { own.as_raw() };
    let mut rig = Rig::with(|config, _| {
        config.alert_user = Some(lrm::driver::User { uid: user, gid: user });
    });
    let directory = rig.scratch.path().join("of_alerts");
    std::fs::create_dir(&directory).unwrap();
    for path in [rig.scratch.path(), &directory] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, open).unwrap();
    }
    let out = directory.join("alert");
    let alert = lrm::executor::Alert {
        id: "mail".into(),
        path: rig::manifest("tests/agents/alert"),
        environment: vec![
            ("CRM_alert_kind".into(), Some("node".into())),
            ("alert_file".into(), Some(out.display().to_string())),
            ("HOME".into(), None),
        ],
        timeout: ms(60_000),
    };
    for sequence in 1..=2 {
        rig.driver.alert(alert.clone()).unwrap();
        let is_it = |event: &Event| matches!(event.kind, EventKind::Alerted { .. });
        match rig.wait_for("alert", is_it).kind {
            EventKind::Alerted { outcome, .. } => assert_eq!(outcome, Outcome::OK),
            _ => unreachable!("only alerts pass"),
        }
        let expected = format!("node {sequence}, no home, 0 arguments, user {user}\n");
        assert_eq!(rig.read("of_alerts/alert"), expected);
    }
    rig.driver.alert(alert).unwrap();
    assert_eq!(rig.driver.executor().alerts_running(), 1);
    assert_eq!(rig.driver.executor().alerts_deadline(), Some(ms(65_000)));
    let is_it = |event: &Event| matches!(event.kind, EventKind::Alerted { .. });
    rig.wait_for("alert", is_it);
    assert_eq!(rig.driver.executor().alerts_running(), 0);
}

#[test]
fn requests_of_one_client_are_told_to_all_unless_asked_otherwise() {
    let mut rig = Rig::new();
    rig.register("r", OCF.agent);
    rig.driver.execute(CLIENT, request("r_start_0", &[])).unwrap();
    let is_result = |event: &Event| matches!(event.kind, EventKind::Completed(_));
    assert_eq!(rig.wait_for("result", is_result).to, Recipients::All);
}
