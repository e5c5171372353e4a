//! What would be lost with every node and every pair of nodes: `survey CIB [ATTRIBUTE]`, for instance
//! `cargo run -p policy-engine --example survey -- policy-engine/tests/cibs/shop.xml rack`.

#![expect(clippy::disallowed_methods, reason = "the caller reads files and the clock")]

use cib_model::{DateTime, Document, schema};
use policy_engine::survey::{Survey, survey};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give a CIB file")?;
    let mut document = Document::parse(&std::fs::read_to_string(path)?)?;
    schema::upgrade(&mut document)?;
    let wanted = Survey { domains: arguments.collect(), ..Survey::default() };
    let since = std::time::UNIX_EPOCH.elapsed()?;
    let now = DateTime::from_epoch(since.as_secs() as i64, 0);
    let report = survey(&document, now, &wanted);
    for outcome in &report.outcomes {
        println!(
            "{}: {:?}, {} actions, fenced {:?}, lost {:?}, moved {}",
            outcome.scenario,
            outcome.ending,
            outcome.actions,
            outcome.fenced,
            outcome.lost,
            outcome.moved.len()
        );
    }
    Ok(())
}
