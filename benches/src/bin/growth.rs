//! How planning time grows with the number of resources at a fixed number of nodes, and with both.

use benches::cluster::{Status, synthetic};
use cib_model::{DateTime, Document};
use policy_engine::{Options, plan};
use std::time::Instant;

fn main() {
    println!("{:>6} {:>10} {:>10} {:>14}", "nodes", "resources", "plan ms", "us/resource");
    for (nodes, resources) in
        [(16, 100), (16, 200), (16, 400), (16, 800), (16, 1600), (32, 1600), (64, 1600), (64, 6400)]
    {
        let text = synthetic(nodes, resources, Status::New);
        let document = Document::parse(&text).expect("the generator writes XML");
        let mut best = f64::INFINITY;
        for _ in 0..3 {
            let started = Instant::now();
            let planned =
                plan(&document, DateTime::from_epoch(1_790_000_000, 0), &Options::default());
            assert!(!planned.transition.synapses.is_empty());
            best = best.min(started.elapsed().as_secs_f64());
        }
        println!(
            "{nodes:>6} {resources:>10} {:>10.2} {:>14.1}",
            best * 1e3,
            best * 1e6 / resources as f64
        );
    }
}
