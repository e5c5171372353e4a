//! This node's link to its quorum device: registration, polls and their time-outs (spec 71 §9).

use std::time::Duration;

use super::{DeviceRequest, Mandate, Output, Refusal, Votes};
use crate::id::NodeId;
use crate::mutation::{self, Mutation};
use crate::notice::Notice;
use crate::options::DeviceSettings;
use crate::wire::{DeviceFlags, MAX_EXTRA_INFO, MAX_NAME, Message};

/// State of the local device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DeviceLink {
    /// Name in use cluster-wide.
    pub(super) name: Option<String>,
    /// This node's own device.
    pub(super) flags: DeviceFlags,
    /// By when the next poll must come.
    pub(super) deadline: Option<Duration>,
    /// Mark of the registration under way.
    registering: Option<u64>,
}

impl Votes {
    fn enabled_device(&self) -> Option<&DeviceSettings> {
        self.settings.device.as_ref().filter(|device| device.enabled)
    }

    /// With a living device the verdict of the new ring waits for a poll about it.
    pub(super) fn await_device(&mut self, now: Duration) {
        let flags = self.device.flags;
        let Some(device) = self.enabled_device() else { return };
        if !(flags.registered && flags.alive) {
            return;
        }
        let longest = device.sync_timeout;
        self.device.deadline = Some(now + longest);
        let name = self.device.name.clone().unwrap_or_default();
        self.notice(Notice::WaitingForDevice { name, millis: longest.as_millis() });
        self.set_awaits_device(true);
    }

    pub(super) fn device_expire(&mut self, now: Duration) {
        if self.device.deadline.is_none_or(|at| at > now) {
            return;
        }
        self.device.deadline = None;
        let name = self.device.name.clone().unwrap_or_default();
        self.notice(Notice::DeviceLost { name });
        self.set_own_flags(DeviceFlags { alive: false, casts: false, ..self.device.flags });
        self.set_awaits_device(false);
    }

    /// Own flags are announced, and count here at once: votes taken back must not linger, not even
    /// in the old verdict while a new ring is synchronised.
    fn set_own_flags(&mut self, flags: DeviceFlags) {
        if flags == self.device.flags {
            return;
        }
        let given_back = self.device.flags.casts && !flags.casts;
        self.device.flags = flags;
        self.multicast(&Message::Device(flags));
        if self.synchronisation.is_none() || given_back {
            self.evaluate(Mandate::Sought);
        }
    }

    pub(super) fn device_request(&mut self, now: Duration, token: u64, request: DeviceRequest) {
        let result = match request {
            _ if self.enabled_device().is_none() => Err(Refusal::DeviceDisabled),
            DeviceRequest::Register { name } => match self.check_register(&name) {
                Ok(()) => {
                    self.device.registering =
                        self.submit(token, |ticket| Message::RegisterDevice { ticket, name });
                    return;
                }
                refused => refused,
            },
            DeviceRequest::Rename { old, new } => {
                if !name_fits(&new) {
                    Err(Refusal::TooLong)
                } else if self.device.name.as_ref() != Some(&old) {
                    Err(Refusal::WrongName)
                } else {
                    self.submit(token, |ticket| Message::RenameDevice { ticket, old, new });
                    return;
                }
            }
            DeviceRequest::Unregister { name } => self.check_name(&name).map(|()| {
                self.drop_device();
            }),
            DeviceRequest::Poll { name, cast, ring } => {
                let stale = Some(ring) != self.newest_ring()
                    && !mutation::planted(Mutation::AcceptStaleDeviceAnswer);
                self.check_name(&name)
                    .and(if stale { Err(Refusal::StaleRing) } else { Ok(()) })
                    .map(|()| self.polled(now, cast))
            }
            DeviceRequest::MasterWins { name, allow } => self.check_name(&name).map(|()| {
                self.set_own_flags(DeviceFlags { master_wins: allow, ..self.device.flags });
            }),
            DeviceRequest::ExtraInfo(info) if info.len() > MAX_EXTRA_INFO => Err(Refusal::TooLong),
            DeviceRequest::ExtraInfo(_) if !self.device.flags.registered => {
                Err(Refusal::NotRegistered)
            }
            DeviceRequest::ExtraInfo(info) => {
                self.multicast(&Message::ExtraInfo(info));
                Ok(())
            }
        };
        self.reply(token, result);
    }

