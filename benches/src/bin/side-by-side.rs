//! Plans and simulates the same inputs with Understudy and with the reference's `crm_simulate`, whole
//! processes in turn, and prints the ratios.
//!
//! usage: side-by-side [--runs N] [CIB ...]     (files besides the synthetic inputs)
//!
//! Needs `target/release/node-daemon`, and `crm_simulate` for the comparison.

use benches::cluster::{Status, synthetic};
use benches::process::{Usage, median};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> std::io::Result<()> {
    let mut runs = 3;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--runs" {
            runs = args.next().and_then(|n| n.parse().ok()).unwrap_or(runs);
        } else {
            files.push(arg.into());
        }
    }
    let ours = std::env::current_exe()?.with_file_name("node-daemon");
    let directory = std::env::temp_dir().join("understudy-side-by-side");
    std::fs::create_dir_all(&directory)?;
    let inputs = [
        ("new-16x400", 16, 400, Status::New),
        ("new-32x1000", 32, 1000, Status::New),
        ("steady-16x400", 16, 400, Status::Steady),
    ];
    println!(
        "{:<24} {:>6}  {:>10} {:>10} {:>8}   {:>9} {:>9}",
        "input", "does", "ours s", "peer s", "ratio", "ours MiB", "peer MiB"
    );
    for (name, nodes, resources, status) in inputs {
        let path = directory.join(format!("{name}.xml"));
        let text = synthetic(nodes, resources, status)
            .replace("pacemaker-4.0", "pacemaker-3.0")
            .replace("fencing-enabled", "stonith-enabled")
            .replace("3.20.5", "3.0.0");
        std::fs::write(&path, text)?;
        compare(&ours, name, &path, "-R", runs)?;
        if status == Status::New && resources <= 400 {
            compare(&ours, name, &path, "-S", 1)?;
        }
    }
    for path in files {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        compare(&ours, &name, &path, "-R", runs)?;
    }
    Ok(())
}

fn compare(ours: &Path, name: &str, input: &Path, does: &str, runs: usize) -> std::io::Result<()> {
    let command = |tool: &Path| {
        let mut c = Command::new(tool);
        if tool == ours {
            c.arg("simulate");
        }
        c.arg("-x").arg(input).arg(does).arg("-Q");
        c
    };
    let mine = median(runs.max(3), &mut || command(ours))?;
    let peer = median(runs, &mut || command(Path::new("crm_simulate")));
    match peer {
        Ok(peer) => println!(
            "{name:<24} {does:>6}  {:>10.3} {:>10.3} {:>7.0}x   {:>9.1} {:>9.1}",
            mine.cpu,
            peer.cpu,
            peer.cpu / mine.cpu.max(1e-6),
            mine.peak_mib,
            peer.peak_mib
        ),
        Err(error) => {
            let Usage { cpu, peak_mib } = mine;
            println!(
                "{name:<24} {does:>6}  {cpu:>10.3}   (crm_simulate: {error})   {peak_mib:>9.1}"
            );
        }
    }
    Ok(())
}
