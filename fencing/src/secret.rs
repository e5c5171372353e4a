//! Device parameters whose values never show in logs, debug output, messages or history.

use std::collections::BTreeMap;
use std::fmt;

/// What stands in the place of a hidden value.
pub const HIDDEN: &str = "<hidden>";

/// Parts of parameter names that mark a value as one to strip from whatever an agent prints.
const SENSITIVE: [&str; 7] =
    ["passw", "secret", "token", "community", "private", "apikey", "api_key"];

/// Shortest value that is stripped from agent output; a shorter one would also be found where it
/// was not meant, and gives nothing away.
const SHORTEST_REDACTED: usize = 3;

/// A text that shows as [`HIDDEN`] and is read on purpose only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; the caller keeps it out of logs and messages.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Parameters of a device or of one agent run, by name in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, Secret>);

impl Parameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter, in place of an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), Secret::new(value));
    }

    /// Sets a parameter and returns the set, for building one in place.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// The value of a parameter; the caller keeps it out of logs and messages.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose)
    }

    /// Names and values in ascending order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many parameters there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both sets ask the same of a device: names the cluster adds for itself are left
    /// out, and values compare without regard to ASCII case (spec 81 §2.5).
    pub fn same_device_settings(&self, other: &Self) -> bool {
        let counts = |name: &str| !name.starts_with("CRM_meta_") && name != "crm_feature_set";
        let own = self.iter().filter(|(name, _)| counts(name));
        let theirs = other.iter().filter(|(name, _)| counts(name));
        own.map(|(name, value)| (name, value.expose().to_ascii_lowercase()))
            .eq(theirs.map(|(name, value)| (name, value.expose().to_ascii_lowercase())))
    }

    /// What must be stripped from the output of an agent that was given these parameters.
    pub fn redactor(&self) -> Redactor {
        let mut values: Vec<String> = self
            .iter()
            .filter(|(name, value)| is_sensitive(name) && value.expose().len() >= SHORTEST_REDACTED)
            .map(|(_, value)| value.expose().to_owned())
            .collect();
        // Longest first, so that a secret that holds another one is replaced whole.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Redactor { values }
    }
}

/// Whether a parameter of this name holds something to keep from the eyes of others.
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SENSITIVE.iter().any(|part| name.contains(part))
}

/// Strips secrets from text an agent printed.
#[derive(Clone, Default)]
pub struct Redactor {
    values: Vec<String>,
}

impl Redactor {
    /// The text with every secret replaced by [`HIDDEN`].
    pub fn apply(&self, text: String) -> String {
        self.values.iter().fold(text, |text, value| {
            if text.contains(value.as_str()) { text.replace(value.as_str(), HIDDEN) } else { text }
        })
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} values)", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_show() {
        let parameters = Parameters::new().with("passwd", "hunter2").with("ip", "10.0.0.1");
        let shown = format!("{parameters:?} {} {:#?}", Secret::new("hunter2"), parameters);
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("10.0.0.1"), "{shown}");
        assert!(shown.contains("passwd"), "{shown}");
    }

    #[test]
    fn agent_output_is_stripped_of_what_is_sensitive() {
        let parameters = Parameters::new()
            .with("passwd", "hunter2")
            .with("snmp_priv_passwd", "hunter2plus")
            .with("token_file", "ab")
            .with("ip", "10.0.0.1");
        let text = "login 10.0.0.1 as hunter2plus, then hunter2; ab".to_owned();
        assert_eq!(
            parameters.redactor().apply(text),
            "login 10.0.0.1 as <hidden>, then <hidden>; ab"
        );
    }

    #[test]
    fn the_clusters_own_names_do_not_make_a_device_different() {
        let a = Parameters::new().with("ip", "A").with("crm_feature_set", "3.20.0");
        let b = Parameters::new().with("ip", "a").with("CRM_meta_timeout", "20");
        assert!(a.same_device_settings(&b));
        assert!(!a.same_device_settings(&b.with("port", "1")));
    }
}
