//! Parse, plan, simulate, on synthetic clusters.

use benches::cluster::{Status, synthetic};
use cib_model::{DateTime, Document};
use criterion::{BatchSize, Criterion, criterion_main};
use policy_engine::simulate::{Request, run};
use policy_engine::{Options, plan};
use std::hint::black_box;

fn engine(c: &mut Criterion) {
    for (name, nodes, resources, status) in
        [("new-16x400", 16, 400, Status::New), ("steady-16x400", 16, 400, Status::Steady)]
    {
        let text = synthetic(nodes, resources, status);
        let document = Document::parse(&text).expect("the generator writes XML");
        let mut group = c.benchmark_group(name);
        group.sample_size(20);
        group.bench_function("roxmltree", |b| {
            b.iter(|| black_box(roxmltree::Document::parse(&text).expect("XML")));
        });
        group.bench_function("parse", |b| {
            b.iter(|| black_box(Document::parse(&text).expect("XML")))
        });
        group.bench_function("plan", |b| {
            b.iter(|| {
                black_box(plan(
                    &document,
                    DateTime::from_epoch(1_790_000_000, 0),
                    &Options::default(),
                ))
            });
        });
        group.bench_function("simulate", |b| {
            let now = Some(DateTime::from_epoch(1_790_000_000, 0));
            let request = Request { simulate: true, quiet: true, now, ..Request::default() };
            b.iter_batched(
                || document.clone(),
                |d| black_box(run(d, &request)),
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

#[allow(missing_docs)]
mod run {
    use super::engine;
    criterion::criterion_group!(all, engine);
}

criterion_main!(run::all);
