//! The messaging layer's classic tools, by link name (spec 70 §16, 71 §12): `corosync-cfgtool`,
//! `corosync-cmapctl`, `corosync-cpgtool` and `corosync-quorumtool`, for looking, for reload, for
//! votes and for an orderly stop.
//!
//! They work on the node whose state is in `UNDERSTUDY_STATE_DIRECTORY`, or in the usual place.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use node_daemon::messaging::RingReport;
use node_daemon::wiring::{settings, window};

use super::order;

/// Where the node's state is, for these tools.
const STATE_VARIABLE: &str = "UNDERSTUDY_STATE_DIRECTORY";

fn state() -> PathBuf {
    std::env::var_os(STATE_VARIABLE)
        .map_or_else(|| settings::default_state().to_owned(), Into::into)
}

/// What a tool says and ends with.
struct Said {
    out: String,
    error: String,
    code: u8,
}

fn printed(out: String) -> Said {
    Said { out, error: String::new(), code: 0 }
}

fn failed(error: &str) -> Said {
    Said { out: String::new(), error: format!("{error}\n"), code: 1 }
}

/// The letters of one-letter options with the values of those that take one, and the other words.
struct Words {
    options: Vec<(char, Option<String>)>,
    rest: Vec<String>,
}

impl Words {
    /// Reads words as `getopt` does; `None` where one is wrong.
    fn read(arguments: &[OsString], accepted: &str) -> Option<Words> {
        let mut words = Words { options: Vec::new(), rest: Vec::new() };
        let mut arguments = arguments.iter().skip(1).map(|word| word.to_str());
        while let Some(word) = arguments.next() {
            let word = word?;
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                words.rest.push(word.to_owned());
                continue;
            };
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                let at = accepted.find(letter).filter(|_| letter != ':')?;
                let value = if accepted[at..].chars().nth(1) == Some(':') {
                    let joined = std::mem::replace(&mut letters, "".chars()).as_str().to_owned();
                    let joined = Some(joined).filter(|joined| !joined.is_empty());
                    Some(match joined {
                        Some(joined) => joined,
                        None => arguments.next()??.to_owned(),
                    })
                } else {
                    None
                };
                words.options.push((letter, value));
            }
        }
        Some(words)
    }

    fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(known, _)| *known == letter)
    }

    fn value(&self, letter: char) -> Option<&str> {
        let found = self.options.iter().rev().find(|(known, _)| *known == letter);
        found.and_then(|(_, value)| value.as_deref())
    }
}

/// Runs the tool of that name; its exit status.
pub fn run(name: &str, arguments: &[OsString]) -> u8 {
    let report = || window::look(&state()).ok();
    let said = match name {
        "corosync-cfgtool" => {
            let Some(words) = Words::read(arguments, "sbnRHa:") else { return usage(name) };
            if words.has('H') {
                println!("Shutting down corosync");
                return order::shut_down(&state());
            }
            if words.has('R') {
                return order::reload(&state());
            }
            match report() {
                Some(report) => cfgtool(&report, &words),
                None => Some(failed("Could not initialize corosync configuration API error 2")),
            }
        }
        "corosync-cpgtool" => {
            let Some(words) = Words::read(arguments, "d:ne") else { return usage(name) };
            match report() {
                Some(report) => Some(printed(cpgtool(&report, &words))),
                None => Some(failed("Could not initialize corosync cpg API error 2")),
            }
        }
        "corosync-cmapctl" => {
            let Some(words) = Words::read(arguments, "g:qm:") else { return usage(name) };
            match report() {
                Some(report) => Some(cmapctl(&report, &words)),
                None => Some(failed("Failed to initialize the cmap API. Error CS_ERR_LIBRARY")),
            }
        }
        _ => {
            let Some(words) = Words::read(arguments, "slHe:v:n:Vh") else { return usage(name) };
            return quorumtool(&words, report);
        }
    };
    let Some(said) = said else { return usage(name) };
    print!("{}", said.out);
    eprint!("{}", said.error);
    said.code
}

