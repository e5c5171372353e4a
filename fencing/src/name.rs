//! Names of nodes, devices, agents and operations.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Longest accepted name, in bytes.
pub const MAX_NAME: usize = 255;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name must have at least one character.
    #[error("a {kind} must not be empty")]
    Empty {
        /// What was being named.
        kind: &'static str,
    },
    /// A name is at most [`MAX_NAME`] bytes long.
    #[error("a {kind} has {length} bytes; at most {MAX_NAME} are accepted")]
    TooLong {
        /// What was being named.
        kind: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A name goes to agents as one line of text, so it must not hold control characters.
    #[error("a {kind} holds a control character at byte {at}; printable text is accepted")]
    Control {
        /// What was being named.
        kind: &'static str,
        /// Byte offset of the character.
        at: usize,
    },
    /// Agents are looked up in one directory, so their names hold no path.
    #[error("a fence agent name holds `/` at byte {at}; a bare file name is accepted")]
    Path {
        /// Byte offset of the separator.
        at: usize,
    },
}

fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong { kind, length: text.len() });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(NameError::Control { kind, at }),
        None => Ok(()),
    }
}

/// Name of a cluster node, which is also the name of its fencer and of a fencing target.
///
/// Node names compare without regard to ASCII case (spec 81 §2.3, §4.3); [`NodeName::as_str`]
/// keeps the case as written.
#[derive(Clone)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Checks and takes a node name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check("node name", text)?;
        Ok(Self(text.into()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for NodeName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for NodeName {}

impl Ord for NodeName {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

impl PartialOrd for NodeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for NodeName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            byte.to_ascii_lowercase().hash(state);
        }
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of a configured fence device; compares exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// Checks and takes a device id.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check("device id", text)?;
        Ok(Self(text.into()))
    }

    /// The id of the watchdog device.
    pub fn watchdog() -> Self {
        Self("watchdog".into())
    }

    /// Whether this is the watchdog device.
    pub fn is_watchdog(&self) -> bool {
        &*self.0 == "watchdog"
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a fence agent: the file name of an executable, without a path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(Arc<str>);

impl AgentName {
    /// Checks and takes an agent name. A name with a path separator is refused, so that no
    /// configuration can run a file outside the agent directory.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check("fence agent name", text)?;
        match text.find('/') {
            Some(at) => Err(NameError::Path { at }),
            None => Ok(Self(text.into())),
        }
    }

    /// The watchdog agent as an administrator configures it.
    pub fn watchdog() -> Self {
        Self("fence_watchdog".into())
    }

    /// The watchdog agent of the implicit device, which no file stands for.
    pub fn watchdog_internal() -> Self {
        Self("#watchdog".into())
    }

    /// Whether this is one of the two watchdog agents.
    pub fn is_watchdog(&self) -> bool {
        matches!(&*self.0, "fence_watchdog" | "#watchdog")
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Id of one cluster-wide fencing operation: 128 random bits, shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub [u8; 16]);

impl OperationId {
    /// A version 4 UUID drawn from the generator handed in.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        let mut bytes = rng.u128(..).to_be_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The first eight hexadecimal digits, as log lines show the id.
    pub fn short(&self) -> String {
        self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names_ignore_case_and_keep_it() {
        let (a, b) = (NodeName::new("Node1").unwrap(), NodeName::new("nODE1").unwrap());
        assert_eq!(a, b);
        assert_eq!(a.cmp(&b), Ordering::Equal);
        assert_eq!(a.as_str(), "Node1");
        assert!(NodeName::new("node2").unwrap() > a);
    }

    #[test]
    fn names_that_would_break_the_agent_protocol_are_refused() {
        assert_eq!(
            NodeName::new("n1\naction=on"),
            Err(NameError::Control { kind: "node name", at: 2 })
        );
        assert!(matches!(NodeName::new(""), Err(NameError::Empty { .. })));
        assert!(matches!(DeviceId::new(&"x".repeat(256)), Err(NameError::TooLong { .. })));
        assert!(AgentName::new("../../bin/sh").is_err());
    }

    #[test]
    fn operation_ids_are_version_4_and_follow_the_seed() {
        let id = OperationId::random(&mut fastrand::Rng::with_seed(7));
        assert_eq!(id, OperationId::random(&mut fastrand::Rng::with_seed(7)));
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert_eq!(id.short(), text[..8]);
    }
}
