//! Relations recorded before their actions exist, and what they mean for live migration
//! (spec 30 §9.4, §18).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::constraint::{Deferred, End};
use crate::model::ids::ResourceId;
use crate::model::task::{Key, Task};

impl Cluster<'_> {
    /// Records a relation between actions that may not exist yet, and right behind it the equivalents
    /// for a migratable resource.
    pub fn defer(&mut self, first: End, then: End, flags: Order) {
        self.deferred.push(Deferred { first, then, flags });
        let (Some(f), Some(t)) = (self.resource_of(first), self.resource_of(then)) else {
            return;
        };
        if f != t
            && self.resource(t).flags.migratable
            && !self.is_ancestor(f, t)
            && !self.is_ancestor(t, f)
        {
            self.defer_migration(f, self.task_of(first), t, self.task_of(then));
        }
    }

    /// The resource a side of a relation is about.
    pub fn resource_of(&self, end: End) -> Option<ResourceId> {
        match end {
            End::Key(r, _) => Some(r),
            End::Action(id) => self.actions[id].resource,
        }
    }

    /// The one-shot task a side of a relation is about, if it is one.
    fn task_of(&self, end: End) -> Option<Task> {
        let key = match end {
            End::Key(_, key) => key,
            End::Action(id) => self.actions[id].key,
        };
        match key {
            Key::Op { task, interval_ms: 0 } => Some(task),
            _ => None,
        }
    }

    fn defer_migration(
        &mut self,
        f: ResourceId,
        first: Option<Task>,
        t: ResourceId,
        then: Option<Task>,
    ) {
        let both = self.resource(f).flags.migratable;
        let partial = self.resource(t).partial_migration_target.is_some();
        let mut add = |first: Task, then: Task, flags: Order| {
            self.deferred.push(Deferred {
                first: End::Key(f, Key::op(first)),
                then: End::Key(t, Key::op(then)),
                flags,
            });
        };
        let unless_migrating =
            if both { Order::ORDER | Order::IF_FIRST_UNMIGRATABLE } else { Order::ORDER };
        match (first, then) {
            (Some(Task::Start), Some(Task::Start)) => {
                if both {
                    add(Task::MigrateFrom, Task::MigrateTo, Order::ORDER);
                }
                add(Task::Start, Task::MigrateTo, unless_migrating);
            }
            (Some(Task::Stop), Some(Task::Stop)) => {
                add(Task::Stop, Task::MigrateTo, unless_migrating);
                if partial {
                    add(Task::Stop, Task::MigrateFrom, unless_migrating);
                }
            }
            (Some(Task::Promote), Some(Task::Start)) => {
                add(Task::Promote, Task::MigrateTo, Order::ORDER);
            }
            (Some(Task::Demote), Some(Task::Stop)) => {
                add(Task::Demote, Task::MigrateTo, Order::ORDER);
                if partial {
                    add(Task::Demote, Task::MigrateFrom, Order::ORDER);
                }
            }
            _ => {}
        }
    }
}
