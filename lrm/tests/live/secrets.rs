//! A secret parameter on the way of an operation: it shows in no event, log, debug output, journal or
//! process list, whether it is kept in the configuration or in a file of its own. The environment of
//! an OCF agent is where its parameters are (spec 80 §2.4), and only its own user may look at that.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use lrm::executor::EventKind;
use lrm::operation::Parameters;

use crate::rig::{Rig, ms, request};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A log that keeps every line.
struct Record;

impl log::Log for Record {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn record_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Record).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Runs operations that work, fail, are repeated, cancelled and too late, with these parameters, and
/// says where a text showed meanwhile.
fn places(parameters: &[(&str, &str)], secret: &str) -> Vec<&'static str> {
    record_the_log();
    let mut rig = Rig::with(|config, scratch| {
        config.journal = Some(scratch.join("runs"));
        config.secrets = Some(scratch.join("secrets"));
    });
    // The secret in a file, signed, for the resource `r`.
    let kept = rig.scratch.path().join("secrets/r");
    std::fs::create_dir_all(&kept).unwrap();
    std::fs::write(kept.join("token"), secret).unwrap();
    std::fs::write(kept.join("token.sign"), lrm::digest::md5_hex(secret.as_bytes())).unwrap();
    let dir = rig.dir();
    let with = |how: &'static str| {
        let mut all = vec![("how", how), ("dir", dir.as_str()), ("token", "lrm://")];
        all.extend(parameters);
        all
    };
    let mut shown = Vec::new();
    let mut see = |place, text: &str| {
        if text.contains(secret) {
            shown.push(place);
        }
    };
    rig.register("r", "ocf:test:Misbehave");
    let mut late = request("r_promote_0", &with("secret_hang"));
    late.timeout = ms(3_000);
    let requests = [
        request("r_start_0", &with("secret")),
        request("r_monitor_0", &with("two_reasons")),
        late,
        request("r_monitor_200", &with("secret")),
    ];
    for request in requests {
        see("request", &format!("{request:?} {:?}", rig.driver.executor()));
        rig.execute(request).unwrap();
        let patience = Instant::now() + Duration::from_secs(90);
        'run: loop {
            assert!(Instant::now() < patience, "no result");
            rig.driver.turn(Some(ms(20))).unwrap();
            see(
                "journal",
                &String::from_utf8_lossy(&std::fs::read(rig.scratch.path().join("runs")).unwrap()),
            );
            for process in std::fs::read_dir("/proc").unwrap().flatten() {
                let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                see("process list", &String::from_utf8_lossy(&line));
            }
            while let Some(event) = rig.driver.poll_event() {
                see("event", &format!("{event:?}"));
                if matches!(event.kind, EventKind::Completed(_)) {
                    break 'run;
                }
            }
        }
    }
    // The agent had it.
    assert_eq!(rig.read("token").trim(), secret);
    rig.cancel("r_monitor_200").unwrap();
    rig.unregister("r");
    rig.seen.iter().for_each(|event| see("event", &format!("{event:?}")));
    LINES.lock().unwrap().iter().for_each(|line| see("log", line));
    shown.sort_unstable();
    shown.dedup();
    shown
}

#[test]
fn a_secret_shows_nowhere_but_to_its_agent() {
    assert_eq!(places(&[("passwd", "xyzzy-plugh-43")], "xyzzy-plugh-43"), [] as [&str; 0]);
    assert!(
        LINES.lock().unwrap().iter().any(|line| line.contains("r start (call")),
        "no log to look at"
    );
}

#[test]
fn a_secret_that_is_given_away_is_seen() {
    // As a parameter whose name does not say that it is one.
    assert_eq!(places(&[("colour", "planted-one")], "planted-one"), ["event", "request"]);
    // By the agent, in its output and to a program that it calls.
    let told = places(&[("tell", "1")], "planted-two");
    for place in ["event", "log", "process list"] {
        assert!(told.contains(&place), "{told:?}");
    }
}

#[test]
fn values_that_cannot_be_passed_on_are_not_shown() {
    let error = Parameters::from_pairs([("passwd", "abc\0def")]).unwrap_err();
    assert_eq!(error.to_string(), "parameter `passwd` holds a NUL byte");
}
