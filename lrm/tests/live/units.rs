//! systemd units, on a private bus with a scripted systemd (spec 80 §9, §14).

use lrm::driver::{SystemdConfig, describe_unit, list_units};
use lrm::metadata::systemd_metadata;
use lrm::outcome::{ExecStatus, OcfExit};

use crate::rig::{Rig, ms, request, skip};
use crate::scripted_systemd::{Script, ScriptedSystemd};

/// A rig and a systemd with the unit `web`, or a note that there is no bus.
pub fn rig() -> Option<(Rig, ScriptedSystemd)> {
    let Some(systemd) = ScriptedSystemd::start() else {
        skip("dbus-daemon");
        return None;
    };
    systemd.add("web.service", Script::WELL);
    let address = systemd.address.clone();
    let rig = Rig::with(|config, _| config.systemd.address = Some(address));
    Some((rig, systemd))
}

/// Plays with a registered resource `r` of that agent.
fn with_unit(agent: &str, play: impl FnOnce(&mut Rig, &mut ScriptedSystemd)) {
    if let Some((mut rig, mut systemd)) = rig() {
        rig.register("r", agent);
        play(&mut rig, &mut systemd);
    }
}

#[test]
fn a_unit_starts_runs_and_stops() {
    for agent in ["systemd:web", "service:web"] {
        with_unit(agent, |rig, systemd| {
            let file = rig.scratch.path().join("run/web.service.d/50-pacemaker.conf");
            rig.run_expect("r_monitor_0", &[], "Not running/Done");
            rig.run_expect("r_start_0", &[], "OK/Done");
            assert_eq!(systemd.state("web.service"), "active");
            assert!(std::fs::read_to_string(&file).unwrap().contains("Restart=no"));
            rig.run_expect("r_monitor_0", &[], "OK/Done");
            rig.run_expect("r_status_100", &[], "OK/Done");
            rig.expect("r_status_100", "OK/Done");
            rig.run_expect("r_stop_0", &[], "OK/Done");
            assert!(!file.exists());
            assert_eq!(systemd.state("web.service"), "inactive");
            rig.run_expect("r_monitor_0", &[], "Not running/Done");
        });
    }
}

#[test]
fn service_is_the_init_script_if_there_is_no_unit_and_prefers_it_if_both_are() {
    let Some((mut rig, systemd)) = rig() else { return };
    systemd.add("LSBDummy.service", Script::WELL);
    rig.register("both", "service:LSBDummy");
    rig.run_expect("both_start_0", &[], "OK/Done");
    assert_eq!(systemd.state("LSBDummy.service"), "inactive");
    rig.register("none", "service:nothing");
    rig.run("none_start_0", &[]);
    let result = rig.expect("none_start_0", "Not installed/Not installed");
    let reason = result.outcome.reason.unwrap();
    assert!(reason.ends_with("init.d/nothing: No such file or directory"), "{reason}");
}

#[test]
fn start_uninstalled_systemd() {
    with_unit("systemd:nothing", |rig, _| {
        rig.run("r_start_0", &[]);
        let result = rig.expect("r_start_0", "Not installed/Not installed");
        assert_eq!(result.outcome.reason.as_deref(), Some("systemd unit nothing not found"));
        rig.run_expect("r_stop_0", &[], "OK/Done");
    });
}

#[test]
fn monitor_fail_systemd() {
    with_unit("systemd:web", |rig, systemd| {
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect("r_monitor_100", &[], "OK/Done");
        systemd.set_state("web.service", "failed");
        while rig.result("r_monitor_100").outcome.exit != OcfExit::NotRunning {}
        let failed = rig.expect("r_monitor_100", "Not running/Done");
        assert_eq!(failed.outcome.reason.as_deref(), Some("failed"));
        rig.cancel("r_monitor_100").unwrap();
        while rig.result("r_monitor_100").outcome.status != ExecStatus::Cancelled {}
        rig.expect_silence("r_monitor", ms(300));
    });
}

#[test]
fn systemd_stress() {
    let Some((mut rig, systemd)) = rig() else { return };
    let names: Vec<String> = (0..25).map(|number| format!("u{number}")).collect();
    for name in &names {
        systemd.add(&format!("{name}.service"), Script::WELL);
        rig.register(name, &format!("systemd:{name}"));
        rig.run(&format!("{name}_start_0"), &[]);
        rig.run(&format!("{name}_monitor_1000"), &[]);
    }
    for name in &names {
        rig.expect(&format!("{name}_start_0"), "OK/Done");
        rig.expect(&format!("{name}_monitor_1000"), "OK/Done");
        rig.run(&format!("{name}_stop_0"), &[]);
    }
    for name in &names {
        rig.expect(&format!("{name}_stop_0"), "OK/Done");
    }
}

