//! What parses as a ballot gives the same ballot again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorum::election::Ballot;

const NAMES: [&str; 7] = [
    "crm_task",
    "src",
    "version",
    "election-owner",
    "election-id",
    "election-age-sec",
    "election-age-nano-sec",
];

fuzz_target!(|text: &str| {
    let values: Vec<&str> = text.split('\0').collect();
    let get = |name| NAMES.iter().position(|n| *n == name).and_then(|at| values.get(at).copied());
    if let Ok(ballot) = Ballot::from_attributes(get) {
        let attributes = ballot.to_attributes();
        let again = Ballot::from_attributes(|name| {
            attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
        });
        assert_eq!(again, Ok(ballot));
    }
});
