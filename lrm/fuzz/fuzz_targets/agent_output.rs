//! Whatever an agent writes, however it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lrm::agent::{AgentSpec, Standard};
use lrm::outcome::{Outcome, ProcessEnd};

fuzz_target!(|input: (i32, bool, Vec<u8>)| {
    let (number, exited, stderr) = input;
    let end = if exited { ProcessEnd::Exited(number) } else { ProcessEnd::Signaled(number) };
    for standard in [Standard::Ocf, Standard::Lsb] {
        let outcome = Outcome::of_process(&standard, "monitor", end, &stderr);
        assert!(outcome.reason.is_none_or(|reason| !reason.contains('\n')));
    }
    if let Ok(text) = std::str::from_utf8(&stderr)
        && let Ok(spec) = text.parse::<AgentSpec>()
    {
        assert_eq!(spec.to_string().parse(), Ok(spec));
    }
});
