//! How far a replica is the cluster's: what a majority decided outranks any version that a minority made.

use std::fmt;
use std::str::FromStr;

use cib_model::model::CibVersion;
use cib_model::{Document, Element};
use serde::{Deserialize, Serialize};

/// The newest ring with quorum in which a replica was the cluster's, and the version it had last in it. What
/// is done to the replica later, while its node is cut off, does not raise it. A node that never was in a
/// cluster has ring 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Certificate {
    /// The ring's sequence number.
    pub ring: u64,
    /// `admin_epoch`, `epoch`, `num_updates`; compared in that order.
    pub version: [i64; 3],
}

impl Certificate {
    const ELEMENT: &str = "certificate";

    /// That a CIB is the cluster's in a ring.
    pub fn new(ring: u64, document: &Document) -> Certificate {
        Certificate { ring, version: CibVersion::of(document.root(), 0).fields() }
    }

    /// Puts it into an element.
    pub fn write(self, document: &mut Document) {
        let root = document.root_id();
        let element = document.append_element(root, Self::ELEMENT);
        document.set_attribute(element, "of", &self.to_string());
    }

    /// What [`Certificate::write`] has put into an element; none if there is nothing.
    pub fn read(element: Element<'_>) -> Certificate {
        let text = element.child(Self::ELEMENT).and_then(|child| child.attribute("of"));
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

/// As it is in a record on disk: `ring:admin_epoch.epoch.num_updates`.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [admin_epoch, epoch, num_updates] = self.version;
        write!(f, "{}:{admin_epoch}.{epoch}.{num_updates}", self.ring)
    }
}

/// It is not of the form `ring:admin_epoch.epoch.num_updates`.
#[derive(Debug, thiserror::Error)]
#[error("not of the form ring:admin_epoch.epoch.num_updates")]
pub struct NoCertificate;

impl FromStr for Certificate {
    type Err = NoCertificate;

    fn from_str(text: &str) -> Result<Certificate, NoCertificate> {
        let (ring, version) = text.split_once(':').ok_or(NoCertificate)?;
        let ring = ring.parse().map_err(|_| NoCertificate)?;
        let numbers: Result<Vec<i64>, _> = version.split('.').map(str::parse).collect();
        let version = numbers.ok().and_then(|n| n.try_into().ok()).ok_or(NoCertificate)?;
        Ok(Certificate { ring, version })
    }
}

#[cfg(test)]
mod tests {
    use super::Certificate;

    #[test]
    fn a_certificate_is_read_as_written_and_nothing_else_is() {
        let certificate = Certificate { ring: 12, version: [0, 7, 31] };
        assert_eq!(certificate.to_string(), "12:0.7.31");
        assert_eq!("12:0.7.31".parse::<Certificate>().unwrap(), certificate);
        for wrong in ["", "12", "12:", "12:0.7", "12:0.7.31.1", "-1:0.7.31", "x:0.7.31"] {
            assert!(wrong.parse::<Certificate>().is_err(), "{wrong}");
        }
    }
}
