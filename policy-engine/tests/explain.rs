//! Explanations against what the plan reports: every score is the sum of its contributions, every action of
//! the transition has a cause.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use cib_model::{DateTime, Document, Score};
use policy_engine::explain::{ActionStory, Decision, Kind, Loss, Outcome, Placement};
use policy_engine::{Options, Plan, ScoreLine, plan};
use std::collections::BTreeMap;
use std::path::Path;

/// Time of inputs that do not say when they were recorded.
const NOW: i64 = 1_790_000_000;

/// Plans with everything recorded.
fn explained(document: &Document) -> Plan {
    let now =
        document.root().attribute("execution-date").and_then(|d| d.parse().ok()).unwrap_or(NOW);
    let options = Options { scores: true, explain: true, sanitized: true, ..Options::default() };
    plan(document, DateTime::from_epoch(now, 0), &options)
}

/// What is wrong with the explanations of a plan.
fn complaints(plan: &Plan) -> Vec<String> {
    let record = plan.record.as_ref().expect("a record was asked for");
    let mut out = Vec::new();
    // History of another resource of the same name makes a second one, which is not reported.
    let mut placements: BTreeMap<&str, &Placement> = BTreeMap::new();
    for placement in &record.placements {
        let reported = placement.nodes.iter().any(|n| n.reported.is_some());
        if reported || !placements.contains_key(placement.resource.as_str()) {
            placements.insert(&placement.resource, placement);
        }
    }
    let mut tables: BTreeMap<(&str, &str), Score> = BTreeMap::new();
    let mut ranks: BTreeMap<&str, Score> = BTreeMap::new();
    for line in &plan.scores {
        match line {
            ScoreLine::Allocation { resource, node, score, .. } => {
                tables.insert((resource, node), *score);
            }
            ScoreLine::Promotion { resource, score, .. } => {
                ranks.insert(resource, *score);
            }
            _ => {}
        }
    }
    for ((resource, node), score) in tables {
        let story = placements.get(resource).and_then(|p| p.nodes.iter().find(|n| n.node == node));
        match story {
            None => out.push(format!("{resource} on {node}: no story")),
            Some(story) => {
                let mut at = None;
                for c in &story.contributions {
                    if at.is_some() && c.before != at {
                        out.push(format!(
                            "{resource} on {node}: gap before '{}': {:?} then {:?}",
                            c.source.text, at, c.before
                        ));
                    }
                    at = Some(c.after);
                }
                let decided = story.later.last().map_or(story.score, |c| c.after);
                if decided != story.score {
                    out.push(format!(
                        "{resource} on {node}: decided by {decided}, not {}",
                        story.score
                    ));
                }
                let sum = story.contributions.last().map(|c| c.after);
                if sum != Some(score) || story.reported != Some(score) {
                    out.push(format!("{resource} on {node}: explained {sum:?}, reported {score}"));
                }
            }
        }
    }
    for (resource, score) in ranks {
        let told = placements.get(resource).and_then(|p| p.promotion.as_ref());
        let sum = told
            .and_then(|p| p.clone.last().map(|c| c.after).or(p.priority.last().map(|s| s.after)));
        if sum != Some(score) || told.map(|p| p.score) != Some(score) {
            out.push(format!("{resource}: promotion explained {sum:?}, reported {score}"));
        }
    }
    for placement in &record.placements {
        check_outcomes(placement, &mut out);
    }
    for action in &record.actions {
        check_action(action, &mut out);
    }
    if record.actions.iter().filter(|a| a.in_transition()).count() != plan.transition.synapses.len()
    {
        out.push("not as many actions in the transition as synapses".to_owned());
    }
    out
}

/// Where nodes were compared, the chosen one is the assigned one, and everybody else lost for a reason.
fn check_outcomes(placement: &Placement, out: &mut Vec<String>) {
    if placement.decision != Decision::Scores {
        return;
    }
    let id = &placement.resource;
    let chosen: Vec<&str> = placement
        .nodes
        .iter()
        .filter(|n| n.outcome == Outcome::Chosen)
        .map(|n| n.node.as_str())
        .collect();
    if chosen != placement.assigned.as_deref().into_iter().collect::<Vec<_>>() {
        out.push(format!("{id}: chosen {chosen:?}, assigned {:?}", placement.assigned));
    }
    for node in &placement.nodes {
        let wrong = match &node.outcome {
            Outcome::Lost(Loss::NegativeScore) => node.score >= Score::ZERO,
            Outcome::Lost(Loss::LowerScore { than }) => node.score >= *than,
            Outcome::Lost(Loss::HigherLoad { load, than }) => load <= than,
            Outcome::Lost(Loss::Unavailable(state)) => state.is_empty(),
            _ => false,
        };
        if wrong {
            out.push(format!("{id} on {}: {} but {:?}", node.node, node.score, node.outcome));
        }
    }
}

fn check_action(action: &ActionStory, out: &mut Vec<String>) {
    let mut chains = Vec::new();
    if action.in_transition() {
        chains.push(&action.because);
    }
    if !action.blocked_by.is_empty() {
        chains.push(&action.blocked_by);
    }
    for chain in chains {
        match chain.last() {
            None => out.push(format!("{}: no cause", action.key)),
            Some(root) if !root.kind.is_root() || root.kind == Kind::Unexplained => {
                out.push(format!(
                    "{} on {:?}: ends in {:?} '{}'",
                    action.key, action.node, root.kind, root.text
                ));
            }
            Some(_) => {}
        }
    }
}

fn read(path: &Path) -> Option<Document> {
    let mut document = Document::parse(&std::fs::read_to_string(path).ok()?).ok()?;
    if document.root().child("status").is_none() {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    cib_model::schema::upgrade(&mut document).ok()?;
    Some(document)
}

/// Recorded inputs beside the checkout, where there are any, and our own.
fn inputs() -> Vec<std::path::PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("RECORDED_CASES")
        .map_or_else(|| here.join("../../shared/cts"), std::path::PathBuf::from);
    let mut out = Vec::new();
    let mut directories = vec![here.join("tests/cibs"), shared];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|e| e == "xml") {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

#[test]
fn every_score_and_every_action_is_explained() {
    let mut wrong = Vec::new();
    let mut planned = 0;
    for path in inputs() {
        let Some(document) = read(&path) else { continue };
        let plan = explained(&document);
        planned += 1;
        let name = path.file_stem().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        wrong.extend(complaints(&plan).into_iter().map(|c| format!("{name}: {c}")));
    }
    assert!(planned > 0, "no fixture was found");
    assert!(wrong.is_empty(), "{} of {planned} inputs, first:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn recording_changes_nothing() {
    for path in inputs().into_iter().take(60) {
        let Some(document) = read(&path) else { continue };
        let recorded = explained(&document);
        let options = Options { scores: true, sanitized: true, ..Options::default() };
        let now = document.root().attribute("execution-date").and_then(|d| d.parse().ok());
        let plain = plan(&document, DateTime::from_epoch(now.unwrap_or(NOW), 0), &options);
        assert_eq!(plain.transition, recorded.transition, "{}", path.display());
        assert_eq!(plain.scores, recorded.scores, "{}", path.display());
        assert!(plain.record.is_none());
    }
}
