//! Options of a call, as the bits that travel with it.

use std::fmt;
use std::ops::BitOr;

/// Options of a call. Bits that have no meaning are kept, as they are echoed in replies.
#[derive(Copy, Clone, Default, PartialEq, Eq, Hash)]
pub struct CallOptions(pub u32);

impl CallOptions {
    /// No options.
    pub const NONE: CallOptions = CallOptions(0);
    /// The client prefers messages to logs.
    pub const VERBOSE: CallOptions = CallOptions(1);
    /// The section is an XPath expression.
    pub const XPATH: CallOptions = CallOptions(1 << 1);
    /// All matches are meant.
    pub const MULTIPLE: CallOptions = CallOptions(1 << 2);
    /// What is modified may be created.
    pub const CAN_CREATE: CallOptions = CallOptions(1 << 3);
    /// No reply is wanted.
    pub const DISCARD_REPLY: CallOptions = CallOptions(1 << 4);
    /// A query gives elements without children.
    pub const NO_CHILDREN: CallOptions = CallOptions(1 << 5);
    /// A query gives paths instead of elements.
    pub const XPATH_ADDRESS: CallOptions = CallOptions(1 << 6);
    /// Nothing is changed.
    pub const DRY_RUN: CallOptions = CallOptions(1 << 9);
    /// Part of a transaction.
    pub const TRANSACTION: CallOptions = CallOptions(1 << 10);
    /// `name++` and `name+=score` are computed.
    pub const SCORE_UPDATE: CallOptions = CallOptions(1 << 11);
    /// The client waits for the reply.
    pub const SYNCHRONOUS: CallOptions = CallOptions(1 << 12);
    /// Time and origin of the change are not recorded.
    pub const NO_MTIME: CallOptions = CallOptions(1 << 13);
    /// No notification is sent.
    pub const INHIBIT_NOTIFY: CallOptions = CallOptions(1 << 16);

    /// Whether all of these options are set.
    pub const fn has(self, options: CallOptions) -> bool {
        self.0 & options.0 == options.0
    }
}

impl BitOr for CallOptions {
    type Output = CallOptions;

    fn bitor(self, other: CallOptions) -> CallOptions {
        CallOptions(self.0 | other.0)
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallOptions({:#x})", self.0)
    }
}
