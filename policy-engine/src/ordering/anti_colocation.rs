//! Orderings that follow from a mandatory anti-colocation: one leaves before the other comes
//! (spec 30 §17.5).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::End;
use crate::model::ids::{ColocationId, ResourceId};
use crate::model::role::Role;
use crate::model::task::{Key, Task};

/// Records the orderings of a colocation with a score of −INFINITY.
pub fn anti_colocation(cluster: &mut Cluster<'_>, colocation: ColocationId) {
    let c = cluster.colocation(colocation);
    let dependent = (c.dependent, c.dependent_role);
    let primary = (c.primary, c.primary_role);
    relate(cluster, dependent, primary);
    relate(cluster, primary, dependent);
}

fn relate(cluster: &mut Cluster<'_>, x: (ResourceId, Role), y: (ResourceId, Role)) {
    let leaves: &[Task] = match x.1 {
        Role::Promoted => &[Task::Demote],
        Role::Unpromoted => &[Task::Stop, Task::Promote],
        _ => &[Task::Stop],
    };
    let gains: &[Task] = match y.1 {
        Role::Promoted => &[Task::Promote],
        Role::Unpromoted => &[Task::Start, Task::Demote],
        _ => &[Task::Start],
    };
    for leave in leaves {
        for gain in gains {
            let first = End::Key(x.0, Key::op(*leave));
            let then = End::Key(y.0, Key::op(*gain));
            cluster.defer(first, then, Order::REQ_SAME_NODE);
        }
    }
}
