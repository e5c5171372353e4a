//! The pure part: from who is there and what they remember to expected votes, quorum and verdict.
//!
//! A new ring is judged in two steps. First each *fragment*, the members that come from one old
//! ring, is judged as if it were alone: only if it still has quorum by itself does the old verdict
//! go with it into the new ring. Then all fragments together are judged, starting from those that
//! kept their verdict. Every member computes this from the same reports, so all agree whatever
//! way each of them came (spec 71 §4, §6).

use crate::id::{NodeId, RingId};
use crate::memory::{LastQuorate, Memory};
use crate::mutation::{self, Mutation};
use crate::options::{Settings, TieBreaker};

/// More than half.
#[must_use]
pub fn majority(votes: u32) -> u32 {
    if mutation::planted(Mutation::HalfIsEnough) { votes.div_ceil(2) } else { votes / 2 + 1 }
}

/// The settings a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Two voters, each enough alone.
    pub two_node: bool,
    /// Without quorum so far, all expected votes must be present at once.
    pub wait_for_all: bool,
    /// Expected votes may have been re-based on survivors.
    pub last_man_standing: bool,
    /// Rule for an even split.
    pub tie_breaker: Option<&'a TieBreaker>,
    /// Votes of the configured device.
    pub device_votes: u32,
}

impl<'a> Rules<'a> {
    /// The rules in these settings.
    #[must_use]
    pub fn of(settings: &'a Settings) -> Rules<'a> {
        Rules {
            two_node: settings.two_node,
            wait_for_all: settings.wait_for_all,
            last_man_standing: settings.last_man_standing.is_some(),
            tie_breaker: settings.tie_breaker.as_ref(),
            device_votes: settings.device_votes(),
        }
    }

    /// Votes needed where `expected` are expected and `voters` (the device included if it casts)
    /// are present with `total` votes.
    #[must_use]
    pub fn quorum(&self, expected: u32, total: u32, voters: usize) -> u32 {
        if self.two_node && voters <= 2 { 1 } else { majority(expected).max(majority(total)) }
    }
}

/// Who is present, by ascending id, with votes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roll {
    /// Ids of the members.
    pub ids: Vec<NodeId>,
    /// Their votes, in the same order.
    pub votes: Vec<u32>,
    /// The device casts its votes for this partition.
    pub device_casts: bool,
}

impl Roll {
    /// Sum of the members' votes, saturating.
    #[must_use]
    pub fn node_votes(&self) -> u32 {
        let sum = self.votes.iter().fold(0u32, |sum, v| sum.saturating_add(*v));
        match self.votes.first() {
            Some(v) if mutation::planted(Mutation::CountAVoteTwice) => sum.saturating_add(*v),
            _ => sum,
        }
    }

    /// Votes that count for the verdict.
    #[must_use]
    pub fn total(&self, rules: &Rules<'_>) -> u32 {
        let device = if self.device_casts { rules.device_votes } else { 0 };
        self.node_votes().saturating_add(device)
    }

    fn voters(&self) -> usize {
        self.ids.len() + usize::from(self.device_casts)
    }

    /// Members and votes as pairs.
    pub(crate) fn pairs(&self) -> Vec<(NodeId, u32)> {
        self.ids.iter().copied().zip(self.votes.iter().copied()).collect()
    }
}

/// By what right a partition asks for quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mandate {
    /// It had none: with `wait_for_all` everybody must be here.
    Sought,
    /// It had quorum up to now.
    Held,
    /// An administrator changed the votes, and answers for remnants elsewhere.
    Ordered,
    /// An administrator ended the waiting, and answers for remnants elsewhere.
    Released,
}

/// Outcome of one judgement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Expected votes.
    pub expected: u32,
    /// Votes that count.
    pub total: u32,
    /// Votes needed.
    pub quorum: u32,
    /// Whether the partition may act.
    pub quorate: bool,
    /// Quorum is withheld until everybody has been seen at once.
    pub waiting: bool,
    /// The votes alone suffice, without the tie-breaker.
    pub by_votes: bool,
}

/// Judges the members of `roll`.
#[must_use]
pub fn judge(
    rules: &Rules<'_>,
    roll: &Roll,
    expected: u32,
    memory: &Memory,
    mandate: Mandate,
) -> Verdict {
    let expected = expected.max(roll.node_votes().saturating_add(rules.device_votes)).max(1);
    let total = roll.total(rules);
    let quorum = rules.quorum(expected, total, roll.voters());
    let by_votes = total >= quorum;
    let enough = by_votes || wins_tie(rules, roll, expected, total, quorum, memory);
    let all_here =
        total == expected || mutation::planted(Mutation::StopWaitingAtMajority) && total >= quorum;
    let waits = matches!(mandate, Mandate::Sought | Mandate::Ordered);
    let waiting = rules.wait_for_all && waits && !all_here;
    let unattended = matches!(mandate, Mandate::Sought | Mandate::Held);
    let continues = !(rules.last_man_standing && unattended) || continues(rules, roll, memory);
    let quorate = enough && !waiting && continues;
    Verdict {
        expected,
        total,
        quorum,
        quorate,
        waiting: rules.wait_for_all && !quorate,
        by_votes: quorate && by_votes,
    }
}

