//! Finding what somebody asks about.

use super::{ActionStory, Placement, Record};

/// An answer: the resources and actions a question names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// Resources: the named one, its instances or parts.
    pub placements: Vec<Placement>,
    /// Actions: those named, or all of the transition that are about the named resources.
    pub actions: Vec<ActionStory>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Nothing was recorded.
    #[error("the plan was made without a record: plan with the option 'explain'")]
    NotRecorded,
    /// No resource or action of that name.
    #[error(
        "nothing is called '{id}': give a resource (like {resource}), an action key (like {action}) or an action number"
    )]
    Unknown {
        /// As asked.
        id: String,
        /// A resource there is.
        resource: String,
        /// An action there is.
        action: String,
    },
}

impl Record {
    /// Explains a resource (id, or id without instance number), an action key (optionally
    /// `KEY@NODE`), or an action number (optionally `#NUMBER`).
    pub fn explain(&self, id: &str) -> Result<Explanation, ExplainError> {
        let wanted = self.family(id);
        let placements: Vec<Placement> = wanted.iter().map(|p| (*p).clone()).collect();
        let actions: Vec<ActionStory> = if placements.is_empty() {
            self.named_actions(id)
        } else {
            let about = |a: &&ActionStory| {
                let names = |p: &Placement| a.resource.as_deref() == Some(p.resource.as_str());
                a.in_transition() && placements.iter().any(names)
            };
            self.actions.iter().filter(about).cloned().collect()
        };
        if placements.is_empty() && actions.is_empty() {
            let first = |text: Option<&String>| text.cloned().unwrap_or_else(|| "-".to_owned());
            let acting = self.actions.iter().find(|a| a.in_transition());
            return Err(ExplainError::Unknown {
                id: id.to_owned(),
                resource: first(self.placements.first().map(|p| &p.resource)),
                action: first(acting.or(self.actions.first()).map(|a| &a.key)),
            });
        }
        Ok(Explanation { placements, actions })
    }

    /// The named resources and everything below them.
    fn family(&self, id: &str) -> Vec<&Placement> {
        let mut names: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
        let mut out = Vec::new();
        for p in &self.placements {
            if p.resource == id || p.base_id == id || names.contains(p.resource.as_str()) {
                names.extend(p.parts.iter().map(String::as_str));
                out.push(p);
            }
        }
        out
    }

    fn named_actions(&self, id: &str) -> Vec<ActionStory> {
        let number = id.strip_prefix('#').unwrap_or(id).parse::<u32>().ok();
        let (key, node) = match id.rsplit_once('@') {
            Some((key, node)) => (key, Some(node)),
            None => (id, None),
        };
        let is = |a: &&ActionStory| {
            number == Some(a.number)
                || (a.key == key && (node.is_none() || a.node.as_deref() == node))
                || a.key == id
        };
        self.actions.iter().filter(is).cloned().collect()
    }
}