fn usage(name: &str) -> u8 {
    let options = match name {
        "corosync-cfgtool" => "[-s [-b]] [-n] [-a NODEID] [-R] [-H]",
        "corosync-cpgtool" => "[-d DELIMITER] [-n] [-e]",
        "corosync-cmapctl" => "[-m icmap|stats] [-g KEY] [PREFIX...]",
        _ => "[-s | -l] [-H] [-e EXPECTED] [-v VOTES [-n NODEID]] [-V]",
    };
    eprintln!("usage: {name} {options}\nOther options of the classic tool are not offered.");
    1
}

fn cfgtool(report: &RingReport, words: &Words) -> Option<Said> {
    if let Some(id) = words.value('a') {
        let node = report.nodes.iter().find(|node| node.node.to_string() == id);
        let Some(node) = node else {
            return Some(failed(&format!("Could not get node address for nodeid {id}")));
        };
        let addresses: Vec<&str> = node.addresses.iter().map(|(_, ip)| ip.as_str()).collect();
        return Some(printed(addresses.join(" ") + "\n"));
    }
    let head = format!("Local node ID {}, transport {}\n", report.node, report.transport);
    match (words.has('s'), words.has('n')) {
        (true, _) => Some(printed(head + &links(report, words.has('b')))),
        (false, true) => Some(printed(head + &nodes(report))),
        (false, false) => None,
    }
}

fn own_addresses(report: &RingReport) -> &[(u8, String)] {
    let own = report.nodes.iter().find(|node| node.node == report.node);
    own.map_or(&[], |node| &node.addresses)
}

fn links(report: &RingReport, brief: bool) -> String {
    let mut out = String::new();
    for (link, address) in own_addresses(report) {
        // Writing to a string does not fail.
        let _ = write!(out, "LINK ID {link} udp\n\taddr\t= {address}\n");
        let mut states: Vec<(u32, &str, char)> = vec![(report.node, "localhost", 'n')];
        states.extend(report.links.iter().filter(|path| path.link == *link).map(|path| {
            match path.connected {
                true => (path.node, "connected", '3'),
                false => (path.node, "disconnected", '1'),
            }
        }));
        states.sort_unstable();
        if brief {
            let digits: String = states.iter().map(|(_, _, digit)| *digit).collect();
            let _ = writeln!(out, "\tstatus\t= {digits}");
        } else {
            out.push_str("\tstatus:\n");
            for (node, state, _) in states {
                let _ = writeln!(out, "\t\tnodeid: {node:>10}:\t{state}");
            }
        }
    }
    out
}

fn nodes(report: &RingReport) -> String {
    let mut out = String::new();
    for node in report.nodes.iter().filter(|node| node.node != report.node) {
        let paths: Vec<_> = report.links.iter().filter(|path| path.node == node.node).collect();
        if !paths.iter().any(|path| path.connected) {
            continue;
        }
        let _ = writeln!(out, "nodeid: {} reachable", node.node);
        for path in paths {
            let address = |all: &[(u8, String)]| {
                let found = all.iter().find(|(link, _)| *link == path.link);
                found.map(|(_, ip)| ip.clone()).unwrap_or_default()
            };
            let (from, to) = (address(own_addresses(report)), address(&node.addresses));
            let connected = if path.connected { " connected" } else { "" };
            let _ = writeln!(
                out,
                "   LINK: {} udp ({from}->{to}) enabled{connected} mtu: {}",
                path.link, path.mtu
            );
        }
        out.push('\n');
    }
    out
}

/// A group's name as the tool prints it: what cannot be printed as `\xHH`, backslashes doubled.
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\x{byte:02X}");
            }
        }
        text
    })
}

