//! Alerts: agents that tell the outside what happens (spec 60 §13).

use std::time::Duration;

use cib_model::document::References;
use cib_model::nvpair::{Blocks, NameValues};
use cib_model::rule::{NextChange, RuleInput};
use cib_model::scalar::{parse_boolean, parse_interval_ms};
use cib_model::{DateTime, Element};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use lrm::outcome::{ExecStatus, OcfExit};

use super::Controller;
use crate::subsystem::{
    AlertRun, ExecutorRequest, FencerNotice, NodeId, Now, OperationEnd, Outputs, Room, WrittenValue,
};

/// How the time is written where nothing else is asked for.
const TIMESTAMP_FORMAT: &str = "%H:%M:%S.%06N";

/// What is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nodes that come and go.
    Node,
    /// Fencing.
    Fencing,
    /// Results of resource actions.
    Resource,
    /// Values of node attributes.
    Attribute,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Node => "node",
            Kind::Fencing => "fencing",
            Kind::Resource => "resource",
            Kind::Attribute => "attribute",
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
    kinds: [bool; 4],
    /// The attributes it is told of; all if none is named.
    attributes: Vec<String>,
    timestamp_format: String,
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
        let select = element.child("select").filter(|select| !select.is_empty());
        let selected = |name: &str| select.and_then(|select| select.child(name));
        let names = ["select_nodes", "select_fencing", "select_resources", "select_attributes"];
        let kinds = names.map(|name| match select {
            Some(_) => selected(name).is_some(),
            None => name != "select_attributes",
        });
        let attributes = selected("select_attributes").into_iter();
        let attributes = attributes.flat_map(|selected| selected.children_named("attribute"));
        let attributes = attributes.filter_map(|a| a.attribute("name").map(str::to_owned));
        let base = Alert {
            id: id.to_owned(),
            path: path.to_owned(),
            recipient: None,
            timeout_ms: 30_000,
            kinds,
            attributes: attributes.collect(),
            timestamp_format: TIMESTAMP_FORMAT.to_owned(),
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
        if let Some(format) = meta.get("timestamp-format") {
            format.clone_into(&mut self.timestamp_format);
        }
        for (name, value) in values("instance_attributes").iter() {
            self.environment.retain(|(known, _)| known != name);
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        Some(self)
    }
}

/// The time in a format of `strftime` with fractions of seconds; none for an empty format. One that means
/// nothing is replaced by the usual one.
fn timestamp(format: &str, wall: Duration, utc_offset: i32) -> Option<String> {
    if format.is_empty() {
        return None;
    }
    let seconds = i64::try_from(wall.as_secs()).ok()?;
    let zone = TimeZone::fixed(Offset::from_seconds(utc_offset).ok()?);
    let time = Timestamp::new(seconds, i32::try_from(wall.subsec_nanos()).ok()?).ok()?;
    let time = time.to_zoned(zone);
    let written = |format: &str| jiff::fmt::strtime::format(format, &time);
    written(format).or_else(|_| written(TIMESTAMP_FORMAT)).ok()
}

impl Controller {
    fn send_alerts(&self, now: Now, kind: Kind, variables: &[(&str, String)], out: &mut Outputs) {
        let alerts = self.options.alerts.iter().filter(|alert| alert.kinds[kind as usize]);
        for alert in alerts {
            self.send_alert(now, kind, alert, variables, out);
        }
    }