    fn check_register(&self, name: &str) -> Result<(), Refusal> {
        if !name_fits(name) {
            Err(Refusal::TooLong)
        } else if self.device.registering.is_some_and(|mark| self.pending.contains_key(&mark)) {
            Err(Refusal::TryAgain)
        } else if self.device.name.as_ref().is_some_and(|known| known != name) {
            Err(Refusal::Exists)
        } else {
            Ok(())
        }
    }

    fn check_name(&self, name: &str) -> Result<(), Refusal> {
        if !self.device.flags.registered {
            Err(Refusal::NotRegistered)
        } else if self.device.name.as_deref() != Some(name) {
            Err(Refusal::WrongName)
        } else {
            Ok(())
        }
    }

    fn polled(&mut self, now: Duration, cast: bool) {
        let Some(timeout) = self.enabled_device().map(|device| device.timeout) else { return };
        self.device.deadline = Some(now + timeout);
        self.set_own_flags(DeviceFlags { alive: true, casts: cast, ..self.device.flags });
        self.set_awaits_device(false);
    }

    pub(super) fn device_registers(&mut self, from: NodeId, name: String) -> Result<(), Refusal> {
        let mine = from == self.settings.me;
        match &self.device.name {
            Some(known) if *known != name => return Err(Refusal::Exists),
            _ => self.device.name = Some(name),
        }
        if mine {
            self.set_own_flags(DeviceFlags { registered: true, ..self.device.flags });
        }
        Ok(())
    }

    pub(super) fn device_renamed(&mut self, old: &str, new: String) -> Result<(), Refusal> {
        if self.device.name.as_deref() != Some(old) {
            return Err(Refusal::WrongName);
        }
        self.device.name = Some(new);
        Ok(())
    }

    /// Forgets this node's registration.
    pub(super) fn drop_device(&mut self) {
        if self.device.flags == DeviceFlags::default() {
            return;
        }
        self.device.deadline = None;
        self.set_own_flags(DeviceFlags::default());
        self.multicast(&Message::UnregisterDevice);
        self.set_awaits_device(false);
    }

    pub(super) fn device_changed(&mut self, from: NodeId, flags: DeviceFlags) {
        if let Some(record) = self.nodes.get_mut(from) {
            record.device = flags;
        }
        self.evaluate(Mandate::Sought);
    }

    pub(super) fn device_unregisters(&mut self, from: NodeId) {
        self.device_changed(from, DeviceFlags::default());
        self.extra_info_changed(from, Vec::new());
        let any = self.nodes.members().any(|(_, record)| record.device.registered);
        if !any && !self.device.flags.registered {
            self.device.name = None;
        }
    }

    pub(super) fn extra_info_changed(&mut self, node: NodeId, info: Vec<u8>) {
        let Some(record) = self.nodes.get_mut(node) else { return };
        if record.extra_info != info {
            record.extra_info.clone_from(&info);
            self.emit(Output::ExtraInfo { node, info });
        }
    }

    /// New members learn this node's information.
    pub(super) fn resend_extra_info(&mut self) {
        let own = self.nodes.get(self.settings.me).map(|record| record.extra_info.clone());
        if let Some(info) = own.filter(|info| !info.is_empty()) {
            self.multicast(&Message::ExtraInfo(info));
        }
    }

    /// A member's device decides even against a majority.
    pub(super) fn device_overrules(&self) -> bool {
        let wins = |flags: DeviceFlags| flags.master_wins && flags.casts;
        self.enabled_device().is_some()
            && (wins(self.device.flags) || self.nodes.members().any(|(_, r)| wins(r.device)))
    }
}

fn name_fits(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
}
