//! What cannot start holds back what must run with it (spec 30 §22).

use super::propagate;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, ResourceId};
use crate::model::role::Role;
use crate::model::task::Task;
use crate::model::trace::By;
use crate::placement::colocation;
use cib_model::Score;

/// Runs over all actions, newest first.
pub fn block_all(cluster: &mut Cluster<'_>) {
    for id in cluster.actions.ids().rev() {
        block_dependents(cluster, id);
    }
}

/// Blocks the dependents of an action that is not runnable.
pub fn block_dependents(cluster: &mut Cluster<'_>, id: ActionId) {
    let a = &cluster.actions[id];
    let task = a.task;
    let Some(resource) = a.resource else {
        return;
    };
    if a.flags.runnable || !matches!(task, Task::Start | Task::Promote) {
        return;
    }
    let r = cluster.outermost(resource);
    let held_back = |child: &ResourceId| {
        cluster
            .actions
            .newest(*child, task, None)
            .is_some_and(|found| !cluster.actions[found].flags.runnable)
    };
    if !cluster.resource(r).children.iter().all(held_back) {
        return;
    }
    for c in colocation::with_this(cluster, r) {
        let c = cluster.colocation(c);
        if c.score < Score::INFINITY || (task == Task::Promote && c.primary_role != Role::Promoted)
        {
            continue;
        }
        let (dependent, role) = (c.dependent, c.dependent_role);
        let blocked = if role == Role::Promoted { Task::Promote } else { Task::Start };
        block(cluster, dependent, blocked, resource);
    }
}

/// Blocks a resource's starts (or promotions), and its children's.
fn block(cluster: &mut Cluster<'_>, dependent: ResourceId, task: Task, cause: ResourceId) {
    for i in (0..cluster.actions.besides_probes(dependent).len()).rev() {
        let id = cluster.actions.besides_probes(dependent)[i];
        let a = &mut cluster.actions[id];
        if a.task != task || !a.flags.runnable {
            continue;
        }
        let before = a.flags;
        a.flags.runnable = false;
        let after = a.flags;
        cluster.trace.acted(id, before, after, By::Colocation(cause));
        let reason = format!("colocation with {}", cluster.resource(cause).id);
        cluster.set_reason(id, reason, false);
        block_dependents(cluster, id);
        propagate::update(cluster, id);
    }
    for i in 0..cluster.resource(dependent).children.len() {
        let child = cluster.resource(dependent).children[i];
        block(cluster, child, task, cause);
    }
}
