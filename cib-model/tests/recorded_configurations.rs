//! Recorded configurations, where there are any beside the project: all parse, and all but those that
//! claim `none` are brought to the newest schema, to which they then conform.

use std::path::{Path, PathBuf};

use cib_model::Document;
use cib_model::schema::{Schema, upgrade};
use cib_model::validate::validate;

/// Directories with configurations: `CIB_MODEL_RECORDED` (separated by ':'), else the usual place.
fn directories() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("CIB_MODEL_RECORDED") {
        return std::env::split_paths(&named).collect();
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cts");
    ["scheduler/xml", "generated/xml"].iter().map(|name| beside.join(name)).collect()
}

#[test]
fn recorded_configurations_are_acceptable() {
    let mut files: Vec<PathBuf> = directories()
        .iter()
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    files.sort();
    for file in files {
        let name = file.display();
        let text = std::fs::read(&file).unwrap();
        let mut document = Document::parse_bytes(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report = upgrade(&mut document).unwrap_or_else(|e| panic!("{name}: {e}"));
        if report.to != Schema::None {
            assert_eq!(report.to, Schema::NEWEST, "{name}");
            assert_eq!(validate(&document, Schema::NEWEST), [], "{name}");
        }
    }
}
