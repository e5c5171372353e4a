//! The figures and their table.

use std::collections::BTreeMap;

use super::median;

/// What is wanted of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
    /// Nothing in particular; more is better if true.
    Open(bool),
}

/// A row of the table.
struct Row {
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    /// Where it is in the peer's figures.
    peer: &'static str,
    wanted: Wanted,
}

const fn row(
    key: &'static str,
    what: &'static str,
    unit: &'static str,
    wanted: Wanted,
    peer: &'static str,
) -> Row {
    Row { key, what, unit, peer, wanted }
}

use Wanted::{Least, Most, Open};

#[rustfmt::skip]
const ROWS: [Row; 27] = [
    row("crash 1000 unfenced other", "kill -> start elsewhere, token 1000, unfenced, not the DC", "ms", Most(1300.0), "/a/token 1000, stonith off, not DC/total"),
    row("crash 1000 unfenced DC", "kill -> start elsewhere, token 1000, unfenced, the DC", "ms", Most(1300.0), "/a/token 1000, stonith off, DC/total"),
    row("crash 1000 fenced other", "kill -> start elsewhere, token 1000, fenced, not the DC", "ms", Most(1300.0), "/a/token 1000, stonith on, not DC/total"),
    row("crash 1000 fenced DC", "kill -> start elsewhere, token 1000, fenced, the DC", "ms", Most(1300.0), "/a/token 1000, stonith on, DC/total"),
    row("crash 300 unfenced other", "kill -> start elsewhere, token 300, unfenced, not the DC", "ms", Most(460.0), "/a/token 300, stonith off, not DC/total"),
    row("crash 300 unfenced DC", "kill -> start elsewhere, token 300, unfenced, the DC", "ms", Most(460.0), "/a/token 300, stonith off, DC/total"),
    row("crash 300 fenced other", "kill -> start elsewhere, token 300, fenced, not the DC", "ms", Most(460.0), "/a/token 300, stonith on, not DC/total"),
    row("crash 300 fenced DC", "kill -> start elsewhere, token 300, fenced, the DC", "ms", Most(460.0), "/a/token 300, stonith on, DC/total"),
    row("move", "planned move by crm_resource", "ms", Most(45.0), "/b/move/total"),
    row("standby", "planned move by crm_standby", "ms", Most(45.0), "/b/standby/total"),
    row("start", "start of 3 nodes -> first stable state, defaults", "ms", Most(2000.0), "/d median/first idle"),
    row("cib connection DC", "CIB updates, one connection, on the DC", "per s", Least(1000.0), "/c/CIB one connection, on the DC/per s"),
    row("cib connection other", "CIB updates, one connection, not on the DC", "per s", Least(1000.0), "/c/CIB one connection, not on the DC/per s"),
    row("attribute connection", "attribute updates, one connection, until in the CIB", "per s", Least(5000.0), "/c/2000 attribute updates, one connection/per s, until the CIB has the last"),
    row("process", "cibadmin --version (cost of a process)", "per s", Open(true), "/c/empty process (cibadmin --version)/per s"),
    row("cib process DC", "CIB updates, a cibadmin each, on the DC", "per s", Open(true), "/c/cibadmin per process, on the DC/per s"),
    row("cib process other", "CIB updates, a cibadmin each, not on the DC", "per s", Open(true), "/c/cibadmin per process, not on the DC/per s"),
    row("crm_attribute process", "CIB updates, a crm_attribute each, on the DC", "per s", Open(true), "/c/crm_attribute per process, on the DC/per s"),
    row("attribute process", "attribute updates, an attrd_updater each", "per s", Open(true), "/c/attrd_updater per process/per s"),
    row("many", "200 resources Stopped -> Started, 1 node", "ms", Most(1000.0), "/e/ocf:peer:Stamp/all started"),
    row("added", "200 resources added to 3 nodes -> last start", "ms", Open(false), "/memory/200 resources added to 3 nodes, until the last start, ms/1"),
    row("memory 1", "resident memory, 3 idle nodes, 1 resource", "MiB", Most(90.0), "/memory/memory, 1 resource/rss sum"),
    row("memory 200", "resident memory, 3 idle nodes, 200 resources", "MiB", Most(120.0), "/memory/memory, 200 resources/rss sum"),
    row("proportional memory 1", "proportional memory, 3 idle nodes, 1 resource", "MiB", Open(false), "/memory/memory, 1 resource/pss sum"),
    row("proportional memory 200", "proportional memory, 3 idle nodes, 200 resources", "MiB", Open(false), "/memory/memory, 200 resources/pss sum"),
    row("idle 1", "CPU of 3 idle nodes in 30 s, 1 resource", "ms", Most(300.0), "/memory/idle CPU, 1 resource/ms, all nodes"),
    row("idle 200", "CPU of 3 idle nodes in 30 s, 200 resources", "ms", Most(300.0), "/memory/idle CPU, 200 resources, no monitors/ms, all nodes"),
];

