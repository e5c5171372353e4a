//! Requests in the words of crate fencing, and its answers in ours.

use fencing::agent::Action;
use fencing::clock::Seconds;
use fencing::device::DeviceDefinition;
use fencing::fencer::{FenceOrder, Request};
use fencing::message::HistoryEntry;
use fencing::name::{AgentName, DeviceId, NodeName};
use fencing::outcome::{ExecutionStatus, Outcome};
use fencing::secret::Parameters;
use fencing::topology::{self, LevelDefinition};

use crate::subsystem::{
    DeviceQuestion, FenceVerb, FencingRecord, FencingResult, FencingTask, HiddenValues, LevelTarget,
};

/// Asks a device whether it answers.
pub(super) fn monitor(device: DeviceId, seconds: u32) -> Request {
    Request::Execute { device, action: Action::Monitor, target: None, timeout: Seconds(seconds) }
}

fn node(name: &str) -> Result<NodeName, String> {
    NodeName::new(name).map_err(|error| error.to_string())
}

fn maybe(name: Option<String>) -> Result<Option<NodeName>, String> {
    name.map(|name| node(&name)).transpose()
}

fn id(name: &str) -> Result<DeviceId, String> {
    DeviceId::new(name).map_err(|error| error.to_string())
}

/// The fencer's request for a task, and a device to be monitored after it.
pub(super) fn translate(task: FencingTask) -> Result<(Request, Option<(DeviceId, u32)>), String> {
    let request = match task {
        FencingTask::Fence {
            target,
            action,
            timeout_s,
            delay_s,
            tolerance_s,
            allow_self,
            by_id,
        } => {
            let action = match action {
                FenceVerb::Off => Action::Off,
                FenceVerb::Reboot => Action::Reboot,
                FenceVerb::On => Action::On,
            };
            Request::Fence(FenceOrder {
                delay: delay_s,
                tolerance: Seconds(tolerance_s),
                allow_self,
                target_is_id: by_id,
                ..FenceOrder::new(node(&target)?, action, Seconds(timeout_s))
            })
        }
        FencingTask::Confirm { target } => Request::DangerousConfirm { target: node(&target)? },
        FencingTask::StartDevice { device, agent, parameters, timeout_s } => {
            let definition = definition(&device, &agent, parameters, false)?;
            let device = definition.id.clone();
            return Ok((Request::RegisterDevice(definition), Some((device, timeout_s))));
        }
        FencingTask::RegisterDevice { device, agent, parameters, unfences } => {
            Request::RegisterDevice(definition(&device, &agent, parameters, unfences)?)
        }
        FencingTask::StopDevice { device } => Request::RemoveDevice(id(&device)?),
        FencingTask::AskDevice { device, question, timeout_s } => {
            let (action, target) = match question {
                DeviceQuestion::Monitor => (Action::Monitor, None),
                DeviceQuestion::List => (Action::List, None),
                DeviceQuestion::Status(target) => (Action::Status, Some(node(&target)?)),
            };
            Request::Execute { device: id(&device)?, action, target, timeout: Seconds(timeout_s) }
        }
        FencingTask::AddLevel { id: level, target, index, devices } => {
            let devices = devices.iter().map(|device| id(device)).collect::<Result<_, _>>()?;
            let target = target.map(level_target).transpose()?;
            Request::RegisterLevel(LevelDefinition { id: level, target, index, devices })
        }
        FencingTask::RemoveLevel { target, index } => {
            Request::RemoveLevel { target: level_target(target)?, index }
        }
        FencingTask::ListDevices { target } => {
            Request::ListDevices { target: maybe(target)?, action: Action::Off }
        }
        FencingTask::History { target } => Request::History { target: maybe(target)? },
        FencingTask::CleanUpHistory { target } => {
            Request::CleanUpHistory { target: maybe(target)? }
        }
        FencingTask::SynchroniseHistory => Request::SynchroniseHistory,
    };
    Ok((request, None))
}

fn definition(
    device: &str,
    agent: &str,
    parameters: HiddenValues,
    provides_unfencing: bool,
) -> Result<DeviceDefinition, String> {
    let mut given = Parameters::new();
    for (name, value) in parameters {
        given.set(name, value);
    }
    Ok(DeviceDefinition {
        id: id(device)?,
        agent: AgentName::new(agent).map_err(|error| error.to_string())?,
        parameters: given,
        provides_unfencing,
    })
}

fn level_target(target: LevelTarget) -> Result<topology::LevelTarget, String> {
    Ok(match target {
        LevelTarget::Node(name) => topology::LevelTarget::Name(node(&name)?),
        LevelTarget::Pattern(pattern) => topology::LevelTarget::Pattern(pattern),
        LevelTarget::Attribute { name, value } => topology::LevelTarget::Attribute { name, value },
    })
}

/// An outcome as told to other subsystems.
pub(super) fn result_of(outcome: &Outcome) -> FencingResult {
    FencingResult {
        ok: outcome.is_ok(),
        no_device: outcome.status == ExecutionStatus::NoFenceDevice,
        exit: outcome.exit,
        status: outcome.status.number().into(),
        reason: outcome.reason.clone(),
        output: outcome.output.clone(),
    }
}

/// A past operation as told to other subsystems.
pub(super) fn record(entry: &HistoryEntry) -> FencingRecord {
    FencingRecord {
        id: entry.operation.to_string(),
        target: entry.target.as_str().to_owned(),
        action: entry.action.as_str().to_owned(),
        origin: entry.originator.as_str().to_owned(),
        delegate: entry.delegate.as_ref().map(|name| name.as_str().to_owned()),
        client: entry.client.clone(),
        state: entry.state as u8,
        completed_ns: u64::try_from(entry.completed.as_nanos()).unwrap_or(u64::MAX),
        result: entry.outcome.as_ref().map(result_of),
    }
}
