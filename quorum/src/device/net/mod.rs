//! The quorum device of model `net`: the client side of the arbiter daemon `corosync-qnetd`.
//!
//! [`NetSettings`] reads the configuration, [`Message`] is what goes over the wire, [`Client`] the
//! state machine without I/O, [`NetDevice`] the client on a TCP connection. The arbiter decides by
//! the algorithm the client names (`ffsplit`, `lms`); the client reports its rings and obeys.
//!
//! With `tls: on` (the default) or `tls: required` the connection is encrypted and both sides show
//! certificates: `corosync-qdevice-net-certutil` makes the node's, and one `openssl` command brings it into
//! the form that is read here, [`Credentials::read`]:
//!
//! ```sh
//! cd /etc/corosync/qdevice/net
//! (umask 077; openssl pkcs12 -in nssdb/qdevice-net-node.p12 -passin pass: -nodes -out qdevice-net-node.pem)
//! ```
//!
//! The node's own checks ([`Checks`], `heuristics`) are run when rings change, on connecting, and with
//! `mode: on` regularly; the arbiter prefers partitions of nodes that pass theirs.

mod client;
mod commands;
mod driver;
mod heuristics;
mod message;
mod settings;
mod tls;

pub use client::{Client, DEVICE_NAME, Input, NetNotice, Output, Problem};
pub use driver::{NetDevice, NetDeviceError, Wake};
pub use heuristics::{CheckCommand, Checks};
pub use message::{
    Complaint, HEADER, ListKind, MAX_LENGTH, Malformed, Message, Stream, Tls, Verdict,
};
pub use settings::{IpVersion, NetAlgorithm, NetError, NetSettings, PORT, TlsMode};
pub use tls::{Credentials, TLS_FILE, TlsError};
