//! The status as a page (spec 41 §9.6).

use policy_engine::report::text::Entry;

use super::Look;
use crate::tools::output::escape;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<title>Cluster Status</title>
<meta charset="utf-8">
<style>.bold { font-weight: bold }
.online { color: green }
.offline { color: red }
.maint { color: blue }
.standby { color: blue }
.health_red { color: red }
.health_yellow { color: GoldenRod }
.rsc-failed { color: red }
.rsc-failure-ignored { color: DarkGreen }
.rsc-managed { color: blue }
.rsc-multiple { color: orange }
.rsc-ok { color: green }
.warning { color: red; font-weight: bold }</style>
</head>
<body>
"#;

/// The page of a listing.
pub fn html(entries: &[Entry], look: &Look) -> String {
    let mut out = HEAD.to_owned();
    for entry in entries {
        match entry {
            Entry::List { title, entries } if title == "Node List" => {
                out.push_str("<h2>Node List</h2>\n<ul>\n");
                nodes(look, &mut out);
                // Nodes with their resources below them are lists.
                items(&lists(entries), title, &mut out);
                out.push_str("</ul>\n");
            }
            Entry::List { title, entries } => {
                out.push_str(&format!("<h2>{}</h2>\n<ul>\n", escape(title)));
                items(entries, title, &mut out);
                out.push_str("</ul>\n");
            }
            Entry::Item { text, .. } | Entry::Info(text) => {
                out.push_str(&format!("<span class=\"warning\">{}</span>\n", escape(text.trim())));
            }
            Entry::Spacer => {}
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn lists(entries: &[Entry]) -> Vec<Entry> {
    entries.iter().filter(|entry| matches!(entry, Entry::List { .. })).cloned().collect()
}

fn nodes(look: &Look, out: &mut String) {
    for node in &look.monitored.snapshot.nodes {
        let (class, state) =
            if node.online { ("online", " online") } else { ("offline", " OFFLINE") };
        let mut line = format!(
            "<span class=\"bold\">{}:</span><span class=\"{class}\">{state}</span>",
            escape(&node.name)
        );
        if node.standby || node.standby_onfail {
            let why = if node.standby_onfail { " due to on-fail" } else { "" };
            let busy = if node.resources_running > 0 { ", with active resources" } else { "" };
            line.push_str(&format!("<span class=\"standby\"> (in standby{why}{busy})</span>"));
        }
        if node.maintenance {
            line.push_str("<span class=\"maint\"> (in maintenance mode)</span>");
        }
        out.push_str(&format!("<li>\n{line}\n</li>\n"));
    }
}

fn items(entries: &[Entry], section: &str, out: &mut String) {
    for entry in entries {
        match entry {
            Entry::List { title, entries } => {
                out.push_str(&format!("<li>\n<h3>{}</h3>\n<ul>\n", escape(title)));
                items(entries, section, out);
                out.push_str("</ul>\n</li>\n");
            }
            Entry::Item { label: Some(label), text } => {
                let (label, text) = (escape(label), escape(text.trim_start()));
                out.push_str(&format!(
                    "<li>\n<span class=\"bold\">{label}: </span><span>{text}</span>\n</li>\n"
                ));
            }
            Entry::Item { text, .. } if section.ends_with("Resources") && text.contains('\t') => {
                let class = class_of(text);
                out.push_str(&format!(
                    "<li><span class=\"{class}\">{}</span></li>\n",
                    escape(text)
                ));
            }
            Entry::Item { text, .. } if section == "Cluster Summary" => {
                out.push_str(&format!("<li><span>{}</span></li>\n", escape(text)));
            }
            Entry::Item { text, .. } | Entry::Info(text) => {
                out.push_str(&format!("<li>{}</li>\n", escape(text)));
            }
            Entry::Spacer => {}
        }
    }
}

/// How a resource's line is coloured.
fn class_of(line: &str) -> &'static str {
    let state = line.rsplit('\t').next().unwrap_or_default();
    if state.contains("unmanaged") || state.contains("maintenance") {
        "rsc-managed"
    } else if state.contains("FAILED") || state.trim_start().starts_with("Stopped") {
        "rsc-failed"
    } else if state.contains('[') {
        "rsc-multiple"
    } else if state.contains("failure ignored") {
        "rsc-failure-ignored"
    } else {
        "rsc-ok"
    }
}
