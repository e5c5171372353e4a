//! Looks all the time, from outside of all nodes, which servers run on the data.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::background::Background;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// All servers, by process id.
    pub seen: BTreeSet<u32>,
    pub most_at_once: usize,
    pub looks: u64,
}

pub struct Witness {
    servers: Arc<Mutex<Servers>>,
    work: Background,
}

/// The servers that run on the data now: processes called with its directory which are no children of one.
fn servers(data: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|text| text.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let program = words[0].ends_with(b"/bin/postgres");
        if program && words.contains(&data.as_bytes()) && is_leader(&entry.path(), data) {
            found.insert(pid);
        }
    }
    found
}

/// A server's child carries its words until it gives itself a title.
fn is_leader(process: &Path, data: &str) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
    let Some(parent) = parent else { return false };
    let line = fs::read(Path::new("/proc").join(parent).join("cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    !(words[0].ends_with(b"/bin/postgres") && words.contains(&data.as_bytes()))
}

impl Witness {
    pub fn watch(data: PathBuf) -> Witness {
        let servers_seen = Arc::new(Mutex::new(Servers::default()));
        let notes = servers_seen.clone();
        let data = data.display().to_string();
        let work = Background::start(move || {
            let now = servers(&data);
            let mut notes = notes.lock().unwrap();
            notes.looks += 1;
            notes.most_at_once = notes.most_at_once.max(now.len());
            notes.seen.extend(now);
            drop(notes);
            thread::sleep(Duration::from_millis(10));
        });
        Witness { servers: servers_seen, work }
    }

    /// How many ran at once at most, so far.
    pub fn most_at_once(&self) -> usize {
        self.servers.lock().unwrap().most_at_once
    }

    /// Ends; what was seen.
    pub fn stop(self) -> Servers {
        drop(self.work);
        self.servers.lock().unwrap().clone()
    }
}
