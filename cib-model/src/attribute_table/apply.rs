//! Applying updates that were delivered (spec 61 §4).

use std::time::Duration;

use regex::Regex;

use super::manager::{AttributeManager, PROTOCOL_ATTRIBUTE};
use super::message::{ClearFailure, Message, Task, Update};
use super::table::{Attribute, NodeKey, SetType, Value};
use crate::scalar::parse_interval_ms;

impl AttributeManager {
    /// Applies an update, or the updates that are its parts, in order.
    pub(super) fn apply(&mut self, from: &str, message: &Message) {
        for update in message.updates() {
            self.apply_one(from, Some(message.task), &update, false);
        }
        if message.sync_point.is_some() && self.is_local(from) {
            self.applied_locally(message.call_id);
        }
    }

    /// Applies one update. Without a task it is a value of a synchronisation.
    pub(super) fn apply_one(
        &mut self,
        from: &str,
        task: Option<Task>,
        update: &Update,
        local_wins: bool,
    ) {
        let Some(name) = update.name.as_deref().filter(|name| !name.is_empty()) else {
            log::warn!("{from} sent an update without the name of an attribute");
            return;
        };
        if !self.attributes.contains_key(name) {
            if task == Some(Task::UpdateDelay) {
                log::warn!("{from} wants to delay {name}, which does not exist");
                return;
            }
            if !self.create(name, update) {
                return;
            }
        }
        if task != Some(Task::Update) && !self.change_dampening(from, name, update) {
            return;
        }
        if task == Some(Task::UpdateDelay) {
            return;
        }
        match &update.host {
            Some(host) => self.set_value(name, host, update, local_wins),
            None => {
                let hosts: Vec<String> =
                    self.attributes[name].values().map(|value| value.node.clone()).collect();
                let update = Update { host_id: None, ..update.clone() };
                for host in hosts {
                    self.set_value(name, &host, &update, local_wins);
                }
            }
        }
        if name == PROTOCOL_ATTRIBUTE
            && let (Some(host), Some(value)) = (&update.host, &update.value)
        {
            self.learn_protocol(host, value);
        }
    }

    /// Creates an attribute. What is given now stays.
    fn create(&mut self, name: &str, update: &Update) -> bool {
        if self.attributes.len() >= self.settings.max_attributes {
            log::warn!("{name} is refused: there are {} attributes", self.attributes.len());
            return false;
        }
        let set_type = match update.set_type.as_deref() {
            None => Some(SetType::default()),
            Some(text) => SetType::parse(text),
        };
        if set_type.is_none() && !update.is_private {
            log::warn!("{name} is refused: expected instance_attributes or utilization as its set");
            return false;
        }
        let attribute = Attribute {
            set_type: set_type.unwrap_or_default(),
            set_id: update.set.clone(),
            user: update.user.clone(),
            is_private: update.is_private,
            dampening: update.dampening.as_deref().and_then(read_dampening).unwrap_or_default(),
            ..Attribute::default()
        };
        self.attributes.insert(name.to_owned(), attribute);
        true
    }

    /// Takes over the dampening of an update; a change writes at once. Whether the update goes on.
    fn change_dampening(&mut self, from: &str, name: &str, update: &Update) -> bool {
        let Some(dampening) = update.dampening.as_deref().and_then(read_dampening) else {
            log::warn!("{from} did not specify a delay for {name}");
            return false;
        };
        let attribute = self.attributes.get_mut(name);
        if let Some(attribute) = attribute.filter(|attribute| attribute.dampening != dampening) {
            attribute.dampening = dampening;
            self.stop_timer(name);
            self.write_or_elect(name);
        }
        true
    }

