//! `--profile`: schedule every file of a directory, and say how long each took.

use super::{Voice, input};
use cib_model::DateTime;
use policy_engine::simulate::Request;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
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
    // Lines appear in the order of the files, each as soon as all before it are done.
    let (done, results) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            files.par_iter().enumerate().for_each_with(done, |done, (i, path)| {
                // The receiver lives as long as this scope.
                let _ = done.send((i, time(voice, path, repeat, now)));
            });
        });
        let mut early: BTreeMap<usize, Option<f64>> = BTreeMap::new();
        let mut next = 0;
        for (i, seconds) in results {
            early.insert(i, seconds);
            while let Some(seconds) = early.remove(&next) {
                if let Some(seconds) = seconds {
                    let name = files[next].file_name().and_then(|n| n.to_str()).unwrap_or_default();
                    println!("  * Testing {name}: {seconds:.2} secs");
                }
                next += 1;
            }
        }
    });
    Ok(0)
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