/// Votes of a remembered view's members that are here, and that are not.
fn held_and_lost(view: &LastQuorate, roll: &Roll) -> (u64, u64) {
    let mut sums = (0, 0);
    for (id, votes) in &view.members {
        let here = roll.ids.binary_search(id).is_ok();
        *(if here { &mut sums.0 } else { &mut sums.1 }) += u64::from(*votes);
    }
    sums
}

fn favoured(rule: Option<&TieBreaker>, roll: &Roll, view: &LastQuorate) -> bool {
    let before: Vec<_> = view.members.iter().map(|(id, _)| *id).collect();
    rule.is_some_and(|rule| rule.favours(&roll.ids, &before))
}

/// An exact half of the expected votes goes on if the breaker of every remembered view is here and
/// the lost part could not have quorum itself.
fn wins_tie(
    rules: &Rules<'_>,
    roll: &Roll,
    expected: u32,
    total: u32,
    quorum: u32,
    memory: &Memory,
) -> bool {
    let half = total > 0 && total == expected / 2 && rules.tie_breaker.is_some();
    half && memory.latest().is_some()
        && !memory.overflows()
        && memory.views().all(|view| {
            held_and_lost(view, roll).1 < u64::from(quorum)
                && favoured(rules.tie_breaker, roll, view)
        })
}

/// Where expected votes may have been re-based, whoever has quorum must hold more than half of
/// every remembered view (or half with the breaker): a re-based remnant may still be alive.
fn continues(rules: &Rules<'_>, roll: &Roll, memory: &Memory) -> bool {
    !memory.overflows()
        && memory.views().all(|view| {
            let (held, lost) = held_and_lost(view, roll);
            held > lost || held == lost && favoured(rules.tie_breaker, roll, view)
        })
}

/// What one member brings into a new ring.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The member.
    pub node: NodeId,
    /// The ring it comes from, `None` right after its start.
    pub origin: Option<RingId>,
    /// Its votes.
    pub votes: u32,
    /// Expected votes there.
    pub expected: u32,
    /// Verdict there.
    pub quorate: bool,
    /// The device casts for it.
    pub device_casts: bool,
    /// Its memory of quorum.
    pub memory: &'a Memory,
}

/// Judges a new ring from what its members bring; `claims` is sorted by node. `device_casts` is
/// the caller's own device. Returns the verdict and what the members remember together.
#[must_use]
pub fn merge(rules: &Rules<'_>, claims: &[Claim<'_>], device_casts: bool) -> (Verdict, Memory) {
    let memory = Memory::merged(claims.iter().map(|c| c.memory));
    let mut led_by: Option<u32> = None;
    for fragment in fragments(claims) {
        if keeps_verdict(rules, &fragment) {
            let expected = fragment.iter().map(|c| c.expected).max();
            led_by = led_by.max(expected);
        }
    }
    let highest = claims.iter().map(|c| c.expected).max().unwrap_or(1);
    let (expected, mandate) = match led_by {
        Some(expected) => (expected, Mandate::Held),
        None => (highest, Mandate::Sought),
    };
    let roll = roll_of(claims.iter(), device_casts);
    (judge(rules, &roll, expected, &memory, mandate), memory)
}

fn roll_of<'c, 'a: 'c>(claims: impl Iterator<Item = &'c Claim<'a>>, device_casts: bool) -> Roll {
    let (ids, votes) = claims.map(|c| (c.node, c.votes)).unzip();
    Roll { ids, votes, device_casts }
}

