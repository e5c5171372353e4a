//! The CIB on disk (spec 51 §7): a crash at any instant leaves the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cib_model::patch::Patch;
use cib_model::{Document, digest};

use super::certificate::Certificate;
use super::journal::{self, Journal, Record};

/// How many former versions are kept.
const BACKUPS: u32 = 100;
/// Time without a change after which the whole CIB is written.
const QUIET: Duration = Duration::from_millis(500);

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no CIB.
    #[error("{path}: {reason}")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its digest is not that of the file beside it.
    #[error("{path}: the content does not match its digest; it was changed by hand or by a fault")]
    Modified {
        /// Which file.
        path: PathBuf,
    },
}

/// What there is.
#[derive(Debug)]
pub enum Loaded {
    /// A CIB, and how far it is the cluster's.
    Found(Document, Certificate),
    /// No file.
    Nothing,
    /// Files, but none that can be used.
    Unusable(LoadError),
}

/// Where CIBs are kept.
pub trait Store: Send {
    /// What is kept.
    fn load(&mut self) -> Loaded;

    /// Begins to keep a CIB, which `patch` made of the one before; its status is left out.
    ///
    /// # Errors
    /// When this one, or one before, is not certain to be durable.
    fn save(
        &mut self,
        document: &Arc<Document>,
        patch: &Patch,
        certificate: Certificate,
    ) -> Result<(), String>;

    /// Begins to keep a new certificate of the CIB given last.
    ///
    /// # Errors
    /// As [`Store::save`].
    fn certify(&mut self, document: &Arc<Document>, certificate: Certificate)
    -> Result<(), String>;

    /// How many of those given to [`Store::save`] and [`Store::certify`] are durable by now.
    fn kept(&self) -> u64;
}

/// A store that writes in a thread of its own, so that the manager never waits for a disk. What arrives while
/// the disk is busy is written together afterwards. A change goes to the journal at once; the whole CIB is
/// written when there was no change for a while, and when the journal has grown long.
pub struct BackgroundStore {
    found: Option<Loaded>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What goes to the journal; nothing for a change that only the whole CIB can tell.
    waiting: Vec<Option<Record>>,
    /// The CIB after all of them.
    latest: Option<(Arc<Document>, Certificate)>,
    kept: u64,
    closing: bool,
    failed: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BackgroundStore {
    /// Takes files over; `told` is called, in the thread that writes, whenever more is durable, and when
    /// nothing will be any more.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(
        mut files: CibFiles,
        told: impl Fn() + Send + 'static,
    ) -> io::Result<BackgroundStore> {
        let found = Some(files.load());
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("cib writer".to_owned()).spawn(move || {
            if let Err(error) = write_until_done(&mut files, &theirs, &told) {
                theirs.lock().failed = Some(error.to_string());
                told();
            }
        })?;
        Ok(BackgroundStore { found, shared, thread: Some(thread) })
    }

    fn keep(
        &mut self,
        document: &Arc<Document>,
        record: Option<Record>,
        certificate: Certificate,
    ) -> Result<(), String> {
        let mut state = self.shared.lock();
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        state.waiting.push(record);
        state.latest = Some((document.clone(), certificate));
        self.shared.changed.notify_one();
        Ok(())
    }
}

