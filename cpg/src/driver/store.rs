//! The ring sequence on disk: written to a temporary file, synced, renamed, the directory synced, so
//! that a crash at any moment leaves the old number or the new one (spec 70 §2.2, §19 W6).

use crate::identity::NodeId;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The ring sequence could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("ring sequence in {path}: {source}")]
pub struct StoreError {
    path: PathBuf,
    source: io::Error,
}

/// The durable ring sequence of one node.
#[derive(Debug)]
pub struct RingStore {
    directory: PathBuf,
    path: PathBuf,
    sequence: u64,
}

impl RingStore {
    /// Opens `<directory>/ringid_<node>`. A missing file or one of another size counts as 0: the
    /// incarnation keeps ring ids apart then.
    pub fn open(directory: &Path, node: NodeId) -> Result<RingStore, StoreError> {
        let path = directory.join(format!("ringid_{node}"));
        let mut content = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(9).read_to_end(&mut content));
        let sequence = match read {
            Ok(_) => content.as_slice().try_into().map_or(0, u64::from_ne_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(StoreError { path, source }),
        };
        let sequence = if sequence > u64::MAX / 2 { 0 } else { sequence };
        Ok(RingStore { directory: directory.to_owned(), path, sequence })
    }

    /// The number stored last.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Makes `sequence` durable.
    pub fn persist(&mut self, sequence: u64) -> Result<(), StoreError> {
        self.replace(sequence).map_err(|source| StoreError { path: self.path.clone(), source })?;
        self.sequence = sequence;
        Ok(())
    }

    fn replace(&self, sequence: u64) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(&sequence.to_ne_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_survives_and_damage_counts_as_absence() {
        let directory = std::env::temp_dir().join(format!("cpg-store-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let node = NodeId::new(3).unwrap();
        let mut store = RingStore::open(&directory, node).unwrap();
        assert_eq!(store.sequence(), 0);
        store.persist(41).unwrap();
        assert_eq!(RingStore::open(&directory, node).unwrap().sequence(), 41);
        fs::write(directory.join("ringid_3.new"), b"torn").unwrap();
        assert_eq!(RingStore::open(&directory, node).unwrap().sequence(), 41);
        fs::write(directory.join("ringid_3"), b"short").unwrap();
        assert_eq!(RingStore::open(&directory, node).unwrap().sequence(), 0);
        fs::remove_dir_all(&directory).unwrap();
        assert!(store.persist(42).is_err());
    }
}
