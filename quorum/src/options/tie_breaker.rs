//! Which half of an evenly split cluster goes on (spec 71 §7.4).

use std::fmt;

use crate::id::NodeId;
use crate::mutation::{self, Mutation};

/// The rule that singles out one half of a cluster split in two equal parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TieBreaker {
    /// The half with the lowest id among the last members that were quorate by votes.
    Lowest,
    /// The half with the highest such id.
    Highest,
    /// The half with the first node of this list that was a member then.
    List(Vec<NodeId>),
}

impl TieBreaker {
    /// Reads `auto_tie_breaker_node`: `lowest`, `highest`, or node ids separated by blanks.
    #[must_use]
    pub fn parse(text: &str) -> Option<TieBreaker> {
        match text {
            "lowest" => Some(TieBreaker::Lowest),
            "highest" => Some(TieBreaker::Highest),
            list => {
                let ids: Option<Vec<_>> = list
                    .split_ascii_whitespace()
                    .map(|id| id.parse().ok().and_then(NodeId::new))
                    .collect();
                ids.filter(|ids| !ids.is_empty()).map(TieBreaker::List)
            }
        }
    }

    /// Whether the half with these members goes on, where `before` are the members of the last
    /// view that was quorate by votes. Both lists are sorted.
    ///
    /// The breaker is chosen by what both halves know alike, `before`, so of two halves at most one
    /// hears yes; a node that was already gone when the votes last sufficed is passed over, even
    /// if it has come back since.
    #[must_use]
    pub fn favours(&self, members: &[NodeId], before: &[NodeId]) -> bool {
        if mutation::planted(Mutation::EitherHalfBreaksTheTie) {
            return true;
        }
        let is_member = |id: &NodeId| members.binary_search(id).is_ok();
        match self {
            TieBreaker::Lowest => before.first().is_some_and(is_member),
            TieBreaker::Highest => before.last().is_some_and(is_member),
            TieBreaker::List(list) => {
                list.iter().find(|id| before.binary_search(id).is_ok()).is_some_and(is_member)
            }
        }
    }

    /// Number of the rule in the run-time map (`atb_type`).
    #[must_use]
    pub fn number(&self) -> u32 {
        match self {
            TieBreaker::Lowest => 1,
            TieBreaker::Highest => 2,
            TieBreaker::List(_) => 3,
        }
    }
}

impl fmt::Display for TieBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TieBreaker::Lowest => f.write_str("lowest"),
            TieBreaker::Highest => f.write_str("highest"),
            TieBreaker::List(list) => {
                let ids: Vec<_> = list.iter().map(NodeId::to_string).collect();
                f.write_str(&ids.join(" "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().filter_map(NodeId::new).collect()
    }

    #[test]
    fn the_string_is_lowest_highest_or_ids() {
        assert_eq!(TieBreaker::parse("lowest"), Some(TieBreaker::Lowest));
        assert_eq!(TieBreaker::parse("3 1"), Some(TieBreaker::List(ids(&[3, 1]))));
        for bad in ["", "  ", "Lowest", "1 x", "0", "1,2"] {
            assert_eq!(TieBreaker::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn at_most_one_half_is_favoured_and_a_dead_breaker_is_passed_over() {
        let all = ids(&[1, 2, 3, 4]);
        for (rule, left, right) in [
            ("lowest", true, false),
            ("highest", false, true),
            ("3 1", false, true),
            ("9 2", true, false),
            ("9", false, false),
        ] {
            let rule = TieBreaker::parse(rule).unwrap();
            assert_eq!(rule.favours(&ids(&[1, 2]), &all), left, "{rule}");
            assert_eq!(rule.favours(&ids(&[3, 4]), &all), right, "{rule}");
        }
        let list = TieBreaker::parse("3 1").unwrap();
        assert!(list.favours(&ids(&[1, 4]), &ids(&[1, 2, 4])));
        assert!(!list.favours(&ids(&[3, 5, 6]), &ids(&[1, 2, 4, 6])), "3 came back too late");
        assert!(TieBreaker::Lowest.favours(&ids(&[2, 3]), &ids(&[2, 3, 4])));
        assert!(!TieBreaker::Lowest.favours(&ids(&[1]), &[]), "nobody is remembered");
    }
}
