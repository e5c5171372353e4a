//! A whole simulator run with everything it prints (spec 40 §1, 41 §2).

use super::execute::{self, Executed};
use super::inject::{self, Injections};
use super::step::Step;
use super::working::{Working, WorkingError};
use crate::model::cluster::{Cluster, Switches};
use crate::model::score_line::ScoreLine;
use crate::report::scores;
use crate::report::snapshot::Snapshot;
use crate::report::status::{self, Display};
use crate::report::summary::Summary;
use crate::report::text::{Entry, Style, render};
use crate::schedule::{schedule, unpack};
use crate::transition::Transition;
use crate::transition::executor::Progress;
use cib_model::{DateTime, Document};
use std::sync::Arc;

/// What a simulator run shall do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Schedule.
    pub run: bool,
    /// Schedule and execute.
    pub simulate: bool,
    /// Node attributes in listings.
    pub show_attributes: bool,
    /// Fail counts and failed operations in listings.
    pub show_failcounts: bool,
    /// Score lines.
    pub show_scores: bool,
    /// Utilization lines.
    pub show_utilization: bool,
    /// Essential output only.
    pub quiet: bool,
    /// Draw the transition as DOT.
    pub dot: bool,
    /// DOT shows optional actions too.
    pub all_actions: bool,
    /// DOT names carry action ids.
    pub dot_numbers: bool,
    /// Private parameters of the input may be masked.
    pub sanitized: bool,
    /// Evaluation time as typed (for the report) and read.
    pub date: Option<(String, DateTime)>,
    /// Actual time; used when neither `date` nor the input says one, and for what is recorded.
    pub now: Option<DateTime>,
    /// Events.
    pub injections: Injections,
    /// Operations that fail when executed.
    pub op_fail: Vec<String>,
    /// Collect [`RunData`] for machines.
    pub data: bool,
}

impl Request {
    /// The time that decides about rules and timeouts: the one asked for, else the one the input was
    /// recorded at, else the actual time.
    pub fn evaluation_time(&self, document: &Document) -> DateTime {
        if let Some((_, date)) = &self.date {
            return *date;
        }
        let actual = self.now.unwrap_or_else(|| DateTime::from_epoch(0, 0));
        match execution_date(document) {
            Some(epoch) => DateTime::from_epoch(epoch, actual.offset()),
            None => actual,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Ok,
    /// The transition could not be completed.
    InvalidTransition,
    /// The input contradicts itself.
    Inconsistent(String),
}

/// What a run leaves to be saved.
#[derive(Debug, Clone, Default)]
pub struct Artifacts {
    /// The CIB after injections.
    pub input: Option<Arc<Document>>,
    /// The transition.
    pub transition: Option<Transition>,
    /// The transition as DOT, if asked for.
    pub dot: Option<String>,
    /// The CIB at the end.
    pub output: Option<Arc<Document>>,
}

/// Result of a run.
#[derive(Debug, Clone)]
pub struct SimulationReport {
    /// Standard output.
    pub text: String,
    /// Lines for standard error.
    pub errors: Vec<String>,
    /// How it ended.
    pub end: End,
    /// What can be saved.
    pub artifacts: Artifacts,
    /// The same for machines, if asked for.
    pub data: RunData,
}

/// What a run found and did, as data.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct RunData {
    /// Status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_status: Option<Snapshot>,
    /// What was injected, as lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modifications: Vec<String>,
    /// Scores and utilization, as far as asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<ScoreLine>,
    /// What changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The transition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
    /// What was executed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executed: Vec<Step>,
    /// Status afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_cluster_status: Option<Snapshot>,
}

/// Everything printed so far.
struct Output {
    text: String,
    quiet: bool,
    style: Style,
}

impl Output {
    fn info(&mut self, text: &str) {
        if !self.quiet {
            self.text.push_str(text);
            self.text.push('\n');
        }
    }

