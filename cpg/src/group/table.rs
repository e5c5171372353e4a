//! The replicated table of all members of all groups.

use super::{GroupName, Member, ProcessId};
use crate::identity::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// Every group and its members. Equal at all nodes of a ring once they are synchronised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupTable {
    groups: BTreeMap<GroupName, BTreeSet<Member>>,
}

impl GroupTable {
    /// Group names in ascending byte order with their members by node and process.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupName, &BTreeSet<Member>)> {
        self.groups.iter()
    }

    /// The members of one group; empty for a group that does not exist.
    pub fn members(&self, group: &GroupName) -> Vec<Member> {
        self.groups.get(group).into_iter().flatten().copied().collect()
    }

    /// Whether `member` is in `group`.
    pub fn contains(&self, group: &GroupName, member: Member) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(&member))
    }

    /// Whether any process of `node` is in `group`.
    pub fn has_node(&self, group: &GroupName, node: NodeId) -> bool {
        let first = Member { node, process: ProcessId(0) };
        let last = Member { node, process: ProcessId(u32::MAX) };
        self.groups.get(group).is_some_and(|members| members.range(first..=last).next().is_some())
    }

    /// The order in which the classic group tool lists: groups in reverse order of their first
    /// appearance among all members by node and process; within a group the first member, then the
    /// others backwards (spec 70 §15).
    pub fn tool_order(&self) -> Vec<(&GroupName, Vec<Member>)> {
        let mut groups: Vec<(&GroupName, Vec<Member>)> = self
            .groups
            .iter()
            .map(|(name, members)| (name, members.iter().copied().collect()))
            .collect();
        groups.sort_by_key(|(name, members)| std::cmp::Reverse((members.first().copied(), *name)));
        for (_, members) in &mut groups {
            if let Some(rest) = members.get_mut(1..) {
                rest.reverse();
            }
        }
        groups
    }

    pub(crate) fn insert(&mut self, group: &GroupName, member: Member) -> bool {
        self.groups.entry(group.clone()).or_default().insert(member)
    }

    pub(crate) fn remove(&mut self, group: &GroupName, member: Member) -> bool {
        let Some(members) = self.groups.get_mut(group) else { return false };
        let removed = members.remove(&member);
        if members.is_empty() {
            self.groups.remove(group);
        }
        removed
    }

    /// Members matching a condition, per group in ascending order of names.
    pub(crate) fn select(
        &self,
        mut matches: impl FnMut(&GroupName, Member) -> bool,
    ) -> Vec<(GroupName, Vec<Member>)> {
        let mut selected = Vec::new();
        for (group, members) in &self.groups {
            let found: Vec<Member> =
                members.iter().filter(|member| matches(group, **member)).copied().collect();
            if !found.is_empty() {
                selected.push((group.clone(), found));
            }
        }
        selected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_lists_groups_and_members_in_its_own_order() {
        let mut table = GroupTable::default();
        for (group, node, process) in
            [("b", 1, 5), ("a", 1, 9), ("a", 2, 1), ("a", 2, 2), ("c", 3, 1)]
        {
            let node = NodeId::new(node).unwrap();
            let member = Member { node, process: ProcessId(process) };
            table.insert(&GroupName::new(group).unwrap(), member);
        }
        let order: Vec<String> = table
            .tool_order()
            .into_iter()
            .map(|(name, members)| {
                let ids = members.iter().map(|m| format!("{}/{}", m.node, m.process.0));
                format!("{name}: {}", ids.collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(order, ["c: 3/1", "a: 1/9 2/2 2/1", "b: 1/5"]);
    }
}
