//! `--profile`: schedule every file of a directory, and say how long each took.

use super::{Voice, input};
use cib_model::DateTime;
use policy_engine::simulate::Request;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Schedules `repeat` times every file `*.xml` of a directory, in alphabetical order. Files that cannot
/// be upgraded or validated are skipped. Files are worked on side by side, on all cores.
pub fn run(voice: Voice, directory: &Path, repeat: i64, now: DateTime) -> Result<u8, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| {
        format!("{}: {}: {}", voice.tool, directory.display(), input::cause(&error))
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.ends_with(".xml") && !name.starts_with('.') && path.is_file()
        })
        .collect();
    files.sort();
    println!("Timings:");
    let lines = Mutex::new(Lines { files: &files, early: BTreeMap::new(), next: 0 });
    files.par_iter().enumerate().for_each(|(i, path)| {
        let seconds = time(voice, path, repeat, now);
        lines.lock().unwrap_or_else(PoisonError::into_inner).put(i, seconds);
    });
    Ok(0)
}

/// The lines of the report, in the order of the files: each is printed as soon as all before it are
/// known, by whoever makes that so, since waking another thread for each costs more than printing.
struct Lines<'f> {
    files: &'f [PathBuf],
    early: BTreeMap<usize, Option<f64>>,
    next: usize,
}

impl Lines<'_> {
    fn put(&mut self, file: usize, seconds: Option<f64>) {
        self.early.insert(file, seconds);
        while let Some(seconds) = self.early.remove(&self.next) {
            if let Some(seconds) = seconds {
                let name = self.files[self.next].file_name().and_then(|name| name.to_str());
                println!("  * Testing {}: {seconds:.2} secs", name.unwrap_or_default());
            }
            self.next += 1;
        }
    }
}

/// Seconds that a file takes; none if it is skipped.
fn time(voice: Voice, path: &Path, repeat: i64, now: DateTime) -> Option<f64> {
    let started = Instant::now();
    let bytes = input::read(voice, Some(path)).ok()?;
    let document = Arc::new(input::prepare(voice, &bytes, &mut |_| {}).ok()?);
    let request =
        Request { run: true, quiet: true, sanitized: true, now: Some(now), ..Request::default() };
    for _ in 0..repeat.max(0) {
        policy_engine::simulate::run(Arc::clone(&document), &request);
    }
    Some(started.elapsed().as_secs_f64())
}
