//! `survey`: what would come of every failure, and every pair of failures.

mod arguments;
mod page;
mod plots;
mod table;

pub use arguments::Arguments;

use crate::simulate::{Voice, input, now};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use policy_engine::simulate::Request;
use policy_engine::survey::{Outcome, Report, Surveyor};
use rayon::prelude::*;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Once;
use std::time::{Duration, Instant};

/// Runs that take longer than this show how far they are.
const PATIENCE: Duration = Duration::from_secs(2);

const TOOL: &str = "node-daemon survey";
const VOICE: Voice = Voice { tool: TOOL, classic: false };

/// Why there is no survey.
#[derive(Debug, thiserror::Error)]
enum SurveyError {
    #[error("{}", .0.text(VOICE).unwrap_or_default())]
    Input(#[from] input::InputError),
    #[error("{TOOL}: --threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error("{TOOL}: nothing to survey: no {0} is up or active")]
    Nothing(&'static str),
    #[error("{TOOL}: could not write '{path}': {reason}")]
    Output { path: String, reason: std::io::Error },
    #[error("{TOOL}: could not write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Runs with arguments.
pub fn run(arguments: &Arguments) -> ExitCode {
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            match error {
                SurveyError::Input(input) => ExitCode::from(input.exit_code()),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), SurveyError> {
    let bytes = input::read(VOICE, arguments.file())?;
    let document = input::prepare(VOICE, &bytes, &mut |line| eprintln!("{line}"))?;
    let time = Request { now: Some(now()), ..Request::default() }.evaluation_time(&document);
    let surveyor = Surveyor::prepare(&document, time, &arguments.survey());
    if surveyor.scenarios().is_empty() {
        let wanted = if arguments.resources_only { "resource" } else { "node" };
        return Err(SurveyError::Nothing(wanted));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let outcomes = pool.install(|| all(&surveyor));
    let report = surveyor.report(outcomes);
    write(arguments, &report)
}

/// Runs all scenarios on all threads; their order stays.
fn all(surveyor: &Surveyor) -> Vec<Outcome> {
    let scenarios = surveyor.scenarios();
    let bar =
        ProgressBar::with_draw_target(Some(scenarios.len() as u64), ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} scenarios, {eta} left") {
        bar.set_style(style);
    }
    let (started, shown) = (Instant::now(), Once::new());
    let outcomes = scenarios
        .par_iter()
        .map(|scenario| {
            let outcome = surveyor.run(scenario);
            bar.inc(1);
            if started.elapsed() > PATIENCE {
                // Draws only if standard error is a terminal.
                shown.call_once(|| bar.set_draw_target(ProgressDrawTarget::stderr()));
            }
            outcome
        })
        .collect();
    bar.finish_and_clear();
    outcomes
}

fn write(arguments: &Arguments, report: &Report) -> Result<(), SurveyError> {
    if let Some(path) = &arguments.html {
        save(path, &page::page(report, &arguments.title()))?;
    }
    if arguments.json {
        let mut json = serde_json::to_string_pretty(report)?;
        json.push('\n');
        save(Path::new("-"), &json)
    } else if arguments.html.is_none() || arguments.table {
        save(Path::new("-"), &table::table(report))
    } else {
        Ok(())
    }
}

fn save(path: &Path, text: &str) -> Result<(), SurveyError> {
    let result = if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::fs::write(path, text)
    };
    result.map_err(|reason| SurveyError::Output { path: path.display().to_string(), reason })
}
