//! How the time of a plan grows: with the resources on the same nodes, and with both.
//!
//! A new cluster has a probe of each resource on each node in its transition, a settled one a history of
//! each resource on each node in its CIB. So beside the time per resource stands the time per pair of a
//! node and a resource, which is what is read and written.

use benches::cluster::{Status, synthetic};
use cib_model::{DateTime, Document};
use policy_engine::{Options, plan};
use std::time::Instant;

const SIZES: [(usize, usize); 8] =
    [(16, 100), (16, 200), (16, 400), (16, 800), (16, 1600), (32, 1600), (64, 1600), (64, 6400)];
/// The settled cluster of 64 nodes and 6400 resources has a CIB of hundreds of megabytes.
const SETTLED: [(usize, usize); 5] = [(16, 100), (16, 400), (16, 1600), (32, 800), (64, 1600)];

fn main() {
    grows("nothing runs yet", Status::New, &SIZES);
    grows("nothing runs yet, every resource is confined to three nodes", Status::Confined, &SIZES);
    grows("all runs, nothing is to be done", Status::Steady, &SETTLED);
}

fn grows(title: &str, status: Status, sizes: &[(usize, usize)]) {
    println!("{title}");
    println!(
        "{:>6} {:>10} {:>10} {:>8} {:>12} {:>8} {:>10}",
        "nodes", "resources", "plan ms", "actions", "us/resource", "us/pair", "us/action"
    );
    for &(nodes, resources) in sizes {
        let document = Document::parse(&synthetic(nodes, resources, status))
            .expect("the generator writes XML");
        let mut best = f64::INFINITY;
        let mut actions = 0;
        for _ in 0..3 {
            let started = Instant::now();
            let planned =
                plan(&document, DateTime::from_epoch(1_790_000_000, 0), &Options::default());
            best = best.min(started.elapsed().as_secs_f64() * 1e6);
            actions = planned.transition.synapses.len();
            assert_eq!(actions == 0, status == Status::Steady, "{actions} actions");
        }
        let per = |number: usize| if number == 0 { 0.0 } else { best / number as f64 };
        println!(
            "{nodes:>6} {resources:>10} {:>10.2} {actions:>8} {:>12.1} {:>8.2} {:>10.2}",
            best / 1e3,
            per(resources),
            per(nodes * resources),
            per(actions)
        );
    }
}
