//! From device to device and from level to level, and what each answer means (spec 81 §7.7, §7.8).

use log::Level;

use crate::agent::Action;
use crate::clock::Seconds;
use crate::fault::{Fault, planted};
use crate::message::FenceReply;
use crate::message::FenceRequest;
use crate::name::{DeviceId, NodeName};
use crate::operation::choice::Choice;
use crate::operation::{Conduct, Current, Phase, Route, View};
use crate::outcome::{ExecutionStatus, Outcome, exit};

/// What the owner does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing; some answer or timer will go on with it.
    Wait,
    /// Ask a peer to run a device.
    Request {
        /// The peer.
        peer: NodeName,
        /// The request.
        request: FenceRequest,
        /// When it counts as unanswered.
        timer: Seconds,
        /// If set, the target fences itself by watchdog, which is believed after this time, and
        /// there is no other timer.
        watchdog: Option<Seconds>,
    },
    /// Nobody can; believe the target's watchdog after this time.
    Watchdog {
        /// The time.
        wait: Seconds,
    },
    /// The operation has ended.
    Finish(Outcome),
}

enum Step {
    More,
    Complete,
    NoLevelLeft,
}

impl Conduct {
    /// Finds the next thing to do; call it when nothing is under way.
    pub fn next(&mut self, view: View<'_>) -> Next {
        loop {
            if self.phase() == Phase::On && self.skips_on(view) {
                match self.next_device() {
                    Step::More => continue,
                    Step::Complete | Step::NoLevelLeft => return self.succeed(),
                }
            }
            match self.choose(view) {
                Choice::Peer(at) => return self.request(view, at),
                Choice::Wait => return Next::Wait,
                Choice::Nobody if self.phase() == Phase::On => {
                    let device = self.device().map(DeviceId::to_string).unwrap_or_default();
                    let text = format!(
                        "Ignoring {device} 'on' failure (no capable peers) targeting {}",
                        self.target
                    );
                    self.say(Level::Warn, text);
                    match self.next_device() {
                        Step::More => {}
                        Step::Complete | Step::NoLevelLeft => return self.succeed(),
                    }
                }
                Choice::Nobody => match self.next_level() {
                    Step::More => {}
                    Step::Complete | Step::NoLevelLeft => return self.nobody_left(view),
                },
            }
        }
    }

    /// Whether the current device is left off or unfences by itself when the target is back.
    fn skips_on(&mut self, view: View<'_>) -> bool {
        let Some(device) = self.device().cloned() else {
            return false;
        };
        let automatic = self
            .peers
            .iter()
            .any(|peer| peer.offers.get(&device).is_some_and(|offer| offer.automatic_unfencing));
        if automatic {
            return true;
        }
        let Some(own) = view.devices.get(&device) else {
            return false;
        };
        let why = if own.options.agent_action(Action::Reboot) == "off" {
            "the device is configured to stay off (pcmk_reboot_action='off')"
        } else if !own.supports(Action::On) {
            "the agent doesn't support 'on'"
        } else {
            return false;
        };
        let text = format!("Not turning {} back on using {device} because {why}", self.target);
        self.say(Level::Info, text);
        true
    }

    fn request(&mut self, view: View<'_>, at: usize) -> Next {
        let device = self.device().cloned();
        let action = self.phase_action();
        if self.total.is_none() {
            let total = self.total_time(view, Some(&self.peers[at]));
            self.total = Some(total);
            let text = format!(
                "Total timeout set to {total} for peer's fencing targeting {} for {} | id={}",
                self.target,
                self.client,
                self.operation.short()
            );
            self.say(Level::Info, text);
        }
        let peer = &self.peers[at];
        let (node, incarnation) = (peer.node.clone(), peer.incarnation);
        let timer = self.request_time(view, peer, device.as_ref());
        let timeout = match &device {
            Some(device) => self.device_time(view, peer, device, false),
            None => self.base,
        };
        let watchdog = view
            .watchdog
            .applies(device.as_ref(), self.action, &self.target)
            .filter(|_| device.is_some() || node == self.target);
        self.mark_executed(at, device.as_ref());
        self.attempts += 1;
        self.executing = true;
        self.watchdog_waiting = watchdog.is_some();
        self.watchdog_used |= watchdog.is_some();
        self.current = Some(Current { peer: node.clone(), attempt: self.attempts });
        self.say_request(&node, action, device.as_ref(), timer, watchdog);
        let request = FenceRequest {
            operation: self.operation,
            attempt: self.attempts,
            incarnation,
            target: self.target.clone(),
            action,
            client: self.client.clone(),
            originator: view.local.clone(),
            timeout,
            delay: self.client_delay,
            completes: self.completes(),
            device,
        };
        Next::Request { peer: node, request, timer, watchdog }
    }

