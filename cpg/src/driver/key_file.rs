//! Reading the shared key. A key that others can read is no key.

use crate::security::{Cipher, Key, KeyError};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a key file was refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeyFileError {
    #[error("Could not open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("Could not read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("Could only read {bits} bits of minimum 1024 bits from {path}.")]
    Short { path: PathBuf, bits: usize },
    #[error(
        "{path} has mode {mode:04o}: a key file may be accessible by its owner only (0400 or 0600)"
    )]
    Permissions { path: PathBuf, mode: u32 },
    #[error("{path} belongs to user {owner}, not to root or the user of this process ({user})")]
    Owner { path: PathBuf, owner: u32, user: u32 },
    #[error("{path}: {source}")]
    Key { path: PathBuf, source: KeyError },
}

/// Reads up to 4096 bytes of key material from a file that only its owner can access.
pub fn read_key_file(path: &Path, cipher: Cipher) -> Result<Key, KeyFileError> {
    let named = || path.to_owned();
    let file = File::open(path).map_err(|source| KeyFileError::Open { path: named(), source })?;
    let metadata =
        file.metadata().map_err(|source| KeyFileError::Read { path: named(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Permissions { path: named(), mode });
    }
    let (owner, user) = (metadata.uid(), nix::unistd::geteuid().as_raw());
    if owner != 0 && owner != user {
        return Err(KeyFileError::Owner { path: named(), owner, user });
    }
    let mut material = Vec::new();
    let read = file.take(4096).read_to_end(&mut material);
    read.map_err(|source| KeyFileError::Read { path: named(), source })?;
    if material.len() < 128 {
        return Err(KeyFileError::Short { path: named(), bits: material.len() * 8 });
    }
    Key::new(&material, cipher).map_err(|source| KeyFileError::Key { path: named(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn loose_permissions_and_short_keys_are_refused() {
        let path = std::env::temp_dir().join(format!("cpg-key-{}", std::process::id()));
        fs::write(&path, [7; 256]).unwrap();
        let with_mode = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_key_file(&path, Cipher::default())
        };
        for mode in [0o644, 0o640, 0o604, 0o620] {
            assert!(matches!(with_mode(mode), Err(KeyFileError::Permissions { .. })), "{mode:o}");
        }
        assert!(with_mode(0o400).is_ok());
        assert!(with_mode(0o600).is_ok());
        fs::write(&path, [7; 100]).unwrap();
        let error = with_mode(0o600).unwrap_err().to_string();
        assert!(error.starts_with("Could only read 800 bits of minimum 1024 bits from"), "{error}");
        fs::remove_file(&path).unwrap();
        assert!(with_mode_missing(&path).starts_with("Could not open"));
    }

    fn with_mode_missing(path: &Path) -> String {
        read_key_file(path, Cipher::default()).unwrap_err().to_string()
    }
}