fn cpgtool(report: &RingReport, words: &Words) -> String {
    let shown = |name: &str| if words.has('e') { name.to_owned() } else { escaped(name) };
    let delimiter = words.value('d');
    if words.has('n') {
        let names: Vec<String> = report.groups.iter().map(|group| shown(&group.name)).collect();
        return match delimiter {
            Some(delimiter) => {
                names.iter().fold(String::new(), |all, name| all + name + delimiter) + "\n"
            }
            None => names.iter().fold(String::new(), |all, name| all + name + "\n"),
        };
    }
    let mut out = match delimiter {
        Some(delimiter) => format!("GRP_NAME{delimiter}PID{delimiter}NODEID\n"),
        None => "Group Name\t       PID\t   Node ID\n".to_owned(),
    };
    for group in &report.groups {
        let name = shown(&group.name);
        if delimiter.is_none() {
            let _ = writeln!(out, "{name}");
        }
        for (node, process) in &group.members {
            let _ = match delimiter {
                Some(delimiter) => writeln!(out, "{name}{delimiter}{process}{delimiter}{node}"),
                None => {
                    let known = report.nodes.iter().find(|known| known.node == *node);
                    let known = known.map_or(&[][..], |known| &known.addresses);
                    let addresses: Vec<&str> = known.iter().map(|(_, ip)| ip.as_str()).collect();
                    let addresses = addresses.join(" ");
                    writeln!(out, "\t\t{process:>10}\t{node:>10} ({addresses})")
                }
            };
        }
    }
    out
}

fn cmapctl(report: &RingReport, words: &Words) -> Said {
    let counters = || {
        let entry =
            |(key, value): &(String, u64)| (key.clone(), "u64".to_owned(), value.to_string());
        let mut all: Vec<_> = report.counters.iter().map(entry).collect();
        all.sort_unstable();
        all
    };
    let map = match words.value('m') {
        None | Some("icmap") => report.map.clone(),
        Some("stats") => counters(),
        Some(other) => return failed(&format!("invalid map name: {other}")),
    };
    let line =
        |(key, kind, value): &(String, String, String)| format!("{key} ({kind}) = {value}\n");
    if let Some(wanted) = words.value('g') {
        return match map.iter().find(|(key, ..)| key == wanted) {
            Some(entry) => printed(line(entry)),
            None => failed(&format!("Can't get key {wanted}. Error CS_ERR_NOT_EXIST")),
        };
    }
    let wanted = |key: &str| {
        words.rest.is_empty() || words.rest.iter().any(|prefix| key.starts_with(prefix.as_str()))
    };
    printed(map.iter().filter(|(key, ..)| wanted(key)).map(line).collect())
}

