//! Host maps, target lists (also as agents print them), delays and intervals.
#![no_main]

use fencing::device::DeviceOptions;
use fencing::interval::{MAX_INTERVAL_MS, parse_millis};
use fencing::name::NodeName;
use fencing::secret::Parameters;
use fencing::targets::{HostMap, delay_base_millis, parse_list};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (targets, _) = parse_list(text);
    assert!(targets.iter().all(|target| !target.is_empty()));
    let (map, _) = HostMap::parse(text);
    assert!(map.ports().all(|port| !port.is_empty()));
    let target = NodeName::new("node1").ok();
    assert!(delay_base_millis(text, target.as_ref()).0 <= MAX_INTERVAL_MS);
    assert!(parse_millis(text).is_ok_and(|millis| millis <= MAX_INTERVAL_MS) || parse_millis(text).is_err());
    let parameters = Parameters::new()
        .with("pcmk_host_map", text)
        .with("pcmk_host_list", text)
        .with("pcmk_delay_max", text)
        .with("pcmk_action_limit", text)
        .with("pcmk_off_timeout", text)
        .with("pcmk_off_retries", text);
    let (options, _) = DeviceOptions::parse(&parameters);
    let delay = options.delay(target.as_ref()).effective();
    assert!(delay.base <= delay.max);
});
