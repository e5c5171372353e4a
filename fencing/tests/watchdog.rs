//! The watchdog driver on a device that takes a timeout. Hardware to be reset by is no thing for a
//! test, so the device is a file, and `strace` answers for it: the driver's system calls are real,
//! and what the kernel would say to setting the timeout is put in their results.
//!
//! The program runs itself under `strace`; called with arguments it is what is watched.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use fencing::watchdog::{
    Feeder, FeederInput, FeederOutput, HardwareWatchdog, Watchdog, WatchdogError,
};

const TIMEOUT: Duration = Duration::from_secs(3);
const GUARDED: Duration = Duration::from_millis(3300);

/// A program guarded by a watchdog: `well` all the time, or `ill` soon, after which it hangs.
fn guard(device: &Path, health: &str) -> Result<(), WatchdogError> {
    let mut watchdog = HardwareWatchdog::arm(device, TIMEOUT)?;
    let began = Instant::now();
    let mut feeder = Feeder::new(Duration::ZERO, TIMEOUT);
    while began.elapsed() < GUARDED {
        let now = began.elapsed();
        let is_well = health == "well" || now < TIMEOUT / 6;
        let input = if is_well { FeederInput::Healthy } else { FeederInput::Tick };
        if feeder.handle(now, input) == Some(FeederOutput::Feed) {
            watchdog.feed()?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if health == "ill" {
        // As a crash would: nothing is said to the device.
        return Ok(());
    }
    assert_eq!(feeder.handle(began.elapsed(), FeederInput::Stop), Some(FeederOutput::Disarm));
    watchdog.disarm()
}

/// What became of a guarded program.
struct Watched {
    /// What it wrote to the device.
    written: Vec<u8>,
    /// What it said.
    error: String,
    /// Its system calls on the device, and when, in seconds.
    calls: Vec<(f64, String)>,
}

impl Watched {
    fn of(health: &str, answers: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { scratch.path().join(name) };
        std::fs::write(path("watchdog"), "").unwrap();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-ttt", "-o"]).arg(path("calls"));
        strace.arg("-P").arg(path("watchdog")).args(["-e", "trace=openat,ioctl,write,close"]);
        for answer in answers {
            strace.args(["-e", &format!("inject={answer}")]);
        }
        strace.arg(std::env::current_exe().unwrap()).arg(path("watchdog")).arg(health);
        let output = strace.output().unwrap();
        let calls = std::fs::read_to_string(path("calls")).unwrap();
        Self {
            written: std::fs::read(path("watchdog")).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
            calls: calls.lines().filter_map(parse_call).collect(),
        }
    }

    fn times(&self, call: &str) -> Vec<f64> {
        let these = self.calls.iter().filter(|(_, text)| text.starts_with(call));
        these.map(|(at, _)| *at).collect()
    }

    fn is_disarmed(&self) -> bool {
        self.written.last() == Some(&b'V')
    }
}

/// A line such as `4711  1700000000.123456 write(3, "V", 1) = 1`: a short process id is followed by
/// more than one space.
fn parse_call(line: &str) -> Option<(f64, String)> {
    let (_, rest) = line.split_once(' ')?;
    let (at, call) = rest.trim_start().split_once(' ')?;
    Some((at.parse().ok()?, call.trim_start().to_owned()))
}

/// The kernel takes the timeout.
const TAKEN: &str = "ioctl:retval=0";
/// It takes another, five seconds, and says so.
const CHANGED: &str = "ioctl:retval=0:poke_exit=@arg3=05000000";
/// It refuses.
const REFUSED: &str = "ioctl:error=EINVAL";

fn a_device_is_armed_fed_and_disarmed_in_this_order() {
    let watched = Watched::of("well", &[TAKEN]);
    assert_eq!(watched.error, "");
    let (last, fed) = watched.written.split_last().unwrap();
    assert_eq!(*last, b'V', "the letter that disarms");
    assert!(fed.iter().all(|byte| *byte == 0), "{fed:?}");
    let names: Vec<&str> =
        watched.calls.iter().filter_map(|(_, text)| text.split('(').next()).collect();
    assert_eq!(names[..2], ["openat", "ioctl"], "the timeout is set before the first feeding");
    assert_eq!(names[names.len() - 2..], ["write", "close"], "closed right after the letter");
    let request = &watched.calls[1].1;
    assert!(request.contains("WDIOC_SETTIMEOUT") || request.contains("0xc0045706"), "{request}");
    assert!(request.contains("(INJECTED)"), "{request}");
}

fn a_device_is_fed_three_times_in_its_timeout() {
    let watched = Watched::of("well", &[TAKEN]);
    let mut times = watched.times("write");
    times.pop();
    // On a busy machine a feeding is late, but never so late that a well node is reset.
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times.len() >= 2, "{times:?}");
    assert!(times.len() <= 4, "one at once, then one a third of the timeout: {times:?}");
    assert!(gaps.iter().all(|gap| (0.5..TIMEOUT.as_secs_f64()).contains(gap)), "{gaps:?}");
}

fn a_program_that_hangs_feeds_no_more_and_does_not_disarm() {
    let watched = Watched::of("ill", &[TAKEN]);
    assert!(!watched.is_disarmed());
    let writes = watched.times("write");
    let armed = watched.times("ioctl")[0];
    assert!((1..=2).contains(&writes.len()), "{writes:?}");
    let since = writes.last().unwrap() - armed;
    assert!(since < TIMEOUT.as_secs_f64() / 2.0 + 1.0, "fed {since} s after it was armed");
}

fn a_timeout_that_cannot_be_set_is_an_error_and_disarms() {
    for (answer, text) in [
        (REFUSED, "the watchdog refuses a timeout of 3s"),
        (CHANGED, "the watchdog set a timeout of 5s where 3s were asked for"),
    ] {
        let watched = Watched::of("well", &[answer]);
        assert!(watched.error.contains(text), "{answer}: {}", watched.error);
        assert_eq!(watched.written, b"V", "{answer}: disarmed and never fed");
    }
}

fn a_device_that_cannot_be_fed_or_disarmed_is_an_error() {
    let watched = Watched::of("well", &[TAKEN, "write:error=EIO:when=2"]);
    assert!(watched.error.contains("cannot feed the watchdog"), "{}", watched.error);
    assert_eq!(watched.written, b"\0", "it stays armed");
    let watched = Watched::of("well", &[REFUSED, "write:error=EIO"]);
    assert!(watched.error.contains("cannot disarm the watchdog"), "{}", watched.error);
}

fn strace_works() -> bool {
    Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|s| s.success())
}