    fn say_request(
        &mut self,
        node: &NodeName,
        action: Action,
        device: Option<&DeviceId>,
        timer: Seconds,
        watchdog: Option<Seconds>,
    ) {
        let using = device.map(|device| format!(" using {device}")).unwrap_or_default();
        let wait = match watchdog {
            Some(wait) if device.is_none() => format!(", {wait}"),
            _ => String::new(),
        };
        let text = format!(
            "Requesting that {node} perform '{action}' action targeting {}{using} | for client {} ({timer}{wait})",
            self.target, self.client
        );
        self.say(Level::Info, text);
    }

    fn mark_executed(&mut self, at: usize, device: Option<&DeviceId>) {
        let phase = self.phase();
        let peer = &mut self.peers[at];
        match device {
            Some(device) => {
                peer.executed.insert((device.clone(), phase));
            }
            None => peer.tried = true,
        }
    }

    /// Whether success of the current device is success of the operation.
    fn completes(&self) -> bool {
        match &self.route {
            Route::Any => true,
            Route::Levels(route) => {
                let last = route.position + 1 >= route.devices.len();
                last && (self.action != Action::On || self.required.is_empty())
            }
        }
    }

    /// No peer can, and no level is left.
    fn nobody_left(&mut self, view: View<'_>) -> Next {
        let fallback = view.watchdog.applies(None, self.action, &self.target);
        if let (Some(wait), true, false) =
            (fallback, self.query_expired || self.all_replied(view), self.watchdog_used)
        {
            return self.wait_for_watchdog(view, wait);
        }
        if self.query_expired {
            let reason = "All nodes failed, or are unable, to fence target";
            return self.fail(Outcome::timeout(reason));
        }
        if !self.all_replied(view) {
            return Next::Wait;
        }
        match (&self.route, self.executing, self.last.take()) {
            (Route::Any, true, Some(last)) => self.fail(last),
            _ => {
                let reason = format!("No device can fence target '{}'", self.target);
                self.fail(Outcome::no_fence_device(reason))
            }
        }
    }

    fn wait_for_watchdog(&mut self, view: View<'_>, wait: Seconds) -> Next {
        if self.total.is_none() {
            self.total = Some(self.total_time(view, None));
        }
        self.executing = true;
        self.watchdog_waiting = true;
        self.watchdog_used = true;
        let text = format!(
            "Waiting {wait} for {} to self-fence ({}) for client {}",
            self.target, self.action, self.client
        );
        self.say(Level::Info, text);
        Next::Watchdog { wait }
    }

    /// Takes a reply to a fence request. A reply to any other than the current request is
    /// outdated: what it says about the current device is unknown, so it counts for nothing.
    /// Without topology there is but one thing to achieve, so there a late success still counts.
    pub fn reply(&mut self, view: View<'_>, from: &NodeName, reply: &FenceReply) -> Next {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|current| current.attempt == reply.attempt && current.peer == *from);
        let late_success = matches!(self.route, Route::Any)
            && reply.attempt <= self.attempts
            && reply.outcome.is_ok();
        let counts = is_current || late_success || planted(Fault::AnyReplyCounts);
        if !counts {
            let text = format!(
                "Ignoring outdated reply of {from} about '{}' targeting {} | id={}",
                reply.action,
                self.target,
                self.operation.short()
            );
            self.say(Level::Error, text);
            return Next::Wait;
        }
        self.current = None;
        self.watchdog_waiting = false;
        self.delegate = Some(from.clone());
        self.answered(view, &reply.outcome)
    }

    /// The current device has been answered for.
    fn answered(&mut self, view: View<'_>, outcome: &Outcome) -> Next {
        self.last = Some(outcome.clone());
        match (&self.route, self.phase()) {
            (Route::Any, _) if outcome.is_ok() => self.succeed(),
            // An agent that took too long is not followed by another one, for lack of time; the
            // watchdog of the target may still do its work.
            (Route::Any, _) if outcome.status == ExecutionStatus::Timeout => {
                match view.watchdog.applies(None, self.action, &self.target) {
                    Some(wait) if !self.watchdog_used => self.wait_for_watchdog(view, wait),
                    _ => self.fail(outcome.clone()),
                }
            }
            (Route::Any, _) => self.next(view),
            (Route::Levels(_), phase) if outcome.is_ok() || phase == Phase::On => {
                self.device_done(view, outcome)
            }
            (Route::Levels(_), _) => {
                let text = format!(
                    "{} failed for {}; trying the next level",
                    self.device_name(),
                    self.target
                );
                self.say(Level::Warn, text);
                self.next_level();
                self.next(view)
            }
        }
    }

    fn device_name(&self) -> String {
        self.device().map(DeviceId::to_string).unwrap_or_default()
    }

