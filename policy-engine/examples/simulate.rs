//! What comes of the loss of nodes: `simulate CIB NODE...`, for instance
//! `cargo run -p policy-engine --example simulate -- policy-engine/tests/cibs/shop.xml north`.

#![expect(clippy::disallowed_methods, reason = "the caller reads files and the clock")]

use cib_model::{DateTime, Document, schema};
use policy_engine::simulate;
use policy_engine::simulate::{Bounds, Event};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give a CIB file and names of nodes")?;
    let mut document = Document::parse(&std::fs::read_to_string(path)?)?;
    schema::upgrade(&mut document)?;
    let since = std::time::UNIX_EPOCH.elapsed()?;
    let now = DateTime::from_epoch(since.as_secs() as i64, 0);
    let rest = simulate(&document, &[], now, &Bounds::default());
    let events: Vec<Event> = arguments.map(Event::NodeFails).collect();
    let story = simulate(&rest.cib, &events, now, &Bounds::default());
    for (i, round) in story.rounds.iter().enumerate() {
        println!("round {i}: {} actions", round.actions);
        for line in &round.summary.resources {
            let to = line.destination.as_deref().unwrap_or("-");
            println!("  {} {} -> {to}", line.verb, line.resource);
        }
        for step in &round.steps {
            println!("    {step:?}");
        }
    }
    println!("{:?}", story.ending);
    for (resource, places) in &story.after.running {
        let places: Vec<String> = places.iter().map(|p| format!("{} {}", p.role, p.node)).collect();
        println!("{resource}: {}", places.join(", "));
    }
    Ok(())
}
