//! Ballots and their form as message attributes.

use std::time::Duration;

use super::FeatureSet;
use crate::id::NodeId;

/// One election message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ballot {
    /// Vote or agreement.
    pub kind: Kind,
    /// Whose election it belongs to.
    pub owner: NodeId,
    /// The owner's round, below 2³¹.
    pub round: u32,
    /// Name of the sender.
    pub name: String,
    /// Feature set of the sender.
    pub version: FeatureSet,
}

/// What a ballot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The sender wants to lead.
    Vote {
        /// CPU time its process has used.
        age: Duration,
    },
    /// The sender agrees with the owner.
    NoVote,
}

/// Why attributes are not a ballot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BallotError {
    /// An attribute is missing.
    #[error("election message without '{0}'")]
    Missing(&'static str),
    /// An attribute is not what it should be.
    #[error("election message with {name}='{value}', expected {accepted}")]
    Invalid {
        /// Name of the attribute.
        name: &'static str,
        /// Its value, cut after 64 characters.
        value: String,
        /// What would be right.
        accepted: &'static str,
    },
}

impl Ballot {
    /// The attributes of the request that carries the ballot. The second part of the age is in
    /// microseconds, whatever its name says.
    #[must_use]
    pub fn to_attributes(&self) -> Vec<(&'static str, String)> {
        let task = match self.kind {
            Kind::Vote { .. } => "vote",
            Kind::NoVote => "no-vote",
        };
        let mut attributes = vec![
            ("crm_task", task.to_owned()),
            ("src", self.name.clone()),
            ("version", self.version.to_string()),
            ("election-owner", self.owner.to_string()),
            ("election-id", self.round.to_string()),
        ];
        if let Kind::Vote { age } = self.kind {
            attributes.push(("election-age-sec", age.as_secs().to_string()));
            attributes.push(("election-age-nano-sec", age.subsec_micros().to_string()));
        }
        attributes
    }

    /// Reads a ballot from the attributes of a request.
    ///
    /// # Errors
    /// An attribute is missing or not what it should be.
    pub fn from_attributes<'a>(
        get: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<Ballot, BallotError> {
        let need = |name| get(name).ok_or(BallotError::Missing(name));
        let number = |name, most: u64| {
            let value = need(name)?;
            let parsed = value.parse::<u64>().ok().filter(|n| *n <= most);
            parsed.ok_or_else(|| invalid(name, value, "a number that is not negative"))
        };
        let task = need("crm_task")?;
        let name = need("src")?.to_owned();
        let text = need("version")?;
        let version = text.parse().map_err(|_| invalid("version", text, "a version as 3.19.7"))?;
        let owner = need("election-owner")?;
        let owner = owner
            .parse()
            .ok()
            .and_then(NodeId::new)
            .ok_or_else(|| invalid("election-owner", owner, "a node id"))?;
        let round = number("election-id", 0x7fff_ffff)? as u32;
        let kind = match task {
            "no-vote" => Kind::NoVote,
            "vote" => {
                let seconds = number("election-age-sec", i64::MAX as u64)?;
                let micros = number("election-age-nano-sec", 999_999)?;
                Kind::Vote { age: Duration::from_secs(seconds) + Duration::from_micros(micros) }
            }
            other => return Err(invalid("crm_task", other, "vote or no-vote")),
        };
        Ok(Ballot { kind, owner, round, name, version })
    }
}

fn invalid(name: &'static str, value: &str, accepted: &'static str) -> BallotError {
    BallotError::Invalid { name, value: value.chars().take(64).collect(), accepted }
}
