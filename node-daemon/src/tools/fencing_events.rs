//! Past and pending fencing, as status displays show it (spec 41 §3.14, 81 §15).

use cib_model::{Document, Element};
use node_daemon::ipc::client::ClientError;

use super::fencer::{Ended, Fencer, element};

/// How an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has not ended.
    Pending,
    /// The target is fenced.
    Success,
    /// The target is not known to be fenced.
    Failed,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FencingEvent {
    /// What was to be done.
    pub action: String,
    /// To which node.
    pub target: String,
    /// By which node.
    pub delegate: Option<String>,
    /// Who asked.
    pub client: String,
    /// Which node was asked.
    pub origin: String,
    /// How it is.
    pub state: State,
    /// The state's number.
    #[serde(skip)]
    number: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it ended, in nanoseconds since 1970.
    pub completed_ns: Option<i128>,
}

/// How much is said of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// For people: only the last of each kind is there.
    Last,
    /// For people: all are there.
    All,
}

/// Asks the fencer for past operations, of one target or of all.
///
/// # Errors
/// When the fencer does not answer.
pub fn ask(
    fencer: &mut Fencer,
    target: Option<&str>,
    options: u32,
) -> Result<(Ended, Vec<FencingEvent>), ClientError> {
    let data = target.map(|target| element("stonith_api", &[("st_target", target)]));
    let ended = fencer.call("st_fence_history", options, data.as_ref())?;
    let found = ended.document.root().descendants().filter(|e| e.name() == "st_execute");
    let mut events: Vec<FencingEvent> = found.map(FencingEvent::read).collect();
    // What is pending, then what has ended, the newest first.
    events.sort_by_key(|event| {
        (event.state != State::Pending, std::cmp::Reverse(event.completed_ns))
    });
    Ok((ended, events))
}

/// Leaves out ended operations that say no more than a later one.
pub fn reduced(events: &[FencingEvent]) -> Vec<FencingEvent> {
    let mut kept: Vec<FencingEvent> = Vec::new();
    for event in events {
        let repeats = |other: &FencingEvent| {
            other.target.eq_ignore_ascii_case(&event.target)
                && other.action == event.action
                && other.state == event.state
                && (event.state == State::Success || other.delegate == event.delegate)
        };
        if event.state == State::Pending || !kept.iter().any(repeats) {
            kept.push(event.clone());
        }
    }
    kept
}

impl FencingEvent {
    fn read(element: Element<'_>) -> FencingEvent {
        let text = |name| element.attribute(name).map(str::to_owned);
        let number = |name| element.attribute(name).and_then(|n| n.parse::<i128>().ok());
        let state = match element.attribute("st_state") {
            Some("2") => State::Success,
            Some("4") => State::Failed,
            _ => State::Pending,
        };
        let seconds = number("st_date").filter(|seconds| *seconds > 0);
        FencingEvent {
            action: text("st_device_action").unwrap_or_default(),
            target: text("st_target").unwrap_or_default(),
            delegate: text("st_delegate"),
            client: text("st_clientname").unwrap_or_default(),
            origin: text("st_origin").unwrap_or_default(),
            state,
            number: text("st_state").unwrap_or_default(),
            reason: text("exit-reason").filter(|reason| !reason.is_empty()),
            completed_ns: seconds.map(|s| s * 1_000_000_000 + number("st_date_nsec").unwrap_or(0)),
        }
    }

    /// When it ended, in seconds since 1970.
    pub fn epoch(&self) -> Option<i64> {
        self.completed_ns.and_then(|ns| i64::try_from(ns / 1_000_000_000).ok())
    }

    fn what(&self) -> &str {
        match self.action.as_str() {
            "on" => "unfencing",
            "off" => "turning off",
            other => other,
        }
    }

    fn word(&self) -> &'static str {
        match self.state {
            State::Pending => "pending",
            State::Success => "successful",
            State::Failed => "failed",
        }
    }

    /// `YYYY-MM-DD HH:MM:SS.uuuuuu` with the zone, in local time.
    pub fn time(&self) -> Option<String> {
        let at = jiff::Timestamp::from_nanosecond(self.completed_ns?).ok()?;
        let local = at.to_zoned(jiff::tz::TimeZone::system());
        let zone = match local.offset().seconds() {
            0 => "Z".to_owned(),
            _ => local.strftime("%:z").to_string(),
        };
        Some(format!("{}{zone}", local.strftime("%Y-%m-%d %H:%M:%S.%6f")))
    }

    /// One line for people.
    pub fn sentence(&self, all: &[FencingEvent], detail: Detail) -> String {
        let delegate = self.delegate.as_ref().map(|d| format!(" by {d}")).unwrap_or_default();
        let last = match (self.state, detail) {
            (State::Pending, _) | (_, Detail::All) => "",
            _ => " last",
        };
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let time = self.time().map(|time| format!(" at {time}")).unwrap_or_default();
        format!(
            "{} of {}{delegate} for {}@{}{last} {}{reason}{time}{}",
            self.what(),
            self.target,
            self.client,
            self.origin,
            self.word(),
            self.excuse(all),
        )
    }

    /// One line with all there is to know.
    pub fn line(&self, all: &[FencingEvent], detail: Detail) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let delegate =
            self.delegate.as_ref().map(|d| format!("delegate={d}, ")).unwrap_or_default();
        let when = match (self.state, detail) {
            (State::Pending, _) => None,
            (_, Detail::All) => Some("completed"),
            (State::Success, _) => Some("last-successful"),
            (State::Failed, _) => Some("last-failed"),
        };
        let time = when.zip(self.time());
        let time = time.map(|(when, time)| format!(", {when}='{time}'")).unwrap_or_default();
        format!(
            "{} of {} {}{reason}: {delegate}client={}, origin={}{time}{}",
            self.what(),
            self.target,
            self.word(),
            self.client,
            self.origin,
            self.excuse(all),
        )
    }

    /// Who succeeded after this failed.
    fn excuse(&self, all: &[FencingEvent]) -> String {
        if self.state != State::Failed {
            return String::new();
        }
        let later: Vec<&FencingEvent> = all
            .iter()
            .filter(|other| {
                other.state == State::Success
                    && other.completed_ns > self.completed_ns
                    && other.target.eq_ignore_ascii_case(&self.target)
                    && other.action == self.action
            })
            .collect();
        let Some(first) = later.first() else { return String::new() };
        let same =
            self.delegate.is_none() || later.iter().any(|other| other.delegate == self.delegate);
        if same {
            return " (a later attempt succeeded)".to_owned();
        }
        let by = first.delegate.as_deref().unwrap_or("some node");
        format!(" (a later attempt from {by} succeeded)")
    }

    /// Element `fence_event`.
    pub fn write(&self, out: &mut Document, parent: cib_model::ElementId) {
        let made = out.append_element(parent, "fence_event");
        let mut set = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                out.set_attribute(made, name, value);
            }
        };
        set("action", Some(&self.action));
        set("target", Some(&self.target));
        set("client", Some(&self.client));
        set("origin", Some(&self.origin));
        let status = match self.state {
            State::Pending => "pending",
            State::Success => "success",
            State::Failed => "failed",
        };
        set("status", Some(status));
        set("exit-reason", self.reason.as_deref());
        if self.state == State::Pending {
            set("extended-status", Some(&self.number));
        }
        set("delegate", self.delegate.as_deref());
        set("completed", self.time().as_deref());
    }
}
