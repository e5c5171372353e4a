//! Installing the new ring: what is delivered, in which order (spec 70 §6.5).

use super::{OldRing, Recovery};
use crate::environment::Environment;
use crate::identity::NodeId;
use crate::mutation::Mutation;
use crate::report::{Configuration, ConfigurationKind};
use crate::ring::Operational;
use crate::time::Time;
use crate::wire::Guarantee;

impl Recovery {
    pub(crate) fn install(mut self, env: &mut Environment, now: Time) -> Operational {
        env.statistics.operational_entered += 1;
        env.attempt_worked();
        let new = self.rotation.members.clone();
        let stayed = |node: &NodeId| self.plan.survived(*node);
        let transitional: Vec<NodeId> =
            self.old.members.iter().filter(|node| stayed(node)).copied().collect();
        let left: Vec<NodeId> =
            self.old.members.iter().filter(|node| !stayed(node)).copied().collect();
        let joined: Vec<NodeId> =
            new.iter().filter(|node| !transitional.contains(node)).copied().collect();
        let mut configuration = Configuration {
            kind: ConfigurationKind::Transitional,
            ring: self.rotation.ring,
            old_ring: self.old.id,
            members: transitional.clone(),
            left: left.clone(),
            joined: Vec::new(),
        };
        deliver_regular(env, &mut self.old, self.plan.safe_bound);
        if !env.mutated(Mutation::SkipTransitional) {
            env.deliver_configuration(configuration.clone());
        }
        deliver_transitional(env, &mut self.old, &transitional);
        configuration.kind = ConfigurationKind::Regular;
        configuration.members = new.clone();
        configuration.left = Vec::new();
        configuration.joined = joined.clone();
        env.deliver_configuration(configuration);
        env.outbox.restart();
        env.judge_stability(&self.old.members, &new, now);
        report(env, &self, &joined, &left);
        Operational::new(self.rotation, self.install_seq, self.custody, now)
    }
}

/// The messages that belong to the old regular configuration: up to the first gap, and up to the
/// first safe message that no survivor knows to be safe.
fn deliver_regular(env: &mut Environment, old: &mut OldRing, safe_bound: u64) {
    while let Some(data) = old.window.get(old.delivered + 1) {
        if data.guarantee == Guarantee::Safe && data.seq > safe_bound {
            return;
        }
        env.deliver_data(data, old.id);
        old.delivered += 1;
    }
}

/// The rest: everything up to the first gap, beyond it only what survivors originated, since the
/// others' messages may depend on a lost one.
fn deliver_transitional(env: &mut Environment, old: &mut OldRing, survivors: &[NodeId]) {
    let mut gap = false;
    for seq in old.delivered + 1..=old.window.high() {
        match old.window.get(seq) {
            None => gap = true,
            Some(data) => {
                let stayed = survivors.contains(&data.originator);
                if !gap || stayed || env.mutated(Mutation::DeliverPastGap) {
                    env.deliver_data(data, old.id);
                } else {
                    env.statistics.recovery_discarded += 1;
                }
            }
        }
        old.delivered = seq;
    }
}

fn report(env: &mut Environment, recovery: &Recovery, joined: &[NodeId], left: &[NodeId]) {
    let list = |label: &str, nodes: &[NodeId]| match nodes {
        [] => String::new(),
        nodes => {
            let ids: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
            format!("[ {label}: {}]", ids.join(" "))
        }
    };
    let ring = recovery.ring();
    let (joined, departed) = (list("joined", joined), list("left", left));
    let members = format!("{joined}{departed}").replacen("[ ", "[ ", 1);
    log::info!("A new membership ({ring}) was formed. Members{members}");
    let failed: Vec<String> = left
        .iter()
        .filter(|node| !env.left_cleanly.contains(node))
        .map(NodeId::to_string)
        .collect();
    if !failed.is_empty() {
        log::info!("Failed to receive the leave message. failed: {}", failed.join(" "));
    }
    env.left_cleanly.clear();
}
