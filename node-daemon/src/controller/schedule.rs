//! Asking the scheduler (spec 60 §6).

use std::time::Duration;

use cib_model::Document;
use cib_model::nvpair::BOOTSTRAP_OPTIONS;
use policy_engine::transition::executor::CompletionAction;

use super::{Call, Controller, State, Timer};
use crate::subsystem::{
    CibOperation, CibUpdate, Now, Outputs, Room, ScheduleAnswer, ScheduleRequest, Scope,
    SharedDocument,
};

/// How long the scheduler may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait after quorum came back, for more nodes to come.
const QUORUM_GAINED: Duration = Duration::from_secs(5);
/// Least time between calculations in the long run: changes that come one after the other are planned for
/// together.
const PACE: Duration = Duration::from_millis(20);
/// So many may be made without a pause.
const BURST: u32 = 6;

impl Controller {
    /// A new calculation, as soon as one may be made.
    pub(super) fn want_calculation(&mut self) {
        if let Some(lead) = &mut self.lead {
            lead.wanted = true;
            lead.expected = None;
            lead.plan = None;
        }
    }

    /// Begins a calculation if one is wanted, nothing of ours is under way and the ring is settled.
    pub(super) fn calculate_if_wanted(&mut self, now: Now, out: &mut Outputs) {
        let settled = self.is_ring_settled();
        let Some(lead) = &mut self.lead else { return };
        let idle =
            matches!(self.state, State::Idle | State::PolicyEngine | State::TransitionEngine);
        let busy = lead.run.as_ref().is_some_and(|run| !run.is_over());
        if !lead.wanted
            || !settled
            || !idle
            || busy
            || !lead.outstanding.is_empty()
            || !lead.has_cib
        {
            return;
        }
        if self.timers.is_armed(&Timer::TransitionDelay) || self.timers.is_armed(&Timer::Count) {
            return;
        }
        if self.timers.is_armed(&Timer::Pace) {
            return;
        }
        let due = lead.paced.max(now.elapsed);
        if due > now.elapsed + PACE * BURST {
            return self.timers.arm(Timer::Pace, due - PACE * BURST);
        }
        lead.paced = due + PACE;
        lead.wanted = false;
        let number = self.next_token;
        lead.plan = Some(number);
        self.become_state(now, State::PolicyEngine, out);
        let query = CibOperation::Query { scope: Scope::All, children: true };
        self.cib(query, Some(Call::Plan { number }), out);
    }

    /// The CIB is here: put in what only the controller knows, and ask.
    pub(super) fn plan(&mut self, now: Now, number: u64, mut cib: Document, out: &mut Outputs) {
        let quorate = self.is_quorate();
        let panic = self.ever_quorate && !quorate;
        let token = self.token();
        let Some(lead) = &mut self.lead else { return };
        if lead.plan != Some(number) || self.state != State::PolicyEngine {
            return;
        }
        lead.plan = None;
        let root = cib.root_id();
        cib.set_attribute(root, "dc-uuid", &self.me.to_string());
        cib.set_attribute(root, "have-quorum", if quorate { "1" } else { "0" });
        if panic {
            cib.set_attribute(root, "no-quorum-panic", "1");
        }
        lead.expected = Some(token);
        self.timers.arm(Timer::Scheduler, now.elapsed + PATIENCE);
        out.here(Room::Scheduler, ScheduleRequest { token, cib: SharedDocument::new(cib) });
    }

    pub(super) fn scheduled(&mut self, now: Now, answer: ScheduleAnswer, out: &mut Outputs) {
        let Some(lead) = &mut self.lead else { return };
        if lead.expected != Some(answer.token) || self.state != State::PolicyEngine {
            return log::debug!("controller: an obsolete plan");
        }
        lead.expected = None;
        self.timers.cancel(&Timer::Scheduler);
        match answer.transition {
            Ok(transition) => {
                self.become_state(now, State::TransitionEngine, out);
                self.load(transition.into_transition());
                self.proceed(now, out);
            }
            Err(error) => {
                log::error!("controller: no plan: {error}");
                self.become_state(now, State::Idle, out);
            }
        }
    }

