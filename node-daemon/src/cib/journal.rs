//! The journal of the CIB on disk: what changed since the whole CIB was written.
//!
//! A file of records behind a header that names, by its digest, the CIB they continue. A record is a patch
//! with its length and its digest, so that one that a crash has torn is known and ends the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cib_model::patch::{Change, Patch};
use cib_model::{Document, digest};

/// The file's name.
const NAME: &str = "cib.journal";
/// So many bytes are no longer added to.
const LONG: u64 = 1 << 20;
/// What a header begins with.
const MAGIC: &str = "understudy-cib-journal-1";

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
    pub fn begin(directory: &Path, base: &Document) -> io::Result<Journal> {
        let made = directory.join("cib.journal.new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&made)?;
        let header = header(base);
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
    pub fn append(&mut self, records: &[String]) -> io::Result<bool> {
        if self.length > LONG {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        for record in records {
            writeln!(bytes, "{} {}", record.len(), digest::md5_hex(record))?;
            bytes.extend_from_slice(record.as_bytes());
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(true)
    }
}

fn header(base: &Document) -> String {
    format!("{MAGIC} {}\n", digest::on_disk(base.root()))
}

/// The record of a patch, if it can be applied to a CIB without a status.
pub fn record(patch: &Patch) -> Option<String> {
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

/// A CIB with what the journal in `directory` says has changed since, as far as it can be read.
pub fn replay(directory: &Path, base: Document) -> Document {
    let path = directory.join(NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                log::error!("cib: {}: {error}; what it says is lost", path.display());
            }
            return base;
        }
    };
    // One that continues another CIB was done with before this CIB was written.
    let Some(mut rest) = bytes.strip_prefix(header(&base).as_bytes()) else { return base };
    let mut document = base;
    while !rest.is_empty() {
        let Some((text, behind)) = next(rest) else {
            log::warn!("cib: {}: the last {} bytes are no record", path.display(), rest.len());
            break;
        };
        match applied(text, &document) {
            Ok(changed) => document = changed,
            Err(error) => {
                log::error!("cib: {}: {error}; what follows is lost", path.display());
                break;
            }
        }
        rest = behind;
    }
    let root = document.root_id();
    document.set_attribute(root, "num_updates", "0");
    document
}

/// The first record, and what is behind it.
fn next(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (length, sum) = std::str::from_utf8(&bytes[..end]).ok()?.split_once(' ')?;
    let behind = &bytes[end + 1..];
    let length: usize = length.parse().ok()?;
    let text = std::str::from_utf8(behind.get(..length)?).ok()?;
    let behind = behind[length..].strip_prefix(b"\n")?;
    (digest::md5_hex(text) == sum).then_some((text, behind))
}

fn applied(text: &str, document: &Document) -> Result<Document, String> {
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
            let record = record(&patch);
            assert_eq!(record.is_some(), journalled, "{configuration} {status}");
            let Some(record) = record else { continue };
            let kept = applied(&record, &cib(1, "<nodes/><resources/>", "")).unwrap();
            assert_eq!(kept.to_xml(), cib(2, configuration, "").to_xml());
        }
    }
}
