//! The journal of the CIB on disk: what changed since the whole CIB was written.
//!
//! A file of records behind a header that names, by its digest, the CIB they continue, and its certificate. A
//! record is a patch with its length, its digest and the certificate of the CIB after it, so that one that a
//! crash has torn is known and ends the journal. A record without a patch gives a new certificate alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cib_model::patch::{Change, Patch};
use cib_model::{Document, digest};

use super::certificate::Certificate;

/// The file's name.
const NAME: &str = "cib.journal";
/// So many bytes are no longer added to.
const LONG: u64 = 1 << 20;
/// What a header begins with.
const MAGIC: &str = "understudy-cib-journal-2";
/// What those of all versions begin with.
const ANY_MAGIC: &str = "understudy-cib-journal-";

/// What one change adds.
#[derive(Debug, Clone)]
pub struct Record {
    /// The patch, empty if there is none.
    patch: String,
    /// That of the CIB after it.
    certificate: Certificate,
}

impl Record {
    /// The record of a patch, if it can be applied to a CIB without a status.
    pub fn of(patch: &Patch, certificate: Certificate) -> Option<Record> {
        Some(Record { patch: without_status(patch)?, certificate })
    }

    /// The record of a new certificate of the same CIB.
    pub fn certified(certificate: Certificate) -> Record {
        Record { patch: String::new(), certificate }
    }

    fn write(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let Record { patch, certificate } = self;
        writeln!(bytes, "{} {} {certificate}", patch.len(), sum(patch, &certificate.to_string()))?;
        bytes.extend_from_slice(patch.as_bytes());
        bytes.push(b'\n');
        Ok(())
    }
}

fn sum(patch: &str, certificate: &str) -> String {
    digest::md5_hex(format!("{certificate} {patch}"))
}

/// A journal that is added to.
#[derive(Debug)]
pub struct Journal {
    file: File,
    length: u64,
}

impl Journal {
    /// An empty journal that continues `base`, in place of the one there is.
    ///
    /// # Errors
    /// As the system says.
    pub fn begin(
        directory: &Path,
        base: &Document,
        certificate: Certificate,
    ) -> io::Result<Journal> {
        let made = directory.join("cib.journal.new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&made)?;
        let header = format!("{}{certificate}\n", header(base));
        file.write_all(header.as_bytes())?;
        file.sync_data()?;
        fs::rename(made, directory.join(NAME))?;
        File::open(directory)?.sync_all()?;
        Ok(Journal { file, length: header.len() as u64 })
    }

    /// Adds records, durably. False, and nothing is added, when the journal is long enough.
    ///
    /// # Errors
    /// As the system says.
    pub fn append(&mut self, records: &[Record]) -> io::Result<bool> {
        if self.length > LONG {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        for record in records {
            record.write(&mut bytes)?;
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(true)
    }
}

/// How a journal that continues `base` begins; the certificate follows.
fn header(base: &Document) -> String {
    format!("{MAGIC} {} ", digest::on_disk(base.root()))
}

/// A patch without what it does to the status.
fn without_status(patch: &Patch) -> Option<String> {
    let mut changes = Vec::with_capacity(patch.changes.len());
    for change in &patch.changes {
        let below = |section: &str| {
            let rest = change.path().strip_prefix(section);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
        };
        let itself = matches!(change.path(), "/cib/configuration" | "/cib/status");
        match change {
            Change::Modify { path, .. } if path == "/cib" => changes.push(change.clone()),
            Change::Delete { .. } | Change::Move { .. } if itself => return None,
            _ if below("/cib/status") => {}
            _ if below("/cib/configuration") => changes.push(change.clone()),
            _ => return None,
        }
    }
    let patch = Patch { versions: patch.versions, digest: None, changes };
    Some(patch.to_document().root().to_xml_compact())
}

/// A CIB with what the journal in `directory` says has changed since, as far as it can be read, and its
/// certificate.
pub fn replay(directory: &Path, base: Document) -> (Document, Certificate) {
    let mut certificate = Certificate::default();
    let path = directory.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                log::error!("cib: {}: {error}; what it says is lost", path.display());
            }
            return (base, certificate);
        }
    };
    if bytes.starts_with(ANY_MAGIC.as_bytes()) && !bytes.starts_with(MAGIC.as_bytes()) {
        log::error!(
            "cib: {}: a journal of another version of this program; what it says is not \
             read; the program that wrote it can",
            path.display()
        );
    }
    // One that continues another CIB was done with before this CIB was written.
    let begun = bytes.strip_prefix(header(&base).as_bytes()).and_then(line);
    let Some((of_base, mut rest)) = begun else { return (base, certificate) };
    certificate = of_base.parse().unwrap_or_default();
    let mut document = base;
    while !rest.is_empty() {
        let Some((record, behind)) = next(rest) else {
            log::warn!("cib: {}: the last {} bytes are no record", path.display(), rest.len());
            break;
        };
        match applied(&record.patch, &document) {
            Ok(changed) => (document, certificate) = (changed, record.certificate),
            Err(error) => {
                log::error!("cib: {}: {error}; what follows is lost", path.display());
                break;
            }
        }
        rest = behind;
    }
    let root = document.root_id();
    document.set_attribute(root, "num_updates", "0");
    (document, certificate)
}

/// The first line, and what is behind it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

/// The first record, and what is behind it.
fn next(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (head, behind) = line(bytes)?;
    let mut words = head.split(' ');
    let (length, expected, certificate) = (words.next()?, words.next()?, words.next()?);
    let length: usize = length.parse().ok()?;
    let patch = std::str::from_utf8(behind.get(..length)?).ok()?;
    let behind = behind[length..].strip_prefix(b"\n")?;
    if sum(patch, certificate) != expected {
        return None;
    }
    let certificate = certificate.parse().ok()?;
    Some((Record { patch: patch.to_owned(), certificate }, behind))
}

fn applied(text: &str, document: &Document) -> Result<Document, String> {
    if text.is_empty() {
        return Ok(document.clone());
    }
    let record = Document::parse(text).map_err(|error| error.to_string())?;
    let patch = Patch::read(record.root()).map_err(|error| error.to_string())?;
    let mut changed = document.clone();
    patch.apply_changes(&mut changed).map_err(|error| error.to_string())?;
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cib_model::patch::AttributeOrder;

    fn cib(epoch: u32, configuration: &str, status: &str) -> Document {
        let text = format!(
            "<cib epoch='{epoch}' num_updates='0' admin_epoch='0'><configuration>{configuration}</configuration>\
             {status}</cib>"
        );
        Document::parse(&text).unwrap()
    }

    #[test]
    fn records_leave_the_status_out_and_refuse_what_is_above_the_sections() {
        let old = cib(1, "<nodes/><resources/>", "<status><node_state id='1'/></status>");
        let cases = [
            (
                "<nodes><node id='1'/></nodes><resources/>",
                "<status><node_state id='1' in='2'/></status>",
                true,
            ),
            ("<resources/><nodes/>", "<status/>", true),
            ("<nodes/>", "<status><node_state id='1'/><node_state id='2'/></status>", true),
            ("<nodes/>", "", false),
        ];
        for (configuration, status, journalled) in cases {
            let new = cib(2, configuration, status);
            let patch = Patch::between(&old, &new, AttributeOrder::Significant).unwrap();
            let record = without_status(&patch);
            assert_eq!(record.is_some(), journalled, "{configuration} {status}");
            let Some(record) = record else { continue };
            let kept = applied(&record, &cib(1, "<nodes/><resources/>", "")).unwrap();
            assert_eq!(kept.to_xml(), cib(2, configuration, "").to_xml());
        }
    }
}
