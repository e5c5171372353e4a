//! The store against a disk that crashes before every single operation.

use std::collections::BTreeMap;

use super::*;

/// A disk that keeps what was synced, loses or tears what was not, and fails at a chosen step.
#[derive(Clone, Debug, Default)]
struct Disk {
    durable_names: BTreeMap<String, usize>,
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    durable: Vec<Vec<u8>>,
    steps_left: Option<u32>,
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.steps_left {
            Some(0) => Err(io::Error::other("power cut")),
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// After the power cut: of names and contents that were not synced either state may be found.
    fn crash(&self) -> Vec<Disk> {
        let torn: Vec<Vec<Vec<u8>>> = vec![
            self.durable.clone(),
            self.files.clone(),
            self.files
                .iter()
                .zip(&self.durable)
                .map(
                    |(new, old)| {
                        if new == old { old.clone() } else { new[..new.len() / 2].to_vec() }
                    },
                )
                .collect(),
        ];
        let mut outcomes = Vec::new();
        for names in [&self.durable_names, &self.names] {
            for files in &torn {
                outcomes.push(Disk {
                    durable_names: names.clone(),
                    names: names.clone(),
                    files: files.clone(),
                    durable: files.clone(),
                    steps_left: None,
                });
            }
        }
        outcomes
    }
}

impl Directory for Disk {
    fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let limit = usize::try_from(limit).unwrap();
        Ok(self.names.get(name).map(|file| self.files[*file].iter().copied().take(limit).collect()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        self.files.push(bytes.to_vec());
        self.durable.push(Vec::new());
        self.names.insert(name.to_owned(), self.files.len() - 1);
        Ok(())
    }

    fn sync_file(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        let file = self.names[name];
        self.durable[file].clone_from(&self.files[file]);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        let file = self.names.remove(from).unwrap();
        self.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        self.durable_names.clone_from(&self.names);
        Ok(())
    }
}

#[test]
fn a_crash_at_any_step_leaves_the_old_or_the_new_value() {
    let mut store = Store::on(Disk::default());
    store.save(&Persistent { tracking: 3 }).unwrap();
    let before = store.directory().clone();
    for steps in 0..=4 {
        let mut store = Store::on(Disk { steps_left: Some(steps), ..before.clone() });
        let saved = store.save(&Persistent { tracking: 4 }).is_ok();
        assert_eq!(saved, steps == 4);
        for disk in store.directory().crash() {
            let mut after = Store::on(disk);
            let found = after.load().unwrap().tracking;
            assert!(if saved { found == 4 } else { found == 3 || found == 4 }, "{steps}: {found}");
            after.save(&Persistent { tracking: 5 }).unwrap();
            assert_eq!(after.load().unwrap().tracking, 5);
        }
    }
}

#[test]
fn the_first_start_creates_the_file_and_the_reference_s_four_bytes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path());
    assert_eq!(store.load().unwrap(), Persistent { tracking: 0 });
    store.save(&Persistent { tracking: 8 }).unwrap();
    assert_eq!(Store::open(directory.path()).load().unwrap().tracking, 8);
    fs::write(directory.path().join(NAME), 7u32.to_ne_bytes()).unwrap();
    assert_eq!(store.load().unwrap().tracking, 7);
    let missing = directory.path().join("missing");
    assert!(matches!(Store::open(&missing).load(), Err(StoreError::Io { .. })));
}

#[test]
fn damaged_files_are_refused_with_the_reason() {
    let good = Persistent { tracking: 9 }.encode();
    let mut flipped = good;
    flipped[9] ^= 1;
    let mut foreign = good;
    foreign[0] = b'x';
    for (bytes, error) in [
        (&good[..15], FormatError::Size(15)),
        (&[], FormatError::Size(0)),
        (&flipped[..], FormatError::Checksum),
        (&foreign[..], FormatError::Magic),
    ] {
        assert_eq!(Persistent::parse(bytes), Err(error));
    }
}
