//! Parse, plan, simulate: synthetic clusters, our own fixtures, and the recorded cases where they lie beside the
//! project.

use benches::cluster::{Status, synthetic};
use cib_model::{DateTime, Document, schema};
use criterion::{BatchSize, Criterion, criterion_main};
use policy_engine::simulate::{Request, run};
use policy_engine::{Options, plan};
use std::hint::black_box;
use std::path::{Path, PathBuf};

const NOW: i64 = 1_790_000_000;

fn now() -> DateTime {
    DateTime::from_epoch(NOW, 0)
}

/// As the engine wants it: with a status section, in the newest schema.
fn prepared(text: &str) -> Option<Document> {
    let mut document = Document::parse(text).ok()?;
    if document.root().child("status").is_none() {
        let root = document.root_id();
        document.append_element(root, "status");
    }
    schema::upgrade(&mut document).ok()?;
    Some(document)
}

fn simulated(document: Document) {
    let request = Request { simulate: true, quiet: true, now: Some(now()), ..Request::default() };
    black_box(run(document, &request));
}

fn one(c: &mut Criterion, name: &str, text: &str) {
    let document = prepared(text).expect("a CIB that can be planned");
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.bench_function("roxmltree", |b| {
        b.iter(|| black_box(roxmltree::Document::parse(text).expect("XML")));
    });
    group.bench_function("parse", |b| b.iter(|| black_box(Document::parse(text).expect("XML"))));
    group.bench_function("plan", |b| {
        b.iter(|| black_box(plan(&document, now(), &Options::default())));
    });
    group.bench_function("simulate", |b| {
        b.iter_batched(|| document.clone(), simulated, BatchSize::LargeInput);
    });
    group.finish();
}

/// All recorded inputs together: what a regression run costs.
fn all_recorded(c: &mut Criterion, directory: &Path) {
    let texts: Vec<String> =
        inputs(directory).iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let documents: Vec<Document> = texts.iter().filter_map(|text| prepared(text)).collect();
    let mut group = c.benchmark_group(format!("recorded, {} inputs", documents.len()));
    group.sample_size(10);
    group.bench_function("roxmltree", |b| {
        b.iter(|| {
            for text in &texts {
                let _ = black_box(roxmltree::Document::parse(text));
            }
        });
    });
    group.bench_function("parse", |b| {
        b.iter(|| {
            for text in &texts {
                let _ = black_box(Document::parse(text));
            }
        });
    });
    group.bench_function("plan", |b| {
        b.iter(|| {
            for document in &documents {
                black_box(plan(document, now(), &Options::default()));
            }
        });
    });
    group.bench_function("simulate", |b| {
        b.iter_batched(
            || documents.clone(),
            |documents| documents.into_iter().for_each(simulated),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// CIBs below a directory.
fn inputs(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "xml") {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

fn engine(c: &mut Criterion) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    one(c, "new-16x400", &synthetic(16, 400, Status::New));
    one(c, "steady-16x400", &synthetic(16, 400, Status::Steady));
    for example in inputs(&here.join("../node-daemon/examples")) {
        let name = example.file_stem().map(|name| name.to_string_lossy().into_owned());
        let text = std::fs::read_to_string(&example).expect("our own example");
        one(c, &name.unwrap_or_default(), &text);
    }
    let beside = here.join("../../shared/cts");
    if beside.is_dir() {
        all_recorded(c, &beside);
    } else {
        println!("no recorded cases beside the project: left out");
    }
}

#[allow(missing_docs)]
mod run {
    use super::engine;
    criterion::criterion_group!(all, engine);
}

criterion_main!(run::all);
