//! What clients connect to (spec 62 §1, §6.1).

use std::fmt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A service of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The CIB, to read and write.
    CibWrite,
    /// The CIB, without privileged operations.
    CibRead,
    /// As [`Endpoint::CibWrite`], for daemons.
    CibShared,
    /// Fencing.
    Fencer,
    /// Node attributes.
    Attributes,
    /// The controller.
    Controller,
    /// The supervisor.
    Supervisor,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 7] = [
        Endpoint::CibWrite,
        Endpoint::CibRead,
        Endpoint::CibShared,
        Endpoint::Fencer,
        Endpoint::Attributes,
        Endpoint::Controller,
        Endpoint::Supervisor,
    ];

    /// The name clients know.
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::CibWrite => "cib_rw",
            Endpoint::CibRead => "cib_ro",
            Endpoint::CibShared => "cib_shm",
            Endpoint::Fencer => "stonith-ng",
            Endpoint::Attributes => "attrd",
            Endpoint::Controller => "crmd",
            Endpoint::Supervisor => "pacemakerd",
        }
    }

    /// Whether it is one of the CIB's.
    pub const fn is_cib(self) -> bool {
        matches!(self, Endpoint::CibWrite | Endpoint::CibRead | Endpoint::CibShared)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Environment variable naming the directory of a node's sockets, for nodes that share a network
/// namespace.
pub const DIRECTORY_VARIABLE: &str = "UNDERSTUDY_IPC_DIRECTORY";

/// Length of a name in an abstract address; names are padded with zeros, which are part of them.
const ABSTRACT_LENGTH: usize = 107;

/// Where the sockets of a node are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// Abstract addresses of the network namespace, as the classic tools expect.
    #[default]
    Namespace,
    /// Files in a directory.
    Directory(PathBuf),
}

impl Place {
    /// The place the environment names.
    pub fn from_environment() -> Place {
        match std::env::var_os(DIRECTORY_VARIABLE) {
            Some(directory) if !directory.is_empty() => Place::Directory(directory.into()),
            _ => Place::Namespace,
        }
    }

    /// The directory under which connections get directories of their own.
    pub fn connections(&self) -> &Path {
        match self {
            Place::Namespace => Path::new("/dev/shm"),
            Place::Directory(directory) => directory,
        }
    }

    /// The address of an endpoint.
    ///
    /// # Errors
    /// When the path is too long for a socket.
    pub fn of(&self, endpoint: Endpoint) -> std::io::Result<SocketAddr> {
        self.named(endpoint.name())
    }

    /// The address of an endpoint with this name.
    ///
    /// # Errors
    /// When the path is too long for a socket.
    pub fn named(&self, endpoint: &str) -> std::io::Result<SocketAddr> {
        match self {
            Place::Namespace => abstract_address(endpoint),
            Place::Directory(directory) => SocketAddr::from_pathname(directory.join(endpoint)),
        }
    }

    /// The address of one of a connection's datagram sockets. They have abstract addresses everywhere;
    /// their names are those of directories nobody else can make.
    ///
    /// # Errors
    /// When the name is too long for a socket.
    pub fn datagram(base: &str, suffix: &str) -> std::io::Result<SocketAddr> {
        abstract_address(&format!("{base}-{suffix}"))
    }
}

fn abstract_address(name: &str) -> std::io::Result<SocketAddr> {
    let mut padded = [0u8; ABSTRACT_LENGTH];
    match padded.get_mut(..name.len()) {
        Some(start) if name.len() < ABSTRACT_LENGTH => start.copy_from_slice(name.as_bytes()),
        _ => {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("{name}: too long"),
            ));
        }
    }
    SocketAddr::from_abstract_name(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abstract_names_are_padded_to_the_full_length() {
        let address = Place::Namespace.of(Endpoint::CibWrite).unwrap();
        let name = address.as_abstract_name().unwrap();
        assert_eq!(name.len(), 107);
        assert_eq!(&name[..7], b"cib_rw\0");
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert!(Place::datagram(&"x".repeat(100), "request").is_err());
    }
}
