//! Actions of groups, clones and bundles: their parts' actions, then pseudo-actions that stand for
//! the whole (spec 30 §10).

use super::notify;
use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::Task;
use cib_model::Score;

/// Creates the actions of a resource of any variant (stage 12).
pub fn create(cluster: &mut Cluster<'_>, r: ResourceId) {
    match &cluster.resource(r).variant {
        Variant::Primitive => super::roles::create(cluster, r),
        Variant::Group(_) => create_group(cluster, r),
        Variant::Clone(_) => create_clone(cluster, r),
        Variant::Bundle(_) => create_bundle(cluster, r),
    }
}

fn create_children(cluster: &mut Cluster<'_>, r: ResourceId) {
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        create(cluster, child);
    }
}

/// A pseudo-action without node.
fn pseudo(cluster: &mut Cluster<'_>, r: ResourceId, task: Task, optional: bool) -> ActionId {
    let id = cluster.request(r, task, 0, None, optional);
    let flags = &mut cluster.actions[id].flags;
    (flags.pseudo, flags.runnable) = (true, true);
    id
}

fn create_group(cluster: &mut Cluster<'_>, r: ResourceId) {
    create_children(cluster, r);
    let promotable = cluster.resource(r).flags.promotable;
    for task in [Task::Start, Task::Running, Task::Stop, Task::Stopped] {
        pseudo(cluster, r, task, true);
    }
    if promotable {
        for task in [Task::Demote, Task::Demoted, Task::Promote, Task::Promoted] {
            pseudo(cluster, r, task, true);
        }
    }
}

/// What the primitives of a collective are about to do.
#[derive(Default)]
struct Doing {
    active: bool,
    starting: bool,
    stopping: bool,
    restarting: bool,
}

impl Doing {
    fn look(cluster: &Cluster<'_>, parts: &[ResourceId]) -> Doing {
        let mut doing = Doing::default();
        for part in parts {
            for leaf in cluster.leaves(*part) {
                let (mut starting, mut stopping) = (false, false);
                for id in cluster.actions.besides_probes(leaf) {
                    let a = &cluster.actions[*id];
                    match a.task {
                        Task::Start => starting |= a.required() && a.flags.runnable,
                        Task::Stop => {
                            stopping |= a.required() && (a.flags.pseudo || a.flags.runnable);
                        }
                        _ => {}
                    }
                }
                doing.active |= !cluster.resource(leaf).active_on.is_empty();
                doing.starting |= starting;
                doing.stopping |= stopping;
                doing.restarting |= starting && stopping;
            }
        }
        doing
    }
}

fn create_clone(cluster: &mut Cluster<'_>, r: ResourceId) {
    create_children(cluster, r);
    let instances = cluster.resource(r).children.clone();
    start_and_stop(cluster, r, &instances);
    if cluster.resource(r).flags.promotable {
        promote_and_demote(cluster, r);
    }
}

/// The four pseudo-actions of starting and stopping, with notifications.
fn start_and_stop(cluster: &mut Cluster<'_>, r: ResourceId, instances: &[ResourceId]) {
    let doing = Doing::look(cluster, instances);
    let start = pseudo(cluster, r, Task::Start, !doing.starting);
    let running = pseudo(cluster, r, Task::Running, !doing.starting);
    cluster.actions[running].flags.runnable = doing.active || doing.starting;
    cluster.actions[running].priority = Score::INFINITY;
    let stop = pseudo(cluster, r, Task::Stop, !doing.stopping);
    let stopped = pseudo(cluster, r, Task::Stopped, !doing.stopping);
    cluster.actions[stopped].priority = Score::INFINITY;
    if !doing.restarting {
        cluster.actions[stop].flags.migratable = true;
    }
    if cluster.resource(r).flags.notify && cluster.resource(r).is_clone() {
        let started = notify::pseudo_actions(cluster, r, Task::Start, Some(start), running);
        let stopped = notify::pseudo_actions(cluster, r, Task::Stop, Some(stop), stopped);
        if let Some(pre) = started.pre {
            cluster.actions.relate(stopped.confirmed_post, pre, Order::ORDER);
        }
        cluster.notifications.insert(r, notify::Notifications::new(started, stopped));
    }
}

fn promote_and_demote(cluster: &mut Cluster<'_>, r: ResourceId) {
    let (mut promoting, mut demoting) = (false, false);
    create_children(cluster, r);
    for leaf in cluster.leaves(r) {
        for id in cluster.actions.besides_probes(leaf) {
            let a = &cluster.actions[*id];
            promoting |= a.task == Task::Promote && a.required();
            demoting |= a.task == Task::Demote && a.required();
        }
    }
    let notifies = cluster.resource(r).flags.notify;
    let promote = pseudo(cluster, r, Task::Promote, !promoting);
    let promoted = pseudo(cluster, r, Task::Promoted, !promoting);
    cluster.actions[promoted].priority = Score::INFINITY;
    let promoted = notifies
        .then(|| notify::pseudo_actions(cluster, r, Task::Promote, Some(promote), promoted));
    let demote = pseudo(cluster, r, Task::Demote, !demoting);
    let demoted = pseudo(cluster, r, Task::Demoted, !demoting);
    cluster.actions[demoted].priority = Score::INFINITY;
    if let Some(promoted) = promoted {
        let demoted = notify::pseudo_actions(cluster, r, Task::Demote, Some(demote), demoted);
        notify::order_role_changes(cluster, r, promoted, demoted);
    }
    let priority = cluster.resource(r).priority;
    for i in 0..cluster.resource(r).children.len() {
        let instance = cluster.resource(r).children[i];
        cluster.resource_mut(instance).priority = priority;
    }
}

fn create_bundle(cluster: &mut Cluster<'_>, r: ResourceId) {
    let Some(bundle) = cluster.resource(r).as_bundle().cloned() else {
        return;
    };
    let mut containers = Vec::new();
    for replica in &bundle.replicas {
        for part in [replica.ip, Some(replica.container), replica.connection].into_iter().flatten()
        {
            create(cluster, part);
        }
        containers.push(replica.container);
    }
    for container in &containers {
        create(cluster, *container);
    }
    start_and_stop(cluster, r, &containers);
    let Some(inner) = bundle.inner else {
        return;
    };
    create(cluster, inner);
    if cluster.resource(inner).flags.promotable {
        for (task, completion) in [(Task::Promote, Task::Promoted), (Task::Demote, Task::Demoted)] {
            pseudo(cluster, r, task, true);
            let done = pseudo(cluster, r, completion, true);
            cluster.actions[done].priority = Score::INFINITY;
        }
    }
}
