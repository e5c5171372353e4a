//! Score and utilization lines (spec 41 §8).

use super::text::Entry;
use crate::model::score_line::ScoreLine;

/// Items in the order in which placement produced them.
pub fn items(lines: &[ScoreLine]) -> Vec<Entry> {
    lines.iter().map(|line| Entry::item(text(line))).collect()
}

fn text(line: &ScoreLine) -> String {
    let pairs = |values: &[(String, String)]| {
        values.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>()
    };
    match line {
        ScoreLine::Allocation { stage, resource, node, score } => {
            format!("{}: {resource} allocation score on {node}: {score}", stage.function())
        }
        ScoreLine::Promotion { resource, node: Some(node), score } => {
            format!("{resource} promotion score on {node}: {score}")
        }
        ScoreLine::Promotion { resource, node: None, score } => {
            format!("{resource} promotion score (inactive): {score}")
        }
        ScoreLine::Capacity { comment, node, values } => {
            format!("{comment}: {node} capacity:{}", pairs(values))
        }
        ScoreLine::Utilization { resource, node, values } => {
            format!("pcmk__assign_resource: {resource} utilization on {node}:{}", pairs(values))
        }
    }
}
