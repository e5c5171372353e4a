//! What must hold after every event (spec 71 §14, Q1 to Q6; Q7 and Q8 are checked where requests
//! are made, in `random`).

use quorum::id::RingId;
use quorum::votes::Votes;

use crate::messaging::{Cluster, Node};

/// Which invariants apply to the options and events of a run.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// Q1, Q2: no two disjoint rings with quorum.
    pub exclusive: bool,
    /// Q4: members agree (not so with a device, whose word is each node's own).
    pub agreed: bool,
}

fn fail(cluster: &Cluster, what: &str) -> String {
    let mut text = format!("{what}\n");
    for node in &cluster.nodes {
        let Some(votes) = &node.votes else { continue };
        text.push_str(&format!(
            "node {} ring {:?} members {:?} synchronising {} {:?} {:?}\n",
            node.number,
            votes.ring().map(|r| r.to_string()),
            votes.members().iter().map(|m| m.get()).collect::<Vec<_>>(),
            votes.is_synchronising(),
            votes.verdict(),
            votes.memory(),
        ));
    }
    text
}

/// Checks the cluster after an event.
pub fn check(cluster: &Cluster, demands: Demands) -> Result<(), String> {
    if let Some(violation) = &cluster.violation {
        return Err(fail(cluster, violation));
    }
    let two_node = cluster.options.contains("two_node");
    for node in &cluster.nodes {
        let Some(votes) = &node.votes else { continue };
        let verdict = votes.verdict();
        if !two_node && verdict.quorum < half_and_more(verdict.total) {
            return Err(fail(cluster, &format!("Q3: node {}: quorum too low", node.number)));
        }
        let true_total: u32 = votes.nodes().members().map(|(_, record)| record.votes).sum();
        if demands.agreed && !votes.is_synchronising() && verdict.total != true_total {
            return Err(fail(cluster, &format!("Q3: node {}: votes miscounted", node.number)));
        }
    }
    if demands.exclusive {
        exclusive(cluster)?;
    }
    if demands.agreed {
        agreed(cluster)?;
    }
    Ok(())
}

/// The majority as it should be, whatever the machine under test believes.
fn half_and_more(votes: u32) -> u32 {
    (votes + 2) / 2
}

/// Q6: a node stops waiting if all expected votes are here, the ring met a quorate node, or an
/// administrator changed something. Called for a node that was waiting before an input.
pub fn check_waiting(cluster: &Cluster, number: usize) -> Option<String> {
    let node = &cluster.nodes[number - 1];
    let verdict = node.votes.as_ref()?.verdict();
    let met = node.delivered_ring.is_some_and(|ring| cluster.rings[ring].met_quorate);
    let fine = !verdict.quorate || verdict.total == verdict.expected || met || node.administered;
    (!fine).then(|| format!("Q6: node {number} stopped waiting"))
}

/// Q1, Q2: of two disjoint rings that nobody has left, at most one has quorum.
fn exclusive(cluster: &Cluster) -> Result<(), String> {
    let mut rings: Vec<usize> = cluster
        .nodes
        .iter()
        .filter(|node| node.votes.as_ref().is_some_and(Votes::is_quorate))
        .filter_map(|node| node.last_active)
        .filter(|ring| !cluster.rings[*ring].superseded)
        .collect();
    rings.sort_unstable();
    rings.dedup();
    for (at, a) in rings.iter().enumerate() {
        for b in &rings[at + 1..] {
            let (a, b) = (&cluster.rings[*a], &cluster.rings[*b]);
            if a.members.iter().all(|m| !b.members.contains(m)) {
                let what = format!("Q1/Q2: rings {} and {} both have quorum", a.id, b.id);
                return Err(fail(cluster, &what));
            }
        }
    }
    Ok(())
}

/// Q4: members of one ring that have received the same agree on everything.
fn agreed(cluster: &Cluster) -> Result<(), String> {
    let settled: Vec<_> = cluster
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.votes.as_ref()?)))
        .filter(|(_, votes)| !votes.is_synchronising() && votes.ring().is_some())
        .collect();
    for (at, (a, a_votes)) in settled.iter().enumerate() {
        for (b, b_votes) in &settled[at + 1..] {
            let same = a_votes.ring() == b_votes.ring()
                && a.delivered_ring == b.delivered_ring
                && a.cursor == b.cursor
                && a.view.is_none()
                && b.view.is_none();
            if same
                && (a_votes.verdict() != b_votes.verdict() || a_votes.memory() != b_votes.memory())
            {
                let what = format!("Q4: nodes {} and {} disagree", a.number, b.number);
                return Err(fail(cluster, &what));
            }
        }
    }
    Ok(())
}

/// Q5: each ring yields one verdict, after its member list; between rings only changes are told.
pub fn check_notification(node: &Node, quorate: bool, ring: Option<RingId>) -> Option<String> {
    let told = &node.told;
    if told.quorate.is_some() && told.ring == ring && told.quorate == Some(quorate) {
        return Some(format!("Q5: node {} told twice", node.number));
    }
    if ring.is_some() && told.members_ring != ring {
        return Some(format!("Q5: node {} told of a verdict before the members", node.number));
    }
    if ring < told.ring {
        return Some(format!("Q5: node {} told of an old ring", node.number));
    }
    None
}

/// Q5: clients know what the machine knows.
pub fn check_told(node: &Node) -> Option<String> {
    let votes = node.votes.as_ref()?;
    let known =
        node.told.quorate.unwrap_or(false) == votes.is_quorate() && node.told.ring == votes.ring();
    (!known).then(|| format!("Q5: node {} was not told", node.number))
}
