//! A survey as one self-contained page: no file beside it, nothing from the network.

use super::plots::{self, Measure};
use super::table;
use policy_engine::simulate::Place;
use policy_engine::survey::{Outcome, Report};
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Text in HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The page.
pub fn page(report: &Report, title: &str) -> String {
    let title = escape(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Survey of {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Survey of {title}</h1>\n<p id=\"summary\">{}</p>\n",
        escape(table::summary(report).trim()).replace('\n', "<br>")
    );
    figure(
        &mut out,
        "singles",
        "Single failures: resources that are not where they were",
        &plots::singles_plot(report),
    );
    figure(
        &mut out,
        "pairs",
        match plots::pairs_measure(report) {
            Measure::Lost => {
                "Pairs of failures: resources lost (on the diagonal: by one failure alone). A dark \
                 frame marks scenarios that do not come to rest."
            }
            Measure::Moved => {
                "Pairs of failures: nothing is lost; resources that are not where they were (on the \
                 diagonal: by one failure alone). A dark frame marks scenarios that do not come to rest."
            }
        },
        &plots::pairs_plot(report),
    );
    scenarios(&mut out, report);
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

fn figure(out: &mut String, id: &str, caption: &str, svg: &str) {
    if !svg.is_empty() {
        let _ = writeln!(
            out,
            "<figure id=\"{id}\"><figcaption>{}</figcaption>\n{svg}</figure>",
            escape(caption)
        );
    }
}

fn scenarios(out: &mut String, report: &Report) {
    out.push_str(
        "<label><input type=\"checkbox\" id=\"harm\"> only scenarios with harm</label>\n\
         <table id=\"scenarios\">\n<thead><tr>",
    );
    for head in [
        "Failure",
        "End",
        "Actions",
        "Fenced",
        "Moved",
        "Without need",
        "Fewer",
        "Over capacity",
        "Lost",
    ] {
        let _ = write!(out, "<th><button type=\"button\">{head}</button></th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for outcome in &report.outcomes {
        row(out, outcome);
    }
    out.push_str("</tbody>\n</table>\n");
}

fn row(out: &mut String, o: &Outcome) {
    let class = if o.is_harmless() { "calm" } else { "harm" };
    let _ = write!(out, "<tr class=\"{class}\"><td>{}", escape(&o.scenario.to_string()));
    details(out, o);
    let _ = write!(out, "</td><td>{}</td>", escape(&table::ending(&o.ending)));
    for n in [
        o.actions,
        o.fenced.len(),
        o.moved.len(),
        o.needless().count(),
        o.fewer.len(),
        o.overloaded.len(),
        o.lost.len(),
    ] {
        let _ = write!(out, "<td>{n}</td>");
    }
    out.push_str("</tr>\n");
}

/// What a reader may unfold: everything that differs from the baseline.
fn details(out: &mut String, o: &Outcome) {
    let mut lines: Vec<String> = Vec::new();
    if o.scenario.quorum_lost {
        lines.push("quorum is lost".to_owned());
    }
    if !o.fenced.is_empty() {
        lines.push(format!("fenced: {}", o.fenced.join(", ")));
    }
    for m in &o.moved {
        let need = if m.needless { " (without need)" } else { "" };
        lines.push(format!("{}: {} → {}{need}", m.resource, places(&m.before), places(&m.after)));
    }
    for l in &o.overloaded {
        lines.push(format!("{} needs {} {}, has {}", l.node, l.needed, l.attribute, l.capacity));
    }
    if !o.uncertain.is_empty() {
        lines.push(format!("may still run on a lost node: {}", o.uncertain.join(", ")));
    }
    lines.extend(o.skipped.iter().map(|s| format!("could not happen: {s}")));
    if lines.is_empty() {
        return;
    }
    out.push_str("<details><summary>details</summary><ul>");
    for line in lines {
        let _ = write!(out, "<li>{}</li>", escape(&line));
    }
    out.push_str("</ul></details>");
}

fn places(places: &[Place]) -> String {
    if places.is_empty() {
        return "nowhere".to_owned();
    }
    let text = |p: &Place| match p.role {
        "Started" => p.node.clone(),
        role => format!("{} ({role})", p.node),
    };
    places.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_page() {
        assert_eq!(escape("<b a='1'>&\"</b>"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;&lt;/b&gt;");
    }
}