    fn set_value(&mut self, name: &str, host: &str, update: &Update, local_wins: bool) {
        let key = NodeKey::new(host);
        self.to_erase.remove(&key);
        if update.is_remote {
            self.remote_nodes.insert(key.clone());
        }
        let is_local = self.is_local(host);
        let Some(attribute) = self.attributes.get_mut(name) else { return };
        if attribute.values.len() >= self.settings.max_nodes && !attribute.values.contains_key(&key)
        {
            log::warn!("{name} has values for too many nodes: that of {host} is refused");
            return;
        }
        let value = attribute.values.entry(key).or_insert_with(|| Value {
            node: host.to_owned(),
            current: None,
            is_remote: false,
            requested: None,
            seen: false,
        });
        value.is_remote |= update.is_remote;
        value.seen = true;
        let differs = match (&value.current, &update.value) {
            (Some(ours), Some(theirs)) => !ours.eq_ignore_ascii_case(theirs),
            (None, None) => false,
            _ => true,
        };
        if differs && local_wins && is_local {
            log::info!("the local value of {name} takes priority");
            let ours = Update {
                name: Some(name.to_owned()),
                value: value.current.clone(),
                host: Some(host.to_owned()),
                ..attribute.described()
            };
            self.broadcast(Message { update: ours, ..Message::new(Task::Update) });
        } else if differs {
            value.current.clone_from(&update.value);
            attribute.changed = true;
            let dampening = attribute.dampening;
            if dampening.is_zero() {
                self.write_or_elect(name);
            } else {
                self.start_timer(name, dampening);
            }
        } else if update.force_write && !attribute.dampening.is_zero() {
            attribute.force_write = true;
        }
        if let Some(id) = &update.host_id {
            self.learn_id(host, id);
        }
    }

    fn learn_protocol(&mut self, node: &str, version: &str) {
        let Ok(version) = version.parse() else { return };
        self.protocols.insert(node.to_owned(), version);
        let minimum = self.minimum_protocol.map_or(version, |minimum| minimum.min(version));
        self.minimum_protocol = Some(minimum);
    }

    /// Unsets what records failures.
    pub(super) fn clear_failure(&mut self, from: &str, message: &Message) {
        let pattern = message.clear.pattern();
        let expression = match Regex::new(&pattern) {
            Ok(expression) => expression,
            Err(error) => {
                log::warn!("{from} wants failures cleared for {pattern:?}: {error}");
                return;
            }
        };
        let names: Vec<String> =
            self.attributes.keys().filter(|name| expression.is_match(name)).cloned().collect();
        for name in names {
            let update = Update { name: Some(name), value: None, ..message.update.clone() };
            self.apply_one(from, Some(Task::Update), &update, false);
        }
        if message.sync_point.is_some() && self.is_local(from) {
            self.applied_locally(message.call_id);
        }
    }
}

impl ClearFailure {
    /// The regular expression for the names of the attributes that record the failures.
    pub(super) fn pattern(&self) -> String {
        let Some(resource) = &self.resource else {
            return "^(fail-count|last-failure)-".to_owned();
        };
        let operation = match &self.operation {
            None => ".+_[0-9]+".to_owned(),
            Some(operation) => {
                let interval = self.interval.as_deref().map(parse_interval_ms);
                format!("{operation}_{}", interval.and_then(Result::ok).unwrap_or(0))
            }
        };
        format!("^(fail-count|last-failure)-{resource}#{operation}$")
    }
}

impl Attribute {
    /// What is said of it besides name, host and value.
    pub(super) fn described(&self) -> Update {
        Update {
            set_type: Some(self.set_type.as_str().to_owned()),
            set: self.set_id.clone(),
            user: self.user.clone(),
            dampening: Some(self.dampening.as_secs().to_string()),
            is_private: self.is_private,
            ..Update::default()
        }
    }
}

fn read_dampening(text: &str) -> Option<Duration> {
    let dampening = parse_interval_ms(text).ok().map(Duration::from_millis);
    if dampening.is_none() {
        log::warn!("{text:?} is no delay: expected a length of time such as 5s");
    }
    dampening
}
