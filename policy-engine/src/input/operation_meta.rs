//! Meta-attributes of an action, from its definition and the defaults (spec 10 §10.2).

use super::blocks::Context;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::resource::OperationDefinition;
use cib_model::DateTime;
use cib_model::nvpair::NameValues;
use cib_model::rule::{OperationInput, ResourceInput};
use cib_model::scalar::parse_timeout_ms;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The timeout of operations that have none.
const DEFAULT_TIMEOUT_MS: i64 = 20_000;

const BLOCK: &str = "meta_attributes";

/// Meta-attributes by name.
pub type OperationMeta<'d> = BTreeMap<Cow<'d, str>, Cow<'d, str>>;

impl<'d> Cluster<'d> {
    /// Everything the definition and the defaults say of an action. `notify` is set for the
    /// pseudo-actions around notifications, which are defined by the operation `notify`.
    pub fn operation_meta(
        &mut self,
        resource: ResourceId,
        task: &str,
        interval_ms: u64,
        node: Option<NodeId>,
        notify: bool,
    ) -> OperationMeta<'d> {
        let definition = if notify {
            self.operation(resource, "notify", 0, true)
        } else {
            self.operation(resource, task, interval_ms, true)
        };
        let values = self.operation_values(resource, task, interval_ms, definition);
        let mut meta: OperationMeta<'d> =
            values.iter().filter(|(n, _)| *n != "id").map(|(n, v)| (n.into(), v.into())).collect();
        if interval_ms > 0 {
            meta.insert("interval".into(), interval_ms.to_string().into());
        } else {
            meta.remove("interval");
        }
        let is_probe = task == "monitor" && interval_ms == 0;
        if self.resource(resource).flags.fence_device && (task == "start" || is_probe) {
            let timeout = self.parameters(resource, node).get("pcmk_monitor_timeout");
            if let Some(timeout) = timeout {
                meta.insert("timeout".into(), timeout.into());
            }
        }
        let timeout = meta.get("timeout").and_then(|t| parse_timeout_ms(t).ok());
        let timeout = timeout.filter(|ms| *ms > 0).unwrap_or(DEFAULT_TIMEOUT_MS);
        meta.insert("timeout".into(), timeout.min(i64::from(i32::MAX)).to_string().into());
        self.validate_on_fail(resource, task, definition, &mut meta);
        self.set_start_delay(interval_ms, &mut meta);
        meta
    }

    /// Steps 1 to 4: blocks, XML attributes, a probe's borrowed timeout, defaults.
    pub(super) fn operation_values(
        &mut self,
        resource: ResourceId,
        task: &str,
        interval_ms: u64,
        definition: Option<OperationDefinition<'d>>,
    ) -> NameValues<'d> {
        let r = self.resource(resource);
        let context = Context {
            resource: (!r.class.is_empty()).then_some(ResourceInput {
                class: r.class,
                provider: r.provider,
                agent: r.agent,
            }),
            operation: Some(OperationInput { name: task, interval_ms }),
            ..Context::default()
        };
        let mut values = NameValues::default();
        if let Some(definition) = definition {
            self.collect_blocks(definition.element, BLOCK, context, &mut values);
            for (name, value) in definition.element.attributes() {
                values.insert(name, value);
            }
        }
        if task == "monitor"
            && interval_ms == 0
            && values.get("timeout").is_none()
            && let Some(timeout) = self.most_frequent_monitor_timeout(resource)
        {
            values.insert("timeout", timeout);
        }
        if let Some(defaults) = self.operation_defaults {
            self.collect_blocks(defaults, BLOCK, context, &mut values);
        }
        values
    }

    /// Timeout of the enabled recurring monitor with the smallest interval.
    fn most_frequent_monitor_timeout(&self, resource: ResourceId) -> Option<&'d str> {
        let operations = &self.definitions[self.resource(resource).definition.index()].operations;
        operations
            .iter()
            .filter(|o| o.name == "monitor" && o.interval_ms > 0 && o.enabled)
            .min_by_key(|o| o.interval_ms)
            .and_then(|o| o.element.attribute("timeout"))
    }

    fn set_start_delay(&mut self, interval_ms: u64, meta: &mut OperationMeta<'d>) {
        let limit = |ms: i64| ms.clamp(0, i64::from(i32::MAX)).to_string();
        if let Some(delay) = meta.get("start-delay") {
            let delay = limit(parse_timeout_ms(delay).unwrap_or(0));
            meta.insert("start-delay".into(), delay.into());
            return;
        }
        let Some(origin) = meta.get("interval-origin").filter(|_| interval_ms > 0) else { return };
        match DateTime::parse(origin, self.now) {
            Ok(origin) => {
                let ms = delay_to_next(self.now_epoch() - origin.epoch(), interval_ms);
                meta.insert("start-delay".into(), limit(ms).into());
            }
            Err(error) => self.message(Level::Error, format!("Ignoring interval-origin: {error}")),
        }
    }
}

/// Milliseconds until the next multiple of the interval, `since_origin` seconds after the origin.
fn delay_to_next(since_origin: i64, interval_ms: u64) -> i64 {
    let interval = (interval_ms / 1000).max(1) as i64;
    let rest = since_origin % interval;
    let seconds = if rest <= 0 { -rest } else { interval - rest };
    seconds * 1000
}

#[cfg(test)]
mod tests {
    use super::delay_to_next;
    use crate::input::fixture::{self, cib};

    #[test]
    fn delays_reach_the_next_multiple() {
        for (since, interval, ms) in [
            (0, 60_000, 0),
            (1, 60_000, 59_000),
            (59, 60_000, 1000),
            (60, 60_000, 0),
            (-10, 60_000, 10_000),
        ] {
            assert_eq!(delay_to_next(since, interval), ms, "{since}");
        }
    }

    #[test]
    fn sources_of_operation_meta_attributes() {
        let resources = "<primitive id='p' class='ocf' provider='x' type='y'><operations>
            <op id='m10' name='monitor' interval='10s' timeout='PT30S'>
              <meta_attributes id='b'><nvpair id='b1' name='timeout' value='5'/><nvpair id='b2' name='x' value='block'/></meta_attributes></op>
            <op id='m5' name='monitor' interval='5s' timeout='7s' on-fail='demote'/>
            <op id='st' name='stop' interval='0' timeout='9s' on-fail='standby'/>
            <op id='mg' name='migrate' interval='0' timeout='11'/></operations></primitive>";
        let defaults =
            "<op_defaults><meta_attributes id='d'><nvpair id='d1' name='x' value='default'/>
            <nvpair id='d2' name='timeout' value='99'/></meta_attributes></op_defaults>";
        let text = cib("", "", "", resources, "", "")
            .replace("<constraints>", &format!("{defaults}<constraints>"));
        let cases = [
            ("monitor", 10_000, "interval=10000 name=monitor timeout=20000 x=block"),
            ("monitor", 5_000, "interval=5000 name=monitor timeout=7000 x=default"),
            ("monitor", 0, "timeout=7000 x=default"),
            ("stop", 0, "name=stop timeout=9000 x=default"),
            ("start", 0, "timeout=99000 x=default"),
            ("migrate_to", 0, "name=migrate timeout=11000 x=default"),
        ];
        fixture::with(&text, |c| {
            let p = c.find_resource("p").unwrap();
            for (task, interval, expected) in cases {
                let meta = c.operation_meta(p, task, interval, None, false);
                let shown: Vec<_> = meta.iter().map(|(n, v)| format!("{n}={v}")).collect();
                assert_eq!(shown.join(" "), expected, "{task} {interval}");
            }
        });
    }
}