#[test]
fn a_job_that_fails_says_how() {
    let Some((mut rig, systemd)) = rig() else { return };
    for (result, expected) in
        [("failed", "Error occurred/Error"), ("timeout", "Error occurred/Timed out")]
    {
        systemd.add("bad.service", Script { job_result: result, ..Script::WELL });
        rig.register("r", "systemd:bad");
        rig.run("r_start_0", &[]);
        let got = rig.expect("r_start_0", expected);
        assert!(got.outcome.reason.unwrap().starts_with("systemd start job for bad.service"));
    }
}

#[test]
fn a_job_that_is_over_at_once_is_not_missed() {
    let Some((mut rig, systemd)) = rig() else { return };
    systemd.add("fast.service", Script { job_time: ms(0), ..Script::WELL });
    rig.register("r", "systemd:fast");
    for _ in 0..20 {
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run_expect("r_stop_0", &[], "OK/Done");
    }
}

#[test]
fn a_probe_of_a_unit_in_transition_waits_for_its_end() {
    with_unit("systemd:web", |rig, systemd| {
        systemd.set_state("web.service", "activating");
        let mut probe = request("r_monitor_0", &[]);
        probe.timeout = ms(60_000);
        rig.execute(probe).unwrap();
        rig.expect_silence("r_monitor", ms(200));
        systemd.set_state("web.service", "active");
        rig.expect("r_monitor_0", "OK/Done");
        systemd.set_state("web.service", "deactivating");
        let mut probe = request("r_monitor_0", &[]);
        probe.timeout = ms(300);
        rig.execute(probe).unwrap();
        let late = rig.expect("r_monitor_0", "Error occurred/Timed out");
        assert!(late.outcome.reason.unwrap().starts_with("Investigate reason for timeout"));
    });
}

#[test]
fn a_bus_that_goes_away_fails_what_waits_and_is_sought_again() {
    with_unit("systemd:web", |rig, systemd| {
        systemd.add("slow.service", Script { job_time: ms(60_000), ..Script::WELL });
        rig.register("s", "systemd:slow");
        rig.run_expect("r_start_0", &[], "OK/Done");
        rig.run("s_start_0", &[]);
        rig.pass(ms(200));
        systemd.kill_bus();
        rig.expect("s_start_0", "Error occurred/Error");
        rig.run("r_monitor_0", &[]);
        let failed = rig.expect("r_monitor_0", "Error occurred/Error");
        assert_eq!(failed.outcome.reason.as_deref(), Some("No DBus connection"));
    });
}

#[test]
fn a_bus_that_hangs_holds_up_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bus");
    let _never_accepts = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut rig = Rig::with(|config, _| {
        config.systemd.address = Some(format!("unix:path={}", path.display()));
    });
    rig.register("r", "systemd:web");
    rig.register("other", "ocf:understudy:Dummy");
    let mut start = request("r_start_0", &[]);
    start.timeout = ms(5_000);
    rig.execute(start).unwrap();
    rig.run_expect("other_start_0", &[], "OK/Done");
    assert!(rig.results_of("r_start").is_empty());
    let late = rig.expect("r_start_0", "Error occurred/Timed out");
    let reason = "start action for systemd unit web did not complete in time";
    assert_eq!(late.outcome.reason.as_deref(), Some(reason));
}

#[test]
fn an_override_that_cannot_be_written_fails_the_start() {
    with_unit("systemd:web", |rig, _| {
        std::fs::write(rig.scratch.path().join("run"), "a file, no directory").unwrap();
        rig.run("r_start_0", &[]);
        let failed = rig.expect("r_start_0", "Error occurred/Error");
        let reason = "Failed to create systemd override file for web";
        assert_eq!(failed.outcome.reason.as_deref(), Some(reason));
    });
}

#[test]
fn units_are_listed_and_described() {
    let Some((_rig, systemd)) = rig() else { return };
    systemd.add("data.mount", Script::WELL);
    systemd.add("multi-user.target", Script::WELL);
    let config =
        SystemdConfig { address: Some(systemd.address.clone()), ..SystemdConfig::default() };
    assert_eq!(list_units(&config).unwrap(), ["data.mount", "web"]);
    let description = describe_unit(&config, "web").unwrap();
    assert_eq!(description.as_deref(), Some("The unit web.service"));
    assert!(systemd_metadata("web", description.as_deref()).contains("The unit web.service"));
    assert_eq!(describe_unit(&config, "nothing").unwrap(), None);
    let nowhere = SystemdConfig {
        address: Some("unix:path=/nonexistent".into()),
        ..SystemdConfig::default()
    };
    assert!(list_units(&nowhere).is_err());
}