type Test = (&'static str, fn());

const TESTS: [Test; 5] = [
    ("armed, fed, disarmed", a_device_is_armed_fed_and_disarmed_in_this_order),
    ("feedings", a_device_is_fed_three_times_in_its_timeout),
    ("hang", a_program_that_hangs_feeds_no_more_and_does_not_disarm),
    ("timeout refused", a_timeout_that_cannot_be_set_is_an_error_and_disarms),
    ("write errors", a_device_that_cannot_be_fed_or_disarmed_is_an_error),
];

/// Says it as other tests do.
fn summarise(passed: usize, failed: &[&str]) -> ExitCode {
    if !failed.is_empty() {
        println!("\nfailures:");
        failed.iter().for_each(|name| println!("    {name}"));
        println!();
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("test result: {word}. {passed} passed; {} failed;", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [device, health] = &arguments[..]
        && device.starts_with('/')
    {
        return match guard(device.as_ref(), health) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    if !strace_works() {
        assert!(std::env::var_os("CI").is_none(), "needs strace; see tests/install-agents.sh");
        eprintln!("skipped: needs strace");
        return ExitCode::SUCCESS;
    }
    // One by its name with `--exact`, or all.
    let mut tests = TESTS.to_vec();
    if let [wanted, exact] = &arguments[..]
        && exact == "--exact"
    {
        tests.retain(|(name, _)| name == wanted);
    }
    let start = |(name, test): Test| (name, std::thread::spawn(test));
    let running: Vec<_> = tests.into_iter().map(start).collect();
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, thread) in running {
        let is_ok = thread.join().is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        if is_ok {
            passed += 1;
        } else {
            failed.push(name);
        }
    }
    summarise(passed, &failed)
}
