//! Output for machines: the reference's XML, and JSON (spec 41 §9.5).

use super::Arguments;
use cib_model::Document;
use policy_engine::report::xml::{self, element};
use policy_engine::simulate::{End, SimulationReport};

/// Version of the XML interface.
const API_VERSION: &str = "2.42";

/// The run as one XML document.
pub fn xml(tool: &str, arguments: &Arguments, report: &SimulationReport) -> String {
    let mut out = Document::new("pacemaker-result");
    let root = out.root_id();
    let request: Vec<String> = std::iter::once(tool.to_owned())
        .chain(std::env::args().skip(1).skip_while(|a| a == "simulate"))
        .collect();
    out.set_attribute(root, "api-version", API_VERSION);
    out.set_attribute(root, "request", &request.join(" "));
    let data = &report.data;
    if !arguments.quiet {
        if let Some(status) = &data.cluster_status {
            let list = element(&mut out, root, "cluster_status", &[]);
            xml::snapshot(&mut out, list, status);
        }
        if !data.modifications.is_empty() {
            let list = element(&mut out, root, "modifications", &[]);
            for text in &data.modifications {
                element(&mut out, list, "modification", &[("text", text)]);
            }
        }
    }
    let title = match (arguments.show_scores, arguments.show_utilization) {
        (true, true) => Some("allocations_utilizations"),
        (true, false) => Some("allocations"),
        (false, true) => Some("utilizations"),
        (false, false) => None,
    };
    if let Some(title) = title {
        xml::scores(&mut out, root, title, &data.scores);
    }
    if !arguments.quiet {
        if let Some(summary) = &data.summary {
            xml::summary(&mut out, root, summary);
        }
        if data.revised_cluster_status.is_some() {
            xml::steps(&mut out, root, &data.executed);
        }
        if let Some(status) = &data.revised_cluster_status {
            let list = element(&mut out, root, "revised_cluster_status", &[]);
            xml::snapshot(&mut out, list, status);
        }
    }
    let (code, message) = match report.end {
        End::Ok => ("0", "OK"),
        End::InvalidTransition => ("1", "Error occurred"),
        End::Inconsistent(_) => ("70", "Internal software bug"),
    };
    let status = element(&mut out, root, "status", &[("code", code), ("message", message)]);
    if !report.errors.is_empty() {
        let errors = element(&mut out, status, "errors", &[]);
        for text in &report.errors {
            element(&mut out, errors, "error", &[("text", text)]);
        }
    }
    out.to_xml()
}

/// The run as one JSON object.
pub fn json(report: &SimulationReport) -> String {
    let mut text = serde_json::to_string_pretty(&report.data).unwrap_or_default();
    text.push('\n');
    text
}