    /// A titled list at the top level, after an empty line if something was printed.
    fn section(&mut self, title: &str, entries: Vec<Entry>) {
        if !self.quiet {
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            render(&[Entry::list(title, entries)], 0, Style::Fancy, &mut self.text);
        }
    }
}

/// Runs the simulator on a document that is upgraded and has a `status`.
pub fn run(document: impl Into<Arc<Document>>, request: &Request) -> SimulationReport {
    let document = document.into();
    let style = if request.quiet && request.show_scores { Style::Plain } else { Style::Fancy };
    let mut out = Output { text: String::new(), quiet: request.quiet, style };
    let mut errors = Vec::new();
    let mut artifacts = Artifacts::default();
    let mut data = RunData::default();
    let end = match stages(document, request, &mut out, &mut errors, &mut artifacts, &mut data) {
        Ok(true) => End::Ok,
        Ok(false) => End::InvalidTransition,
        Err(error) => End::Inconsistent(error.to_string()),
    };
    SimulationReport { text: out.text, errors, end, artifacts, data }
}

/// False if the transition could not be completed.
fn stages(
    document: Arc<Document>,
    request: &Request,
    out: &mut Output,
    errors: &mut Vec<String>,
    artifacts: &mut Artifacts,
    data: &mut RunData,
) -> Result<bool, WorkingError> {
    let actual = request.now.unwrap_or_else(|| DateTime::from_epoch(0, 0));
    let mut working = Working::new(document, actual.epoch());
    effective_date(request, working.document(), out);
    look_and_inject(&mut working, request, out, errors, data)?;
    artifacts.input = Some(working.snapshot());
    if !(request.run || request.simulate || request.show_scores || request.show_utilization) {
        artifacts.output = Some(working.into_document());
        return Ok(true);
    }
    let document = working.snapshot();
    let generated = crate::input::generate(&document);
    let mut cluster = read(&document, &generated, request);
    let transition = schedule(&mut cluster, 1);
    list_scores(&cluster, request, out);
    let told = Summary::of(&cluster);
    out.section("Transition Summary", told.items());
    if request.data {
        data.summary = Some(told);
        data.scores = cluster.score_lines.clone();
        data.transition = Some(transition.clone());
    }
    if request.dot {
        artifacts.dot = Some(crate::graph::dot(&cluster, request.all_actions, request.dot_numbers));
    }
    let mut completed = true;
    let transition = if request.simulate {
        let executed = execute::execute(&mut working, &cluster, transition, &request.op_fail);
        completed = executed.end == Progress::Complete;
        tell_executed(&working, executed, request, out, errors, data)
    } else {
        transition
    };
    artifacts.transition = Some(transition);
    artifacts.output = Some(working.into_document());
    Ok(completed)
}

/// The status as it is, and then with the events that are asked for.
fn look_and_inject(
    working: &mut Working,
    request: &Request,
    out: &mut Output,
    errors: &mut Vec<String>,
    data: &mut RunData,
) -> Result<(), WorkingError> {
    let injections = &request.injections;
    let shown = !request.quiet || request.data;
    if !shown && !injections.any() {
        return Ok(());
    }
    let document = working.snapshot();
    let generated = crate::input::generate(&document);
    let looks = shown || !injections.operations.is_empty();
    let mut cluster = looks.then(|| read(&document, &generated, request));
    if let Some(cluster) = &mut cluster {
        list_status(cluster, request, out, "Current cluster status", true);
        data.cluster_status = request.data.then(|| Snapshot::of(cluster, true));
    }
    if injections.any() {
        working.create_nodes = !injections.node_up.is_empty();
        let mut injected = inject::apply(working, injections)?;
        if let Some(cluster) = &cluster {
            inject::apply_operations(working, cluster, injections, &mut injected)?;
        }
        if request.data {
            data.modifications.extend(injected.entries.iter().map(Entry::text));
        }
        out.section("Performing Requested Modifications", injected.entries);
        errors.extend(injected.skipped);
        effective_date(request, working.document(), out);
    }
    Ok(())
}

/// What was executed, and the status afterwards; gives the transition back.
fn tell_executed(
    working: &Working,
    executed: Executed,
    request: &Request,
    out: &mut Output,
    errors: &mut Vec<String>,
    data: &mut RunData,
) -> Transition {
    let entries = executed.steps.iter().map(Step::entry).collect();
    out.section("Executing Cluster Transition", entries);
    if request.data {
        data.executed = executed.steps;
    }
    errors.extend(executed.errors);
    if executed.end != Progress::Complete {
        errors.push("Transition failed: terminated".to_owned());
        errors.push("An invalid transition was produced".to_owned());
    }
    if !request.quiet || request.data {
        let document = working.document();
        effective_date(request, document, out);
        let generated = crate::input::generate(document);
        let mut cluster = read(document, &generated, request);
        list_status(&mut cluster, request, out, "Revised Cluster Status", false);
        data.revised_cluster_status = request.data.then(|| Snapshot::of(&cluster, false));
    }
    executed.transition
}

fn read<'d>(document: &'d Document, generated: &'d Document, request: &Request) -> Cluster<'d> {
    let now = request.evaluation_time(document);
    let switches = Switches {
        sanitized: request.sanitized,
        scores: request.show_scores,
        utilization: request.show_utilization,
        trace: false,
    };
    unpack(document, generated, now, switches)
}

fn execution_date(document: &Document) -> Option<i64> {
    document.root().attribute("execution-date").and_then(|d| d.parse().ok())
}

/// The line that tells which time counts (spec 40 §7).
fn effective_date(request: &Request, document: &Document, out: &mut Output) {
    if let Some((typed, _)) = &request.date {
        out.info(&format!("Setting effective cluster time: {typed}"));
    } else if let Some(epoch) = execution_date(document) {
        let at = DateTime::from_epoch(epoch, 0);
        out.info(&format!(
            "Using the original execution date of: {:04}-{:02}-{:02} {:02}:{:02}:{:02}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        ));
    }
}

fn list_status(
    cluster: &mut Cluster<'_>,
    request: &Request,
    out: &mut Output,
    title: &str,
    first: bool,
) {
    if request.quiet {
        return;
    }
    let mut display = Display::simulator(first);
    display.attributes = request.show_attributes;
    display.failcounts = request.show_failcounts;
    display.failures = request.show_failcounts;
    let mut banner = false;
    if first {
        banner = announce(cluster, out);
    }
    let entries = status::listing(cluster, &display);
    if !first || banner {
        out.text.push('\n');
    }
    render(&[Entry::list(title, entries)], 0, Style::Fancy, &mut out.text);
}

/// Maintenance banner and counts; true if something was printed.
fn announce(cluster: &Cluster<'_>, out: &mut Output) -> bool {
    let mut printed = false;
    if cluster.options.maintenance_mode {
        out.info("\n              *** Resource management is DISABLED ***");
        out.info("  The cluster will not attempt to start, stop or recover services");
        printed = true;
    }
    let counts = cluster.counts;
    if counts.disabled > 0 || counts.blocked > 0 {
        if printed {
            out.info("");
        }
        out.info(&format!(
            "{} of {} resource instances DISABLED and {} BLOCKED from further action due to failure",
            counts.disabled, counts.instances, counts.blocked
        ));
        printed = true;
    }
    printed
}

fn list_scores(cluster: &Cluster<'_>, request: &Request, out: &mut Output) {
    let title = match (request.show_scores, request.show_utilization) {
        (true, true) => "Assignment Scores and Utilization Information",
        (true, false) => "Assignment Scores",
        (false, true) => "Utilization Information",
        (false, false) => return,
    };
    let items = scores::items(&cluster.score_lines);
    if !request.quiet {
        out.text.push('\n');
        render(&[Entry::list(title, items)], 0, Style::Fancy, &mut out.text);
    } else {
        render(&items, 0, out.style, &mut out.text);
        out.text.push('\n');
    }
}
