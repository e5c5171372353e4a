//! What is done about a failed operation (spec 10 §10.4 to §10.6).

use super::operation_meta::OperationMeta;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::ResourceId;
use crate::model::resource::OperationDefinition;
use crate::model::role::Role;
use cib_model::Element;

/// How a failure is handled, from the mildest to the most severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnFail {
    /// Act as if it had succeeded.
    #[default]
    Ignore,
    /// Demote.
    Demote,
    /// Stop and start again, perhaps elsewhere.
    Restart,
    /// Recover the remote connection.
    ResetRemote,
    /// Recover the launcher.
    RestartContainer,
    /// Keep the resource off the node.
    Ban,
    /// Leave everything as it is.
    Block,
    /// Stop and do not start again.
    Stop,
    /// Move everything off the node.
    Standby,
    /// Fence the node.
    Fence,
}

fn is_promoted(role: Option<&str>) -> bool {
    role.and_then(Role::parse) == Some(Role::Promoted)
}

/// May this operation be handled by demoting?
fn may_demote(op: Element<'_>, interval_ms: u64) -> bool {
    match op.attribute("name") {
        Some("promote") => true,
        Some("monitor") => interval_ms > 0 && is_promoted(op.attribute("role")),
        _ => false,
    }
}

impl<'d> Cluster<'d> {
    /// Removes or replaces an `on-fail` that makes no sense for the operation.
    pub(super) fn validate_on_fail(
        &mut self,
        resource: ResourceId,
        task: &str,
        definition: Option<OperationDefinition<'d>>,
        meta: &mut OperationMeta<'d>,
    ) {
        let is =
            |value: Option<&str>, word: &str| value.is_some_and(|v| v.eq_ignore_ascii_case(word));
        let value = meta.get("on-fail").map(|v| &**v);
        let on_stop = ["standby", "demote", "stop"].iter().any(|w| is(value, w));
        if task == "stop" && on_stop {
            let text = format!(
                "Resetting 'on-fail' for {} stop action to default value because '{}' is not allowed \
                 for stop",
                self.resource(resource).id,
                value.unwrap_or_default()
            );
            self.message(Level::Error, text);
            meta.remove("on-fail");
            return;
        }
        if task == "demote" && value.is_none() {
            if let Some(value) = self.on_fail_of_promoted_monitors(resource) {
                meta.insert("on-fail".into(), value.into());
            }
            return;
        }
        if task == "lrm_delete" {
            meta.insert("on-fail".into(), "ignore".into());
            return;
        }
        let allowed = definition.is_some_and(|d| may_demote(d.element, d.interval_ms));
        if is(value, "demote") && !allowed {
            let text = format!(
                "Resetting 'on-fail' for {} {task} action to default value because 'demote' is not \
                 allowed for it",
                self.resource(resource).id
            );
            self.message(Level::Error, text);
            meta.remove("on-fail");
        }
    }

    /// What the monitors of the promoted role say, for a demote that says nothing itself.
    fn on_fail_of_promoted_monitors(&self, resource: ResourceId) -> Option<&'d str> {
        let operations = &self.definitions[self.resource(resource).definition.index()].operations;
        operations
            .iter()
            .filter(|o| o.name == "monitor" && o.interval_ms > 0 && o.enabled)
            .filter(|o| is_promoted(o.element.attribute("role")))
            .filter_map(|o| o.element.attribute("on-fail"))
            .rfind(|v| !v.eq_ignore_ascii_case("demote"))
    }

    /// How a failure of an operation is handled, and the role after it.
    pub fn on_fail(
        &mut self,
        resource: ResourceId,
        task: &str,
        interval_ms: u64,
    ) -> (OnFail, Role) {
        let meta = self.operation_meta(resource, task, interval_ms, None, false);
        let value = meta.get("on-fail").map(|v| v.to_ascii_lowercase());
        let r = self.resource(resource);
        let (managed, launched) = (r.flags.managed, r.launcher.is_some());
        let needs_reset = self.is_remote_node_connection(resource)
            && task != "start"
            && !(task == "monitor" && interval_ms == 0);
        let value = value.filter(|_| !needs_reset || managed);
        let explicit = value.and_then(|v| self.explicit_handling(resource, &v));
        let handling = explicit.unwrap_or(if launched {
            OnFail::RestartContainer
        } else if needs_reset {
            if managed { OnFail::ResetRemote } else { OnFail::Stop }
        } else if task == "stop" {
            if self.options.fencing_enabled { OnFail::Fence } else { OnFail::Block }
        } else {
            OnFail::Restart
        });
        let reconnecting = self.resource(resource).reconnect_interval_ms != 0;
        let role = match handling {
            OnFail::Stop => Role::Stopped,
            OnFail::ResetRemote if reconnecting => Role::Stopped,
            _ if task == "promote" => Role::Unpromoted,
            _ => Role::Started,
        };
        (handling, role)
    }

    fn explicit_handling(&mut self, resource: ResourceId, value: &str) -> Option<OnFail> {
        Some(match value {
            "block" => OnFail::Block,
            "fence" if self.options.fencing_enabled => OnFail::Fence,
            "fence" => {
                let text = format!(
                    "Resetting 'on-fail' of {} to 'stop' because 'fence' is not valid when fencing \
                     is disabled",
                    self.resource(resource).id
                );
                self.message(Level::Error, text);
                OnFail::Stop
            }
            "standby" => OnFail::Standby,
            "ignore" | "nothing" => OnFail::Ignore,
            "migrate" => OnFail::Ban,
            "stop" => OnFail::Stop,
            "restart" => OnFail::Restart,
            "restart-container" => {
                return self.resource(resource).launcher.map(|_| OnFail::RestartContainer);
            }
            "demote" => OnFail::Demote,
            other => {
                let text =
                    format!("'{other}' is not a valid 'on-fail' of {}", self.resource(resource).id);
                self.message(Level::Error, text);
                return None;
            }
        })
    }

    /// The connection of a remote node: the node bearing its id has no launched connection.
    fn is_remote_node_connection(&self, resource: ResourceId) -> bool {
        let r = self.resource(resource);
        r.flags.remote_connection
            && self.find_node(None, Some(&r.id)).is_some_and(|node| self.is_remote(node))
    }
}