/// What was measured: all runs of each figure.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    all: BTreeMap<String, Vec<f64>>,
}

impl Figures {
    /// Takes the figure of one run, and says so.
    pub fn add(&mut self, key: &str, value: f64) {
        println!("    {key}: {value:.1}");
        self.all.entry(key.to_owned()).or_default().push(value);
    }

    /// The median of the runs.
    pub fn median(&self, key: &str) -> Option<f64> {
        self.all.get(key).map(|runs| median(runs))
    }
}

/// Our figures beside the peer's.
pub struct Table<'f> {
    /// Ours.
    pub ours: &'f Figures,
    /// The peer's, as its script writes them.
    pub peer: &'f serde_json::Value,
}

impl Table<'_> {
    fn rows(&self) -> impl Iterator<Item = (&'static Row, Option<f64>, Option<f64>)> {
        ROWS.iter().filter_map(|row| {
            let ours = self.ours.median(row.key);
            let peer = self.peer.pointer(row.peer).and_then(serde_json::Value::as_f64);
            (ours.is_some() || peer.is_some()).then_some((row, ours, peer))
        })
    }

    /// Prints it. How many of our figures miss what is wanted.
    pub fn print(&self) -> usize {
        let mut missed = 0;
        println!(
            "{:<58} {:<5} {:>9} {:>9} {:>7}  wanted",
            "figure (medians)", "unit", "ours", "peer", "ratio"
        );
        for (row, ours, peer) in self.rows() {
            let text = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.1}"));
            let ratio = ours.zip(peer).map(|(ours, peer)| match row.wanted {
                Most(_) | Open(false) => peer / ours,
                Least(_) | Open(true) => ours / peer,
            });
            let (wanted, met) = match row.wanted {
                Most(limit) => (format!("<= {limit}"), ours.is_none_or(|ours| ours <= limit)),
                Least(limit) => (format!(">= {limit}"), ours.is_none_or(|ours| ours >= limit)),
                Open(_) => (String::new(), true),
            };
            missed += usize::from(!met);
            println!(
                "{:<58} {:<5} {:>9} {:>9} {:>7}  {wanted}{}",
                row.what,
                row.unit,
                text(ours),
                text(peer),
                ratio.map_or(String::new(), |ratio| format!("{ratio:.1}x")),
                if met { "" } else { "  MISSED" }
            );
        }
        missed
    }

    /// The same for other programs.
    pub fn json(&self) -> serde_json::Value {
        let rows = self.rows().map(|(row, ours, peer)| {
            let wanted = match row.wanted {
                Most(limit) => serde_json::json!({ "most": limit }),
                Least(limit) => serde_json::json!({ "least": limit }),
                Open(_) => serde_json::Value::Null,
            };
            serde_json::json!({
                "figure": row.what, "unit": row.unit, "ours": ours, "peer": peer, "wanted": wanted,
                "runs": self.ours.all.get(row.key),
            })
        });
        serde_json::Value::Array(rows.collect())
    }
}
