//! A survey as a table for terminals.

use policy_engine::simulate::Ending;
use policy_engine::survey::{Outcome, Report};
use std::fmt::Write;

/// The head of the table.
const HEAD: [&str; 8] =
    ["Failure", "End", "Actions", "Fenced", "Moved", "Needless", "Fewer", "Lost"];

/// How a scenario ended, in a word or two.
pub fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Stable => "stable".to_owned(),
        Ending::Loop { length, .. } => format!("LOOP of {length}"),
        Ending::TransitionBound(n) => format!("BOUND {n} transitions"),
        Ending::ActionBound(n) => format!("BOUND {n} actions"),
        Ending::Stuck => "stuck".to_owned(),
        Ending::Invalid(text) => format!("INVALID {text}"),
    }
}

/// Lines that no column has room for.
fn remarks(outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    if outcome.scenario.quorum_lost {
        out.push("quorum is lost".to_owned());
    }
    if !outcome.unpromoted.is_empty() {
        out.push(format!("promoted nowhere: {}", outcome.unpromoted.join(", ")));
    }
    for o in &outcome.overloaded {
        out.push(format!(
            "over capacity: {} needs {} {}, has {}",
            o.node, o.needed, o.attribute, o.capacity
        ));
    }
    if !outcome.uncertain.is_empty() {
        let resources = outcome.uncertain.join(", ");
        out.push(format!("may still run on a lost node: {resources}"));
    }
    out.extend(outcome.skipped.iter().map(|s| format!("could not happen: {s}")));
    out
}

/// The table, and a summary under it.
pub fn table(report: &Report) -> String {
    let rows: Vec<[String; 8]> = report.outcomes.iter().map(row).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths[7] = 0;
    let mut out = String::new();
    line(&mut out, &HEAD.map(str::to_owned), &widths);
    for (row, outcome) in rows.iter().zip(&report.outcomes) {
        line(&mut out, row, &widths);
        for remark in remarks(outcome) {
            let _ = writeln!(out, "  - {remark}");
        }
    }
    out.push('\n');
    out.push_str(&summary(report));
    out
}

fn row(o: &Outcome) -> [String; 8] {
    [
        o.scenario.to_string(),
        ending(&o.ending),
        o.actions.to_string(),
        o.fenced.len().to_string(),
        o.moved.len().to_string(),
        o.needless().count().to_string(),
        o.fewer.len().to_string(),
        if o.lost.is_empty() { "-".to_owned() } else { some(&o.lost) },
    ]
}

/// The first few names of a list.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names.len() {
        0..=SHOWN => names.join(" "),
        n => format!("{} and {} more", names[..SHOWN].join(" "), n - SHOWN),
    }
}

fn line(out: &mut String, cells: &[String; 8], widths: &[usize; 8]) {
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let _ = match i {
            0 | 1 => write!(out, "{cell:<width$}  "),
            7 => write!(out, "{cell}"),
            _ => write!(out, "{cell:>width$}  "),
        };
    }
    out.push('\n');
}

/// A few sentences.
pub fn summary(report: &Report) -> String {
    let count = |f: &dyn Fn(&Outcome) -> bool| report.outcomes.iter().filter(|o| f(o)).count();
    let harmless = count(&Outcome::is_harmless);
    let lossy = count(&|o| !o.lost.is_empty());
    let needless = count(&|o| o.needless().next().is_some());
    let mut out = format!(
        "{} scenarios: {harmless} without harm, {lossy} lose resources, {needless} move resources that \
         need not move.\n",
        report.outcomes.len()
    );
    let loops = count(&|o| matches!(o.ending, Ending::Loop { .. }));
    let bounds =
        count(&|o| matches!(o.ending, Ending::TransitionBound(_) | Ending::ActionBound(_)));
    if loops + bounds > 0 {
        let _ = writeln!(out, "{loops} never come to rest, {bounds} were given up at a bound.");
    }
    if report.baseline_actions > 0 {
        let _ = writeln!(
            out,
            "The cluster is not at rest now: it was brought to rest first ({} actions).",
            report.baseline_actions
        );
    }
    if report.baseline_ending != Ending::Stable {
        let ending = ending(&report.baseline_ending);
        let _ = writeln!(out, "Even without a failure it does not come to rest: {ending}.");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::input;
    use cib_model::DateTime;
    use policy_engine::survey::{Survey, survey};

    #[test]
    fn a_table_names_what_is_lost() {
        let cib = br#"<cib validate-with="pacemaker-4.0" admin_epoch="0" epoch="1" num_updates="0"
            have-quorum="1" dc-uuid="1"><configuration><crm_config/>
            <nodes><node id="1" uname="a"/><node id="2" uname="b"/></nodes>
            <resources><primitive id="fence" class="stonith" type="fence_dummy"/>
            <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/></resources>
            <constraints><rsc_location id="l" rsc="web" node="b" score="-INFINITY"/></constraints>
            </configuration><status>
            <node_state id="1" uname="a" in_ccm="true" crmd="online" join="member" expected="member"/>
            <node_state id="2" uname="b" in_ccm="true" crmd="online" join="member" expected="member"/>
            </status></cib>"#;
        let document = input::prepare(crate::survey::VOICE, cib, &mut |_| {}).expect("a valid CIB");
        let now = DateTime::from_epoch(1_700_000_000, 0);
        let text = table(&survey(&document, now, &Survey::default()));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("Failure  End     Actions"), "{text}");
        assert!(lines[1].starts_with("a        stable") && lines[1].ends_with("web"), "{text}");
        assert!(lines[2].starts_with("b        stable") && lines[2].ends_with(" -"), "{text}");
        assert!(lines[3].starts_with("a + b"), "{text}");
        assert!(text.contains("3 scenarios: 1 without harm, 2 lose resources"), "{text}");
        assert!(text.contains("brought to rest first"), "{text}");
    }
}
