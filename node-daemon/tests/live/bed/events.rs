//! What agents and the power switch wrote down.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub at: u128,
    pub node: String,
    pub resource: String,
    pub action: String,
    /// Of a service that was started.
    pub pid: u32,
}

/// Reads them; a half written last line is left out.
pub fn read(text: &str) -> Vec<Event> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut word = || words.next().map(str::to_owned);
        Some(Event {
            at: word()?.parse().ok()?,
            node: word()?,
            resource: word()?,
            action: word()?,
            pid: word()?.parse().ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

/// What is wrong in a history: a service that was started, or promoted, while it was still so on a node that
/// neither stopped it nor was off.
pub fn violations(events: &[Event], single: &[&str]) -> Vec<String> {
    let mut holders: BTreeMap<(&str, bool), &str> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        let (resource, node) = (event.resource.as_str(), event.node.as_str());
        if event.action == "off" {
            holders.retain(|_, holder| *holder != node);
        } else if event.action == "double" {
            found.push(format!("{event:?}: it runs elsewhere"));
        } else if let "start" | "promote" = event.action.as_str() {
            let promotion = event.action == "promote";
            if !promotion && !single.contains(&resource) {
                continue;
            }
            let before = holders.insert((resource, promotion), node);
            if let Some(before) = before.filter(|before| *before != node) {
                found.push(format!("{event:?}: it still is on {before}"));
            }
        } else if let "stop" | "demote" = event.action.as_str() {
            let ended = |promotion: bool| promotion || event.action == "stop";
            holders.retain(|(other, promotion), holder| {
                *other != resource || *holder != node || !ended(*promotion)
            });
        }
    }
    found
}

#[test]
fn a_second_start_shows_and_a_handover_does_not() {
    let told = |lines: &[&str]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        violations(&read(&text), &["d"]).len()
    };
    assert_eq!(told(&["1 a d start 7", "2 b d start 8"]), 1);
    assert_eq!(told(&["1 a d start 7", "2 a d stop 0", "3 b d start 8"]), 0);
    assert_eq!(told(&["1 a d start 7", "2 a - off 0", "3 b d start 8"]), 0);
    assert_eq!(told(&["1 a d start 7", "2 c - off 0", "3 b d start 8"]), 1);
    assert_eq!(told(&["1 a s start 7", "2 b s start 8", "3 a s promote 0"]), 0);
    assert_eq!(told(&["1 a s promote 0", "2 b s promote 0"]), 1);
    assert_eq!(told(&["1 a s promote 0", "2 a s demote 0", "3 b s promote 0"]), 0);
    assert_eq!(told(&["1 a d double 0"]), 1);
}
