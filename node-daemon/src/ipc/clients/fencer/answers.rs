//! What clients are told of fencing (spec 81 §12, §14.1).

use super::{Call, DISCARD_REPLY, MANUAL, SYNCHRONOUS};
use crate::ipc::clients::session::SessionId;
use crate::ipc::clients::tag::Tag;
use crate::ipc::clients::{Clients, Kind};
use crate::ipc::frame::flag;
use crate::ipc::parts::Message;
use crate::subsystem::{
    FenceAnswer, FenceDevice, FencerEvent, FencerNotice, FencingRecord, FencingResult,
};

/// A kind of news a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ipc::clients) enum News {
    Fenced,
    DeviceRegistered,
    DeviceRemoved,
    History,
    HistorySynchronised,
}

const NEWS: [(News, &str); 5] = [
    (News::Fenced, "st_notify_fence"),
    (News::DeviceRegistered, "st_device_register"),
    (News::DeviceRemoved, "st_device_remove"),
    (News::History, "st_notify_history"),
    (News::HistorySynchronised, "st_notify_history_synced"),
];

impl News {
    /// The news of this name.
    pub fn from_name(name: &str) -> Option<News> {
        NEWS.into_iter().find(|(_, known)| *known == name).map(|(news, _)| news)
    }

    fn name(self) -> &'static str {
        NEWS.into_iter().find(|(news, _)| *news == self).map_or("", |(_, name)| name)
    }
}

/// A tag with a result.
pub(super) fn with_result(tag: Tag, result: &FencingResult) -> Tag {
    let output = Some(result.output.as_str()).filter(|output| !output.is_empty());
    tag.attribute("op-status", &result.status.to_string())
        .attribute("rc-code", &result.exit.to_string())
        .maybe("exit-reason", result.reason.as_deref())
        .maybe("st_output", output)
        .attribute("st_rc", &legacy_code(result).to_string())
}

/// The negative error number old clients read (spec 81 §3.5).
fn legacy_code(result: &FencingResult) -> i32 {
    match (result.ok, result.status, result.exit) {
        (true, ..) => 0,
        (_, -1, _) => -115,
        (_, 1, _) => -125,
        (_, 2, _) => -62,
        (_, 3, _) => -95,
        (_, 7, _) => -2,
        (_, 8, _) => -107,
        (_, 10, _) => -19,
        (_, 11, _) | (_, 9, 4) => -13,
        (_, 9, 2) => -22,
        (_, 9, 76) => -71,
        (_, 9, 110) => -113,
        _ => -61,
    }
}

fn fine() -> FencingResult {
    FencingResult {
        ok: true,
        no_device: false,
        exit: 0,
        status: 0,
        reason: None,
        output: String::new(),
    }
}

impl Clients {
    /// The fencer has answered.
    pub(in crate::ipc::clients) fn fence_answer(&mut self, answer: FenceAnswer) {
        let token = match &answer {
            FenceAnswer::Ended { token, .. }
            | FenceAnswer::MayTake { token, .. }
            | FenceAnswer::Devices { token, .. }
            | FenceAnswer::History { token, .. } => *token,
        };
        if let FenceAnswer::MayTake { seconds, .. } = answer {
            return self.may_take(token, seconds);
        }
        let Some(pending) = self.answered(token) else { return };
        let (id, question) = (pending.session, pending.question);
        let Kind::Fencer(call) = pending.kind else { return };
        match answer {
            FenceAnswer::Ended { result, .. } => {
                let delegate = (call.options & MANUAL != 0).then_some("a human");
                self.fence_reply(id, &question, &call, &result, delegate, "");
            }
            FenceAnswer::Devices { devices, .. } => {
                let data = devices_data(&call, &devices);
                self.fence_reply(id, &question, &call, &fine(), None, &data);
            }
            FenceAnswer::History { records, .. } => {
                let past: String = records.iter().map(record).collect();
                let data = Tag::new("st_history").around(&past);
                self.fence_reply(id, &question, &call, &fine(), None, &data);
            }
            FenceAnswer::MayTake { .. } => {}
        }
    }

    fn may_take(&mut self, token: u64, seconds: u32) {
        let Some(pending) = self.pending.get(&token) else { return };
        let Kind::Fencer(call) = &pending.kind else { return };
        let text = Tag::new("st-async-timeout-value")
            .attribute("t", "st-async-timeout-value")
            .attribute("st_callid", &call.id)
            .attribute("st_timeout", &seconds.to_string())
            .closed();
        self.event(pending.session, &text);
    }

