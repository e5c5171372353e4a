//! What a client asks for: resources to register and operations to run on them (spec 80 §5.1).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::agent::AgentSpec;

/// A part of a request that cannot be what it was given as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// An id or action name is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// An id, action or parameter holds a NUL byte, which no argument or variable can carry.
    #[error("{0} `{1}` holds a NUL byte")]
    Nul(&'static str, String),
    /// A parameter name cannot be the name of an environment variable.
    #[error("parameter name `{0}` is empty or holds `=`")]
    ParameterName(String),
}

fn checked(what: &'static str, text: &str) -> Result<Arc<str>, RequestError> {
    if text.is_empty() {
        Err(RequestError::Empty(what))
    } else if text.contains('\0') {
        Err(RequestError::Nul(what, text.into()))
    } else {
        Ok(text.into())
    }
}

/// The id under which a resource is registered; never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// Checks an id.
    ///
    /// # Errors
    /// When it is empty or holds a NUL byte.
    pub fn new(text: &str) -> Result<Self, RequestError> {
        checked("resource id", text).map(Self)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an action, for example `start`; never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Action(Arc<str>);

impl Action {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty or holds a NUL byte.
    pub fn new(text: &str) -> Result<Self, RequestError> {
        checked("action", text).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Same action, without regard to case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    /// Asks whether the resource runs.
    #[must_use]
    pub fn asks_status(&self) -> bool {
        self.is("monitor") || self.is("status")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checked texts read and write as plain ones.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = RequestError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }
    )*};
}

as_text!(ResourceId, Action);

/// How often an operation repeats, in milliseconds; [`Interval::ONCE`] does not.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Interval(u32);

impl Interval {
    /// Runs once.
    pub const ONCE: Self = Self(0);

    /// Every so many milliseconds, counted from the end of a run.
    #[must_use]
    pub fn from_millis(ms: u32) -> Self {
        Self(ms)
    }

    /// Milliseconds, 0 for once.
    #[must_use]
    pub fn as_millis(self) -> u32 {
        self.0
    }

    /// Repeats.
    #[must_use]
    pub fn recurs(self) -> bool {
        self.0 > 0
    }

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

/// The name of an operation, `RSC_ACTION_INTERVALMS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpKey {
    /// Of which resource.
    pub resource: ResourceId,
    /// Which action.
    pub action: Action,
    /// Repeating how often.
    pub interval: Interval,
}

impl fmt::Display for OpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.resource, self.action, self.interval.as_millis())
    }
}

/// The parameters of an operation, by name. The first value given for a name wins.
///
/// Debug output shows no value whose name promises a secret.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, unless the name has a value already.
    ///
    /// # Errors
    /// When name and value cannot stand in an environment.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), RequestError> {
        if name.is_empty() || name.contains('=') {
            return Err(RequestError::ParameterName(name.into()));
        }
        if name.contains('\0') || value.contains('\0') {
            // The value may be secret.
            return Err(RequestError::Nul("parameter", name.into()));
        }
        self.0.entry(name.into()).or_insert_with(|| value.into());
        Ok(())
    }

    /// Parameters from pairs.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RequestError> {
        let mut parameters = Self::new();
        for (name, value) in pairs {
            parameters.insert(name, value)?;
        }
        Ok(parameters)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Parts of parameter names that mark a value as secret.
const SECRET: [&str; 7] = ["passw", "secret", "token", "community", "private", "apikey", "api_key"];

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| {
            let folded = name.to_ascii_lowercase();
            let is_secret = SECRET.iter().any(|part| folded.contains(part));
            (name, if is_secret { "<hidden>" } else { value })
        });
        f.debug_map().entries(shown).finish()
    }
}

impl TryFrom<BTreeMap<String, String>> for Parameters {
    type Error = RequestError;

    fn try_from(map: BTreeMap<String, String>) -> Result<Self, Self::Error> {
        Self::from_pairs(map.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl From<Parameters> for BTreeMap<String, String> {
    fn from(parameters: Parameters) -> Self {
        parameters.0
    }
}

/// A resource to register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// The agent that implements it; whether it exists is not asked.
    pub agent: Arc<AgentSpec>,
    /// Cancel a recurring operation of this resource when the client that asked for it leaves.
    pub drop_recurring: bool,
}

/// Who asks. The caller numbers its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// The number of a request; the result of an operation carries the number of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u32);

/// An operation to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// On which resource; it must be registered.
    pub resource: ResourceId,
    /// What to do.
    pub action: Action,
    /// How often; [`Interval::ONCE`] for a single run.
    pub interval: Interval,
    /// How long one run may take, counted from the start of its process; zero is no limit.
    pub timeout: Duration,
    /// How long to wait before the first run.
    pub start_delay: Duration,
    /// Everything for the agent, meta-attributes included.
    pub parameters: Arc<Parameters>,
    /// An opaque text that comes back with the result.
    pub user_data: Arc<str>,
    /// Report only results that differ from the last one reported.
    pub changes_only: bool,
    /// Report to the asking client alone.
    pub originator_only: bool,
}

impl Request {
    /// A single run without parameters, delay or options.
    #[must_use]
    pub fn once(resource: ResourceId, action: Action, timeout: Duration) -> Self {
        Self {
            resource,
            action,
            interval: Interval::ONCE,
            timeout,
            start_delay: Duration::ZERO,
            parameters: Arc::default(),
            user_data: "".into(),
            changes_only: false,
            originator_only: false,
        }
    }

    /// The same, repeated.
    #[must_use]
    pub fn every(mut self, interval: Interval) -> Self {
        self.interval = interval;
        self
    }

    /// The same, with parameters.
    #[must_use]
    pub fn with(mut self, parameters: Parameters) -> Self {
        self.parameters = Arc::new(parameters);
        self
    }

    /// The operation's name.
    #[must_use]
    pub fn key(&self) -> OpKey {
        OpKey {
            resource: self.resource.clone(),
            action: self.action.clone(),
            interval: self.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_parameter_wins_and_impossible_ones_are_refused() {
        let parameters = Parameters::from_pairs([("a", "1"), ("a", "2")]).unwrap();
        assert_eq!(parameters.get("a"), Some("1"));
        for (name, value) in [("", "x"), ("a=b", "x"), ("a\0", "x"), ("a", "\0")] {
            assert!(Parameters::from_pairs([(name, value)]).is_err(), "{name:?}={value:?}");
        }
    }

    #[test]
    fn keys_name_resource_action_and_interval() {
        let request = Request::once(
            ResourceId::new("vip").unwrap(),
            Action::new("monitor").unwrap(),
            Duration::from_secs(20),
        );
        assert_eq!(request.clone().key().to_string(), "vip_monitor_0");
        let every = request.every(Interval::from_millis(10_000));
        assert_eq!(every.key().to_string(), "vip_monitor_10000");
    }
}
