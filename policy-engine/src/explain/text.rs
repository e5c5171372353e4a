//! Explanations as text.

use super::{ActionStory, Because, Contribution, Decision, Explanation, Loss, NodeStory, Outcome};
use super::{Placement, Promotion, Standing, Verdict};
use std::fmt::{self, Display, Formatter};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut gap = |f: &mut Formatter<'_>| {
            if std::mem::take(&mut first) { Ok(()) } else { writeln!(f) }
        };
        for placement in &self.placements {
            gap(f)?;
            write!(f, "{placement}")?;
        }
        for action in &self.actions {
            gap(f)?;
            write!(f, "{action}")?;
        }
        Ok(())
    }
}

impl Display for Placement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let now = if self.active_on.is_empty() {
            "no node".to_owned()
        } else {
            self.active_on.join(", ")
        };
        let then = match (&self.assigned, &self.decision) {
            (Some(node), _) => format!(" on {node}"),
            (None, Decision::Parts) => String::new(),
            (None, _) => " on no node".to_owned(),
        };
        let (id, variant) = (&self.resource, self.variant);
        writeln!(f, "{id} ({variant}): {} on {now} -> {}{then}", self.role, self.next_role)?;
        if !self.parts.is_empty() {
            writeln!(f, "  parts: {}", self.parts.join(", "))?;
        }
        if let Some(text) = self.decision.text() {
            writeln!(f, "  {text}")?;
        }
        for node in &self.nodes {
            write!(f, "{node}")?;
        }
        if let Some(promotion) = &self.promotion {
            write!(f, "{promotion}")?;
        }
        Ok(())
    }
}

impl Decision {
    fn text(&self) -> Option<String> {
        Some(match self {
            Decision::Scores | Decision::Parts => return None,
            Decision::Unmanaged => "it is not managed and stays where it is".to_owned(),
            Decision::StopAll => "stop-all-resources is on".to_owned(),
            Decision::NoPartner { constraint } => {
                format!("colocation {constraint} finds no instance to pair it with")
            }
            Decision::TooManyInstances => "there are as many instances as there may be".to_owned(),
            Decision::InterleavedAway => {
                "what it is interleaved with does not run on its node".to_owned()
            }
            Decision::NotPlaced => "it was not placed".to_owned(),
        })
    }
}

impl Display for NodeStory {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: {}{}", self.node, self.score, self.outcome)?;
        for contribution in self.contributions.iter().chain(&self.later) {
            writeln!(f, "    {contribution}")?;
        }
        Ok(())
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Chosen => f.write_str(", chosen"),
            Outcome::NotCompared => Ok(()),
            Outcome::Lost(loss) => write!(f, ", not chosen: {loss}"),
        }
    }
}

impl Display for Loss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Unavailable(state) => write!(f, "it is {state}"),
            Loss::NegativeScore => f.write_str("its score is negative"),
            Loss::LowerScore { than } => write!(f, "its score is lower than {than}"),
            Loss::LessCapacity => f.write_str("same score, less capacity left"),
            Loss::HigherLoad { load, than } => {
                write!(f, "same score, more resources assigned by then ({load}, not {than})")
            }
            Loss::NotCurrent => f.write_str("same score, it is active on the other"),
            Loss::LaterName => f.write_str("same in everything, its name comes later"),
            Loss::NotPreferred => f.write_str("the other was to be kept if possible"),
        }
    }
}

impl Display for Contribution {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let change = match self.before {
            None => format!("{}", self.after),
            Some(_) if self.after.is_infinity() || self.after == -cib_model::Score::INFINITY => {
                format!("= {}", self.after)
            }
            Some(_) => format!("{:+}", self.change()),
        };
        write!(f, "{change:>11}  {}", self.source.text)?;
        match &self.source.constraint {
            Some(id) => write!(f, " [{id}]"),
            None => Ok(()),
        }
    }
}

impl Display for Promotion {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("no node");
        let verdict = match self.verdict {
            Verdict::Promoted => "promoted",
            Verdict::NegativeScore => "not promoted: its score is negative",
            Verdict::PromotedMax => "not promoted: others with higher scores make up promoted-max",
            Verdict::PromotedNodeMax => {
                "not promoted: others with higher scores make up promoted-node-max"
            }
            Verdict::NoNode => "not promoted: it has no node that can run it",
            Verdict::Unmanaged => "not promoted: it is not managed and was not promoted before",
            Verdict::Frozen => "not promoted: without quorum nothing is",
        };
        writeln!(f, "  promotion score on {node}: {}, {verdict}", self.score)?;
        for step in &self.priority {
            let id =
                step.source.constraint.as_ref().map(|id| format!(" [{id}]")).unwrap_or_default();
            writeln!(f, "    {:>11}  {}{id}", format!("= {}", step.after), step.source.text)?;
        }
        for contribution in &self.clone {
            writeln!(f, "      {contribution}")?;
        }
        Ok(())
    }
}

impl Display for ActionStory {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.number, self.key)?;
        if let Some(node) = &self.node {
            write!(f, " on {node}")?;
        }
        let standing = match self.standing {
            Standing::InTransition => "in the transition",
            Standing::NotNeeded => "not needed",
            Standing::Blocked => "needed, but not possible",
            Standing::Withheld => "needed, but held back: unmanaged, or the node cannot act",
        };
        writeln!(f, ": {standing}")?;
        if let Some(reason) = &self.reason {
            writeln!(f, "  reason: {reason}")?;
        }
        list(f, "because", &self.because)?;
        list(f, "not possible because", &self.blocked_by)?;
        if !self.waits_for.is_empty() {
            writeln!(f, "  waits for")?;
        }
        for wait in &self.waits_for {
            write!(f, "    #{} {}", wait.action, wait.key)?;
            if let Some(node) = &wait.node {
                write!(f, " on {node}")?;
            }
            match &wait.constraint {
                Some(id) => writeln!(f, " [{id}]")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn list(f: &mut Formatter<'_>, title: &str, causes: &[Because]) -> fmt::Result {
    for (i, because) in causes.iter().enumerate() {
        let lead = if i == 0 { title } else { "which is because" };
        write!(f, "  {lead}: {}", because.text)?;
        match &because.element {
            Some(id) if !because.text.contains(id.as_str()) => writeln!(f, " [{id}]")?,
            _ => writeln!(f)?,
        }
    }
    Ok(())
}
