//! Values that may be secret.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// Values by name, of which debug output, and so the log, tells the names alone: a password of a device or a
/// resource may be among them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenValues(BTreeMap<String, String>);

impl fmt::Debug for HiddenValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Deref for HiddenValues {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl From<BTreeMap<String, String>> for HiddenValues {
    fn from(values: BTreeMap<String, String>) -> HiddenValues {
        HiddenValues(values)
    }
}

impl FromIterator<(String, String)> for HiddenValues {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> HiddenValues {
        HiddenValues(values.into_iter().collect())
    }
}

impl IntoIterator for HiddenValues {
    type Item = (String, String);
    type IntoIter = btree_map::IntoIter<String, String>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        AgentName, AlertRun, Body, ExecutorRequest, FenceRequest, FencingTask, Operation,
    };
    use crate::subsystem::{SharedDocument, SharedPatch};
    use cib_model::Document;
    use cib_model::patch::{AttributeOrder, Patch};

    const SECRET: &str = "xyzzy-plugh";

    /// Messages on whose way a password travels.
    fn messages(secret: &str) -> Vec<Body> {
        let pair = || ("passwd".to_owned(), secret.to_owned());
        let agent = AgentName {
            class: "ocf".to_owned(),
            provider: Some("understudy".to_owned()),
            kind: "Dummy".to_owned(),
        };
        let operation = Operation {
            resource: "r".to_owned(),
            agent,
            action: "start".to_owned(),
            interval_ms: 0,
            timeout_ms: 1,
            start_delay_ms: 0,
            parameters: [pair()].into_iter().collect(),
            key: "0:0:0:x".to_owned(),
        };
        let alert = AlertRun {
            id: "a".to_owned(),
            path: "/a".to_owned(),
            timeout_ms: 1,
            environment: vec![pair()],
        };
        let device = FencingTask::RegisterDevice {
            device: "d".to_owned(),
            agent: "fence_d".to_owned(),
            parameters: [pair()].into_iter().collect(),
            unfences: false,
        };
        let text = |value: &str| {
            let pair = format!("<nvpair id=\"n\" name=\"passwd\" value=\"{value}\"/>");
            Document::parse(&format!(
                "<cib epoch=\"1\"><configuration>{pair}</configuration></cib>"
            ))
        };
        let (old, new) = (text("old").unwrap(), text(secret).unwrap());
        let patch = Patch::between(&old, &new, AttributeOrder::Significant).unwrap();
        let patch = format!("{:?}", SharedPatch::new(patch));
        assert!(!patch.contains(SECRET), "{patch}");
        let request = FenceRequest { token: 1, client: "c".to_owned(), task: device };
        vec![
            ExecutorRequest::Execute(operation).into(),
            ExecutorRequest::Alert(alert).into(),
            request.into(),
            Body::CibAnswer(crate::subsystem::CibAnswer {
                token: 1,
                result: Ok(Some(SharedDocument::new(new))),
            }),
        ]
    }

    #[test]
    fn no_message_shows_a_password() {
        for message in messages(SECRET) {
            let text = format!("{message:?} {message:#?}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }

    /// The same look finds one that is planted where values show.
    #[test]
    fn a_password_in_a_wrong_place_is_seen() {
        let all: String = messages(SECRET).iter().map(|message| format!("{message:?}")).collect();
        assert_eq!(all.matches("passwd").count(), 3, "names are told: {all}");
        let task = FencingTask::StopDevice { device: SECRET.to_owned() };
        let planted = Body::from(FenceRequest { token: 1, client: "c".to_owned(), task });
        assert!(format!("{planted:?}").contains(SECRET));
    }
}
