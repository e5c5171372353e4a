//! First pass over the node states: who is online, who must be fenced (spec 10 §7).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::NodeId;
use crate::model::options::NoQuorumPolicy;
use cib_model::scalar::{ms_to_seconds, parse_boolean, parse_integer};
use cib_model::{Element, Score};

/// Reads one `node_state`.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, state: Element<'d>) {
    let Some(id) = state.xml_id().filter(|id| !id.is_empty()) else {
        cluster.message(Level::Error, "Ignoring invalid node_state entry without id");
        return;
    };
    let name = state.attribute("uname");
    let Some(node) = cluster.find_node(Some(id), name) else {
        let shown = name.unwrap_or(id);
        let text =
            format!("Ignoring recorded state for removed node with name {shown} and id {id}");
        cluster.message(Level::Notice, text);
        return;
    };
    if cluster.node(node).is_pacemaker_remote() {
        cluster.node_mut(node).remote_fenced = nonzero(state.attribute("node_fenced"));
        return;
    }
    cluster.apply_transient_attributes(node, state);
    apply_switches(cluster, node);
    let n = cluster.node_mut(node);
    n.unclean = false;
    n.seen = true;
    determine_online(cluster, node, state);
    let lost_quorum = !cluster.quorate
        && cluster.node(node).online
        && cluster.options.no_quorum_policy == NoQuorumPolicy::Fence;
    if lost_quorum {
        cluster.mark_for_fencing(node, "cluster does not have quorum", false);
    }
}

fn nonzero(text: Option<&str>) -> bool {
    text.and_then(parse_integer).is_some_and(|n| n != 0)
}

/// Standby and maintenance by attribute.
fn apply_switches(cluster: &mut Cluster<'_>, node: NodeId) {
    if cluster.attribute_is_true(node, "standby") {
        cluster.node_mut(node).standby = true;
    }
    if cluster.attribute_is_true(node, "maintenance") {
        cluster.node_mut(node).maintenance = true;
    }
    let discovery = cluster.node_attribute(node, "resource-discovery-enabled", None);
    if discovery.is_some_and(|d| parse_boolean(d) != Some(true)) {
        let text = format!(
            "Ignoring resource-discovery-enabled attribute for {} because disabling resource \
             discovery is not allowed for cluster nodes",
            cluster.node(node).name
        );
        cluster.message(Level::Warning, text);
    }
}

/// What the state entry says of membership.
#[derive(Debug, Clone, Copy)]
struct Membership<'a> {
    /// Epoch, 0: not a member, -1: unknown.
    member_since: i64,
    /// Epoch, 1: since unknown, 0: not online.
    online_since: i64,
    join: &'a str,
    expected: &'a str,
}