fn write_until_done(files: &mut CibFiles, shared: &Shared, told: &dyn Fn()) -> io::Result<()> {
    let mut whole_at = None;
    let mut state = shared.lock();
    loop {
        let now = Instant::now();
        let quiet = whole_at.is_some_and(|at| now >= at) || state.closing && whole_at.is_some();
        if !state.waiting.is_empty() || quiet {
            let changes = std::mem::take(&mut state.waiting);
            let latest = state.latest.clone();
            drop(state);
            let records: Option<Vec<Record>> = changes.iter().cloned().collect();
            whole_at = match (records, latest) {
                (Some(records), _) if !records.is_empty() && files.append(&records)? => {
                    Some(Instant::now() + QUIET)
                }
                (_, Some((document, certificate))) => {
                    files.write_whole(&document, certificate)?;
                    None
                }
                (_, None) => None,
            };
            state = shared.lock();
            state.kept += changes.len() as u64;
            if !changes.is_empty() {
                told();
            }
        } else if state.closing {
            return Ok(());
        } else {
            state = match whole_at {
                Some(at) => {
                    let waited = shared.changed.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Store for BackgroundStore {
    fn load(&mut self) -> Loaded {
        self.found.take().unwrap_or(Loaded::Nothing)
    }

    fn save(
        &mut self,
        document: &Arc<Document>,
        patch: &Patch,
        certificate: Certificate,
    ) -> Result<(), String> {
        self.keep(document, Record::of(patch, certificate), certificate)
    }

    fn certify(
        &mut self,
        document: &Arc<Document>,
        certificate: Certificate,
    ) -> Result<(), String> {
        self.keep(document, Some(Record::certified(certificate)), certificate)
    }

    fn kept(&self) -> u64 {
        let state = self.shared.lock();
        // After a failure nobody needs to wait for more.
        if state.failed.is_some() { u64::MAX } else { state.kept }
    }
}

impl Drop for BackgroundStore {
    /// What waits is written before the end.
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A directory of CIB files: the whole CIB, former ones, and a journal of what changed since the last one.
#[derive(Debug)]
pub struct CibFiles {
    directory: PathBuf,
    /// Continues what the whole CIB on disk says; nothing until there is one that was written here.
    journal: Option<Journal>,
}

impl CibFiles {
    /// Files in `directory`, which is made, for its owner only, if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(directory: &Path) -> io::Result<CibFiles> {
        DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
        Ok(CibFiles { directory: directory.to_owned(), journal: None })
    }

    fn read(&self, name: &str) -> Result<Option<Document>, LoadError> {
        let path = self.directory.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LoadError::Io { path, source }),
        };
        let document = Document::parse_bytes(&bytes).map_err(|error| LoadError::Corrupt {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let signature = self.directory.join(format!("{name}.sig"));
        match fs::read_to_string(&signature) {
            Ok(text) if text.trim().eq_ignore_ascii_case(&digest::on_disk(document.root())) => {
                Ok(Some(document))
            }
            Ok(_) => Err(LoadError::Modified { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                log::warn!(
                    "cib: {}: there is no digest; the file is taken as it is",
                    path.display()
                );
                Ok(Some(document))
            }
            Err(source) => Err(LoadError::Io { path: signature, source }),
        }
    }

    /// Former versions, the latest first.
    fn backups(&self) -> Vec<String> {
        let mut found: Vec<(std::time::SystemTime, String)> = Vec::new();
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let wanted = name.starts_with("cib-") && name.ends_with(".raw");
            if let (true, Ok(changed)) = (wanted, entry.metadata().and_then(|m| m.modified())) {
                found.push((changed, name));
            }
        }
        found.sort();
        found.into_iter().rev().map(|(_, name)| name).collect()
    }

    /// Moves a pair that cannot be used out of the way, so that it can be looked at.
    fn set_aside(&self) {
        for number in 0..u32::MAX {
            let aside = self.directory.join(format!("cib.auto.{number:06}"));
            if DirBuilder::new().mode(0o750).create(&aside).is_err() {
                if aside.exists() {
                    continue;
                }
                return;
            }
            for name in ["cib.xml", "cib.xml.sig"] {
                if let Err(error) = fs::rename(self.directory.join(name), aside.join(name)) {
                    log::warn!("cib: {name} stays where it is: {error}");
                }
            }
            log::error!("cib: what was on disk is now in {}", aside.display());
            return;
        }
    }

    fn next_backup(&self) -> u32 {
        let text = fs::read_to_string(self.directory.join("cib.last"));
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0) % BACKUPS
    }

    fn back_up(&self) -> io::Result<()> {
        let number = self.next_backup();
        for suffix in ["", ".sig"] {
            let source = self.directory.join(format!("cib.xml{suffix}"));
            let copy = self.directory.join(format!("cib-{number}.raw{suffix}"));
            match fs::remove_file(&copy) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            match fs::hard_link(source, copy) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::write(self.directory.join("cib.last"), ((number + 1) % BACKUPS).to_string())
    }

    fn write(&self, name: &str, content: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.directory.join(name))?;
        file.write_all(content.as_bytes())?;
        file.sync_data()
    }

    fn replace(&self, document: &Document) -> io::Result<()> {
        self.back_up()?;
        let text = document.to_xml();
        self.write("cib.new", &text)?;
        self.write("cib.new.sig", &digest::on_disk(document.root()))?;
        // Between the two renames the digest is the former one's: then the backup, which is
        // the same former one, is used, or the new pair is completed.
        fs::rename(self.directory.join("cib.new"), self.directory.join("cib.xml"))?;
        fs::rename(self.directory.join("cib.new.sig"), self.directory.join("cib.xml.sig"))?;
        File::open(&self.directory)?.sync_all()
    }

    /// Completes a replacement that was cut off between its two renames.
    fn complete(&self) -> Option<Document> {
        let text = fs::read_to_string(self.directory.join("cib.new.sig")).ok()?;
        let document =
            Document::parse_bytes(&fs::read(self.directory.join("cib.xml")).ok()?).ok()?;
        if !text.trim().eq_ignore_ascii_case(&digest::on_disk(document.root())) {
            return None;
        }
        fs::rename(self.directory.join("cib.new.sig"), self.directory.join("cib.xml.sig")).ok()?;
        Some(document)
    }
}

impl CibFiles {
    /// What is kept: the whole CIB with the changes of the journal.
    pub fn load(&mut self) -> Loaded {
        match self.load_whole() {
            Loaded::Found(document, _) => {
                let (document, certificate) = journal::replay(&self.directory, document);
                Loaded::Found(document, certificate)
            }
            other => other,
        }
    }

    fn load_whole(&mut self) -> Loaded {
        let found = |document| Loaded::Found(document, Certificate::default());
        let error = match self.read("cib.xml") {
            Ok(Some(document)) => return found(document),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if let Some(document) = self.complete() {
            return found(document);
        }
        if let Some(error) = &error {
            log::error!("cib: {error}");
            self.set_aside();
        }
        for name in self.backups() {
            if let Ok(Some(document)) = self.read(&name) {
                log::warn!("cib: using the former version {name}");
                return found(document);
            }
        }
        error.map_or(Loaded::Nothing, Loaded::Unusable)
    }

    /// Adds changes to the journal, durably. False if only the whole CIB can be written.
    ///
    /// # Errors
    /// When it is not certain to be durable.
    pub fn append(&mut self, records: &[Record]) -> io::Result<bool> {
        match &mut self.journal {
            Some(journal) => journal.append(records),
            None => Ok(false),
        }
    }

    /// Keeps a whole CIB and its certificate, durably; its status is left out. Its journal is empty.
    ///
    /// # Errors
    /// When it is not certain to be durable.
    pub fn write_whole(&mut self, document: &Document, certificate: Certificate) -> io::Result<()> {
        let mut kept = document.clone();
        let root = kept.root_id();
        if let Some(status) = kept.root().child("status").map(cib_model::Element::id) {
            kept.remove(status);
        }
        kept.set_attribute(root, "num_updates", "0");
        let named = |error| io::Error::other(format!("{}: {error}", self.directory.display()));
        self.replace(&kept).map_err(named)?;
        self.journal = Some(Journal::begin(&self.directory, &kept, certificate).map_err(named)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cib::apply::empty;
    use cib_model::patch::AttributeOrder;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("cib-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn numbered(epoch: u32) -> Document {
        let mut document = empty("pacemaker-3.9");
        let root = document.root_id();
        document.set_attribute(root, "epoch", &epoch.to_string());
        document
    }

    fn epoch(files: &mut CibFiles) -> Option<String> {
        match files.load() {
            Loaded::Found(document, _) => document.root().attribute("epoch").map(str::to_owned),
            _ => None,
        }
    }

    #[test]
    fn a_changed_or_torn_file_is_set_aside_for_the_former_version() {
        let directory = scratch("torn");
        let mut files = CibFiles::new(&directory).unwrap();
        assert!(matches!(files.load(), Loaded::Nothing));
        for number in [1, 2] {
            files.write_whole(&numbered(number), Certificate::default()).unwrap();
        }
        assert_eq!(epoch(&mut files).as_deref(), Some("2"));
        let text = fs::read_to_string(directory.join("cib.xml")).unwrap();
        fs::write(directory.join("cib.xml"), &text[..text.len() / 2]).unwrap();
        assert_eq!(epoch(&mut files).as_deref(), Some("1"));
        assert!(directory.join("cib.auto.000000/cib.xml").exists());
        fs::remove_dir_all(directory).unwrap();
    }

    fn certificate(ring: u32) -> Certificate {
        Certificate { ring: ring.into(), version: [0, 0, 0] }
    }

    fn step(from: u32) -> (Arc<Document>, Patch) {
        let (old, new) = (numbered(from), numbered(from + 1));
        let patch = Patch::between(&old, &new, AttributeOrder::Significant).unwrap();
        (Arc::new(new), patch)
    }

    #[test]
    fn what_waits_for_the_disk_is_written_before_the_end() {
        let directory = scratch("background");
        let files = CibFiles::new(&directory).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut store = BackgroundStore::new(files, move || sender.send(()).unwrap()).unwrap();
        for number in 0..50 {
            let (document, patch) = step(number);
            store.save(&document, &patch, Certificate::default()).unwrap();
        }
        while store.kept() < 50 {
            receiver.recv().unwrap();
        }
        // What is said to be durable is on disk already.
        assert_eq!(epoch(&mut CibFiles::new(&directory).unwrap()).as_deref(), Some("50"));
        drop(store);
        let text = fs::read_to_string(directory.join("cib.xml")).unwrap();
        assert!(text.contains("epoch=\"50\""), "the whole CIB is not the last one: {text}");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_torn_journal_is_good_up_to_the_tear_and_one_of_another_cib_is_none() {
        let directory = scratch("journal");
        let mut files = CibFiles::new(&directory).unwrap();
        files.write_whole(&numbered(1), Certificate::default()).unwrap();
        let mut records: Vec<Record> =
            (1..4).map(|from| Record::of(&step(from).1, certificate(from)).unwrap()).collect();
        records.push(Record::certified(certificate(9)));
        assert!(files.append(&records).unwrap());
        let path = directory.join("cib.journal");
        let bytes = fs::read(&path).unwrap();
        let mut found = std::collections::BTreeSet::new();
        for length in 0..=bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let Loaded::Found(document, certificate) = CibFiles::new(&directory).unwrap().load()
            else {
                panic!("nothing with {length} bytes of the journal");
            };
            let epoch = document.root().attribute("epoch").unwrap().to_owned();
            found.insert((epoch, certificate.ring));
        }
        let expected = [("1", 0), ("2", 1), ("3", 2), ("4", 3), ("4", 9)];
        assert_eq!(found, expected.map(|(epoch, ring)| (epoch.to_owned(), ring)).into());
        fs::write(&path, &bytes).unwrap();
        assert_eq!(epoch(&mut CibFiles::new(&directory).unwrap()).as_deref(), Some("4"));
        // As after a crash between the whole CIB and its new journal.
        files.write_whole(&numbered(9), Certificate::default()).unwrap();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(epoch(&mut CibFiles::new(&directory).unwrap()).as_deref(), Some("9"));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_crash_between_the_renames_loses_nothing() {
        let directory = scratch("renames");
        let mut files = CibFiles::new(&directory).unwrap();
        files.write_whole(&numbered(1), Certificate::default()).unwrap();
        let old_digest = fs::read(directory.join("cib.xml.sig")).unwrap();
        files.write_whole(&numbered(2), Certificate::default()).unwrap();
        fs::rename(directory.join("cib.xml.sig"), directory.join("cib.new.sig")).unwrap();
        fs::write(directory.join("cib.xml.sig"), old_digest).unwrap();
        assert_eq!(epoch(&mut files).as_deref(), Some("2"));
        fs::remove_dir_all(directory).unwrap();
    }
}
