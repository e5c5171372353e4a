//! The version triple of a CIB.

use std::fmt;

use crate::document::Element;
use crate::scalar::parse_integer;

/// The version of a CIB: compared by `admin_epoch`, then `epoch`, then `num_updates` (spec 50 §9).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CibVersion {
    /// Set by the administrator, and raised when a CIB is erased.
    pub admin_epoch: i64,
    /// Raised with every change of the configuration.
    pub epoch: i64,
    /// Raised with every other change.
    pub num_updates: i64,
}

impl CibVersion {
    /// The names of the three attributes, most significant first.
    pub const ATTRIBUTES: [&'static str; 3] = ["admin_epoch", "epoch", "num_updates"];

    /// Reads the attributes of `cib`, `source` or `target`; what is absent or no number is `missing`.
    pub fn of(element: Element<'_>, missing: i64) -> CibVersion {
        let [admin_epoch, epoch, num_updates] = Self::ATTRIBUTES
            .map(|name| element.attribute(name).and_then(parse_integer).unwrap_or(missing));
        CibVersion { admin_epoch, epoch, num_updates }
    }

    /// The three numbers, most significant first.
    pub fn fields(self) -> [i64; 3] {
        [self.admin_epoch, self.epoch, self.num_updates]
    }
}

impl fmt::Display for CibVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.admin_epoch, self.epoch, self.num_updates)
    }
}