fn quorumtool(words: &Words, report: impl Fn() -> Option<RingReport>) -> u8 {
    if words.has('V') {
        println!("corosync-quorumtool version: {}", env!("CARGO_PKG_VERSION"));
        return 0;
    }
    let wrong = |text: String| {
        eprintln!("{text}");
        1
    };
    if let Some(text) = words.value('e') {
        return match order::expected_votes(text) {
            Ok(votes) => order::set_expected(&state(), votes),
            Err(error) => wrong(error),
        };
    }
    let Some(shown) = report() else { return wrong("Cannot initialize CMAP service".to_owned()) };
    if let Some(text) = words.value('v') {
        let own = shown.node.to_string();
        let node = order::node(words.value('n').unwrap_or(&own));
        return match (order::votes(text), node) {
            (Ok(votes), Ok(node)) => order::set_votes(&state(), &node, votes),
            (Err(error), _) | (_, Err(error)) => wrong(error),
        };
    }
    match (words.has('l'), words.has('H')) {
        (true, false) => print!("\n{}", shown.members),
        (true, true) => print!("\n{}", shown.members_hex),
        (false, false) => print!("{}", shown.votes),
        (false, true) => print!("{}", shown.votes_hex),
    }
    if shown.quorate || words.has('l') { 0 } else { super::NOT_QUORATE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_daemon::messaging::{GroupReport, LinkReport, NodeReport};

    fn report() -> RingReport {
        let path = |node, link, connected| LinkReport {
            node,
            link,
            address: format!("10.70.{link}.{node}:5405"),
            connected,
            round_trip_us: 100,
            mtu: 1397,
        };
        let node = |node| NodeReport {
            node,
            addresses: (0..2).map(|link| (link, format!("10.70.{link}.{node}"))).collect(),
        };
        RingReport {
            node: 1,
            transport: "knet".to_owned(),
            nodes: (1..=3).map(node).collect(),
            links: vec![path(2, 0, true), path(2, 1, false), path(3, 0, false), path(3, 1, false)],
            groups: vec![GroupReport { name: "a\\b\n".to_owned(), members: vec![(1, 77)] }],
            map: [("totem.token", "u32", "3000"), ("totem.version", "u32", "2")]
                .map(|(key, kind, value)| (key.to_owned(), kind.to_owned(), value.to_owned()))
                .to_vec(),
            counters: vec![("stats.srp.mcast_tx".to_owned(), 7)],
            ..RingReport::default()
        }
    }

    fn words(line: &str, accepted: &str) -> Option<Words> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Words::read(&words, accepted)
    }

    #[test]
    fn the_texts_are_those_of_the_classic_tools() {
        let report = report();
        let cfg = |line| cfgtool(&report, &words(line, "sbnRa:").unwrap()).unwrap().out;
        let head = "Local node ID 1, transport knet\n";
        let first = "LINK ID 0 udp\n\taddr\t= 10.70.0.1\n";
        assert!(cfg("x -s").starts_with(&format!(
            "{head}{first}\tstatus:\n\t\tnodeid:          1:\tlocalhost\n\t\tnodeid:          2:\t\
             connected\n\t\tnodeid:          3:\tdisconnected\nLINK ID 1"
        )));
        assert!(cfg("x -sb").starts_with(&format!("{head}{first}\tstatus\t= n31\nLINK ID 1")));
        assert_eq!(
            cfg("x -n"),
            format!(
                "{head}nodeid: 2 reachable\n   LINK: 0 udp (10.70.0.1->10.70.0.2) enabled connected mtu: \
                 1397\n   LINK: 1 udp (10.70.1.1->10.70.1.2) enabled mtu: 1397\n\n"
            )
        );
        assert_eq!(cfg("x -a 2"), "10.70.0.2 10.70.1.2\n");
        let nobody = cfgtool(&report, &words("x -a9", "sbnRa:").unwrap()).unwrap();
        assert_eq!(
            (nobody.error.as_str(), nobody.code),
            ("Could not get node address for nodeid 9\n", 1)
        );

        let cpg = |line| cpgtool(&report, &words(line, "d:ne").unwrap());
        let name = "a\\\\b\\x0A";
        assert_eq!(
            cpg("x"),
            format!(
                "Group Name\t       PID\t   Node ID\n{name}\n\t\t        77\t         1 (10.70.0.1 \
                 10.70.1.1)\n"
            )
        );
        assert_eq!(cpg("x -d :"), format!("GRP_NAME:PID:NODEID\n{name}:77:1\n"));
        assert_eq!(cpg("x -n -d:"), format!("{name}:\n"));
        assert_eq!(cpg("x -ne"), "a\\b\n\n");

        let map = |line| cmapctl(&report, &words(line, "g:qm:").unwrap());
        assert_eq!(map("x totem.t").out, "totem.token (u32) = 3000\n");
        assert_eq!(map("x").out, "totem.token (u32) = 3000\ntotem.version (u32) = 2\n");
        assert_eq!(map("x -m stats").out, "stats.srp.mcast_tx (u64) = 7\n");
        assert_eq!(map("x -g totem.version").out, "totem.version (u32) = 2\n");
        let missing = map("x -g totem.x");
        let text = "Can't get key totem.x. Error CS_ERR_NOT_EXIST\n";
        assert_eq!((missing.error.as_str(), missing.code), (text, 1));
        assert!(words("x -z", "g:qm:").is_none() && words("x -g", "g:qm:").is_none());
    }
}