    /// An operation has ended, whoever asked for it.
    pub(in crate::ipc::clients) fn fencing_ended(&mut self, notice: &FencerNotice) {
        let data = Tag::new("st_notify_fence")
            .attribute("state", if notice.result.ok { "2" } else { "4" })
            .attribute("st_target", &notice.target)
            .attribute("st_device_action", &notice.action)
            .maybe("st_delegate", notice.delegate.as_deref())
            .attribute("st_remote_op", &notice.operation)
            .attribute("st_origin", &notice.origin)
            .attribute("st_clientname", &notice.client)
            .closed();
        self.tell(News::Fenced, &notice.result, &data);
    }

    /// Something else has happened at the fencer.
    pub(in crate::ipc::clients) fn fencer_event(&mut self, event: &FencerEvent) {
        let device = |id: &str| Tag::new("st_device_id").attribute("id", id).closed();
        let (news, data) = match event {
            FencerEvent::Began => return,
            FencerEvent::DeviceRegistered(id) => (News::DeviceRegistered, device(id)),
            FencerEvent::DeviceRemoved(id) => (News::DeviceRemoved, device(id)),
            FencerEvent::HistoryChanged => (News::History, String::new()),
            FencerEvent::HistorySynchronised => (News::HistorySynchronised, String::new()),
        };
        self.tell(news, &fine(), &data);
    }

    /// Tells those who asked to be told.
    fn tell(&mut self, news: News, result: &FencingResult, data: &str) {
        let listens = |id: &SessionId| {
            self.sessions.get(id).is_some_and(|session| session.fencing.contains(&news))
        };
        let told: Vec<SessionId> = self.sessions.keys().copied().filter(listens).collect();
        if told.is_empty() {
            return;
        }
        let tag = Tag::new("notify")
            .attribute("t", "st_notify")
            .attribute("subt", news.name())
            .attribute("st_op", news.name());
        let data =
            if data.is_empty() { String::new() } else { Tag::new("st_calldata").around(data) };
        let text = with_result(tag, result).around(&data);
        for id in told {
            self.event(id, &text);
        }
    }

    /// Answers a command.
    pub(super) fn fence_reply(
        &mut self,
        id: SessionId,
        question: &Message,
        call: &Call,
        result: &FencingResult,
        delegate: Option<&str>,
        data: &str,
    ) {
        if call.options & DISCARD_REPLY != 0 {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let reply = call.reply(session, result, delegate, data);
        if call.options & SYNCHRONOUS != 0 || question.flags & flag::RESPONSE_WANTED != 0 {
            self.respond(id, question, &reply);
        } else {
            self.event(id, &reply);
        }
    }
}

fn devices_data(call: &Call, devices: &[FenceDevice]) -> String {
    let listed: String = devices
        .iter()
        .map(|device| {
            Tag::new("st_device_id")
                .attribute("id", &device.id)
                .attribute("namespace", "stonith-ng")
                .attribute("agent", &device.agent)
                .attribute("st_monitor_verified", if device.verified { "1" } else { "0" })
                .closed()
        })
        .collect();
    Tag::new("st_query")
        .maybe("st_target", call.target.as_deref())
        .attribute("st-available-devices", &devices.len().to_string())
        .around(&listed)
}

fn record(record: &FencingRecord) -> String {
    let seconds = (record.completed_ns / 1_000_000_000).to_string();
    let nanoseconds = (record.completed_ns % 1_000_000_000).to_string();
    let done = record.completed_ns > 0;
    let tag = Tag::new("st_execute")
        .attribute("st_remote_op", &record.id)
        .attribute("st_target", &record.target)
        .attribute("st_device_action", &record.action)
        .attribute("st_origin", &record.origin)
        .maybe("st_delegate", record.delegate.as_deref())
        .attribute("st_clientname", &record.client)
        .maybe("st_date", done.then_some(seconds.as_str()))
        .maybe("st_date_nsec", done.then_some(nanoseconds.as_str()))
        .attribute("st_state", &record.state.to_string());
    match &record.result {
        Some(result) => with_result(tag, result).closed(),
        None => tag.closed(),
    }
}
