//! Explains a resource or an action: `explain CIB ID`, for instance
//! `cargo run -p policy-engine --example explain -- policy-engine/tests/cibs/web.xml vip`.

#![expect(clippy::disallowed_methods, reason = "the caller reads files")]

use cib_model::{DateTime, Document, schema};
use policy_engine::{Options, plan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(id)) = (arguments.next(), arguments.next()) else {
        return Err("give a CIB file and the id of a resource or action".into());
    };
    let mut document = Document::parse(&std::fs::read_to_string(path)?)?;
    schema::upgrade(&mut document)?;
    let executed = document.root().attribute("execution-date").and_then(|d| d.parse().ok());
    let now = DateTime::from_epoch(executed.unwrap_or(1_790_000_000), 0);
    let plan = plan(&document, now, &Options { explain: true, ..Options::default() });
    print!("{}", plan.explain(&id)?);
    Ok(())
}