#[cfg(test)]
mod tests {
    use super::OnFail;
    use crate::input::fixture::{self, cib};
    use crate::model::role::Role;

    #[test]
    fn severities_are_ordered() {
        let order = [
            OnFail::Ignore,
            OnFail::Demote,
            OnFail::Restart,
            OnFail::ResetRemote,
            OnFail::RestartContainer,
            OnFail::Ban,
            OnFail::Block,
            OnFail::Stop,
            OnFail::Standby,
            OnFail::Fence,
        ];
        assert!(order.is_sorted());
    }

    #[test]
    fn handling_by_operation() {
        let resources = "<primitive id='p' class='ocf' provider='x' type='y'><operations>
            <op id='a' name='monitor' interval='10s' on-fail='demote'/>
            <op id='b' name='monitor' interval='11s' role='Promoted' on-fail='demote'/>
            <op id='c' name='monitor' interval='12s' role='Promoted' on-fail='block'/>
            <op id='d' name='start' interval='0' on-fail='junk'/>
            <op id='e' name='stop' interval='0' on-fail='stop'/>
            <op id='f' name='promote' interval='0' on-fail='restart-container'/>
            <op id='g' name='monitor' interval='13s' on-fail='fence'/></operations></primitive>
            <primitive id='r' class='ocf' provider='pacemaker' type='remote'>
            <instance_attributes id='i'><nvpair id='i1' name='reconnect_interval' value='30s'/></instance_attributes></primitive>";
        let cases = [
            ("p", "monitor", 10_000, true, (OnFail::Restart, Role::Started)),
            ("p", "monitor", 11_000, true, (OnFail::Demote, Role::Started)),
            ("p", "demote", 0, true, (OnFail::Block, Role::Started)),
            ("p", "start", 0, true, (OnFail::Restart, Role::Started)),
            ("p", "stop", 0, true, (OnFail::Fence, Role::Started)),
            ("p", "stop", 0, false, (OnFail::Block, Role::Started)),
            ("p", "promote", 0, true, (OnFail::Restart, Role::Unpromoted)),
            ("p", "monitor", 13_000, true, (OnFail::Fence, Role::Started)),
            ("p", "monitor", 13_000, false, (OnFail::Stop, Role::Stopped)),
            ("r", "monitor", 30_000, true, (OnFail::ResetRemote, Role::Stopped)),
            ("r", "start", 0, true, (OnFail::Restart, Role::Started)),
        ];
        for (resource, task, interval, fencing, expected) in cases {
            let options = format!(
                "<cluster_property_set id='o'><nvpair id='f' name='fencing-enabled' value='{fencing}'/></cluster_property_set>"
            );
            fixture::with(&cib("", &options, "", resources, "", ""), |c| {
                let id = c.find_resource(resource).unwrap();
                assert_eq!(c.on_fail(id, task, interval), expected, "{resource} {task} {interval}");
            });
        }
    }
}
