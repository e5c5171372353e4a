//! Plans and simulates the same inputs with Understudy and with the reference's `crm_simulate`, in turn, and
//! prints the ratios: of whole processes, and of a plan alone (what one more plan in the same process costs).

use benches::cluster::{Status, synthetic};
use benches::process::{Usage, median, wall};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Understudy beside crm_simulate, on the same inputs, in one run.
///
/// Needs target/release/node-daemon (cargo build --release) and, for the comparison, crm_simulate.
#[derive(Parser)]
struct Arguments {
    /// Further CIBs to plan.
    files: Vec<PathBuf>,
    /// Runs of each process; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Leaves the synthetic inputs out.
    #[arg(long)]
    only_files: bool,
    /// Fails this node in the files, as a second row.
    #[arg(long, value_name = "NODE")]
    down: Option<String>,
    /// A directory with CIBs, at any depth: all are parsed and planned in one process (--profile).
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
    /// Also simulates a new cluster of 16 nodes and 400 resources: the reference takes many minutes.
    #[arg(long)]
    patient: bool,
}

/// Plans in one process, to know what one costs.
const REPEAT: usize = 10;

struct Run {
    ours: PathBuf,
    runs: usize,
    directory: TempDir,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let run = Run {
        ours: std::env::current_exe()?.with_file_name("node-daemon"),
        runs: arguments.runs.max(1),
        directory: TempDir::new()?,
    };
    println!(
        "{:<24} {:<12} {:>10} {:>10} {:>8}   {:>9} {:>9}",
        "input", "what", "ours s", "peer s", "ratio", "ours MiB", "peer MiB"
    );
    if !arguments.only_files {
        run.synthetic(arguments.patient)?;
    }
    for path in &arguments.files {
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        run.plan(&name, path)?;
        if let Some(node) = &arguments.down {
            let down = run.directory.path().join("down.xml");
            // The peer writes it, so that both can read it.
            let made = Command::new("crm_simulate")
                .args(["-Q", "-x"])
                .arg(path)
                .args(["-d", node, "-I"])
                .arg(&down)
                .status();
            match made {
                Ok(status) if status.success() => {
                    run.plan(&format!("{name}, {node} down"), &down)?
                }
                _ => println!("{name}, {node} down: needs crm_simulate"),
            }
        }
    }
    if let Some(directory) = &arguments.profile {
        run.profile(directory)?;
    }
    Ok(())
}

impl Run {
    fn synthetic(&self, patient: bool) -> std::io::Result<()> {
        let inputs = [
            ("new-16x100", 16, 100, Status::New),
            ("new-32x1000", 32, 1000, Status::New),
            ("steady-16x400", 16, 400, Status::Steady),
            ("new-16x400", 16, 400, Status::New),
        ];
        for (name, nodes, resources, status) in inputs {
            let path = self.directory.path().join(format!("{name}.xml"));
            // A schema and names that every version of the peer reads.
            let text = synthetic(nodes, resources, status)
                .replace("pacemaker-4.0", "pacemaker-3.0")
                .replace("fencing-enabled", "stonith-enabled")
                .replace("3.20.5", "3.0.0");
            std::fs::write(&path, text)?;
            if (nodes, resources) == (16, 100)
                || (patient && (nodes, resources) == (16, 400) && status == Status::New)
            {
                self.compare(name, "simulate -S", &["-S", "-Q", "-x"], &path, 1)?;
            } else {
                self.plan(name, &path)?;
            }
        }
        Ok(())
    }

    /// The whole process with a plan and its report, then a plan alone.
    fn plan(&self, name: &str, path: &Path) -> std::io::Result<()> {
        self.compare(name, "process -R", &["-R", "-x"], path, self.runs)?;
        let directory = TempDir::new_in(self.directory.path())?;
        std::fs::copy(path, directory.path().join("input.xml"))?;
        let once = ["-N", "1", "-P"];
        let often = (REPEAT + 1).to_string();
        let more = ["-N", often.as_str(), "-P"];
        let alone = |tool: &Path, runs| -> std::io::Result<f64> {
            let one = median(runs, &mut || self.command(tool, &once, directory.path()))?;
            let many = median(runs, &mut || self.command(tool, &more, directory.path()))?;
            Ok((many.cpu - one.cpu) / REPEAT as f64)
        };
        let ours = alone(&self.ours, self.runs.max(3))?;
        match alone(Path::new("crm_simulate"), 1) {
            Ok(peer) => println!(
                "{name:<24} {:<12} {ours:>10.4} {peer:>10.3} {:>7.0}x",
                "plan alone",
                peer / ours.max(1e-6)
            ),
            Err(error) => {
                println!("{name:<24} {:<12} {ours:>10.4}   (crm_simulate: {error})", "plan alone")
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        name: &str,
        what: &str,
        does: &[&str],
        input: &Path,
        runs: usize,
    ) -> std::io::Result<()> {
        let Usage { cpu, peak_mib } =
            median(runs.max(3), &mut || self.command(&self.ours, does, input))?;
        match median(runs, &mut || self.command(Path::new("crm_simulate"), does, input)) {
            Ok(peer) => println!(
                "{name:<24} {what:<12} {cpu:>10.4} {:>10.3} {:>7.0}x   {peak_mib:>9.1} {:>9.1}",
                peer.cpu,
                peer.cpu / cpu.max(1e-6),
                peer.peak_mib
            ),
            Err(error) => println!(
                "{name:<24} {what:<12} {cpu:>10.4}   (crm_simulate: {error})   {peak_mib:>9.1}"
            ),
        }
        Ok(())
    }

    fn command(&self, tool: &Path, does: &[&str], input: &Path) -> Command {
        let mut command = Command::new(tool);
        if tool == self.ours {
            command.arg("simulate");
        }
        command.args(does).arg(input);
        command
    }

    /// All CIBs below a directory, parsed and planned in one process: elapsed time, as ours uses all cores.
    fn profile(&self, directory: &Path) -> std::io::Result<()> {
        let flat = TempDir::new_in(self.directory.path())?;
        let mut directories = vec![directory.to_owned()];
        let mut count = 0;
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|e| e == "xml") {
                    std::fs::copy(&path, flat.path().join(format!("{count}.xml")))?;
                    count += 1;
                }
            }
        }
        let name = format!("{count} inputs");
        let ours = wall(self.runs.max(5), &mut || self.command(&self.ours, &["-P"], flat.path()))?;
        match wall(self.runs, &mut || self.command(Path::new("crm_simulate"), &["-P"], flat.path()))
        {
            Ok(peer) => println!(
                "{name:<24} {:<12} {ours:>10.4} {peer:>10.3} {:>7.0}x   (elapsed)",
                "profile",
                peer / ours
            ),
            Err(error) => {
                println!("{name:<24} {:<12} {ours:>10.4}   (crm_simulate: {error})", "profile")
            }
        }
        Ok(())
    }
}
