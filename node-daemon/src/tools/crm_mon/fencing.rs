//! What was fenced, and what is being fenced (spec 41 §3.14, 81 §15).

use std::time::Duration;

use cib_model::{Document, ElementId};
use policy_engine::report::text::Entry;
use policy_engine::report::xml;

use super::sections::{Section, Sections};
use super::{Look, View};
use crate::tools::fencer::Fencer;
use crate::tools::fencing_events::{self, Detail, FencingEvent, State};

/// How long the fencer may take: the rest of the status is there without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Past and pending operations, or why they cannot be had.
#[derive(Debug, Default)]
pub struct Fencing {
    events: Vec<FencingEvent>,
    error: Option<String>,
}

impl Fencing {
    /// Whether any of it is to be shown.
    pub fn is_shown(sections: &Sections) -> bool {
        [Section::FencingFailed, Section::FencingPending, Section::FencingSucceeded]
            .into_iter()
            .any(|section| sections.has(section))
    }

    /// Asks the fencer.
    pub fn ask() -> Fencing {
        let asked = Fencer::connect("crm_mon", 120)
            .and_then(|fencer| fencing_events::ask(&mut fencer.with_patience(PATIENCE), None, 0));
        match asked {
            Ok((ended, events)) if ended.is_ok() => Fencing { events, error: None },
            Ok((ended, _)) => Fencing { events: Vec::new(), error: Some(ended.error().to_owned()) },
            Err(error) => Fencing { events: Vec::new(), error: Some(error.to_string()) },
        }
    }

    /// What is shown: all, or the last of each kind.
    fn shown(&self, view: &View) -> Vec<FencingEvent> {
        let events = match view.all_fencing {
            true => self.events.clone(),
            false => fencing_events::reduced(&self.events),
        };
        let shows = |event: &FencingEvent| {
            view.sections.has(match event.state {
                State::Pending => Section::FencingPending,
                State::Failed => Section::FencingFailed,
                State::Success => Section::FencingSucceeded,
            }) && view.node.as_ref().is_none_or(|node| node.eq_ignore_ascii_case(&event.target))
        };
        events.into_iter().filter(shows).collect()
    }

    fn lines(&self, view: &View, states: &[State]) -> Vec<Entry> {
        let detail = if view.all_fencing { Detail::All } else { Detail::Last };
        let of_state = |event: &FencingEvent| states.contains(&event.state);
        let shown = self.shown(view).into_iter().filter(of_state);
        shown
            .map(|event| {
                Entry::item(match view.detail {
                    true => event.line(&self.events, detail),
                    false => event.sentence(&self.events, detail),
                })
            })
            .collect()
    }
}

fn list(title: &str, items: Vec<Entry>) -> Vec<Entry> {
    if items.is_empty() { Vec::new() } else { vec![Entry::list(title, items)] }
}

/// What comes after failed resource actions.
pub fn failed(view: &View, look: &Look) -> Vec<Entry> {
    if let Some(error) = &look.fencing.error {
        let text = format!("Failed to get fencing history: {error}");
        return vec![Entry::list("Failed Fencing Actions", vec![Entry::item(text)])];
    }
    list("Failed Fencing Actions", look.fencing.lines(view, &[State::Failed]))
}

/// What comes last.
pub fn rest(view: &View, look: &Look) -> Vec<Entry> {
    if view.sections.has(Section::FencingSucceeded) {
        let rest = [State::Pending, State::Success];
        return list("Fencing History", look.fencing.lines(view, &rest));
    }
    list("Pending Fencing Actions", look.fencing.lines(view, &[State::Pending]))
}

/// Element `fence_history`.
pub fn write(view: &View, look: &Look, out: &mut Document, root: ElementId) {
    if look.supervisor.is_none() || !Fencing::is_shown(&view.sections) {
        return;
    }
    let list = xml::element(out, root, "fence_history", &[]);
    for event in look.fencing.shown(view) {
        event.write(out, list);
    }
}

/// The same as JSON.
pub fn json(view: &View, look: &Look) -> serde_json::Value {
    serde_json::json!(look.fencing.shown(view))
}