/// Members grouped by the ring they come from; a node fresh from its start is a group of its own.
fn fragments<'c, 'a>(claims: &'c [Claim<'a>]) -> Vec<Vec<&'c Claim<'a>>> {
    let mut sorted: Vec<_> = claims.iter().collect();
    sorted.sort_by_key(|c| (c.origin, c.node));
    sorted
        .chunk_by(|a, b| a.origin.is_some() && a.origin == b.origin)
        .map(<[&Claim<'_>]>::to_vec)
        .collect()
}

fn keeps_verdict(rules: &Rules<'_>, fragment: &[&Claim<'_>]) -> bool {
    if mutation::planted(Mutation::TrustOldVerdicts) {
        return fragment.iter().any(|c| c.quorate);
    }
    let expected = fragment.iter().map(|c| c.expected).max().unwrap_or(1);
    let memory = Memory::merged(fragment.iter().map(|c| c.memory));
    let device = fragment.iter().all(|c| c.device_casts);
    let roll = roll_of(fragment.iter().copied(), device);
    fragment.iter().all(|c| c.quorate)
        && judge(rules, &roll, expected, &memory, Mandate::Held).quorate
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Rules<'static> = Rules {
        two_node: false,
        wait_for_all: false,
        last_man_standing: false,
        tie_breaker: None,
        device_votes: 0,
    };

    fn ids(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().filter_map(NodeId::new).collect()
    }

    fn roll(members: &[u32]) -> Roll {
        Roll { ids: ids(members), votes: vec![1; members.len()], device_casts: false }
    }

    fn view(sequence: u64, members: &[u32]) -> LastQuorate {
        let ring = RingId { sequence, representative: NodeId::new(1).unwrap() };
        let members = ids(members).into_iter().map(|id| (id, 1)).collect();
        LastQuorate { ring: Some(ring), members }
    }

    fn last(sequence: u64, members: &[u32]) -> Memory {
        Memory { confirmed: Some(view(sequence, members)), attempts: Vec::new() }
    }

    static NOTHING: Memory = Memory { confirmed: None, attempts: Vec::new() };

    #[test]
    fn majority_is_more_than_half() {
        let table = [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (8, 5)];
        for (votes, needed) in table {
            assert_eq!(majority(votes), needed);
        }
        assert_eq!(majority(u32::MAX), 0x8000_0000);
    }

    #[test]
    fn sums_saturate_instead_of_wrapping() {
        let roll = Roll { ids: ids(&[1, 2]), votes: vec![u32::MAX, 7], device_casts: false };
        assert_eq!(judge(&PLAIN, &roll, 1, &NOTHING, Mandate::Sought).expected, u32::MAX);
    }

    #[test]
    fn the_tie_goes_to_the_breaker_unless_the_lost_part_could_have_quorum() {
        let lowest = TieBreaker::Lowest;
        let rules = Rules { tie_breaker: Some(&lowest), ..PLAIN };
        for (expected, members, before, quorate) in [
            (4, &[1, 2][..], &[1, 2, 3, 4][..], true),
            (4, &[3, 4], &[1, 2, 3, 4], false),
            (5, &[1, 2], &[1, 2, 3, 4, 5], false),
            (5, &[2, 3], &[2, 3, 4], true),
            (4, &[1], &[1, 2, 3, 4], false),
        ] {
            let last = last(4, before);
            let v = judge(&rules, &roll(members), expected, &last, Mandate::Held);
            assert_eq!(v.quorate, quorate, "{expected} {members:?} {before:?}");
            assert!(!v.by_votes);
        }
        assert!(!judge(&rules, &roll(&[1]), 2, &NOTHING, Mandate::Sought).quorate);
    }

    #[test]
    fn a_view_that_not_all_may_know_must_be_satisfied_as_well_as_the_one_before() {
        let lowest = TieBreaker::Lowest;
        let rules = Rules { tie_breaker: Some(&lowest), ..PLAIN };
        let mut memory = last(4, &[1, 2, 3, 4]);
        memory.attempt(view(8, &[2, 3, 4]));
        let verdict = |members: &[u32], memory: &Memory| {
            judge(&rules, &roll(members), 4, memory, Mandate::Held).quorate
        };
        assert!(!verdict(&[2, 3], &memory), "1 may still be the breaker elsewhere");
        assert!(!verdict(&[1, 4], &memory), "2 may be the breaker elsewhere");
        memory.confirm(view(8, &[2, 3, 4]));
        assert!(verdict(&[2, 3], &memory));
        assert!(!verdict(&[1, 4], &memory));
    }

    fn claim(node: u32, origin: u64, expected: u32, quorate: bool) -> Claim<'static> {
        let representative = NodeId::new(1).unwrap();
        Claim {
            node: NodeId::new(node).unwrap(),
            origin: (origin > 0).then_some(RingId { sequence: origin, representative }),
            votes: 1,
            expected,
            quorate,
            device_casts: false,
            memory: &NOTHING,
        }
    }

    #[test]
    fn a_fragment_keeps_its_verdict_only_if_it_has_quorum_alone() {
        // A three-node remnant of five, re-based, loses node 3 to the other side.
        let rules = Rules { wait_for_all: true, ..PLAIN };
        let claims = [claim(3, 8, 3, true), claim(4, 4, 5, false), claim(5, 4, 5, false)];
        let (verdict, _) = merge(&rules, &claims, false);
        assert!(!verdict.quorate && verdict.waiting);
        // Two of the three keep it, and the newcomers follow their expected votes.
        let claims = [claim(2, 8, 3, true), claim(3, 8, 3, true), claim(4, 4, 5, false)];
        let (verdict, _) = merge(&rules, &claims, false);
        assert!(verdict.quorate);
        assert_eq!((verdict.expected, verdict.quorum), (3, 2));
    }

    #[test]
    fn a_rebased_remnant_bars_a_majority_that_does_not_hold_it() {
        let rules = Rules { last_man_standing: true, ..PLAIN };
        let remnant = last(8, &[1, 2, 3]);
        let mut claims = vec![claim(3, 12, 3, false), claim(4, 4, 5, false), claim(5, 4, 5, false)];
        claims[0].memory = &remnant;
        assert!(!merge(&rules, &claims, false).0.quorate);
        claims.insert(0, claim(2, 12, 3, false));
        assert!(merge(&rules, &claims, false).0.quorate);
    }
}
