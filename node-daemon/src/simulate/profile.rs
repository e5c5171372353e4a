//! `--profile`: schedule every file of a directory, and say how long each took.

use super::{Voice, input};
use cib_model::DateTime;
use policy_engine::simulate::Request;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Schedules `repeat` times every file `*.xml` of a directory, in alphabetical order. Files that cannot
/// be upgraded or validated are skipped.
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
    for path in files {
        let started = Instant::now();
        let Ok(bytes) = input::read(voice, Some(&path)) else {
            continue;
        };
        let Ok(document) = input::prepare(voice, &bytes, &mut |_| {}) else {
            continue;
        };
        let document = Arc::new(document);
        let request = Request {
            run: true,
            quiet: true,
            sanitized: true,
            now: Some(now),
            ..Request::default()
        };
        for _ in 0..repeat.max(0) {
            policy_engine::simulate::run(Arc::clone(&document), &request);
        }
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        println!("  * Testing {name}: {:.2} secs", started.elapsed().as_secs_f64());
    }
    Ok(0)
}