    /// Tells the CIB, when it changes, whether the cluster has quorum and who leads it.
    pub(super) fn tell_quorum(&mut self, now: Now, out: &mut Outputs) {
        let quorate = self.is_quorate();
        if !self.is_ring_settled() {
            return;
        }
        let Some(lead) = &mut self.lead else { return };
        if lead.told_quorum == Some(quorate) {
            return;
        }
        let before = lead.told_quorum.replace(quorate);
        let mut content = Document::new("cib");
        let root = content.root_id();
        content.set_attribute(root, "have-quorum", if quorate { "1" } else { "0" });
        content.set_attribute(root, "dc-uuid", &self.me.to_string());
        let update = CibUpdate::Modify {
            scope: Scope::All,
            content: SharedDocument::new(content),
            create: false,
            scores: false,
        };
        self.write(vec![update], Call::Write { what: "quorum" }, out);
        match before {
            Some(_) if quorate => self.timers.arm(Timer::QuorumGained, now.elapsed + QUORUM_GAINED),
            Some(_) => self.restart_transition(now, "Quorum lost", out),
            None => {}
        }
    }

    /// Writes the options that say what leads this cluster (spec 60 §4.4).
    pub(super) fn write_leader_options(&mut self, out: &mut Outputs) {
        let set = self.options.set.clone().unwrap_or_else(|| BOOTSTRAP_OPTIONS.to_owned());
        let version = concat!(env!("CARGO_PKG_VERSION"), "-understudy");
        let mut content = Document::new("cluster_property_set");
        let root = content.root_id();
        content.set_attribute(root, "id", &set);
        let mut changed = false;
        for (name, value) in [
            ("have-watchdog", if self.has_watchdog { "true" } else { "false" }),
            ("dc-version", version),
            ("cluster-infrastructure", "corosync"),
        ] {
            let known = self.options.written.iter().find(|(_, known, _)| known == name);
            match known {
                Some((_, _, old)) if old == value => continue,
                _ => changed = true,
            }
            let id = known.map_or_else(|| format!("{set}-{name}"), |(id, _, _)| id.clone());
            let pair = content.append_element(root, "nvpair");
            for (key, text) in [("id", id.as_str()), ("name", name), ("value", value)] {
                content.set_attribute(pair, key, text);
            }
        }
        if changed {
            let update = CibUpdate::Modify {
                scope: Scope::Section("crm_config".to_owned()),
                content: SharedDocument::new(content),
                create: true,
                scores: false,
            };
            self.write(vec![update], Call::Write { what: "options" }, out);
        }
    }

    /// When to look again although nothing happened.
    pub(super) fn arm_recheck(&mut self, now: Now) {
        let interval = self.options.recheck_interval;
        if interval.is_zero() || self.lead.is_none() {
            return;
        }
        let by =
            self.lead.as_ref().and_then(|lead| lead.run.as_ref()).and_then(|run| run.recheck_by());
        let wait = by.map_or(interval, |at| {
            let seconds = u64::try_from(at - now.epoch()).unwrap_or(0);
            let wait = if seconds == 0 {
                Duration::from_millis(500)
            } else {
                Duration::from_secs(seconds)
            };
            wait.min(interval)
        });
        self.timers.arm(Timer::Recheck, now.elapsed + wait);
    }

    pub(super) fn recheck(&mut self, _: Now) {
        if self.state == State::Idle {
            self.want_calculation();
        }
    }

    /// Aborts whatever is planned or under way, and plans anew.
    pub(super) fn restart_transition(&mut self, now: Now, reason: &str, out: &mut Outputs) {
        use policy_engine::transition::executor::INFINITY;
        self.abort(now, INFINITY, CompletionAction::Restart, reason, out);
    }
}