    fn send_alert(
        &self,
        now: Now,
        kind: Kind,
        alert: &Alert,
        variables: &[(&str, String)],
        out: &mut Outputs,
    ) {
        let mut environment = alert.environment.clone();
        let fixed = [
            ("kind", kind.name().to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("recipient", alert.recipient.clone().unwrap_or_default()),
            ("timestamp_epoch", now.epoch().to_string()),
            ("timestamp_usec", format!("{:06}", now.wall.subsec_micros())),
        ];
        let time = timestamp(&alert.timestamp_format, now.wall, self.utc_offset);
        let time = time.map(|text| ("timestamp", text));
        let all = fixed.iter().chain(&time).chain(variables);
        environment.extend(all.map(|(name, value)| (format!("CRM_alert_{name}"), value.clone())));
        let run = AlertRun {
            id: alert.id.clone(),
            path: alert.path.clone(),
            timeout_ms: alert.timeout_ms,
            environment,
        };
        out.here(Room::Executor, ExecutorRequest::Alert(run));
    }

    /// Tells of values that this node's attribute manager has written.
    pub(super) fn alert_attributes(&self, now: Now, values: &[WrittenValue], out: &mut Outputs) {
        for WrittenValue { node, node_id, name, value } in values {
            let variables = [
                ("node", node.clone()),
                ("nodeid", node_id.clone()),
                ("attribute_name", name.clone()),
                ("attribute_value", value.clone().unwrap_or_default()),
            ];
            let told = |alert: &&Alert| {
                let names = &alert.attributes;
                alert.kinds[Kind::Attribute as usize] && (names.is_empty() || names.contains(name))
            };
            for alert in self.options.alerts.iter().filter(told) {
                self.send_alert(now, Kind::Attribute, alert, &variables, out);
            }
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
        let (status, exit) = (ExecStatus::from_code(end.status), OcfExit::from_code(end.exit));
        let desc = match (status, exit) {
            (None | Some(ExecStatus::Done), Some(exit)) => exit.text().to_owned(),
            (Some(status), _) => status.text().to_owned(),
            (None, None) => String::new(),
        };
        let never_ran = status == Some(ExecStatus::Timeout) && end.exec_ms == 0;
        let exec_ms = if never_ran { end.timeout_ms } else { end.exec_ms };
        let variables = [
            ("node", self.name.clone()),
            ("rsc", end.resource.clone()),
            ("task", end.action.clone()),
            ("interval", end.interval_ms.to_string()),
            ("target_rc", expected.to_string()),
            ("status", end.status.to_string()),
            ("rc", end.exit.to_string()),
            ("exec_time", exec_ms.to_string()),
            ("desc", desc),
        ];
        self.send_alerts(now, Kind::Resource, &variables, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::Document;

    #[test]
    fn times_are_written_as_asked_for() {
        let wall = Duration::new(1_700_000_000, 12_345_678);
        for (format, text) in [
            (TIMESTAMP_FORMAT, Some("22:13:20.012345")),
            ("%Y-%m-%dT%H:%M:%S.%03N%z", Some("2023-11-14T22:13:20.012+0000")),
            ("%s", Some("1700000000")),
            ("%!", Some("22:13:20.012345")),
            ("", None),
        ] {
            assert_eq!(timestamp(format, wall, 0).as_deref(), text, "{format}");
        }
        assert_eq!(timestamp("%H:%M", wall, 5400).as_deref(), Some("23:43"));
    }

    #[test]
    fn alerts_select_what_they_are_told_of() {
        let kinds = |select: &str| {
            let text = format!(
                "<configuration><alerts><alert id='a' path='/a'>{select}</alert></alerts>\
                 </configuration>"
            );
            let document = Document::parse(&text).unwrap();
            let read = read(document.root(), DateTime::from_epoch(0, 0));
            (read[0].kinds, read[0].attributes.join(" "))
        };
        let usual = ([true, true, true, false], String::new());
        assert_eq!(kinds(""), usual);
        assert_eq!(kinds("<select/>"), usual);
        assert_eq!(
            kinds("<select><select_attributes/></select>"),
            ([false, false, false, true], String::new())
        );
        let some = "<select><select_nodes/><select_attributes><attribute id='x' name='a'/>\
                    <attribute id='y' name='b'/></select_attributes></select>";
        assert_eq!(kinds(some), ([true, false, false, true], "a b".to_owned()));
    }
}
