//! Alerts: agents that tell the outside what happens (spec 60 §13).

use cib_model::document::References;
use cib_model::nvpair::{Blocks, NameValues};
use cib_model::rule::{NextChange, RuleInput};
use cib_model::scalar::{parse_boolean, parse_interval_ms};
use cib_model::{DateTime, Element};

use super::Controller;
use crate::subsystem::{
    AlertRun, ExecutorRequest, FencerNotice, NodeId, Now, OperationEnd, Outputs, Room,
};

/// What is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nodes that come and go.
    Node,
    /// Fencing.
    Fencing,
    /// Results of resource actions.
    Resource,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Node => "node",
            Kind::Fencing => "fencing",
            Kind::Resource => "resource",
        }
    }
}

/// One alert agent with one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    id: String,
    path: String,
    recipient: Option<String>,
    timeout_ms: u64,
    kinds: [bool; 3],
    environment: Vec<(String, String)>,
}

/// Reads the alerts of a `configuration`, last ones first, as they are executed.
pub fn read(configuration: Element<'_>, now: DateTime) -> Vec<Alert> {
    let references = References::new(configuration.document());
    let mut alerts = Vec::new();
    let section = configuration.child("alerts");
    for element in section.into_iter().flat_map(|section| section.children_named("alert")) {
        let (Some(id), Some(path)) = (element.xml_id(), element.attribute("path")) else {
            continue;
        };
        let select = element.child("select");
        let kinds = ["select_nodes", "select_fencing", "select_resources"].map(|name| {
            select.is_none_or(|select| select.is_empty() || select.child(name).is_some())
        });
        let base = Alert {
            id: id.to_owned(),
            path: path.to_owned(),
            recipient: None,
            timeout_ms: 30_000,
            kinds,
            environment: Vec::new(),
        };
        let Some(base) = base.with(element, &references, now) else { continue };
        let before = alerts.len();
        for recipient in element.children_named("recipient") {
            let mut alert = base.clone();
            alert.recipient = recipient.attribute("value").map(str::to_owned);
            alerts.extend(alert.with(recipient, &references, now));
        }
        if alerts.len() == before && element.child("recipient").is_none() {
            alerts.push(base);
        }
    }
    alerts.reverse();
    alerts
}

impl Alert {
    /// With the attributes of an `alert` or a `recipient`; nothing if they disable it.
    fn with(
        mut self,
        element: Element<'_>,
        references: &References<'_>,
        now: DateTime,
    ) -> Option<Alert> {
        // Both borrow from the same document, whatever their lifetimes are called here.
        let document = element.document();
        let references = if std::ptr::eq(references.document(), document) {
            References::new(document)
        } else {
            return None;
        };
        let values = |block| {
            let mut values = NameValues::default();
            Blocks::read(element, block, None, &references, now).fill(
                &RuleInput::at(now),
                &mut values,
                &mut NextChange::default(),
            );
            values
        };
        let meta = values("meta_attributes");
        if meta.get("enabled").and_then(parse_boolean) == Some(false) {
            return None;
        }
        if let Some(millis) = meta.get("timeout").and_then(|text| parse_interval_ms(text).ok()) {
            self.timeout_ms = millis;
        }
        for (name, value) in values("instance_attributes").iter() {
            self.environment.retain(|(known, _)| known != name);
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        Some(self)
    }
}

impl Controller {
    fn send_alerts(&self, now: Now, kind: Kind, variables: &[(&str, String)], out: &mut Outputs) {
        for alert in self.options.alerts.iter().filter(|alert| alert.kinds[kind as usize]) {
            let mut environment = alert.environment.clone();
            let at = DateTime::from_epoch(now.epoch(), 0);
            let micros = now.wall.subsec_micros();
            let time =
                format!("{:02}:{:02}:{:02}.{micros:06}", at.hour(), at.minute(), at.second());
            let fixed = [
                ("kind", kind.name().to_owned()),
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("recipient", alert.recipient.clone().unwrap_or_default()),
                ("timestamp", time),
                ("timestamp_epoch", now.epoch().to_string()),
                ("timestamp_usec", format!("{micros:06}")),
            ];
            let all = fixed.iter().chain(variables);
            environment
                .extend(all.map(|(name, value)| (format!("CRM_alert_{name}"), value.clone())));
            let run = AlertRun {
                id: alert.id.clone(),
                path: alert.path.clone(),
                timeout_ms: alert.timeout_ms,
                environment,
            };
            out.here(Room::Executor, ExecutorRequest::Alert(run));
        }
    }

    pub(super) fn alert_node(&self, now: Now, node: NodeId, member: bool, out: &mut Outputs) {
        let state = if member { "member" } else { "lost" };
        let variables = [
            ("node", self.peers.name(node).to_owned()),
            ("nodeid", node.to_string()),
            ("desc", state.to_owned()),
        ];
        self.send_alerts(now, Kind::Node, &variables, out);
    }

    pub(super) fn alert_fencing(&self, now: Now, notice: &FencerNotice, out: &mut Outputs) {
        let how = if notice.result.ok { "OK" } else { "failed" };
        let variables = [
            ("node", notice.target.clone()),
            ("task", notice.action.clone()),
            (
                "desc",
                format!(
                    "Operation {} of {} by {}: {how}",
                    notice.action, notice.target, notice.origin
                ),
            ),
            ("rc", notice.result.exit.to_string()),
        ];
        self.send_alerts(now, Kind::Fencing, &variables, out);
    }

    pub(super) fn alert_resource(
        &self,
        now: Now,
        end: &OperationEnd,
        expected: i32,
        out: &mut Outputs,
    ) {
        let probe = end.action == "monitor" && end.interval_ms == 0;
        if self.options.alerts.is_empty() || (probe && end.exit == expected) {
            return;
        }
        let variables = [
            ("node", self.name.clone()),
            ("rsc", end.resource.clone()),
            ("task", end.action.clone()),
            ("interval", end.interval_ms.to_string()),
            ("target_rc", expected.to_string()),
            ("status", end.status.to_string()),
            ("rc", end.exit.to_string()),
            ("exec_time", end.exec_ms.to_string()),
            ("desc", end.reason.clone().unwrap_or_else(|| "ok".to_owned())),
        ];
        self.send_alerts(now, Kind::Resource, &variables, out);
    }
}
