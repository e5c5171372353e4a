//! The figures of another cluster stack, measured by a script of its own: it is called as
//! `SCRIPT measure --only PARTS --runs N --json FILE`.

use std::path::Path;
use std::process::Command;

use super::Failure;

/// Runs the script.
///
/// # Errors
/// When it fails, or what it writes is no JSON.
pub fn measure(
    script: &Path,
    parts: &str,
    tokens: &str,
    runs: usize,
) -> Result<serde_json::Value, Failure> {
    let file = std::env::temp_dir().join(format!("understudy-peer-{}.json", std::process::id()));
    let status = Command::new(script)
        .args(["measure", "--only", parts, "--tokens", tokens, "--runs", &runs.to_string()])
        .arg("--json")
        .arg(&file)
        .status()
        .map_err(|error| format!("{}, which must be executable: {error}", script.display()))?;
    if !status.success() {
        return Err(format!("{}: {status}", script.display()).into());
    }
    let text = std::fs::read_to_string(&file)?;
    let _ = std::fs::remove_file(&file);
    Ok(serde_json::from_str(&text)?)
}
