//! What survives a restart, and a store that a crash at any write cannot tear.
//!
//! Only the highest expected votes ever seen are kept, and only with `expected_votes_tracking`
//! (spec 71 §11). The file `ev_tracking` holds 16 bytes: `uquorum1`, the value and a CRC-32 of
//! both, little endian. Four bytes, as the reference writes, are read as well.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Persistent {
    /// Highest expected votes ever seen, 0 for none.
    pub tracking: u32,
}

/// Why stored bytes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Wrong size.
    #[error("{0} bytes instead of 16 (or 4)")]
    Size(usize),
    /// Wrong first bytes.
    #[error("does not begin with 'uquorum1'")]
    Magic,
    /// The bytes are damaged.
    #[error("checksum does not match")]
    Checksum,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("Unable to load ev_tracking file! {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not ours or damaged.
    #[error("Unable to load ev_tracking file! {path}: {source}; remove it to start afresh")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
}

const MAGIC: &[u8; 8] = b"uquorum1";
const NAME: &str = "ev_tracking";
const TEMPORARY: &str = "ev_tracking.new";

impl Persistent {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.tracking.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..12]);
        bytes[12..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// They are not such a file, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Persistent, FormatError> {
        if let Ok(native) = <[u8; 4]>::try_from(bytes) {
            return Ok(Persistent { tracking: u32::from_ne_bytes(native) });
        }
        let Ok(bytes) = <[u8; 16]>::try_from(bytes) else {
            return Err(FormatError::Size(bytes.len()));
        };
        let [.., a, b, c, d] = bytes;
        if bytes[..8] != MAGIC[..] {
            return Err(FormatError::Magic);
        }
        if crc32fast::hash(&bytes[..12]) != u32::from_le_bytes([a, b, c, d]) {
            return Err(FormatError::Checksum);
        }
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = bytes;
        Ok(Persistent { tracking: u32::from_le_bytes([a, b, c, d]) })
    }
}

/// The few directory operations the store needs, each of which a crash may precede.
pub trait Directory {
    /// Content of a file, `None` if there is none. At most `limit` bytes are read.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>>;
    /// Creates or truncates a file and writes it; nothing is durable yet.
    ///
    /// # Errors
    /// As the system says.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync_file(&mut self, name: &str) -> io::Result<()>;
    /// Gives a file the name of another, replacing it in one step.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Makes names durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of the file system.
#[derive(Clone, Debug)]
pub struct FileDirectory(PathBuf);

impl FileDirectory {
    /// The directory at `path`, which must exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Directory for FileDirectory {
    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(self.0.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        File::create(self.0.join(name))?.write_all(bytes)
    }

    fn sync_file(&mut self, name: &str) -> io::Result<()> {
        File::open(self.0.join(name))?.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// The store of one node: the value on disk is always the last one saved or the one being saved.
#[derive(Clone, Debug)]
pub struct Store<D> {
    directory: D,
    path: PathBuf,
}

impl Store<FileDirectory> {
    /// The store in a state directory such as `/var/lib/corosync`.
    #[must_use]
    pub fn open(state_dir: &Path) -> Self {
        Self { directory: FileDirectory::new(state_dir), path: state_dir.join(NAME) }
    }
}

impl<D: Directory> Store<D> {
    /// A store on any directory.
    #[must_use]
    pub fn on(directory: D) -> Self {
        Self { directory, path: PathBuf::from(NAME) }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// What was saved last; the default if nothing ever was, which is then saved.
    ///
    /// # Errors
    /// The file cannot be read or created, or is damaged.
    pub fn load(&mut self) -> Result<Persistent, StoreError> {
        let found = self.directory.read(NAME, 17).map_err(|source| self.io(source))?;
        let Some(bytes) = found else {
            let first = Persistent::default();
            self.save(&first)?;
            return Ok(first);
        };
        Persistent::parse(&bytes)
            .map_err(|source| StoreError::Format { path: self.path.clone(), source })
    }

    /// Saves and returns once it is durable.
    ///
    /// # Errors
    /// A step failed; the earlier value is still there.
    pub fn save(&mut self, value: &Persistent) -> Result<(), StoreError> {
        let steps = |directory: &mut D| {
            directory.write(TEMPORARY, &value.encode())?;
            directory.sync_file(TEMPORARY)?;
            directory.rename(TEMPORARY, NAME)?;
            directory.sync()
        };
        steps(&mut self.directory).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests;
