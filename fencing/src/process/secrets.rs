//! Parameters that are kept outside the configuration (spec 80 §2.6).

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use crate::name::DeviceId;
use crate::secret::{Parameters, is_sensitive};

/// Where secrets are kept, one directory for each resource.
pub const SECRETS_DIRECTORY: &str = "/var/lib/pacemaker/lrm/secrets";

/// The value that stands for a secret.
const MARK: &str = "lrm://";

/// Longest secret read, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Why a secret cannot be used. No variant holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is too long.
    #[error("{}: longer than {MAX_SECRET} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The value does not match its checksum.
    #[error("the secret `{name}` of {device} does not match its checksum")]
    Checksum {
        /// The device.
        device: DeviceId,
        /// The parameter.
        name: String,
    },
    /// A parameter name that is no file name.
    #[error("`{name}` is no name for a secret; a plain file name is accepted")]
    Name {
        /// The name.
        name: String,
    },
}

/// The store of secrets.
#[derive(Debug, Clone)]
pub struct SecretStore {
    root: PathBuf,
}

impl SecretStore {
    /// The store below this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The parameters with every mark replaced by the secret it stands for, and the names of those
    /// that were replaced.
    pub fn reveal(
        &self,
        device: &DeviceId,
        parameters: &Parameters,
    ) -> Result<(Parameters, Vec<String>), SecretError> {
        let (mut revealed, mut names) = (parameters.clone(), Vec::new());
        for (name, value) in parameters.iter() {
            if value.expose() == MARK {
                revealed.set(name, self.read(device, name)?);
                names.push(name.to_owned());
            }
        }
        Ok((revealed, names))
    }

    fn read(&self, device: &DeviceId, name: &str) -> Result<String, SecretError> {
        let plain = |text: &str| !text.contains('/') && text != "." && text != "..";
        if !plain(name) || !plain(device.as_str()) {
            return Err(SecretError::Name { name: name.to_owned() });
        }
        let path = self.root.join(device.as_str()).join(name);
        let text = read_bounded(&path)?;
        let value = text.trim_end().to_owned();
        let signature = read_bounded(&path.with_file_name(format!("{name}.sign")))?;
        let digest = hexadecimal(&Md5::digest(value.as_bytes()));
        if !digest.eq_ignore_ascii_case(signature.trim()) {
            return Err(SecretError::Checksum { device: device.clone(), name: name.to_owned() });
        }
        Ok(value)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_bounded(path: &Path) -> Result<String, SecretError> {
    let wrap = |error| SecretError::Read { path: path.to_owned(), error };
    if std::fs::metadata(path).map_err(wrap)?.len() > MAX_SECRET {
        return Err(SecretError::TooLong { path: path.to_owned() });
    }
    std::fs::read_to_string(path).map_err(wrap)
}

/// The redactor for a run: whatever is sensitive by name, and whatever came from the store.
pub(super) fn redactor(parameters: &Parameters, revealed: &[String]) -> crate::secret::Redactor {
    let mut hidden = Parameters::new();
    for (name, value) in parameters.iter() {
        if is_sensitive(name) || revealed.iter().any(|secret| secret == name) {
            hidden.set(format!("secret {name}"), value.expose());
        }
    }
    hidden.redactor()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_replaced_and_checked() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("pdu");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("login"), "hunter2\n").unwrap();
        let digest = hexadecimal(&Md5::digest(b"hunter2"));
        std::fs::write(directory.join("login.sign"), format!("{digest}\n")).unwrap();
        let store = SecretStore::new(root.path());
        let device = DeviceId::new("pdu").unwrap();
        let parameters = Parameters::new().with("login", "lrm://").with("ip", "lrm:// no");
        let (revealed, names) = store.reveal(&device, &parameters).unwrap();
        assert_eq!(revealed.get("login"), Some("hunter2"));
        assert_eq!(revealed.get("ip"), Some("lrm:// no"));
        let text = redactor(&revealed, &names).apply("login=hunter2".into());
        assert_eq!(text, "login=<hidden>");

        std::fs::write(directory.join("login.sign"), "0").unwrap();
        let error = store.reveal(&device, &parameters).unwrap_err();
        assert!(matches!(error, SecretError::Checksum { .. }));
        assert!(!error.to_string().contains("hunter2"));
        let missing = Parameters::new().with("other", "lrm://");
        assert!(matches!(store.reveal(&device, &missing), Err(SecretError::Read { .. })));
        let outside = Parameters::new().with("../x", "lrm://");
        assert!(matches!(store.reveal(&device, &outside), Err(SecretError::Name { .. })));
    }
}
