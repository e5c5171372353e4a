//! The cluster's configuration file, corosync.conf (spec 70 §10 to §13).
//!
//! Two steps: [`ConfigurationMap::parse`] reads the text into typed keys and knows nothing of their
//! meaning; [`ClusterConfiguration::resolve`] checks them in the reference's order and makes of them
//! what ring, links, quorum and logging need.

mod grammar;
mod keys;
mod logging;
mod map;
mod nodes;
mod quorum;
mod reload;
mod resolve;
mod timing;

pub use grammar::ParseError;
pub use keys::{Value, ValueError};
pub use logging::{
    Debug, Facility, LogTarget, Logging, LoggingError, Priority, Subsystem, Timestamp,
};
pub use map::{ConfigurationMap, Entry};
pub use nodes::{ConfiguredNode, IpVersion, LocalHost, Names};
pub use quorum::{QuorumDevice, QuorumSection};
pub use reload::{FIXED_KEYS, Reload, reload};
pub use resolve::{ClusterConfiguration, Crypto, Interface, Transport};
pub use timing::TotemTiming;

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// The text does not follow the grammar or a value its type; start-up status 8.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A value that the checks before the final validation refuse; start-up status 8.
    #[error("{0}")]
    Refused(String),
    /// A value that the final validation refuses; start-up status 8.
    #[error("parse error in config: {0}")]
    Invalid(String),
    /// The logging section is wrong; start-up status 7.
    #[error("parse error in config: {0}.")]
    Logging(#[from] LoggingError),
    /// One of the above, and where in the file.
    #[error("{source} ({place})")]
    Placed {
        /// `file:line`.
        place: String,
        /// What is wrong there.
        source: Box<ConfigurationError>,
    },
}

/// Says which key is to blame.
trait Blame {
    /// With the place of the first of these keys that is in the file.
    fn blame(self, map: &ConfigurationMap, keys: &[&str]) -> Self;
}

impl<T> Blame for Result<T, ConfigurationError> {
    fn blame(self, map: &ConfigurationMap, keys: &[&str]) -> Self {
        self.map_err(|error| match keys.iter().find(|key| map.get(key).is_some()) {
            Some(key) if !matches!(error, ConfigurationError::Placed { .. }) => {
                ConfigurationError::Placed { place: map.place(key), source: Box::new(error) }
            }
            _ => error,
        })
    }
}

impl ConfigurationError {
    /// The exit status of a daemon that cannot start because of it.
    pub fn exit_status(&self) -> i32 {
        match self {
            ConfigurationError::Logging(_) => 7,
            ConfigurationError::Placed { source, .. } => source.exit_status(),
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests;