impl<'a> Membership<'a> {
    fn read(state: Element<'a>, now: i64) -> Membership<'a> {
        let epoch = |text: &str| parse_integer(text).filter(|n| *n >= 0);
        let member_since = match state.attribute("in_ccm") {
            None => -1,
            Some(text) => match parse_boolean(text) {
                Some(true) => now,
                Some(false) => 0,
                None => epoch(text).unwrap_or(-1),
            },
        };
        let online_since = match state.attribute("crmd") {
            None => 0,
            Some(text) if text.eq_ignore_ascii_case("offline") => 0,
            Some(text) if text.eq_ignore_ascii_case("online") => 1,
            Some(text) => epoch(text).unwrap_or(0),
        };
        Membership {
            member_since,
            online_since,
            join: state.attribute("join").unwrap_or(""),
            expected: state.attribute("expected").unwrap_or("down"),
        }
    }
}

/// The decision of spec 10 §7.1 to §7.3.
fn determine_online(cluster: &mut Cluster<'_>, node: NodeId, state: Element<'_>) {
    let membership = Membership::read(state, cluster.now_epoch());
    if is_shutting_down(cluster, node) {
        cluster.node_mut(node).shutdown = true;
    } else if membership.expected.eq_ignore_ascii_case("member") {
        cluster.node_mut(node).expected_up = true;
    }
    let online = if cluster.options.fencing_enabled {
        online_with_fencing(cluster, node, membership)
    } else {
        online_without_fencing(cluster, node, membership)
    };
    let n = cluster.node_mut(node);
    n.online = online;
    if !online || n.shutdown {
        n.score = Score::MINUS_INFINITY;
    }
    if n.unclean {
        let text = format!("{} is unclean", n.name);
        cluster.message(Level::Warning, text);
    }
}

/// The attribute `shutdown` is set and not `0`.
fn is_shutting_down(cluster: &Cluster<'_>, node: NodeId) -> bool {
    cluster.node_attribute(node, "shutdown", None).is_some_and(|s| s != "0")
}

fn online_without_fencing(cluster: &mut Cluster<'_>, node: NodeId, m: Membership<'_>) -> bool {
    if m.member_since <= 0 {
        return false;
    }
    if m.online_since > 0 {
        return m.join.eq_ignore_ascii_case("member");
    }
    if cluster.node(node).expected_up {
        cluster.mark_for_fencing(node, "peer is unexpectedly down", false);
    }
    false
}

fn online_with_fencing(cluster: &mut Cluster<'_>, node: NodeId, m: Membership<'_>) -> bool {
    if cluster.node(node).shutdown {
        return m.online_since > 0;
    }
    if m.member_since < 0 {
        cluster.mark_for_fencing(node, "peer has not been seen by the cluster", false);
        return false;
    }
    let mut mark = None;
    if m.join == "banned" {
        mark = Some(("peer failed Pacemaker membership criteria", false));
    } else if termination_requested(cluster, node) {
        if m.member_since <= 0 && m.online_since <= 0 && m.join == "down" {
            return false;
        }
        mark = Some(("fencing was requested", false));
    } else if m.expected.eq_ignore_ascii_case("down") {
        if pending_too_long(cluster, m) {
            mark = Some(("peer pending timed out on joining the process group", false));
        } else if m.member_since > 0 || m.online_since > 0 {
            set_pending(cluster, node);
        }
    } else if m.member_since <= 0 {
        mark = Some(("peer is no longer part of the cluster", true));
    } else if m.online_since <= 0 {
        mark = Some(("peer process is no longer available", false));
    } else if m.join.eq_ignore_ascii_case("member") {
        // Active.
    } else if ["pending", "down"].iter().any(|j| m.join.eq_ignore_ascii_case(j)) {
        set_pending(cluster, node);
    } else {
        mark = Some(("peer was in an unknown state", false));
    }
    if let Some((reason, priority_delay)) = mark {
        cluster.mark_for_fencing(node, reason, priority_delay);
    }
    m.member_since > 0
}

fn set_pending(cluster: &mut Cluster<'_>, node: NodeId) {
    let n = cluster.node_mut(node);
    n.standby = true;
    n.pending = true;
}

fn termination_requested(cluster: &Cluster<'_>, node: NodeId) -> bool {
    let Some(text) = cluster.node_attribute(node, "terminate", None) else { return false };
    parse_boolean(text).unwrap_or_else(|| parse_integer(text).is_some_and(|n| n > 0))
}

fn pending_too_long(cluster: &mut Cluster<'_>, m: Membership<'_>) -> bool {
    let limit = cluster.options.node_pending_timeout_ms;
    if limit == 0 || m.member_since <= 0 || m.online_since > 0 {
        return false;
    }
    let until = m.member_since.saturating_add(ms_to_seconds(limit) as i64);
    if cluster.now_epoch() >= until {
        return true;
    }
    cluster.recheck(until);
    false
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    /// Node state attributes, expected online/unclean/pending/standby, with fencing or without.
    #[test]
    fn online_decision() {
        type Facts = (bool, bool, bool, bool);
        const UP: &str = "in_ccm='1' crmd='online'";
        let cases: &[(&str, &str, bool, Facts)] = &[
            ("join='member' expected='member'", UP, true, (true, false, false, false)),
            ("join='member' expected='member'", UP, false, (true, false, false, false)),
            ("join='banned' expected='member'", UP, true, (true, true, false, false)),
            ("join='pending' expected='member'", UP, true, (true, false, true, true)),
            ("join='odd' expected='member'", UP, true, (true, true, false, false)),
            ("join='pending' expected='member'", UP, false, (false, false, false, false)),
            ("join='member'", UP, true, (true, false, true, true)),
            (
                "join='down' expected='down'",
                "in_ccm='0' crmd='offline'",
                true,
                (false, false, false, false),
            ),
            ("expected='member'", "in_ccm='0' crmd='offline'", true, (false, true, false, false)),
            ("expected='member'", "in_ccm='1' crmd='offline'", true, (true, true, false, false)),
            ("expected='member'", "in_ccm='1' crmd='offline'", false, (false, true, false, false)),
            ("expected='member'", "crmd='online'", true, (false, true, false, false)),
            ("expected='member'", "crmd='online'", false, (false, false, false, false)),
        ];
        for (rest, state, fencing, expected) in cases {
            let options = format!(
                "<cluster_property_set id='o'><nvpair id='f' name='fencing-enabled' value='{fencing}'/></cluster_property_set>"
            );
            let nodes = "<node id='1' uname='n1'/>";
            let status = format!("<node_state id='1' uname='n1' {state} {rest}/>");
            let text = cib("have-quorum='1'", &options, nodes, "", "", &status);
            let seen = fixture::with(&text, |c| {
                let n = &c.nodes[0];
                (n.online, n.unclean, n.pending, n.standby)
            });
            assert_eq!(seen, *expected, "{state} {rest} fencing={fencing}");
        }
    }

    #[test]
    fn a_node_without_state_stays_unclean_under_startup_fencing() {
        let nodes = "<node id='1' uname='n1'/>";
        fixture::with(&cib("", "", nodes, "", "", ""), |c| assert!(c.nodes[0].unclean));
    }
}
