//! The envelope of controller and supervisor messages (spec 62 §8).

use cib_model::{Document, Element};

use super::session::Session;
use super::tag::Tag;
use crate::subsystem::Now;

/// A request of a client.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub task: String,
    pub kind: String,
    pub reference: String,
    pub system: String,
    pub host: Option<String>,
}

impl Request {
    pub fn read(document: &Document) -> Option<Request> {
        let root = document.root();
        let text = |name| root.attribute(name).map(str::to_owned);
        Some(Request {
            task: text("crm_task")?,
            kind: text("t").unwrap_or_else(|| "crmd".to_owned()),
            reference: text("reference").unwrap_or_default(),
            system: text("crm_sys_to").unwrap_or_default(),
            host: text("crm_host_to").filter(|host| !host.is_empty()),
        })
    }

    /// The payload.
    pub fn payload(document: &Document) -> Option<Element<'_>> {
        let root = document.root();
        root.child("crm_xml")?.children().next()
    }

    /// The answer of a system on a node; `payload` is XML text.
    pub fn answer(
        &self,
        session: &Session,
        now: Now,
        from: Answerer<'_>,
        task: &str,
        payload: &str,
    ) -> String {
        let reference = match self.reference.as_str() {
            "" => format!("{}-{}-{}-1", self.task, from.system, now.epoch()),
            known => known.to_owned(),
        };
        let content =
            if payload.is_empty() { String::new() } else { Tag::new("crm_xml").around(payload) };
        Tag::new("message")
            .attribute("origin", "ipc")
            .attribute("t", &self.kind)
            .attribute("subt", "response")
            .attribute("version", policy_engine::transition::FEATURE_SET)
            .attribute("reference", &reference)
            .attribute("crm_sys_from", from.system)
            .attribute("crm_sys_to", &session.uuid)
            .attribute("crm_task", task)
            .maybe("src", from.node)
            .around(&content)
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answerer<'a> {
    pub system: &'a str,
    pub node: Option<&'a str>,
}
