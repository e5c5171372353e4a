//! The classic tools beside ours, and in what they may differ: ours speak as a later version does
//! (spec 41 §9.5, §11).

use std::path::PathBuf;

use super::session::Ended;

/// Version of the classic tools that is compared with.
const VERSION: &str = "2.1.5";

/// Attributes that 2.1.5 does not have, and attributes of a version.
const NEWER: [&str; 8] = [
    "pacemakerd-state",
    "removed",
    "fencing-enabled",
    "fencing-timeout-ms",
    "api-version",
    "crm_feature_set",
    "request",
    "feature_set",
];

/// Words of 2.1.5 (in small letters), and those of later versions.
const WORDS: [(&str, &str); 5] = [
    ("status='complete'", "status='done'"),
    ("status=\"complete\"", "status=\"done\""),
    // Later versions say how the supervisor is, and who says so.
    ("stack: corosync (pacemaker is running)", "stack: corosync"),
    ("last updated: now on node1", "last updated: now"),
    // How UTC is written in times of failures.
    (":40z\"", ":40 +00:00\""),
];

/// Where the classic tools are, if they are here in the right version.
pub fn directory() -> Option<PathBuf> {
    let directory = PathBuf::from("/usr/sbin");
    let version = std::process::Command::new(directory.join("cibadmin"))
        .arg("--version")
        .output()
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if version.is_some_and(|text| text.contains(VERSION)) {
        return Some(directory);
    }
    let here = "the classic tools (Debian's pacemaker-cli-utils 2.1.5) are not installed here";
    assert!(std::env::var_os("CI").is_none(), "{here}: nothing to compare with");
    eprintln!("{here}: our tools are checked against the recorded sessions alone");
    None
}

/// Whether both mean the same: with `errors`, in what they complain about, too.
pub fn same(own: &Ended, classic: &Ended, errors: bool) -> bool {
    own.code == classic.code
        && comparable(&own.out) == comparable(&classic.out)
        && (!errors || comparable(&own.errors) == comparable(&classic.errors))
}

fn comparable(lines: &[String]) -> Vec<String> {
    // 2.1.5 says of the supervisor how it is before all else.
    let supervisor = ["Status of pacemakerd: ", "<pacemakerd "];
    let is_supervisor =
        |line: &&String| supervisor.iter().any(|start| line.trim_start().starts_with(start));
    lines.iter().filter(|line| !is_supervisor(line)).map(|line| plain(line)).collect()
}

fn plain(line: &str) -> String {
    // Lines of `diff` have a mark before them.
    let trimmed = line.trim_start_matches(['<', '>', ' ']);
    let opened = line.len() - trimmed.len();
    let trimmed =
        if opened > 0 && line[..opened].ends_with('<') { &line[opened - 1..] } else { trimmed };
    if let Some((name, attributes)) = trimmed.strip_prefix('<').and_then(|e| e.split_once(' ')) {
        let depth = line.len() - trimmed.len();
        return element(depth, name, attributes);
    }
    words(line)
}

fn words(line: &str) -> String {
    let mut text = line.to_lowercase();
    for (old, new) in WORDS {
        text = text.replace(old, new);
    }
    text
}

/// An element with its attributes in order, without those of later versions.
fn element(depth: usize, name: &str, attributes: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut rest = attributes.trim_start();
    while let Some((key, after)) = rest.split_once("=\"") {
        let Some((_, after_value)) = after.split_once('"') else { break };
        let whole = &rest[..rest.len() - after_value.len()];
        // Resources say whether they are in maintenance only in later versions; nodes always did.
        let newer = NEWER.contains(&key)
            || key == "maintenance" && name != "node"
            || key == "origin" && name == "last_update";
        if !newer {
            kept.push(whole);
        }
        rest = after_value.trim_start();
    }
    kept.sort_unstable();
    format!("{depth}<{name} {} {rest}", words(&kept.join(" ")))
}