    fn device_done(&mut self, view: View<'_>, outcome: &Outcome) -> Next {
        if !outcome.is_ok() {
            let text = format!(
                "Ignoring {} 'on' failure ({}) targeting {}",
                self.device_name(),
                outcome.summary(),
                self.target
            );
            self.say(Level::Warn, text);
        } else if let Some(device) = self.device().cloned() {
            self.required.retain(|required| *required != device);
        }
        if planted(Fault::OneDeviceIsEnough) {
            return self.succeed();
        }
        match self.next_device() {
            Step::More => self.next(view),
            Step::Complete | Step::NoLevelLeft => self.succeed(),
        }
    }

    /// Goes to the next device of the level, then to the devices that unfencing still requires,
    /// then from off to on.
    fn next_device(&mut self) -> Step {
        self.client_delay = self.client_delay.min(0);
        let Route::Levels(route) = &mut self.route else {
            return Step::Complete;
        };
        route.position += 1;
        if route.position < route.devices.len() {
            return Step::More;
        }
        if self.action == Action::On && !self.required.is_empty() {
            route.devices = self.required.clone();
            route.position = 0;
            return Step::More;
        }
        if route.phase == Phase::Off {
            route.phase = Phase::On;
            route.position = 0;
            let text = format!(
                "Remapped 'off' targeting {} complete, remapping to 'on' for {}",
                self.target, self.client
            );
            self.say(Level::Info, text);
            return Step::More;
        }
        Step::Complete
    }

    fn next_level(&mut self) -> Step {
        let Route::Levels(route) = &self.route else {
            return Step::NoLevelLeft;
        };
        let at = route.at + 1;
        self.client_delay = self.client_delay.min(0);
        if at > route.levels.len() {
            return Step::NoLevelLeft;
        }
        if self.select_level(at) { Step::More } else { Step::NoLevelLeft }
    }

    /// The timer of the current request has expired. The agent may be at work still or may have
    /// done its work: unknown, so the target is not fenced by it.
    pub fn request_expired(&mut self, view: View<'_>) -> Next {
        if self.current.take().is_none() {
            return Next::Wait;
        }
        if planted(Fault::TimeoutsAreSuccess) {
            return self.answered(view, &Outcome::ok());
        }
        self.last = Some(Outcome::timeout("Peer did not return fence result within timeout"));
        self.client_delay = self.client_delay.min(0);
        self.next(view)
    }

    /// The watchdog time of the target is over: it has fenced itself.
    pub fn watchdog_expired(&mut self, view: View<'_>) -> Next {
        if !std::mem::take(&mut self.watchdog_waiting) {
            return Next::Wait;
        }
        let text = format!(
            "Self-fencing ({}) by {} for {} assumed complete | id={}",
            self.action,
            self.target,
            self.client,
            self.operation.short()
        );
        self.say(Level::Info, text);
        let of_device = self.current.take().is_some();
        if of_device {
            self.delegate = Some(self.target.clone());
        }
        if of_device { self.answered(view, &Outcome::ok()) } else { self.succeed() }
    }

    /// The time for answers to the query is over.
    pub fn query_expired(&mut self, view: View<'_>) -> Next {
        self.query_expired = true;
        if self.current.is_some() || self.watchdog_waiting {
            return Next::Wait;
        }
        let nobody = self.peers.is_empty() && !self.executing;
        if nobody && view.watchdog.applies(None, self.action, &self.target).is_none() {
            let reason = "No capable peers replied to device query within timeout";
            return self.fail(Outcome::timeout(reason));
        }
        self.next(view)
    }

    /// The time for the whole operation is over.
    pub fn total_expired(&mut self) -> Next {
        if self.phase() == Phase::On {
            return self.succeed();
        }
        self.fail(Outcome::timeout(
            "Fencing did not complete within a total timeout based on the configured timeout and \
             retries for any devices attempted",
        ))
    }

    /// The peer of the current request is gone; whether it ran the device is unknown.
    pub fn peer_lost(&mut self, view: View<'_>) -> Next {
        let gone =
            self.current.as_ref().is_some_and(|current| !view.active.contains(&current.peer));
        if !gone || self.watchdog_waiting {
            return Next::Wait;
        }
        self.current = None;
        self.last = Some(Outcome::failed(
            ExecutionStatus::NotConnected,
            exit::ERROR,
            "Peer left the cluster before it returned a fence result",
        ));
        self.client_delay = self.client_delay.min(0);
        self.next(view)
    }

    fn succeed(&mut self) -> Next {
        self.undo_remap();
        Next::Finish(Outcome { output: String::new(), ..Outcome::ok() })
    }

    fn fail(&mut self, outcome: Outcome) -> Next {
        self.undo_remap();
        Next::Finish(outcome)
    }
}
