#![no_main]
//! A cluster with anything changed is planned and simulated without a panic, and twice the same way.
//!
//! The input is a recipe: which cluster of `seeds/` to start from, and what to change in it.

#[path = "../recipe.rs"]
mod recipe;

use cib_model::DateTime;
use libfuzzer_sys::fuzz_target;
use policy_engine::simulate::{Request, run};
use policy_engine::{Options, plan};

fuzz_target!(|recipe: &[u8]| {
    let document = recipe::cook(recipe);
    let now = DateTime::from_epoch(1_790_000_000, 0);
    let options = Options { scores: true, utilization: true, dot: true, ..Options::default() };
    let first = plan(&document, now, &options);
    let second = plan(&document, now, &options);
    assert_eq!(first.transition, second.transition);
    let request = Request { simulate: true, now: Some(now), ..Request::default() };
    run(document, &request);
});
