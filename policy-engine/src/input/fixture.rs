//! Small CIBs for tests.

use super::{build, generate};
use crate::model::cluster::{Cluster, Switches};
use cib_model::{DateTime, Document};

/// A CIB from the contents of its sections.
pub(super) fn cib(
    root: &str,
    options: &str,
    nodes: &str,
    resources: &str,
    constraints: &str,
    status: &str,
) -> String {
    format!(
        "<cib {root}><configuration><crm_config>{options}</crm_config><nodes>{nodes}</nodes>\
         <resources>{resources}</resources><constraints>{constraints}</constraints></configuration>\
         <status>{status}</status></cib>"
    )
}

/// Builds the model of a CIB and looks at it.
pub(super) fn with<T>(text: &str, look: impl for<'d> FnOnce(&mut Cluster<'d>) -> T) -> T {
    let document = Document::parse(text).expect("a well-formed fixture");
    let generated = generate(&document);
    let now = DateTime::from_epoch(1_700_000_000, 0);
    let mut cluster = build(&document, &generated, now, Switches::default());
    look(&mut cluster)
}
