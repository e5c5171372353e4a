//! Validation of the configuration: grammar, ids and references, every finding in one pass.
//!
//! The grammar of all schemas is one table (module `sections`), so one walk tells for every schema
//! whether a document conforms ([`conforming`]); [`validate`] explains the violations of one of
//! them. The `status` section has no grammar, and its ids are free (spec 50 §1, §6).

mod check;
mod finding;
mod grammar;
mod identity;
mod sections;
mod value;

pub use finding::{Finding, Problem};

use crate::document::Document;
use crate::schema::{Schema, SchemaSet};

/// The schemas to which `document` conforms, whatever schema it claims.
pub fn conforming(document: &Document) -> SchemaSet {
    SchemaSet::ALL.without(run(document, SchemaSet::ALL, false).violated)
}

/// Whether `document` conforms to `schema`. Everything conforms to [`Schema::None`].
pub fn conforms(document: &Document, schema: Schema) -> bool {
    run(document, SchemaSet::only(schema), false).violated.is_empty()
}

/// Every violation of `schema` in `document`, by line. [`Schema::None`] finds nothing.
pub fn validate(document: &Document, schema: Schema) -> Vec<Finding> {
    let mut findings = run(document, SchemaSet::only(schema), true).findings.unwrap_or_default();
    findings.sort_by_key(|finding| (finding.line, finding.element));
    findings
}

fn run(document: &Document, schemas: SchemaSet, collect: bool) -> check::Checker<'_> {
    let mut checker = check::Checker::new(schemas, collect);
    let root = document.root();
    if root.name() == "cib" {
        checker.element(root, &sections::CIB);
        checker.identities();
    } else {
        checker.report(root, SchemaSet::ALL, |_| Problem::WrongRoot);
    }
    checker
}

#[cfg(test)]
mod tests;
