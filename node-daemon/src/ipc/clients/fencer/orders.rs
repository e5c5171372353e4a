//! What clients ask the fencer (spec 81 §14.1).

use cib_model::Element;

use super::{ALLOW_SELF, BROADCAST, BY_ID, Call, MANUAL};
use crate::subsystem::{
    DeviceQuestion, FenceVerb, FencingResult, FencingTask, HiddenValues, LevelTarget,
};

/// Default time for what has none, in seconds.
const TIMEOUT_S: u32 = 120;

/// Execution status of what is not attempted.
const INVALID: i32 = 9;
/// Exit statuses of the same.
const PERMISSION: i32 = 4;
const PROTOCOL: i32 = 76;

fn refused(exit: i32, reason: &str) -> FencingResult {
    FencingResult {
        ok: false,
        no_device: false,
        exit,
        status: INVALID,
        reason: Some(reason.to_owned()),
        output: String::new(),
    }
}

fn missing() -> FencingResult {
    refused(PROTOCOL, "Fencer API request missing required information (bug?)")
}

/// What a command asks for, or how it is refused.
pub(super) fn task(
    privileged: bool,
    root: Element<'_>,
    call: &Call,
) -> Result<FencingTask, FencingResult> {
    let changes = match call.operation.as_str() {
        "st_fence" | "st_device_register" | "st_device_remove" | "st_level_add"
        | "st_level_remove" => true,
        "st_fence_history" => !call.lists || call.options & BROADCAST != 0,
        _ => false,
    };
    if changes && !privileged {
        return Err(refused(PERMISSION, "Unprivileged users must register device via CIB"));
    }
    let timeout_s =
        number(root, "st_timeout").and_then(|t| u32::try_from(t).ok()).filter(|t| *t > 0);
    let timeout_s = timeout_s.unwrap_or(TIMEOUT_S);
    match call.operation.as_str() {
        "st_fence" => fence(root, call, timeout_s),
        "st_query" => Ok(FencingTask::ListDevices { target: call.target.clone() }),
        "st_fence_history" => Ok(match (call.lists, call.options & BROADCAST != 0) {
            (false, _) => FencingTask::CleanUpHistory { target: call.target.clone() },
            (true, true) => FencingTask::SynchroniseHistory,
            (true, false) => FencingTask::History { target: call.target.clone() },
        }),
        "st_execute" => {
            let question = match (call.action.as_deref(), &call.target) {
                (Some("monitor"), _) => DeviceQuestion::Monitor,
                (Some("list"), _) => DeviceQuestion::List,
                (Some("status"), Some(target)) => DeviceQuestion::Status(target.clone()),
                _ => return Err(missing()),
            };
            let device = within(root, "st_device_id").ok_or_else(missing)?;
            Ok(FencingTask::AskDevice { device, question, timeout_s })
        }
        "st_device_register" => register(root),
        "st_device_remove" => {
            let device = payload(root, "st_device_id").ok_or_else(missing)?;
            let device = device.attribute("id").ok_or_else(missing)?.to_owned();
            Ok(FencingTask::StopDevice { device })
        }
        "st_level_add" => {
            let level = payload(root, "fencing-level").ok_or_else(missing)?;
            let devices = level.attribute("devices").unwrap_or_default().split(',');
            Ok(FencingTask::AddLevel {
                id: level.attribute("id").unwrap_or_default().to_owned(),
                target: level_target(level),
                index: index(level),
                devices: devices
                    .map(str::trim)
                    .filter(|id| !id.is_empty())
                    .map(str::to_owned)
                    .collect(),
            })
        }
        "st_level_remove" => {
            let level = payload(root, "fencing-level").ok_or_else(missing)?;
            let target = level_target(level).ok_or_else(missing)?;
            Ok(FencingTask::RemoveLevel { target, index: index(level) })
        }
        other => Err(refused(PROTOCOL, &format!("Unknown request type '{other}' (bug?)"))),
    }
}

fn within(root: Element<'_>, name: &str) -> Option<String> {
    root.descendants().find_map(|element| element.attribute(name)).map(str::to_owned)
}

/// The innermost number of this name.
fn number(root: Element<'_>, name: &str) -> Option<i32> {
    let values = root.descendants().filter_map(|element| element.attribute(name));
    values.filter_map(|value| value.trim_end_matches('s').parse().ok()).last()
}

fn payload<'d>(root: Element<'d>, name: &str) -> Option<Element<'d>> {
    root.child("st_calldata")?.child(name)
}

fn fence(root: Element<'_>, call: &Call, timeout_s: u32) -> Result<FencingTask, FencingResult> {
    let target = call.target.clone().ok_or_else(missing)?;
    if call.options & MANUAL != 0 {
        return Ok(FencingTask::Confirm { target });
    }
    let action = call.action.as_deref().and_then(FenceVerb::from_name).ok_or_else(missing)?;
    let tolerance = number(root, "st_tolerance").and_then(|value| u32::try_from(value).ok());
    Ok(FencingTask::Fence {
        target,
        action,
        timeout_s,
        delay_s: number(root, "st_delay").unwrap_or(0),
        tolerance_s: tolerance.unwrap_or(0),
        allow_self: call.options & ALLOW_SELF != 0,
        by_id: call.options & BY_ID != 0,
    })
}

fn register(root: Element<'_>) -> Result<FencingTask, FencingResult> {
    let device = payload(root, "st_device_id").ok_or_else(missing)?;
    let text = |name| device.attribute(name).map(str::to_owned).ok_or_else(missing);
    let attributes = device.child("attributes").into_iter().flat_map(|a| a.attributes());
    let parameters: HiddenValues =
        attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(FencingTask::RegisterDevice {
        device: text("id")?,
        agent: text("agent")?,
        parameters,
        unfences: device.attribute("rsc_provides") == Some("unfencing"),
    })
}

fn index(level: Element<'_>) -> u32 {
    level.attribute("index").and_then(|index| index.parse().ok()).unwrap_or(0)
}

/// The nodes of a level; the first kind of target counts (spec 81 §5.1).
fn level_target(level: Element<'_>) -> Option<LevelTarget> {
    let text = |name| level.attribute(name).map(str::to_owned);
    if let Some(name) = text("target") {
        return Some(LevelTarget::Node(name));
    }
    if let Some(pattern) = text("target-pattern") {
        return Some(LevelTarget::Pattern(pattern));
    }
    let (name, value) = (text("target-attribute")?, text("target-value")?);
    Some(LevelTarget::Attribute { name, value })
}
