//! The graph as Graphviz DOT (spec 31 §4).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::ActionId;
use crate::model::task::{Key, NotifyPhase, Task};
use std::fmt::Write;

/// Writes DOT. `all` also shows optional and unmanaged actions; `numbers` appends action ids to names.
pub fn dot(cluster: &Cluster<'_>, all: bool, numbers: bool) -> String {
    let mut out = String::from(" digraph \"g\" {\n");
    let mut shown = vec![false; cluster.actions.list.len()];
    let names: Vec<String> = cluster
        .actions
        .ids()
        .map(|id| {
            let mut name = name(cluster, id);
            if numbers {
                let _ = write!(name, " ({})", id.number());
            }
            name
        })
        .collect();
    let name = |id: ActionId| names[id.index()].as_str();
    for id in cluster.actions.ids().rev() {
        let a = &cluster.actions[id];
        let font = if a.flags.pseudo { "orange" } else { "black" };
        let unmanaged = a.resource.is_some_and(|r| !cluster.resource(r).flags.managed);
        let (style, color, font, always) = if a.in_graph {
            ("bold", "green", font, true)
        } else if unmanaged {
            ("dashed", "red", "purple", false)
        } else if a.flags.optional {
            ("dashed", "blue", font, false)
        } else {
            ("dashed", "red", font, true)
        };
        if always || all {
            shown[id.index()] = true;
            let _ = writeln!(
                out,
                "\"{}\" [ style={style} color=\"{color}\" fontcolor=\"{font}\"]",
                name(id)
            );
        }
    }
    for id in cluster.actions.ids().rev() {
        for input in &cluster.actions[id].before {
            if !input.in_graph && input.flags.is_empty() {
                continue;
            }
            let both_shown = shown[id.index()] && shown[input.other.index()];
            let style = if input.in_graph { "bold" } else { "dashed" };
            if input.in_graph || all || (both_shown && input.flags != Order::LOAD) {
                let _ = writeln!(
                    out,
                    "\"{}\" -> \"{}\" [ style = {style}]",
                    name(input.other),
                    name(id)
                );
            }
        }
    }
    out.push_str("}\n");
    out
}

/// Name of an action for people (spec 31 §4.1).
fn name(cluster: &Cluster<'_>, id: ActionId) -> String {
    let a = &cluster.actions[id];
    let host = match a.node {
        Some(node) => Some(&*cluster.node(node).name),
        None if a.flags.pseudo => None,
        None => Some("<none>"),
    };
    let history = a.resource.and_then(|r| cluster.resource(r).history_id.as_deref());
    let mut text = match (history, a.task) {
        (Some(history), Task::Notify | Task::Notified) => notify_name(cluster, id, history),
        (Some(history), _) => cluster.key_text_with(a.key, history),
        (None, Task::Stonith) => {
            let op = a.meta("stonith_action").unwrap_or_default();
            return format!("stonith '{op}' {}", host.unwrap_or_default());
        }
        (None, _) if a.resource.is_some() => cluster.key_text(id),
        (None, _) if host.is_some() && a.node.is_some() => named(cluster, id),
        (None, _) => return cluster.key_text(id),
    };
    if a.task == Task::Cancel {
        text.insert_str(0, "Cancel ");
    }
    if let Some(host) = host {
        text.push(' ');
        text.push_str(host);
    }
    text
}

/// Node actions show their task; barriers show their whole text.
fn named(cluster: &Cluster<'_>, id: ActionId) -> String {
    match cluster.actions[id].task {
        Task::DoShutdown => "do_shutdown".to_owned(),
        _ => cluster.key_text(id),
    }
}

fn notify_name(cluster: &Cluster<'_>, id: ActionId, history: &str) -> String {
    let a = &cluster.actions[id];
    let word = |name: &str| a.meta(name).unwrap_or_default();
    let task = Task::from_known_name(word("notify_key_operation")).unwrap_or(a.task);
    let phase = [
        NotifyPhase::Pre,
        NotifyPhase::ConfirmedPre,
        NotifyPhase::Post,
        NotifyPhase::ConfirmedPost,
    ]
    .into_iter()
    .find(|p| p.name() == word("notify_key_type"))
    .unwrap_or(NotifyPhase::Pre);
    cluster.key_text_with(Key::Notify { phase, task }, history)
}
